"""Training on shards of the corpus: common weights, changes and merges.

The corpus is cut into contiguous shards. Each trains its own copy of the weights, and the changes
are merged in a fixed order, so the bits of the result depend on the number of shards, but not on
where they are trained: one after the other in this process (`LocalShards`), or on the nodes of a
cluster (`conec.training.cluster`).

An epoch is a number of cycles, and a cycle a number of rounds. In a round, each shard trains a
chunk, or one in each of its threads. The most frequent words, which all shards change all the time,
are merged after each round, while the next one is trained: the result is added a round later. At
the end of a cycle all words are merged, and all shards have the same weights. A cycle that failed
can therefore be repeated from the weights that any shard has.

Changes of frequent words agree, and are partly averaged; those of rare words, which few shards
change at a time, add up (`conec.training.kernels.changes.merge`). Shards train with the learning
rate of one machine: a higher one would make up for averages, but change rare words too much.

Rows of W1 and W2 are divided among the shards, too: each merges the changes of its rows by all
shards ("reduce-scatter"), and sends the result to all. Changes are sent in float16. What rounding
loses stays in the weights of the shard until the next merge, in the last round of a cycle it is
dropped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.training.chunks import ChunkTrainer, TrainingState
from conec.training.kernels.arguments import Chunk
from conec.training.weights import zero_rows
from conec.types import FloatArray, IntArray
from corpora.encoding import TokenStream

if TYPE_CHECKING:
    from conec.config import Config
    from conec.vocabulary import Vocabulary

ROUNDS = 4  # of a cycle
FREQUENT = 1000  # words that are merged after each round
CHUNK, SMALLEST_CHUNK = 1 << 15, 1 << 11  # tokens
_CYCLES = 64  # of an epoch, if the corpus is small

Weights = tuple[FloatArray, FloatArray]
Progress = Callable[[int], bool]


class Changes(NamedTuple):
    """Changes of some rows of W1 and of W2, as float16.

    Attributes
    ----------
    rows1, rows2 : int32 arrays of shapes (m1,) and (m2,)
    changes1, changes2 : uint16 arrays of shapes (m1, d) and (m2, d)
        Bits of float16.
    """

    rows1: IntArray
    changes1: npt.NDArray[np.uint16]
    rows2: IntArray
    changes2: npt.NDArray[np.uint16]

    @property
    def nbytes(self) -> int:
        """Bytes that are sent."""
        return sum(array.nbytes for array in self)


class Round(NamedTuple):
    """Result of a round on a shard.

    Attributes
    ----------
    loss : float
        Sum of the losses.
    n_positions : int
    changes : list of Changes
        For each shard, which merges its rows.
    """

    loss: float
    n_positions: int
    changes: list[Changes]


class Shared(NamedTuple):
    """What all shards know, in addition to the weights.

    Attributes
    ----------
    vocabulary : Vocabulary
    config : Config
    state : TrainingState
        Gives the learning rates and the number of the run. Its `next_chunk` counts cycles.
    lock_factors : float32 array of shape (V,), optional
        As for `ChunkTrainer`.
    """

    vocabulary: Vocabulary
    config: Config
    state: TrainingState
    lock_factors: FloatArray | None = None


class Slice(NamedTuple):
    """The tokens of a shard, as `TokenStream`; documents are cut at its ends."""

    ids: IntArray
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, stream: TokenStream, shard: int, n_shards: int) -> Slice:
        """Cut one of `n_shards` shards of equal length out of a stream."""
        start, stop = (len(stream) * k // n_shards for k in (shard, shard + 1))
        first, last = np.searchsorted(stream.offsets, (start, stop), side="right")
        inner = stream.offsets[first:last]
        inner = inner[inner < stop]
        offsets = np.concatenate([[start], inner, [stop]]) - start
        return cls(stream.ids[start:stop], offsets.astype(np.int64))


class Plan(NamedTuple):
    """How a corpus is divided; the same on all nodes.

    Attributes
    ----------
    n_tokens : int
        Tokens of the longest shard.
    n_shards, n_threads : int
        `n_threads` of each shard. Several train without locks (Hogwild), so that results depend on
        their timing.
    chunk_tokens : int
    """

    n_tokens: int
    n_shards: int
    n_threads: int
    chunk_tokens: int

    @property
    def n_cycles(self) -> int:
        """Cycles of an epoch."""
        return -(-self.n_tokens // (self.chunk_tokens * self.n_threads * ROUNDS))


def plan(n_tokens: int, n_shards: int, n_threads: int) -> Plan:
    """Divide a corpus.

    Raises
    ------
    ValueError
        If there are more shards than the corpus has chunks.
    """
    most = most_shards(n_tokens)
    if n_shards > most:
        raise ValueError(
            f"n_shards must be at most {most} for a corpus of {n_tokens:,} tokens, got {n_shards}: "
            f"a shard needs {SMALLEST_CHUNK:,} tokens"
        )
    tokens = -(-n_tokens // n_shards)
    # shorter for a small corpus, so that changes are merged often enough
    length = min(CHUNK, max(SMALLEST_CHUNK, tokens // (n_threads * ROUNDS * _CYCLES)))
    return Plan(tokens, n_shards, n_threads, length)


def most_shards(n_tokens: int) -> int:
    """The largest number of shards of a corpus, at least 1."""
    return max(1, n_tokens // SMALLEST_CHUNK)


class ShardTrainer(ChunkTrainer):
    """Trains on chunks of a shard.

    The learning rate falls with the progress in the shard, and random numbers depend on the shard.

    Attributes
    ----------
    marks : tuple of bool arrays of shape (V,)
        Rows of W1 and of W2 that may have changed.
    """

    def __init__(
        self,
        weights: Weights,
        tokens: Slice,
        shared: Shared,
        shard: int,
    ) -> None:
        self._shard = shard
        n_words = len(shared.vocabulary)
        self.marks = np.zeros(n_words, np.bool_), np.zeros(n_words, np.bool_)
        stream = TokenStream(tokens.ids, tokens.offsets, len(tokens.ids))
        vocabulary, config, state, lock_factors = shared
        super().__init__(*weights, stream, vocabulary, config, state, lock_factors)

    def train(
        self, number: int, scratch: npt.NDArray[np.int16], length: int | None = None
    ) -> tuple[float, int]:
        """Train on a chunk; return the sum of its losses and its number of positions."""
        loss, n_positions = self._cbow.train_marking(
            self._stream, self._words, self._settings, self._chunk(number, length),
            *self._weights, scratch, *self.marks,
        )  # fmt: skip
        return loss, n_positions

    def _chunk(self, number: int, length: int | None = None) -> Chunk:
        state, seed, shard = self._state, self._config.seed, self._shard
        chunk = super()._chunk(number, length)
        return chunk._replace(
            token_key=random_streams.key(
                seed, random_streams.TOKENS, state.run, state.epoch, shard
            ),
            noise_key=random_streams.key(
                seed, random_streams.NOISE, state.run, state.epoch, number, shard
            ),
        )


class Shard:
    """A shard of the corpus, its weights, and the common weights of all shards.

    Parameters
    ----------
    number : int
    plan : Plan
    tokens : Slice
    weights : tuple of float32 arrays of shape (V, d)
        W1 and W2 at the start; they are copied.
    shared : Shared
    """

    def __init__(
        self,
        number: int,
        plan: Plan,
        tokens: Slice,
        weights: Weights,
        shared: Shared,
    ) -> None:
        # imported here because it is slow
        from conec.training.kernels import changes

        self._kernels = changes
        self._number, self._plan = number, plan
        self.common = _copy(weights[0]), _copy(weights[1])
        self._weights = _copy(weights[0]), _copy(weights[1])
        self._frequent = self._rows_of_frequent()
        self._state = TrainingState(**{**vars(shared.state), "losses": [], "positions": []})
        shared = shared._replace(state=self._state)
        self._trainer = ShardTrainer(self._weights, tokens, shared, number)
        self._n_chunks = -(-len(tokens.ids) // plan.chunk_tokens)
        self._scratch = [self._trainer.train_scratch() for _ in range(plan.n_threads)]
        self._sent: Changes | None = None

    def train(
        self, epoch: int, cycle: int, number: int, merged: Callable[[], Sequence[Changes]]
    ) -> Round:
        """Train a round, add merged changes of the round before, and return new changes.

        Parameters
        ----------
        epoch, cycle, number : int
            Of the round.
        merged : callable
            Returns the merged changes of the round before, if it was in the same cycle. It is
            called after training, when they have arrived.
        """
        self._state.epoch = epoch
        n = self._plan.n_threads
        start = min((cycle * ROUNDS + number) * n, self._n_chunks)
        results = self._train_chunks(range(start, min(start + n, self._n_chunks)))
        if self._sent is not None:
            for part in merged():
                self._add(self.common, part)
                self._add(self._weights, part)
            self._subtract(self._sent)
            self._sent = None
        is_last = number == ROUNDS - 1
        changes = self._take(len(self.common[0]) if is_last else FREQUENT)
        return Round(sum(loss for loss, _ in results), sum(n for _, n in results), changes)

    def _train_chunks(self, numbers: range) -> list[tuple[float, int]]:
        if len(numbers) < 2:
            return [self._trainer.train(number, self._scratch[0]) for number in numbers]
        with ThreadPoolExecutor(len(numbers)) as pool:
            return list(pool.map(self._trainer.train, numbers, self._scratch))

    def _take(self, n_rows: int) -> list[Changes]:
        n_rows, n = min(n_rows, len(self.common[0])), self._plan.n_shards
        taken = [
            self._kernels.take(W, common, marks, n_rows, n)
            for W, common, marks in zip(
                self._weights, self.common, self._trainer.marks, strict=True
            )
        ]
        (rows1, changes1, _), (rows2, changes2, _) = taken
        self._sent = Changes(rows1, changes1, rows2, changes2)
        spans = zip(*(pairwise(starts) for *_, starts in taken), strict=True)
        return [
            Changes(rows1[a:b], changes1[a:b], rows2[c:d], changes2[c:d])
            for (a, b), (c, d) in spans
        ]

    def merge(self, changes: Sequence[Changes]) -> Changes:
        """Merge changes of this shard's rows by all shards, in the order of the shards."""
        merged = []
        for rows, values in ((0, 1), (2, 3)):
            starts = np.zeros(len(changes) + 1, np.int64)
            np.cumsum([len(part[rows]) for part in changes], out=starts[1:])
            changed = np.concatenate([part[rows] for part in changes])
            union = np.unique(changed)
            merged += [
                union,
                self._kernels.merge(
                    changed, np.concatenate([part[values] for part in changes]), starts, union
                ),
            ]
        return Changes(*merged)

    def end_cycle(self, merged: Sequence[Changes]) -> None:
        """Add merged changes of all words to the common weights, from which training goes on."""
        (W1, W2), (common1, common2) = self._weights, self.common
        marks1, marks2 = self._trainer.marks
        for part in merged:
            self._kernels.add_and_copy(common1, part.rows1, part.changes1, W1, marks1)
            self._kernels.add_and_copy(common2, part.rows2, part.changes2, W2, marks2)
        # not all rows that changed were sent: some changes are 0 in float16
        self._reset()
        self._frequent = self._rows_of_frequent()

    def undo_cycle(self) -> None:
        """Go back to the common weights at the end of the last complete cycle."""
        for common, frequent in zip(self.common, self._frequent, strict=True):
            common[:FREQUENT] = frequent
        self._reset()

    def _reset(self) -> None:
        """Set the weights to the common ones."""
        for W, common, marks in zip(self._weights, self.common, self._trainer.marks, strict=True):
            marks[:FREQUENT] = True  # merged after each round
            self._kernels.reset(W, common, marks)
        self._sent = None

    def _rows_of_frequent(self) -> Weights:
        W1, W2 = self.common
        return W1[:FREQUENT].copy(), W2[:FREQUENT].copy()

    def _add(self, weights: Weights, changes: Changes) -> None:
        self._kernels.add(weights[0], changes.rows1, changes.changes1)
        self._kernels.add(weights[1], changes.rows2, changes.changes2)

    def _subtract(self, changes: Changes) -> None:
        self._kernels.subtract(self._weights[0], changes.rows1, changes.changes1)
        self._kernels.subtract(self._weights[1], changes.rows2, changes.changes2)


