"""The training kernel against a slow oracle, finite differences and autograd."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.random_streams import key
from conec.training.kernels import step
from conec.training.kernels.arguments import Chunk, Settings, Stream, Words
from conec.training.kernels.cbow import train_chunk
from conec.training.kernels.sampling import document_at, draw
from conec.training.kernels.simd import LANES, address
from conec.training.kernels.step import ROWS
from conec.vocabulary import noise_table
from tests.conec import kernel_oracle as oracle


@dataclass
class Case:
    """A small corpus, weights and parameters."""

    ids: Any
    offsets: Any
    W1: Any
    W2: Any
    keep: Any
    rate: Any
    window: int = 5
    min_window: int = 1
    negative: int = 5
    n_shared: int = 7
    batch_size: int = 6
    mean: bool = True
    corrected: bool = True
    alpha: tuple[float, float] = (0.1, 0.05)
    seed: int = 0

    @property
    def probability(self):
        p = np.arange(len(self.W1), 0, -1) ** 0.75
        return p / p.sum()

    def run(self, start=0, stop=None):
        W1, W2 = self.W1.copy(), self.W2.copy()
        return W1, W2, *self.train(W1, W2, start, len(self.ids) if stop is None else stop)

    def train(self, W1, W2, start, stop):
        """Change weights in place; the loss and the number of positions."""
        slot = np.zeros(len(W1), np.int16)
        loss, n = train_chunk(*self.arguments(start, stop), W1, W2, slot)
        assert not slot.any(), "the scratch must be left clean"
        return loss, n

    def arguments(self, start, stop):
        """The arguments that all kernels have in common."""
        return (
            Stream(self.ids, self.offsets),
            Words(self.keep, *self.rate, *noise_table(self.probability)),
            Settings(
                self.window, self.min_window, self.negative, self.n_shared, self.batch_size,
                self.mean, self.corrected,
            ),
            Chunk(start, stop, *self.alpha, key(self.seed, 0), key(self.seed, 1)),
        )  # fmt: skip

    def expected(self, start=0, stop=None):
        """What the oracle makes of it: W1, W2 and the loss."""
        return oracle.train(
            self.W1, self.W2, self.rate, self.tokens(start, stop), self.batches(start, stop),
            self.weight, self.mean, self.corrected, self.window, ROWS,
        )  # fmt: skip

    def tokens(self, start=0, stop=None):
        stop = len(self.ids) if stop is None else stop
        return oracle.tokens(
            self.ids, self.offsets, start, stop, self.keep, self.window, self.min_window,
            key(self.seed, 0),
        )  # fmt: skip

    def positions(self, start=0, stop=None):
        return oracle.positions(self.tokens(start, stop))

    def batches(self, start=0, stop=None):
        return oracle.batches(
            self.positions(start, stop), self.batch_size, self.n_shared, self.probability,
            key(self.seed, 1), self.alpha,
        )  # fmt: skip

    @property
    def weight(self):
        return self.negative / self.n_shared


def case(seed=0, n_words=12, lengths=(9, 1, 0, 14, 2, 30), d=5, breaks=True, **changes) -> Case:
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1 if breaks else 0, n_words, sum(lengths)).astype(np.int32)
    return replace(
        Case(
            ids,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rng.normal(0, 0.5, (n_words, d)).astype(np.float32),
            rng.normal(0, 0.5, (n_words, d)).astype(np.float32),
            rng.uniform(0.5, 1.1, n_words).astype(np.float32),
            rng.uniform(0.2, 1, (2, n_words)).astype(np.float32),  # of W1 and of W2
            seed=seed,
        ),
        **changes,
    )


MODES = [(True, True), (True, False), (False, True)]


@pytest.mark.parametrize(("mean", "corrected"), MODES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d": 16},
        {"d": 33, "n_words": 40},
        {"window": 1},
        {"window": 7, "min_window": 7},
        {"min_window": 3},
        {"batch_size": 64, "n_shared": 32, "negative": 13},
        {"batch_size": 1, "n_shared": 5},  # negatives="exact"
        {"n_shared": 16, "batch_size": 4},
        {"lengths": (200,)},
        {"lengths": (900,), "alpha": (0.05, 0.02)},  # prefix sums start anew every 64 steps
        {"lengths": (300,), "batch_size": 1, "alpha": (0.05, 0.02)},
        {"n_words": 3},  # nearly all noise words are masked
        {"breaks": False},
    ],
    ids=str,
)
def test_equals_the_oracle(mean, corrected, changes):
    c = case(seed=3, **{**changes, "mean": mean, "corrected": corrected})
    W1, W2, loss, n = c.run()
    E1, E2, expected = c.expected()
    np.testing.assert_allclose(W1, E1, rtol=0, atol=1e-5)
    np.testing.assert_allclose(W2, E2, rtol=0, atol=1e-5)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert n == sum(p.word >= 0 and len(p.context) > 0 for p in c.positions())
    assert not np.array_equal(W1, c.W1)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=8),
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(0, 2**32),
    st.data(),
)
@settings(max_examples=60)
def test_any_range_of_any_corpus_equals_the_oracle(lengths, window, batch, shared, seed, data):
    n = sum(lengths)
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    c = case(seed, lengths=tuple(lengths), window=window, batch_size=batch, n_shared=shared)
    W1, W2, loss, _ = c.run(start, stop)
    E1, E2, expected = c.expected(start, stop)
    np.testing.assert_allclose(W1, E1, rtol=0, atol=1e-5)
    np.testing.assert_allclose(W2, E2, rtol=0, atol=1e-5)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.lists(st.integers(0, 200)))
@settings(max_examples=40)
def test_however_ranges_are_cut_each_token_is_a_target_once(lengths, cuts):
    c = case(5, lengths=tuple(lengths), alpha=(0.0, 0.0))
    whole = c.run()[3]
    n = len(c.ids)
    ends = sorted({0, n, *(cut for cut in cuts if cut < n)})
    parts = [c.run(a, b)[3] for a, b in zip(ends[:-1], ends[1:], strict=True)]
    assert sum(parts) == whole


@pytest.mark.parametrize("mean", [True, False])
def test_a_step_is_the_gradient_by_finite_differences(mean):
    """One step; no oracle of the gradient is used, only the loss."""
    alpha = 1e-3
    c = case(7, lengths=(ROWS,), d=3, n_words=9, batch_size=64, alpha=(alpha, alpha), mean=mean)
    c.rate[:] = 1
    W1, W2, _, n = c.run()
    assert n > 1
    (batch,) = c.batches()
    weights = [c.W1.astype(np.float64), c.W2.astype(np.float64)]
    for place, after in ((0, W1), (1, W2)):
        numeric = np.zeros_like(weights[place])
        for index in np.ndindex(*numeric.shape):
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[place][index] += sign * 1e-5
                numeric[index] += sign * oracle.loss(*moved, batch, c.weight, mean) / 2e-5
        assert np.abs(numeric).max() > 0.1
        step = (weights[place] - after) / alpha
        np.testing.assert_allclose(step, numeric, rtol=0, atol=2e-3)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.slow
def test_small_steps_follow_the_network_in_the_thesis(mean):
    """Sparse binary input, W1, W2, sigmoid, targets mostly missing: by autograd."""
    torch = pytest.importorskip("torch")
    alpha = 2e-5  # so small that later steps see what the first saw
    c = case(11, lengths=(40, 24), d=10, n_words=30, batch_size=64, alpha=(alpha,) * 2, mean=mean)
    c.rate[:] = 1
    W1, W2, loss, _ = c.run()
    (batch,) = c.batches()
    rows = [p for p in batch.positions if p.word >= 0 and p.context]
    X = np.zeros((len(rows), 30))  # how often each word stands in the context
    T = np.zeros((len(rows), 30))
    known = np.zeros((len(rows), 30))  # 0: the similarity is missing
    for i, p in enumerate(rows):
        for w in p.context:
            X[i, w] += 1 / len(p.context) if mean else 1
        for w in batch.noise:
            known[i, w] += c.weight
        known[i, p.context] = 0
        known[i, p.word], T[i, p.word] = 1, 1
    A = torch.tensor(c.W1.astype(np.float64), requires_grad=True)
    B = torch.tensor(c.W2.astype(np.float64), requires_grad=True)
    Y = torch.sparse.mm(torch.tensor(X).to_sparse_csr(), A)
    S = torch.sigmoid(Y @ B.T)
    error = torch.nn.functional.binary_cross_entropy(
        S, torch.tensor(T), weight=torch.tensor(known), reduction="sum"
    )
    error.backward()
    assert loss == pytest.approx(error.item(), rel=1e-2)
    for before, after, gradient in ((c.W1, W1, A.grad), (c.W2, W2, B.grad)):
        step = (before.astype(np.float64) - after) / alpha
        assert gradient.abs().max() > 1
        np.testing.assert_allclose(step, gradient.numpy(), rtol=2e-2, atol=2e-2)


def test_targets_and_context_words_are_never_their_own_noise():
    """With two words, each noise word is the target or its context: only targets count."""
    c = case(1, n_words=2, lengths=(50,), breaks=False, window=5, min_window=5)
    c.ids[:] = np.arange(50) % 2
    c.keep[:] = 1
    _, _, loss, n = c.run()
    only_targets = replace(c, negative=0)
    assert loss == pytest.approx(only_targets.run()[2], rel=1e-6)
    assert n == 50


def test_a_word_alone_in_its_document_changes_nothing():
    c = case(2, lengths=(1,) * 20, breaks=False)
    W1, W2, loss, n = c.run()
    assert (n, loss) == (0, 0.0)
    np.testing.assert_array_equal(W1, c.W1)
    np.testing.assert_array_equal(W2, c.W2)


@pytest.mark.parametrize("n_shared", [7, 300])
def test_large_scores_stay_finite_and_push_back(n_shared):
    c = case(4, lengths=(30,), breaks=False, n_shared=n_shared, n_words=50)
    c.W1[:] *= 1e6
    c.W2[:] *= 1e6
    W1, W2, loss, _ = c.run()
    assert 0 < loss < 30 * 20 * (1 + c.negative)
    assert not np.array_equal(W1, c.W1)
    assert np.isfinite(W1).all()
    assert np.isfinite(W2).all()


def test_subsampling_and_windows_have_the_distribution_that_they_should():
    n = 20_000
    c = case(6, n_words=4, lengths=(n,), breaks=False, window=5, min_window=2)
    c.keep[:] = [1, 0.5, 0.25, 0.1]
    found = c.positions()
    kept = np.bincount([p.word for p in found], minlength=4) / np.bincount(c.ids, minlength=4)
    np.testing.assert_allclose(kept, c.keep, atol=0.03)
    widths = np.bincount([len(p.context) for p in found[10:-10]], minlength=11)[[4, 6, 8, 10]]
    np.testing.assert_allclose(widths / widths.sum(), 0.25, atol=0.02)
    assert c.run()[3] == len(found)


@pytest.mark.parametrize("n_shared", [1, 3, 16])
def test_noise_words_are_drawn_in_proportion(n_shared):
    """Each word as often as its probability says, and each batch from all of the range."""
    p = np.array([0.4, 0.3, 0.0, 0.15, 0.1, 0.05])
    noise = np.empty((6000, n_shared), np.int32)
    draw(key(5), len(noise), n_shared, *noise_table(p), noise)
    np.testing.assert_allclose(np.bincount(noise.ravel(), minlength=6) / noise.size, p, atol=0.015)
    assert noise[:50].tolist() == oracle.draw(key(5), 50, n_shared, p)
    if n_shared == 16:
        counts = np.array([np.bincount(row, minlength=6) for row in noise])
        assert (abs(counts - 16 * p) < 2).all()


@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(-3, 3))
@settings(max_examples=30)
@pytest.mark.slow
def test_a_noise_word_is_always_one_that_can_be_drawn(seed, n_words, exponent):
    p = np.arange(1, n_words + 1) ** exponent
    p[np.random.default_rng(seed).random(n_words) < 0.3] = 0
    p[0] += 1e-3
    noise = np.empty((20, 49), np.int32)
    draw(key(seed), 20, 49, *noise_table(p / p.sum()), noise)
    assert (p[noise] > 0).all()


@pytest.mark.parametrize("d", [1, 7, LANES, 2 * LANES, 2 * LANES + 5])
@pytest.mark.parametrize("n", [4, 12])
def test_scores_are_matrix_products(d, n):
    import numba

    rng = np.random.default_rng(d)
    width = (d + 15) // 16 * 16
    H, W = np.zeros((ROWS, width), np.float32), rng.normal(size=(30, d)).astype(np.float32)
    H[:, :d] = rng.normal(size=(ROWS, d))
    words = rng.integers(0, 30, n)
    F = np.full(ROWS * n + 1, 7, np.float32)

    @numba.njit
    def call(F, H, W, words, n, width, d):
        rows = address(W) + words * 4 * d
        step.scores(F, H, width, rows, n, d)

    call(F, H, W, words, n, width, d)
    np.testing.assert_allclose(F[:-1].reshape(ROWS, n), H[:, :d] @ W[words].T, rtol=1e-4, atol=1e-5)
    assert F[-1] == 7


@given(lengths=st.lists(st.integers(0, 3), min_size=1), data=st.data())
@settings(max_examples=30, deadline=None)
def test_documents_are_found_by_position(lengths, data):
    offsets = np.cumsum([0, *lengths])
    position = data.draw(st.integers(0, int(offsets[-1])))
    expected = np.searchsorted(offsets, position, side="right") - 1
    assert document_at.py_func(offsets, position) == expected
