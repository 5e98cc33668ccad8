"""Embeddings of the tokens of documents, in batches, by compiled code that runs without the GIL.

A batch of documents becomes three arrays: ids of words, numbers of distinct words, and offsets of
documents. `MappedContexts` and `SenseContexts` turn them into embeddings. Documents that are
strings become arrays without a Python object for each token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from conec.contexts import Window
from conec.contexts.mapping import ContextMap
from conec.linalg import NotFiniteError
from conec.quantization import Rows
from conec.senses.inventory import SHARPNESS, SenseInventory
from conec.types import BoolArray, FloatArray, IntArray
from conec.vocabulary import Vocabulary
from corpora import BREAK
from corpora.counting.word_table import Located, WordTable, load, pack
from corpora.jit import announce_compilation

T = TypeVar("T")

BATCH_TOKENS = 1 << 13  # tokens of documents that are embedded together
_TOKEN_CHARACTERS = 6  # of a token and the space after it, on average
_TABLE_BYTES = 3 << 26  # size of a table of context words
_LINE = 16  # as in `conec.contexts.token_kernels`
_BLOCK = 1 << 10  # rows that are added to a table at a time

# Several threads may use a model. One lock serves all of them: a model with a lock of its own
# could not be copied.
_LOCK = Lock()


@dataclass(frozen=True)
class Batch:
    """Documents as arrays.

    Attributes
    ----------
    ids : int32 array of shape (n,)
        Id of each token in the vocabulary; -1 for unknown words and breaks.
    codes : int32 array of shape (n,)
        The same, with a number >= V for each unknown word; -1 for breaks.
    offsets : int64 array of shape (n_documents + 1,)
        Document i is at ``offsets[i]:offsets[i + 1]``.
    """

    ids: IntArray
    codes: IntArray
    offsets: npt.NDArray[np.int64]


@dataclass(frozen=True)
class PackedTexts:
    """Documents that are split at white space, in one array.

    Attributes
    ----------
    text : uint8 array, read-only
        UTF-8; halves of surrogate pairs are encoded, too.
    bounds : int64 array of shape (n_documents + 1,)
        Document i is ``text[bounds[i]:bounds[i + 1]]``, which ends with white space.
    """

    text: npt.NDArray[np.uint8]
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> PackedTexts:
        """Pack strings."""
        # each is encoded by itself, since other lengths than those in bytes are unknown
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        bounds = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) + 1 for text in encoded], out=bounds[1:])
        return cls(np.frombuffer(b"\n".join([*encoded, b""]), np.uint8), bounds)

    def tokens(self) -> list[list[str]]:
        """The tokens of each document."""
        return [
            self.text[start:stop].tobytes().decode("utf-8", "surrogatepass").split()
            for start, stop in pairwise(self.bounds.tolist())
        ]


Texts = PackedTexts | list[list[str]]


class EmbeddedTexts(NamedTuple):
    """The words of packed documents, and their embeddings."""

    words: Located
    vectors: FloatArray
    """Shape (n_tokens, d)."""
    found: BoolArray
    """Which vectors are not zero; shape (n_tokens,)."""


class TextIndex:
    """The words of a vocabulary, for documents that are strings.

    Parameters
    ----------
    vocabulary : Vocabulary
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.source = vocabulary
        load()
        self._table = WordTable()
        self._table.add(pack(vocabulary.index))

    def locate(self, texts: PackedTexts) -> Located:
        """Find and look up the words of documents; in any thread, without the GIL."""
        return self._table.locate(texts.text, texts.bounds)

    def locate_lists(self, texts: Sequence[list[str]]) -> Located | None:
        """Look up documents that are lists; None if a token has a line end, or all are empty."""
        tokens = texts[0] if len(texts) == 1 else chain.from_iterable(texts)
        joined = "\n".join(tokens).encode("utf-8", "surrogatepass") + b"\n"
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(list(map(len, texts)), out=offsets[1:])
        return self._table.locate_lines(np.frombuffer(joined, np.uint8), offsets)


def require_words(vocabulary: Vocabulary) -> None:
    """Raise RuntimeError if the vocabulary is empty."""
    if not len(vocabulary):
        raise RuntimeError("the model has no vocabulary yet: call fit")


def index_batch(texts: Sequence[list[str]], vocabulary: Vocabulary) -> Batch:
    """Convert documents to arrays.

    Parameters
    ----------
    texts : sequence of lists of str
    vocabulary : Vocabulary

    Raises
    ------
    RuntimeError
        If the vocabulary is empty.
    """
    require_words(vocabulary)
    n_words = len(vocabulary)
    tokens = texts[0] if len(texts) == 1 else list(chain.from_iterable(texts))
    ids = np.fromiter(map(vocabulary.index.get, tokens, repeat(-1)), np.int32, len(tokens))
    codes = ids
    unknown = np.flatnonzero(ids < 0)
    if len(unknown):
        numbers = {BREAK: -1}
        codes = ids.copy()
        codes[unknown] = [
            numbers.setdefault(tokens[position], n_words + len(numbers))
            for position in unknown.tolist()
        ]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return Batch(ids, codes, offsets)


