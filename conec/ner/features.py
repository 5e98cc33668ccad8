"""Features of tokens from a Context Encoder, for taggers and as a scikit-learn transformer."""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from conec.ner.clusters import Clusters
from conec.ner.documents import read_documents
from conec.types import JSON, BoolArray, FloatArray, IntArray, StrPath
from corpora import with_breaks
from corpora.checks import check_flag, check_integer, check_number
from corpora.cleaning import Pipeline
from corpora.readers import TaggedDocument
from corpora.saved_data import saved_strings

if TYPE_CHECKING:
    from scipy import sparse as scipy_sparse

    from conec import ContextEncoder

logger = logging.getLogger(__name__)

Space = Literal["word", "context", "document"]


class ContextFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of each token of a document, including words that the model does not know.

    Dense features are the embedding of the token in its document (`ContextEncoder.embed` of the
    document, with breaks between sentences). Sparse features are the clusters of similar words
    and tokens that it belongs to, at several granularities. Linear taggers such as conditional
    random fields learn more and faster from these [1]_.

    Parameters
    ----------
    model : ContextEncoder or path
        A trained model or its folder. Clones share it.
    a : float
        For known words, the weight of the embedding from training; the context in the document
        has weight 1 - a. See `ContextEncoder.embed`.
    sparse : bool
        If True, features are indicators of clusters; otherwise embeddings.
    spaces : sequence of {"word", "context", "document"}
        Vectors to cluster. "word": rows of W1 for the words of the model. "context": their
        context embeddings. "document": embeddings of the tokens of the documents passed to
        `fit`. Unknown words have a cluster only in "document".
    clusters : sequence of int
        Number of clusters at each granularity.
    n_words : int
        Number of vectors to cluster in each space: those of the most frequent words in "word"
        and "context", and those of tokens drawn at random in "document".
    clean : str or sequence of str, optional
        Steps of `corpora.cleaning` applied to tokens: those of the model's training text, such
        as ``("lower", "digits")``. A token that would become empty is left unchanged. An
        `ExtendedContextEncoder` cleans tokens itself.
    random_state : int
        Seed of the clustering.

    Attributes
    ----------
    model_ : ContextEncoder
        For sparse features, a copy of the model with weights in 8 bits (`quantize`), a sixth of
        the size on disk; the model itself if it is quantized already.
    clusters_ : dict of str to Clusters
        Clusters in each space; empty for dense features.

    Notes
    -----
    The output has one row per token, not per document: in a pipeline, `y` has the tags of all
    tokens. scikit-learn's cross-validation splits rows of `X`, so it cannot be used.

    With an `ExtendedContextEncoder`, tokens should be rows with all columns that its features
    read.

    References
    ----------
    .. [1] J. Guo, W. Che, H. Wang, T. Liu (2014), Revisiting embedding features for simple
       semi-supervised learning, EMNLP.

    Examples
    --------
    >>> from gensim.test.utils import datapath
    >>> from conec import ContextEncoder
    >>> model = ContextEncoder(vector_size=20, min_count=2, epochs=2, seed=1)
    >>> model = model.fit(datapath("lee_background.cor"))
    >>> documents = [[["Fires", "spread"], ["Zorbville", "burns"]]]
    >>> ContextFeatures(model, clean="lower").fit_transform(documents).shape
    (4, 20)
    >>> features = ContextFeatures(model, sparse=True, clusters=(4, 8), clean="lower")
    >>> features.fit(documents).transform(documents).shape[0]
    4
    """

    def __init__(
        self,
        model: ContextEncoder | StrPath,
        *,
        a: float = 0.8,
        sparse: bool = False,
        spaces: Sequence[Space] = ("word", "document"),
        clusters: Sequence[int] = (64, 256, 1024),
        n_words: int = 30_000,
        clean: str | Sequence[str] | None = None,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.a = a
        self.sparse = sparse
        self.spaces = spaces
        self.clusters = clusters
        self.n_words = n_words
        self.clean = clean
        self.random_state = random_state

    def __sklearn_clone__(self) -> ContextFeatures:
        parameters = self.get_params(deep=False)
        model = parameters.pop("model")
        new = type(self)(model, **copy.deepcopy(parameters))
        if hasattr(self, "_sklearn_output_config"):
            new._sklearn_output_config = copy.copy(self._sklearn_output_config)
        return new

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    # Fitting

    def fit(self, X: Iterable[Any], y: object = None) -> ContextFeatures:  # noqa: ARG002
        """Check the model and the documents, and compute clusters if features are sparse.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            Documents are lists of sentences, sentences are lists of tokens: strings, or tuples
            that start with the word. If sentences are passed, each counts as a document.
        y : object
            Ignored.

        Returns
        -------
        ContextFeatures

        Raises
        ------
        TypeError, ValueError
            If `model` is not a trained model, a parameter is out of range, or the documents are
            malformed or have no tokens; or if a model folder needs custom features or a custom
            cleaning function: load it with `conec.load`, and pass the model.
        RuntimeError
            If context embeddings are needed and the model has none.
        FileNotFoundError, ModelError
            If there is no model at the path.
        """
        model = self._checked(self._loaded_model())
        if self.sparse:
            model = _quantized(model)
        documents, _ = read_documents(X)
        if not any(sentence for document in documents for sentence in document):
            raise ValueError("there are no tokens in the documents")
        clusters: dict[str, Clusters] = {}
        for space in self.spaces if self.sparse else ():
            begin = time.perf_counter()
            if space == "document":
                vectors = self._embed(model, documents)
                # all occurrences of a word in a document have the same embedding
                rows = [*{row.tobytes(): i for i, row in enumerate(vectors)}.values()]
                if len(rows) > self.n_words:
                    rng = np.random.default_rng(self.random_state)
                    rows = sorted(rng.choice(rows, self.n_words, replace=False))
                vectors = vectors[rows]
            else:
                n_words = min(self.n_words, len(model))
                vectors = _word_vectors(model, space, np.arange(n_words))
            if not vectors.any():
                raise ValueError(
                    f"all vectors of the space {space!r} are zero: does the model know any word of "
                    "the documents? Set clean= to the cleaning steps of its training text"
                )
            seconds = time.perf_counter() - begin
            logger.info(
                "computed %d vectors of the space %s in %.1f s", len(vectors), space, seconds
            )
            clusters[space] = Clusters.fit(vectors, list(self.clusters), self.random_state)
        self.model_, self.clusters_ = model, clusters
        return self

    def _loaded_model(self) -> ContextEncoder:
        from conec import ContextEncoder, load

        model = self.model
        if isinstance(model, (str, os.PathLike)):
            return load(model)
        if not isinstance(model, ContextEncoder):
            raise TypeError(f"model must be a ContextEncoder or its folder, got {model!r}")
        return model

    def _checked(self, model: ContextEncoder) -> ContextEncoder:
        """Check the parameters, and that the model has the vectors they need; return the model."""
        if not len(model):
            raise ValueError("the model is not trained (it has no vocabulary): call its fit")
        check_number("a", self.a, 0, 1)
        check_integer("n_words", self.n_words, 1)
        check_integer("random_state", self.random_state, 0, 2**32 - 1)
        _pipeline(self.clean)
        for name, values in (("spaces", self.spaces), ("clusters", self.clusters)):
            if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
                raise ValueError(
                    f"{name} must be a sequence with at least one value, got {values!r}"
                )
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must not contain a value twice, got {values!r}")
        for space in self.spaces:
            if space not in get_args(Space):
                names = ", ".join(map(repr, get_args(Space)))
                raise ValueError(f"each of spaces must be one of {names}, got {space!r}")
        for size in self.clusters:
            check_integer("each value of clusters", size, 1)
        needs_contexts = (self.sparse and "context" in self.spaces) or (
            self.a > 0
            and model.sense_inventory is None
            and (not self.sparse or "document" in self.spaces)
        )
        if needs_contexts and model.stored("context_embeddings") is None:
            raise RuntimeError(
                "the model has no context embeddings: call its learn_map or build_contexts with "
                'the corpus, or use a=0 without the space "context"'
            )
        return model

    # Features

    def transform(self, X: Iterable[Any]) -> FloatArray | scipy_sparse.csr_matrix:
        """Compute the features of all tokens, in order.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            As for `fit`.

        Returns
        -------
        float32 array of shape (n_tokens, d), or csr_matrix of shape (n_tokens, n_clusters)
            The row of a token without an embedding is zero.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self, "model_")
        documents, _ = read_documents(X)
        if not self.sparse:
            return self._embed(self.model_, documents)
        from scipy import sparse

        numbers = self._cluster_numbers(documents)
        first = np.cumsum([0, *self._sizes()])
        assigned = numbers >= 0
        columns = (numbers + first[:-1])[assigned]
        row_starts = np.concatenate([[0], np.cumsum(assigned.sum(axis=1))])
        ones = np.ones(len(columns), np.float32)
        shape = len(numbers), int(first[-1])
        return sparse.csr_matrix((ones, columns, row_starts), shape=shape)

    def groups(self, X: Iterable[Any]) -> IntArray:
        """Return the clusters of all tokens: one column per space and granularity.

        Parameters
        ----------
        X : iterable of documents, or of sentences

        Returns
        -------
        int32 array of shape (n_tokens, len(spaces) * len(clusters))
            Cluster numbers from 0; -1 if a token has no cluster. The names of the columns are in
            `group_names`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If features are dense.
        """
        check_is_fitted(self, "model_")
        if not self.sparse:
            raise ValueError("dense features have no clusters: use sparse=True")
        return self._cluster_numbers(read_documents(X)[0])

    @property
    def group_names(self) -> list[str]:
        """Names of the columns of `groups`, such as "word64"."""
        return [f"{space}{size}" for space in self.spaces for size in self.clusters]

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Return the names of the features: "context0", ..., or of clusters "word64_0", ...

        Parameters
        ----------
        input_features : object
            Ignored.

        Returns
        -------
        array of str objects, shape (n_features,)
        """
        check_is_fitted(self, "model_")
        if not self.sparse:
            names = [f"context{i}" for i in range(self.model_.config.vector_size)]
        else:
            blocks = zip(self.group_names, self._sizes(), strict=True)
            names = [f"{name}_{i}" for name, size in blocks for i in range(size)]
        return np.array(names, dtype=object)

    def _sizes(self) -> list[int]:
        return [size for clusters in self.clusters_.values() for size in clusters.sizes]

    def _cluster_numbers(self, documents: Sequence[TaggedDocument]) -> IntArray:
        blocks = []
        for space, clusters in self.clusters_.items():
            if space == "document":
                blocks.append(clusters.assign(self._embed(self.model_, documents)))
                continue
            index = self.model_.vocabulary.index
            # an ExtendedContextEncoder has its own cleaning function
            clean = getattr(self.model_, "clean", None) or str
            words = [clean(w) or w for d in documents for w in self._tokens(d) if w]
            word_ids = np.array([index.get(word, -1) for word in words], np.int64)
            ids, positions = np.unique(word_ids, return_inverse=True)
            vectors = _word_vectors(self.model_, space, np.maximum(ids, 0))
            vectors[ids < 0] = 0
            blocks.append(clusters.assign(vectors)[positions])
        return np.concatenate(blocks, axis=1)

    def _tokens(self, document: TaggedDocument) -> list[str]:
        """Return the cleaned words of a document, with breaks between sentences."""
        clean = _pipeline(self.clean) or str
        return with_breaks([clean(row[0]) or row[0] for row in s] for s in document)

    def _embed(self, model: ContextEncoder, documents: Sequence[TaggedDocument]) -> FloatArray:
        from conec import ExtendedContextEncoder

        blocks = [np.zeros((0, model.config.vector_size), np.float32)]
        clean = _pipeline(self.clean) or str
        for document in documents:
            if isinstance(model, ExtendedContextEncoder):
                # its features may read all columns of a token
                rows = [[(clean(row[0]) or row[0], *row[1:]) for row in s] for s in document]
                blocks.append(model.embed(rows, self.a))
                continue
            words = self._tokens(document)
            is_token: BoolArray = np.array([bool(word) for word in words], dtype=np.bool_)
            blocks.append(model.embed(words, self.a)[is_token])
        return np.concatenate(blocks)

    # State, as saved by `Tagger`

    def to_dict(self, *, copy_model: bool) -> JSON:
        """Return the parameters as plain data for JSON.

        Parameters
        ----------
        copy_model : bool
            Whether the model is copied. Otherwise the path of its folder is included.

        Raises
        ------
        ValueError
            If `clean` contains a function, or ``copy_model=False`` and `model` is not a path.
        """
        data = {k: v for k, v in self.get_params(deep=False).items() if k != "model"}
        clean = [] if self.clean is None else self.clean
        data["clean"] = [clean] if isinstance(clean, str) else list(clean)
        data["dtype"] = self.model_.dtype_name
        if not all(isinstance(step, str) for step in data["clean"]):
            raise ValueError(
                "clean contains a function, which cannot be saved: use named steps of "
                "corpora.cleaning"
            )
        for name in ("spaces", "clusters"):
            data[name] = list(data[name])
        if not copy_model:
            if not isinstance(self.model, (str, os.PathLike)):
                raise ValueError(
                    "the model has no folder to refer to: pass the path of its folder to "
                    "ContextFeatures, or save with copy_model=True"
                )
            data["model"] = os.path.abspath(self.model)
        return data

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of the clusters, by space and name."""
        return {
            f"{space}.{name}": array
            for space, clusters in self.clusters_.items()
            for name, array in clusters.arrays().items()
        }

    @classmethod
    def from_state(
        cls, data: JSON, arrays: Mapping[str, npt.NDArray[Any]], model: ContextEncoder
    ) -> ContextFeatures:
        """Restore fitted features from the results of `to_dict` and `arrays`, and a model.

        Raises
        ------
        AttributeError, KeyError, TypeError, ValueError, RuntimeError
            If they do not match.
        """
        parameters = {**data, "clean": saved_strings("clean", data["clean"]) or None}
        saved_strings("spaces", data["spaces"])
        check_flag("sparse", data["sparse"])
        # a model that is referred to may be in float32; earlier versions used it as it was
        if parameters.pop("dtype", None) == "int8":
            model = _quantized(model)
        path = parameters.pop("model", None)
        features = cls(model if path is None else path, **parameters)
        features.model_ = features._checked(model)
        features.clusters_ = {}
        for space in features.spaces:
            prefix = f"{space}."
            of_space = {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            clusters = Clusters.from_arrays(of_space)
            clusters.check(model.config.vector_size, len(features.clusters))
            features.clusters_[space] = clusters
        return features


def _quantized(model: ContextEncoder) -> ContextEncoder:
    """A copy of the model in 8 bits, or the model itself if it is quantized or unfinished."""
    unfinished = model.training_state is not None
    return model if model.is_quantized or unfinished else model.quantize("int8")


def _word_vectors(model: ContextEncoder, space: str, ids: npt.NDArray[np.int64]) -> FloatArray:
    """Return a copy of the vectors of words with these ids."""
    if space == "word":
        return model.unit_rows(ids)
    embeddings = model.stored("context_embeddings")
    assert embeddings is not None  # checked by `fit`
    vectors: FloatArray = np.array(embeddings[ids])
    return vectors


def _pipeline(clean: str | Sequence[str] | None) -> Pipeline | None:
    return None if clean is None else Pipeline(clean)
