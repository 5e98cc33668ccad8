"""The extended Context Encoder: features of the target word are inputs beside its context."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

import corpora
from conec import persistence, random_streams
from conec.config import with_signature
from conec.extended.training import (
    FeatureChunkTrainer,
    FeatureStream,
    counted,
    documents_of,
    encoded,
    shown,
)
from conec.extended.vocabulary import FeatureVocabulary, name_of
from conec.features import Clean, Document, Feature, Sentence, sentences
from conec.linalg import normalize
from conec.model import ContextEncoder
from conec.training import chunks
from conec.training.weights import check_weights, initial_divisor, zero_rows
from conec.types import BoolArray, Choice, CorpusLike, FloatArray, StrPath
from corpora import BREAK, with_breaks
from corpora.checks import check_integer, check_number
from corpora.encoding import TokenStream

if TYPE_CHECKING:
    from conec.training.chunks import TrainingState


class ExtendedContextEncoder(ContextEncoder):
    """A Context Encoder with features of the target word among its inputs.

    An input is the sum or mean of the rows of context words in `W1`, as ever, plus the sum of
    the rows of the target's features in `F1`; the targets and `W2` are those of words (thesis,
    section 7.1). So the embedding of a token tells its case or its ending as well, that of an
    unknown word too.

    Documents are lists of raw tokens with breaks between sentences, or lists of sentences of
    rows, each the columns of a token, as `corpora.Corpus.tagged` gives them.

    Parameters
    ----------
    features : sequence of features
        Of `conec.features`, or functions of the same form.
    clean : callable, optional
        From a raw token to the form that the vocabulary has, such as
        ``corpora.cleaning.Pipeline(["digits", "lower"])``. By default as it is.
    feature_min_count : int
        Names that fewer tokens have get no row.
    feature_dropout : float
        Probability that a position does without a feature while it trains. Without it
        letters would give the target away, and context words would learn little.
    **parameters
        Of `ContextEncoder`. Each position draws noise words of its own
        (``negatives="exact"``), and ``deterministic`` is False: one worker always gives the
        same bits.

    Attributes
    ----------
    F1 : float32 array of shape (n_features, d)
        Weights of the features.
    feature_vocabulary : FeatureVocabulary
        Names and counts of its rows.

    Examples
    --------
    >>> from conec.features import Affixes, Case
    >>> text = [["London", "calls", "Paris", ".", "", "Paris", "calls", "Rome", "."]] * 20
    >>> model = ExtendedContextEncoder([Case(), Affixes()], clean=str.lower, vector_size=8)
    >>> model = model.fit(text)
    >>> model.embed(["Madrid", "calls", "Rome"]).shape
    (3, 8)
    """

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
                "with features, negatives is 'exact' and deterministic is False: one worker "
                "gives the same bits"
            )
        self.clean = clean
        self.feature_min_count = check_integer("feature_min_count", feature_min_count, 1)
        self.feature_dropout = check_number("feature_dropout", feature_dropout, 0, 1)
        self.feature_vocabulary = FeatureVocabulary(features)
        self.F1 = zero_rows(0, self.config.vector_size)

    # Training

    def fit(self, corpus: Any, *, progress: bool = False, **options: Any) -> ExtendedContextEncoder:
        """Count words and features, train, and build the global contexts.

        Parameters
        ----------
        corpus : Corpus, path or iterable of documents
        progress : bool
            Show bars.
        **options
            Of `train`.

        Raises
        ------
        FileNotFoundError, CorpusError
            If the corpus cannot be read, or only once.
        ValueError
            If it is empty, no word is frequent enough, or a feature finds no column.
        """
        documents = documents_of(corpus)
        if not documents.reiterable:
            raise corpora.NotReiterableError(
                "the corpus can be read once only, and fit makes two passes: give a list"
            )
        checkpoint = options.get("checkpoint")
        if checkpoint is not None:
            persistence.check_writable(checkpoint)
        self.build_vocab(documents, progress=progress)
        self.train(cast("CorpusLike", documents), progress=progress, **options)
        return self

    def build_vocab(
        self, corpus: Any, *, update: bool = False, progress: bool = False
    ) -> ExtendedContextEncoder:
        """Count the words and features of a corpus, and make room for their weights.

        Parameters
        ----------
        corpus : Corpus, path or iterable of documents
        update : bool
            Add to what is at hand instead of starting anew.
        progress : bool
            Show a bar.
        """
        more = update and len(self.vocabulary) > 0
        old = self.feature_vocabulary if more else FeatureVocabulary(self.features)
        documents = shown(documents_of(corpus), "counting", progress)
        words, names = counted(documents, self.clean, old)
        self.build_vocab_from_freq(words, update=update)
        c = self.config
        self.feature_vocabulary = old.merged(names, self.feature_min_count)
        F1 = zero_rows(len(self.feature_vocabulary), c.vector_size)
        kept = len(old)
        F1[:kept] = self.F1[:kept]
        # as rows of W1 begin
        rng = np.random.default_rng([c.seed, random_streams.FEATURES, kept])
        bound = 0.5 / initial_divisor(len(self), c.vector_size, c.init)
        F1[kept:] = rng.uniform(-bound, bound, F1[kept:].shape)
        self.F1 = F1
        return self

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features, in the order given."""
        return self.feature_vocabulary.features

    def encode(self, corpus: Any, *, progress: bool = False) -> TokenStream:
        """Encode documents with their features, for several passes of `train` and the like.

        Parameters
        ----------
        corpus : Corpus, path, iterable of documents, or FeatureStream
            A FeatureStream is checked and returned.
        progress : bool
            Show a bar.

        Returns
        -------
        FeatureStream
        """
        if not isinstance(corpus, TokenStream):
            documents = shown(documents_of(corpus), "encoding", progress)
            corpus = encoded(documents, self.clean, self.vocabulary.index, self.feature_vocabulary)
        return super().encode(corpus, progress=progress)

    def _new_state(self, stream: TokenStream, *args: Any) -> TrainingState:
        if not isinstance(stream, FeatureStream):
            raise TypeError(
                "a token stream has no features of its tokens: train on the documents, or on "
                "what the model's `encode` gives"
            )
        check_weights("F1", self.F1, (len(self.feature_vocabulary), self.config.vector_size))
        if stream.rows.indices.max(initial=-1) >= len(self.F1):
            raise ValueError("the corpus was encoded with features that this model has not")
        return super()._new_state(stream, *args)

    def _chunk_trainer(self, stream: TokenStream, state: TrainingState) -> chunks.ChunkTrainer:
        weights = self.W1, self.F1, self.W2
        features, dropout = self.feature_vocabulary, self.feature_dropout
        return FeatureChunkTrainer(
            weights, cast("FeatureStream", stream), self.vocabulary, features, dropout,
            self.config, state,
        )  # fmt: skip

    # Embeddings

    def feature_embeddings(self, document: Document) -> FloatArray:
        """What the features of each token say: the sum of their rows of `F1`.

        Parameters
        ----------
        document : list of tokens, or list of sentences of rows

        Returns
        -------
        float32 array of shape (n_tokens, d)
            Zero for breaks.
        """
        return self._placed(document, self._of_features(sentences(document, self.clean)))

    def _of_features(self, found: Sequence[Sentence]) -> FloatArray:
        """Sums of the rows of the features of all tokens but breaks."""
        from scipy import sparse

        rows = self.feature_vocabulary.encode(found)
        shape = len(rows.indptr) - 1, len(self.F1)
        matrix = sparse.csr_matrix((rows.values, rows.indices, rows.indptr), shape=shape)
        return np.asarray(matrix @ self.F1, np.float32)

    def _placed(self, document: Document, rows: FloatArray) -> FloatArray:
        """Rows of tokens, and zeros for the breaks among them."""
        if not len(document) or not isinstance(document[0], str):
            # sentences of rows have no break between two of them
            return rows
        placed = np.zeros((len(document), rows.shape[1]), np.float32)
        placed[[token != BREAK for token in document]] = rows
        return placed

    @overload
    def embed(
        self,
        tokens: Any,
        a: float = ...,
        *,
        senses: Choice = ...,
        feature_weight: float = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed(
        self,
        tokens: Any,
        a: float = ...,
        *,
        senses: Choice = ...,
        feature_weight: float = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self,
        tokens: Any,
        a: float = 0.8,
        *,
        senses: Choice = "auto",
        feature_weight: float = 1.0,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a document, each with its own features.

        The embedding of a token's contexts, as in `ContextEncoder.embed`, plus the sum of the
        rows of its features, both of unit length; and their sum is brought to unit length.

        Parameters
        ----------
        tokens : list of str, or list of sentences of rows
            A document, as for training: raw tokens, or all columns that the features read.
        a : float
            Share of the global context, from 0 to 1.
        senses : {"auto", "soft", "hard", "none"}
            As in `ContextEncoder.embed`.
        feature_weight : float
            Length of the part of the features; 0 for contexts alone.
        return_found : bool
            Return as well which tokens have an embedding.

        Returns
        -------
        embeddings : float32 array of shape (n_tokens, d)
            One row for each token, in order; zero for breaks.
        found : bool array of shape (n_tokens,)
            With ``return_found=True`` only.
        """
        check_number("feature_weight", feature_weight, 0)
        found = sentences(tokens, self.clean)
        words = with_breaks(sentence.words for sentence in found)
        here = np.array([word != BREAK for word in words], np.bool_)
        context = super().embed(words, a, senses=senses)[here]
        part = np.float32(feature_weight) * normalize(self._of_features(found))
        result = self._placed(tokens, normalize(context + part))
        has: BoolArray = np.asarray(result.any(axis=1))
        return (result, has) if return_found else result

    # Disk

    def _parts(self) -> dict[str, persistence.Part]:
        clean: str | list[str] | None = None if self.clean is None else name_of(self.clean)
        steps = getattr(self.clean, "steps", ())
        if steps and all(isinstance(step, str) for step in steps):
            clean = list(steps)
        about = {
            "clean": clean,
            "min_count": self.feature_min_count,
            "dropout": self.feature_dropout,
            **self.feature_vocabulary.to_dict(),
        }
        return {**super()._parts(), persistence.FEATURES: persistence.Part(about, {"F1": self.F1})}

    def _load_same_kind(self, path: StrPath) -> ExtendedContextEncoder:
        return type(self).load(path, features=self.features, clean=self.clean)

    @classmethod
    def load(
        cls,
        path: StrPath,
        *,
        features: Iterable[Feature] = (),
        clean: Clean | None = None,
    ) -> ExtendedContextEncoder:
        """Read a model that `save` or a checkpoint wrote.

        Parameters
        ----------
        path : path
        features : iterable of features
            Your own features that the model was trained with, found by their names. Built-in
            ones are in the file.
        clean : callable, optional
            The function that the model was trained with, unless it was a
            `corpora.cleaning.Pipeline` of named steps, which is in the file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ModelError
            If it is damaged, something else, or of a newer version.
        ValueError
            If a feature or `clean` has to be given; the message names it.
        """
        from corpora.cleaning import Pipeline

        found = persistence.load_part(path, persistence.FEATURES)
        if found is None and Path(path).is_dir():
            raise persistence.ModelError(
                f"{path} is no extended Context Encoder: it has no {persistence.FEATURES}.json"
            )
        model = cast("ExtendedContextEncoder", super().load(path))
        assert found is not None  # what is no folder was refused
        about = found.about
        try:
            model.feature_vocabulary = FeatureVocabulary.from_dict(about, features)
            model.feature_min_count = check_integer("min_count", about.get("min_count"), 1)
            model.feature_dropout = check_number("dropout", about.get("dropout"), 0, 1)
            kept = about.get("clean")
            model.clean = Pipeline(kept) if isinstance(kept, list) else clean
        except KeyError as error:
            raise ValueError(
                f"{path} was trained with a feature of your own, {error.args[0]!r}: give it to "
                "load(..., features=[...])"
            ) from None
        except (TypeError, ValueError) as error:
            raise persistence.ModelError(f"{path} is damaged: {error}") from error
        if model.clean is None and kept is not None:
            raise ValueError(
                f"{path} was trained with a function of your own that cleans tokens, {kept!r}: "
                "give it to load(..., clean=...)"
            )
        shape = len(model.feature_vocabulary), model.config.vector_size
        F1 = found.arrays.get("F1", np.zeros(0))
        if F1.shape != shape or F1.dtype != np.float32:
            raise persistence.ModelError(f"{path} is damaged: F1 has not the shape {shape}")
        model.F1 = F1
        return model
