"""Training apart and merging, against what is plain to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.kernels.cpu import train_apart, train_range
from conec.kernels.merge import merge
from conec.kernels.random import key
from conec.vocabulary import noise_table
from tests.conec.test_kernel import MODES, case


def arguments(c, W1, W2, start, stop):
    return (
        c.ids, c.offsets, start, stop, W1, W2, c.keep, c.rate, *noise_table(c.probability),
        *c.alpha, c.window, c.min_window, c.negative, c.n_shared, c.batch_size, c.mean, c.corrected,
        key(c.seed, 0), key(c.seed, 1), np.zeros(len(W1), np.int16),
    )  # fmt: skip


@pytest.mark.parametrize(("mean", "corrected"), MODES)
@pytest.mark.parametrize("span", [(0, 56), (10, 30), (5, 5)])
@pytest.mark.parametrize("room_for", [0, 20, 200])
def test_training_on_copies_is_training(mean, corrected, span, room_for):
    c = case(3, n_words=40, d=9, mean=mean, corrected=corrected)
    W1, W2 = c.W1.copy(), c.W2.copy()
    expected = train_range(*arguments(c, W1, W2, *span))
    place = np.full(40, -1, np.int32)
    A, B = c.W1.copy(), c.W2.copy()
    room = np.empty((room_for, 9), np.float32)
    loss, n, words, rows1, rows2, room = train_apart(*arguments(c, A, B, *span), place, room)
    assert len(room) >= len(rows1) + len(rows2)
    assert not np.shares_memory(rows1, rows2)
    assert (place == -1).all()
    assert (loss, n) == expected
    assert len(set(words.tolist())) == len(words) == len(rows2) >= len(rows1)
    np.testing.assert_array_equal(A, c.W1, "the weights themselves stay")
    np.testing.assert_array_equal(B, c.W2, "the weights themselves stay")
    A[words[: len(rows1)]], B[words] = rows1, rows2
    assert A.tobytes() == W1.tobytes()
    assert B.tobytes() == W2.tobytes()


@given(
    st.lists(st.sets(st.integers(0, 9), max_size=10), min_size=4, max_size=4),
    st.integers(1, 4),
    st.integers(0, 100),
)
@settings(max_examples=50, deadline=None)
def test_merging_adds_changes_over_the_root_of_their_number(sets, n_parts, seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(10, 3)).astype(np.float32)
    copies = [
        (np.array(sorted(words), np.int32), rng.normal(size=(len(words), 3))) for words in sets
    ]
    expected = W.astype(np.float64)
    for word in range(10):
        own = [rows[words.tolist().index(word)] for words, rows in copies if word in words]
        if own:
            expected[word] += sum(row - W[word] for row in own) / np.sqrt(len(own))
    counters = np.zeros(10, np.int32), np.zeros(10, np.int32)
    words = tuple(words for words, _ in copies)
    rows = tuple(rows.astype(np.float32) for _, rows in copies)
    for part in range(n_parts):
        merge(W, words, rows, *counters, part, n_parts)
    np.testing.assert_allclose(W, expected, atol=1e-5)
    assert not counters[0].any()
    assert not counters[1].any()
