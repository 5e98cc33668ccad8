"""Training on shards on the nodes of a Ray cluster: an actor for each shard.

The driver sends the rounds of a cycle at once, and waits for its end. Changes go from actor to
actor through Ray's object store. A cycle counts once all actors have received its merged changes;
until then they can go back to the weights before. If an actor or node dies, the others go back, a
new actor gets their weights, and the cycle is repeated: with the same bits.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from conec.training.shards import ROUNDS, Changes, Shard, ShardedTraining, Shared, Slice, Weights
from corpora.errors import ClusterError
from corpora.ray_engine import ATTEMPTS, connect, program, require_object_store

if TYPE_CHECKING:
    from corpora.encoding import TokenStream

logger = logging.getLogger(__name__)

_SECONDS = 60.0  # for a living actor to end a round and answer


def default_shards(engine: str, n_threads: int) -> int:
    """Number of shards that use all CPUs of a cluster, with `n_threads` for each.

    Raises
    ------
    ValueError, ImportError, ClusterError
        As `corpora.ray_engine.connect`, and if no node has a CPU.
    """
    return max(1, sum(_nodes(connect(engine)).values()) // n_threads)


def _nodes(ray: Any) -> dict[str, int]:
    """CPUs of the nodes by id."""
    nodes = {
        node["NodeID"]: int(node["Resources"].get("CPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    }
    nodes = {node: cpus for node, cpus in nodes.items() if cpus}
    if not nodes:
        raise ClusterError(
            "no node of the Ray cluster has a CPU for training: start nodes with `ray start "
            "--address=HOST:PORT`"
        )
    return nodes


@dataclass
class _Actor:
    handle: Any
    node: str


class ClusterShards(ShardedTraining):
    """Training on shards on the nodes of a cluster; parameters as for `ShardedTraining`.

    Parameters
    ----------
    engine : str
        As for `corpora.ray_engine.connect`.
    """

    def __init__(
        self,
        weights: Weights,
        stream: TokenStream,
        shared: Shared,
        engine: str,
    ) -> None:
        super().__init__(weights, stream, shared)
        self._ray = connect(engine)
        self._actors: list[_Actor | None] = [None] * self.plan.n_shards
        self._complete = 0  # cycles

    @property
    def figures(self) -> dict[str, str]:
        """Figures of progress."""
        nodes = {actor.node for actor in self._actors if actor is not None}
        return {"nodes": str(len(nodes)), **super().figures}

    def train_cycle(self, epoch: int, cycle: int) -> tuple[float, int]:
        """Train a cycle on all shards; return the sum of the losses and the positions."""
        for attempt in range(ATTEMPTS):
            try:
                if cycle == 0 and not attempt:
                    self._use_new_nodes()
                return self._train_cycle(epoch, cycle)
            except self._ray.exceptions.RayError as error:
                self._recover(error, last=attempt + 1 == ATTEMPTS)
        raise AssertionError("the last attempt raises an error")

    def _train_cycle(self, epoch: int, cycle: int) -> tuple[float, int]:
        actors, n = self._placed(), self.plan.n_shards
        merged: list[Any] = []
        results = []
        for number in range(ROUNDS):
            # References are sent in lists, so that actors don't wait for them before they train.
            rounds = [
                actor.train.options(num_returns=n + 1).remote(
                    self._complete, epoch, cycle, number, merged
                )
                for actor in actors
            ]
            merged = [
                actor.merge.remote([changes[k + 1] for changes in rounds])
                for k, actor in enumerate(actors)
            ]
            results += [changes[0] for changes in rounds]
        received = [actor.receive.remote(merged) for actor in actors]
        figures = self._ray.get(results)
        sent = self._ray.get(received)
        self._complete += 1
        self._count(sum(n_bytes for *_, n_bytes in figures) + sum(sent))
        return sum(loss for loss, *_ in figures), sum(n for _, n, _ in figures)

    def collect(self) -> None:
        """Copy the common weights of the last complete cycle to W1 and W2."""
        if not self._complete:
            return
        for attempt in range(ATTEMPTS):
            try:
                first = self._placed()[0]
                weights = self._ray.get(first.weights.remote(self._complete))
                break
            except self._ray.exceptions.RayError as error:
                self._recover(error, last=attempt + 1 == ATTEMPTS)
        for W, common in zip(self._weights, weights, strict=True):
            W[:] = common

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            if actor is not None:
                self._end(actor)
        self._actors = [None] * len(self._actors)

    # Actors

    def _placed(self) -> list[Any]:
        """Handles of all actors; those that are missing are started."""
        missing = [k for k, actor in enumerate(self._actors) if actor is None]
        if missing:
            self._start(missing)
        return [actor.handle for actor in self._actors if actor is not None]

    def _start(self, numbers: Sequence[int]) -> None:
        """Start actors for shards, each on the node with the most CPUs for one more.

        Raises
        ------
        ClusterError
            If a node can't train, or its object store is too small.
        """
        ray, nodes = self._ray, _nodes(self._ray)
        used = self._used()
        places = {}
        for k in numbers:
            places[k] = min(nodes, key=lambda node: (used[node] + 1) / nodes[node])
            used[places[k]] += 1
        self._require_object_stores(used)
        others = [actor for actor in self._actors if actor is not None]
        weights: Any = self._weights
        if self._complete and others:
            weights = others[0].handle.weights.remote(self._complete)
        else:
            weights = ray.put(weights)
        shared = ray.put(self._shared)
        groups = {"train": 1, "merge": 1}  # threads
        worker = ray.remote(num_cpus=0, concurrency_groups=groups)(_worker_class())
        started = []
        for k, node in places.items():
            tokens = Slice.of(self._stream, k, self.plan.n_shards)
            tokens = ray.put(Slice(np.asarray(tokens.ids), tokens.offsets))
            self._stream.release()
            strategy = import_module("ray.util.scheduling_strategies")
            handle = worker.options(
                scheduling_strategy=strategy.NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote()
            self._actors[k] = _Actor(handle, node)
            references = [tokens, weights, shared]
            started.append(handle.start.remote(program(), k, self.plan, references, self._complete))
        for problem in ray.get(started):
            if problem is not None:
                raise ClusterError(f"a node can't train: {problem}")
        logger.info("%d shards on %d nodes", len(self._actors), len(+self._used()))

    def _require_object_stores(self, used: Counter[str]) -> None:
        """Raise ClusterError if a node can't hold the tokens of its shards and the weights."""
        n_tokens = self.plan.n_tokens * self._stream.ids.itemsize
        for node in self._ray.nodes():
            n_shards = used[node["NodeID"]]
            if n_shards:
                needed = n_shards * n_tokens + sum(W.nbytes for W in self._weights)
                require_object_store(node, f"the weights and {n_shards} shards", needed)

    def _used(self) -> Counter[str]:
        """Number of actors of each node."""
        return Counter(actor.node for actor in self._actors if actor is not None)

    def _use_new_nodes(self) -> None:
        """Move shards to nodes that joined, as long as this makes the busiest node less busy."""
        if None in self._actors:
            return
        nodes, used = _nodes(self._ray), self._used()
        moved = []
        while True:
            busiest = max(nodes, key=lambda node: used[node] / nodes[node])
            idlest = min(nodes, key=lambda node: (used[node] + 1) / nodes[node])
            if (used[idlest] + 1) / nodes[idlest] >= used[busiest] / nodes[busiest]:
                break
            k = next(
                k
                for k, actor in enumerate(self._actors)
                if actor is not None and actor.node == busiest and k not in moved
            )
            moved.append(k)
            used[busiest] -= 1
            used[idlest] += 1
        if moved and len(moved) < len(self._actors):
            for k in moved:
                actor = self._actors[k]
                assert actor is not None
                self._end(actor)
                self._actors[k] = None
            self._start(moved)

    def _recover(self, error: BaseException, *, last: bool) -> None:
        """Take all actors back to the end of the last complete cycle, and drop the dead.

        Raises
        ------
        ClusterError
            If this was the last attempt, no actor lives, or the error is not that of a dead actor.
        """
        answers = [
            None if actor is None else actor.handle.undo.remote(self._complete)
            for actor in self._actors
        ]
        n_before = sum(actor is not None for actor in self._actors)
        for k, answer in enumerate(answers):
            try:
                self._ray.get(answer, timeout=_SECONDS)
            except (self._ray.exceptions.RayError, TypeError):
                actor, self._actors[k] = self._actors[k], None
                if actor is not None:
                    self._end(actor)
        n_alive = sum(actor is not None for actor in self._actors)
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        if n_alive == n_before and isinstance(error, self._ray.exceptions.RayTaskError):
            raise ClusterError(f"a node can't train: {reason}") from error
        if last or (self._complete and not n_alive):
            raise ClusterError(
                f"training can't go on: {n_before - n_alive} of {n_before} shards were lost "
                f"({reason}). Continue from the last checkpoint with resume_from"
            ) from error
        logger.warning(
            "%d of %d shards were lost (%s): training goes on from the last merge",
            n_before - n_alive, n_before, reason,
        )  # fmt: skip

    def _end(self, actor: _Actor) -> None:
        with suppress(Exception):
            self._ray.kill(actor.handle)


