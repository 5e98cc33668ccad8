"""Means of weights over the last epoch or so (Polyak and Juditsky, 1992).

Steps of a constant rate end around an optimum, not in it; what they have in common is nearer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

_UPDATES = 10  # in an epoch, at most


class MeanWeights:
    """An exponential moving average of some parameters.

    It weighs an epoch back by about 1/e, and where an epoch is one step it is the last weights.

    Parameters
    ----------
    parameters : iterable of Parameter
    n_steps : int
        In an epoch.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], n_steps: int) -> None:
        self._parameters = list(parameters)
        self._sums = [torch.zeros_like(p) for p in self._parameters]
        self._every = max(1, n_steps // _UPDATES)
        self._decay = 1 - 1 / max(1, min(_UPDATES, n_steps))
        self._steps, self._weight = 0, 0.0

    @torch.no_grad()
    def update(self) -> None:
        """After each step; weights are looked at every few steps."""
        self._steps += 1
        if self._steps % self._every:
            return
        self._weight = self._decay * self._weight + 1
        for total, parameter in zip(self._sums, self._parameters, strict=True):
            total.mul_(self._decay).add_(parameter)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the parameters be their means."""
        if not self._weight:
            yield
            return
        before = [parameter.detach().clone() for parameter in self._parameters]
        with torch.no_grad():
            for parameter, total in zip(self._parameters, self._sums, strict=True):
                torch.div(total, self._weight, out=parameter.data)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, old in zip(self._parameters, before, strict=True):
                    parameter.copy_(old)
