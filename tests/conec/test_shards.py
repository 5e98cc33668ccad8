"""Training on shards in one process: changes, merges, and whole runs."""

from __future__ import annotations

import numpy as np
import pytest
from gensim.test.utils import datapath
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
from conec.cli import app
from conec.training import shards
from conec.training.kernels.changes import add, add_and_copy, merge, reset, subtract, take
from conec.training.shards import LocalShards, Slice
from conec.training.weights import zero_rows
from corpora.encoding import TokenStream
from tests.conec.test_model import assert_same_bits

LEE = datapath("lee_background.cor")


def make(**parameters):
    defaults = {"vector_size": 16, "min_count": 2, "epochs": 2, "sample": 0, "seed": 3}
    return conec.ContextEncoder(**{**defaults, **parameters})


def half(values):
    return np.asarray(values, np.float32).astype(np.float16).view(np.uint16)


def floats(bits):
    return bits.view(np.float16).astype(np.float32)


def aligned(values):
    rows = zero_rows(*values.shape)
    rows[:] = values
    return rows


# Kernels


@given(st.integers(1, 5), st.integers(0, 12), st.integers(1, 20), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_changes_of_marked_rows_are_divided_among_owners(n_owners, n_rows, d, seed):
    rng = np.random.default_rng(seed)
    common, marks = aligned(rng.normal(size=(12, d))), rng.random(12) < 0.6
    W = aligned(common)
    changed = rng.random(12) < 0.5
    W[changed] += 1e-3 * rng.normal(size=(changed.sum(), d)).astype(np.float32)
    W[11] = common[11] + np.float32(1e-9)  # 0 in float16
    rows, changes, starts = take(W, common, marks, n_rows, n_owners)
    expected = [
        w
        for owner in range(n_owners)
        for w in range(owner, n_rows, n_owners)
        if marks[w] and half(W[w] - common[w]).any()
    ]
    assert rows.tolist() == expected
    np.testing.assert_array_equal(changes, half(W[rows] - common[rows]))
    for owner in range(n_owners):
        assert (rows[starts[owner] : starts[owner + 1]] % n_owners == owner).all()
    assert starts[-1] == len(rows)


def merged_slowly(parts):
    """Merge the changes of each shard, dicts by row, in float64."""
    result = {}
    for row in sorted(set().union(*parts)):
        changes = [part[row] for part in parts if row in part]
        total = np.sum(changes, axis=0)
        squares, of_sum = np.sum(np.square(changes)), total @ total
        agreement = squares / of_sum if of_sum else 1.0
        result[row] = total * min(1.0, max(1 / len(changes), agreement))
    return result


@given(
    st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=5),
    st.integers(1, 20),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_changes_are_merged_by_agreement(sets, d, alike, seed):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=d)
    parts = [
        {row: floats(half(alike * common + rng.normal(size=d))).astype(np.float64) for row in rows}
        for rows in sets
    ]
    rows = np.array([row for part in parts for row in sorted(part)], np.int32)
    changes = [half(part[row]) for part in parts for row in sorted(part)]
    starts = np.cumsum([0, *map(len, parts)])
    values = np.array(changes, np.uint16).reshape(-1, d)
    expected = merged_slowly(parts)
    merged = merge(rows, values, starts, np.array(list(expected), np.int32))
    for bits, change in zip(merged, expected.values(), strict=True):
        np.testing.assert_allclose(floats(bits), change, rtol=2e-3, atol=1e-3)


def test_orthogonal_changes_add_up_and_equal_ones_are_averaged():
    for changes, expected in (
        ([[1, 0], [0, 2]], [1, 2]),
        ([[1, 2], [1, 2]], [1, 2]),
        ([[1, 2], [-1, -2]], [0, 0]),
        ([[1, 2]], [1, 2]),
    ):
        n = len(changes)
        rows = np.full(n, 7, np.int32)
        merged = merge(rows, half(changes), np.arange(n + 1), rows[:1])
        assert floats(merged[0]).tolist() == expected


def test_changes_that_are_not_finite_stay_so():
    for value in (np.inf, np.nan):
        rows = np.zeros(2, np.int32)
        merged = merge(rows, half([[value], [1]]), np.arange(3), rows[:1])
        assert not np.isfinite(floats(merged)).any()


@pytest.mark.parametrize("d", [1, 16, 21])
def test_changes_are_added_subtracted_copied_and_reset(d):
    rng = np.random.default_rng(0)
    common = aligned(rng.normal(size=(9, d)).astype(np.float32))
    W, rows = aligned(common), np.array([1, 4, 8], np.int32)
    changes = half(rng.normal(size=(3, d)))
    expected = common.copy()
    add(W, rows, changes)
    expected[rows] += floats(changes)
    np.testing.assert_array_equal(W, expected)
    subtract(W, rows, changes)
    expected[rows] -= floats(changes)
    np.testing.assert_array_equal(W, expected)
    marks, expected = np.ones(9, np.bool_), common.copy()
    expected[rows] += floats(changes)
    add_and_copy(common, rows, changes, W, marks)
    np.testing.assert_array_equal(common, expected)
    np.testing.assert_array_equal(W[rows], expected[rows])
    assert np.flatnonzero(~marks).tolist() == rows.tolist()
    W[:] += 1
    marks = np.arange(9) % 2 == 1
    reset(W, common, marks)
    np.testing.assert_array_equal(W[1::2], common[1::2])
    assert (W[::2] != common[::2]).all()
    assert not marks.any()