def _worker_class() -> type:
    """Return the class of actors.

    It is sent as code, since it is nested: a node that lacks this project can still report it.
    """
    method = import_module("ray").method

    class Worker:
        @method(concurrency_group="train")  # type: ignore[untyped-decorator,unused-ignore]
        def start(self, expected: tuple[str, str], *args: Any) -> str | None:
            """Prepare the shard; return why this node can't train, if it can't."""
            try:
                from corpora import ray_engine

                ray_engine.require_program(expected)
                from conec.training.cluster import ShardOnNode
            except Exception as error:
                return str(error)
            self._shard = ShardOnNode(*args)
            return None

        @method(concurrency_group="train")  # type: ignore[untyped-decorator,unused-ignore]
        def train(self, *args: Any) -> Any:
            return self._shard.train(*args)

        @method(concurrency_group="merge")  # type: ignore[untyped-decorator,unused-ignore]
        def merge(self, changes: list[Any]) -> Any:
            return self._shard.merge(changes)

        @method(concurrency_group="train")  # type: ignore[untyped-decorator,unused-ignore]
        def receive(self, merged: list[Any]) -> int:
            return self._shard.receive(merged)

        @method(concurrency_group="train")  # type: ignore[untyped-decorator,unused-ignore]
        def undo(self, complete: int) -> None:
            self._shard.undo(complete)

        @method(concurrency_group="train")  # type: ignore[untyped-decorator,unused-ignore]
        def weights(self, complete: int) -> Any:
            return self._shard.weights(complete)

    return Worker


