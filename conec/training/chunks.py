"""Training on single chunks of the token stream, and the state of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.config import Config
from conec.training.kernels.arguments import Chunk, Settings, Stream, Words
from conec.training.weights import zero_rows
from conec.types import JSON, FloatArray, IntArray
from conec.vocabulary import Vocabulary, noise_table
from corpora.checks import check_integer, check_number
from corpora.jit import announce_compilation
from corpora.saved_data import check_saved_object, saved_numbers

if TYPE_CHECKING:
    from conec.training.kernels.merge import MergeScratch
    from corpora.encoding import TokenStream

CHUNK = 1 << 15  # tokens per chunk in lock-free training
ROUND_CHUNK = 1 << 11  # tokens per chunk in rounds: short, as copies of rows become stale
CHUNKS_PER_ROUND = 8  # also the maximum number of threads in a round

_T = TypeVar("_T")
Counts: TypeAlias = "tuple[IntArray, IntArray]"


def chunk_tokens(config: Config, n_tokens: int) -> int:
    """Length of a chunk: shorter for a small corpus, so that all threads have chunks."""
    if config.deterministic:
        return min(ROUND_CHUNK, max(ROUND_CHUNK >> 3, n_tokens >> 12))
    return min(CHUNK, max(CHUNK >> 2, n_tokens >> 8))


@dataclass
class TrainingState:
    """Progress of a training run, which a checkpoint holds in addition to the weights.

    Attributes
    ----------
    epochs : int
        Number of epochs of this run.
    start_alpha, end_alpha : float
        Initial and final learning rate.
    fingerprint : int
        Checksum of the token stream.
    run : int
        Number of earlier training runs of the model: each run draws different random numbers.
    epoch : int
        Number of completed epochs.
    next_chunk : int
        Number of completed chunks of the current epoch.
    losses, positions : list
        Sum of the losses, and number of positions, of each completed chunk of the epoch.
    chunk_tokens : int
        Length of a chunk in tokens.
    n_shards : int
        Number of shards (see `conec.training.shards`); 0 if the corpus is not divided. On shards,
        `next_chunk`, `losses` and `positions` are those of cycles.
    """

    epochs: int
    start_alpha: float
    end_alpha: float
    fingerprint: int
    run: int = 0
    epoch: int = 0
    next_chunk: int = 0
    losses: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    chunk_tokens: int = 0
    n_shards: int = 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are completed."""
        return self.epoch >= self.epochs

    def to_dict(self) -> JSON:
        """Return the state as plain data for JSON."""
        data = asdict(self)
        if not self.n_shards:  # earlier versions can resume the run
            del data["n_shards"]
        return data

    @classmethod
    def from_dict(cls, data: JSON) -> TrainingState:
        """Create a state from plain data; ValueError or TypeError if the data is damaged."""
        # names in folders of format 1 and 2
        names = {"next_range": "next_chunk", "range_tokens": "chunk_tokens"}
        data = check_saved_object("training", data)
        state = cls(**{names.get(name, name): value for name, value in data.items()})
        for name in ("epochs", "run", "epoch", "next_chunk", "chunk_tokens", "n_shards"):
            check_integer(name, getattr(state, name), 0, 2**62)
        check_integer("fingerprint", state.fingerprint, 0, 2**64 - 1)
        check_integer("epoch", state.epoch, 0, state.epochs)
        for name in ("start_alpha", "end_alpha"):
            check_number(name, getattr(state, name), 0)
        state.losses = saved_numbers("losses", state.losses)
        if not isinstance(state.positions, list):
            raise ValueError(f"positions must be a list of integers, got {state.positions!r}")
        if len(state.losses) != state.next_chunk or len(state.positions) != state.next_chunk:
            raise ValueError("losses and positions do not match the number of completed chunks")
        state.positions = [check_integer("positions", n, 0, 2**62) for n in state.positions]
        return state


class Plan(NamedTuple):
    """The random draws and the words of a chunk; see `conec.training.kernels.cbow.plan_chunk`."""

    chunk: Chunk
    text: tuple[Any, ...]
    words: IntArray
    n_text: int


class Copies(NamedTuple):
    """Result of training on copies; see `conec.training.kernels.cbow.train_on_copies`."""

    loss: float
    n_positions: int
    words1: IntArray
    words2: IntArray
    buffer: FloatArray


