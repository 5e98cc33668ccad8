"""The vocabulary of feature names, and the features of tokens as sparse rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from conec.features import (
    Affixes,
    Case,
    CharNgrams,
    Feature,
    PartOfSpeech,
    Position,
    Sentence,
    Shape,
)
from conec.types import JSON, FloatArray, IntArray
from corpora.checks import shown
from corpora.saved_data import check_saved_object

# Features in files

BUILT_IN: dict[str, type] = {
    kind.__name__: kind for kind in (Case, Shape, PartOfSpeech, Affixes, CharNgrams, Position)
}


def name_of(feature: Any) -> str:
    """The name of a custom feature: its attribute `name`, or its function's or class's name."""
    return str(getattr(feature, "name", None) or getattr(feature, "__name__", None)
               or type(feature).__name__)  # fmt: skip


def describe(feature: Any) -> JSON:
    """Describe a feature as plain data: kind and parameters, or the name of a custom feature."""
    if type(feature) not in BUILT_IN.values():
        return {"custom": name_of(feature)}
    values = {f.name: getattr(feature, f.name) for f in fields(feature)}
    if isinstance(feature, Position) and feature.of is not None:
        values["of"] = describe(feature.of)
    return {"kind": type(feature).__name__, **values}


def restore(description: Any, given: Mapping[str, Feature]) -> Feature:
    """Create a feature from the result of `describe`.

    Parameters
    ----------
    description : dict
    given : mapping of str to feature
        Custom features by their names.

    Raises
    ------
    KeyError
        If a custom feature is missing; the argument of the error is its name.
    TypeError, ValueError
        If the description is damaged.
    """
    values = dict(check_saved_object("a feature", description))
    if "custom" in values:
        if not isinstance(values["custom"], str):
            raise ValueError(f"the name of a custom feature is {values['custom']!r}")
        return given[values["custom"]]
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in BUILT_IN:
        raise ValueError(f"unknown feature {kind!r}")
    if values.get("of") is not None:
        values["of"] = restore(values["of"], given)
    feature: Feature = BUILT_IN[kind](**values)
    return feature


# Names and sparse rows


class FeatureRows(NamedTuple):
    """Features of tokens as a sparse matrix in CSR form.

    Attributes
    ----------
    indptr : int64 array of shape (n + 1,)
    indices : int32 array
    values : float32 array
    """

    indptr: npt.NDArray[np.int64]
    indices: IntArray
    values: FloatArray


class FeatureVocabulary:
    """The feature names that occur in training, and their rows in F1.

    If a feature returns n names for a token, known or not, each has weight 1/√n, so that features
    with many names do not outweigh others.

    Parameters
    ----------
    features : sequence of features
    names : iterable of str
        In the order of rows, with the index of the feature as a prefix, for example ``"0:title"``.
    counts : iterable of int
        Number of tokens that have each name.
    """

    def __init__(
        self, features: Sequence[Feature], names: Iterable[str] = (), counts: Iterable[int] = ()
    ) -> None:
        if isinstance(features, str) or not isinstance(features, Iterable):
            raise TypeError(f"features must be a list of features, got {shown(features)}")
        for feature in features:
            if not callable(feature):
                raise TypeError(f"a feature must be a function of a sentence, got {feature!r}")
        self.features = tuple(features)
        self.names = list(names)
        self.counts = np.array(list(counts), np.int64)
        self.index = {name: i for i, name in enumerate(self.names)}
        if len(self.index) != len(self.names) or len(self.counts) != len(self.names):
            raise ValueError("names and counts do not match, or a name occurs twice")

    def __len__(self) -> int:
        return len(self.names)

    def of(self, sentence: Sentence) -> Iterator[list[list[str]]]:
        """Yield for each token the names that each feature returns for it.

        Raises
        ------
        TypeError, ValueError
            If a feature does not return one sequence of names per token.
        """
        columns: list[list[list[str]]] = []
        for number, feature in enumerate(self.features):
            by_token = feature(sentence)
            is_list = hasattr(by_token, "__len__") and not isinstance(by_token, str)
            if not is_list or any(isinstance(names, str) for names in by_token):
                raise TypeError(
                    f"the feature {name_of(feature)} must return one list of names per token, got "
                    + ("a str for a token" if is_list else shown(by_token))
                )
            if len(by_token) != len(sentence.tokens):
                raise ValueError(
                    f"the feature {name_of(feature)} must return one list of names per token, "
                    f"got {len(by_token)} for a sentence of {len(sentence.tokens)} tokens"
                )
            columns.append([[f"{number}:{name}" for name in names] for names in by_token])
        for i in range(len(sentence.tokens)):
            yield [column[i] for column in columns]

    def to_dict(self) -> JSON:
        """Return features, names and counts as plain data for JSON."""
        features = [describe(feature) for feature in self.features]
        return {"features": features, "names": self.names, "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, data: JSON, given: Iterable[Feature] = ()) -> FeatureVocabulary:
        """Create a vocabulary from the result of `to_dict`.

        Parameters
        ----------
        data : dict
        given : iterable of features
            Custom features, matched by name.

        Raises
        ------
        KeyError
            If a custom feature is missing; the argument of the error is its name.
        TypeError, ValueError
            If the data is damaged.
        """
        keys = ("features", "names", "counts")
        data = check_saved_object("the features", data, keys)
        features, names, counts = (data[key] for key in keys)
        if (
            not all(isinstance(entry, list) for entry in (features, names, counts))
            or not all(type(name) is str for name in names or ())
            or not all(type(n) is int and 0 <= n < 2**63 for n in counts or ())
        ):
            raise ValueError(
                "features, names and counts must be lists of dicts, strings and integers >= 0"
            )
        custom = {name_of(feature): feature for feature in given}
        restored = [restore(description, custom) for description in features or ()]
        return cls(restored, names or (), counts or ())

    def merged(self, counts: Mapping[str, int], min_count: int) -> FeatureVocabulary:
        """Add counts, and append the new names that occur at least `min_count` times."""
        total = Counter(dict(zip(self.names, self.counts.tolist(), strict=True)))
        total.update(counts)
        new = sorted(
            (name for name, n in counts.items() if n >= min_count and name not in self.index),
            key=lambda name: (-counts[name], name),
        )
        names = [*self.names, *new]
        return FeatureVocabulary(self.features, names, (total[name] for name in names))

    def encode(self, text: Iterable[Sentence]) -> FeatureRows:
        """Sparse rows of all tokens; unknown names are omitted."""
        ends, indices, values = [0], list[int](), list[float]()
        for sentence in text:
            for groups in self.of(sentence):
                for names in groups:
                    known = [self.index[name] for name in names if name in self.index]
                    indices += known
                    values += [max(len(names), 1) ** -0.5] * len(known)
                ends.append(len(indices))
        return FeatureRows(
            np.array(ends, np.int64), np.array(indices, np.int32), np.array(values, np.float32)
        )
