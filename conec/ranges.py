"""How threads share the ranges of an epoch: as they come, or in rounds for the same bits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from conec.config import Config
from conec.types import FloatArray, IntArray
from conec.vocabulary import Vocabulary, noise_table
from corpora.compiling import compiling

if TYPE_CHECKING:
    from conec.state import TrainingState
    from corpora.tokens import TokenStream

RANGE = 1 << 15  # tokens that a thread trains on before it asks for more
ROUND_RANGE = 1 << 11  # the same where training goes in rounds: so much is stale at most
ROUND = 8  # ranges in a round, which is the most threads that it can use
SHOWN_EACH = 0.05  # seconds between two looks at progress and interruptions

# Purposes of random numbers, so that no two of them are the same
TOKENS, NOISE, WEIGHTS = 0, 1, 2

Scratch: TypeAlias = "tuple[npt.NDArray[Any], npt.NDArray[Any]]"


def range_tokens(config: Config, n_tokens: int) -> int:
    """Length of a range: shorter for a small corpus, so that all threads have work."""
    if config.deterministic:
        return min(ROUND_RANGE, max(ROUND_RANGE >> 3, n_tokens >> 12))
    return min(RANGE, max(RANGE >> 2, n_tokens >> 8))


class Apart(NamedTuple):
    """What training on copies of rows gave; see `conec.kernels.cpu.train_apart`."""

    loss: float
    n_positions: int
    words: IntArray
    rows1: FloatArray
    rows2: FloatArray
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
        from conec.kernels import cpu
        from conec.kernels.merge import merge
        from conec.kernels.random import key

        self._cpu, self._merge, self._key = cpu, merge, key
        self._weights = W1, W2
        self._ids = np.asarray(stream.ids)
        self._offsets = stream.offsets
        self._keep = vocabulary.keep_probability(config.sample)
        self._rate = vocabulary.rates(config.rate_exponent)
        self._noise = noise_table(vocabulary.noise(config.ns_exponent))
        self._config = config
        self._state = state
        self._load()

    def _load(self) -> None:
        """Load the compiled code, or compile it, before the clock of training starts."""
        scratch = self.scratch()
        nothing = self._arguments(0, 0)
        with compiling("training"):
            if self._config.deterministic:
                result = Apart(*self._cpu.train_apart(*nothing, *scratch, self.room()))
                self.merge([result], self.counters(), 0, 1)
            else:
                self._cpu.train_range(*nothing, scratch[0])

    def scratch(self) -> Scratch:
        """What a thread needs for itself."""
        n_words = len(self._keep)
        return np.zeros(n_words, np.int16), np.full(n_words, -1, np.int32)

    def __call__(self, number: int, scratch: Scratch) -> tuple[float, int]:
        """Train on a range; the sum of its losses and its number of positions."""
        loss, n_positions = self._cpu.train_range(*self._arguments(number), scratch[0])
        return loss, n_positions

    def apart(self, number: int, scratch: Scratch, room: FloatArray) -> Apart:
        """Train on a range, but on copies of the rows that it needs, which go to `room`."""
        return Apart(*self._cpu.train_apart(*self._arguments(number), *scratch, room))

    def room(self) -> FloatArray:
        """No room for copies, of which `apart` makes enough."""
        return np.empty((0, self._config.vector_size), np.float32)

    def merge(self, results: list[Apart], counters: Scratch, part: int, n_parts: int) -> None:
        """Bring trained copies into the weights: the rows of a part of the vocabulary."""
        # as many in each call, as compiled code has one form for each number
        results = [*results, *[self._nothing()] * (ROUND - len(results))]
        words = tuple(result.words for result in results)
        for W, name in zip(self._weights, ("rows1", "rows2"), strict=True):
            rows = tuple(getattr(result, name) for result in results)
            self._merge(W, words, rows, *counters, part, n_parts)

    def _nothing(self) -> Apart:
        return Apart(0.0, 0, np.empty(0, np.int32), self.room(), self.room(), self.room())

    def counters(self) -> Scratch:
        """What merging needs."""
        n_words = len(self._keep)
        return np.zeros(n_words, np.int32), np.zeros(n_words, np.int32)

    def _arguments(self, number: int, length: int | None = None) -> tuple[Any, ...]:
        config, state, n = self._config, self._state, len(self._ids)
        epoch = state.epoch
        length = state.range_tokens if length is None else length
        start, stop = number * length, min((number + 1) * length, n)
        batch_size, shared = config.batch

        def alpha(token: int) -> float:
            done = (epoch * n + token) / (state.epochs * n)
            return state.start_alpha + (state.end_alpha - state.start_alpha) * done

        return (
            self._ids,
            self._offsets,
            start,
            stop,
            *self._weights,
            self._keep,
            self._rate,
            *self._noise,
            alpha(start),
            alpha(stop),
            config.window,
            config.min_window,
            config.negative,
            shared,
            batch_size,
            config.cbow_mean,
            config.cbow_gradient == "corrected",
            self._key(config.seed, TOKENS, state.run, epoch),
            self._key(config.seed, NOISE, state.run, epoch, number),
        )


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
    errors: list[BaseException] = []
    first = state.next_range
    handed_out = first

    def work() -> None:
        nonlocal handed_out
        scratch = step.scratch()
        while not stop.is_set():
            with lock:
                number = handed_out
                if number >= n_ranges:
                    return
                handed_out += 1
            try:
                results[number] = step(number, scratch)
            except BaseException as error:
                errors.append(error)
                stop.set()

    threads = [
        threading.Thread(target=work, name=f"conec-{i}", daemon=True) for i in range(n_threads)
    ]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(SHOWN_EACH)
            if tick(first + len(results)):
                stop.set()
    finally:
        stop.set()
        again = None
        while any(thread.is_alive() for thread in threads):
            try:
                for thread in threads:
                    thread.join()
            except KeyboardInterrupt as error:  # a second Ctrl-C: the ranges at work end soon
                again = error
        done = first  # after an error in one thread, others may have finished ranges beyond
        while done in results:
            done += 1
        state.losses += [results[number][0] for number in range(first, done)]
        state.positions += [results[number][1] for number in range(first, done)]
        state.next_range = done
    if errors:
        raise errors[0]
    if again is not None:
        raise again


def run_in_rounds(
    step: Step,
    state: TrainingState,
    n_ranges: int,
    n_threads: int,
    tick: Callable[[int], bool],
) -> None:
    """Train as `run_freely` does, but to the same bits with any number of threads.

    The ranges of a round are trained on copies of the rows that each needs, as the
    round found them; then all copies are merged, always in the same order.
    """
    n_threads = min(n_threads, ROUND)
    scratches = [step.scratch() for _ in range(n_threads)]
    counters = step.counters()
    rooms = [step.room() for _ in range(ROUND)]  # memory that is used again

    def one_round(executor: ThreadPoolExecutor, start: int, stop: int) -> None:
        results: list[Any] = [None] * (stop - start)
        places = iter(range(stop - start))

        def train(thread: int) -> None:
            for i in places:  # each goes to whoever asks for it first
                results[i] = step.apart(start + i, scratches[thread], rooms[i])
                rooms[i] = results[i].room

        def merge(thread: int) -> None:
            step.merge(results, counters, thread, n_threads)

        _together(executor, train, n_threads)
        again = _together(executor, merge, n_threads, whole=True)
        state.losses += [result.loss for result in results]
        state.positions += [result.n_positions for result in results]
        state.next_range = stop
        if again is not None:
            raise again

    shown = time.monotonic()
    with ThreadPoolExecutor(n_threads, thread_name_prefix="conec") as executor:
        while state.next_range < n_ranges:
            one_round(executor, state.next_range, min(state.next_range + ROUND, n_ranges))
            if time.monotonic() - shown > SHOWN_EACH:
                shown = time.monotonic()
                if tick(state.next_range):
                    break


def _together(
    executor: ThreadPoolExecutor,
    function: Callable[[int], None],
    n_threads: int,
    *,
    whole: bool = False,
) -> KeyboardInterrupt | None:
    """Do a function in each thread, and wait for all: they use scratch that is used again.

    A second Ctrl-C while they work, which raises an exception here, is raised when they
    have ended; with `whole`, it is returned: what follows belongs to what they did.
    """
    futures = [executor.submit(function, thread) for thread in range(n_threads)]
    again = None
    while not all(future.done() for future in futures):
        try:
            wait(futures)
        except KeyboardInterrupt as error:
            again = error
    for future in futures:
        future.result()
    if again is not None and not whole:
        raise again
    return again
