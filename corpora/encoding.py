"""Encoded corpora: a memory-mapped array of int32 word ids, and the offsets of documents.

The text is read once, plain text by compiled code. Training then reads arrays, in any number of
passes, without loading the file into memory.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
import shutil
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.checks import ParameterError, check_integer, shown, token_list
from corpora.corpus import Corpus, Source
from corpora.corpus import open as open_corpus
from corpora.counting.counts import uses_compiled_code
from corpora.counting.spill import PackedWords
from corpora.counting.word_table import WordTable, load, pack
from corpora.errors import CorpusError, ModelError
from corpora.files import temporary_folder
from corpora.model_folder import FolderReader, FolderWriter, open_folder, write_folder
from corpora.parallel import map_shards
from corpora.saved_data import checked_indptr

__all__ = ["BREAK_ID", "FORMAT_VERSION", "KIND", "TokenStream", "TokenStreamError", "write_tokens"]

logger = logging.getLogger(__name__)

KIND = "corpora.TokenStream"
FORMAT_VERSION = 3
BREAK_ID = -1
_LARGEST_ID = 2**31 - 1
_UNKNOWN = -2

_ABOUT, _IDS, _OFFSETS = "tokens.json", "ids.int32", "offsets.int64"

_AROUND = 1 << 20  # bytes before a part of the ids that are given back to the system with it
_BLOCK_TOKENS = 1 << 20  # tokens encoded before they are written
# Tokens looked up at a time: few enough to stay in the CPU cache.
_LOOKUP_TOKENS = 4096

Block = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int]


class TokenStreamError(CorpusError, ModelError):
    """A folder holds no readable token stream: damaged, newer, or something else."""


class TokenStream:
    """A corpus encoded as word ids, memory-mapped.

    Attributes
    ----------
    ids : int32 array of shape (n_tokens,)
        Word ids; -1 is a break between sentences, which takes up a position but is not a word.
        Words outside the vocabulary are omitted.
    offsets : int64 array of shape (n_documents + 1,)
        Document ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.
    n_raw : int
        Number of tokens read, including those outside the vocabulary, without breaks.
    skipped : int
        Lines dropped because their bytes can't be decoded (``errors="skip"``).

    Raises
    ------
    TypeError, ValueError
        If the arrays have another type or shape, or `offsets` do not increase from 0 to the
        number of ids.
    """

    def __init__(
        self,
        ids: npt.NDArray[np.int32],
        offsets: npt.NDArray[np.int64],
        n_raw: int,
        skipped: int = 0,
    ) -> None:
        for name, array in (("ids", ids), ("offsets", offsets)):
            if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu":
                raise ParameterError(f"{name} must be an array of integers with one dimension")
        ends = offsets[:1].tolist() + offsets[-1:].tolist()
        if ends != [0, len(ids)] or (np.diff(offsets) < 0).any():
            raise ValueError("offsets must increase from 0 to the number of ids")
        self.ids = ids
        self.offsets = offsets
        self.n_raw = n_raw
        self.skipped = skipped

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.ids[start:stop]

    def release(self, start: int = 0, stop: int | None = None) -> None:
        """Give memory of ids that were read back to the system; they stay readable.

        Parameters
        ----------
        start, stop : int
            A part of the ids; by default all. Without effect on ids that are not memory-mapped.
        """
        mapped = getattr(self.ids, "_mmap", None)
        # pages of files that may be written to could have changes
        read_only = getattr(self.ids, "mode", None) == "r"
        if mapped is None or not read_only or not hasattr(mmap, "MADV_DONTNEED"):
            return
        stop = len(self.ids) if stop is None else min(stop, len(self.ids))
        size, page = self.ids.itemsize, mmap.PAGESIZE
        # reading a page also maps those around it, so earlier parts may be in memory again
        first = max(0, start * size - _AROUND) // page * page
        with suppress(OSError, ValueError):  # nothing is lost if the system refuses
            mapped.madvise(mmap.MADV_DONTNEED, first, stop * size - first)

    @property
    def has_neighbors(self) -> bool:
        """Whether two words are next to each other in some document and sentence."""
        for start in range(0, len(self.ids), _BLOCK_TOKENS):
            ids = np.asarray(self.ids[start : start + _BLOCK_TOKENS + 1])
            are_words = (ids[:-1] >= 0) & (ids[1:] >= 0)
            first, last = np.searchsorted(self.offsets, (start + 1, start + len(ids)))
            are_words[self.offsets[first:last] - start - 1] = False  # between two documents
            if are_words.any():
                return True
        return False

    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest id; at most 0 and at least -1."""
        lowest, highest = 0, -1
        for start in range(0, len(self.ids), _BLOCK_TOKENS):
            ids = self.ids[start : start + _BLOCK_TOKENS]
            lowest, highest = min(lowest, int(ids.min())), max(highest, int(ids.max()))
            self.release(start, start + _BLOCK_TOKENS)
        return lowest, highest

    def fingerprint(self) -> int:
        """Return a checksum of ids and offsets; equal for equal corpora."""
        crc = zlib.crc32(np.ascontiguousarray(self.offsets).data)
        for start in range(0, len(self.ids), _BLOCK_TOKENS):
            crc = zlib.crc32(
                np.ascontiguousarray(self.ids[start : start + _BLOCK_TOKENS]).data, crc
            )
            self.release(start, start + _BLOCK_TOKENS)
        return crc

    @classmethod
    def encode(
        cls,
        corpus: Corpus | Source,
        index: Mapping[str, int],
        path: str | Path | None = None,
        *,
        workers: int | None = 1,
        engine: str | None = None,
        progress: bool = False,
    ) -> TokenStream:
        """Encode a corpus.

        Parameters
        ----------
        corpus : Corpus, path or iterable of documents
            Anything that `corpora.open` takes.
        index : mapping of str to int
            Ids of words, from 0. All other words are omitted.
        path : path, optional
            Folder for the result. A folder that holds a token stream and nothing else is replaced.
            By default a temporary folder, which is deleted at once if the system can read deleted
            files, or else together with the object.
        workers : int, optional
            Number of threads for plain text (see :func:`corpora.count`), or else of
            processes, if the corpus can be split; None uses one per core. Does not change the
            result.
        engine : str, optional
            Where to encode: by default on this machine; "ray" or HOST:PORT on a Ray cluster (see
            :func:`corpora.count`). Does not change the result.
        progress : bool
            Whether to show a progress bar.

        Raises
        ------
        OSError
            If the folder can't be written, or holds other files.
        CorpusError
            If the contents of a file are invalid.
        """
        corpus = open_corpus(corpus)
        if path is not None:
            with write_folder(path, KIND, FORMAT_VERSION) as folder:
                write_tokens(
                    folder, corpus, index, workers=workers, engine=engine, progress=progress
                )
            return cls.open(path)
        with ExitStack() as stack:
            temporary = stack.enter_context(temporary_folder("corpora-tokens-"))
            encoded = _encode_ids(temporary / _IDS, corpus, index, workers, engine, progress)
            offsets = _offsets(encoded.lengths)
            ids = _map(temporary / _IDS, int(offsets[-1]))
            stream = cls(ids, offsets, encoded.n_raw, encoded.skipped)
            # The mapped file stays readable without a name, and is freed when this process ends.
            shutil.rmtree(temporary, ignore_errors=True)
            if temporary.exists():
                weakref.finalize(stream, stack.pop_all().close)
            return stream

    @classmethod
    def from_documents(
        cls, documents: Iterable[Iterable[str]], index: Mapping[str, int]
    ) -> TokenStream:
        """Encode documents in memory.

        Parameters
        ----------
        documents : iterable of iterables of str
            Tokens of each document. Unlike in a corpus, empty documents are kept.
        index : mapping of str to int
            Ids of words, from 0. All other words are omitted.

        Raises
        ------
        TypeError
            If a document is not a list of str, or `index` not a dict of str to int.
        """
        if isinstance(documents, str) or not isinstance(documents, Iterable):
            raise TypeError(f"documents must be a list of lists of str, got {shown(documents)}")
        tokens = (token_list(text, f"document {n}") for n, text in enumerate(documents))
        blocks = list(_encoded_blocks(tokens, _words_only(index)))
        ids = [np.zeros(0, np.int32), *(block[0] for block in blocks)]
        lengths = [np.zeros(0, np.int64), *(block[1] for block in blocks)]
        n_raw = sum(block[2] for block in blocks)
        return cls(np.concatenate(ids), _offsets(np.concatenate(lengths)), n_raw)

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> TokenStream:
        """Open a folder that `encode` wrote.

        Parameters
        ----------
        path : path
        verify : bool, default False
            Whether to verify the checksum of the ids, which takes as long as reading them. The
            checksums of all other files are always verified.

        Raises
        ------
        TokenStreamError
            A CorpusError and ModelError: if the folder is missing, damaged, not a token stream, or
            of a newer format.
        """
        try:
            with open_folder(
                path, KIND, FORMAT_VERSION, verify=verify, what="token stream"
            ) as folder:
                counts = _read_counts(folder)
                n_tokens, n_documents = counts["tokens"], counts["documents"]
                content = folder.read_bytes(_OFFSETS)
                if len(content) != 8 * (n_documents + 1):
                    raise folder.damaged(
                        f"it has {len(content)} bytes, expected {8 * (n_documents + 1)}", _OFFSETS
                    )
                offsets = np.frombuffer(content, "<i8").astype(np.int64)
                with folder.checking(_OFFSETS):
                    checked_indptr("the offsets of documents", offsets, n_documents, n_tokens)
                ids = folder.map_file(_IDS, "<i4", n_tokens)
        except (ModelError, OSError) as error:
            damaged = TokenStreamError(f"{error}. Encode the corpus again")
            damaged.path = os.fspath(path)
            raise damaged from error
        return cls(ids, offsets, counts["tokens_read"], counts["lines_skipped"])