def _copy(weights: FloatArray) -> FloatArray:
    copy = zero_rows(*weights.shape)
    copy[:] = weights
    return copy


class ShardedTraining(ABC):
    """Training of a model on shards, wherever they are.

    Parameters
    ----------
    weights : tuple of float32 arrays of shape (V, d)
        W1 and W2, updated in place when `run` returns.
    stream : TokenStream
    shared : Shared

    Attributes
    ----------
    plan : Plan
    n_merges : int
        Merges of all words, one in each cycle.
    n_bytes : int
        Bytes that all shards sent and received.
    """

    def __init__(
        self,
        weights: Weights,
        stream: TokenStream,
        shared: Shared,
    ) -> None:
        self.plan = plan(len(stream), shared.state.n_shards, shared.config.workers)
        self._weights, self._stream, self._shared = weights, stream, shared
        self.n_merges, self.n_bytes = 0, 0

    @property
    def n_cycles(self) -> int:
        """Cycles of an epoch."""
        return self.plan.n_cycles

    @property
    def cycle_tokens(self) -> int:
        """Tokens of a cycle on all shards."""
        return self.plan.chunk_tokens * self.plan.n_threads * ROUNDS * self.plan.n_shards

    @property
    def description(self) -> str:
        """How and where training runs, for logs."""
        return f"{self.plan.n_shards} shards"

    @property
    def finite(self) -> bool:
        """Whether all values of W2 are finite."""
        return bool(np.isfinite(self._weights[1].sum(dtype=np.float64)))

    @property
    def figures(self) -> dict[str, str]:
        """Figures of progress, for bars and logs."""
        per_shard = self.n_bytes / self.plan.n_shards / max(self.n_merges, 1)
        return {"merges": f"{self.n_merges}", "MB/merge": f"{per_shard / 1e6:.1f}"}

    def _count(self, n_bytes: int) -> None:
        """Count a merge of all words, and bytes that all shards sent and received since then."""
        self.n_merges += 1
        self.n_bytes += n_bytes

    def run(self, tick: Progress) -> None:
        """Train on the remaining cycles of an epoch, or until `tick` returns True."""
        state = self._shared.state
        try:
            while state.next_chunk < self.plan.n_cycles:
                loss, n_positions = self.train_cycle(state.epoch, state.next_chunk)
                state.losses.append(loss)
                state.positions.append(n_positions)
                state.next_chunk += 1
                if tick(state.next_chunk):
                    break
        finally:
            self.collect()

    @abstractmethod
    def train_cycle(self, epoch: int, cycle: int) -> tuple[float, int]:
        """Train a cycle on all shards; return the sum of the losses and the positions."""

    @abstractmethod
    def collect(self) -> None:
        """Copy the common weights of the last complete cycle to W1 and W2."""

    def close(self) -> None:  # noqa: B027
        """End the training, after which nothing else may be called."""


