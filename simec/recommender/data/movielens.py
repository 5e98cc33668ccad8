"""Readers of the official MovieLens files: ratings, movies and users.

The files are not part of this package, and GroupLens does not allow redistribution: see
https://grouplens.org/datasets/movielens/. The format follows from the files in a folder:

- 100k: ``u.data``, ``u.item``, ``u.user``
- 1M: ``ratings.dat``, ``movies.dat``, ``users.dat``; 10M: the same without users
- latest-small and others since 20M: ``ratings.csv``, ``movies.csv``
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from corpora.errors import CorpusError
from corpora.files import missing_file
from corpora.readers.stream import ByteStream, plain_suffix
from simec.recommender.data.files import FileError
from simec.recommender.data.ratings import LARGEST, Ids, Ratings

_CHUNK = 1 << 22  # bytes parsed at a time
_LARGEST_ID = 2**31 - 1
_COLUMNS = "userId,movieId,rating,timestamp"  # of ratings.csv
_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip


@dataclass(frozen=True)
class Movie:
    """A line of ``u.item``, ``movies.dat`` or ``movies.csv``.

    Attributes
    ----------
    movie : int
    title : str
        With the year in parentheses, as in MovieLens.
    genres : tuple of str
    """

    movie: int
    title: str
    genres: tuple[str, ...]


@dataclass(frozen=True)
class User:
    """A line of ``u.user`` or ``users.dat``.

    Attributes
    ----------
    user : int
    gender : str
        "M" or "F".
    age : int
        In 1M, the lowest age of a group.
    occupation : str
        In 1M, a number.
    zip : str
    """

    user: int
    gender: str
    age: int
    occupation: str
    zip: str


def read_movielens(path: Any) -> Ratings:
    """Read the ratings of a MovieLens data set.

    Reading ten million ratings takes less than half a gigabyte of memory.

    Parameters
    ----------
    path : str or path
        The unpacked folder, or its file of ratings, which may be compressed.

    Returns
    -------
    Ratings
        With the ids of MovieLens.

    Raises
    ------
    FileNotFoundError
        If the folder has none of the official files.
    FileError
        If a line is malformed or a user has rated a movie twice; the message names the line.
    """
    file = _find(path, "u.data", "ratings.dat", "ratings.csv")
    separator = {".dat": b"::", ".csv": b","}.get(plain_suffix(file.name), b"\t")
    parts = list(_parsed(file, separator))
    if not parts:
        raise FileError(f"{file} has no ratings")
    users, movies, values, times = (
        np.concatenate([part[k] for part in parts]) for k in range(4)
    )  # fmt: skip
    del parts
    names_u, rows = np.unique(users, return_inverse=True)
    names_m, columns = np.unique(movies, return_inverse=True)
    del users, movies
    place = rows.astype(np.int32), columns.astype(np.int32)
    del rows, columns
    matrix = sparse.csr_matrix((values, place), (len(names_u), len(names_m)), dtype=np.float32)
    if matrix.nnz < len(values):
        _report_repeated(file, place, len(names_m), names_u, names_m, _header(file))
    return Ratings(
        matrix, Ids(names_u, "user"), Ids(names_m, "item"), times=times[np.lexsort(place[::-1])]
    )


def read_movies(path: Any) -> list[Movie]:
    """Read titles and genres of a MovieLens data set.

    Parameters
    ----------
    path : str or path
        The folder, or its file of movies.

    Returns
    -------
    list of Movie
    """
    file = _find(path, "u.item", "movies.dat", "movies.csv")
    if plain_suffix(file.name) == ".csv":
        return list(_lines(file, _movie_of_csv, ",", header=True))
    if plain_suffix(file.name) == ".dat":
        return list(_lines(file, _movie_of_dat, "::"))
    return list(_lines(file, _movie_of_100k, "|"))


def read_users(path: Any) -> list[User]:
    """Read the users of MovieLens 100k or 1M.

    Parameters
    ----------
    path : str or path
        The folder, or its file of users.

    Returns
    -------
    list of User
    """
    file = _find(path, "u.user", "users.dat")
    if plain_suffix(file.name) == ".dat":
        return list(_lines(file, _user_of_1m, "::"))
    return list(_lines(file, _user_of_100k, "|"))


def _find(path: Any, *names: str) -> Path:
    target = Path(os.fspath(path)).expanduser()
    if not target.exists():
        raise missing_file(str(target))
    if not target.is_dir():
        return target
    for name in names:
        if (target / name).exists():
            return target / name
    raise FileNotFoundError(
        f"{target} has none of {', '.join(names)}. Pass the folder of an unpacked data set"
    )


# Ratings: in chunks, as arrays


def _parsed(file: Path, separator: bytes) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Yield users, movies, values and times, a few megabytes of lines at a time."""
    number = 1 + _header(file)
    with _open(file) as stream:
        if _header(file):
            names = stream.readline().decode("utf-8", "replace").strip()
            if names.lower() != _COLUMNS.lower():
                raise FileError(
                    f"{file}, line 1 must be {_COLUMNS}, got {names[:80]!r}: read other files with "
                    "read_ratings"
                )
        while chunk := stream.read(_CHUNK):
            chunk += stream.readline()
            yield _numbers(chunk, separator, file, number)
            number += chunk.count(b"\n")


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    """Open a file, decompressed by its suffix, after a byte order mark.

    Raises
    ------
    FileError
        If the file is damaged.
    """
    try:
        with io.BufferedReader(ByteStream(str(file)), 1 << 17) as stream:
            if stream.peek(3).startswith(codecs.BOM_UTF8):
                stream.read(3)
            yield stream
    except CorpusError as error:
        raise FileError(str(error)) from error


