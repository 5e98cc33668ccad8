from __future__ import annotations

import errno
import gc
import itertools
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conec.contexts import Window, global_contexts, global_embeddings, local_contexts, matrices
from corpora.encoding import TokenStream
from tests import oracles

WEIGHTINGS = ("uniform", "distance", "subsampled", "sif")
NORMALIZE = ("count", "max", "none")


def make_stream(documents):
    ids = np.array([word for document in documents for word in document], np.int32)
    offsets = np.cumsum([0] + [len(document) for document in documents], dtype=np.int64)
    return TokenStream(ids, offsets, len(ids))


def keep_of(n_words):
    return np.linspace(0.1, 1, n_words).astype(np.float32)


def make_window(size, weighting, n_words, smallest=1):
    return Window(size, weighting, min(smallest, size), keep_of(n_words))


def zipf_documents(rng, n_tokens, n_words, length):
    ids = np.minimum(rng.zipf(1.3, n_tokens) - 1, n_words - 1).astype(np.int32)
    ids[rng.random(n_tokens) < 0.03] = -1
    cuts = np.sort(rng.integers(0, n_tokens, n_tokens // length))
    return [part.tolist() for part in np.split(ids, cuts)]


def assert_canonical(matrix):
    assert matrix.format == "csr"
    assert matrix.dtype == np.float32
    assert matrix.indices.dtype == np.int32
    assert matrix.indptr.dtype == np.int32
    matrix.check_format(full_check=True)
    for start, stop in itertools.pairwise(matrix.indptr):
        assert (np.diff(matrix.indices[start:stop]) > 0).all()
    assert (matrix.data != 0).all()


def assert_same(one, other, rtol=0.0):
    np.testing.assert_array_equal(one.indptr, other.indptr)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_allclose(one.data, other.data, rtol=rtol, atol=0)


@pytest.fixture
def many_segments(monkeypatch):
    """Let `memory` be as small as it says."""
    monkeypatch.setattr(matrices, "_SMALLEST", 1024)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of its own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


DOCUMENTS = [
    [0, 1, 2, 0, 3, -1, 1, 0, 0, 4, 2, -1, -1, 5],
    [],
    [3],
    [-1],
    [1, 1, 1, 6, 0, 2, 5, 5, 3, 0, 1, 0],
    [],
    [4, -1],
    [2, 0],
]
N_WORDS = 9  # words 7 and 8 do not occur, word 4 is often alone


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("diagonal", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("size", [1, 2, 5, 40])
@pytest.mark.slow
def test_global_contexts_are_those_of_a_double_loop(weighting, normalize, diagonal, size):
    smallest = 2 if size > 1 else 1
    matrix = global_contexts(
        make_stream(DOCUMENTS),
        N_WORDS,
        make_window(size, weighting, N_WORDS, smallest),
        diagonal=diagonal,
        normalize=normalize,
    )
    expected = oracles.context_matrix(
        DOCUMENTS,
        N_WORDS,
        window=size,
        weighting=weighting,
        min_window=smallest,
        keep=keep_of(N_WORDS),
        diagonal=diagonal,
        normalize=normalize,
    )
    assert_canonical(matrix)
    assert matrix.nnz == np.count_nonzero(expected)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)


documents = st.lists(st.lists(st.integers(-1, 6), max_size=12), max_size=8)


@settings(max_examples=80)
@given(
    documents,
    st.integers(1, 7),
    st.sampled_from(WEIGHTINGS),
    st.sampled_from(NORMALIZE),
    st.sampled_from([0.0, 1.0]),
    st.integers(0, 400),
)
@pytest.mark.slow
def test_any_corpus_and_any_memory(documents, size, weighting, normalize, diagonal, memory):
    n_words = 7
    smallest, matrices._SMALLEST = matrices._SMALLEST, 2
    try:
        matrix = global_contexts(
            make_stream(documents),
            n_words,
            make_window(size, weighting, n_words),
            diagonal=diagonal,
            normalize=normalize,
            memory=memory,
            workers=1 + memory % 3,
        )
    finally:
        matrices._SMALLEST = smallest
    expected = oracles.context_matrix(
        documents,
        n_words,
        window=size,
        weighting=weighting,
        keep=keep_of(n_words),
        diagonal=diagonal,
        normalize=normalize,
    )
    assert_canonical(matrix)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)


@pytest.fixture(scope="module")
def zipf():
    documents = zipf_documents(np.random.default_rng(0), 30_000, 1000, 40)
    return make_stream(documents)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("diagonal", [0.0, 1.0])
def test_the_result_does_not_depend_on_workers_or_memory(
    zipf, weighting, diagonal, many_segments, temporary
):
    window = make_window(5, weighting, 1000)
    expected = global_contexts(zipf, 1000, window, diagonal=diagonal)
    assert not isinstance(expected.data, np.memmap)
    for workers in (2, 3):
        assert_same(
            global_contexts(zipf, 1000, window, diagonal=diagonal, workers=workers), expected
        )
    for memory, workers in ((200_000, 1), (20_000, 2), (3, 3)):
        matrix = global_contexts(
            zipf, 1000, window, diagonal=diagonal, memory=memory, workers=workers
        )
        assert isinstance(matrix.data, np.memmap)
        assert_canonical(matrix)
        # the sums of whole numbers are exact in any order
        rtol = 0 if weighting == "uniform" else 2e-7
        assert_same(matrix, expected, rtol)
    assert os.listdir(temporary) == []


def test_memory_really_cuts_the_corpus(zipf, many_segments, monkeypatch):
    seen = []
    original = matrices.ContextCounter._counter

    def counter(self, first, stop):
        seen.append((first, stop))
        return original(self, first, stop)

    monkeypatch.setattr(matrices.ContextCounter, "_counter", counter)
    global_contexts(zipf, 1000, memory=1 << 15)
    assert len(seen) > 20
    assert [first for first, _ in seen[1:]] == [stop for _, stop in seen[:-1]]
    assert seen[-1][1] == len(zipf)


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize(("memory", "workers"), [(1 << 30, 1), (1 << 30, 3), (200_000, 2)])
def test_embeddings_are_contexts_times_the_matrix(zipf, normalize, memory, workers, many_segments):
    rng = np.random.default_rng(1)
    for d in (1, 3, 50):
        W = rng.normal(size=(1000, d)).astype(np.float32)
        contexts = global_contexts(zipf, 1000, normalize=normalize, diagonal=1)
        expected = contexts.astype(np.float64) @ W.astype(np.float64)
        result = global_embeddings(
            zipf, W, normalize=normalize, diagonal=1, memory=memory, workers=workers
        )
        assert result.dtype == np.float32
        scale = abs(contexts).astype(np.float64) @ abs(W).astype(np.float64)
        assert (abs(result - expected) <= 1e-5 * scale).all()


def test_embeddings_never_build_the_matrix(zipf, monkeypatch):
    monkeypatch.delattr("conec.contexts.matrices.SparseRows")
    global_embeddings(zipf, np.ones((1000, 2), np.float32))


def test_embeddings_take_a_matrix_of_any_layout(zipf):
    W = np.random.default_rng(0).normal(size=(1000, 4))
    expected = global_embeddings(zipf, W.astype(np.float32))
    np.testing.assert_array_equal(global_embeddings(zipf, np.asfortranarray(W)), expected)


# Corpora at the edge


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("memory", [0, 1 << 30])
@pytest.mark.parametrize(
    ("documents", "n_words"),
    [
        ([], 0),
        ([], 3),
        ([[]], 3),
        ([[0], [1], [0]], 2),
        ([[0]], 1),
        ([[0, 0, 0]], 1),
        ([[-1, -1]], 1),
        ([[0, -1, -1, -1, -1, -1, 0]], 1),
    ],
)
@pytest.mark.filterwarnings("error")
def test_edges(documents, n_words, normalize, memory, many_segments):
    stream = make_stream(documents)
    for diagonal in (0.0, 1.0):
        matrix = global_contexts(
            stream, n_words, normalize=normalize, diagonal=diagonal, memory=memory
        )
        expected = oracles.context_matrix(
            documents, n_words, normalize=normalize, diagonal=diagonal
        )
        assert_canonical(matrix)
        np.testing.assert_allclose(matrix.toarray(), expected)
        result = global_embeddings(
            stream, np.ones((n_words, 2), np.float32), normalize=normalize, diagonal=diagonal
        )
        np.testing.assert_allclose(result, expected @ np.ones((n_words, 2)))


def test_known_answer():
    # "a b a": a has contexts b, a and b, a; b has a, a
    matrix = global_contexts(make_stream([[0, 1, 0]]), 2)
    np.testing.assert_allclose(matrix.toarray(), [[1, 1], [2, 0]])
    matrix = global_contexts(make_stream([[0, 1, 0]]), 2, Window(5, "distance"), normalize="none")
    np.testing.assert_allclose(matrix.toarray(), [[1, 2], [2, 0]])


@pytest.mark.slow
def test_large_counts_are_exact():
    # more than float32 can count
    stream = make_stream([[0] * 3 + [1]] * 1)
    stream = TokenStream(
        np.tile(np.array([0, 1], np.int32), 9_000_000), np.array([0, 18_000_000]), 18_000_000
    )
    matrix = global_contexts(stream, 2, Window(1), normalize="none")
    assert matrix[0, 1] == np.float32(17_999_999)
    matrix = global_contexts(stream, 2, Window(1), normalize="count")
    assert matrix[1, 0] == np.float32(17_999_999 / 9_000_000)


# Lifecycle of temporary files


@pytest.mark.slow
def test_a_mapped_result_outlives_its_maker_and_leaves_nothing(zipf, many_segments, temporary):
    matrix = global_contexts(zipf, 1000, memory=1000, workers=2)
    gc.collect()
    assert isinstance(matrix.data, np.memmap)
    assert os.listdir(temporary) == []
    assert_same(matrix, global_contexts(zipf, 1000))
    matrix.data[:] = 0  # private: to be written to
    assert matrix.sum() == 0
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    open_files = before
    del matrix
    gc.collect()
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= open_files
        with open("/proc/self/maps") as maps:
            assert str(temporary) not in maps.read()


class Full:
    """A file on a disk that is full."""

    def __init__(self):
        self.closed = False

    def write(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self):
        pass

    def close(self):
        self.closed = True


def test_a_full_disk_is_named_and_nothing_is_left(zipf, many_segments, temporary, monkeypatch):
    files = []

    def full(*args, **kwargs):
        files.append(Full())
        return files[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match=r"No space left.*TMPDIR") as info:
        global_contexts(zipf, 1000, memory=1000)
    assert info.value.errno == errno.ENOSPC
    assert info.value.filename == str(temporary)
    del info
    gc.collect()
    assert files
    assert all(file.closed for file in files)
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_an_error_in_a_thread_comes_through_and_leaves_nothing(
    zipf, error, many_segments, temporary, monkeypatch
):
    import threading

    def fail(*args):
        raise error("in a thread")

    threads = threading.active_count()
    monkeypatch.setattr(matrices, "normalized", fail)
    with pytest.raises(error, match="in a thread"):
        global_contexts(zipf, 1000, memory=1000, workers=2)
    assert threading.active_count() == threads
    assert os.listdir(temporary) == []


MEASURE = """
import sys, threading, time
import numpy as np
from conec.contexts import Window, global_contexts, global_embeddings
from corpora.encoding import TokenStream

def anonymous():
    with open("/proc/self/status") as file:
        return int(next(l for l in file if l.startswith("RssAnon")).split()[1]) / 1024

n, V, memory = 1_500_000, 20_000, int(sys.argv[1])
rng = np.random.default_rng(0)
ids = np.minimum(rng.zipf(1.2, n) - 1, V - 1).astype(np.int32)
stream = TokenStream(ids, np.arange(0, n + 1, 1000), n)
small = TokenStream(ids[:100].copy(), np.array([0, 100]), 100)
W = np.ones((V, 4), np.float32)
global_contexts(small, V, memory=0); global_embeddings(small, W)
most = start = anonymous()
running = True
def watch():
    global most
    while running:
        most = max(most, anonymous())
        time.sleep(0.002)
thread = threading.Thread(target=watch)
thread.start()
matrix = global_contexts(stream, V, memory=memory)
running = False
thread.join()
print(most - start, matrix.nnz * 8 / 2**20)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.slow
def test_memory_is_bounded():
    def measure(memory):
        out = subprocess.run(
            [sys.executable, "-c", MEASURE, str(memory)], capture_output=True, text=True, check=True
        )
        return map(float, out.stdout.split())

    limit = 4
    used, size = measure(limit << 20)
    assert size > 2.5 * limit  # the result alone would not fit
    assert used < 2 * limit
    unbounded, _ = measure(1 << 30)
    assert unbounded > 1.5 * used  # or else this test shows nothing


# Local contexts


@settings(max_examples=80)
@given(
    st.lists(st.integers(-1, 9), max_size=25),
    st.integers(1, 6),
    st.sampled_from(WEIGHTINGS),
    st.sampled_from(NORMALIZE),
    st.lists(st.integers(0, 25), max_size=4),
    st.randoms(use_true_random=False),
)
def test_local_contexts_are_those_of_a_double_loop(ids, size, weighting, normalize, cuts, random):
    n_words, n_targets = 10, 4
    targets = [random.randint(-1, n_targets - 1) for _ in ids]
    offsets = [0, *sorted(cuts)]
    borders = [*(cut for cut in offsets if cut <= len(ids)), len(ids)]
    matrix = local_contexts(
        np.array(ids, np.int32),
        n_words,
        make_window(size, weighting, n_words),
        targets=np.array(targets, np.int32),
        n_targets=n_targets,
        offsets=offsets,
        normalize=normalize,
    )
    spans = list(itertools.pairwise(borders))
    expected = oracles.context_matrix(
        [ids[a:b] for a, b in spans],
        n_words,
        window=size,
        weighting=weighting,
        keep=keep_of(n_words),
        normalize=normalize,
        targets=[targets[a:b] for a, b in spans],
        n_rows=n_targets,
    )
    assert_canonical(matrix)
    assert matrix.shape == (n_targets, n_words)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)


def test_local_contexts_by_default_are_of_the_words_with_weight_1_by_distance():
    ids = [3, 1, -1, 3, 0]
    matrix = local_contexts(np.array(ids, np.int32), 5)
    expected = oracles.context_matrix([ids], 5, weighting="distance", normalize="max")
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)


def test_an_unknown_word_takes_a_position_but_is_no_column():
    near = local_contexts(np.array([0, 1], np.int32), 2, Window(1), normalize="none")
    far = local_contexts(np.array([0, -1, 1], np.int32), 2, Window(1), normalize="none")
    assert near.nnz == 2
    assert far.nnz == 0


def test_local_contexts_refuse_what_is_out_of_range():
    ids = np.array([0, 1], np.int32)
    with pytest.raises(ValueError, match="ids must be < 1, got ids up to 1"):
        local_contexts(ids, 1, n_targets=2)
    with pytest.raises(ValueError, match="targets"):
        local_contexts(ids, 2, targets=np.array([0, 2], np.int32), n_targets=2)
    with pytest.raises(ValueError, match="targets"):
        local_contexts(ids, 2, targets=np.array([0], np.int32), n_targets=2)
    with pytest.raises(ValueError, match="normalize"):
        local_contexts(ids, 2, normalize="l2")


# Arguments


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"normalize": "l2"}, "normalize"),
        ({"workers": 0}, "workers"),
        ({"workers": 1.5}, "workers"),
        ({"diagonal": -1}, "diagonal"),
        ({"diagonal": float("nan")}, "diagonal"),
        ({"memory": -1}, "memory"),
        ({"memory": "1G"}, "memory"),
    ],
)
def test_arguments_out_of_range_are_named(zipf, arguments, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        global_contexts(zipf, 1000, **arguments)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"size": 0}, "window"),
        ({"size": 2.5}, "window"),
        ({"weighting": "cubic"}, "weighting"),
        ({"weighting": "subsampled"}, "keep"),
        ({"weighting": "sif"}, "weighting='sif' requires `keep`, weights of words"),
        ({"weighting": "subsampled", "keep": np.ones(3), "smallest": 6}, "smallest"),
    ],
)
def test_windows_out_of_range_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        Window(**arguments)


def test_a_corpus_of_another_vocabulary_is_refused(zipf):
    with pytest.raises(ValueError, match="ids must be < 100, .* ids up to 999"):
        global_contexts(zipf, 100)
    with pytest.raises(ValueError, match="ids must be < 100, .* ids up to 999"):
        global_embeddings(zipf, np.ones((100, 3), np.float32))
    with pytest.raises(ValueError, match="keep must have shape"):
        global_contexts(zipf, 1000, make_window(5, "subsampled", 7))
