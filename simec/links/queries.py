"""Triples as queries: an entity and a relation, and all entities at the other end.

Each triple (h, r, t) is two links: from h by r to t, and from t by the reciprocal of r, which is
relation r + k, to h. So one model of "what comes at the other end" serves both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def both_ways(triples: IntArray, n_relations: int) -> IntArray:
    """Links of triples in both directions, shape (2m, 3)."""
    h, r, t = triples.T
    return np.concatenate([triples, np.stack([t, r + n_relations, h], 1)])


@dataclass
class Queries:
    """Different pairs of entity and relation, and what lies at the other end.

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
        """Group links by their first two columns; what is there twice counts once."""
        links = np.unique(links, axis=0)
        new = np.ones(len(links), bool)
        new[1:] = (links[1:, :2] != links[:-1, :2]).any(1)
        starts = np.flatnonzero(new)
        return cls(
            links[starts, 0], links[starts, 1], np.append(starts, len(links)), links[:, 2].copy()
        )

    def __len__(self) -> int:
        return len(self.entities)

    def take(self, chosen: IntArray) -> tuple[IntArray, IntArray]:
        """Answers of some queries: numbers of rows, from 0, and answers."""
        starts, ends = self.indptr[chosen], self.indptr[chosen + 1]
        n = ends - starts
        rows = np.repeat(np.arange(len(chosen)), n)
        first = np.cumsum(n) - n
        return rows, self.answers[np.arange(len(rows)) - first[rows] + starts[rows]]

    def find(self, entities: IntArray, relations: IntArray) -> tuple[IntArray, IntArray]:
        """Answers of the queries that there are among some pairs, as `take` gives them."""
        width = 1 + max(self.relations.max(initial=0), relations.max(initial=0))
        keys = self.entities * width + self.relations
        wanted = entities * width + relations
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        there = np.flatnonzero(keys[at] == wanted) if len(keys) else np.empty(0, np.int64)
        rows, answers = self.take(at[there])
        return there[rows], answers
