"""Losses over all scores of a batch, and their gradients, in the memory of the scores.

A batch of b queries has b × n scores, which need far more memory than the embeddings. So scores are
computed into a reused buffer, and derivatives overwrite them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_ROWS = 16  # at a time, where a pass needs temporary memory


@dataclass
class Positives:
    """Scores of a batch that belong to true links.

    Attributes
    ----------
    rows, columns : int64 Tensor of shape (p,)
        Positions in the scores.
    weights : Tensor of shape (p,)
        Weight of each positive.
    row_weights : Tensor of shape (b,)
        Weight of the term that the scores of a row share, such as the softmax's denominator.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor
    row_weights: Tensor


Loss = Callable[[Tensor, Positives], Tensor]


def softmax_(scores: Tensor, positives: Positives) -> Tensor:
    """Cross-entropy of the softmax over all entities, summed over positives.

    Overwrites scores with probabilities.
    """
    torch.softmax(scores, 1, out=scores)
    p = scores[positives.rows, positives.columns]
    # a probability that was rounded to 0 has no logarithm
    return -(p.clamp(min=torch.finfo(p.dtype).tiny).log() @ positives.weights)


def bce_(scores: Tensor, positives: Positives) -> Tensor:
    """Binary cross-entropy of sigmoids, summed over all scores.

    Overwrites scores with probabilities.
    """
    true = scores[positives.rows, positives.columns]
    shared = torch.cat([F.softplus(part).sum(1) for part in torch.split(scores, _ROWS)])
    torch.sigmoid(scores, out=scores)
    return shared @ positives.row_weights - true @ positives.weights


LOSSES: dict[str, Loss] = {"softmax": softmax_, "bce": bce_}


class Gradients:
    """Computes losses and their gradients in buffers that are reused for each batch."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def buffer(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return uninitialized memory of a shape, with the dtype and device of another tensor."""
        size = math.prod(shape)
        memory = self._buffers.get(name)
        if memory is None or memory.numel() < size or memory.dtype != like.dtype:
            memory = torch.empty(size, dtype=like.dtype, device=like.device)
            self._buffers[name] = memory
        return memory[:size].view(shape)

    @torch.no_grad()
    def compute(
        self,
        loss: Loss,
        queries: Tensor,
        W: Tensor,
        positives: Positives,
        *,
        offset: Tensor | None = None,
        fixed: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Loss of the scores ``queries Wᵀ + offset``, and its derivatives.

        Parameters
        ----------
        loss : callable
            One of `LOSSES`.
        queries : Tensor of shape (b, d)
            Embeddings times relation matrices.
        W : Tensor of shape (n, d)
        positives : Positives
        offset : Tensor of shape (n,), optional
            Added to the scores of each entity.
        fixed : bool
            Whether W is fixed, so that its derivatives are not needed.

        Returns
        -------
        total : Tensor, a scalar
        by_queries : Tensor of shape (b, d)
        by_W : Tensor of shape (n, d), or None if fixed
            Valid until the next call.
        by_offset : Tensor of shape (n,)
        """
        p = positives
        scores = self.buffer("scores", (len(queries), len(W)), W)
        if offset is None:
            torch.mm(queries, W.T, out=scores)
        else:
            torch.addmm(offset, queries, W.T, out=scores)
        total = loss(scores, p)
        scores.mul_(p.row_weights[:, None])
        scores.view(-1).index_add_(0, p.rows * len(W) + p.columns, -p.weights)
        by_queries = scores @ W
        by_offset = scores.sum(0) if offset is not None else queries.new_zeros(0)
        if fixed:
            return total, by_queries, None, by_offset
        by_W = self.buffer("W", tuple(W.shape), W)
        torch.mm(scores.T, queries, out=by_W)
        return total, by_queries, by_W, by_offset
