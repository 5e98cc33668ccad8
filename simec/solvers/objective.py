"""Training objective: mean error of observed targets plus penalties (thesis, Sec. 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from simec.data.inputs import Inputs, chunk_size, dense
from simec.data.targets import SparseTargets, Targets
from simec.network import SimEcNetwork

Loss = str | Callable[[Tensor, Tensor], Tensor]


def squared(predicted: Tensor, target: Tensor) -> Tensor:
    """Return (prediction - target)²."""
    return (predicted - target).square()


class _SquaredError(torch.autograd.Function):
    """Fused forward and backward pass, which avoids temporary arrays of the size of predictions."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, W: Tensor, values: Tensor, observed: Tensor | None) -> Tensor:
        residuals = torch.addmm(values, y, W, beta=-1)
        if observed is None:
            weighted = residuals
        elif observed.dtype == torch.bool:
            weighted = residuals.mul_(observed)
        else:
            weighted = residuals * observed
        ctx.save_for_backward(y, W, weighted)
        return torch.dot(residuals.flatten(), weighted.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        y, W, weighted = ctx.saved_tensors
        by_y = 2 * gradient * (weighted @ W.T) if ctx.needs_input_grad[0] else None
        by_W = (2 * gradient * y).T @ weighted if ctx.needs_input_grad[1] else None
        return by_y, by_W, None, None


def squared_error(y: Tensor, W: Tensor, values: Tensor, observed: Tensor | None) -> Tensor:
    """Return the sum of the squares of ``y W - values`` over observed targets.

    Parameters
    ----------
    y : Tensor of shape (b, d)
    W : Tensor of shape (d, n) or (d, n, k)
    values : Tensor of shape (b, n) or (b, n, k)
    observed : bool Tensor of the same shape, or float Tensor of weights, optional
    """
    observed = None if observed is None else observed.flatten(1)
    total: Tensor = _SquaredError.apply(  # type: ignore[no-untyped-call]
        y, W.flatten(1), values.flatten(1), observed
    )
    return total


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": squared,
    "mae": lambda predicted, target: (predicted - target).abs(),
    "huber": lambda predicted, target: F.huber_loss(predicted, target, reduction="none"),
    # takes predictions before the activation
    "bce": lambda logits, target: F.binary_cross_entropy_with_logits(
        logits, target, reduction="none"
    ),
    # the sum over a row is its cross-entropy, and the mean over entries that of the rows
    "cross_entropy": lambda predicted, target: -target.shape[1] * target * predicted.log_softmax(1),
}


def error_rate(predicted: Tensor, target: Tensor) -> Tensor:
    """Return 1 for rows whose largest prediction is not that of the largest target, else 0."""
    wrong = predicted.argmax(1, keepdim=True) != target.argmax(1, keepdim=True)
    return wrong.to(predicted.dtype).expand_as(target)


# errors of validation rows that training may stop early by
VALIDATION_ERRORS = {**LOSSES, "error_rate": error_rate}


