"""A tagger of named entities: a conditional random field of standard and context features."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from conec.evaluation import entity_scores
from conec.features import Clean, Feature
from conec.ner import crf, saving
from conec.ner.documents import Document, read_documents, read_tags
from conec.ner.features import ContextFeatures
from conec.ner.schemes import Scheme, convert
from conec.ner.standard import COLUMNS, around, pairs, standard_features
from conec.persistence import ModelError
from conec.types import StrPath
from corpora.checks import check_choice, check_integer, check_number


class Tagger(BaseEstimator):  # type: ignore[misc]
    """Finds named entities, with or without what a Context Encoder knows of words.

    A linear-chain conditional random field (CRFsuite, L-BFGS). It needs the extra ``[ner]``.

    Parameters
    ----------
    features : ContextFeatures, optional
        With ``sparse=True``: the groups that each token and those around are in, and those of
        neighbours together, join the standard features. It is cloned, and learns from the
        documents that `fit` gets.
    window : int
        How far tokens around are looked at.
    affix : int
        Length of the longest prefix and suffix.
    c1, c2 : float
        Weights of the L1 and L2 penalties.
    max_iterations : int
        At most so many steps of training.
    scheme : {"iob1", "iob2", "bioes"}
        That of the tags which `predict` gives. Training is always in "bioes", and takes tags
        of any.

    Attributes
    ----------
    features_ : ContextFeatures or None
    words_ : frozenset of str
        The words of the training text.
    n_columns_ : int
        What its tokens had: 1 for the word alone, 2 with its part of speech, 3 with its chunk.

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

    def fit(self, X: Iterable[Any], y: Iterable[Any], *, progress: bool = False) -> Tagger:
        """Learn from documents with tags.

        Parameters
        ----------
        X : iterable of documents, or of sentences
            Documents are lists of sentences, these of tokens: strings, or tuples of the word,
            its part of speech and its chunk, where these are known. Plain sentences are
            documents of their own.
        y : iterable
            Tags, in the same form; of IOB1, IOB2 or BIOES.
        progress : bool
            Show a bar.

        Returns
        -------
        Tagger

        Raises
        ------
        ImportError
            If python-crfsuite is not there.
        TypeError, ValueError
            If documents and tags do not fit together, a tag or a parameter is none.
        """
        crf.require()
        self._check()
        documents, _ = read_documents(X)
        tags = read_tags(y, documents)
        if not any(sentence for document in documents for sentence in document):
            raise ValueError("there are no tokens to learn from")
        n_columns = _columns(documents)
        labels = [[convert(sentence, "bioes") for sentence in document] for document in tags]
        features = None if self.features is None else clone(self.features).fit(documents)
        together = (
            (attributes, own)
            for document, document_labels in zip(documents, labels, strict=True)
            for attributes, own in zip(
                self._attributes(document, features), document_labels, strict=True
            )
            if own
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "field"
            crf.train(
                path, together, c1=self.c1, c2=self.c2, max_iterations=self.max_iterations,
                progress=progress,
            )  # fmt: skip
            content = path.read_bytes()
        self.features_, self.n_columns_ = features, n_columns
        self.words_ = frozenset(row[0] for d in documents for s in d for row in s)
        self._content, self._field = content, crf.Field(content)
        return self

    def _check(self) -> None:
        if self.features is not None:
            if not isinstance(self.features, ContextFeatures):
                raise TypeError(f"features are ContextFeatures or None, not {self.features!r}")
            if not self.features.sparse:
                raise ValueError("a tagger takes groups of tokens: ContextFeatures(sparse=True)")
        check_integer("window", self.window, 0)
        check_integer("affix", self.affix, 0)
        check_integer("max_iterations", self.max_iterations, 1)
        check_number("c1", self.c1, 0)
        check_number("c2", self.c2, 0)
        check_choice("scheme", self.scheme, Scheme)

    def _attributes(
        self, document: Document, features: ContextFeatures | None
    ) -> Iterator[crf.Attributes]:
        """All features of a document's sentences."""
        groups = None if features is None else features.groups([document])
        names = [] if features is None else features.group_names
        start = 0
        for sentence in document:
            found = standard_features(sentence, window=self.window, affix=self.affix)
            if groups is not None:
                rows = groups[start : start + len(sentence)]
                for name, column in zip(names, rows.T.tolist(), strict=True):
                    values = ["" if group < 0 else str(group) for group in column]
                    for i, own in enumerate(found):
                        own += around(name, values, i, self.window)
                        if self.window:
                            own += pairs(name, values, i)
            start += len(sentence)
            yield found

    def predict(self, X: Iterable[Any]) -> list[Any]:
        """Tags of documents.

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
            If tokens lack a column that those of the training text had.
        """
        check_is_fitted(self, "words_")
        documents, nested = read_documents(X)
        n = self.n_columns_
        if _columns(documents, most=n) < n:
            raise ValueError(
                f"the tagger learned from tokens of {n} columns, {', '.join(COLUMNS[:n])}, and "
                "there are tokens with fewer"
            )
        documents = [[[row[:n] for row in s] for s in document] for document in documents]
        found = [
            [
                convert(self._field.labels(attributes), self.scheme)
                for attributes in self._attributes(document, self.features_)
            ]
            for document in documents
        ]
        return found if nested else [document[0] for document in found]

    def score(self, X: Iterable[Any], y: Iterable[Any]) -> float:
        """F1 of the entities, by conlleval's rules.

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

    # Kept in a folder

    def save(self, path: StrPath, *, copy_model: bool = True) -> None:
        """Write the tagger to a folder: CRFsuite's file, JSON, and safetensors; no pickle.

        Parameters
        ----------
        path : path
            A folder that is made, or an older tagger that is replaced.
        copy_model : bool
            Put a copy of the Context Encoder in it. Otherwise its own folder, which
            `features` has to name, is referred to and must stay where it is.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            If `path` cannot be written, or holds something else.
        ValueError
            If the model shall be referred to, and has no folder.
        """
        check_is_fitted(self, "words_")
        parameters = {k: v for k, v in self.get_params(deep=False).items() if k != "features"}
        kept = saving.Saved(
            parameters, self.n_columns_, sorted(self.words_), self._content, self.features_
        )
        saving.save(path, kept, copy_model=copy_model)

    @classmethod
    def load(
        cls, path: StrPath, *, features: Iterable[Feature] = (), clean: Clean | None = None
    ) -> Tagger:
        """Read a tagger that `save` wrote.

        Parameters
        ----------
        path : path
        features, clean
            Custom features and the custom cleaning function of its Context Encoder, if that was
            trained with any; as for `conec.load`.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ModelError
            If it holds no tagger, or a damaged one, or one of a newer version.
        ValueError
            If a custom feature or `clean` is needed; the message names it.
        ImportError
            If python-crfsuite is not there.
        """
        crf.require()
        kept = saving.load(path, features=features, clean=clean)
        try:
            tagger = cls(kept.features, **kept.parameters)
            tagger._check()
            tagger._field = crf.Field(kept.field)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{os.fspath(path)} is damaged: {error}") from error
        tagger._content, tagger.features_ = kept.field, kept.features
        tagger.words_, tagger.n_columns_ = frozenset(kept.words), kept.n_columns
        return tagger


def _columns(documents: Sequence[Document], most: int = len(COLUMNS)) -> int:
    """Columns that all tokens have; there are `most` if there are no tokens."""
    sizes = (len(row) for document in documents for sentence in document for row in sentence)
    return min(most, min(sizes, default=most))


def _sentences(tags: Sequence[Sequence[list[str]]]) -> list[list[str]]:
    return [sentence for document in tags for sentence in document]