def _header(file: Path) -> int:
    return 1 if plain_suffix(file.name) == ".csv" else 0


def _numbers(
    chunk: bytes, separator: bytes, file: Path, number: int
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    text = chunk.replace(separator, b" ")
    try:
        table = np.loadtxt(io.BytesIO(text), np.float64, comments=None, ndmin=2, encoding="ascii")
        n_lines = _count(chunk)
        # Otherwise an empty field would be left out: 1::::5 is not a rating of 5.
        fine = table.shape == (n_lines, 4) and chunk.count(separator) == 3 * n_lines
        fine = fine and bool((np.abs(table[:, 2]) <= LARGEST).all() and np.isfinite(table).all())
        ids = table[:, :2]
        fine = fine and bool(((ids >= 1) & (ids <= _LARGEST_ID) & (ids % 1 == 0)).all())
    except (ValueError, UnicodeDecodeError):
        fine = False
    if not fine:
        _report_malformed(chunk, separator, file, number)
    return (
        table[:, 0].astype(np.int32), table[:, 1].astype(np.int32), table[:, 2].astype(np.float32),
        table[:, 3],
    )  # fmt: skip


def _count(chunk: bytes) -> int:
    return chunk.count(b"\n") + (not chunk.endswith(b"\n"))


def _report_malformed(chunk: bytes, separator: bytes, file: Path, number: int) -> None:
    """Raise FileError for the first malformed line."""
    for here, line in enumerate(chunk.splitlines(), number):
        fields = line.split(separator)
        try:
            user, movie, value = int(fields[0]), int(fields[1]), float(fields[2])
            fine = len(fields) == 4 and min(user, movie) >= 1 and max(user, movie) <= _LARGEST_ID
            fine = fine and abs(value) <= LARGEST and bool(np.isfinite(float(fields[3])))
        except (ValueError, IndexError):
            fine = False
        if not fine:
            names = (
                separator.decode()
                .replace("\t", "<tab>")
                .join(("user", "movie", "rating", "timestamp"))
            )
            raise FileError(
                f"{file}, line {here} must be {names}, with ids up to {_LARGEST_ID}, got "
                f"{line[:80]!r}"
            )
    raise FileError(f"{file}: lines from {number} on are malformed")


def _report_repeated(file: Path, place: Any, n: int, users: Any, movies: Any, header: int) -> None:
    key = place[0].astype(np.int64) * n + place[1]
    order = np.argsort(key, kind="stable")
    again = order[1:][key[order][1:] == key[order][:-1]]
    line = int(again.min())
    user, movie = users[place[0][line]], movies[place[1][line]]
    raise FileError(
        f"{file}, line {line + 1 + header}: user {user} has already rated movie {movie}"
    )


# Movies and users: as objects


def _lines(
    file: Path, read: Callable[[list[str]], Any], separator: str, *, header: bool = False
) -> Iterator[Any]:
    # 100k and 1M are encoded in latin-1, the others in UTF-8
    with _open(file) as stream:
        raw = stream.read()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if separator == ",":
            number = 1 + raw.count(b"\n", 0, error.start)
            raise FileError(f"{file}, line {number} is not valid UTF-8: {error.reason}") from error
        text = raw.decode("latin-1")
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if header and number == 1:
            if not line.startswith("movieId,title,genres"):
                raise FileError(f"{file}, line 1 must be movieId,title,genres, got {line[:80]!r}")
            continue
        if not line:
            continue
        try:
            if separator == ",":
                entry = read(next(csv.reader([line], strict=True)))
            else:
                entry = read(line.split(separator))
        except (ValueError, IndexError, csv.Error) as error:
            raise FileError(f"{file}, line {number} is malformed: {line[:200]!r}") from error
        yield entry


def _movie_of_csv(fields: list[str]) -> Movie:
    movie, title, genres = fields
    return Movie(_whole(movie), title, _genres(genres))


def _movie_of_dat(fields: list[str]) -> Movie:
    # a title may contain the separator
    return Movie(_whole(fields[0]), "::".join(fields[1:-1]) or _no_title(), _genres(fields[-1]))


def _movie_of_100k(fields: list[str]) -> Movie:
    flags = fields[5:]
    if len(flags) != len(_GENRES) or set(flags) - {"0", "1"}:
        raise ValueError
    genres = tuple(genre for genre, flag in zip(_GENRES, flags, strict=True) if flag == "1")
    return Movie(_whole(fields[0]), fields[1], genres)


def _user_of_1m(fields: list[str]) -> User:
    user, gender, age, occupation, zip_code = fields
    return User(_whole(user), gender, _whole(age), occupation, zip_code)


def _user_of_100k(fields: list[str]) -> User:
    user, age, gender, occupation, zip_code = fields
    return User(_whole(user), gender, _whole(age), occupation, zip_code)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):  # int would accept 1_000
        raise ValueError(f"{text!r} is not an integer")
    return int(text)


def _genres(text: str) -> tuple[str, ...]:
    return () if text == "(no genres listed)" else tuple(text.split("|"))


def _no_title() -> str:
    raise ValueError("the title is empty")
