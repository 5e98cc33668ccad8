"""Ranks of what is true among all entities, and what is told of them (4.1).

Ties count at their mean rank. A link is asked for in both directions, (h, r, ?) and (?, r, t).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from simec.links.queries import IntArray, Queries, both_ways

FloatArray = npt.NDArray[np.float64]
HITS = (1, 3, 10)
_NUMBERS = 1 << 25  # scores at a time

# entities and relations, shape (b,) -> scores of all entities, shape (b, n)
Scorer = Callable[[Tensor, Tensor], Tensor]


def ranks(
    score: Scorer, links: IntArray, n_entities: int, known: Queries | None = None
) -> tuple[FloatArray, FloatArray | None]:
    """Raw and filtered ranks of the last column of links among all entities.

    Parameters
    ----------
    score : callable
        Gives scores of all entities for some queries.
    links : int64 array of shape (m, 3)
    n_entities : int
    known : Queries, optional
        What holds: filtered ranks leave it out, but for the link in question.

    Returns
    -------
    raw, filtered : float64 array of shape (m,)
        From 1; with ties at their mean rank. `filtered` is None without `known`.

    Raises
    ------
    ValueError
        If the score of what is ranked is NaN; those of others count as lower.
    """
    raw, filtered = np.empty(len(links)), np.empty(len(links))
    size = max(1, min(1024, _NUMBERS // max(n_entities, 1)))
    for start in range(0, len(links), size):
        part = links[start : start + size]
        h, r, t = (torch.from_numpy(np.ascontiguousarray(column)) for column in part.T)
        scores = score(h, r)
        t = t.to(scores.device)
        true = scores.gather(1, t[:, None])
        if bool(true.isnan().any()):
            raise ValueError("a score is NaN, which has no rank")
        above = (scores > true).sum(1).double()
        level = (scores == true).sum(1).double() - 1
        raw[start : start + size] = (1 + above + level / 2).cpu().numpy()
        if known is None:
            continue
        rows, answers = (torch.from_numpy(a) for a in known.find(part[:, 0], part[:, 1]))
        rows, answers = rows.to(t.device), answers.to(t.device)
        others = answers != t[rows]
        rows, answers = rows[others], answers[others]
        found, at = scores[rows, answers], true[rows, 0]
        above.index_add_(0, rows, -(found > at).double())
        level.index_add_(0, rows, -(found == at).double())
        filtered[start : start + size] = (1 + above + level / 2).cpu().numpy()
    return raw, None if known is None else filtered


def rank_both_ways(
    score: Scorer, triples: IntArray, known: IntArray, n_entities: int, n_relations: int
) -> tuple[FloatArray, FloatArray]:
    """Raw and filtered ranks of tails and heads, each of shape (2, m).

    Entities whose numbers are not below `n_entities` have no scores. They rank last, level with
    each other, and as heads or tails that are asked for they leave all level.

    Parameters
    ----------
    score : callable
        Relations from `n_relations` on are the reciprocal ones.
    triples, known : int64 array of shape (m, 3)
        What is ranked; what filtered ranks leave out.
    """
    n_all = max(n_entities, 1 + int(triples[:, [0, 2]].max(initial=-1)))
    found = np.full((2, 2, len(triples)), (n_all + 1) / 2)
    here = (known[:, [0, 2]] < n_entities).all(1)
    holds = Queries.of(both_ways(known[here], n_relations))
    for side, links in enumerate(np.split(both_ways(triples, n_relations), 2)):
        asked = links[:, 0] < n_entities
        scored = asked & (links[:, 2] < n_entities)
        raw, filtered = ranks(score, links[scored], n_entities, holds)
        assert filtered is not None
        found[0, side, scored], found[1, side, scored] = raw, filtered
        found[:, side, asked & ~scored] = (n_entities + 1 + n_all) / 2
    return found[0], found[1]


def measures(ranks: FloatArray) -> dict[str, float]:
    """Mean rank, mean reciprocal rank, hits at 1, 3 and 10; NaN if there are no ranks."""
    if not len(ranks):
        return dict.fromkeys(("mr", "mrr", *(f"hits@{k}" for k in HITS)), float("nan"))
    # half a place, as of a tie of first and second, is no hit at 1
    hits = {f"hits@{k}": float((ranks <= k).mean()) for k in HITS}
    return {"mr": float(ranks.mean()), "mrr": float((1 / ranks).mean()), **hits}


@dataclass
class Evaluation:
    """Ranks of some triples.

    Attributes
    ----------
    relations : list
        Ids of relations, by number.
    triples : int64 array of shape (m, 3)
        Numbers of heads, relations and tails.
    raw, filtered : float64 array of shape (2, m)
        Ranks of tails in the first row, of heads in the second.
    n_unknown : int
        Triples with an entity that the predictor has no embedding of. They stay in: such an
        entity ranks last, and all are level for it.
    """

    relations: list[Any]
    triples: IntArray
    raw: FloatArray
    filtered: FloatArray
    n_unknown: int = 0
    _sides: tuple[str, ...] = field(default=("tail", "head"), repr=False)

    def measures(
        self, side: str = "both", *, relation: Any = None, filtered: bool = True
    ) -> dict[str, float]:
        """MR, MRR, hits at 1, 3, 10.

        Parameters
        ----------
        side : {"both", "tail", "head"}
            What was asked for.
        relation : id, optional
            Triples of this relation only.
        filtered : bool
            Whether other entities that are known to hold are left out.
        """
        if side not in ("both", *self._sides):
            raise ValueError(f"side is both, tail or head, not {side!r}")
        found = self.filtered if filtered else self.raw
        if relation is not None:
            if relation not in self.relations:
                raise ValueError(f"no relation is {relation!r}")
            found = found[:, self.triples[:, 1] == self.relations.index(relation)]
        if side != "both":
            found = found[self._sides.index(side)]
        return measures(found.ravel())

    def by_relation(self, *, filtered: bool = True) -> dict[Any, dict[str, float]]:
        """Measures of each relation that occurs, and ``n``, its number of triples."""
        n = np.bincount(self.triples[:, 1], minlength=len(self.relations))
        return {
            relation: {"n": float(n[i]), **self.measures(relation=relation, filtered=filtered)}
            for i, relation in enumerate(self.relations)
            if n[i]
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain data for JSON."""
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
                mr, *rest = self.measures(side, filtered=filtered).values()
                name = f"{'filtered' if filtered else 'raw'}, {side}"
                lines.append(f"{name:16} {mr:9.1f} " + " ".join(f"{x:6.3f}" for x in rest))
        return "\n".join(lines)
