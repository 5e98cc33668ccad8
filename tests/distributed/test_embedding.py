"""Embeddings of tokens on a real cluster of two nodes: the same bits."""

from __future__ import annotations

import contextlib
import copy
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conec import ContextEncoder
from conec import embedding as module
from conec.cli import app, vector_shards
from conec.contexts import occurrences
from conec.senses import induction
from tests.distributed.cluster import Cluster

pytest.importorskip("ray", reason="clusters need Ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def documents() -> list[list[str]]:
    draw = random.Random(0)
    words = [f"w{n}" for n in range(60)]
    return [draw.choices(words, k=draw.randrange(1, 40)) for _ in range(600)]


@pytest.fixture(scope="module")
def model(documents: list[list[str]]) -> ContextEncoder:
    model = ContextEncoder(vector_size=16, epochs=1, min_count=1, seed=0, workers=1)
    model.fit(documents)
    model.learn_map(documents)
    return model


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "batches", lambda texts: ([text] for text in texts))
    monkeypatch.setattr(module, "_SENT_BYTES", 4 * 16 * module.BATCH_TOKENS * 30)


class DiesOnce(ContextEncoder):
    """A model that kills its process when it is first unpickled."""

    mark: Path

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("a", [0.0, 0.8])
@pytest.mark.parametrize("is_shared", [True, False])
def test_documents(
    cluster: Cluster,
    model: ContextEncoder,
    documents: list[list[str]],
    tmp_path: Path,
    a: float,
    is_shared: bool,
) -> None:
    texts: list[list[str]] = [*documents, [], ["unknown", "w1"]]
    expected = list(model.embed_batch(texts, a))
    folder = tmp_path if is_shared else None
    found = list(model.embed_batch(texts, a, engine=cluster.address, folder=folder))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(vectors.flags.writeable for vectors in found)
    assert not list(tmp_path.iterdir())


def test_documents_are_read_as_results_are_taken(
    cluster: Cluster, model: ContextEncoder, documents: list[list[str]]
) -> None:
    read = 0

    def source() -> Iterator[list[str]]:
        nonlocal read
        for document in documents:
            read += 1
            yield document

    vectors = model.embed_batch(source(), engine=cluster.address)
    next(vectors)
    assert read <= 8 * 30
    vectors.close()


def test_invalid_documents(cluster: Cluster, model: ContextEncoder) -> None:
    with pytest.raises(TypeError, match="document 1"):
        list(model.embed_batch([["a"], ["b", 3]], engine=cluster.address))  # type: ignore[list-item]


def test_a_killed_worker(
    cluster: Cluster, model: ContextEncoder, documents: list[list[str]], tmp_path: Path
) -> None:
    dying = object.__new__(DiesOnce)
    dying.__dict__.update(model.__getstate__())
    dying.mark = tmp_path / "mark"
    expected = list(model.embed_batch(documents[:90]))
    found = list(dying.embed_batch(documents[:90], engine=cluster.address))
    assert dying.mark.exists()
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


@pytest.mark.parametrize("memory", [1 << 30, 1 << 10])
def test_global_contexts(
    cluster: Cluster, model: ContextEncoder, documents: list[list[str]], memory: int
) -> None:
    expected = model.global_contexts(documents, memory=memory)
    found = model.global_contexts(documents, memory=memory, engine=cluster.address)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("size", [16, 100])
def test_map_and_senses(
    cluster: Cluster,
    documents: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    monkeypatch.setattr(occurrences, "SENT_TOKENS", 3000)
    monkeypatch.setattr(induction, "_SENT", 10)
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(document) + "\n" for document in documents))
    model = ContextEncoder(vector_size=size, epochs=1, min_count=1, seed=0, workers=1)
    model.fit(text)
    expected, found = (
        copy.deepcopy(model).learn_map(text, engine=engine).build_senses(text, engine=engine)
        for engine in (None, cluster.address)
    )
    np.testing.assert_array_equal(found.context_embeddings, expected.context_embeddings)
    for of_found, of_expected in (
        (found.context_map, expected.context_map),
        (found.sense_inventory, expected.sense_inventory),
    ):
        arrays = of_expected.arrays()
        assert arrays
        for name, array in arrays.items():
            np.testing.assert_array_equal(of_found.arrays()[name], array)


@pytest.mark.parametrize("clean", [[], ["--clean", "lower"]])
def test_command(
    cluster: Cluster,
    model: ContextEncoder,
    documents: list[list[str]],
    tmp_path: Path,
    clean: list[str],
) -> None:
    model.save(tmp_path / "model")
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(document) + "\n" for document in documents))
    command = ["embed", str(tmp_path / "model"), str(text), *clean]
    app([*command, "--out", str(tmp_path / "a.tsv")], standalone_mode=False)
    more = ["--address", cluster.address, "--out", str(tmp_path / "b.tsv")]
    app([*command, *more], standalone_mode=False)
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()


@pytest.fixture
def killed(cluster: Cluster) -> Iterator[list[int]]:
    """Kill a process of the cluster while it does a task; its id is added to the list."""
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        while not (killed or ended.is_set()):
            for number in cluster.processes():
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{number}/cmdline").read_bytes().startswith(b"ray::task"):
                        os.kill(number, signal.SIGKILL)
                        killed.append(number)
                        break

    thread = threading.Thread(target=kill)
    thread.start()
    yield killed
    ended.set()
    thread.join()


@pytest.mark.parametrize("phase", ["contexts", "map", "senses"])
def test_a_worker_killed_in_a_phase(
    cluster: Cluster,
    model: ContextEncoder,
    documents: list[list[str]],
    killed: list[int],
    phase: str,
) -> None:
    def run(engine: str | None) -> np.ndarray:
        copied = copy.deepcopy(model)
        if phase == "contexts":
            return np.asarray(copied.global_contexts(documents, engine=engine).data)
        if phase == "map":
            return copied.learn_map(documents, engine=engine).context_map.weights
        return copied.build_senses(documents, engine=engine).sense_inventory.centers

    expected = run(None)
    for _ in range(50):  # a short task may end before it is seen
        np.testing.assert_array_equal(run(cluster.address), expected)
        if killed:
            return
    raise AssertionError("no worker was killed")


class DiesWithAShard(ContextEncoder):
    """A model that kills its process when it first embeds a certain shard."""

    mark: Path

    def embed_packed(self, *arguments: Any, **options: Any) -> Any:
        if (self.mark.parent / "shards.partial" / "00001.npz").exists():
            try:
                self.mark.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_packed(*arguments, **options)


def test_files_of_shards(
    cluster: Cluster,
    model: ContextEncoder,
    documents: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vector_shards, "SHARD_BYTES", 6000)
    dying = object.__new__(DiesWithAShard)
    dying.__dict__.update(model.__getstate__())
    dying.mark = tmp_path / "mark"
    model.save(tmp_path / "model")
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(document) + "\n" for document in documents))
    command = ["embed", str(tmp_path / "model"), str(text), "--shards", "npz", "--out"]
    app([*command, str(tmp_path / "local")], standalone_mode=False)
    # the package has the command under the name of the module
    monkeypatch.setattr(sys.modules["conec.cli.embed"], "load_model", lambda _: dying)
    app([*command, str(tmp_path / "shards"), "--address", cluster.address], standalone_mode=False)
    assert dying.mark.exists()
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("local", "shards")
    ]
    assert len(written[0]) > 5
    assert written[0] == written[1]
    assert not (tmp_path / "shards.partial").exists()
