"""Triples as queries: an entity and a relation, answered by the entities at the other end.

Each triple (h, r, t) is converted to two links: (h, r, t) and (t, r + k, h), where r + k is the
reciprocal of relation r. So one model predicts heads and tails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from simec.types import IntArray

if TYPE_CHECKING:  # reading triples needs no PyTorch
    from torch import Tensor


# entities and relations, int64 of shape (b,) -> scores of all entities, shape (b, n)
Scorer: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


def both_ways(triples: IntArray, n_relations: int) -> IntArray:
    """Links of triples in both directions, shape (2m, 3)."""
    h, r, t = triples.T
    return np.concatenate([triples, np.stack([t, r + n_relations, h], 1)])


@dataclass
class Queries:
    """Unique pairs of entity and relation, and the entities that answer each.

    Attributes
    ----------
    entities, relations : int64 array of shape (q,)
        Sorted by entity, then by relation.
    indptr : int64 array of shape (q + 1,)
    answers : int64 array
        Those of query i are ``answers[indptr[i]:indptr[i + 1]]``, ascending.
    """

    entities: IntArray
    relations: IntArray
    indptr: IntArray
    answers: IntArray

    @classmethod
    def of(cls, links: IntArray) -> Queries:
        """Group links by their first two columns; duplicates count once."""
        links = np.unique(links, axis=0)
        is_new = np.ones(len(links), bool)
        is_new[1:] = (links[1:, :2] != links[:-1, :2]).any(1)
        starts = np.flatnonzero(is_new)
        return cls(
            links[starts, 0], links[starts, 1], np.append(starts, len(links)), links[:, 2].copy()
        )

    def __len__(self) -> int:
        return len(self.entities)

    def take(self, queries: IntArray) -> tuple[IntArray, IntArray]:
        """Answers of some queries.

        Parameters
        ----------
        queries : int64 array of shape (b,)
            Numbers of queries.

        Returns
        -------
        rows, answers : int64 array of shape (p,)
            Positions in `queries`, ascending, and entities that answer them.
        """
        starts, ends = self.indptr[queries], self.indptr[queries + 1]
        n = ends - starts
        rows = np.repeat(np.arange(len(queries)), n)
        first = np.cumsum(n) - n
        return rows, self.answers[np.arange(len(rows)) - first[rows] + starts[rows]]

    def find(self, entities: IntArray, relations: IntArray) -> tuple[IntArray, IntArray]:
        """Answers of some pairs of entity and relation; pairs that are not queries have none.

        Parameters
        ----------
        entities, relations : int64 array of shape (b,)

        Returns
        -------
        rows, answers : int64 array of shape (p,)
            As `take` returns them.
        """
        width = 1 + max(self.relations.max(initial=0), relations.max(initial=0))
        keys = self.entities * width + self.relations
        wanted = entities * width + relations
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        matches = np.flatnonzero(keys[at] == wanted) if len(keys) else np.empty(0, np.int64)
        rows, answers = self.take(at[matches])
        return matches[rows], answers
