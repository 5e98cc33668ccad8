"""PyKEEN: its evaluator on the scores of a LinkPredictor, and its speed on the same model."""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
import torch

from benchmarks.links.data import Graph
from simec.links.queries import Queries, both_ways

TRIPLES = 500  # the first test triples
THEIR_MRR = "both.realistic.inverse_harmonic_mean_rank"


SPEED: dict[str, Any] = {"n_components": 200, "batch_size": 250, "learning_rate": 0.1}
ROUNDS = 3
SPEED_TRIPLES = 20_000


def _without_torchvision() -> None:
    """PyKEEN works without torchvision, but not with one that was built for another torch."""
    try:
        import torchvision  # noqa: F401
    except Exception:
        sys.modules["torchvision"] = None  # type: ignore[assignment]


def evaluator() -> Any:
    """PyKEEN's evaluator of ranks, or None if it is not installed."""
    _without_torchvision()
    try:
        from pykeen.evaluation import RankBasedEvaluator
    except ImportError:
        return None
    return RankBasedEvaluator(filtered=True)


def difference(predictor: Any, graph: Graph) -> dict[str, float]:
    """Difference of filtered MRRs, ours and PyKEEN's, on some test triples; None without PyKEEN."""
    theirs = evaluator()
    if theirs is None:
        return {}
    k = len(graph.relations)
    tested = graph.test[:TRIPLES]
    # ids of the predictor are those of the graph, but relations are sorted
    relation = {r: i for i, r in enumerate(predictor.relations_)}
    order = np.array([relation.get(r, -1) for r in graph.relations])
    known, tested = (
        np.stack([t[:, 0], order[t[:, 1]], t[:, 2]], 1)
        for t in (np.concatenate([graph.train, graph.valid, tested]), tested)
    )
    k = len(relation)
    holds = Queries.of(both_ways(known, k))
    score = predictor.network_.scorer(predictor.embeddings_)
    for links, side in zip(np.split(both_ways(tested, k), 2), ("tail", "head"), strict=True):
        h, r, t = (torch.from_numpy(np.ascontiguousarray(column)) for column in links.T)
        scores = score(h, r)
        true = scores.gather(1, t[:, None])
        rows, answers = holds.find(links[:, 0], links[:, 1])
        others = answers != links[rows, 2]
        scores[rows[others], answers[others]] = torch.nan
        theirs.process_scores_(
            torch.from_numpy(tested), target=side, scores=scores, true_scores=true
        )
    mrr = theirs.finalize().get_metric(THEIR_MRR)
    some = [(graph.entities[h], predictor.relations_[r], graph.entities[t]) for h, r, t in tested]
    return {"pykeen_difference": abs(mrr - predictor.evaluate(some).measures()["mrr"])}


def speed(graph: Graph) -> dict[str, float]:
    """Training triples per CPU second, ours and PyKEEN's, on the same model on one core.

    ComplEx with reciprocal relations, softmax over all entities (in PyKEEN: LCWA with cross
    entropy), Adagrad, `SPEED`, no regularization. One epoch of each in turn, `ROUNDS` times; the
    ratio is the median over rounds. Each epoch is the second one of a run, so that neither setting
    up nor warming up counts. Of a graph with more than `SPEED_TRIPLES` triples, that many are used,
    with all entities as candidates. `ours_sampled` scores 4,000 sampled entities and those of the
    batch, as the defaults do in graphs of more than 10,000 entities.
    """
    torch.set_num_threads(1)
    order = np.random.default_rng(0).permutation(len(graph.train))
    graph = graph._replace(train=graph.train[np.sort(order[:SPEED_TRIPLES])])
    m = len(graph.train)
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        epochs = {"ours": _our_epoch(graph, None), "pykeen": _their_epoch(graph)}
        if len(graph.entities) > 10_000:
            epochs["ours_sampled"] = _our_epoch(graph, 4000)
        for name, seconds in epochs.items():
            rates.setdefault(name, []).append(m / seconds)
    figures = {f"triples_per_s.{name}": statistics.median(r) for name, r in rates.items()}
    for name in rates.keys() - {"pykeen"}:
        ratios = [a / b for a, b in zip(rates[name], rates["pykeen"], strict=True)]
        figures[f"ratio.{name}"] = statistics.median(ratios)
    return figures


def _our_epoch(graph: Graph, n_negatives: int | None) -> float:
    from simec.links import LinkPredictor

    ends: list[float] = []
    predictor = LinkPredictor(
        **SPEED, n_negatives=n_negatives, n3=0.0, dropout=0.0, max_iter=2, average=False,
        random_state=0, device="cpu",
    )  # fmt: skip
    predictor.fit(
        graph.triples("train"), entities=graph.entities,
        callbacks=lambda _: ends.append(time.process_time()),
    )  # fmt: skip
    return ends[1] - ends[0]


def _their_epoch(graph: Graph) -> float:
    _without_torchvision()
    from pykeen.models import ComplEx
    from pykeen.training import LCWATrainingLoop
    from pykeen.training.callbacks import TrainingCallback
    from pykeen.triples import CoreTriplesFactory

    ends: list[float] = []

    class Clock(TrainingCallback):  # type: ignore[misc]
        def post_epoch(self, *_: Any, **__: Any) -> None:
            ends.append(time.process_time())

    triples = CoreTriplesFactory.create(
        torch.from_numpy(graph.train), num_entities=len(graph.entities),
        num_relations=len(graph.relations), create_inverse_triples=True,
    )  # fmt: skip
    model = ComplEx(
        triples_factory=triples, embedding_dim=int(SPEED["n_components"]) // 2,
        loss="crossentropy", random_seed=0,
    )  # fmt: skip
    optimizer = torch.optim.Adagrad(model.parameters(), lr=SPEED["learning_rate"])
    LCWATrainingLoop(model=model, triples_factory=triples, optimizer=optimizer).train(
        triples, num_epochs=2, batch_size=int(SPEED["batch_size"]), callbacks=Clock(),
        use_tqdm=False, use_tqdm_batch=False,
    )  # fmt: skip
    return ends[1] - ends[0]
