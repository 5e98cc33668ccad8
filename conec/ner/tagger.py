"""A named-entity tagger: a conditional random field with standard and context features."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from conec.evaluation import entity_scores
from conec.features import Clean, Feature
from conec.model import FORMAT_VERSION as MODEL_VERSION
from conec.model import KIND as MODEL_KIND
from conec.ner import crf
from conec.ner.documents import read_documents, read_tags
from conec.ner.features import ContextFeatures
from conec.ner.occurrences import occurrence_features
from conec.ner.schemes import Scheme, convert, types_of, with_prefixes
from conec.ner.standard import COLUMNS, pair_features, standard_features, window_features
from conec.types import IntArray, StrPath
from corpora.checks import check_choice, check_flag, check_integer, check_number
from corpora.errors import ModelError, warn
from corpora.files import temporary_folder
from corpora.hub import HubModel
from corpora.model_folder import FolderReader, open_folder, write_folder
from corpora.readers import TaggedDocument
from corpora.saved_data import check_saved_object, saved_strings

if TYPE_CHECKING:
    from conec import ContextEncoder

logger = logging.getLogger(__name__)

# From this many tokens, a warning if more than a share of them has unknown values of a column.
_MIN_TOKENS, _MAX_UNKNOWN = 20, 0.3

KIND = "conec.ner.Tagger"  # of model folders
FORMAT_VERSION = 4
# Parameters of taggers of earlier formats, which had no such features.
_EARLIER = {"occurrences": False, "windows": "all"}

Windows = Literal["finest", "all"]


class Tagger(HubModel, BaseEstimator):  # type: ignore[misc]
    """Named-entity tagger, with optional features from a Context Encoder.

    It is a linear-chain conditional random field (CRFsuite, L-BFGS). Requires the extra
    ``[ner]``.

    Parameters
    ----------
    features : ContextFeatures, optional
        Must have ``sparse=True``. Clusters of each token and of the tokens around it are added to
        the standard features. `fit` fits a clone of it.
    window : int
        Number of tokens on each side whose attributes are features of a token.
    affix : int
        Length of the longest prefix and suffix.
    occurrences : bool
        Add features from the other occurrences of a token's word in its document: their
        neighbors, shapes and the names they are part of. They need no Context Encoder, but whole
        documents; most useful if the training text is small.
    windows : {"finest", "all"}
        Clusters of the tokens around a token that are added. "finest": those of the previous and
        the next token at the finest granularity, also as pairs. "all": those of all tokens in
        the window and of pairs at all granularities, which takes about twice the time to train.
    c1, c2 : float
        Weights of the L1 and L2 penalties.
    max_iterations : int
        Maximum number of training iterations.
    scheme : {"iob1", "iob2", "bioes", "bilou", "bmewo", "io"}
        Tagging scheme of the output of `predict`. Training accepts tags in any scheme, and
        converts them to "bioes".

    Attributes
    ----------
    features_ : ContextFeatures or None
    words_ : frozenset of str
        Words of the training text.
    n_columns_ : int
        Number of columns of its tokens: 1 for only the word, 2 with the part of speech, 3 with
        the chunk.
    columns_ : tuple of str
        Names of the columns of its tokens that were not empty: word, pos, chunk.
    column_values_ : dict of str to list of str
        Values of the columns pos and chunk, by name.
    types_ : list of str
        Types of the entities in its tags.

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
        occurrences: bool = True,
        windows: Windows = "finest",
        c1: float = 0.1,
        c2: float = 0.1,
        max_iterations: int = 100,
        scheme: Scheme = "iob2",
    ) -> None:
        self.features = features
        self.window = window
        self.affix = affix
        self.occurrences = occurrences
        self.windows = windows
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
            Documents are lists of sentences, sentences are lists of tokens. A token is a string,
            or a tuple: (word, part of speech) or (word, part of speech, chunk). If sentences are
            passed, each counts as a document.
        y : iterable
            Tags in the same form, in any scheme that `conec.evaluation.entities` reads, or types
            without prefixes (PER and O).
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
            raise ValueError("there are no tokens to train on")
        begin = time.perf_counter()
        n_columns = _n_columns(documents)
        prefixed = iter(with_prefixes(_sentences(tags)))
        labels = [[convert(next(prefixed), "bioes") for _ in document] for document in tags]
        if all(tag == "O" for document in labels for sentence in document for tag in sentence):
            warn("all tags are O: there are no entities to learn, and none will be predicted")
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
        self.columns_ = tuple(
            name
            for i, name in enumerate(COLUMNS[:n_columns])
            if any(row[i] for d in documents for s in d for row in s)
        )
        self.column_values_ = {
            name: sorted({row[COLUMNS.index(name)] for d in documents for s in d for row in s})
            for name in self.columns_[1:]
        }
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
        check_integer("window", self.window, 0, 1 << 10)
        check_integer("affix", self.affix, 0, 1 << 10)
        check_flag("occurrences", self.occurrences)
        check_choice("windows", self.windows, Windows)
        check_integer("max_iterations", self.max_iterations, 1)
        check_number("c1", self.c1, 0)
        check_number("c2", self.c2, 0)
        check_choice("scheme", self.scheme, Scheme)

    def _attributes(
        self, document: TaggedDocument, features: ContextFeatures | None
    ) -> Iterator[crf.Attributes]:
        """Compute all features of each sentence of a document."""
        clusters = None if features is None else features.groups([document])
        occurrences = occurrence_features(document) if self.occurrences else None
        start = 0
        for number, sentence in enumerate(document):
            attributes = standard_features(sentence, window=self.window, affix=self.affix)
            if features is not None and clusters is not None:
                rows = clusters[start : start + len(sentence)]
                self._add_clusters(attributes, features, rows)
                start += len(sentence)
            if occurrences is not None:
                for token_attributes, names in zip(attributes, occurrences[number], strict=True):
                    token_attributes += names
            yield attributes

    def _add_clusters(
        self, attributes: crf.Attributes, features: ContextFeatures, rows: IntArray
    ) -> None:
        """Add the clusters of the tokens of a sentence to their attributes."""
        finest = max(features.clusters)
        sizes = [size for _ in features.spaces for size in features.clusters]
        for name, size, column in zip(features.group_names, sizes, rows.T.tolist(), strict=True):
            values = ["" if number < 0 else str(number) for number in column]
            window = self.window
            if self.windows == "finest":
                window = min(window, 1) if size == finest else 0
            for i, token_attributes in enumerate(attributes):
                token_attributes += window_features(name, values, i, window)
                if window:
                    token_attributes += pair_features(name, values, i)

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

        Warns
        -----
        UserWarning
            If many tokens have parts of speech or chunks that the training text does not have.
        """
        check_is_fitted(self, "words_")
        documents, nested = read_documents(X)
        n = self.n_columns_
        self._check_columns(documents)
        documents = [[[row[:n] for row in s] for s in document] for document in documents]
        tags = [
            [
                convert(self._field.predict(attributes), self.scheme)
                for attributes in self._attributes(document, self.features_)
            ]
            for document in documents
        ]
        return tags if nested else [document[0] for document in tags]

    def _check_columns(self, documents: Sequence[TaggedDocument]) -> None:
        """Raise ValueError if tokens lack a column that the training text has."""
        n = self.n_columns_
        rows = [row for document in documents for sentence in document for row in sentence]
        narrow = next((row for row in rows if len(row) < n), None)
        trained = (
            f"the tagger was trained on tokens with {n} columns, {', '.join(COLUMNS[:n])}, but"
        )
        if narrow is not None:
            raise ValueError(f"{trained} the token {narrow[0]!r} has {len(narrow)}")
        for name in self.columns_:
            if rows and not any(row[COLUMNS.index(name)] for row in rows):
                raise ValueError(f"{trained} the column {name} of these tokens is empty")
        for name, values in self.column_values_.items():
            found = [row[COLUMNS.index(name)] for row in rows]
            unknown = Counter(found) - Counter(dict.fromkeys(values, len(found)))
            if len(found) >= _MIN_TOKENS and unknown.total() > _MAX_UNKNOWN * len(found):
                warn(
                    f"{unknown.total():,} of {len(found):,} tokens have values of the column "
                    f"{name} that the tagger was not trained on, such as "
                    f"{', '.join(value for value, _ in unknown.most_common(5))}; its training text "
                    f"has {', '.join(values[:10])}{', ...' * (len(values) > 10)}. Use the same set "
                    "of tags, or train a tagger of words only"
                )

    @property
    def types_(self) -> list[str]:
        """Types of the entities in its tags."""
        check_is_fitted(self, "words_")
        return types_of(self._field.labels)

    def compare_types(self, tags: Iterable[Sequence[str]]) -> tuple[list[str], str]:
        """Compare the types of tags with those of the training text.

        Parameters
        ----------
        tags : iterable of sequences of str
            Tags of sentences.

        Returns
        -------
        common : list of str
            Types of the entities in both.
        message : str
            What differs; empty if the tagger knows all types.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a tag is invalid.
        """
        trained, types = self.types_, types_of({tag for sentence in tags for tag in sentence})
        unknown = [name for name in types if name not in trained]
        if not unknown:
            return types, ""
        return [name for name in types if name in trained], (
            f"the tagger was not trained on entities of the types {', '.join(unknown)}, which it "
            f"cannot find; the types of its training text are {', '.join(trained) or '(none)'}"
        )

    def score(self, X: Iterable[Any], y: Iterable[Any]) -> float:
        """Compute the F1 score of the entities, as conlleval does.

        Parameters
        ----------
        X : iterable of documents, or of sentences
        y : iterable
            Their tags.
        """
        documents, _ = read_documents(X)
        tags = read_tags(y, documents)
        prefixed = with_prefixes(_sentences(tags))
        _, message = self.compare_types(prefixed)
        if message:
            warn(message)
        predicted = self.predict(documents)
        return entity_scores(prefixed, _sentences(predicted)).f1

    # For scikit-learn

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but sentences
        return tags

    # Files

    def save(self, path: StrPath, *, copy_model: bool = True) -> None:
        """Write the tagger to a folder: CRFsuite's file, JSON, and safetensors; no pickle.

        ``tagger.json``
            parameters of the tagger and of its context features
        ``words.json``
            words of the training text
        ``field.crfsuite``
            the conditional random field
        ``groups.safetensors``, ``model/``
            clusters of the context features, and their Context Encoder, in 8 bits, if it is copied

        Parameters
        ----------
        path : path
            A folder to create, or an earlier tagger to replace.
        copy_model : bool
            Include a copy of the Context Encoder. Otherwise only the path of its folder is
            stored: `features` must have been created with this path, and the folder must stay
            there.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            If `path` cannot be written, or holds anything but a tagger.
        TypeError, ValueError
            If a parameter cannot be saved, or ``copy_model=False`` and the model has no folder.
        """
        check_is_fitted(self, "words_")
        features = self.features_
        parameters = {k: v for k, v in self.get_params(deep=False).items() if k != "features"}
        data = {
            "parameters": parameters,
            "n_columns": self.n_columns_,
            "columns": list(self.columns_),
            "column_values": self.column_values_,
            "types": self.types_,
            "features": None if features is None else features.to_dict(copy_model=copy_model),
        }
        with write_folder(path, KIND, FORMAT_VERSION) as folder:
            folder.write_json("tagger.json", data, indent=1)
            folder.write_json("words.json", sorted(self.words_))
            folder.write_bytes("field.crfsuite", self._field.content)
            if features is not None:
                folder.write_arrays("groups.safetensors", features.arrays())
            if features is not None and copy_model:
                model = features.model_
                model.write_to(folder.folder("model", MODEL_KIND, model.format_version))

    @classmethod
    def load(
        cls,
        path: StrPath,
        *,
        features: Iterable[Feature] = (),
        clean: Clean | None = None,
        verify: bool = False,
    ) -> Tagger:
        """Read a tagger written by `save`.

        The structure of all files is checked, also of that of CRFsuite, whose library does not
        check what it reads. Nothing in the folder is executed.

        Parameters
        ----------
        path : path
        features, clean
            Custom features and custom cleaning function with which its Context Encoder was
            trained; as for `conec.load`.
        verify : bool, default False
            Verify the checksum of the Context Encoder's weights, which reads them completely.
            Those of other files are always verified.

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
        with open_folder(path, KIND, FORMAT_VERSION, verify=verify, what="tagger") as folder:
            data = folder.read_json("tagger.json")
            words = folder.read_json("words.json", limit=None)
            content = folder.read_bytes("field.crfsuite")
            with folder.checking("words.json"):
                words = frozenset(saved_strings("words", words))
            with folder.checking("tagger.json"):
                keys = ("parameters", "features", "n_columns")
                data = check_saved_object("the configuration", data, keys)
                parameters = check_saved_object("parameters", data["parameters"])
                if folder.version < FORMAT_VERSION:
                    parameters = {**_EARLIER, **parameters}
                saved_features = data["features"]
                if saved_features is not None:
                    check_saved_object("features", saved_features)
                n_columns = check_integer("n_columns", data["n_columns"], 1, len(COLUMNS))
                # Earlier versions did not save their names.
                columns = tuple(data.get("columns", COLUMNS[:n_columns]))
                if not {"word"} <= set(columns) <= set(COLUMNS[:n_columns]):
                    raise ValueError(f"columns: {columns}")
                column_values = {
                    name: [str(value) for value in values]
                    for name, values in dict(data.get("column_values", {})).items()
                    if name in columns
                }
                _check_first_format(folder, data.get("sha256"))
            encoder = None
            if saved_features is not None:
                encoder = _load_encoder(folder, saved_features, features, clean, verify)
            with folder.checking("tagger.json"):
                context = None
                if encoder is not None:
                    arrays = folder.read_arrays("groups.safetensors")
                    context = ContextFeatures.from_state(saved_features, arrays, encoder)
                tagger = cls(context, **parameters)
                tagger._check_parameters()
            with folder.checking("field.crfsuite"):
                tagger._field = crf.Field(content)
        tagger.features_, tagger.words_, tagger.n_columns_ = context, words, n_columns
        tagger.columns_, tagger.column_values_ = columns, column_values
        return tagger