def _read_counts(folder: FolderReader) -> dict[str, int]:
    data = folder.read_json(_ABOUT)
    names = ("tokens", "documents", "tokens_read", "lines_skipped")
    counts: dict[str, Any] = (
        {name: data.get(name) for name in names} if isinstance(data, dict) else {}
    )
    if not counts or not all(type(n) is int and 0 <= n < 2**62 for n in counts.values()):
        raise folder.damaged("a number is missing or invalid", _ABOUT)
    return counts


def write_tokens(
    folder: FolderWriter,
    corpus: Corpus,
    index: Mapping[str, int],
    *,
    workers: int | None = 1,
    engine: str | None = None,
    progress: bool = False,
) -> dict[str, int]:
    """Encode a corpus into a folder, to which other files can be added.

    Parameters
    ----------
    folder : FolderWriter
        As yielded by `corpora.model_folder.write_folder` for `KIND` and `FORMAT_VERSION`.
    corpus, index, workers, engine, progress
        As for `TokenStream.encode`.

    Returns
    -------
    dict of str to int
        Numbers of documents, tokens, tokens_read and lines_skipped; and of words, which are the
        tokens without breaks.
    """
    encoded = _encode_ids(folder.file(_IDS), corpus, index, workers, engine, progress)
    offsets = _offsets(encoded.lengths)
    folder.write_bytes(_OFFSETS, offsets.astype("<i8", copy=False).data.cast("B"))
    counts = {
        "documents": len(offsets) - 1,
        "tokens": int(offsets[-1]),
        "tokens_read": encoded.n_raw,
        "lines_skipped": encoded.skipped,
    }
    folder.write_json(_ABOUT, counts, indent=1)
    return {**counts, "words": encoded.n_words}


