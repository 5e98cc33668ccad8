"""Training on copies and merging, against plain code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
from conec.training.chunks import TrainingState
from conec.training.kernels.cbow import plan_chunk, train_on_copies
from conec.training.kernels.merge import MergeScratch, count, merge, part_of
from tests.conec.test_kernel import MODES, case


def planned(c, start, stop):
    place = np.full(len(c.W1), -1, np.int32)
    result = plan_chunk(*c.arguments(start, stop), place)
    assert (place == -1).all()
    return result


@pytest.mark.parametrize(("mean", "corrected"), MODES)
@pytest.mark.parametrize("span", [(0, 56), (10, 30), (5, 5)])
@pytest.mark.parametrize("room_for", [0, 20, 200])
@pytest.mark.parametrize("needed_by", ["none else", "all", "some"])
@pytest.mark.slow
def test_training_on_copies_is_training(mean, corrected, span, room_for, needed_by):
    c = case(3, n_words=40, d=9, mean=mean, corrected=corrected)
    W1, W2 = c.W1.copy(), c.W2.copy()
    expected = c.train(W1, W2, *span)
    text, words, n_text = planned(c, *span)
    assert len(set(words.tolist())) == len(words) >= n_text
    rng = np.random.default_rng(0)
    low, high = {"none else": (1, 2), "all": (2, 3), "some": (1, 3)}[needed_by]
    copies1, copies2 = rng.integers(low, high, (2, 40)).astype(np.int32)
    A, B = c.W1.copy(), c.W2.copy()
    room = np.zeros((room_for, 9), np.float32)
    _, _, settings, chunk = c.arguments(*span)
    loss, n, words1, words2, room = train_on_copies(
        settings, chunk, text, words, n_text, A, B, *c.rate, copies1, copies2,
        np.zeros(40, np.int16), room,
    )  # fmt: skip
    assert (loss, n) == expected
    rows1, rows2 = np.split(room[: len(words1) + len(words2)], [len(words1)])
    for start, W, own, counts, rows, of in (
        (c.W1, A, words1, copies1, rows1, words[:n_text]),
        (c.W2, B, words2, copies2, rows2, words),
    ):
        assert own.tolist() == [w for w in of if counts[w] > 1]
        np.testing.assert_array_equal(W[own], start[own], "rows that others need stay")
        W[own] = rows
    assert A.tobytes() == W1.tobytes()
    assert B.tobytes() == W2.tobytes()


@given(
    st.lists(st.sets(st.integers(0, 9)), min_size=8, max_size=8),
    st.integers(1, 4),
    st.integers(0, 100),
)
@settings(max_examples=50)
@pytest.mark.slow
def test_changes_are_merged_by_agreement(sets, n_parts, seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(2, 10, 3)).astype(np.float32)
    words = [
        tuple(np.array(sorted(words), np.int32) for words in sets[half : half + 4])
        for half in (0, 4)
    ]
    rooms = [rng.normal(size=(20, 3)).astype(np.float32) for _ in range(4)]
    expected, counts = W.astype(np.float64), np.zeros((2, 10), np.int32)
    for m in range(2):
        for word in range(10):
            own = [
                room[(len(words[0][i]) if m else 0) + words[m][i].tolist().index(word)]
                for i, room in enumerate(rooms)
                if word in words[m][i]
            ]
            counts[m, word] = len(own)
            if own:
                changes = np.array(own, np.float64) - W[m, word]
                total = changes.sum(axis=0)
                agreement = (changes**2).sum() / (total @ total)
                expected[m, word] += total * min(1, max(1 / len(own), agreement))
    scratch = MergeScratch.for_words(10)
    places = tuple(room.ctypes.data for room in rooms)
    for part in range(n_parts):
        merge(*W, *words, places, rooms[0].strides[0], *counts, scratch, part, n_parts)
    np.testing.assert_allclose(W, expected, atol=1e-5)
    assert not scratch.n_merged.any()


@given(st.lists(st.sets(st.integers(0, 9)), min_size=2, max_size=2), st.integers(1, 4))
@settings(max_examples=50)
def test_words_are_counted_in_parts(sets, n_parts):
    words = tuple(np.array(sorted(s), np.int32) for s in sets)
    n_text = tuple(len(own) // 2 for own in words)
    counts = np.full((2, 10), 5, np.int32)
    for part in range(n_parts):
        count(counts[0], counts[1], words, n_text, (-1, 1), part, n_parts)
    expected = np.full((2, 10), 5)
    for own, n, by in zip(words, n_text, (-1, 1), strict=True):
        expected[0, own[:n]] += by
        expected[1, own] += by
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("n_parts", range(1, 9))
def test_parts_of_the_vocabulary_are_about_equal(n_parts):
    sizes = np.bincount([part_of.py_func(w, n_parts) for w in range(1000)], minlength=n_parts)
    assert len(sizes) == n_parts
    assert sizes.min() > 0.9 * 1000 / n_parts


@pytest.mark.parametrize("d", [5, 16, 37])
@pytest.mark.parametrize("needed_by", [1, 2])
@pytest.mark.slow
def test_rows_may_lie_apart_and_nothing_between_them_changes(d, needed_by):
    c = case(4, n_words=30, d=d)
    W1, W2 = c.W1.copy(), c.W2.copy()
    expected = c.train(W1, W2, 0, 56)
    wide = np.full((2, 30, d + 19), 7, np.float32)
    A, B = wide[0, :, 3 : 3 + d], wide[1, :, 3 : 3 + d]
    A[:], B[:] = c.W1, c.W2
    assert c.train(A, B, 0, 56) == expected
    np.testing.assert_array_equal(A, W1)
    np.testing.assert_array_equal(B, W2)
    A[:], B[:] = c.W1, c.W2
    copies = np.full(30, needed_by, np.int32)
    *_, words1, words2, room = train_on_copies(
        *c.arguments(0, 56)[2:], *planned(c, 0, 56), A, B, *c.rate, copies, copies,
        np.zeros(30, np.int16), np.zeros((0, d), np.float32),
    )  # fmt: skip
    ones, scratch = np.ones(30, np.int32), MergeScratch.for_words(30)
    places = (room.ctypes.data,)
    merge(A, B, (words1,), (words2,), places, room.strides[0], ones, ones, scratch, 0, 1)
    np.testing.assert_allclose(A, W1, atol=1e-6)
    np.testing.assert_allclose(B, W2, atol=1e-6)
    assert (wide[:, :, :3] == 7).all()
    assert (wide[:, :, 3 + d :] == 7).all()


def test_epochs_are_logged_with_their_loss_and_speed(caplog):
    model = conec.ContextEncoder(vector_size=5, min_count=1, epochs=2)
    with caplog.at_level("INFO", logger="conec"):
        model.fit([["a", "b", "c", "d"] * 5] * 20)
    messages = [r.getMessage() for r in caplog.records if r.name == "conec.training.loop"]
    assert messages[0].startswith("training: ")
    for epoch, loss in enumerate(model.loss_history_, 1):
        start = f"epoch {epoch} of 2: loss {loss:.4f}, "
        assert [m for m in messages if m.startswith(start) and m.endswith(" words/s")]
    assert messages[-1].startswith("training took ")
    assert "conec.contexts.mapping" in {r.name for r in caplog.records}


def test_a_state_has_the_names_of_earlier_formats():
    old = {"epochs": 3, "start_alpha": 0.1, "end_alpha": 0.01, "fingerprint": 5, "run": 1,
           "epoch": 1, "next_range": 1, "losses": [2.0], "positions": [7],
           "range_tokens": 100}  # fmt: skip
    state = TrainingState.from_dict(old)
    assert (state.next_chunk, state.chunk_tokens) == (1, 100)
    assert TrainingState.from_dict(state.to_dict()) == state
