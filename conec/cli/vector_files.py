"""Files of token vectors: NumPy, TSV and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from corpora.output import COMPRESSED, open_output

if TYPE_CHECKING:
    from conec.types import FloatArray

    # document, position, token, whether it has an embedding, vector
    TokenVector = tuple[int, int, str, bool, FloatArray]
    Writer = Callable[[Iterable[TokenVector], int], None]

_LARGEST_COLUMN = 1 << 28  # characters; each needs four bytes
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
        return lambda rows, size: _write_tsv(rows, size, out)
    suffixes = Path(out).suffixes
    if suffixes[-1:] == [".npz"]:
        return lambda rows, size: _write_npz(rows, size, out)
    kind = suffixes[-2:-1] if suffixes and suffixes[-1] in COMPRESSED else suffixes[-1:]
    if kind == [".tsv"]:
        return lambda rows, size: _write_tsv(rows, size, out)
    if kind == [".jsonl"]:
        return lambda rows, size: _write_jsonl(rows, size, out)
    raise ValueError(
        f"{out}: the suffix must be .npz, .tsv or .jsonl; the last two can be compressed (.tsv.gz)"
    )


def _write_tsv(rows: Iterable[TokenVector], size: int, out: str) -> None:
    values = "\t".join(["%.9g"] * size)
    with open_output(out) as write:
        write("\t".join([*_COLUMNS, *(f"v{i}" for i in range(size))]) + "\n")
        for document, position, token, found, vector in rows:
            if any(mark in token for mark in "\t\r\n"):
                raise ValueError(f"TSV cannot hold the token {token!r}: use .jsonl or .npz")
            start = f"{document}\t{position}\t{token}\t{int(found)}\t"
            write(start + values % tuple(vector.tolist()) + "\n")


def _write_jsonl(rows: Iterable[TokenVector], size: int, out: str) -> None:
    # nine digits identify a float32; json.dumps would write seventeen
    values = ", ".join(["%.9g"] * size)
    with open_output(out) as write:
        for *about, vector in rows:
            start = json.dumps(dict(zip(_COLUMNS, about, strict=True)), ensure_ascii=False)
            write(f'{start[:-1]}, "vector": [{values % tuple(vector.tolist())}]}}\n')


def _write_npz(rows: Iterable[TokenVector], size: int, out: str) -> None:
    import numpy as np

    from corpora.files import atomic_path

    with atomic_path(out, seeks=True) as path, open(path, "wb") as file:
        table = list(rows)
        document, position, token, found, vector = zip(*table, strict=True) if table else ((),) * 5
        longest = max(map(len, token), default=0)
        if longest * len(table) > _LARGEST_COLUMN:
            raise ValueError(
                f"{out}: an array of {len(table):,} tokens, each as long as the longest of "
                f"{longest:,} characters, is too large; write .jsonl or .tsv"
            )
        np.savez(
            file,
            document=np.array(document, np.int64),
            position=np.array(position, np.int64),
            token=np.array(token, np.str_),
            found=np.array(found, np.bool_),
            vector=np.array(vector, np.float32).reshape(len(table), size),
        )
