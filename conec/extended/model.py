"""The extended Context Encoder, with features of the target word as additional inputs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, overload

import numpy as np

import corpora
from conec import random_streams
from conec.config import with_signature
from conec.embedding import as_tokens
from conec.extended.training import (
    FeatureChunkTrainer,
    FeatureStream,
    counted,
    documents_of,
    encoded,
    with_progress,
)
from conec.extended.vocabulary import FeatureVocabulary, name_of
from conec.features import Clean, Document, Feature, Sentence, sentences
from conec.linalg import normalize
from conec.model import ContextEncoder, check_checkpoint_options, has_features, open_model
from conec.sentences import check_texts
from conec.training import chunks
from conec.training.weights import check_weights, initial_divisor, zero_rows
from conec.types import BoolArray, CorpusLike, FloatArray, SenseChoice, StrPath
from corpora import BREAK, with_breaks
from corpora.checks import check_integer, check_number, shown
from corpora.encoding import TokenStream
from corpora.errors import ModelError
from corpora.model_folder import FolderReader, FolderWriter
from corpora.saved_data import check_saved_array

if TYPE_CHECKING:
    from conec.training.chunks import TrainingState


class ExtendedContextEncoder(ContextEncoder):
    """A Context Encoder with features of the target word among its inputs.

    The hidden layer is the sum or mean of the context words' rows of `W1`, plus the sum of the
    target word's features' rows of `F1`. Outputs and `W2` are those of words (thesis, section
    7.1). The embedding of a token, even of an unknown word, then also reflects its features, such
    as its case or its suffix.

    Documents are lists of raw tokens with breaks (``""``) between sentences, or lists of
    sentences of rows, each with the columns of a token, as `corpora.Corpus.tagged` yields them.

    Parameters
    ----------
    features : sequence of features
        Features from `conec.features`, or custom functions of the same form.
    clean : callable, optional
        Function from a raw token to its form in the vocabulary, such as
        ``corpora.cleaning.Pipeline(["digits", "lower"])``. By default tokens are unchanged.
    feature_min_count : int
        Ignore feature names that occur with fewer tokens.
    feature_dropout : float
        Probability that a feature is left out of a position in training. Without dropout, the
        letters of the target would identify it, and context words would learn little.
    **parameters
        Parameters of `ContextEncoder`. Only ``negatives="exact"`` and ``deterministic=False``
        are supported; with one worker, results are bit-identical.

    Attributes
    ----------
    F1 : float32 array of shape (n_features, d)
        Weights of the features.
    feature_vocabulary : FeatureVocabulary
        Name and count of each row of `F1`.

    Examples
    --------
    >>> from conec.features import Affixes, Case
    >>> text = [["London", "calls", "Paris", ".", "", "Paris", "calls", "Rome", "."]] * 20
    >>> features = [Case(), Affixes()]
    >>> model = ExtendedContextEncoder(features, clean=str.lower, sample=0, vector_size=8)
    >>> model = model.fit(text)
    >>> model.embed(["Madrid", "calls", "Rome"]).shape
    (3, 8)
    """

    _reads_features: ClassVar[bool] = True

    @partial(with_signature, negatives="exact")
    def __init__(
        self,
        features: Sequence[Feature] = (),
        *,
        clean: Clean | None = None,
        feature_min_count: int = 1,
        feature_dropout: float = 0.85,
        **parameters: Any,
    ) -> None:
        super().__init__(**{"negatives": "exact", **parameters})
        if self.config.negatives != "exact" or self.config.deterministic:
            raise ValueError(
                "with features, negatives must be 'exact' and deterministic must be False. For "
                "reproducible results, use one worker"
            )
        if self.config.max_vocab_size is not None:
            raise ValueError(
                "with features, words are counted exactly: use max_final_vocab in place of "
                "max_vocab_size"
            )
        if clean is not None and not callable(clean):
            raise TypeError(f"clean must be a function from a token to a str, got {shown(clean)}")
        self.clean = clean
        self.feature_min_count = check_integer("feature_min_count", feature_min_count, 1)
        self.feature_dropout = check_number("feature_dropout", feature_dropout, 0, 1)
        self.feature_vocabulary = FeatureVocabulary(features)
        self.F1 = zero_rows(0, self.config.vector_size)

    # Training

    def fit(self, corpus: Any, *, progress: bool = False, **options: Any) -> ExtendedContextEncoder:
        """Build the vocabularies of words and features, train, and call `learn_map`.

        Parameters
        ----------
        corpus : Corpus, path or iterable of documents
        progress : bool
            Show bars.
        **options
            Parameters of `train`.

        Returns
        -------
        ExtendedContextEncoder
            The model itself.

        Raises
        ------
        FileNotFoundError, CorpusError
            If the corpus cannot be read, or can be read only once.
        ValueError
            If the corpus is empty, no word occurs `min_count` times, or rows lack a column that
            a feature reads.
        """
        documents = documents_of(corpus)
        if not documents.reiterable:
            raise corpora.NotReiterableError(
                "the corpus can be read only once, but fit makes two passes. Pass a list, a file, "
                "or an object whose __iter__ returns a new iterator"
            )
        check_checkpoint_options(
            options.get("checkpoint"),
            options.get("checkpoint_minutes", 10),
            options.get("checkpoint_epochs"),
        )
        self.build_vocab(documents, progress=progress)
        self.train(cast("CorpusLike", documents), progress=progress, **options)
        return self

    def build_vocab(
        self,
        corpus: Any,
        *,
        update: bool = False,
        engine: str | None = None,
        progress: bool = False,
    ) -> ExtendedContextEncoder:
        """Count the words and features of a corpus and create their weights.

        Parameters
        ----------
        corpus : Corpus, path or iterable of documents
        update : bool
            Extend the vocabularies instead of replacing them.
        engine : None
            Features are counted on this machine.
        progress : bool
            Show a bar.

        Returns
        -------
        ExtendedContextEncoder
            The model itself.
        """
        if engine is not None:
            raise ValueError("models with features count on this machine only: leave engine out")
        extend = update and len(self.vocabulary) > 0
        old = self.feature_vocabulary if extend else FeatureVocabulary(self.features)
        documents = with_progress(documents_of(corpus), "counting", progress)
        words, names = counted(documents, self.clean, old)
        self.build_vocab_from_freq(words, update=update)
        c = self.config
        self.feature_vocabulary = old.merged(names, self.feature_min_count)
        F1 = zero_rows(len(self.feature_vocabulary), c.vector_size)
        n_old = len(old)
        F1[:n_old] = self.F1[:n_old]
        # initialized like rows of W1
        rng = np.random.default_rng([c.seed, random_streams.FEATURES, n_old])
        bound = 0.5 / initial_divisor(len(self), c.vector_size, c.init)
        F1[n_old:] = rng.uniform(-bound, bound, F1[n_old:].shape)
        self.F1 = F1
        return self

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order in which they were passed."""
        return self.feature_vocabulary.features

    def encode_corpus(
        self, corpus: Any, *, engine: str | None = None, progress: bool = False
    ) -> TokenStream:
        """Encode documents with their features, to pass them to `train`, `learn_map` and others.

        Parameters
        ----------
        corpus : Corpus, path, iterable of documents, or FeatureStream
            A FeatureStream is checked and returned.
        engine : str, optional
            Not used: features are computed on this machine.
        progress : bool
            Show a bar.

        Returns
        -------
        FeatureStream
        """
        if not isinstance(corpus, TokenStream):
            documents = with_progress(documents_of(corpus), "encoding", progress)
            corpus = encoded(documents, self.clean, self.vocabulary.index, self.feature_vocabulary)
        return super().encode_corpus(corpus, engine=engine, progress=progress)

    def _require_contexts(self, stream: TokenStream) -> None:
        # features of the target alone are inputs, too
        if not (isinstance(stream, FeatureStream) and len(stream.rows.indices)):
            super()._require_contexts(stream)

    def _new_state(self, stream: TokenStream, *args: Any) -> TrainingState:
        if not isinstance(stream, FeatureStream):
            raise TypeError(
                "a TokenStream has no features of its tokens. Pass the documents, or the result "
                "of the model's encode_corpus"
            )
        check_weights("F1", self.F1, (len(self.feature_vocabulary), self.config.vector_size))
        if stream.rows.indices.max(initial=-1) >= len(self.F1):
            raise ValueError(
                "the corpus was encoded with features that this model does not have. Encode it "
                "with this model"
            )
        return super()._new_state(stream, *args)

    def _chunk_trainer(self, stream: TokenStream, state: TrainingState) -> chunks.ChunkTrainer:
        weights = self.W1, self.F1, self.W2
        features, dropout = self.feature_vocabulary, self.feature_dropout
        return FeatureChunkTrainer(
            weights, cast("FeatureStream", stream), self.vocabulary, features, dropout,
            self.config, state, self.lock_factors,
        )  # fmt: skip

    # Embeddings

    def feature_embeddings(self, document: Document) -> FloatArray:
        """Embeddings of the features alone: for each token, the sum of its features' rows of `F1`.

        Parameters
        ----------
        document : list of tokens, or list of sentences of rows

        Returns
        -------
        float32 array of shape (n_tokens, d)
            Zero for breaks.
        """
        document = _listed(document)
        return _with_breaks(document, self._feature_sums(sentences(document, self.clean)))

    def _feature_sums(self, parsed: Sequence[Sentence]) -> FloatArray:
        """Sum of the features' rows of `F1` for each token, without breaks."""
        from scipy import sparse

        rows = self.feature_vocabulary.encode(parsed)
        shape = len(rows.indptr) - 1, len(self.F1)
        matrix = sparse.csr_matrix((rows.values, rows.indices, rows.indptr), shape=shape)
        return np.asarray(matrix @ self.F1, np.float32)

    @overload
    def embed(
        self,
        tokens: Any,
        a: float = ...,
        *,
        senses: SenseChoice = ...,
        per_occurrence: bool = ...,
        feature_weight: float = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed(
        self,
        tokens: Any,
        a: float = ...,
        *,
        senses: SenseChoice = ...,
        per_occurrence: bool = ...,
        feature_weight: float = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self,
        tokens: Any,
        a: float = 0.8,
        *,
        senses: SenseChoice = "auto",
        per_occurrence: bool = False,
        feature_weight: float = 1.0,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a document, each with its own features.

        The result of `ContextEncoder.embed` plus the result of `feature_embeddings`, each scaled
        to unit length; the sum is scaled to unit length as well.

        Parameters
        ----------
        tokens : list of str, or list of sentences of rows
            A document as in training: raw tokens, or rows with all columns that features read.
        a : float
            Weight of the word's own embedding, from 0 to 1.
        senses : {"auto", "soft", "hard", "none"}
        per_occurrence : bool
            As in `ContextEncoder.embed`.
        feature_weight : float
            Weight of the features; 0 ignores them.
        return_found : bool
            Also return which tokens have an embedding.

        Returns
        -------
        embeddings : float32 array of shape (n_tokens, d)
            One row per token, in order; zero for breaks.
        found : bool array of shape (n_tokens,)
            Whether the embedding is not zero; only with ``return_found=True``.
        """
        embedded = self._embed_document(
            tokens, "document", a, senses, per_occurrence, feature_weight
        )
        return (embedded, np.asarray(embedded.any(axis=1))) if return_found else embedded

    def embed_batch(
        self,
        documents: Iterable[Any],
        a: float = 0.8,
        *,
        senses: SenseChoice = "auto",
        per_occurrence: bool = False,
        feature_weight: float = 1.0,
        workers: int | None = None,
        engine: str | None = None,
        folder: StrPath | None = None,
    ) -> Generator[FloatArray, None, None]:
        """Embeddings of the tokens of many documents, as from `embed`, in constant memory.

        Features are functions in Python, so documents are embedded one at a time.

        Parameters
        ----------
        documents : iterable of documents
            Each is a list of tokens, or a list of sentences of rows.
        a, senses, per_occurrence, feature_weight
            As in `embed`.
        workers : int, optional
            Not used.
        engine, folder : None
            Not supported: features are computed on this machine.

        Yields
        ------
        float32 array of shape (n_tokens, d)
            One for each document, in order.
        """
        check_texts(documents, "documents must be an iterable of documents", single=False)
        if workers is not None:
            check_integer("workers", workers, 1)
        if engine is not None or folder is not None:
            raise ValueError(
                "models with features embed on this machine only: leave engine and folder out"
            )
        check_number("feature_weight", feature_weight, 0)
        return (
            self._embed_document(
                document, f"document {number}", a, senses, per_occurrence, feature_weight
            )
            for number, document in enumerate(documents)
        )

    def _embed_document(
        self,
        document: Any,
        where: str,
        a: float,
        senses: SenseChoice,
        per_occurrence: bool,
        feature_weight: float,
    ) -> FloatArray:
        check_number("feature_weight", feature_weight, 0)
        document = _listed(document)
        parsed = sentences(document, self.clean, where)
        words = with_breaks(sentence.words for sentence in parsed)
        is_word = np.array([word != BREAK for word in words], np.bool_)
        context = super().embed(words, a, senses=senses, per_occurrence=per_occurrence)[is_word]
        features = np.float32(feature_weight) * normalize(self._feature_sums(parsed))
        return _with_breaks(document, normalize(context + features))

    # Files

    def write_to(self, folder: FolderWriter) -> None:
        """Write the model's files to an open folder, which may be nested in another model's."""
        clean: str | list[str] | None = None if self.clean is None else name_of(self.clean)
        steps = getattr(self.clean, "steps", ())
        if steps and all(isinstance(step, str) for step in steps):
            clean = list(steps)
        data = {
            "clean": clean,
            "min_count": self.feature_min_count,
            "dropout": self.feature_dropout,
            **self.feature_vocabulary.to_dict(),
        }
        folder.write_json("features.json", data)
        folder.write_arrays("features.safetensors", {"F1": self.F1})
        super().write_to(folder)

    def _load_same_kind(self, path: StrPath) -> ExtendedContextEncoder:
        return type(self).load(path, features=self.features, clean=self.clean, verify=True)

    @classmethod
    def load(
        cls,
        path: StrPath,
        *,
        features: Iterable[Feature] = (),
        clean: Clean | None = None,
        verify: bool = False,
    ) -> ExtendedContextEncoder:
        """Read a saved model or a checkpoint from a folder; its weights are memory-mapped.

        Parameters
        ----------
        path : path
        features : iterable of features
            Custom features that the model was trained with; they are matched by name. Built-in
            features are restored from the file.
        clean : callable, optional
            The function that the model was trained with. A `corpora.cleaning.Pipeline` of named
            steps is restored from the file.
        verify : bool, default False
            As in `ContextEncoder.load`.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder is damaged, holds another kind of model, or was written by a newer
            version.
        ValueError
            If a feature or `clean` is missing; the message names it.
        """
        with open_model(path, verify=verify) as folder:
            return cls.read_from(folder, features=features, clean=clean)

    @classmethod
    def read_from(
        cls,
        folder: FolderReader,
        *,
        features: Iterable[Feature] = (),
        clean: Clean | None = None,
    ) -> ExtendedContextEncoder:
        """Read a model from an open folder; parameters and errors as in `load`."""
        from corpora.cleaning import Pipeline

        if not has_features(folder):
            raise ModelError(
                f"{folder.path} is a ContextEncoder without features: it has no features.json"
            )
        model = cast("ExtendedContextEncoder", super().read_from(folder))
        data = folder.read_json("features.json", limit=None)  # it has an entry for each feature
        arrays = folder.read_arrays("features.safetensors")
        missing: str | None = None
        with folder.checking("features.json"):
            try:
                model.feature_vocabulary = FeatureVocabulary.from_dict(data, features)
            except KeyError as error:
                missing = str(error.args[0])
            model.feature_min_count = check_integer("min_count", data.get("min_count"), 1)
            model.feature_dropout = check_number("dropout", data.get("dropout"), 0, 1)
            saved_clean = data.get("clean")
            if not isinstance(saved_clean, (list, str, type(None))):
                raise ValueError(f"clean must be a list of steps, got {saved_clean!r}")
            model.clean = Pipeline(saved_clean) if isinstance(saved_clean, list) else clean
        if missing is not None:
            raise ValueError(
                f"{folder.path} was trained with a custom feature, {missing!r}. Pass it to "
                "load(..., features=[...])"
            )
        if model.clean is None and saved_clean is not None:
            raise ValueError(
                f"{folder.path} was trained with a custom function for cleaning tokens, "
                f"{saved_clean!r}. Pass it to load(..., clean=...)"
            )
        shape = len(model.feature_vocabulary), model.config.vector_size
        with folder.checking("features.safetensors"):
            model.F1 = check_saved_array("F1", arrays, "float32", shape)
        return model


def _listed(document: Any) -> Any:
    """A document as a list; a spaCy Doc, an array or an iterator must hold tokens."""
    return document if isinstance(document, (list, tuple)) else as_tokens(document)


def _with_breaks(document: Document, rows: FloatArray) -> FloatArray:
    """Rows of tokens, and zeros for the breaks between them."""
    if not len(document) or not isinstance(document[0], str):
        return rows  # sentences of rows have no breaks between them
    result = np.zeros((len(document), rows.shape[1]), np.float32)
    result[[token != BREAK for token in document]] = rows
    return result
