"""Ranks of the true entities among all entities, and metrics computed from them (4.1).

Ties get their mean rank. Each triple is a query in both directions, (h, r, ?) and (?, r, t).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from corpora.checks import check_choice
from simec.links.queries import Queries, Scorer, both_ways
from simec.types import Float64, IntArray

HITS = (1, 3, 10)
_NUMBERS = 1 << 25  # scores at a time


def ranks(
    score: Scorer, links: IntArray, n_entities: int, known: Queries | None = None
) -> tuple[Float64, Float64 | None]:
    """Raw and filtered ranks of the last column of links among all entities.

    Parameters
    ----------
    score : callable
        Takes entities and relations, int64 Tensors of shape (b,), and returns the scores of all
        entities, shape (b, n).
    links : int64 array of shape (m, 3)
    n_entities : int
    known : Queries, optional
        True links: filtered ranks leave out their entities, except the one that is ranked.

    Returns
    -------
    raw, filtered : float64 array of shape (m,)
        Counted from 1, with ties at their mean rank. `filtered` is None without `known`.

    Raises
    ------
    ValueError
        If the score of an entity that is ranked is NaN. NaN scores of others count as lower.
    """
    raw, filtered = np.empty(len(links)), np.empty(len(links))
    size = max(1, min(1024, _NUMBERS // max(n_entities, 1)))
    for start in range(0, len(links), size):
        batch = links[start : start + size]
        h, r, t = (torch.from_numpy(np.ascontiguousarray(column)) for column in batch.T)
        scores = score(h, r)
        t = t.to(scores.device)
        true = scores.gather(1, t[:, None])
        if bool(true.isnan().any()):
            raise ValueError("a score is NaN, so it has no rank: check the weights of the model")
        higher = (scores > true).sum(1).double()
        ties = (scores == true).sum(1).double() - 1
        raw[start : start + size] = (1 + higher + ties / 2).cpu().numpy()
        if known is None:
            continue
        rows, answers = (torch.from_numpy(a) for a in known.find(batch[:, 0], batch[:, 1]))
        rows, answers = rows.to(t.device), answers.to(t.device)
        others = answers != t[rows]
        rows, answers = rows[others], answers[others]
        of_others, of_true = scores[rows, answers], true[rows, 0]
        higher.index_add_(0, rows, -(of_others > of_true).double())
        ties.index_add_(0, rows, -(of_others == of_true).double())
        filtered[start : start + size] = (1 + higher + ties / 2).cpu().numpy()
    return raw, None if known is None else filtered


def rank_both_ways(
    score: Scorer, triples: IntArray, known: IntArray, n_entities: int, n_relations: int
) -> tuple[Float64, Float64]:
    """Raw and filtered ranks of the tails and heads of triples.

    Entities with numbers >= `n_entities` have no scores. As answers they rank last, tied with each
    other; as the entity of a query they make all answers tied. So do relations with numbers
    >= `n_relations`.

    Parameters
    ----------
    score : callable
        As for `ranks`. Relations from `n_relations` on are the reciprocal ones.
    triples : int64 array of shape (m, 3)
        Triples that are ranked.
    known : int64 array of shape (p, 3)
        True triples, which filtered ranks leave out.
    n_entities, n_relations : int

    Returns
    -------
    raw, filtered : float64 array of shape (2, m)
        Ranks of tails in the first row, of heads in the second.
    """
    n_all = max(n_entities, 1 + int(triples[:, [0, 2]].max(initial=-1)))
    both = np.full((2, 2, len(triples)), (n_all + 1) / 2)
    relation_known = triples[:, 1] < n_relations
    has_scores = (known < (n_entities, n_relations, n_entities)).all(1)
    true_links = Queries.of(both_ways(known[has_scores], n_relations))
    for side, links in enumerate(np.split(both_ways(triples, n_relations), 2)):
        query_scored = (links[:, 0] < n_entities) & relation_known
        scored = query_scored & (links[:, 2] < n_entities)
        raw, filtered = ranks(score, links[scored], n_entities, true_links)
        assert filtered is not None
        both[0, side, scored], both[1, side, scored] = raw, filtered
        both[:, side, query_scored & ~scored] = (n_entities + 1 + n_all) / 2
    return both[0], both[1]


def measures(ranks: Float64) -> dict[str, float]:
    """Mean rank, mean reciprocal rank, hits at 1, 3 and 10; NaN without ranks."""
    if not len(ranks):
        return dict.fromkeys(("mr", "mrr", *(f"hits@{k}" for k in HITS)), float("nan"))
    # a tie of first and second has rank 1.5, which is not a hit at 1
    hits = {f"hits@{k}": float((ranks <= k).mean()) for k in HITS}
    return {"mr": float(ranks.mean()), "mrr": float((1 / ranks).mean()), **hits}


@dataclass
class Evaluation:
    """Ranks of the heads and tails of triples.

    Attributes
    ----------
    relations : list
        Ids of relations, by number; those that the predictor does not know are last.
    triples : int64 array of shape (m, 3)
        Numbers of heads, relations and tails.
    raw, filtered : float64 array of shape (2, m)
        Ranks of tails in the first row, of heads in the second.
    n_unknown : int
        Triples with an entity or relation that the predictor has no weights for. They are included:
        such an entity ranks last as an answer; as the entity of a query it makes all answers tied,
        and so does such a relation.
    """

    relations: list[Any]
    triples: IntArray
    raw: Float64
    filtered: Float64
    n_unknown: int = 0
    _sides: tuple[str, ...] = field(default=("tail", "head"), repr=False)

    def measures(
        self, side: str = "both", *, relation: Any = None, filtered: bool = True
    ) -> dict[str, float]:
        """Mean rank, mean reciprocal rank, hits at 1, 3 and 10.

        Parameters
        ----------
        side : {"both", "tail", "head"}
            The end of the triples that was ranked.
        relation : id, optional
            Use triples of this relation only.
        filtered : bool
            Whether ranks leave out other entities that are known to be true.

        Returns
        -------
        dict of str to float
            ``mr``, ``mrr``, ``hits@1``, ``hits@3``, ``hits@10``; NaN if there are no triples.

        Raises
        ------
        ValueError
            If `side` is invalid or `relation` unknown.
        """
        check_choice("side", side, ("both", *self._sides))
        values = self.filtered if filtered else self.raw
        if relation is not None:
            if relation not in self.relations:
                raise ValueError(f"unknown relation: {relation!r}")
            values = values[:, self.triples[:, 1] == self.relations.index(relation)]
        if side != "both":
            values = values[self._sides.index(side)]
        return measures(values.ravel())

    def by_relation(self, *, filtered: bool = True) -> dict[Any, dict[str, float]]:
        """Measures of each relation that occurs, and its number of triples as ``n``."""
        n = np.bincount(self.triples[:, 1], minlength=len(self.relations))
        return {
            relation: {"n": float(n[i]), **self.measures(relation=relation, filtered=filtered)}
            for i, relation in enumerate(self.relations)
            if n[i]
        }

    def to_dict(self) -> dict[str, Any]:
        """All measures, as plain data for JSON."""
        sides = ("both", *self._sides)
        return {
            "n": len(self.triples),
            "n_unknown": self.n_unknown,
            "filtered": {side: self.measures(side) for side in sides},
            "raw": {side: self.measures(side, filtered=False) for side in sides},
            "by_relation": {str(key): value for key, value in self.by_relation().items()},
        }

    def __str__(self) -> str:
        lines = [f"{'':16} {'MR':>9} {'MRR':>6} {'H@1':>6} {'H@3':>6} {'H@10':>6}"]
        for filtered in (True, False):
            for side in ("both", *self._sides):
                mr, *shares = self.measures(side, filtered=filtered).values()
                name = f"{'filtered' if filtered else 'raw'}, {side}"
                lines.append(f"{name:16} {mr:9.1f} " + " ".join(f"{x:6.3f}" for x in shares))
        if self.n_unknown:
            lines.append(
                f"{self.n_unknown:,} of {len(self.triples):,} triples have an unknown entity or "
                "relation"
            )
        return "\n".join(lines)
