"""PyKEEN's evaluator on the scores of a LinkPredictor, to check that the measures agree."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch

from benchmarks.links.data import Graph
from simec.links.queries import Queries, both_ways

TRIPLES = 500  # the first test triples
THEIR_MRR = "both.realistic.inverse_harmonic_mean_rank"


def evaluator() -> Any:
    """PyKEEN's evaluator of ranks, or None if it is not installed."""
    try:
        import torchvision  # noqa: F401
    except Exception:
        # PyKEEN works without it, but not with one built for another torch
        sys.modules["torchvision"] = None  # type: ignore[assignment]
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
