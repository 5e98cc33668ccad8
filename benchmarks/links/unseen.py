"""Links of entities that training has not seen, by their glosses (WN18RR)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.links import data as links_data
from benchmarks.links.data import Graph, IntArray
from simec.links.evaluation import measures, ranks
from simec.links.queries import Queries, both_ways

SHARE = 0.05  # share of entities that are left out
PARAMETERS: dict[str, Any] = {
    "n_components": 100, "n3": 0.0, "dropout": 0.2, "batch_size": 500, "n_negatives": 4000,
    "max_iter": 12, "n_iter_no_change": 3,
}  # fmt: skip


def run(
    graph: Graph, seed: int, data: str | Path | None = None, *, quick: bool = False
) -> dict[str, float]:
    """One seed.

    Entities are drawn, and all of their triples are left out of training and validation. Queries
    ask for the other entity of each of these triples, given the new entity's gloss (`given`), and
    for the new entity, given the other one (`asked`); ranks are among all entities, filtered by all
    triples.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    from simec.links import LinkPredictor

    n, k = len(graph.entities), len(graph.relations)
    is_new = np.zeros(n, bool)
    is_new[np.random.default_rng(seed).permutation(n)[: round(SHARE * n)]] = True
    old, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
    texts = links_data.texts(graph.entities, data)
    vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32)
    vectorizer.fit([texts[i] for i in old])
    X = vectorizer.transform(texts)
    seen = {}
    for split in ("train", "valid"):
        triples = graph.triples(split)
        seen[split] = [triples[i] for i in np.flatnonzero(_without(graph, split, is_new))]
    parameters = {**PARAMETERS, **({"max_iter": 5, "n_components": 50} if quick else {})}
    predictor = LinkPredictor(**parameters, random_state=seed, device="cpu", verbose=True)
    start = time.process_time()
    predictor.fit(
        seen["train"], seen["valid"], entities=[graph.entities[i] for i in old], features=X[old]
    )
    seconds = time.process_time() - start
    predictor.add_entities([graph.entities[i] for i in new], X[new])
    every = np.concatenate([graph.train, graph.valid, graph.test])
    touched = every[is_new[every[:, 0]] != is_new[every[:, 2]]]
    touched = touched[np.isin(touched[:, 1], graph.train[_without(graph, "train", is_new), 1])]
    evaluation = predictor.evaluate(
        [(graph.entities[h], graph.relations[r], graph.entities[t]) for h, r, t in touched],
        known=[(graph.entities[h], graph.relations[r], graph.entities[t]) for h, r, t in every],
    )
    head_is_new = is_new[touched[:, 0]]
    given = np.where(head_is_new, evaluation.filtered[0], evaluation.filtered[1])
    asked = np.where(head_is_new, evaluation.filtered[1], evaluation.filtered[0])
    parts = {"given": given, "asked": asked, "popularity": _popular(graph, touched, is_new, n, k)}
    by_part = {part: measures(filtered) for part, filtered in parts.items()}
    return {
        **{f"{part}.mrr": of["mrr"] for part, of in by_part.items()},
        **{f"{part}.hits10": of["hits@10"] for part, of in by_part.items()},
        "random.mrr": float((1 / np.arange(1, n + 1)).mean()), "triples": float(len(touched)),
        "valid_mrr": predictor.best_score_, "seconds": seconds,
    }  # fmt: skip


def _without(graph: Graph, split: str, is_new: Any) -> Any:
    triples = getattr(graph, split)
    return ~(is_new[triples[:, 0]] | is_new[triples[:, 2]])


def _popular(graph: Graph, touched: IntArray, is_new: Any, n: int, k: int) -> Any:
    """Filtered ranks by how often an entity was the answer to this relation in training."""
    import torch

    train = both_ways(graph.train[_without(graph, "train", is_new)], k)
    counts = np.zeros((2 * k, n), np.float32)
    np.add.at(counts, (train[:, 1], train[:, 2]), 1)
    table = torch.from_numpy(counts)
    links = both_ways(touched, k)
    links = links[is_new[links[:, 0]]]
    every = np.concatenate([graph.train, graph.valid, graph.test])
    _, filtered = ranks(lambda _, r: table[r], links, n, Queries.of(both_ways(every, k)))
    return filtered
