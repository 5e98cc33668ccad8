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
_STEPS = 150  # steps that an epoch should have: batches of small graphs are smaller
_BATCH = 100, 250  # smallest and largest batch size
# Least number of steps: of all training, without validation triples, and without a better MRR
_MIN_STEPS, _PATIENCE = 1500, 1000
_EPOCHS, _PATIENCE_EPOCHS = 30, 5  # of large graphs, where an epoch has many steps
_DENSE = 0.1  # triples per pair of entities
_LARGE = 10_000  # entities, above which a step scores only a sample of them
_HUGE = 50_000  # entities, above which embeddings are shorter to save memory


def is_auto(value: Any) -> bool:
    """Whether the value of a parameter is "auto"."""
    return isinstance(value, str) and value == AUTO


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
    parameters: Mapping[str, Any], size: GraphSize, *, validates: bool = True
) -> dict[str, Any]:
    """Choose the parameters that are "auto".

    Parameters
    ----------
    parameters : mapping of str to object
        All parameters of a `LinkPredictor`.
    size : GraphSize
    validates : bool
        Whether there are validation triples, which end training early.

    Returns
    -------
    dict of str to object
        The parameters in `CHOSEN` that are "auto", and their values.
    """
    p = dict(parameters)

    def resolve(name: str, value: Any) -> Any:
        if is_auto(p[name]):
            p[name] = value
        return p[name]

    is_dense = size.density > _DENSE
    resolve("n_components", 200 if is_dense or size.n_entities > _HUGE else 400)
    # dense graphs overfit in spite of N3, and dropout is no help where entities have few triples
    n3 = 0.04 if size.n_entities < _LARGE else 0.05
    resolve("n3", 0.0 if is_dense or p["loss"] == "bce" else n3)
    resolve("dropout", 0.4 if is_dense else 0.0)
    can_sample = (p["loss"], p["optimizer"], bool(p["tied"])) == ("softmax", "adagrad", True)
    resolve("n_negatives", 4000 if can_sample and size.n_entities > _LARGE else None)
    least, most = _BATCH
    batch_size = resolve(
        "batch_size", min(most, max(least, 10 * round(size.n_queries / _STEPS / 10)))
    )
    steps = max(1, math.ceil(size.n_queries / batch_size))
    patience = resolve("n_iter_no_change", max(_PATIENCE_EPOCHS, math.ceil(_PATIENCE / steps)))
    epochs = max(_EPOCHS, math.ceil(_MIN_STEPS / steps))
    resolve("max_iter", max(2 * epochs, 10 * patience) if validates else epochs)
    return {name: p[name] for name in CHOSEN if p[name] is not parameters[name]}


def describe(chosen: Mapping[str, Any]) -> str:
    """Describe chosen parameters for a log message, such as "n3=0.05, batch_size=250"."""
    return ", ".join(f"{name}={value}" for name, value in chosen.items())