@dataclass
class Objective:
    """The mean error of observed targets, plus penalties.

    Parameters
    ----------
    loss : str or callable
        One of `LOSSES`, or a function that returns the error of each prediction.
    symmetric : float
        Weight of the mean of ``(S[:n, :n] - W_lᵀ W_l)²`` over observed entries. Each step samples
        a batch of the n rows, so that memory and time grow with n, not with n².
    orthogonal : float
        Weight of the mean of ``(W_l W_lᵀ)²``, with the diagonal set to zero.
    l2 : float
        Weight of the sum of all squared weights, except biases.
    decoder : float
        Weight of the mean squared error of features reconstructed by the decoder.
    l2_by_count : float
        For closed forms: exponent of the relative number of observed entries that multiplies the
        penalty of each target.
    """

    loss: Loss = "mse"
    symmetric: float = 0.0
    orthogonal: float = 0.0
    l2: float = 0.0
    decoder: float = 0.0
    l2_by_count: float = 0.0

    def errors(self, network: SimEcNetwork, y: Tensor, values: Tensor) -> Tensor:
        """Return the error of each target for embeddings y."""
        outputs = network.last.linear(y) if self.loss == "bce" else network.last(y)
        loss = self.loss if callable(self.loss) else VALIDATION_ERRORS[self.loss]
        # outputs may be bfloat16
        return loss(outputs.float(), values)

    def is_least_squares(self, network: SimEcNetwork) -> bool:
        """Whether errors are squares of residuals that are linear in embeddings, in float32."""
        W = network.last.weight
        linear = self.loss == "mse" and network.last.is_linear
        return linear and not torch.is_autocast_enabled(W.device.type)

    def error(
        self, network: SimEcNetwork, x: Tensor, values: Tensor, observed: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the mean error of a batch (decoder included) and its number of observed targets.

        With weighted targets, the number is the sum of the weights.
        """
        y = network.encoder(x)
        # without targets, the decoder's error is averaged over rows
        size = float(values.numel() or len(values))
        n = torch.tensor(size) if observed is None else observed.sum()
        n = n.to(y.device)
        if self.is_least_squares(network):
            total = squared_error(y, network.last.weight, values, observed)
        else:
            errors = self.errors(network, y, values)
            total = (errors if observed is None else errors * observed).sum()
        mean = total / n.clamp(min=1)
        if network.decoder is not None:
            mean = mean + self.decoder * (network.decoder(y) - dense(x)).square().mean()
        return mean, n

    def penalty(
        self, network: SimEcNetwork, targets: Targets, n_rows: int, random: torch.Generator
    ) -> Tensor | float:
        """Return the sum of the terms that do not depend on the batch.

        Parameters
        ----------
        network : SimEcNetwork
        targets : Targets
        n_rows : int
            Number of rows sampled for the symmetric term.
        random : torch.Generator
            Samples the rows.
        """
        total: Tensor | float = 0.0
        W = network.last.weight
        if self.symmetric:
            n = W.shape[1]
            rows = torch.randperm(n, generator=random)[:n_rows] if n_rows < n else torch.arange(n)
            values, observed = targets.batch(rows)
            W_rows = W[:, rows.to(W.device)]
            if W.ndim == 2 and self.is_least_squares(network):
                squares = squared_error(W_rows.T, W, values, observed)
            else:
                product = torch.einsum("di...,dj...->ij...", W_rows, W)
                errors = (values - network.last.activate(product)).square()
                squares = (errors if observed is None else errors * observed).sum()
            n_observed: Tensor | int = values.numel()
            if observed is not None:
                n_observed = observed.sum().clamp(min=1)
            total = total + self.symmetric * squares / n_observed
        if self.orthogonal:
            flat = W.flatten(1)
            gram = flat @ flat.T
            off_diagonal = gram - torch.diag(torch.diag(gram))
            total = total + self.orthogonal * off_diagonal.square().mean()
        if self.l2:
            weights = (p for p in network.parameters() if p.ndim > 1 and p.requires_grad)
            total = total + self.l2 * sum(
                (p.square().sum() for p in weights), torch.zeros((), device=W.device)
            )
        return total

    @torch.no_grad()
    def evaluate(
        self,
        network: SimEcNetwork,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        *,
        penalties: bool = True,
    ) -> float:
        """Return the objective on the given rows, with the network in evaluation mode.

        Parameters
        ----------
        network : SimEcNetwork
        inputs : Inputs
        targets : Targets
        rows : int64 Tensor
        penalties : bool
            Whether to include `penalty`.
        """
        network.eval()
        total, n = 0.0, 0.0
        width = int(np.prod(targets.shape))
        if network.decoder is not None:
            width += inputs.n_features
        sparse = isinstance(targets, SparseTargets) and network.decoder is None
        if sparse and self.is_least_squares(network):
            assert isinstance(targets, SparseTargets)
            W_l = network.last.weight
            for batch in torch.split(rows, chunk_size(len(W_l))):
                Y = network.encoder(inputs.batch(batch))
                error, weight = targets.squared_error(batch, Y, W_l)
                total, n = total + error, n + weight
        else:
            for batch in torch.split(rows, min(inputs.chunk, chunk_size(width))):
                x = inputs.batch(batch)
                mean, count = self.error(network, x, *targets.batch(batch))
                mean, count = targets.full_error(batch, mean, count)
                total += float(mean * count)
                n += float(count)
        mean_error = total / max(n, 1)
        if penalties:
            random = torch.Generator().manual_seed(0)
            n_rows = chunk_size(targets.shape[0])
            mean_error += float(self.penalty(network, targets, n_rows, random))
        return mean_error