def _words_only(index: Mapping[str, int]) -> Mapping[str, int]:
    """Check a vocabulary, and remove the break from it: it is not a word."""
    if not isinstance(index, Mapping):
        raise ParameterError(f"index must be a dict of words and ids, got {shown(index)}")
    if not set(map(type, index.values())) <= {int} or not set(map(type, index)) <= {str}:
        for word, i in index.items():
            if not isinstance(word, str):
                raise ParameterError(f"the words of index must be strings, got {shown(word)}")
            check_integer(f"the id of {word!r}", i, 0, _LARGEST_ID)
    values = index.values()
    if min(values, default=0) < 0 or max(values, default=0) > _LARGEST_ID:
        word = next(word for word, i in index.items() if not 0 <= i <= _LARGEST_ID)
        check_integer(f"the id of {word!r}", index[word], 0, _LARGEST_ID)
    return {word: i for word, i in index.items() if word} if "" in index else index


def _map(path: Path, n: int) -> npt.NDArray[np.int32]:
    # An empty file can't be mapped.
    return np.memmap(path, "<i4", "r", shape=(n,)) if n else np.empty(0, np.int32)


def _offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


class _Encoded(NamedTuple):
    """An encoded shard or corpus. Its ids are in a file, as they may not fit in memory."""

    name: str  # of the file
    lengths: npt.NDArray[np.int64]
    n_raw: int
    n_words: int  # ids that are not breaks
    skipped: int


