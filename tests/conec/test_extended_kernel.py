"""Training with features against a slow oracle and finite differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.random_streams import key
from conec.training.kernels.arguments import Chunk, Features, Settings, Stream, Words
from conec.training.kernels.cbow import train_chunk as train_without
from conec.training.kernels.features import train_chunk
from conec.vocabulary import noise_table
from tests.conec import kernel_oracle as oracle


@dataclass
class Case:
    """A small corpus with features, weights and parameters."""

    ids: Any
    offsets: Any
    weights: tuple[Any, Any, Any]
    keep: Any
    rate: Any
    feature_rate: Any
    rows: tuple[Any, Any, Any]
    window: int = 4
    min_window: int = 1
    negative: int = 5
    mean: bool = True
    corrected: bool = True
    dropout: float = 0.4
    alpha: tuple[float, float] = (0.1, 0.05)
    seed: int = 0

    @property
    def probability(self):
        p = np.arange(len(self.weights[0]), 0, -1) ** 0.75
        return p / p.sum()

    @property
    def keys(self):
        return key(self.seed, 0), key(self.seed, 1), key(self.seed, 2)

    def run(self, start=0, stop=None):
        weights = [w.copy() for w in self.weights]
        stop = len(self.ids) if stop is None else stop
        loss, n = train_chunk(*self.arguments(start, stop), *weights)
        return weights, loss, n

    def arguments(self, start, stop):
        """The arguments of the kernel but the weights."""
        tokens, noise, features = self.keys
        return (
            Stream(self.ids, self.offsets),
            Words(self.keep, *self.rate, *noise_table(self.probability)),
            Settings(
                self.window, self.min_window, self.negative, self.negative, 1, self.mean,
                self.corrected,
            ),
            Chunk(start, stop, *self.alpha, tokens, noise),
            Features(*self.rows, self.feature_rate, np.float32(self.dropout), features),
        )  # fmt: skip

    def expected(self, start=0, stop=None):
        """One position, one row at a time, in float64."""
        stop = len(self.ids) if stop is None else stop
        W1, F1, W2 = (w.astype(np.float64) for w in self.weights)
        found = oracle.tokens(
            self.ids, self.offsets, start, stop, self.keep, self.window, self.min_window,
            self.keys[0],
        )  # fmt: skip
        places = [
            t
            for t in range(start, stop)
            if self.ids[t] < 0 or unit(self.keys[0], t) < self.keep[self.ids[t]]
        ]
        targets = [i for i, token in enumerate(found) if token.is_target]
        noise = oracle.draw(self.keys[1], len(targets), self.negative, self.probability)
        loss, n_positions = 0.0, 0
        for number, (i, t) in enumerate(zip(targets, places, strict=True)):
            token = found[i]
            if token.word < 0:
                continue
            context = [
                found[c].word
                for c in range(token.left, token.right)
                if c != i and found[c].word >= 0
            ]
            features = self.features(t)
            if not context and not features:
                continue
            share = 1 / len(context) if self.mean and context else 1.0
            h = sum((share * W1[c] for c in context), np.zeros(W1.shape[1]))
            h = h + sum(value * F1[k] for k, value in features)
            done = number / max(len(targets), 1)
            alpha = self.alpha[0] + (self.alpha[1] - self.alpha[0]) * done
            outputs = [(w, 0) for w in noise[number] if w != token.word and w not in context]
            error = np.zeros_like(h)
            for w, label in [*outputs, (token.word, 1)]:
                p = oracle.sigmoid(h @ W2[w])
                loss -= np.log(p if label else 1 - p)
                error += (p - label) * W2[w]
                W2[w] -= alpha * self.rate[1][w] * (p - label) * h
            for c in context:
                W1[c] -= alpha * self.rate[0][c] * error * (share if self.corrected else 1)
            for k, value in features:
                F1[k] -= alpha * self.feature_rate[k] * value * error
            n_positions += 1
        return (W1, F1, W2), loss, n_positions

    def features(self, t):
        """The features that a token keeps, with their values."""
        indptr, indices, values = self.rows
        state = oracle.mix(int(self.keys[2]) + t * oracle.GOLDEN)
        return [
            (indices[j], float(values[j]))
            for j in range(indptr[t], indptr[t + 1])
            if unit(state, j - indptr[t]) >= np.float32(self.dropout)
        ]


def unit(state, t):
    return np.float32(oracle.mix(int(state) + int(t) * oracle.GOLDEN) >> 40) * np.float32(2.0**-24)


def case(seed=0, n_words=12, n_features=9, lengths=(9, 1, 0, 14, 2, 30), d=5, most=4, **changes):
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    sizes = rng.integers(0, most + 1, n)
    return replace(
        Case(
            rng.integers(-1, n_words, n).astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            tuple(
                rng.normal(0, 0.5, (rows, d)).astype(np.float32)
                for rows in (n_words, n_features, n_words)
            ),
            rng.uniform(0.5, 1.1, n_words).astype(np.float32),
            rng.uniform(0.2, 1, (2, n_words)).astype(np.float32),  # of W1 and of W2
            rng.uniform(0.2, 1, n_features).astype(np.float32),
            (
                np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
                rng.integers(0, n_features, sizes.sum()).astype(np.int32),
                rng.uniform(0.3, 1, sizes.sum()).astype(np.float32),
            ),
            seed=seed,
        ),
        **changes,
    )


def check(c, start=0, stop=None):
    weights, loss, n = c.run(start, stop)
    expected, expected_loss, expected_n = c.expected(start, stop)
    assert n == expected_n
    assert loss == pytest.approx(expected_loss, rel=1e-5, abs=1e-6)
    for own, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-5)
    return weights


@pytest.mark.parametrize(("mean", "corrected"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d": 33, "n_words": 40},
        {"dropout": 0.0},
        {"dropout": 1.0},
        {"most": 20, "window": 1},
        {"lengths": (200,), "min_window": 4},
        {"n_words": 2},  # nearly all noise words are targets or contexts
    ],
    ids=str,
)
@pytest.mark.slow
def test_equals_the_oracle(mean, corrected, changes):
    c = case(seed=3, **{**changes, "mean": mean, "corrected": corrected})
    weights = check(c)
    assert not np.array_equal(weights[0], c.weights[0])
    assert np.array_equal(weights[1], c.weights[1]) == (c.dropout == 1)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=6),
    st.integers(1, 6),
    st.integers(0, 2**32),
    st.data(),
)
@settings(max_examples=40)
def test_any_range_of_any_corpus_equals_the_oracle(lengths, window, seed, data):
    n = sum(lengths)
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    check(case(seed, lengths=tuple(lengths), window=window), start, stop)


@pytest.mark.parametrize("mean", [True, False])
def test_a_step_is_the_gradient_by_finite_differences(mean):
    """One position; of the oracle only random draws are used, not its gradients."""
    alpha = 1e-3
    # the only target is the last token of the text, which the others surround
    c = case(8, lengths=(6,), d=3, n_words=30, alpha=(alpha, alpha), mean=mean, dropout=0.0)
    c.ids[:] = np.arange(6)
    c.keep[:] = 2
    c.rate[:] = c.feature_rate[:] = 1
    after, _, n = c.run(5, 6)
    assert n == 1
    (token,) = [t for t in oracle.tokens(
        c.ids, c.offsets, 5, 6, c.keep, c.window, c.min_window, c.keys[0]
    ) if t.is_target]  # fmt: skip
    context = [int(w) for w in c.ids[token.left : 5]]
    noise = oracle.draw(c.keys[1], 1, c.negative, c.probability)[0]
    indptr, indices, values = c.rows
    own = list(zip(indices[indptr[5] :], values[indptr[5] :], strict=True))
    assert own
    assert len(set(noise)) == len(noise)

    def loss(W1, F1, W2):
        h = sum(W1[w] for w in context) / (len(context) if mean else 1)
        h = h + sum(value * F1[k] for k, value in own)
        total = -np.log(oracle.sigmoid(h @ W2[5]))
        for w in noise:
            if w != 5 and w not in context:
                total -= np.log(1 - oracle.sigmoid(h @ W2[w]))
        return total

    before = [w.astype(np.float64) for w in c.weights]
    for place in range(3):
        numeric = np.zeros_like(before[place])
        for index in np.ndindex(*numeric.shape):
            for sign in (1, -1):
                moved = [w.copy() for w in before]
                moved[place][index] += sign * 1e-5
                numeric[index] += sign * loss(*moved) / 2e-5
        assert np.abs(numeric).max() > 0.05
        step = (before[place] - after[place]) / alpha
        np.testing.assert_allclose(step, numeric, rtol=0, atol=2e-3)


@pytest.mark.slow
def test_without_features_words_learn_about_what_they_do_without_this_kernel():
    """Small steps: the other kernel takes four positions in a step, this one each alone."""
    c = case(5, lengths=(300,), n_words=40, dropout=1.0, alpha=(1e-3, 1e-3), d=16)
    (W1, _, W2), loss, n = c.run()
    V1, V2 = c.weights[0].copy(), c.weights[2].copy()
    other_loss, other_n = train_without(*c.arguments(0, 300)[:-1], V1, V2, np.zeros(40, np.int16))
    assert n == other_n
    assert loss == pytest.approx(other_loss, rel=1e-3)
    for own, other, first in ((W1, V1, c.weights[0]), (W2, V2, c.weights[2])):
        size = np.abs(other - first).max()
        np.testing.assert_allclose(own, other, rtol=0, atol=0.02 * size)
