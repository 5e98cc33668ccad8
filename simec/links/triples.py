"""Reading of triples (head, relation, tail) from files, frames, arrays or lists; ids as numbers."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.errors import warn
from corpora.files import missing_file
from corpora.readers import text_lines
from simec.types import IntArray

Id = str | int
_SPLITS = ("train", "valid", "test")


class TripleError(ValueError):
    """Triples that cannot be read; the message has the file and line, or the row."""


class Dataset(NamedTuple):
    """Triples of training, validation and test, each a list of (head, relation, tail)."""

    train: list[tuple[Id, Id, Id]]
    valid: list[tuple[Id, Id, Id]]
    test: list[tuple[Id, Id, Id]]

    @property
    def entities(self) -> list[Id]:
        """Sorted ids of all entities, including those that only occur in validation or test."""
        ids = {end for triples in self for h, _, t in triples for end in (h, t)}
        return sorted(ids, key=lambda i: (isinstance(i, str), i))


def read_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Read train, valid and test from a folder of text files.

    Each is the one file whose name is, or ends in, ``train.txt`` and so on, as in the archives of
    FB15k (``freebase_mtr100_mte100-train.txt``), WN18 (``wordnet-mlj12-train.txt``), FB15k-237 and
    WN18RR (``train.txt``). Files may end in ``.tsv`` and be compressed.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the files is missing.
    TripleError
        If several files match, or one cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise missing_file(str(folder))
    return Dataset(*(read_triples(_split_file(folder, split)) for split in _SPLITS))


def _split_file(folder: Path, split: str) -> Path:
    matches = []
    for path in sorted(folder.iterdir()):
        stem, _, suffixes = path.name.partition(".")
        if stem.endswith(split) and suffixes.split(".")[0] in ("txt", "tsv"):
            matches.append(path)
    if not matches:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(f"{folder} has no {split}.txt: it contains {names}")
    if len(matches) > 1:
        names = " and ".join(path.name for path in matches)
        raise TripleError(f"{folder} has several files for {split}: {names}")
    return matches[0]


def read_triples(path: str | os.PathLike[str]) -> list[tuple[Id, Id, Id]]:
    """Read a file with one triple per line: head, relation and tail, separated by tabs.

    Files may be compressed, as indicated by their suffix. Empty lines are skipped. Ids are strings.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    TripleError
        If a line does not have three fields, has an empty one, or is not UTF-8; the message has
        the number of the line.
    """
    name = os.fspath(path)
    triples: list[tuple[Id, Id, Id]] = []
    for number, text in text_lines(path, error=TripleError):
        fields = [field.strip() for field in text.split("\t")]
        if len(fields) != 3:
            raise TripleError(
                f"{name}, line {number} has {len(fields)} fields; expected head, relation and "
                f"tail, separated by tabs: {text[:80]!r}"
            )
        if not all(fields):
            which = ("head", "relation", "tail")[fields.index("")]
            raise TripleError(f"{name}, line {number} has an empty {which}: {text[:80]!r}")
        triples.append((fields[0], fields[1], fields[2]))
    if not triples:
        raise TripleError(f"{name} has no triples")
    return triples


def as_triples(source: Any) -> list[tuple[Id, Id, Id]]:
    """Read triples from a path, a frame, an array, or an iterable.

    Parameters
    ----------
    source : path, frame, array of shape (m, 3), or iterable of (head, relation, tail)
        If a frame has the columns head, relation and tail, these are used; otherwise its first
        three columns. Ids are text or integers.

    Returns
    -------
    list of (head, relation, tail)

    Raises
    ------
    TripleError
        If an item is not a triple, or an id is neither text nor an integer; the message has the
        row.
    """
    if isinstance(source, (str, os.PathLike)):
        return read_triples(source)
    if hasattr(source, "columns"):
        names = ["head", "relation", "tail"]
        if not set(names) <= set(source.columns):
            if len(source.columns) < 3:
                raise TripleError(
                    f"a frame of triples must have 3 columns, got {len(source.columns)}"
                )
            names = list(source.columns[:3])
        source = zip(*(source[name].tolist() for name in names), strict=True)
    elif isinstance(source, np.ndarray):
        if source.ndim != 2 or source.shape[1] != 3:
            raise TripleError(f"an array of triples must have shape (m, 3), got {source.shape}")
        source = source.tolist()
    elif not isinstance(source, Iterable):
        raise TripleError(f"triples must be a path, frame, array or iterable, got {source!r}")
    return [_triple(row, item) for row, item in enumerate(source)]


def _triple(row: int, item: Any) -> tuple[Id, Id, Id]:
    if isinstance(item, str) or not isinstance(item, Sequence | np.ndarray) or len(item) != 3:
        raise TripleError(f"row {row} must be (head, relation, tail), got {item!r}")
    h, r, t = (plain_id(value, f"row {row}") for value in item)
    return h, r, t


def plain_id(value: Any, where: str) -> Id:
    """Return an id as str or int.

    Raises
    ------
    TripleError
        If it is anything else, such as None or NaN, or empty.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value:
        return str(value)
    raise TripleError(f"{where}: an id must be text or an integer, got {value!r}")


