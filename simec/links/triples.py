"""Reading of triples (head, relation, tail) from files, frames, arrays or lists; ids as numbers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from corpora.checks import check_encodable, check_number, closest, shorten
from corpora.errors import cut_middle, warn
from corpora.files import missing_file
from corpora.readers.stream import MAX_RATIO
from simec.data.columns import TRIPLES
from simec.data.frames import MAX_ID_BITS, as_frame, column_values, describe_type
from simec.data.tables import Table, TableFormat
from simec.types import IntArray

Id = str | int
_SPLITS = ("train", "valid", "test")


class TripleError(ValueError):
    """Triples that cannot be read; the message has the file and line, or the row."""

    def __init__(self, message: str) -> None:
        super().__init__(cut_middle(message))


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


def read_dataset(folder: str | os.PathLike[str], **options: Any) -> Dataset:
    """Read train, valid and test from a folder of text files.

    Each is the one file whose name is, or ends in, ``train.txt`` and so on, as in the archives of
    FB15k (``freebase_mtr100_mte100-train.txt``), WN18 (``wordnet-mlj12-train.txt``), FB15k-237 and
    WN18RR (``train.txt``). Files may end in ``.tsv`` or ``.csv`` and be compressed.

    Parameters
    ----------
    folder : str or path
    **options
        As for `read_triples`.

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
    return Dataset(*(read_triples(_split_file(folder, split), **options) for split in _SPLITS))


def _split_file(folder: Path, split: str) -> Path:
    matches = []
    for path in sorted(folder.iterdir()):
        stem, _, suffixes = path.name.partition(".")
        if stem.endswith(split) and suffixes.split(".")[0] in ("txt", "tsv", "csv"):
            matches.append(path)
    if not matches:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(f"{folder} has no {split}.txt: it contains {names}")
    if len(matches) > 1:
        names = " and ".join(path.name for path in matches)
        raise TripleError(f"{folder} has several files for {split}: {names}")
    return matches[0]


def read_triples(
    path: str | os.PathLike[str],
    *,
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[Any] | None = None,
    quoting: bool | None = None,
    encoding: str = "utf-8",
    max_ratio: float | None = MAX_RATIO,
    on_format: Callable[[TableFormat], None] | None = None,
) -> list[tuple[Id, Id, Id]]:
    """Read a file with one triple per line: head, relation and tail, usually separated by tabs.

    Separator, header, columns and quotes are guessed from the first lines, unless they are passed;
    the guesses are logged. A first line with names such as head, relation, tail or subject,
    predicate, object, in any order, is a header, unless these texts occur again. Files are
    decompressed according to their suffix. Empty lines are skipped. Ids are strings.

    Parameters
    ----------
    path : str or path
    separator : str, optional
        Text between two fields; " " stands for any white space. By default tabs, ``::``,
        semicolons, commas or bars, whichever splits the first lines into the same number of fields.
    header : bool, optional
        Whether the first line has the names of the columns.
    columns : (str, str, str), optional
        Names or positions (from 0) of the columns of heads, relations and tails.
    quoting : bool, optional
        Whether fields may be in double quotes, as in CSV files. By default they may, except in
        files separated by tabs whose quotes do not enclose whole fields.
    encoding : str
        Encoding of the file. A byte order mark is skipped.
    max_ratio : float or None
        Largest ratio of decompressed to compressed size, for content above 16 MiB. None for no
        limit.
    on_format : callable, optional
        Called with the `TableFormat` of the file when it has been read.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    TripleError
        If a line does not have three fields (or as many as the header), has an empty one, or
        cannot be decoded, or the file is damaged; the message has the number of the line.
    """
    table = Table(
        path, TRIPLES, separator=separator, header=header, columns=columns, quoting=quoting,
        encoding=encoding, max_ratio=max_ratio, error=TripleError,
    )  # fmt: skip
    at_head, at_relation, at_tail = table.format.columns.values()
    triples: list[tuple[Id, Id, Id]] = []
    same: dict[str, str] = {}  # one object for each id
    for line, fields in table:
        h, r, t = fields[at_head], fields[at_relation], fields[at_tail]
        if not (h and r and t):
            which = ("head", "relation", "tail")[(h, r, t).index("")]
            text = table.format.separator.join(fields)[:80]
            raise table.error(line, f" has an empty {which}: {text!r}")
        triples.append((same.setdefault(h, h), same.setdefault(r, r), same.setdefault(t, t)))
    if not triples:
        raise TripleError(f"{table.format.path} has no triples")
    if on_format is not None:
        on_format(table.format)
    return triples


