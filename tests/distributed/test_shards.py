"""Counting, encoding and writing corpora on a real cluster of two nodes: the same bytes."""

from __future__ import annotations

import functools
import gzip
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import corpora
from corpora import ClusterError, Corpus, CorpusError, TokenStream, ray_engine
from corpora.cli import app
from corpora.errors import warn
from corpora.parallel import map_shards
from tests.distributed.cluster import ROOT, Cluster

ray = pytest.importorskip("ray", reason="clusters need Ray")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 8000)
    monkeypatch.setattr(ray_engine, "PIECE_BYTES", 1000)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    draw = random.Random(0)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(1500):
            words = draw.choices(["The", "cat", "sät", "on", "mats.", "It", "slept."], k=4)
            file.write(" ".join([*words, f"w{draw.randrange(900)}"]) + "\n")
    return path


def die_once(tokens: list[str], mark: Path) -> list[str]:
    """Kill the process the first time that a certain word is read."""
    if tokens[-1] == "w77":
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return tokens
        os.kill(os.getpid(), signal.SIGKILL)
    return tokens


def slowly(tokens: list[str], started: Path) -> list[str]:
    started.touch()
    time.sleep(0.05)
    return tokens


def warn_and_count(corpus: Corpus) -> tuple[int, int]:
    n = sum(1 for _ in corpus)
    warn(f"{n} lines")
    return os.getpid(), n


def fail(corpus: Corpus) -> int:
    for document in corpus:
        if document[-1] == "w77":
            raise CorpusError("seventy-seven", path="a.txt", line=7)
    return 1


def always_dies(corpus: Corpus) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def with_argument(corpus: Corpus, argument: bytes) -> int:
    return len(argument)


def write_file(corpus: Corpus, folder: Path) -> str:
    name = f"{corpus.number}.txt"
    (folder / name).write_text(f"{folder}\n" + "x" * 3000)
    return name


def node_of(corpus: Corpus, joined: Path) -> str:
    if not joined.exists():
        time.sleep(0.3)
    return str(ray.get_runtime_context().get_node_id())


@pytest.mark.parametrize(
    ("memory", "clean", "compiled"),
    [(1 << 30, None, False), (1 << 12, "lower", False), (1 << 12, None, True)],
)
def test_counts(
    cluster: Cluster,
    text: Path,
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
    clean: str | None,
    compiled: bool,
) -> None:
    if compiled:
        monkeypatch.setattr("corpora.counting.counts.COMPILED_BYTES", 1)
    corpus = corpora.open(text, clean=clean)
    expected = corpora.count(corpus)
    counts = corpora.count(corpus, memory=memory, engine=cluster.address)
    assert counts == expected
    assert list(counts.words) == list(expected.words)


@pytest.mark.parametrize("compiled", [False, True])
def test_streams(
    cluster: Cluster, text: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiled: bool
) -> None:
    if compiled:
        monkeypatch.setattr("corpora.counting.counts.COMPILED_BYTES", 1)
    index = {word: i for i, word in enumerate(corpora.count(text, min_count=2).words)}
    expected = TokenStream.encode(text, index)
    found = TokenStream.encode(text, index, tmp_path / "a.tokens", engine=cluster.address)
    assert found.fingerprint() == expected.fingerprint()
    assert (found.n_raw, found.skipped) == (expected.n_raw, expected.skipped)


@pytest.mark.parametrize("is_seen", [True, False])
def test_files_of_tasks(cluster: Cluster, text: Path, tmp_path: Path, is_seen: bool) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)  # of this process only
    folder = (tmp_path if is_seen else Path(f"/proc/self/fd/{descriptor}")) / "files"
    try:
        names = list(map_shards(write_file, corpora.open(text), engine="ray", folder=folder))
    finally:
        os.close(descriptor)
    places = {(tmp_path / "files" / name).read_text().split("\n")[0] for name in names}
    assert len(names) > 3
    assert all(place.startswith(str(tmp_path)) == is_seen for place in places)
    assert {path.name for path in (tmp_path / "files").iterdir()} == {*names}