class ChunkTrainer:
    """Trains on single chunks; holds the arguments that all chunks share.

    Parameters
    ----------
    W1, W2 : float32 arrays of shape (V, d)
        Updated in place.
    stream : TokenStream
    vocabulary : Vocabulary
    config : Config
    state : TrainingState
        Gives the epoch and the learning rates; it is not changed.
    lock_factors : float32 array of shape (V,), optional
        Factors of the changes of W1's rows; 0 freezes a row.
    """

    def __init__(
        self,
        W1: FloatArray,
        W2: FloatArray,
        stream: TokenStream,
        vocabulary: Vocabulary,
        config: Config,
        state: TrainingState,
        lock_factors: FloatArray | None = None,
    ) -> None:
        # imported here because it is slow and queries do not need it
        from conec.training.kernels import cbow, merge

        self._cbow, self._merge = cbow, merge
        self._weights = W1, W2
        self._stream = Stream(np.asarray(stream.ids), stream.offsets)
        self._release = stream.release
        rates = vocabulary.rates(config.rate_exponent)
        self._words = Words(
            vocabulary.keep_probability(config.sample),
            rates if lock_factors is None else rates * lock_factors,
            rates,
            *noise_table(vocabulary.noise(config.ns_exponent)),
        )
        batch_size, n_shared = config.batch
        self._settings = Settings(
            config.window,
            config.min_window,
            config.negative,
            n_shared,
            batch_size,
            config.cbow_mean,
            config.cbow_gradient == "corrected",
        )
        self._config = config
        self._state = state
        no_words = np.empty(0, np.int32)
        self.empty_plan = Plan(self._chunk(0, 0), (), no_words, 0)
        self._no_copies = Copies(0.0, 0, no_words, no_words, self.buffer())
        self._load()

    @property
    def finite(self) -> bool:
        """Whether all values of W2 are finite."""
        return bool(np.isfinite(self._weights[1].sum(dtype=np.float64)))

    def _load(self) -> None:
        """Load or compile the kernels, so that this is not part of the training time."""
        with announce_compilation("training"):
            if self._config.deterministic:
                plan = self.plan(0, self.plan_scratch(), 0)
                counts = self.counts()
                self.count([], [plan], counts, 0, 1)
                copies = self.train_on_copies(plan, counts, self.train_scratch(), self.buffer())
                self.merge([copies], counts, self.merge_scratch(), 0, 1)
            else:
                self.train(0, self.train_scratch(), 0)

    # Scratch memory of each thread

    def train_scratch(self) -> npt.NDArray[np.int16]:
        """Scratch memory for training."""
        return np.zeros(len(self._words.keep), np.int16)

    def plan_scratch(self) -> npt.NDArray[np.int32]:
        """Scratch memory for plans."""
        return np.full(len(self._words.keep), -1, np.int32)

    # Memory that threads share

    def counts(self) -> Counts:
        """Zeros, to count how many chunks of a round use each row of W1 and of W2."""
        n_words = len(self._words.keep)
        return np.zeros(n_words, np.int32), np.zeros(n_words, np.int32)

    def merge_scratch(self) -> MergeScratch:
        """Scratch memory for merging."""
        return self._merge.MergeScratch.for_words(len(self._words.keep))

    def buffer(self) -> FloatArray:
        """A small buffer for copies of rows; `train_on_copies` enlarges it as needed."""
        return zero_rows(2, self._config.vector_size)

    def train(
        self, number: int, scratch: npt.NDArray[np.int16], length: int | None = None
    ) -> tuple[float, int]:
        """Train on a chunk; return the sum of its losses and its number of positions."""
        chunk = self._chunk(number, length)
        loss, n_positions = self._cbow.train_chunk(
            self._stream, self._words, self._settings, chunk, *self._weights, scratch
        )
        self._release(chunk.start, chunk.stop)
        return loss, n_positions

    def plan(self, number: int, scratch: npt.NDArray[np.int32], length: int | None = None) -> Plan:
        """Make the random draws of a chunk, and number its distinct words."""
        chunk = self._chunk(number, length)
        planned = self._cbow.plan_chunk(self._stream, self._words, self._settings, chunk, scratch)
        self._release(chunk.start, chunk.stop)
        return Plan(chunk, *planned)

    def train_on_copies(
        self,
        plan: Plan,
        counts: Counts,
        scratch: npt.NDArray[np.int16],
        buffer: FloatArray,
    ) -> Copies:
        """Train on a chunk; rows that other chunks use too are copied to `buffer`."""
        return Copies(
            *self._cbow.train_on_copies(
                self._settings, *plan, *self._weights, self._words.rate1, self._words.rate2,
                *counts, scratch, buffer,
            )
        )  # fmt: skip

    def count(
        self, before: list[Plan], after: list[Plan], counts: Counts, part: int, n_parts: int
    ) -> None:
        """Update `counts` in place: subtract the words of `before`, add those of `after`.

        Only words in part number `part` of `n_parts` of the vocabulary are counted.
        """
        plans = [*_filled(before, self.empty_plan), *_filled(after, self.empty_plan)]
        self._merge.count(
            *counts,
            tuple(plan.words for plan in plans),
            tuple(plan.n_text for plan in plans),
            (-1,) * CHUNKS_PER_ROUND + (1,) * CHUNKS_PER_ROUND,
            part,
            n_parts,
        )

    def merge(
        self,
        copies: list[Copies],
        counts: Counts,
        scratch: MergeScratch,
        part: int,
        n_parts: int,
    ) -> None:
        """Merge trained copies into the weights, for one part of the vocabulary."""
        copies = _filled(copies, self._no_copies)
        self._merge.merge(
            *self._weights,
            tuple(result.words1 for result in copies),
            tuple(result.words2 for result in copies),
            tuple(result.buffer.ctypes.data for result in copies),
            self._no_copies.buffer.strides[0],
            *counts,
            scratch,
            part,
            n_parts,
        )

    def _chunk(self, number: int, length: int | None = None) -> Chunk:
        """The span, the learning rates and the random keys of a chunk."""
        state, seed, n = self._state, self._config.seed, len(self._stream.ids)
        length = state.chunk_tokens if length is None else length
        start, stop = number * length, min((number + 1) * length, n)

        def alpha(token: int) -> float:
            progress = (state.epoch * n + token) / (state.epochs * n)
            return state.start_alpha + (state.end_alpha - state.start_alpha) * progress

        return Chunk(
            start,
            stop,
            alpha(start),
            alpha(stop),
            random_streams.key(seed, random_streams.TOKENS, state.run, state.epoch),
            random_streams.key(seed, random_streams.NOISE, state.run, state.epoch, number),
        )


def _filled(items: list[_T], empty: _T) -> list[_T]:
    """Pad a list to `CHUNKS_PER_ROUND`, as Numba compiles tuples of each length separately."""
    return [*items, *[empty] * (CHUNKS_PER_ROUND - len(items))]