def split_triples(
    triples: Any,
    *,
    valid: float = 0.05,
    test: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
) -> Dataset:
    """Split triples at random into training, validation and test.

    Triples of validation and test have entities and relations that also occur in training; each
    triple occurs once. A relation and its inverse should not both be in the data: a test triple is
    then easily predicted from its inverse in training (as in FB15k and WN18).

    Parameters
    ----------
    triples : path, frame, array or iterable
        As for `as_triples`.
    valid, test : float
        Shares of the triples; fewer where entities have few triples.
    random_state : int, RandomState or None

    Raises
    ------
    TripleError
        If triples cannot be read.
    ValueError
        If shares are negative, or leave nothing for training.
    """
    for name, share in (("valid", valid), ("test", test)):
        check_number(name, share, 0)
    if valid + test >= 1:
        raise ValueError(
            f"valid and test must be shares that add up to < 1, got {valid} and {test}"
        )
    unique = list(dict.fromkeys(as_triples(triples)))
    order = check_random_state(random_state).permutation(len(unique)).tolist()
    counts = Counter(key for h, r, t in unique for key in ((0, h), (1, r), (0, t)))
    sizes = [round(valid * len(unique)), round(test * len(unique))]
    drawn: list[list[int]] = [[], []]
    for i in order:
        part = next((k for k in (0, 1) if len(drawn[k]) < sizes[k]), None)
        if part is None:
            break
        h, r, t = unique[i]
        uses = Counter(((0, h), (1, r), (0, t)))
        if all(counts[key] > n for key, n in uses.items()):
            counts.subtract(uses)
            drawn[part].append(i)
    held_out = set(drawn[0]) | set(drawn[1])
    train = [triple for i, triple in enumerate(unique) if i not in held_out]
    return Dataset(train, *([unique[i] for i in sorted(part)] for part in drawn))


def as_triples(source: Any, *, columns: Sequence[Any] | None = None) -> list[tuple[Id, Id, Id]]:
    """Read triples from a path, a frame, an array, or an iterable.

    Parameters
    ----------
    source : path, frame, array of shape (m, 3), or iterable of (head, relation, tail)
        A frame of pandas or polars, a table of pyarrow, an array of records, a dict of columns, or
        a list of dicts or named tuples is read by the names of its columns, such as head, relation
        and tail or subject, predicate and object, in any order; unknown names are an error. Only
        three columns that are numbered, as those of ``pandas.DataFrame(rows)``, are read by
        position. Ids are text or integers.
    columns : (str, str, str), optional
        Names or positions of the columns of heads, relations and tails, in a file or frame.

    Returns
    -------
    list of (head, relation, tail)

    Raises
    ------
    TripleError
        If an item is not a triple, or an id is neither text nor an integer (the message has the
        row), or a column of a frame is missing.
    """
    if isinstance(source, (str, os.PathLike)):
        return read_triples(source, columns=columns)
    if isinstance(source, Iterator):
        source = list(source)
    frame = as_frame(source, error=TripleError)
    if frame is not None:
        chosen = frame.choose(TRIPLES, columns, error=TripleError)
        source = zip(*map(_values, chosen), strict=True)
    elif columns is not None:
        raise TripleError("columns= is for files and frames")
    elif isinstance(source, np.ndarray):
        if source.ndim != 2 or source.shape[1] != 3:
            raise TripleError(f"an array of triples must have shape (m, 3), got {source.shape}")
        if np.ma.is_masked(source):
            raise TripleError("an array of triples must not be masked: leave out masked rows")
        source = source.tolist()
    elif not isinstance(source, Iterable):
        raise TripleError(
            f"triples must be a path, frame, array or iterable, got {describe_type(source)}"
        )
    return [_triple(row, item) for row, item in enumerate(source)]


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return values


def _triple(row: int, item: Any) -> tuple[Id, Id, Id]:
    is_row = isinstance(item, (tuple, list)) or (
        isinstance(item, Sequence) and not isinstance(item, (str, bytes))
    )
    if not (is_row or (isinstance(item, np.ndarray) and item.ndim)) or len(item) != 3:
        raise TripleError(f"row {row} must be (head, relation, tail), got {shorten(item)}")
    h, r, t = (plain_id(value, f"row {row}") for value in item)
    return h, r, t


def plain_id(value: Any, where: str) -> Id:
    """Return an id as str or int.

    Raises
    ------
    TripleError
        If it is anything else, such as None or NaN, or empty.
    """
    if isinstance(value, str) and value:
        return str(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if number.bit_length() <= MAX_ID_BITS:
            return number
        raise TripleError(
            f"{where}: an integer id must have at most {MAX_ID_BITS} bits, got {shorten(number)}: "
            "make all ids text"
        )
    raise TripleError(f"{where}: an id must be text or an integer, got {shorten(value)}")


def as_id_list(values: Any, what: str) -> list[Id]:
    """Read ids from a sequence or a column of a frame.

    Raises
    ------
    TripleError
        If one is neither text nor an integer; the message has its row.
    """
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TripleError(f"{what} must be a sequence of ids, got {shorten(values)}")
    if not isinstance(values, (list, tuple, set, frozenset, np.ndarray)):
        values = column_values(values)
    return [plain_id(value, f"{what}, row {row}") for row, value in enumerate(_values(values))]


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
                f"ids of {self.what} have mixed types, such as {shorten(first)} and "
                f"{shorten(second)}: make all of them text, or all integers"
            )
        if str in examples:
            texts: Any = self.ids
            check_encodable(texts, f"ids of {self.what}", TripleError)

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
        if not isinstance(value, str):
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise ValueError(
                    f"unknown {self.what}: {shorten(value)} (an id is text or an integer)"
                )
            value = int(value)
        number = self._number.get(value)
        if number is None:
            raise ValueError(f"unknown {self.what}: {shorten(value)}{self._hint(value)}")
        return number

    def _hint(self, value: Any) -> str:
        if not self.ids:
            return ""
        if type(value) is not type(self.ids[0]):
            kind = "text" if isinstance(self.ids[0], str) else "integers"
            return f" (ids are {kind}, such as {shorten(self.ids[0])})"
        if isinstance(value, int):
            return ""
        matches = closest(value, map(str, self.ids))
        return f" (closest matches: {', '.join(map(shorten, matches))})" if matches else ""


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