@pytest.mark.parametrize("command", ["clean", "count", "convert", "encode", "info"])
def test_commands(
    cluster: Cluster,
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    written = []
    for name, more in (("a", []), ("b", ["--engine", "ray", "--address", cluster.address])):
        out = tmp_path / f"{name}.jsonl"
        arguments = [command, str(text), *more]
        arguments += ["--json"] if command == "info" else ["--out", str(out)]
        arguments += ["--min-count", "2"] if command == "encode" else []
        app(arguments, standalone_mode=False)
        if command == "info":
            written.append({"": capsys.readouterr().out.encode()})
        else:
            files = [out] if out.is_file() else sorted(out.iterdir())
            written.append({path.name[1:]: path.read_bytes() for path in files})
    assert written[0] == written[1]
    names = {path.name for path in tmp_path.iterdir()}
    assert names <= {"a.jsonl", "b.jsonl"}


def test_a_killed_worker(
    cluster: Cluster, text: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = corpora.open(text)
    expected = corpora.count(plain)
    index = {word: i for i, word in enumerate(expected.words)}

    def dying(name: str) -> Corpus:
        mark = tmp_path / name
        return plain.map(functools.partial(die_once, mark=mark))

    assert corpora.count(dying("count"), engine=cluster.address) == expected
    stream = TokenStream.encode(dying("encode"), index, engine=cluster.address)
    assert stream.fingerprint() == TokenStream.encode(plain, index).fingerprint()
    from corpora.cli.writing import serialize

    blocks = serialize(
        dying("write"),
        "text",
        str(tmp_path / "out"),
        workers=None,
        engine=cluster.address,
        label="writing",
        skipped=[],
    )
    assert b"".join(blocks) == text.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"count", "encode", "write"}
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_always_dies(
    cluster: Cluster, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "ATTEMPTS", 1)
    with pytest.raises(ClusterError, match=r"a shard of .*a\.txt was begun 1 times"):
        list(map_shards(always_dies, corpora.open(text), engine=cluster.address))


def test_warnings_errors_and_processes(cluster: Cluster, text: Path) -> None:
    corpus = corpora.open(text)
    with pytest.warns(UserWarning, match="lines"):
        pids, counts = zip(*map_shards(warn_and_count, corpus, engine="ray"), strict=True)
    assert sum(counts) == 1500
    assert os.getpid() not in pids
    with pytest.raises(CorpusError, match=r"a\.txt, line 7: seventy-seven") as caught:
        list(map_shards(fail, corpus, engine=cluster.address))
    assert caught.value.line == 7
    assert "in fail" in str(caught.value.__cause__)


def test_bar(cluster: Cluster, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"progress": "counting", "force_bar": True, "engine": cluster.address}
    with pytest.warns(UserWarning, match="lines"):
        list(map_shards(warn_and_count, corpora.open(text), **options))  # type: ignore[arg-type]
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert re.search(r"counting on \d nodes", shown)


def test_nodes_that_join_and_die(cluster: Cluster, text: Path, tmp_path: Path) -> None:
    function = functools.partial(node_of, joined=tmp_path / "joined")
    results = map_shards(function, corpora.open(text), engine=cluster.address, shard_bytes=1500)
    nodes = {next(results)}
    added = cluster.add_node()
    for node in results:
        nodes.add(node)
        if len(nodes) == 3 and added in cluster.nodes:
            cluster.nodes.remove(added)
            os.kill(added, signal.SIGKILL)
            (tmp_path / "joined").touch()
    assert len(nodes) == 3
    assert added not in cluster.nodes


def test_an_interrupt(cluster: Cluster, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    code = (
        "import sys\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "import corpora\n"
        "from tests.distributed.test_shards import slowly\n"
        "from corpora.cli.options import Reading\n"
        "from corpora.cli import app\n"
        "opened = Reading.open\n"
        "function = partial(slowly, started=Path(sys.argv[3]))\n"
        "Reading.open = lambda self: opened(self).map(function)\n"
        "app(['clean', sys.argv[1], '--out', sys.argv[2], '--address', sys.argv[4]])\n"
    )
    started = tmp_path / "started"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(text), str(out), str(started), cluster.address],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    end = time.monotonic() + 40
    while not started.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip().endswith("interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["started"]
    started.unlink()
    time.sleep(0.5)
    assert not started.exists()  # the tasks were cancelled


def test_a_file_that_only_the_driver_sees(cluster: Cluster, text: Path) -> None:
    with open(text, "rb") as file:
        path = f"/proc/self/fd/{file.fileno()}"
        with pytest.raises(ClusterError, match=rf"{path} .* on the node {socket.gethostname()} "):
            corpora.count(corpora.open(path, "text"), engine=cluster.address)


def test_another_version(cluster: Cluster, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "program", lambda: ("9.9", "3.11"))
    with pytest.raises(ClusterError, match=rf"the node {socket.gethostname()} has version .*9\.9"):
        corpora.count(text, engine=cluster.address)


def test_too_small_an_object_store(cluster: Cluster, text: Path) -> None:
    function = functools.partial(with_argument, argument=bytes(150 << 20))
    with pytest.raises(ClusterError, match=r"151 MiB are needed, it has 100 MiB \(node"):
        map_shards(function, corpora.open(text), engine=cluster.address)


def test_a_corpus_that_can_be_read_once(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="can be read only once"):
        corpora.count(corpora.open(iter([["a"]])), engine=cluster.address)


def test_a_corpus_that_cannot_be_cut(cluster: Cluster, text: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.txt.gz", "wb") as file:
        file.write(text.read_bytes())
    corpus = corpora.open(tmp_path / "a.txt.gz")
    run = functools.partial(map_shards, str, corpus, engine=cluster.address)
    with pytest.warns(UserWarning, match=r"a\.txt\.gz can't be cut, so that one CPU"):
        list(run(shard_bytes=1000))
    list(run(shard_bytes=1 << 20))


def test_documents_in_memory(cluster: Cluster) -> None:
    documents = [["a", "b"], ["a"]]
    assert corpora.count(documents, engine=cluster.address) == corpora.count(documents)


def test_another_cluster(cluster: Cluster, text: Path) -> None:
    with pytest.raises(ClusterError, match=r"connected to the Ray cluster at .*, not 1\.2\.3\.4:5"):
        corpora.count(text, engine="1.2.3.4:5")


class TestWithoutConnection:
    @pytest.fixture(autouse=True)
    def not_connected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def test_nobody_answers(self, text: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(ClusterError, match=rf"no Ray cluster answers at 127.0.0.1:{port}"):
            corpora.count(text, engine=f"127.0.0.1:{port}")

    def test_no_answer_in_time(self, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray_engine, "SECONDS", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with pytest.raises(ClusterError, match="no answer in time"):
                corpora.count(text, engine=f"127.0.0.1:{port}")

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)),  # settings of HTTP/2, and then nothing
            # and headers: the status 404
            bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)) + bytes((0, 0, 1, 1, 5, 0, 0, 0, 1, 0x8D)),
        ],
    )
    def test_something_else_answers(self, text: Path, answer: bytes) -> None:
        def serve(server: socket.socket) -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=serve, args=(server,))
            thread.start()
            with pytest.raises(ClusterError, match="is not a Ray cluster"):
                corpora.count(text, engine=f"127.0.0.1:{server.getsockname()[1]}")
            thread.join()

    @pytest.mark.parametrize(
        ("address", "mode", "is_stored", "expected"),
        [
            (None, "", False, True),
            (None, "token", False, True),
            (None, "disabled", False, False),
            (None, "", True, False),
            ("auto", "", False, False),
        ],
    )
    def test_a_token_of_a_cluster_that_is_started(
        self,
        text: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        address: str | None,
        mode: str,
        is_stored: bool,
        expected: bool,
    ) -> None:
        """Ray finds a token in the environment, and writes none to the home of the user."""
        tokens = []

        def init(*_: object, **__: object) -> None:
            tokens.append(os.environ["RAY_AUTH_TOKEN"])
            raise RuntimeError("stopped")

        for name, value in (
            ("HOME", str(tmp_path)), ("RAY_TMPDIR", str(tmp_path)), ("RAY_AUTH_TOKEN", ""),
            ("RAY_ADDRESS", address or ""),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        if mode:
            monkeypatch.setenv("RAY_AUTH_MODE", mode)
        if is_stored:
            (tmp_path / ".ray").mkdir()
            (tmp_path / ".ray" / "auth_token").write_text("x")
        monkeypatch.setattr(ray, "init", init)
        with pytest.raises(ClusterError, match="stopped"):
            corpora.count(text, engine="ray")
        assert bool(tokens[0]) == expected
        assert len(tokens[0]) in (0, 64)

    def test_another_python(self, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def init(*_: object, **__: object) -> None:
            raise RuntimeError("Version mismatch: The cluster was started with:\n Python: 3.9.1")

        monkeypatch.setattr(ray, "init", init)
        with pytest.raises(ClusterError, match=r"another version of Python or Ray .* 3\.9\.1"):
            corpora.count(text, engine="ray")
