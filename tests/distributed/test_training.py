"""Training on a real cluster of two nodes: the bits of training on shards in one process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from gensim.test.utils import datapath

import conec
from conec import ContextEncoder
from conec.cli import app
from conec.training import cluster as module
from conec.training.cluster import ClusterShards
from corpora.errors import ClusterError
from tests.distributed.cluster import Cluster

ray = pytest.importorskip("ray", reason="clusters need Ray")
pytestmark = pytest.mark.slow

LEE = datapath("lee_background.cor")
N_SHARDS = 3


def make(vector_size: int = 16) -> ContextEncoder:
    return ContextEncoder(vector_size=vector_size, min_count=2, epochs=2, sample=0, seed=3)


def assert_same_bits(one: ContextEncoder, other: ContextEncoder) -> None:
    assert one.W1.tobytes() == other.W1.tobytes()
    assert one.W2.tobytes() == other.W2.tobytes()
    assert one.loss_history_ == other.loss_history_


@pytest.fixture(scope="module")
def whole() -> ContextEncoder:
    return make().build_vocab(LEE).train(LEE, n_shards=N_SHARDS, learn_map=False)


def train(address: str, **options: object) -> ContextEncoder:
    model = make().build_vocab(LEE)
    return model.train(LEE, n_shards=N_SHARDS, learn_map=False, engine=address, **options)  # type: ignore[arg-type]


def test_the_same_bits(cluster: Cluster, whole: ContextEncoder) -> None:
    assert_same_bits(train(cluster.address), whole)


def process(actor: Any) -> int:
    return int(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())))


def test_workers_and_nodes_that_die_and_join(
    cluster: Cluster, whole: ContextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers: one in a round, one before all have received a merge, one after that."""
    original, killed, nodes = ClusterShards._train_cycle, [], []

    def die_late(worker: Any) -> int:
        def receive(merged: object) -> None:
            time.sleep(0.3)  # others receive it
            os.kill(os.getpid(), signal.SIGKILL)

        worker._shard.receive = receive
        return os.getpid()

    def kill(self: ClusterShards, epoch: int, cycle: int) -> tuple[float, int]:
        moment = len(killed)
        actor = self._placed()[moment]
        if moment == 1:
            killed.append(ray.get(actor.__ray_call__.remote(die_late)))
            return original(self, epoch, cycle)
        killed.append(process(actor))
        if moment == 0:
            actor.train.options(num_returns=N_SHARDS + 1).remote(self._complete, 0, 1, 0, [])
            os.kill(killed[-1], signal.SIGKILL)
            return original(self, epoch, cycle)
        result = original(self, epoch, cycle)
        os.kill(killed[-1], signal.SIGKILL)
        return result

    def disturb(self: ClusterShards, epoch: int, cycle: int) -> tuple[float, int]:
        if (epoch, cycle) == (0, 1) and len(killed) < 3:
            return kill(self, epoch, cycle)
        result = original(self, epoch, cycle)
        if (epoch, cycle) == (0, 0):
            nodes.append(self.figures["nodes"])
            cluster.add_node()
        elif (epoch, cycle) == (1, 0):
            nodes.append(self.figures["nodes"])
            os.kill(cluster.nodes.pop(), signal.SIGKILL)
        return result

    monkeypatch.setattr(ClusterShards, "_train_cycle", disturb)
    assert_same_bits(train(cluster.address), whole)
    assert len({*killed}) == 3
    assert nodes == ["2", "3"]


def test_an_interrupted_command_is_resumed(
    cluster: Cluster, whole: ContextEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = ClusterShards._train_cycle

    def interrupt(self: ClusterShards, epoch: int, cycle: int) -> tuple[float, int]:
        result = original(self, epoch, cycle)
        if (epoch, cycle) == (1, 0):
            os.kill(os.getpid(), signal.SIGINT)
        return result

    command = ["train", LEE, "--out", str(tmp_path / "model"), "--address", cluster.address]
    options = f"--vector-size 16 --min-count 2 --epochs 2 --sample 0 --seed 3 --shards {N_SHARDS}"
    monkeypatch.setattr(ClusterShards, "_train_cycle", interrupt)
    assert app([*command, *options.split()], standalone_mode=False) == 130
    monkeypatch.setattr(ClusterShards, "_train_cycle", original)
    app([*command, "--resume"], standalone_mode=False)
    assert_same_bits(conec.load(tmp_path / "model"), whole)


def test_an_object_store_that_is_too_small(cluster: Cluster) -> None:
    model = make(vector_size=4000).build_vocab(LEE)
    with pytest.raises(ClusterError, match=r"too small for the weights and . shards: \d+ MiB are"):
        model.train(LEE, n_shards=N_SHARDS, learn_map=False, engine=cluster.address)


def test_all_actors_die(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ClusterShards._train_cycle

    def kill(self: ClusterShards, epoch: int, cycle: int) -> tuple[float, int]:
        if cycle:
            for actor in self._placed():
                ray.kill(actor)
        return original(self, epoch, cycle)

    monkeypatch.setattr(ClusterShards, "_train_cycle", kill)
    with pytest.raises(ClusterError, match=r"3 of 3 shards were lost .*Continue from the last"):
        train(cluster.address)


def test_another_version(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "program", lambda: ("9.9", "3.11"))
    with pytest.raises(ClusterError, match=r"has version .*, but the driver has version 9\.9"):
        train(cluster.address)
