"""Sums over the contexts of sampled occurrences, against sums position by position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.contexts import Window, occurrences
from conec.contexts.occurrences import (
    ContextKind,
    all_context_sums,
    context_sums,
    count_occurrences,
    spans,
)
from conec.linalg import sample_rows
from conec.random_streams import GOLDEN
from corpora.encoding import TokenStream


def text(rng, n_words, lengths):
    """Documents with breaks, and words of unequal frequency."""
    n = sum(lengths)
    ids = np.minimum(rng.geometric(0.2, n) - 1, n_words - 1).astype(np.int32)
    ids[rng.random(n) < 0.1] = -1
    return TokenStream(ids, np.cumsum([0, *lengths]), n)


def sums_oracle(stream, vectors, weights, distance):
    """Sums over the context words of all occurrences; `distance` are weights from 0 on."""
    sums = np.zeros(vectors.shape)
    for start, stop in zip(stream.offsets[:-1], stream.offsets[1:], strict=True):
        for i in range(start, stop):
            for j in range(start, stop):
                near = 0 < abs(i - j) < len(distance)
                if near and stream.ids[i] >= 0 and stream.ids[j] >= 0:
                    word = stream.ids[j]
                    sums[stream.ids[i]] += distance[abs(i - j)] * weights[word] * vectors[word]
    return sums


def all_sums(stream, kinds, **options):
    n_words = len(kinds[0].vectors)
    pieces = spans(len(stream))
    counts = count_occurrences(stream, n_words, pieces)
    wanted = np.full(n_words, 10**6)
    return context_sums(stream, kinds, pieces, counts, wanted, key=3, **options)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 20),
    d=st.sampled_from([1, 5, 16, 40]),
    piece=st.sampled_from([3, 50, 1 << 16]),
    workers=st.integers(1, 4),
)
def test_sums_over_all_occurrences(seed, size, d, piece, workers):
    rng = np.random.default_rng(seed)
    stream = text(rng, 12, rng.integers(0, 40, 6).tolist())
    vectors = rng.normal(size=(12, d)).astype(np.float32)
    keep, scales = (rng.random((2, 12)) + 0.1).astype(np.float32)
    near = Window(size, "subsampled", 1, keep)
    wide = Window(size, "subsampled", size, keep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occurrences, "PIECE", piece)
        kinds = [ContextKind(near, vectors, scales), ContextKind(wide, vectors)]
        found = all_sums(stream, kinds, workers=workers)
    for window, sums, factor in ((near, found[0], scales), (wide, found[1], 1)):
        expected = sums_oracle(stream, vectors, keep * factor, window.distance_weights())
        np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.1, 0.3, 1.0]))
def test_as_many_occurrences_as_wanted(seed, share):
    rng = np.random.default_rng(seed)
    # each document is a word and its mark
    words = np.minimum(rng.geometric(0.1, 900) - 1, 19)
    ids = np.stack([words, words + 20], axis=1).ravel().astype(np.int32)
    stream = TokenStream(ids, np.arange(0, 1801, 2), 1800)
    pieces = spans(len(stream), share)
    n_tokens = sum(stop - start for start, stop in pieces)
    assert share * len(stream) - 10 < n_tokens <= share * len(stream) + 10
    counts = count_occurrences(stream, 40, pieces)
    wanted = rng.integers(0, 30, 40)
    window = Window(1, "subsampled", 1, np.ones(40, np.float32))
    kind = ContextKind(window, np.eye(40, dtype=np.float32))
    chosen = np.flatnonzero(wanted)
    (sums,) = context_sums(stream, [kind], pieces, counts, wanted, key=seed, words=chosen)
    np.testing.assert_array_equal(sums.sum(axis=1), np.minimum(counts, wanted)[chosen])
    at = np.flatnonzero(chosen < 20)
    np.testing.assert_array_equal(sums.sum(axis=1)[at], sums[at, chosen[at] + 20])


def test_all_occurrences_are_equally_probable():
    # word 0, and in each document another word next to it
    ids = np.stack([np.zeros(50), np.arange(1, 51)], axis=1).ravel().astype(np.int32)
    stream = TokenStream(ids, np.arange(0, 101, 2), 100)
    pieces, wanted = spans(100), np.zeros(51, np.int64)
    wanted[0] = 10
    counts = count_occurrences(stream, 51, pieces)
    kind = ContextKind(Window(1, "sif", 1, np.ones(51, np.float32)), np.eye(51, dtype=np.float32))
    total = np.zeros(51)
    for key in range(400):
        total += context_sums(stream, [kind], pieces, counts, wanted, key=key)[0][0]
    assert total.sum() == 4000
    # 400 draws with probability 0.2: a standard deviation of 8
    np.testing.assert_allclose(total[1:], 80, atol=5 * 8)
    assert 4 < total[1:].std() < 12


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 12),
    smallest=st.integers(1, 12),
    d=st.sampled_from([1, 16, 40]),
    piece=st.sampled_from([3, 50, 1 << 16]),
    workers=st.integers(1, 3),
)
def test_running_sums_over_all_occurrences(seed, size, smallest, d, piece, workers):
    rng = np.random.default_rng(seed)
    stream = text(rng, 12, [*rng.integers(0, 20, 6), int(rng.integers(1, 600))])
    vectors = rng.normal(size=(12, d)).astype(np.float32)
    window = Window(size, "sif", min(smallest, size), (rng.random(12) + 0.1).astype(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occurrences, "PIECE", piece)
        (found,) = all_context_sums(stream, [ContextKind(window, vectors)], workers=workers)
    expected = sums_oracle(stream, vectors, window.keep, window.distance_weights())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=5e-3)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 6),
    smallest=st.integers(1, 6),
    piece=st.sampled_from([50, 1 << 16]),
    workers=st.integers(1, 2),
)
def test_sums_over_a_subsampled_text(seed, size, smallest, piece, workers):
    rng = np.random.default_rng(seed)
    stream = text(rng, 12, [*rng.integers(0, 20, 6), int(rng.integers(1, 600))])
    vectors = rng.normal(size=(12, 5)).astype(np.float32)
    window = Window(size, "sif", min(smallest, size), (rng.random(12) + 0.1).astype(np.float32))
    keep = np.linspace(0.4, 1.1, 12).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occurrences, "PIECE", piece)
        patch.setattr(occurrences, "_GAPS", 600)  # pieces see the words around them
        kinds = [ContextKind(window, vectors)]
        (found,) = all_context_sums(stream, kinds, keep=keep, key=seed, workers=workers)
    draws = [mixed(seed + position * GOLDEN) >> 40 for position in range(len(stream))]
    is_kept = (stream.ids < 0) | (np.array(draws) / 2**24 < keep[stream.ids])
    n_before = np.cumsum([0, *is_kept])
    remaining = TokenStream(stream.ids[is_kept], n_before[stream.offsets], len(stream))
    expected = sums_oracle(remaining, vectors, window.keep, window.distance_weights())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=5e-3)


def mixed(x):
    """SplitMix64's finalizer."""
    x %= 1 << 64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % (1 << 64)
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % (1 << 64)
    return x ^ (x >> 31)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), power=st.integers(0, 8))
def test_rows_of_a_regression(seed, n, power):
    rng = np.random.default_rng(seed)
    weights = rng.random(50) ** power * (rng.random(50) < 0.9)
    rows, found = sample_rows(weights, n, rng)
    n_positive = int((weights > 0).sum())
    if n >= n_positive:
        np.testing.assert_array_equal(rows, np.flatnonzero(weights))
        np.testing.assert_array_equal(found, weights[rows])
        return
    numbers, total = [], np.zeros(50)
    for _ in range(300):
        rows, found = sample_rows(weights, n, rng)
        assert (np.diff(rows) > 0).all()
        assert (found >= weights[rows] * (1 - 1e-12)).all()
        numbers.append(len(rows))
        total[rows] += found
    assert np.mean(numbers) == pytest.approx(n, abs=1.5)
    assert total.sum() / 300 == pytest.approx(weights.sum(), rel=0.25)


def test_rows_without_weights():
    rng = np.random.default_rng(0)
    assert [len(array) for array in sample_rows(np.zeros(5), 3, rng)] == [0, 0]
