"""One function on all shards, in one process and in several, and in threads."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import corpora
from corpora import Corpus, CorpusError
from corpora.parallel import in_background, map_shards, progress_bar

_offset = 0

HOW = [(1, False), (2, False), (2, True)]  # workers, threads


def first_and_count(corpus: Corpus) -> tuple[list[str], int]:
    documents = list(corpus)
    return documents[0], len(documents)


def add(corpus: Corpus, number: int) -> int:
    return sum(1 for _ in corpus) + number


def set_offset(offset: int) -> None:
    global _offset
    _offset = offset


def with_offset(corpus: Corpus) -> tuple[int, int]:
    return os.getpid(), sum(1 for _ in corpus) + _offset


def fail_at_seven(corpus: Corpus) -> int:
    for document in corpus:
        if document == ["line", "7"]:
            raise CorpusError("seven", path="a.txt", line=7)
    return 1


def leave_a_file(corpus: Corpus, folder: Path) -> str:
    word = next(iter(corpus))[1]
    (folder / word).touch()
    time.sleep(0.05)
    return word


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))
    return corpora.open(path)


@pytest.mark.parametrize(("workers", "threads"), HOW)
@pytest.mark.slow
def test_same_results_in_order_with_any_number_of_workers(
    corpus: Corpus, workers: int, threads: bool
) -> None:
    assert corpus.size is not None
    shards = corpus.shards(9)
    expected = [first_and_count(shard) for shard in shards]
    size = -(-corpus.size // 9)
    results = map_shards(
        first_and_count, corpus, workers=workers, threads=threads, shard_bytes=size
    )
    assert list(results) == expected
    assert sum(count for _, count in expected) == 1000


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_partial_and_initializer(corpus: Corpus, workers: int) -> None:
    run = functools.partial(map_shards, workers=workers, shard_bytes=3000)
    plain = list(run(functools.partial(add, number=0), corpus))
    assert len(plain) > 2
    assert list(run(functools.partial(add, number=5), corpus)) == [n + 5 for n in plain]
    try:
        pids, counts = zip(
            *run(with_offset, corpus, initializer=set_offset, initargs=(7,)), strict=True
        )
    finally:
        set_offset(0)
    assert list(counts) == [n + 7 for n in plain]
    assert (os.getpid() in pids) == (workers == 1)


@pytest.mark.parametrize(("workers", "threads"), HOW)
@pytest.mark.slow
def test_error_keeps_file_and_line(corpus: Corpus, workers: int, threads: bool) -> None:
    run = functools.partial(map_shards, workers=workers, threads=threads, shard_bytes=3000)
    with pytest.raises(CorpusError, match=r"a\.txt, line 7: seven") as caught:
        list(run(fail_at_seven, corpus))
    assert caught.value.line == 7


def test_line_of_a_late_shard(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n" * 900 + b"bad \xff\n" + b"good\n" * 99)
    with pytest.raises(CorpusError, match="line 901, byte 4504"):
        list(map_shards(first_and_count, corpora.open(path), workers=2, shard_bytes=1000))


def test_some_shards_only(corpus: Corpus) -> None:
    def numbered(corpus: Corpus) -> tuple[int, int]:
        return corpus.number, sum(1 for _ in corpus)

    run = functools.partial(map_shards, numbered, corpus, shard_bytes=3000)
    shards = list(run(workers=1))
    assert [number for number, _ in shards] == [*range(len(shards))]
    assert list(run(workers=1, only={0, 2})) == [shards[0], shards[2]]
    assert list(run(workers=2, threads=True, only=())) == []


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.slow
def test_not_far_ahead_of_the_reader(corpus: Corpus, tmp_path: Path, threads: bool) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    run = functools.partial(leave_a_file, folder=folder)
    results = map_shards(run, corpus, workers=2, threads=threads, shard_bytes=200)
    assert len(corpus.shards(50)) == 50
    first = next(results)
    time.sleep(0.5)
    assert (folder / first).exists()
    assert len(list(folder.iterdir())) <= 8
    results.close()  # type: ignore[attr-defined]
    done = len(list(folder.iterdir()))
    time.sleep(0.3)
    assert len(list(folder.iterdir())) == done


def test_what_cannot_be_cut_is_done_here() -> None:
    results = map_shards(with_offset, corpora.open(iter([["a"], ["b"]])), workers=4)
    assert list(results) == [(os.getpid(), 2)]


def test_invalid_arguments_raise_at_once(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="workers must be an integer >= 1, got 0"):
        map_shards(first_and_count, corpus, workers=0)
    with pytest.raises(ValueError, match="shard_bytes must be an integer >= 1, got 0"):
        map_shards(first_and_count, corpus, shard_bytes=0)


@pytest.mark.parametrize(("workers", "threads"), HOW)
@pytest.mark.slow
def test_bar(
    corpus: Corpus, capsys: pytest.CaptureFixture[str], workers: int, threads: bool
) -> None:
    run = functools.partial(
        map_shards, first_and_count, corpus, workers=workers, threads=threads, shard_bytes=4000
    )
    list(run(progress="counting"))
    assert capsys.readouterr().err == ""  # no terminal
    list(run(progress="counting", force_bar=True))
    shown = capsys.readouterr().err
    assert "counting" in shown
    assert "100%" in shown
    assert "8.68k/8.68k" in shown  # of the parts that are read, none twice


def test_bar_of_one_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text8"
    path.write_text("word " * 1000)
    corpus = corpora.open(path)
    with progress_bar(corpus, "reading", force=True):
        assert sum(map(len, corpus)) == 1000
    assert "reading: 100%" in capsys.readouterr().err
    list(corpus)
    assert capsys.readouterr().err == ""


def read_without_end(corpus: Corpus) -> None:
    while True:
        list(corpus)


def test_threads_end_with_the_next_block(corpus: Corpus) -> None:
    def read(shard: Corpus) -> int:
        if next(iter(shard)) == ["line", "0"]:
            return 0
        read_without_end(shard)
        return 1

    results = map_shards(read, corpus, workers=2, threads=True, shard_bytes=3000)
    assert next(results) == 0
    before = time.monotonic()
    results.close()
    assert time.monotonic() - before < 5
    assert not [t for t in threading.enumerate() if t.name.startswith("corpora")]


def test_interrupt_ends_threads(corpus: Corpus) -> None:
    code = (
        "import os, sys, time, corpora\n"
        "from corpora.parallel import map_shards\n"
        "from tests.corpora.test_parallel import read_without_end\n"
        "corpus = corpora.open(sys.argv[1])\n"
        "def read(corpus):\n"
        "    os.write(1, b'one\\n')  # in one piece: two threads write\n"
        "    read_without_end(corpus)\n"
        "try:\n"
        "    list(map_shards(read, corpus, workers=2, threads=True, shard_bytes=3000))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, corpus.source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "one\n"
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        # Python drops the exception if the signal comes in a weak reference's callback, for example
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert out.endswith("interrupted\n")
    assert err == ""


@pytest.mark.slow
def test_interrupt_ends_it_quietly(corpus: Corpus) -> None:
    code = (
        "import sys, time, corpora\n"
        "from corpora.parallel import map_shards\n"
        "def slow(corpus):\n"
        "    time.sleep(0.2)\n"
        "    return 1\n"
        "corpus = corpora.open(sys.argv[1])\n"
        "try:\n"
        "    for _ in map_shards(slow, corpus, workers=2, shard_bytes=50):\n"
        "        print('one', flush=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, corpus.source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as from a terminal, all processes of it get the signal
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "one\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert out.endswith("interrupted\n")
    assert err == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(corpus: Corpus, number: int) -> None:
    code = (
        "import os, sys, time, corpora\n"
        "from corpora.parallel import map_shards\n"
        "def work(corpus):\n"
        "    os.write(1, b'%d\\n' % os.getpid())\n"
        "    time.sleep(60)\n"
        "list(map_shards(work, corpora.open(sys.argv[1]), workers=2, shard_bytes=3000))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, corpus.source],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    workers = [int(process.stdout.readline()) for _ in range(2)]
    assert all(map(is_running, workers))
    process.send_signal(number)
    process.wait()
    process.stdout.close()
    end = time.monotonic() + 20
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.slow
def test_script_without_main_guard(corpus: Corpus, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, corpora\n"
        "from corpora.parallel import map_shards\n"
        "print('begun')\n"
        "def count(corpus):\n"
        "    return sum(1 for _ in corpus)\n"
        "print(sum(map_shards(count, corpora.open(sys.argv[1]), workers=2, shard_bytes=5000)))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script, corpus.source],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stdout.split() == ["begun", "1000"]


def test_items_are_computed_in_a_thread():
    threads = set()

    def items():
        for number in range(10):
            threads.add(threading.current_thread())
            yield number

    results = in_background(items())
    assert next(results) == 0
    assert list(results) == [*range(1, 10)]
    assert threading.current_thread() not in threads
    assert len(threads) == 1


def test_an_error_in_the_background_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise CorpusError("seven", path="a.txt", line=7)

    results = in_background(items())
    assert next(results) == 1
    with pytest.raises(CorpusError, match="seven"):
        next(results)


def test_closing_stops_the_background():
    closed = threading.Event()
    made = []

    def items():
        try:
            while True:
                made.append(0)
                yield 0
        finally:
            closed.set()

    results = in_background(items())
    next(results)
    results.close()
    assert closed.wait(10)
    assert len(made) <= 4  # one was used, two were computed ahead


def test_closing_does_not_wait_for_input():
    wanted = threading.Event()

    def items():
        yield 0
        wanted.wait()
        yield 1

    results = in_background(items())
    next(results)
    results.close()
    assert not wanted.is_set()
    wanted.set()
