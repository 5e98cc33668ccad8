"""Features as rows of a matrix: the names that training saw, and what a text has of them."""

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

# Descriptions, for files

BUILT_IN: dict[str, type] = {
    kind.__name__: kind for kind in (Case, Shape, PartOfSpeech, Affixes, CharNgrams, Position)
}


def name_of(feature: Any) -> str:
    """The name of a feature of the user's: its `name`, or that of its function or class."""
    return str(getattr(feature, "name", None) or getattr(feature, "__name__", None)
               or type(feature).__name__)  # fmt: skip


def describe(feature: Any) -> JSON:
    """As plain data, for JSON: built-in features whole, others by their name."""
    if type(feature) not in BUILT_IN.values():
        return {"custom": name_of(feature)}
    values = {f.name: getattr(feature, f.name) for f in fields(feature)}
    if isinstance(feature, Position) and feature.of is not None:
        values["of"] = describe(feature.of)
    return {"kind": type(feature).__name__, **values}


def restore(description: Any, given: Mapping[str, Feature]) -> Feature:
    """Make a feature of what `describe` gave.

    Parameters
    ----------
    description : dict
    given : mapping of str to feature
        The user's features, by their names.

    Raises
    ------
    KeyError
        If the user's feature was not given; its name.
    TypeError, ValueError
        If the description is damaged.
    """
    if not isinstance(description, dict):
        raise TypeError(f"{description!r} describes no feature")
    if "custom" in description:
        return given[description["custom"]]
    values = dict(description)
    kind = values.pop("kind", None)
    if kind not in BUILT_IN:
        raise ValueError(f"there is no feature {kind!r}")
    if values.get("of") is not None:
        values["of"] = restore(values["of"], given)
    feature: Feature = BUILT_IN[kind](**values)
    return feature


# The vocabulary of names, and sparse rows


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
    """The names that features give, and their rows.

    The n names that a feature gives a token weigh 1/√n each, whether they are known or not:
    no feature outweighs others by giving many.

    Parameters
    ----------
    features : sequence of features
    names : iterable of str
        Row by row, each with the number of its feature before it: ``"0:title"``.
    counts : iterable of int
        Tokens that had each.
    """

    def __init__(
        self, features: Sequence[Feature], names: Iterable[str] = (), counts: Iterable[int] = ()
    ) -> None:
        for feature in features:
            if not callable(feature):
                raise TypeError(f"a feature is a function of a sentence, not {feature!r}")
        self.features = tuple(features)
        self.names = list(names)
        self.counts = np.array(list(counts), np.int64)
        self.index = {name: i for i, name in enumerate(self.names)}
        if len(self.index) != len(self.names) or len(self.counts) != len(self.names):
            raise ValueError("features have other names than counts, or one twice")

    def __len__(self) -> int:
        return len(self.names)

    def of(self, sentence: Sentence) -> Iterator[list[list[str]]]:
        """For each token, the names that each feature gives it.

        Raises
        ------
        ValueError
            If a feature does not give as many sequences as there are tokens.
        """
        columns: list[list[list[str]]] = []
        for number, feature in enumerate(self.features):
            given = feature(sentence)
            if len(given) != len(sentence.tokens):
                raise ValueError(
                    f"the feature {name_of(feature)} gives names for {len(given)} tokens of a "
                    f"sentence that has {len(sentence.tokens)}"
                )
            columns.append([[f"{number}:{name}" for name in names] for names in given])
        for i in range(len(sentence.tokens)):
            yield [column[i] for column in columns]

    def to_dict(self) -> JSON:
        """As plain data, for JSON."""
        about = [describe(feature) for feature in self.features]
        return {"features": about, "names": self.names, "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, data: JSON, given: Iterable[Feature] = ()) -> FeatureVocabulary:
        """From plain data.

        Parameters
        ----------
        data : dict
        given : iterable of features
            The user's own, which are found by their names.

        Raises
        ------
        KeyError
            If one of these is missing; the error's argument is its name.
        TypeError, ValueError
            If the data are damaged.
        """
        about, names, counts = (data.get(key) for key in ("features", "names", "counts"))
        good = all(isinstance(part, list) for part in (about, names, counts))
        if (
            not good
            or not all(type(name) is str for name in names or ())
            or not all(type(n) is int and 0 <= n < 2**63 for n in counts or ())
        ):
            raise ValueError("features, names and counts are not lists of what they should be")
        own = {name_of(feature): feature for feature in given}
        return cls([restore(part, own) for part in about or ()], names or (), counts or ())

    def merged(self, counts: Mapping[str, int], min_count: int) -> FeatureVocabulary:
        """Add counts, and names that are frequent enough after those at hand."""
        total = Counter(dict(zip(self.names, self.counts.tolist(), strict=True)))
        total.update(counts)
        new = sorted(
            (name for name, n in counts.items() if n >= min_count and name not in self.index),
            key=lambda name: (-counts[name], name),
        )
        names = [*self.names, *new]
        return FeatureVocabulary(self.features, names, (total[name] for name in names))

    def encode(self, text: Iterable[Sentence]) -> FeatureRows:
        """Rows of all tokens; names that are not known are left out."""
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