class Ids:
    """Numbers for ids.

    Parameters
    ----------
    ids : iterable of id
        In the order of their numbers.
    what : str
        "entity" or "relation", for errors.

    Raises
    ------
    TripleError
        If ids mix integers and text, since 7 and "7" would be different ids.
    """

    def __init__(self, ids: Iterable[Id], what: str) -> None:
        self.ids = list(dict.fromkeys(ids))
        self.what = what
        self._number = {value: i for i, value in enumerate(self.ids)}
        self._check_types()

    @classmethod
    def of(cls, ids: Iterable[Id], what: str) -> Ids:
        """Sort ids and remove duplicates."""
        unique = cls(ids, what)
        return cls(sorted(unique.ids), what)

    def _check_types(self) -> None:
        examples: dict[type, Id] = {}
        for value in self.ids:
            examples.setdefault(type(value), value)
        if set(examples) - {int, str}:
            raise TripleError(f"ids of {self.what} must be text or integers")
        if len(examples) > 1:
            first, second = examples.values()
            raise TripleError(
                f"ids of {self.what} have mixed types, such as {first!r} and {second!r}: make "
                "all of them text, or all integers"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, value: object) -> bool:
        return value in self._number

    def get(self, value: Id) -> int:
        """Number of an id, or -1."""
        return self._number.get(value, -1)

    def number(self, value: Any) -> int:
        """Number of an id.

        Raises
        ------
        ValueError
            If it is unknown; the message has the closest matches.
        """
        if isinstance(value, Integral):
            value = int(value)
        number = self._number.get(value)
        if number is None:
            raise ValueError(f"unknown {self.what}: {value!r}{self._hint(value)}")
        return number

    def _hint(self, value: Any) -> str:
        if not self.ids:
            return ""
        if type(value) is not type(self.ids[0]):
            kind = "text" if isinstance(self.ids[0], str) else "integers"
            return f" (ids are {kind}, such as {self.ids[0]!r})"
        if isinstance(value, int):
            return ""
        words = [str(other) for other in self.ids]
        close = difflib.get_close_matches(value, words, 3, 0.6)
        close += [word for word in words if value and value in word and word not in close][:2]
        return f" (closest matches: {', '.join(map(repr, close[:3]))})" if close else ""


def encode(triples: list[tuple[Id, Id, Id]], entities: Ids, relations: Ids) -> IntArray:
    """Numbers of triples, shape (m, 3).

    Raises
    ------
    ValueError
        If an id is unknown.
    """
    numbers = [(entities.number(h), relations.number(r), entities.number(t)) for h, r, t in triples]
    return np.array(numbers, np.int64).reshape(-1, 3)


def without_duplicates(triples: IntArray) -> tuple[IntArray, int]:
    """Remove duplicates, with a warning.

    Parameters
    ----------
    triples : int64 array of shape (m, 3)

    Returns
    -------
    unique : int64 array of shape (p, 3)
        In the order of their first occurrence.
    n_duplicates : int
    """
    _, first = np.unique(triples, axis=0, return_index=True)
    n = len(triples) - len(first)
    if n:
        warn(f"{n:,} of {len(triples):,} triples occur more than once: each counts once")
    return triples[np.sort(first)], n
