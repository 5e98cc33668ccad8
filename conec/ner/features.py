"""Features of tokens from a Context Encoder, for taggers and as a scikit-learn transformer."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from conec.ner.clusters import Clusters
from conec.ner.documents import Document, read_documents
from conec.types import BoolArray, FloatArray, IntArray, StrPath
from corpora import with_breaks
from corpora.checks import check_integer, check_number
from corpora.cleaning import Pipeline

if TYPE_CHECKING:
    from scipy import sparse as scipy_sparse

    from conec.model import ContextEncoder

Space = Literal["word", "context", "document"]


class ContextFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of each token of a document, also of words that the model never saw.

    Dense, they are the token's embedding in the sense at hand (`ContextEncoder.embed` of the
    document, with breaks between its sentences). Sparse, they say in which groups of
    similar words and tokens it is, at several granularities: linear taggers such as
    conditional random fields learn more and faster from these [1]_.

    Parameters
    ----------
    model : ContextEncoder or path
        A trained model or its folder. It is shared with clones, not copied.
    a : float
        Share of the global context in a token's embedding; see `ContextEncoder.embed`.
    sparse : bool
        Groups instead of embeddings.
    spaces : sequence of {"word", "context", "document"}
        What is grouped: the words of the model by their rows of W1, by the embeddings of
        their global contexts, or the tokens of the documents that `fit` gets by their
        embeddings in these. In the first two, words that the model does not know are in
        no group; in the last, they are.
    clusters : sequence of int
        How many groups there are at each granularity.
    n_words : int
        So many words of the model, the most frequent, say where the groups are.
    clean : str or sequence of str, optional
        Steps of `corpora.cleaning` that bring tokens to the form of the model's words, such
        as ``("lower", "digits")``. A token that nothing is left of stays as it is.
    random_state : int
        Where the search for groups starts.

    Attributes
    ----------
    model_ : ContextEncoder
    clusters_ : dict of str to Clusters
        Of each space; empty for dense features.

    Notes
    -----
    There is one row a token and not one a document, so `y` of a pipeline are the tags of all
    tokens, and scikit-learn's splits for cross-validation, which cut rows, do not fit.

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
    >>> groups = ContextFeatures(model, sparse=True, clusters=(4, 8), clean="lower")
    >>> groups.fit(documents).transform(documents).shape[0]
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

    # Learning

    def fit(self, X: Iterable[Any], y: object = None) -> ContextFeatures:  # noqa: ARG002
        """Look for groups, if features are sparse; check the model and its documents.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            Documents are lists of sentences, these of tokens, these strings (or tuples that
            begin with the word). Plain sentences are documents of their own.
        y : object
            Not looked at.

        Returns
        -------
        ContextFeatures

        Raises
        ------
        TypeError, ValueError
            If the model is none or not trained, a parameter is out of range, or the
            documents have another form or no token.
        RuntimeError
            If contexts are asked for and the model has none.
        FileNotFoundError, ModelError
            If there is no model at the path.
        """
        model = self._checked()
        documents, _ = read_documents(X)
        if not any(sentence for document in documents for sentence in document):
            raise ValueError("there are no tokens in the documents")
        found: dict[str, Clusters] = {}
        if self.sparse:
            sizes = list(self.clusters)
            for space in self.spaces:
                if space == "document":
                    vectors = self._embed(model, documents)
                    # a word has one embedding in a document, however often it stands there
                    vectors = np.unique(vectors, axis=0)
                else:
                    vectors = self._words(model, space)[: self.n_words]
                if not vectors.any():
                    raise ValueError(
                        f"all vectors of the space {space!r} are zero: has the model any word "
                        "of the documents? (clean= brings tokens to the form of its words)"
                    )
                found[space] = Clusters.fit(vectors, sizes, self.random_state)
        self.model_, self.clusters_ = model, found
        return self

    def _checked(self) -> ContextEncoder:
        """The model, if it and the parameters are such that features can be made."""
        from conec import ContextEncoder, load

        model = self.model
        if isinstance(model, (str, os.PathLike)):
            model = load(model)
        if not isinstance(model, ContextEncoder):
            raise TypeError(f"model is a ContextEncoder or the folder of one, not {model!r}")
        if not len(model):
            raise ValueError("the model has no vocabulary yet: call its fit")
        check_number("a", self.a, 0, 1)
        check_integer("n_words", self.n_words, 1)
        check_integer("random_state", self.random_state, 0, 2**32 - 1)
        _pipeline(self.clean)
        for name, values in (("spaces", self.spaces), ("clusters", self.clusters)):
            if isinstance(values, (str, int)) or not len(values):
                raise ValueError(f"{name} is a sequence with at least one value, not {values!r}")
            if len(set(values)) < len(values):
                raise ValueError(f"{name} has a value twice: {values!r}")
        for space in self.spaces:
            if space not in get_args(Space):
                known = ", ".join(map(repr, get_args(Space)))
                raise ValueError(f"spaces are {known}, not {space!r}")
        for size in self.clusters:
            check_integer("each value of clusters", size, 1)
        needs_contexts = (self.sparse and "context" in self.spaces) or (
            self.a > 0
            and model.sense_inventory is None
            and (not self.sparse or "document" in self.spaces)
        )
        if needs_contexts and model.context_embeddings is None:
            raise RuntimeError(
                "the model has no global contexts: call its build_contexts with the corpus, or "
                'use a=0, and spaces without "context"'
            )
        return model

    # Features

    def transform(self, X: Iterable[Any]) -> FloatArray | scipy_sparse.csr_matrix:
        """Features of all tokens, in order.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            As for `fit`.

        Returns
        -------
        float32 array of shape (n_tokens, d), or csr_matrix of shape (n_tokens, n_groups)
            A row is zero where a token has no context at all.

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

        groups = self._groups(documents)
        first = np.cumsum([0, *self._sizes()])
        has = groups >= 0
        columns = (groups + first[:-1])[has]
        starts = np.concatenate([[0], np.cumsum(has.sum(axis=1))])
        ones = np.ones(len(columns), np.float32)
        return sparse.csr_matrix((ones, columns, starts), shape=(len(groups), int(first[-1])))

    def groups(self, X: Iterable[Any]) -> IntArray:
        """Numbers of the groups that tokens are in, a column for each space and granularity.

        Parameters
        ----------
        X : iterable of documents, or of sentences

        Returns
        -------
        int32 array of shape (n_tokens, len(spaces) * len(clusters))
            -1 where a token is in none. The columns are those that `group_names` names.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If features are dense.
        """
        check_is_fitted(self, "model_")
        if not self.sparse:
            raise ValueError("dense features have no groups: use sparse=True")
        return self._groups(read_documents(X)[0])

    @property
    def group_names(self) -> list[str]:
        """Names of the columns of `groups`, such as "word64"."""
        return [f"{space}{size}" for space in self.spaces for size in self.clusters]

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Names of the features: "context0", ... or those of the groups, "word64_0", ...

        Parameters
        ----------
        input_features : object
            Not looked at.

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
        return [size for found in self.clusters_.values() for size in found.sizes]

    def _groups(self, documents: Sequence[Document]) -> IntArray:
        blocks = []
        for space, found in self.clusters_.items():
            if space == "document":
                blocks.append(found.assign(self._embed(self.model_, documents)))
                continue
            index = self.model_.vocabulary.index
            rows = [index.get(w, -1) for d in documents for w in self._tokens(d) if w]
            ids, places = np.unique(np.array(rows, np.int64), return_inverse=True)
            vectors = self._words(self.model_, space)[np.maximum(ids, 0)]
            vectors[ids < 0] = 0
            blocks.append(found.assign(vectors)[places])
        return np.concatenate(blocks, axis=1)

    @staticmethod
    def _words(model: ContextEncoder, space: Space | str) -> FloatArray:
        if space == "word":
            return model._unit_W1()
        assert model.context_embeddings is not None
        return model.context_embeddings

    def _tokens(self, document: Document) -> list[str]:
        """Clean words, with breaks between sentences, as the model takes them."""
        clean = _pipeline(self.clean) or str
        return with_breaks([clean(row[0]) or row[0] for row in s] for s in document)

    def _embed(self, model: ContextEncoder, documents: Sequence[Document]) -> FloatArray:
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


def _pipeline(clean: str | Sequence[str] | None) -> Pipeline | None:
    return None if clean is None else Pipeline(clean)
