"""Triples (head, relation, tail) as users have them, in files, frames, arrays or lists."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.files import missing_file
from simec.links.queries import IntArray
from simec.reading import text_lines

Id = str | int
_SPLITS = ("train", "valid", "test")


class TripleError(ValueError):
    """Triples that cannot be read; the message says where."""


class Dataset(NamedTuple):
    """Triples of training, validation and test, each a list of (head, relation, tail)."""

    train: list[tuple[Id, Id, Id]]
    valid: list[tuple[Id, Id, Id]]
    test: list[tuple[Id, Id, Id]]

    @property
    def entities(self) -> list[Id]:
        """Ids of all entities, in order: those that training has not seen are among them."""
        found = {end for part in self for h, _, t in part for end in (h, t)}
        return sorted(found, key=lambda i: (isinstance(i, str), i))


def read_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Read train, valid and test from a folder of text files.

    Each is the one file whose name is, or ends in, ``train.txt`` and so on, as in the archives of
    FB15k (``freebase_mtr100_mte100-train.txt``), WN18 (``wordnet-mlj12-train.txt``), FB15k-237 and
    WN18RR (``train.txt``); ``.tsv`` and compressed files will do.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the files is not there.
    TripleError
        If there are several such files, or one cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise missing_file(str(folder))
    return Dataset(*(read_triples(_split_file(folder, split)) for split in _SPLITS))


def _split_file(folder: Path, split: str) -> Path:
    found = []
    for path in sorted(folder.iterdir()):
        stem, _, rest = path.name.partition(".")
        if stem.endswith(split) and rest.split(".")[0] in ("txt", "tsv"):
            found.append(path)
    if not found:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(f"{folder} has no {split}.txt: it has {names}")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise TripleError(f"{folder} has several files for {split}: {names}")
    return found[0]


def read_triples(path: str | os.PathLike[str]) -> list[tuple[Id, Id, Id]]:
    """Read a file with a triple a line: head, relation and tail, parted by tabs.

    Compressed files are read by their suffix. Empty lines are left out. Ids are text.

    Raises
    ------
    FileNotFoundError
    TripleError
        If a line has not three fields, or an empty one, or is not UTF-8. It says which line.
    """
    name = os.fspath(path)
    triples: list[tuple[Id, Id, Id]] = []
    for number, text in text_lines(path, TripleError):
        fields = [field.strip() for field in text.split("\t")]
        if len(fields) != 3:
            raise TripleError(
                f"{name}, line {number} has {len(fields)} fields, not head, relation and tail "
                f"parted by tabs: {text[:80]!r}"
            )
        if not all(fields):
            which = ("head", "relation", "tail")[fields.index("")]
            raise TripleError(f"{name}, line {number} has an empty {which}: {text[:80]!r}")
        triples.append((fields[0], fields[1], fields[2]))
    if not triples:
        raise TripleError(f"{name} has no triples")
    return triples


def as_triples(source: Any) -> list[tuple[Id, Id, Id]]:
    """Triples of a path, a data frame, an array of shape (m, 3), or an iterable of threes.

    Of a frame, columns head, relation and tail are taken if it has them, and the first three
    otherwise. Ids are text or whole numbers.

    Raises
    ------
    TripleError
        If something is no triple, or an id is neither text nor a whole number. It says which row.
    """
    if isinstance(source, (str, os.PathLike)):
        return read_triples(source)
    if hasattr(source, "columns"):
        names = ["head", "relation", "tail"]
        if not set(names) <= set(source.columns):
            if len(source.columns) < 3:
                raise TripleError(f"a frame of triples has 3 columns, not {len(source.columns)}")
            names = list(source.columns[:3])
        source = zip(*(source[name].tolist() for name in names), strict=True)
    elif isinstance(source, np.ndarray):
        if source.ndim != 2 or source.shape[1] != 3:
            raise TripleError(f"an array of triples has the shape (m, 3), not {source.shape}")
        source = source.tolist()
    elif not isinstance(source, Iterable):
        raise TripleError(f"triples are a path, frame, array or list, not {source!r}")
    return [_triple(row, item) for row, item in enumerate(source)]


def _triple(row: int, item: Any) -> tuple[Id, Id, Id]:
    if isinstance(item, str) or not isinstance(item, Sequence | np.ndarray) or len(item) != 3:
        raise TripleError(f"row {row} is no (head, relation, tail): {item!r}")
    h, r, t = (plain_id(value, f"row {row}") for value in item)
    return h, r, t


def plain_id(value: Any, where: str) -> Id:
    """An id as text or int.

    Raises
    ------
    TripleError
        If it is something else, such as None, NaN or an empty text.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value:
        return str(value)
    raise TripleError(f"{where}: an id is text or a whole number, not {value!r}")


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
        If some are numbers and some text, as 7 and "7" would be two.
    """

    def __init__(self, ids: Iterable[Id], what: str) -> None:
        self.ids = list(dict.fromkeys(ids))
        self.what = what
        self._number = {value: i for i, value in enumerate(self.ids)}
        self._check_types()

    @classmethod
    def of(cls, ids: Iterable[Id], what: str) -> Ids:
        """Different ids, in order."""
        found = cls(ids, what)
        return cls(sorted(found.ids), what)

    def _check_types(self) -> None:
        kinds: dict[type, Id] = {}
        for value in self.ids:
            kinds.setdefault(type(value), value)
        if len(kinds) > 1:
            first, second = kinds.values()
            raise TripleError(
                f"ids of {self.what} are of mixed types, such as {first!r} and {second!r}: make "
                "all of them text, or all whole numbers"
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
            If it is unknown. The message has what is near it.
        """
        if isinstance(value, Integral):
            value = int(value)
        found = self._number.get(value)
        if found is None:
            raise ValueError(f"unknown {self.what}: {value!r}{self._near(value)}")
        return found

    def _near(self, value: Any) -> str:
        if not self.ids:
            return ""
        if type(value) is not type(self.ids[0]):
            kind = "text" if isinstance(self.ids[0], str) else "whole numbers"
            return f" (ids are {kind}, such as {self.ids[0]!r})"
        if isinstance(value, int):
            return ""
        words = [str(other) for other in self.ids]
        near = difflib.get_close_matches(value, words, 3, 0.6)
        near += [word for word in words if value and value in word and word not in near][:2]
        return f" (near it: {', '.join(map(repr, near[:3]))})" if near else ""


def encode(triples: list[tuple[Id, Id, Id]], entities: Ids, relations: Ids) -> IntArray:
    """Numbers of triples, shape (m, 3).

    Raises
    ------
    ValueError
        If an id is unknown.
    """
    found = [(entities.number(h), relations.number(r), entities.number(t)) for h, r, t in triples]
    return np.array(found, np.int64).reshape(-1, 3)


def without_duplicates(triples: IntArray) -> tuple[IntArray, int]:
    """Different triples in the order of their first occurrence, and how many more there were."""
    _, first = np.unique(triples, axis=0, return_index=True)
    n = len(triples) - len(first)
    if n:
        warnings.warn(
            f"{n:,} of {len(triples):,} triples occur more than once: each counts once",
            UserWarning,
            stacklevel=4,
        )
    return triples[np.sort(first)], n
