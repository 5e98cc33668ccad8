"""How threads share the ranges of an epoch: as they come, or in rounds for the same bits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
ROUND_RANGE = 1 << 12  # the same where training goes in rounds: so much is stale at most
ROUND = 8  # ranges in a round, which is the most threads that it can use
SHOWN_EACH = 0.05  # seconds between two looks at progress and interruptions

# Purposes of random numbers, so that no two of them are the same
TOKENS, NOISE, WEIGHTS = 0, 1, 2

Scratch: TypeAlias = "tuple[npt.NDArray[Any], npt.NDArray[Any]]"


def range_tokens(config: Config, n_tokens: int) -> int:
    """Length of a range: shorter for a small corpus, so that all threads have work."""
    longest, n_wanted = (ROUND_RANGE, 1 << 12) if config.deterministic else (RANGE, 1 << 8)
    return min(longest, max(longest >> 4, n_tokens // n_wanted))


class Apart(NamedTuple):
    """What training on copies of rows gave; see `conec.kernels.cpu.train_apart`."""

    loss: float
    n_positions: int
    words: IntArray
    rows1: FloatArray
    rows2: FloatArray


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
        shape = len(vocabulary), config.vector_size
        for name, W in (("W1", W1), ("W2", W2)):  # compiled code goes by addresses
            if W.shape != shape or W.dtype != np.float32 or not W.flags.carray:
                raise ValueError(
                    f"{name} is a writable float32 array in C order of shape {shape}, not "
                    f"{W.dtype} of shape {W.shape}"
                )
        # imported here: it takes a moment, and queries do not need it
        from conec.kernels import cpu, merge
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
        scratch, counters = self.scratch(), self.counters()
        nothing = self._arguments(0, 0)
        with compiling("training"):
            if self._config.deterministic:
                result = Apart(*self._cpu.train_apart(*nothing, *scratch))
                self.merge([result], counters, 0, 1)
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

    def apart(self, number: int, scratch: Scratch) -> Apart:
        """Train on a range, but on copies of the rows that it needs."""
        return Apart(*self._cpu.train_apart(*self._arguments(number), *scratch))

    def merge(self, results: list[Apart], counters: Scratch, part: int, n_parts: int) -> None:
        """Bring trained copies into the weights: the rows of a part of the vocabulary."""
        for W, name in zip(self._weights, ("rows1", "rows2"), strict=True):
            for result in results:
                rows = getattr(result, name)
                self._merge.count_copies(result.words, len(rows), counters[0], part, n_parts)
            for result in results:
                rows = getattr(result, name)
                self._merge.merge(W, rows, result.words, *counters, part, n_parts)

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
    an error or Ctrl-C; so `state.next_range` says all about what is done.
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
        numbers = range(first, first + len(results))
        state.losses += [results[number][0] for number in numbers if number in results]
        state.positions += [results[number][1] for number in numbers if number in results]
        state.next_range = first + len(results)
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
    shown = time.monotonic()
    with ThreadPoolExecutor(n_threads, thread_name_prefix="conec") as executor:

        def together(function: Callable[[int], Any]) -> list[Any]:
            # all of them end, whatever happens to one: their scratch is used again
            futures = [executor.submit(function, thread) for thread in range(1, n_threads)]
            try:
                first = function(0)
            finally:
                errors = [future.exception() for future in futures]
            for error in errors:
                if error is not None:
                    raise error
            return [first, *(future.result() for future in futures)]

        while state.next_range < n_ranges:
            start, stop = state.next_range, min(state.next_range + ROUND, n_ranges)

            def train(thread: int, start: int = start, stop: int = stop) -> dict[int, Apart]:
                numbers = range(start + thread, stop, n_threads)
                return {number: step.apart(number, scratches[thread]) for number in numbers}

            found: dict[int, Apart] = {}
            for part in together(train):
                found |= part
            results = [found[number] for number in range(start, stop)]

            def merge(thread: int, results: list[Apart] = results) -> None:
                step.merge(results, counters, thread, n_threads)

            together(merge)
            state.losses += [result.loss for result in results]
            state.positions += [result.n_positions for result in results]
            state.next_range = stop
            if time.monotonic() - shown > SHOWN_EACH:
                shown = time.monotonic()
                if tick(stop):
                    break