class ContextTable:
    """Rows for context words, computed when a word is first used, in bounded memory.

    Parameters
    ----------
    rows_of : callable
        Computes rows, with `width` columns, from ids. The bits of a row must not depend on the
        other ids.
    n_words : int
        Size V of the vocabulary.
    width : int
        Number of columns.
    """

    def __init__(self, rows_of: Callable[[IntArray], FloatArray], n_words: int, width: int) -> None:
        self._rows_of, self._width = rows_of, width
        self._capacity = min(n_words, max(_TABLE_BYTES // (4 * width), 1))
        # -1 for words without a row; the last element is for unknown words
        self._row = np.zeros(n_words + 1, np.int32)
        self._clear()

    def _clear(self) -> None:
        """Begin a new table; threads may still read the old one."""
        self._table: FloatArray = np.zeros((self._capacity + 1, self._width), np.float32)
        self._row[:-1], self._used = -1, 1

    def look_up(self, ids: IntArray) -> tuple[FloatArray, IntArray]:
        """The table, and the row of each id in it; row 0, which is zero, for an id of -1."""
        with _LOCK:
            rows = self._row[ids]
            if len(rows) and rows.min() < 0:
                self._add(np.unique(ids[rows < 0]), ids)
                rows = self._row[ids]
            return self._table, rows

    def _add(self, new: IntArray, ids: IntArray) -> None:
        if self._used + len(new) > len(self._table):
            new = np.unique(ids[ids >= 0])
            self._capacity = max(self._capacity, len(new))
            self._clear()
        for start in range(0, len(new), _BLOCK):
            block = new[start : start + _BLOCK]
            stop = self._used + len(block)
            self._table[self._used : stop] = self._rows_of(block)
            self._row[block] = np.arange(self._used, stop, dtype=np.int32)
            self._used = stop


class MappedContexts:
    """Embeddings of tokens from words and their contexts, mapped by a `ContextMap`.

    Parameters
    ----------
    context_map : ContextMap
    vocabulary : Vocabulary
    unit_rows : callable
        Returns the rows of W1 with some ids, scaled to unit length.
    embeddings : float32 array or CompactRows of shape (V, d), optional
        Embeddings of the words themselves; without them, only ``a=0`` is possible.
    """

    def __init__(
        self,
        context_map: ContextMap,
        vocabulary: Vocabulary,
        unit_rows: Callable[[IntArray], FloatArray],
        embeddings: Rows | None,
    ) -> None:
        from conec.contexts.token_kernels import multiply_rows

        self.source = context_map, embeddings
        near, wide = context_map.config.windows(vocabulary)
        weights, d = read_only(context_map.weights), context_map.mean.shape[1]
        keep, width = near.word_weights(len(vocabulary))[:, None], _padded(d, _LINE)

        def rows_of(ids: IntArray) -> FloatArray:
            result = np.zeros((len(ids), 4, width), np.float32)
            rows = unit_rows(ids) * keep[ids]
            result[:, 0, :d] = multiply_rows(rows, weights[0])
            result[:, 1, :d] = rows
            result[:, 2, :d] = multiply_rows(rows, weights[1])
            if embeddings is not None:
                result[:, 3, :d] = embeddings[ids]
            return result.reshape(len(ids), 4 * width)

        self._d = d
        self._table = ContextTable(rows_of, len(vocabulary), 4 * width)
        self._weight = near.distance_weights().astype(np.float32)
        self.gap = self._wide = wide.size
        bias = np.zeros((2, width), np.float32)
        bias[:, :d] = [mean @ map_ for mean, map_ in zip(context_map.mean, weights, strict=True)]
        self._bias = bias.ravel()
        self._plain = np.float32(context_map.config.plain)

    def embed(self, batch: Batch | Located, a: float, pooled: bool) -> tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a batch, and which are not zero; in any thread.

        Parameters
        ----------
        batch : Batch or Located
        a : float
            Weight of the words.
        pooled : bool
            Whether all occurrences of a word in a document share their contexts.

        Raises
        ------
        NotFiniteError
            If vectors are not finite.
        """
        from conec.contexts.token_kernels import embed_mapped

        table, rows = self._table.look_up(batch.ids)
        out = np.empty((len(batch.ids), self._d), np.float32)
        found = np.empty(len(batch.ids), np.bool_)
        with announce_compilation("embeddings of tokens"):
            is_finite = embed_mapped(
                batch.codes, rows, batch.offsets, table, self._weight, self._wide, self._bias,
                self._plain, np.float32(a), pooled, out, found,
            )  # fmt: skip
        return _checked(is_finite, out, found)


class SenseContexts:
    """Embeddings of tokens from the senses of words that fit their contexts.

    Parameters
    ----------
    inventory : SenseInventory
    vocabulary : Vocabulary
    unit_rows, centered_rows : callable
        Return the rows of W1 with some ids, scaled to unit length; the second, minus the mean row.
    """

    def __init__(
        self,
        inventory: SenseInventory,
        vocabulary: Vocabulary,
        unit_rows: Callable[[IntArray], FloatArray],
        centered_rows: Callable[[IntArray], FloatArray],
    ) -> None:
        from conec.contexts.token_kernels import multiply_rows

        self.source = inventory
        window: Window = inventory.settings.context(vocabulary)
        keep = window.word_weights(len(vocabulary))[:, None]

        d, sense_map = len(inventory.map), read_only(inventory.map)
        width = _padded(d, 2 * _LINE)

        def rows_of(ids: IntArray) -> FloatArray:
            result = np.zeros((len(ids), 2, width), np.float32)
            result[:, 0, :d] = multiply_rows(unit_rows(ids) * keep[ids], sense_map)
            result[:, 1, :d] = centered_rows(ids)
            return result.reshape(len(ids), 2 * width)

        self._table = ContextTable(rows_of, len(vocabulary), 2 * width)
        self._d = d
        self._weight = window.distance_weights().astype(np.float32)
        self._starts = read_only(inventory.starts)
        self._centers = read_only(inventory.centers)
        self._log_shares = np.log(inventory.shares)
        self._most = int(np.diff(inventory.starts).max(initial=1))
        self._word_share = np.float32(inventory.settings.word_share)

    def embed(
        self, batch: Batch | Located, a: float, pooled: bool, hard: bool
    ) -> tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a batch, and which are not zero; in any thread.

        Parameters
        ----------
        batch, a, pooled
            As for `MappedContexts.embed`.
        hard : bool
            Whether to use only the sense that fits best.

        Raises
        ------
        NotFiniteError
            If vectors are not finite.
        """
        from conec.contexts.token_kernels import embed_in_senses

        table, rows = self._table.look_up(batch.ids)
        out = np.empty((len(batch.ids), self._d), np.float32)
        found = np.empty(len(batch.ids), np.bool_)
        with announce_compilation("embeddings of tokens in their senses"):
            is_finite = embed_in_senses(
                batch.codes, rows, batch.offsets, table, self._weight, self._starts,
                self._centers, self._log_shares, self._most, self._word_share,
                np.float32(SHARPNESS), hard, np.float32(a), pooled, out, found,
            )  # fmt: skip
        return _checked(is_finite, out, found)


def _padded(d: int, multiple: int) -> int:
    """Number of columns of the compiled code's tables, which end with zeros."""
    return -(-d // multiple) * multiple


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be written to, as memory-mapped arrays: Numba compiles one type only."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def _checked(is_finite: bool, out: FloatArray, found: BoolArray) -> tuple[FloatArray, BoolArray]:
    if not is_finite:
        raise NotFiniteError("vectors have NaN, infinity or values that are too large")
    return out, found


# Batches


def batches(texts: Iterable[str | list[str]]) -> Iterator[Texts]:
    """Group documents in batches of about `BATCH_TOKENS` tokens."""
    batch: list[Any] = []
    size = 0
    for text in texts:
        is_string = isinstance(text, str)
        if batch and is_string != isinstance(batch[0], str):
            yield _packed(batch)
            batch, size = [], 0
        batch.append(text)
        # an empty document takes some memory, too
        size += (len(text) // _TOKEN_CHARACTERS if is_string else len(text)) + 1
        if size >= BATCH_TOKENS:
            yield _packed(batch)
            batch, size = [], 0
    if batch:
        yield _packed(batch)


def _packed(batch: list[Any]) -> Texts:
    return PackedTexts.of(batch) if isinstance(batch[0], str) else batch


def batches_of_lines(blocks: Iterable[bytes]) -> Iterator[PackedTexts]:
    """Group lines, which are documents, in batches of about `BATCH_TOKENS` tokens.

    Batches depend on the lines alone, not on the blocks in which they come.

    Parameters
    ----------
    blocks : iterable of bytes
        Whole lines in UTF-8, as from `Corpus.utf8_blocks`.
    """
    rest = b""
    for block in blocks:
        if not block.endswith(b"\n"):  # the last line of a file
            block += b"\n"
        text = np.frombuffer(rest + block, np.uint8)
        ends = np.flatnonzero(text == ord("\n")) + 1
        first = start = 0
        while first < len(ends):
            # lines up to the one that completes the batch
            last = int(np.searchsorted(ends, start + BATCH_TOKENS * _TOKEN_CHARACTERS))
            if last == len(ends):
                break
            end = int(ends[last])
            bounds = np.append(0, ends[first : last + 1] - start).astype(np.int64)
            yield PackedTexts(text[start:end], bounds)
            first, start = last + 1, end
        rest = text[start:].tobytes()
    if rest:
        text = np.frombuffer(rest, np.uint8)
        bounds = np.append(0, np.flatnonzero(text == ord("\n")) + 1).astype(np.int64)
        yield PackedTexts(text, bounds)


def in_order(jobs: Iterable[Callable[[], T]], workers: int) -> Generator[T, None, None]:
    """Run jobs in threads; yield their results in order, a few computed ahead."""
    if workers == 1:
        for job in jobs:
            yield job()
        return
    executor = ThreadPoolExecutor(workers, thread_name_prefix="conec")
    pending: deque[Future[T]] = deque()
    try:
        for job in jobs:
            pending.append(executor.submit(job))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
