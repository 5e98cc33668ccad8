"""The encoded corpus: one flat file of int32 word ids, and where documents begin.

Encoding passes every document through Python once; whoever trains reads arrays
from then on, as many times as they like, without loading the file into memory.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from corpora.errors import CorpusError

if TYPE_CHECKING:
    from corpora.corpus import Corpus

FORMAT_VERSION = 1
_BLOCK = 1 << 20  # tokens encoded at a time

Block = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int]


class TokenStream:
    """A corpus as ids, memory-mapped.

    Attributes
    ----------
    ids : int32 array of shape (n_tokens,)
        Word ids; -1 is a break between sentences: a position that is no word.
        Words outside the vocabulary are left out.
    offsets : int64 array of shape (n_documents + 1,)
        Document ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.
    n_raw : int
        Tokens read, those outside the vocabulary included.
    """

    def __init__(
        self, ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], n_raw: int
    ) -> None:
        self.ids = ids
        self.offsets = offsets
        self.n_raw = n_raw

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.ids[start:stop]

    def fingerprint(self) -> int:
        """A checksum of ids and document borders: the same corpus gives the same."""
        crc = zlib.crc32(np.ascontiguousarray(self.offsets).data)
        for start in range(0, len(self.ids), _BLOCK):
            crc = zlib.crc32(np.ascontiguousarray(self.ids[start : start + _BLOCK]).data, crc)
        return crc

    @classmethod
    def encode(
        cls,
        corpus: Corpus,
        index: Mapping[str, int],
        path: str | Path | None = None,
        *,
        workers: int | None = 1,
        progress: bool = False,
    ) -> TokenStream:
        """Encode a corpus.

        Parameters
        ----------
        corpus : Corpus
            What `corpora.open` returns.
        index : mapping of str to int
            Word to id. Words that it lacks are left out.
        path : path, optional
            Folder for the result. By default a temporary one, deleted with the
            object.
        workers : int, optional
            Processes, where the corpus can be cut; None is all cores. The result
            does not depend on it.
        progress : bool
            Show a bar.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        if path is not None:
            from corpora.files import atomic_folder

            with atomic_folder(path) as folder:
                _write(folder, corpus, index, workers, progress)
            return cls.open(path)
        folder = Path(tempfile.mkdtemp(prefix="corpora-tokens-"))
        try:
            _write(folder, corpus, index, workers, progress)
            stream = cls.open(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(stream, shutil.rmtree, folder, ignore_errors=True)
        return stream

    @classmethod
    def from_documents(
        cls, documents: Iterable[Iterable[str]], index: Mapping[str, int]
    ) -> TokenStream:
        """Encode a few documents in memory."""
        ids, lengths, n_raw = _join(_blocks((list(document) for document in documents), index))
        return cls(ids, _offsets(lengths), n_raw)

    @classmethod
    def open(cls, path: str | Path) -> TokenStream:
        """Open a folder that `encode` wrote.

        Raises
        ------
        CorpusError
            If the folder holds no token stream, a damaged one or one of a newer format.
        """
        folder = Path(path)
        try:
            about = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
            version = int(about["format_version"])
            n_tokens, n_documents = int(about["tokens"]), int(about["documents"])
            n_raw = int(about["tokens_read"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{folder} is no token stream: {error}") from error
        if version > FORMAT_VERSION:
            raise CorpusError(
                f"{folder} has token stream format {version}, this version reads up to "
                f"{FORMAT_VERSION}: update similarity-encoders"
            )
        for name, size in (("ids.int32", 4 * n_tokens), ("offsets.int64", 8 * (n_documents + 1))):
            file = folder / name
            if not file.is_file() or file.stat().st_size != size:
                raise CorpusError(f"{file} is missing or damaged: it should have {size} bytes")
        ids = _map(folder / "ids.int32", np.int32, n_tokens)
        return cls(ids, np.fromfile(folder / "offsets.int64", "<i8"), n_raw)


def _map(path: Path, dtype: Any, n: int) -> npt.NDArray[Any]:
    # an empty file cannot be mapped
    return np.memmap(path, dtype, "r", shape=(n,)) if n else np.empty(0, dtype)


def _offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _write(
    folder: Path, corpus: Corpus, index: Mapping[str, int], workers: int | None, progress: bool
) -> None:
    n_tokens = n_raw = 0
    lengths = [np.zeros(0, np.int64)]
    with open(folder / "ids.int32", "wb") as file:
        for ids, block_lengths, raw in _all_blocks(corpus, index, workers, progress):
            ids.tofile(file)
            lengths.append(block_lengths)
            n_tokens += len(ids)
            n_raw += raw
    offsets = _offsets(np.concatenate(lengths))
    offsets.astype("<i8").tofile(folder / "offsets.int64")
    about = {
        "format_version": FORMAT_VERSION,
        "documents": len(offsets) - 1,
        "tokens": n_tokens,
        "tokens_read": n_raw,
    }
    (folder / "tokens.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _all_blocks(
    corpus: Corpus, index: Mapping[str, int], workers: int | None, progress: bool
) -> Iterator[Block]:
    from corpora.parallel import map_shards

    label = "encoding" if progress else None
    if workers == 1 or len(corpus.shards(2)) == 1:
        yield from map_shards_inline(corpus, index, label)
    else:
        yield from map_shards(
            partial(_encode_shard, index=index), corpus, workers=workers, progress=label
        )


def map_shards_inline(
    corpus: Corpus, index: Mapping[str, int], label: str | None
) -> Iterator[Block]:
    """Blocks of a corpus read in this process, in constant memory."""
    from tqdm import tqdm

    with tqdm(desc=label, unit=" words", unit_scale=True, disable=label is None) as bar:
        for block in _blocks(corpus, index):
            bar.update(block[2])
            yield block


def _encode_shard(shard: Corpus, index: Mapping[str, int]) -> Block:
    return _join(_blocks(shard, index))


def _join(blocks: Iterator[Block]) -> Block:
    ids, lengths, raw = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], 0
    for block in blocks:
        ids.append(block[0])
        lengths.append(block[1])
        raw += block[2]
    return np.concatenate(ids), np.concatenate(lengths), raw


def _blocks(documents: Iterable[list[str]], index: Mapping[str, int]) -> Iterator[Block]:
    """Encode about a million tokens at a time: few calls into NumPy, little memory."""
    tokens: list[str] = []
    lengths: list[int] = []
    for document in documents:
        tokens += document
        lengths.append(len(document))
        if len(tokens) >= _BLOCK:
            yield _encode_block(tokens, lengths, index)
            tokens, lengths = [], []
    if lengths:
        yield _encode_block(tokens, lengths, index)


def _encode_block(tokens: list[str], lengths: list[int], index: Mapping[str, int]) -> Block:
    ids = np.fromiter(map(index.get, tokens, repeat(-2)), np.int32, len(tokens))
    raw = len(tokens)
    ends = np.cumsum(lengths)
    if "" in tokens:
        breaks = np.fromiter((token == "" for token in tokens), np.bool_, len(tokens))
        ids[breaks] = -1
        raw -= int(breaks.sum())
    kept = ids != -2
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    return ids[kept], np.diff(before[ends], prepend=0), raw