class ShardOnNode:
    """A shard in its process on a node; references are of Ray's object store.

    Parameters
    ----------
    number : int
    plan : Plan
    references : list
        Of the tokens, the weights, and `Shared`.
    complete : int
        Cycles that were complete when the shard was started.
    """

    def __init__(self, number: int, plan: Any, references: list[Any], complete: int) -> None:
        self._get = import_module("ray").get
        tokens, weights, shared = self._get(references)
        self._shard = Shard(number, plan, tokens, weights, shared)
        self._complete = complete
        self._next_round = 0
        self._received: list[Changes] = []

    def train(
        self, complete: int, epoch: int, cycle: int, number: int, merged: list[Any]
    ) -> tuple[Any, ...]:
        """Train a round; return the loss, positions and bytes sent, and changes for each shard."""
        if number == 0:
            self._settle(complete)
        if number != self._next_round:
            raise RuntimeError("an earlier round of the cycle failed")
        self._next_round = -1  # until the round has succeeded
        result = self._shard.train(epoch, cycle, number, lambda: self._get(merged))
        self._next_round = number + 1
        n_bytes = sum(changes.nbytes for changes in result.changes)
        return (result.loss, result.n_positions, n_bytes), *result.changes

    def merge(self, changes: list[Any]) -> Changes:
        """Merge changes of this shard's rows."""
        return self._shard.merge(self._get(changes))

    def receive(self, merged: list[Any]) -> int:
        """Hold the merged changes at the end of a cycle; return their bytes."""
        if self._next_round != ROUNDS:
            raise RuntimeError("an earlier round of the cycle failed")
        self._received = self._get(merged)
        return sum(changes.nbytes for changes in self._received)

    def undo(self, complete: int) -> None:
        """Go back to the end of the last complete cycle."""
        if self._complete == complete:
            self._shard.undo_cycle()
        self._settle(complete)

    def weights(self, complete: int) -> Weights:
        """The common weights at the end of the last complete cycle."""
        self._settle(complete)
        return self._shard.common

    def _settle(self, complete: int) -> None:
        """End the cycle if it is complete: if all shards have received the changes."""
        if self._complete < complete:
            self._shard.end_cycle(self._received)
            self._complete = complete
        self._received = []
        self._next_round = 0