def _load_encoder(
    folder: FolderReader,
    saved_features: Any,
    features: Iterable[Feature],
    clean: Clean | None,
    verify: bool,
) -> ContextEncoder:
    """Read the Context Encoder of a tagger: the copy in its folder, or from the stored path."""
    from conec import load, read_from

    model_path = saved_features.get("model")
    if model_path is not None and (not isinstance(model_path, str) or "\0" in model_path):
        raise folder.damaged(f"the path of its model is {model_path!r}", "tagger.json")
    if model_path is None:
        nested = folder.folder("model", MODEL_KIND, MODEL_VERSION)
        return read_from(nested, features=features, clean=clean)
    try:
        return load(model_path, features=features, clean=clean, verify=verify)
    except (FileNotFoundError, UnicodeEncodeError) as error:
        raise ModelError(
            f"{folder.path} refers to the Context Encoder {model_path}, which does not exist any "
            "more: move it back, or train the tagger again with a copy of the model"
        ) from error


def _check_first_format(folder: FolderReader, checksums: Any) -> None:
    """Verify the checksums in ``tagger.json`` of format 1, which has no manifest."""
    for name, checksum in check_saved_object("sha256", checksums or {}).items():
        if hashlib.sha256(folder.read_bytes(name)).hexdigest() != checksum:
            raise folder.damaged("its checksum differs", name)


def _n_columns(documents: Sequence[TaggedDocument]) -> int:
    """Number of columns of all tokens, at most that of `COLUMNS`.

    Raises
    ------
    ValueError
        If tokens have different numbers.
    """
    most = len(COLUMNS)
    sizes = {
        min(most, len(row)) for document in documents for sentence in document for row in sentence
    }
    if len(sizes) > 1:
        raise ValueError(
            f"tokens have {' or '.join(map(str, sorted(sizes)))} of the columns "
            f"{', '.join(COLUMNS)}: pass the same columns for all tokens"
        )
    return sizes.pop() if sizes else most


def _sentences(tags: Sequence[Sequence[list[str]]]) -> list[list[str]]:
    return [sentence for document in tags for sentence in document]