# The corpus


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_shards_are_the_whole_corpus_in_its_order(lengths, n_shards):
    documents = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    stream = TokenStream(np.arange(documents[-1], dtype=np.int32), documents, int(documents[-1]))
    parts = [Slice.of(stream, k, n_shards) for k in range(n_shards)]
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), stream.ids)
    document = np.searchsorted(documents, stream.ids, side="right")
    for part in parts:
        TokenStream(*part, 0)  # checks the offsets
        for start, stop in zip(part.offsets[:-1], part.offsets[1:], strict=True):
            assert len(set(document[part.ids[start:stop]])) <= 1


@pytest.mark.parametrize("n_tokens", [1, 2048, 50_000, 10**7, 10**10])
@pytest.mark.parametrize("n_threads", [1, 8])
def test_plans(n_tokens, n_threads):
    for n_shards in {1, min(7, shards.most_shards(n_tokens)), shards.most_shards(n_tokens)}:
        plan = shards.plan(n_tokens, n_shards, n_threads)
        assert plan.n_tokens * n_shards >= n_tokens
        chunks = plan.n_cycles * shards.ROUNDS * n_threads
        assert chunks * plan.chunk_tokens >= plan.n_tokens
        assert shards.SMALLEST_CHUNK <= plan.chunk_tokens <= shards.CHUNK


# Whole runs


@pytest.fixture(scope="module")
def whole():
    return make().fit(LEE, n_shards=3)


def test_the_same_bits_each_time(whole):
    assert_same_bits(make().fit(LEE, n_shards=3), whole)
    assert make().fit(LEE, n_shards=2).W1.tobytes() != whole.W1.tobytes()


def test_learning_is_like_that_of_one_machine():
    losses = {n: make(epochs=4).fit(LEE, n_shards=n).loss_history_ for n in (None, 1, 3)}
    for n in (1, 3):
        assert losses[n][-1] < losses[n][0]
        assert losses[n][-1] == pytest.approx(losses[None][-1], rel=0.05)


@pytest.mark.parametrize("after", [1, 3, 5])
def test_an_interrupted_run_is_resumed_with_the_same_bits(whole, tmp_path, monkeypatch, after):
    original, calls = LocalShards.train_cycle, []

    def train_cycle(self, *args):
        calls.append(args)
        if len(calls) > after:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(LocalShards, "train_cycle", train_cycle)
    with pytest.raises(KeyboardInterrupt):
        make().fit(LEE, n_shards=3, checkpoint=tmp_path / "model")
    monkeypatch.setattr(LocalShards, "train_cycle", original)
    assert conec.load(tmp_path / "model").training_state.n_shards == 3
    resumed = make().train(LEE, resume_from=tmp_path / "model")
    assert_same_bits(resumed, whole)


def test_a_cycle_that_failed_is_repeated_with_the_same_bits(whole, monkeypatch):
    original = LocalShards.train_cycle

    def train_cycle(self, epoch, cycle):
        for number in range(cycle % shards.ROUNDS):
            parts = [shard.train(epoch, cycle, number, list) for shard in self.shards]
            assert sum(len(change.rows1) for part in parts for change in part.changes)
        for shard in self.shards:
            shard.undo_cycle()
        return original(self, epoch, cycle)

    monkeypatch.setattr(LocalShards, "train_cycle", train_cycle)
    assert_same_bits(make().fit(LEE, n_shards=3), whole)


def test_a_resumed_run_keeps_its_shards(tmp_path, monkeypatch):
    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalShards, "train_cycle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make().fit(LEE, n_shards=2, checkpoint=tmp_path / "model")
    with pytest.raises(ValueError, match="trains 2 shards, which cannot be changed to n_shards=3"):
        make().train(LEE, resume_from=tmp_path / "model", n_shards=3)


def test_words_that_are_rare_or_few_and_threads():
    rng = np.random.default_rng(0)
    documents = [[f"w{i}" for i in rng.integers(0, 1500, 40)] for _ in range(400)]
    model = make(min_count=1, workers=2).fit(documents, n_shards=2)
    assert np.isfinite(model.W1).all()
    assert np.isfinite(model.loss_history_).all()


def test_the_end_of_training_is_told_by_a_callback():
    model = make(epochs=5).fit(LEE, n_shards=2, callbacks=lambda m: len(m.loss_history_) == 2)
    assert len(model.loss_history_) == 2


def test_the_command_trains_shards(whole, tmp_path):
    options = "--vector-size 16 --min-count 2 --epochs 2 --sample 0 --seed 3 --shards 3"
    out = tmp_path / "model"
    app(["train", LEE, "--out", str(out), *options.split()], standalone_mode=False)
    assert_same_bits(conec.load(out), whole)


def test_parameters_that_make_no_sense():
    with pytest.raises(ValueError, match="n_shards must be at most 26 for a corpus of 53,953 tok"):
        make().fit(LEE, n_shards=27)
    with pytest.raises(ValueError, match="n_shards must be an integer >= 1, got 0"):
        make().fit(LEE, n_shards=0)
    with pytest.raises(ValueError, match="deterministic=True is for threads of one machine"):
        make(deterministic=True).fit(LEE, n_shards=2)
    with pytest.raises(ValueError, match="models with features train on this machine only"):
        conec.ExtendedContextEncoder(min_count=2).fit(LEE, engine="ray")