class LocalShards(ShardedTraining):
    """Training on shards in this process, one after the other."""

    def __init__(
        self,
        weights: Weights,
        stream: TokenStream,
        shared: Shared,
    ) -> None:
        super().__init__(weights, stream, shared)
        n = self.plan.n_shards
        self.shards = [
            Shard(k, self.plan, Slice.of(stream, k, n), weights, shared) for k in range(n)
        ]

    def train_cycle(self, epoch: int, cycle: int) -> tuple[float, int]:
        """Train a cycle on all shards; return the sum of the losses and the positions."""
        merged: list[Changes] = []
        results: list[Round] = []
        for number in range(ROUNDS):
            before: Callable[[], list[Changes]] = partial(list, merged)
            rounds = [shard.train(epoch, cycle, number, before) for shard in self.shards]
            merged = [
                shard.merge([result.changes[k] for result in rounds])
                for k, shard in enumerate(self.shards)
            ]
            results += rounds
        for shard in self.shards:
            shard.end_cycle(merged)
        sent = sum(part.nbytes for result in results for part in result.changes)
        self._count(sent + len(self.shards) * sum(part.nbytes for part in merged))
        return sum(r.loss for r in results), sum(r.n_positions for r in results)

    def collect(self) -> None:
        """Copy the common weights of the last complete cycle to W1 and W2."""
        for W, common in zip(self._weights, self.shards[0].common, strict=True):
            W[:] = common
