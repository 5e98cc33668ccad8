"""How threads share the ranges of an epoch: as they come, or in rounds for the same bits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from conec import random_streams
from conec.config import Config
from conec.training.weights import zero_rows
from conec.types import FloatArray, IntArray
from conec.vocabulary import Vocabulary, noise_table
from corpora.jit import announce_compilation

if TYPE_CHECKING:
    from conec.training.checkpoint import TrainingState
    from corpora.encoding import TokenStream

RANGE = 1 << 15  # tokens that a thread trains on before it asks for more
ROUND_RANGE = 1 << 11  # the same where training goes in rounds: so much is stale at most
ROUND = 8  # ranges in a round, which is the most threads that it can use
SHOWN_EACH = 0.05  # seconds between two looks at progress and interruptions

_T = TypeVar("_T")
Counts: TypeAlias = "tuple[IntArray, IntArray]"


def range_tokens(config: Config, n_tokens: int) -> int:
    """Length of a range: shorter for a small corpus, so that all threads have work."""
    if config.deterministic:
        return min(ROUND_RANGE, max(ROUND_RANGE >> 3, n_tokens >> 12))
    return min(RANGE, max(RANGE >> 2, n_tokens >> 8))


class Survey(NamedTuple):
    """What is known of a range before training on it; see `cbow.survey`."""

    text: tuple[Any, ...]
    words: IntArray
    n_text: int


class Apart(NamedTuple):
    """What training on copies of rows gave; see `conec.training.kernels.cbow.train_apart`."""

    loss: float
    n_positions: int
    words1: IntArray
    words2: IntArray
    room: FloatArray


class Step:
    """Training on one range: all that stays the same from range to range."""

    def __init__(
        self,
        W1: FloatArray,
        W2: FloatArray,
        stream: TokenStream,
        vocabulary: Vocabulary,
        config: Config,
        state: TrainingState,
    ) -> None:
        # imported here: it takes a moment, and queries do not need it
        from conec.training.kernels import cbow as cpu
        from conec.training.kernels import merge
        from conec.training.kernels.random import key

        self._cpu, self._merge, self._key = cpu, merge, key
        self._weights = W1, W2
        self._ids = np.asarray(stream.ids)
        self._offsets = stream.offsets
        self._keep = vocabulary.keep_probability(config.sample)
        self._rate = vocabulary.rates(config.rate_exponent)
        self._noise = noise_table(vocabulary.noise(config.ns_exponent))
        self._config = config
        self._state = state
        no_words = np.empty(0, np.int32)
        self.no_survey = Survey((), no_words, 0)
        self._no_result = Apart(0.0, 0, no_words, no_words, self.room())
        self._load()

    @property
    def finite(self) -> bool:
        """Whether W2 still holds numbers."""
        return bool(np.isfinite(self._weights[1].sum(dtype=np.float64)))

    def _load(self) -> None:
        """Load the compiled code, or compile it, before the clock of training starts."""
        with announce_compilation("training"):
            if self._config.deterministic:
                nothing = self.survey(0, self.places(), 0)
                copies = self.counters()
                self.count([], [nothing], copies, 0, 1)
                result = self.apart(0, nothing, copies, self.slots(), self.room())
                self.merge([result], copies, np.zeros_like(copies[0]), 0, 1)
            else:
                self(0, self.slots(), 0)

    # What each thread needs for itself

    def slots(self) -> npt.NDArray[np.int16]:
        """Scratch for training."""
        return np.zeros(len(self._keep), np.int16)

    def places(self) -> npt.NDArray[np.int32]:
        """Scratch for surveys."""
        return np.full(len(self._keep), -1, np.int32)

    # What threads share

    def counters(self) -> Counts:
        """Counts of words, for W1 and W2: all 0."""
        n_words = len(self._keep)
        return np.zeros(n_words, np.int32), np.zeros(n_words, np.int32)

    def room(self) -> FloatArray:
        """Little room for copies; `apart` makes enough."""
        return zero_rows(2, self._config.vector_size)

    def __call__(
        self, number: int, slots: npt.NDArray[np.int16], length: int | None = None
    ) -> tuple[float, int]:
        """Train on a range; the sum of its losses and its number of positions."""
        c = self._config
        batch_size, shared = c.batch
        start, stop = self._span(number, length)
        loss, n_positions = self._cpu.train_range(
            self._ids,
            self._offsets,
            start,
            stop,
            *self._weights,
            self._keep,
            self._rate,
            *self._noise,
            *self._alpha(start, stop),
            c.window,
            c.min_window,
            c.negative,
            shared,
            batch_size,
            c.cbow_mean,
            c.cbow_gradient == "corrected",
            *self._keys(number),
            slots,
        )
        return loss, n_positions

    def survey(
        self, number: int, places: npt.NDArray[np.int32], length: int | None = None
    ) -> Survey:
        """Make what is random of a range, and number its words."""
        c = self._config
        batch_size, shared = c.batch
        return Survey(
            *self._cpu.survey(
                self._ids,
                self._offsets,
                *self._span(number, length),
                self._keep,
                *self._noise,
                c.window,
                c.min_window,
                shared,
                batch_size,
                *self._keys(number),
                places,
            )
        )

    def apart(
        self,
        number: int,
        survey: Survey,
        copies: Counts,
        slots: npt.NDArray[np.int16],
        room: FloatArray,
    ) -> Apart:
        """Train on a range, but on copies of rows that others need, which go to `room`."""
        c = self._config
        return Apart(
            *self._cpu.train_apart(
                *survey,
                *self._weights,
                *copies,
                self._rate,
                *self._alpha(*self._span(number)),
                c.window,
                c.negative,
                c.batch[0],
                c.cbow_mean,
                c.cbow_gradient == "corrected",
                slots,
                room,
            )
        )

    def count(
        self, before: list[Survey], after: list[Survey], copies: Counts, part: int, n_parts: int
    ) -> None:
        """Take words of ranges from counts, and add those of others: a part of the vocabulary."""
        surveys = [*_filled(before, self.no_survey), *_filled(after, self.no_survey)]
        self._merge.count(
            *copies,
            tuple(survey.words for survey in surveys),
            tuple(survey.n_text for survey in surveys),
            (-1,) * ROUND + (1,) * ROUND,
            part,
            n_parts,
        )

    def merge(
        self,
        results: list[Apart],
        copies: Counts,
        merged: IntArray,
        part: int,
        n_parts: int,
    ) -> None:
        """Bring trained copies into the weights: the rows of a part of the vocabulary."""
        results = _filled(results, self._no_result)
        self._merge.merge(
            *self._weights,
            tuple(result.words1 for result in results),
            tuple(result.words2 for result in results),
            tuple(result.room.ctypes.data for result in results),
            self._no_result.room.strides[0],
            *copies,
            merged,
            part,
            n_parts,
        )

    def _span(self, number: int, length: int | None = None) -> tuple[int, int]:
        """Where a range begins and ends."""
        length = self._state.range_tokens if length is None else length
        return number * length, min((number + 1) * length, len(self._ids))

    def _alpha(self, start: int, stop: int) -> tuple[float, float]:
        """Learning rates at two tokens."""
        state, n = self._state, len(self._ids)

        def alpha(token: int) -> float:
            done = (state.epoch * n + token) / (state.epochs * n)
            return state.start_alpha + (state.end_alpha - state.start_alpha) * done

        return alpha(start), alpha(stop)

    def _keys(self, number: int) -> tuple[Any, Any]:
        """Keys of random numbers, for tokens and for noise."""
        seed, run, epoch = self._config.seed, self._state.run, self._state.epoch
        tokens = self._key(seed, random_streams.TOKENS, run, epoch)
        return tokens, self._key(seed, random_streams.NOISE, run, epoch, number)


def _filled(items: list[_T], nothing: _T) -> list[_T]:
    """As many in each call, as compiled code has one form for each number."""
    return [*items, *[nothing] * (ROUND - len(items))]


def run_freely(
    step: Step,
    state: TrainingState,
    n_ranges: int,
    n_threads: int,
    tick: Callable[[int], bool],
) -> None:
    """Train on the ranges that are left of an epoch, or until `tick` says to stop.

    All threads change the weights at once, without locks (Hogwild): what comes out
    depends on when each of several does what. One thread always gives the same bits.

    Ranges are handed out in order and each that was handed out is finished, also after
    Ctrl-C or an error in another; so `state.next_range` says all about what is done.
    """
    lock = threading.Lock()
    stop = threading.Event()
    results: dict[int, tuple[float, int]] = {}
    first = state.next_range
    numbers = iter(range(first, n_ranges))

    def work(_: int) -> None:
        slots = step.slots()
        while not stop.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            results[number] = step(number, slots)

    try:
        _in_threads(work, n_threads, lambda: tick(first + len(results)), stop)
    finally:
        done = first  # after an error in one thread, others may have finished ranges beyond
        while done in results:
            done += 1
        state.losses += [results[number][0] for number in range(first, done)]
        state.positions += [results[number][1] for number in range(first, done)]
        state.next_range = done


def run_in_rounds(
    step: Step,
    state: TrainingState,
    n_ranges: int,
    n_threads: int,
    tick: Callable[[int], bool],
) -> None:
    """Train as `run_freely` does, but to the same bits with any number of threads.

    The ranges of a round are trained apart: on copies of the rows that several of them
    need, as the round found them. Then the copies are merged, always in the same order.

    A round that was begun is finished, also after Ctrl-C.
    """
    stop = threading.Event()
    rounds = _Rounds(step, state, n_ranges, min(n_threads, ROUND), stop)
    _in_threads(rounds.work, rounds.n_threads, lambda: tick(state.next_range), stop)


class _Rounds:
    """What threads that train in rounds share."""

    def __init__(
        self,
        step: Step,
        state: TrainingState,
        n_ranges: int,
        n_threads: int,
        stop: threading.Event,
    ) -> None:
        self._step, self._state, self._n_ranges = step, state, n_ranges
        self.n_threads, self._stop = n_threads, stop
        self._copies = step.counters()
        self._merged = np.zeros_like(self._copies[0])
        self._rooms = [step.room() for _ in range(ROUND)]  # memory that is used again
        self._trained = threading.Barrier(n_threads)
        self._merged_all = threading.Barrier(n_threads, self._finish)
        places = step.places()
        self._next = [step.survey(number, places) for number in self._numbers(state.next_range)]
        step.count([], self._next, self._copies, 0, 1)
        self._begin()

    def _numbers(self, start: int) -> range:
        """The ranges of a round."""
        return range(start, min(start + ROUND, self._n_ranges))

    def _begin(self) -> None:
        """Make a round ready, of no ranges if it is to stop: all threads must agree on that."""
        self._now, self._surveys = self._numbers(self._state.next_range), self._next
        if self._stop.is_set():
            self._now = range(0)
        self._then = self._numbers(self._now.stop)
        self._results: list[Any] = [None] * len(self._now)
        self._next = [self._step.no_survey] * len(self._then)
        # each goes to whoever asks for it first
        self._trainings = iter(range(len(self._now)))
        self._readings = iter(range(len(self._then)))

    def work(self, thread: int) -> None:
        """Train until the last range, or until it is to stop."""
        step, n_threads = self._step, self.n_threads
        slots, places = step.slots(), step.places()
        try:
            while self._now:
                for i in self._trainings:
                    number, survey = self._now[i], self._surveys[i]
                    result = step.apart(number, survey, self._copies, slots, self._rooms[i])
                    self._results[i], self._rooms[i] = result, result.room
                # surveys of the next round: short work, that fills the time to wait
                for i in self._readings:
                    self._next[i] = step.survey(self._then[i], places)
                self._trained.wait()
                step.merge(self._results, self._copies, self._merged, thread, n_threads)
                step.count(self._surveys, self._next, self._copies, thread, n_threads)
                self._merged_all.wait()
        except BaseException:
            self._trained.abort()
            self._merged_all.abort()
            raise

    def _finish(self) -> None:
        """Note what a round did, and begin the next; done by one thread as all wait."""
        self._state.losses += [result.loss for result in self._results]
        self._state.positions += [result.n_positions for result in self._results]
        self._state.next_range = self._now.stop
        self._begin()


def _in_threads(
    work: Callable[[int], None],
    n_threads: int,
    tick: Callable[[], bool],
    stop: threading.Event,
) -> None:
    """Do `work` in threads, and set `stop` when `tick` says so, or after an error.

    It returns when all have ended, also after Ctrl-C: what they began is finished. The
    first of their errors is raised.
    """
    errors: list[BaseException] = []

    def guarded(thread: int) -> None:
        try:
            work(thread)
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=guarded, args=(i,), name=f"conec-{i}", daemon=True)
        for i in range(n_threads)
    ]
    for thread in threads:
        thread.start()
    again = None
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(SHOWN_EACH)
            if tick():
                stop.set()
    finally:
        stop.set()
        while any(thread.is_alive() for thread in threads):
            try:
                for thread in threads:
                    thread.join()
            except KeyboardInterrupt as error:  # a second Ctrl-C: what is at work ends soon
                again = error
    if errors:
        raise errors[0]
    if again is not None:
        raise again
