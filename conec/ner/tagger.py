"""A named-entity tagger: a conditional random field with standard and context features."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from conec.evaluation import entity_scores
from conec.features import Clean, Feature
from conec.ner import crf, saving
from conec.ner.documents import read_documents, read_tags
from conec.ner.features import ContextFeatures
from conec.ner.schemes import Scheme, convert
from conec.ner.standard import COLUMNS, pair_features, standard_features, window_features
from conec.types import StrPath
from corpora.checks import check_choice, check_integer, check_number
from corpora.errors import ModelError
from corpora.files import temporary_folder
from corpora.readers import TaggedDocument

logger = logging.getLogger(__name__)


class Tagger(BaseEstimator):  # type: ignore[misc]
    """Finds named entities, with or without features from a Context Encoder.

    A linear-chain conditional random field (CRFsuite, L-BFGS). Requires the extra ``[ner]``.

    Parameters
    ----------
    features : ContextFeatures, optional
        With ``sparse=True``: the clusters of each token, of the tokens around it and of pairs of
        neighbors are added to the standard features. A clone of it is fitted to the documents
        passed to `fit`.
    window : int
        Number of tokens on each side whose attributes are features of a token.
    affix : int
        Length of the longest prefix and suffix.
    c1, c2 : float
        Weights of the L1 and L2 penalties.
    max_iterations : int
        Maximum number of training iterations.
    scheme : {"iob1", "iob2", "bioes"}
        Tagging scheme of the output of `predict`. Training accepts tags in any scheme, and
        converts them to "bioes".

    Attributes
    ----------
    features_ : ContextFeatures or None
    words_ : frozenset of str
        Words of the training text.
    n_columns_ : int
        Number of columns of its tokens: 1 for the word alone, 2 with its part of speech, 3 with
        its chunk.

    Examples
    --------
    >>> documents = [[["Ann", "sings"], ["Bob", "sings"]]]
    >>> tagger = Tagger(max_iterations=20)
    >>> tagger.fit(documents, [[["B-PER", "O"], ["B-PER", "O"]]]).predict([["Eve", "sings"]])
    [['B-PER', 'O']]
    """

    def __init__(
        self,
        features: ContextFeatures | None = None,
        *,
        window: int = 2,
        affix: int = 4,
        c1: float = 0.1,
        c2: float = 0.1,
        max_iterations: int = 100,
        scheme: Scheme = "iob2",
    ) -> None:
        self.features = features
        self.window = window
        self.affix = affix
        self.c1 = c1
        self.c2 = c2
        self.max_iterations = max_iterations
        self.scheme = scheme

    # Training

    def fit(self, X: Iterable[Any], y: Iterable[Any], *, progress: bool = False) -> Tagger:
        """Train on tagged documents.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            Documents are lists of sentences, sentences are lists of tokens: strings, or tuples
            of the word, its part of speech and its chunk, or the first two. Each plain sentence
            counts as a document.
        y : iterable
            Tags in the same form, in IOB1, IOB2 or BIOES.
        progress : bool
            Show a bar.

        Returns
        -------
        Tagger

        Raises
        ------
        ImportError
            If python-crfsuite is not installed.
        TypeError, ValueError
            If documents and tags do not match, or a tag or a parameter is invalid.
        """
        crf.require_crfsuite()
        self._check_parameters()
        documents, _ = read_documents(X)
        tags = read_tags(y, documents)
        if not any(sentence for document in documents for sentence in document):
            raise ValueError("there are no tokens to learn from")
        begin = time.perf_counter()
        n_columns = _n_columns(documents)
        labels = [[convert(sentence, "bioes") for sentence in document] for document in tags]
        features = None if self.features is None else clone(self.features).fit(documents)
        examples = (
            (attributes, sentence_labels)
            for document, document_labels in zip(documents, labels, strict=True)
            for attributes, sentence_labels in zip(
                self._attributes(document, features), document_labels, strict=True
            )
            if sentence_labels
        )
        with temporary_folder("conec-tagger-") as folder:
            path = folder / "field"
            crf.train(
                path, examples, c1=self.c1, c2=self.c2, max_iterations=self.max_iterations,
                progress=progress,
            )  # fmt: skip
            content = path.read_bytes()
        self.features_, self.n_columns_ = features, n_columns
        self.words_ = frozenset(row[0] for d in documents for s in d for row in s)
        self._field = crf.Field(content)
        seconds = time.perf_counter() - begin
        logger.info("trained a tagger on %d documents in %.1f s", len(documents), seconds)
        return self

    def _check_parameters(self) -> None:
        if self.features is not None:
            if not isinstance(self.features, ContextFeatures):
                raise TypeError(f"features must be ContextFeatures or None, got {self.features!r}")
            if not self.features.sparse:
                raise ValueError("a tagger needs sparse features: ContextFeatures(sparse=True)")
        check_integer("window", self.window, 0)
        check_integer("affix", self.affix, 0)
        check_integer("max_iterations", self.max_iterations, 1)
        check_number("c1", self.c1, 0)
        check_number("c2", self.c2, 0)
        check_choice("scheme", self.scheme, Scheme)

    def _attributes(
        self, document: TaggedDocument, features: ContextFeatures | None
    ) -> Iterator[crf.Attributes]:
        """All features of the sentences of a document."""
        clusters = None if features is None else features.groups([document])
        names = [] if features is None else features.group_names
        start = 0
        for sentence in document:
            attributes = standard_features(sentence, window=self.window, affix=self.affix)
            if clusters is not None:
                rows = clusters[start : start + len(sentence)]
                for name, column in zip(names, rows.T.tolist(), strict=True):
                    values = ["" if number < 0 else str(number) for number in column]
                    for i, token_attributes in enumerate(attributes):
                        token_attributes += window_features(name, values, i, self.window)
                        if self.window:
                            token_attributes += pair_features(name, values, i)
            start += len(sentence)
            yield attributes

    # Prediction

    def predict(self, X: Iterable[Any]) -> list[Any]:
        """Predict the tags of documents.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            As for `fit`.

        Returns
        -------
        list
            Tags in the form of `X`: documents of sentences, or sentences.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If tokens lack a column that the training text has.
        """
        check_is_fitted(self, "words_")
        documents, nested = read_documents(X)
        n = self.n_columns_
        if _n_columns(documents, most=n) < n:
            raise ValueError(
                f"the tagger was trained on tokens of {n} columns, {', '.join(COLUMNS[:n])}, but "
                "some tokens have fewer"
            )
        documents = [[[row[:n] for row in s] for s in document] for document in documents]
        tags = [
            [
                convert(self._field.predict(attributes), self.scheme)
                for attributes in self._attributes(document, self.features_)
            ]
            for document in documents
        ]
        return tags if nested else [document[0] for document in tags]

    def score(self, X: Iterable[Any], y: Iterable[Any]) -> float:
        """F1 of the entities, computed as by conlleval.

        Parameters
        ----------
        X : iterable of documents, or of sentences
        y : iterable
            Their tags.
        """
        documents, _ = read_documents(X)
        tags = read_tags(y, documents)
        predicted = self.predict(documents)
        return entity_scores(_sentences(tags), _sentences(predicted)).f1

    # Disk

    def save(self, path: StrPath, *, copy_model: bool = True) -> None:
        """Write the tagger to a folder: CRFsuite's file, JSON, and safetensors; no pickle.

        Parameters
        ----------
        path : path
            A folder to create, or an earlier tagger to replace.
        copy_model : bool
            Include a copy of the Context Encoder. Otherwise the path of its folder is stored,
            which `features` must name; the folder must not be moved then.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            If `path` cannot be written, or holds anything else.
        ValueError
            If ``copy_model=False`` and the model has no folder.
        """
        check_is_fitted(self, "words_")
        parameters = {k: v for k, v in self.get_params(deep=False).items() if k != "features"}
        state = saving.Saved(
            parameters, self.n_columns_, sorted(self.words_), self._field.content, self.features_
        )
        saving.save(path, state, copy_model=copy_model)

    @classmethod
    def load(
        cls, path: StrPath, *, features: Iterable[Feature] = (), clean: Clean | None = None
    ) -> Tagger:
        """Read a tagger written by `save`.

        Parameters
        ----------
        path : path
        features, clean
            Custom features and cleaning function of its Context Encoder, if that was trained
            with any; as for `conec.load`.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ModelError
            If it is damaged, not a tagger, or written by a newer version.
        ValueError
            If a custom feature or `clean` is required; the message names it.
        ImportError
            If python-crfsuite is not installed.
        """
        crf.require_crfsuite()
        state = saving.load(path, features=features, clean=clean)
        try:
            tagger = cls(state.features, **state.parameters)
            tagger._check_parameters()
            tagger._field = crf.Field(state.field)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{path} is damaged: {error}") from error
        tagger.features_ = state.features
        tagger.words_, tagger.n_columns_ = frozenset(state.words), state.n_columns
        return tagger


def _n_columns(documents: Sequence[TaggedDocument], most: int = len(COLUMNS)) -> int:
    """Number of columns that all tokens have, at most `most`; `most` if there are no tokens."""
    sizes = (len(row) for document in documents for sentence in document for row in sentence)
    return min(most, min(sizes, default=most))


def _sentences(tags: Sequence[Sequence[list[str]]]) -> list[list[str]]:
    return [sentence for document in tags for sentence in document]
