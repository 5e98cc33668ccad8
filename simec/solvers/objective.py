"""What training minimises: the masked error, and terms that shape the factorisation (2.1, 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from simec.data.inputs import dense
from simec.data.targets import Targets
from simec.network import SimEcNetwork

Loss = str | Callable[[Tensor, Tensor], Tensor]


def squared(predicted: Tensor, target: Tensor) -> Tensor:
    """(prediction - target)²."""
    return (predicted - target).square()


class _SquaredError(torch.autograd.Function):
    """Without a pass over predictions for each operation: they are far more than embeddings."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, W: Tensor, values: Tensor, known: Tensor | None) -> Tensor:
        wrong = torch.addmm(values, y, W, beta=-1)
        if known is None:
            weighted = wrong
        elif known.dtype == torch.bool:
            weighted = wrong.mul_(known)
        else:
            weighted = wrong * known
        ctx.save_for_backward(y, W, weighted)
        return torch.dot(wrong.flatten(), weighted.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        y, W, weighted = ctx.saved_tensors
        by_y = 2 * gradient * (weighted @ W.T) if ctx.needs_input_grad[0] else None
        by_W = (2 * gradient * y).T @ weighted if ctx.needs_input_grad[1] else None
        return by_y, by_W, None, None


def squared_error(y: Tensor, W: Tensor, values: Tensor, known: Tensor | None) -> Tensor:
    """Sum of the squares of ``y W - values`` over what is known.

    Parameters
    ----------
    y : Tensor of shape (b, d)
    W : Tensor of shape (d, n) or (d, n, k)
    values : Tensor of shape (b, n) or (b, n, k)
    known : bool Tensor of the same shape, or float one of weights, optional
    """
    known = None if known is None else known.flatten(1)
    total: Tensor = _SquaredError.apply(  # type: ignore[no-untyped-call]
        y, W.flatten(1), values.flatten(1), known
    )
    return total


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": squared,
    "mae": lambda predicted, target: (predicted - target).abs(),
    "huber": lambda predicted, target: F.huber_loss(predicted, target, reduction="none"),
    # of what comes before the activation
    "bce": lambda logits, target: F.binary_cross_entropy_with_logits(
        logits, target, reduction="none"
    ),
}


@dataclass
class Objective:
    """The mean error of known targets, plus penalties.

    Parameters
    ----------
    loss : str or callable
        One of `LOSSES`, or a function that gives the error of each prediction.
    symmetric : float
        Weight of the mean of ``(S[:n, :n] - W_lᵀ W_l)²``, over entries that are known. Of
        ``n`` rows as many as a batch has are drawn at each step, so that memory and time grow
        with n, not with n².
    orthogonal : float
        Weight of the mean of ``(W_l W_lᵀ)²`` off the diagonal.
    l2 : float
        Weight of the sum of all squared weights, biases left out.
    decoder : float
        Weight of the mean squared error of features that the decoder gives back.
    by_count : float
        Of closed forms: what weights of a target cost grows with this power of how often it is
        known.
    """

    loss: Loss = "mse"
    symmetric: float = 0.0
    orthogonal: float = 0.0
    l2: float = 0.0
    decoder: float = 0.0
    by_count: float = 0.0

    def errors(self, network: SimEcNetwork, y: Tensor, values: Tensor) -> Tensor:
        """Of each target, for embeddings y."""
        outputs = network.last.linear(y) if self.loss == "bce" else network.last(y)
        loss = self.loss if callable(self.loss) else LOSSES[self.loss]
        # products may have been taken in bfloat16
        return loss(outputs.float(), values)

    def is_plain(self, network: SimEcNetwork) -> bool:
        """Whether errors are squares of what is linear in embeddings, in float32."""
        W = network.last.weight
        linear = self.loss == "mse" and network.last.is_linear
        return linear and not torch.is_autocast_enabled(W.device.type)

    def error(
        self, network: SimEcNetwork, x: Tensor, values: Tensor, known: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Mean error of a batch, what its decoder does wrong included; and how many are known."""
        y = network.encoder(x)
        n = torch.tensor(float(values.numel())) if known is None else known.sum()
        n = n.to(y.device)
        if self.is_plain(network):
            total = squared_error(y, network.last.weight, values, known)
        else:
            errors = self.errors(network, y, values)
            total = (errors if known is None else errors * known).sum()
        mean = total / n.clamp(min=1)
        if network.decoder is not None:
            mean = mean + self.decoder * (network.decoder(y) - dense(x)).square().mean()
        return mean, n

    def penalty(
        self, network: SimEcNetwork, targets: Targets, n_rows: int, random: torch.Generator
    ) -> Tensor | float:
        """What does not depend on the batch."""
        total: Tensor | float = 0.0
        W = network.last.weight
        if self.symmetric:
            n = W.shape[1]
            rows = torch.randperm(n, generator=random)[:n_rows] if n_rows < n else torch.arange(n)
            values, known = targets.batch(rows)
            some = W[:, rows.to(W.device)]
            if W.ndim == 2 and self.is_plain(network):
                wrong = squared_error(some.T, W, values, known)
            else:
                product = torch.einsum("di...,dj...->ij...", some, W)
                errors = (values - network.last.activate(product)).square()
                wrong = (errors if known is None else errors * known).sum()
            n_known: Tensor | int = values.numel() if known is None else known.sum().clamp(min=1)
            total = total + self.symmetric * wrong / n_known
        if self.orthogonal:
            flat = W.flatten(1)
            gram = flat @ flat.T
            apart = gram - torch.diag(torch.diag(gram))
            total = total + self.orthogonal * apart.square().mean()
        if self.l2:
            weights = (p for p in network.parameters() if p.ndim > 1 and p.requires_grad)
            total = total + self.l2 * sum(
                (p.square().sum() for p in weights), torch.zeros((), device=W.device)
            )
        return total
