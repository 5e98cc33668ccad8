"""Files of token vectors: NumPy, TSV and JSON lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conec.types import FloatArray

    # document, position, token, whether it has an embedding, vector
    TokenVector = tuple[int, int, str, bool, FloatArray]
    Writer = Callable[[Iterable[TokenVector], int], None]

_COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}
_COLUMNS = ("document", "position", "token", "found")


def writer(out: str) -> Writer:
    """Choose a function to write a file by its suffix.

    Parameters
    ----------
    out : str
        Path, or "-" for standard output.

    Returns
    -------
    callable
        It takes the token vectors and their number of dimensions.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    """
    if out == "-":
        return lambda rows, size: _write_tsv(rows, size, sys.stdout)
    suffixes = Path(out).suffixes
    if suffixes[-1:] == [".npz"]:
        return lambda rows, size: _write_npz(rows, size, out)
    kind = suffixes[-2:-1] if suffixes and suffixes[-1] in _COMPRESSED else suffixes[-1:]
    if kind == [".tsv"]:
        return lambda rows, size: _to_file(_write_tsv, rows, size, out)
    if kind == [".jsonl"]:
        return lambda rows, size: _to_file(_write_jsonl, rows, size, out)
    raise ValueError(
        f"{out}: the suffix must be .npz, .tsv or .jsonl; the last two can be compressed (.tsv.gz)"
    )


def _to_file(
    write: Callable[[Iterable[TokenVector], int, IO[str]], None],
    rows: Iterable[TokenVector],
    size: int,
    out: str,
) -> None:
    with _text_file(out) as file:
        write(rows, size, file)


@contextmanager
def _text_file(out: str) -> Iterator[IO[str]]:
    import smart_open

    from corpora.files import atomic_path

    with (
        atomic_path(out) as path,
        smart_open.open(os.fspath(path), "w", encoding="utf-8", newline="\n") as file,
    ):
        yield file


def _write_tsv(rows: Iterable[TokenVector], size: int, file: IO[str]) -> None:
    file.write("\t".join([*_COLUMNS, *(f"v{i}" for i in range(size))]) + "\n")
    values = "\t".join(["%.9g"] * size)
    for document, position, token, found, vector in rows:
        if any(mark in token for mark in "\t\r\n"):
            raise ValueError(f"TSV cannot hold the token {token!r}: use .jsonl or .npz")
        start = f"{document}\t{position}\t{token}\t{int(found)}\t"
        file.write(start + values % tuple(vector.tolist()) + "\n")


def _write_jsonl(rows: Iterable[TokenVector], size: int, file: IO[str]) -> None:
    # nine digits identify a float32; json.dumps would write seventeen
    values = ", ".join(["%.9g"] * size)
    for *about, vector in rows:
        start = json.dumps(dict(zip(_COLUMNS, about, strict=True)), ensure_ascii=False)
        file.write(f'{start[:-1]}, "vector": [{values % tuple(vector.tolist())}]}}\n')


def _write_npz(rows: Iterable[TokenVector], size: int, out: str) -> None:
    import numpy as np

    from corpora.files import atomic_path

    with atomic_path(out) as path:
        table = list(rows)
        document, position, token, found, vector = zip(*table, strict=True) if table else ((),) * 5
        np.savez(
            path,
            document=np.array(document, np.int64),
            position=np.array(position, np.int64),
            token=np.array(token, np.str_),
            found=np.array(found, np.bool_),
            vector=np.array(vector, np.float32).reshape(len(table), size),
        )