def _encode_ids(
    path: Path,
    corpus: Corpus,
    index: Mapping[str, int],
    workers: int | None,
    engine: str | None,
    progress: bool,
) -> _Encoded:
    """Write the ids of a corpus to a file, with temporary files of its shards in its folder."""
    started = time.perf_counter()
    index = _words_only(index)
    compiled = uses_compiled_code(corpus)
    encode = _CompiledEncoder(index) if compiled else partial(_encoded_blocks, index=index)
    shards = map_shards(
        partial(_encode_shard, encode=encode),
        corpus,
        workers=workers,
        engine=engine,
        folder=path.parent,
        progress="encoding" if progress else None,
        threads=compiled,
    )
    n_raw = n_words = skipped = 0
    lengths = [np.zeros(0, np.int64)]
    # Closed here, so that no worker is still writing when the folder is deleted.
    with closing(shards):
        for number, shard in enumerate(shards):
            part = path.parent / shard.name
            if number == 0:
                # The whole corpus, if it is not split.
                os.replace(part, path)
            else:
                with open(part, "rb") as source, open(path, "ab") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                part.unlink()
            lengths.append(shard.lengths)
            n_raw += shard.n_raw
            n_words += shard.n_words
            skipped += shard.skipped
    encoded = _Encoded(path.name, np.concatenate(lengths), n_raw, n_words, skipped)
    logger.info(
        "encoded %d documents, %d of %d tokens, in %.1f s",
        len(encoded.lengths),
        encoded.lengths.sum(),
        n_raw,
        time.perf_counter() - started,
    )
    return encoded


def _encode_shard(
    shard: Corpus, encode: Callable[[Corpus], Iterator[Block]], folder: Path
) -> _Encoded:
    name = f"shard-{secrets.token_hex(8)}"
    lengths = [np.zeros(0, np.int64)]
    n_raw = n_words = 0
    with open(folder / name, "wb") as file:
        for ids, block_lengths, raw in encode(shard):
            # Not tofile, which may not report a full disk.
            file.write(np.ascontiguousarray(ids, "<i4").data)
            lengths.append(block_lengths)
            n_raw += raw
            n_words += int(np.count_nonzero(ids != BREAK_ID))
    return _Encoded(name, np.concatenate(lengths), n_raw, n_words, shard.skipped)


class _CompiledEncoder:
    """The encoder of plain text. Threads share its table of words; each other process makes one.

    Parameters
    ----------
    index : mapping of str to int
    """

    def __init__(self, index: Mapping[str, int]) -> None:
        self._make(pack(index))

    def _make(self, words: PackedWords) -> None:
        load()
        self._words = words
        self._table = WordTable()
        self._table.add(words)

    def __getstate__(self) -> PackedWords:
        return self._words

    def __setstate__(self, words: PackedWords) -> None:
        self._make(PackedWords(*map(np.array, words)))  # copies: they may be read-only

    def __call__(self, shard: Corpus) -> Iterator[Block]:
        ids, lengths = np.empty(0, np.int32), np.empty(0, np.int64)
        for block in shard.utf8_blocks():
            size = len(block) // 2 + 1  # the highest number of words
            if size > len(ids):
                ids, lengths = np.empty(size, np.int32), np.empty(size, np.int64)
            n_ids, n_lines, n_words = self._table.encode(block, ids, lengths)
            # The ids are written to disk before the next block is read; lengths are collected.
            yield ids[:n_ids], lengths[:n_lines].copy(), n_words


def _encoded_blocks(documents: Iterable[list[str]], index: Mapping[str, int]) -> Iterator[Block]:
    """Yield encoded blocks of about a million tokens, in constant memory."""
    looked_up: list[npt.NDArray[np.int32]] = []
    size = 0
    tokens: list[str] = []
    lengths: list[int] = []
    for document in documents:
        tokens += document
        lengths.append(len(document))
        if len(tokens) > _LOOKUP_TOKENS:
            looked_up.append(_look_up(tokens, index))
            size += len(tokens)
            tokens.clear()
            if size > _BLOCK_TOKENS:
                yield _without_unknown(looked_up, lengths)
                looked_up, lengths, size = [], [], 0
    if lengths:
        looked_up.append(_look_up(tokens, index))
        yield _without_unknown(looked_up, lengths)


def _look_up(tokens: list[str], index: Mapping[str, int]) -> npt.NDArray[np.int32]:
    ids = np.fromiter(map(index.get, tokens, repeat(_UNKNOWN)), np.int32, len(tokens))
    # Only unknown words are compared with the break: comparing all tokens is slow.
    for position in np.flatnonzero(ids == _UNKNOWN).tolist():
        if not tokens[position]:
            ids[position] = BREAK_ID
    return ids


def _without_unknown(looked_up: list[npt.NDArray[np.int32]], lengths: list[int]) -> Block:
    ids = np.concatenate(looked_up)
    kept = ids != _UNKNOWN
    n_kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    n_raw = len(ids) - int(np.count_nonzero(ids == BREAK_ID))
    return ids[kept], np.diff(n_kept[np.cumsum(lengths)], prepend=0), n_raw
