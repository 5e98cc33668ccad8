"""The error of all scores of some queries, and its gradient, in the memory of the scores.

A batch of b queries has b × n scores, far more than there are numbers in embeddings. So they are
computed into memory that is used again, derivatives take their place, and the few positives are
not subtracted from them but dealt with on their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_ROWS = 16  # at a time, where a pass needs memory of its own


@dataclass
class Positives:
    """Which scores of a batch are of links that hold.

    Attributes
    ----------
    rows, columns : int64 Tensor of shape (p,)
        Of the scores.
    weights : Tensor of shape (p,)
        How much each counts.
    row_weights : Tensor of shape (b,)
        How much what a row's scores share counts.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor
    row_weights: Tensor


Error = Callable[[Tensor, Positives], Tensor]


def softmax_(scores: Tensor, positives: Positives) -> Tensor:
    """Cross-entropy of the softmax over all entities, once for each positive.

    Scores become probabilities.
    """
    torch.softmax(scores, 1, out=scores)
    found = scores[positives.rows, positives.columns]
    # a probability that is rounded to 0 has no logarithm
    return -(found.clamp(min=torch.finfo(found.dtype).tiny).log() @ positives.weights)


def bce_(scores: Tensor, positives: Positives) -> Tensor:
    """Binary cross-entropy of sigmoids, summed over all scores.

    Scores become probabilities.
    """
    found = scores[positives.rows, positives.columns]
    shared = torch.cat([F.softplus(part).sum(1) for part in torch.split(scores, _ROWS)])
    torch.sigmoid(scores, out=scores)
    return shared @ positives.row_weights - found @ positives.weights


ERRORS: dict[str, Error] = {"softmax": softmax_, "bce": bce_}


class Gradients:
    """Memory for scores and for the gradient of all embeddings, used again for each batch."""

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def memory(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Uninitialised, of a shape."""
        size = 1
        for n in shape:
            size *= n
        held = self._held.get(name)
        if held is None or held.numel() < size or held.dtype != like.dtype:
            held = self._held[name] = torch.empty(size, dtype=like.dtype, device=like.device)
        return held[:size].view(shape)

    @torch.no_grad()
    def of(
        self,
        error: Error,
        queries: Tensor,
        W: Tensor,
        positives: Positives,
        *,
        offset: Tensor | None = None,
        fixed: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Error of the scores ``queries Wᵀ + offset``, and its derivatives.

        Parameters
        ----------
        error : callable
            One of `ERRORS`.
        queries : Tensor of shape (b, d)
            Embeddings times middle matrices.
        W : Tensor of shape (n, d)
        positives : Positives
        offset : Tensor of shape (n,), optional
            Added to the scores of each entity.
        fixed : bool
            Whether W needs no derivatives.

        Returns
        -------
        error : Tensor, a scalar
        by_queries : Tensor of shape (b, d)
        by_W : Tensor of shape (n, d), or None if fixed
            Valid until the next call.
        by_offset : Tensor of shape (n,)
        """
        p = positives
        scores = self.memory("scores", (len(queries), len(W)), W)
        if offset is None:
            torch.mm(queries, W.T, out=scores)
        else:
            torch.addmm(offset, queries, W.T, out=scores)
        total = error(scores, p)
        by_queries = (scores @ W).mul_(p.row_weights[:, None])
        by_queries.index_add_(0, p.rows, W[p.columns] * -p.weights[:, None])
        by_offset = scores.T @ p.row_weights if offset is not None else queries.new_zeros(0)
        if offset is not None:
            by_offset.index_add_(0, p.columns, -p.weights)
        if fixed:
            return total, by_queries, None, by_offset
        by_W = self.memory("W", tuple(W.shape), W)
        torch.mm(scores.T, queries * p.row_weights[:, None], out=by_W)
        by_W.index_add_(0, p.columns, queries[p.rows] * -p.weights[:, None])
        return total, by_queries, by_W, by_offset
