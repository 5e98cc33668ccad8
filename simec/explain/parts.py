"""Contributions of the parts of a point (atoms, tokens, patches) to embeddings that are pooled."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from simec.explain.explanation import Explanation
from simec.network import Pooling, split_parts

__all__ = ["PooledInput", "explain_parts", "find_pooling"]


def find_pooling(module: object) -> Pooling | None:
    """Return the pooling of a network if it is a sum or mean of embeddings of parts."""
    if not isinstance(module, nn.Module):
        return None
    found = [m for m in module.modules() if isinstance(m, Pooling)]
    return found[0] if len(found) == 1 and found[0].method in ("sum", "mean") else None


@contextmanager
def _parts_as_points(pooling: Pooling) -> Iterator[None]:
    """Make a network with pooling return a row for each part of a point."""

    def separate(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        parts, which = split_parts(arguments[0])
        if which is None:
            parts = parts.flatten(0, 1)
        elif which.ndim == 2:
            parts = parts[which]
        return ((parts, torch.ones(len(parts), dtype=torch.int64, device=parts.device)),)

    hook = pooling.register_forward_pre_hook(separate)
    try:
        yield
    finally:
        hook.remove()


@dataclass(frozen=True)
class PooledInput:
    """One input of a network with pooling, and its parts.

    The embedding of the input is the sum or mean of those of its parts, so that any linear
    function of it is exactly a sum of contributions of parts.

    Attributes
    ----------
    embedding : float64 Tensor of shape (d,)
    parts : float64 Tensor of shape (t, d)
        Embeddings of the parts, divided by their number for means.
    names : sequence of str or None
        Names of the parts.
    """

    embedding: Tensor
    parts: Tensor
    names: Sequence[str] | None

    @classmethod
    def read(cls, network: nn.Module, batch: Any, names: Sequence[str] | None) -> PooledInput:
        """Embed a batch of one input."""
        network = copy.deepcopy(network).eval()  # hooks would change results in other threads
        pooling = find_pooling(network)
        assert pooling is not None
        with torch.no_grad():
            embedding = network(batch)[0].double().cpu()
            with _parts_as_points(pooling):
                parts = network(batch).double().cpu()
        return cls(embedding, parts if pooling.method == "sum" else parts / len(parts), names)

    def outputs(self) -> Tensor:
        """Return the embedding, of shape (d,)."""
        return self.embedding.float()

    def explain(self, weights: Tensor, composite: Any) -> Explanation:  # noqa: ARG002
        """Explain the scalar product of the embedding with weights."""
        weights = weights.double().cpu()
        R = (self.parts @ weights).numpy()
        value = float(self.embedding @ weights)
        return Explanation(R, value, value - float(R.sum()), np.arange(len(R)), self.names)


def explain_parts(
    estimator: Any, x: Any, target: Any, names: Sequence[str] | None = None
) -> Explanation:
    """Explain a prediction of an estimator as a sum of contributions of parts.

    Parameters
    ----------
    estimator : PretrainedRegressor
        Fitted; its ``module_`` has a pooling. Predictions must be affine in what it pools.
    x : one point, as for `predict`
    target : int
        Column of the predictions.
    names : sequence of str, optional
        Names of the parts.
    """
    copied = copy.copy(estimator)
    copied.module_ = copy.deepcopy(estimator.module_)  # other threads may use the estimator
    pooling = find_pooling(copied.module_)
    assert pooling is not None
    predicted = np.asarray(estimator.predict(x), np.float64)
    if len(predicted) != 1:
        raise ValueError(f"x must be one row, got {len(predicted)} rows: explain one at a time")
    outputs = predicted.reshape(1, -1)
    if not isinstance(target, Integral):
        raise ValueError(f"target must be an integer, got {target!r}")
    target = int(target)
    if not -outputs.shape[1] <= target < outputs.shape[1]:
        raise IndexError(f"target {target} is out of range for {outputs.shape[1]} targets")
    value = float(outputs[0, target])
    with _parts_as_points(pooling):
        of_parts = np.asarray(copied.predict(x), np.float64)
    of_parts = of_parts.reshape(len(of_parts), -1)[:, target]
    n, bias = len(of_parts), 0.0
    if pooling.method == "mean":
        of_parts = of_parts / n
    elif n > 1:
        # a constant that is added to each sum is in the prediction of each part
        constant = (float(of_parts.sum()) - value) / (n - 1)
        of_parts = of_parts - constant
        bias = value - float(of_parts.sum())
    return Explanation(of_parts, value, bias, np.arange(n), names)
