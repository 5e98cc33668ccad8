"""Parameters of link predictors that are chosen from the graph, where they are "auto".

The rules were chosen on validation triples of parts of FB15k-237 with 2,000 entities, of generated
dense graphs of 14 to 135 entities, and of WN18RR and FB15k-237; see ``benchmarks/README.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simec.links.queries import both_ways
from simec.types import IntArray

AUTO = "auto"
# parameters that may be "auto"
CHOSEN = (
    "n_components", "n3", "dropout", "n_negatives", "batch_size", "max_iter", "n_iter_no_change",
)  # fmt: skip
_STEPS = 100  # least number of steps in an epoch that batches are made small for
_PATIENCE = 500  # steps without a better validation score after which training stops
_EPOCHS, _EPOCHS_NO_CHANGE = 50, 5  # of large graphs; smaller graphs get more


@dataclass(frozen=True)
class GraphSize:
    """Size of a graph.

    Attributes
    ----------
    n_entities, n_relations, n_triples : int
        The triples are those of training, each once.
    n_queries : int
        Pairs of an entity and a relation, in both directions, that training triples answer.
    """

    n_entities: int
    n_relations: int
    n_triples: int
    n_queries: int

    @classmethod
    def of(cls, triples: IntArray, n_entities: int, n_relations: int) -> GraphSize:
        """Measure training triples, int64 of shape (m, 3) without duplicates."""
        links = both_ways(triples, n_relations)
        n_queries = len(np.unique(links[:, 0] * (2 * n_relations) + links[:, 1]))
        return cls(n_entities, n_relations, len(triples), n_queries)

    @property
    def density(self) -> float:
        """Triples per pair of entities; above 1 where several relations hold between the same."""
        return self.n_triples / max(self.n_entities, 1) ** 2

    def __str__(self) -> str:
        per_entity = self.n_triples / max(self.n_entities, 1)
        return (
            f"{self.n_entities:,} entities, {self.n_relations:,} relations, {self.n_triples:,} "
            f"triples ({per_entity:.1f} per entity)"
        )


def choose(
    parameters: Mapping[str, Any], size: GraphSize, *, has_features: bool = False
) -> dict[str, Any]:
    """Choose the parameters that are "auto".

    Parameters
    ----------
    parameters : mapping of str to object
        All parameters of a `LinkPredictor`.
    size : GraphSize
    has_features : bool
        Whether entities have features.

    Returns
    -------
    dict of str to object
        The parameters in `CHOSEN` that are "auto", and their values.
    """
    p = dict(parameters)
    chosen: dict[str, Any] = {}

    def resolve(name: str, value: Any) -> Any:
        if p[name] == AUTO:
            chosen[name] = p[name] = value
        return p[name]

    is_dense = size.density > 0.1
    resolve("n_components", 200)
    regularized = p["loss"] == "softmax" and not p["fine_tune"]
    resolve("n3", 0.0 if is_dense or not regularized else 0.05)
    resolve("dropout", 0.4 if is_dense else 0.0)
    can_sample = p["loss"] == "softmax" and p["optimizer"] == "adagrad" and p["tied"]
    resolve("n_negatives", 4000 if can_sample and size.n_entities > 10_000 else None)
    batch_size = resolve("batch_size", _batch_size(size.n_queries))
    steps = max(1, math.ceil(size.n_queries / batch_size))
    patience = resolve("n_iter_no_change", max(_EPOCHS_NO_CHANGE, math.ceil(_PATIENCE / steps)))
    resolve("max_iter", max(_EPOCHS, 10 * patience))
    return chosen


def _batch_size(n_queries: int) -> int:
    """Choose a batch size so that an epoch has about `_STEPS` steps, from 50 to 250 queries."""
    return int(min(250, max(50, 10 * round(n_queries / _STEPS / 10))))


def describe(chosen: Mapping[str, Any]) -> str:
    """Describe chosen parameters for a log message, such as "n3=0.05, batch_size=250"."""
    return ", ".join(f"{name}={value}" for name, value in chosen.items())
