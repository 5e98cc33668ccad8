"""Targets as coordinates in a basis of their rows, so that they cost next to nothing in training.

Rows of S lie nearly in the span of few orthonormal vectors, the columns of V. With the
coordinates ``T = S V`` and a last layer ``W_l = A Vᵀ``,

    ‖S - Y W_l‖² = ‖T - Y A‖² + ‖S‖² - ‖T‖²

whatever Y is. So A is trained on T, which is far narrower than S, and the loss is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from simec.data.inputs import CHUNK, chunks
from simec.data.targets import DenseTargets, Targets
from simec.network import LastLayer
from simec.solvers.objective import Objective

_LENGTH = 64  # of coordinates at least,
_PER_COMPONENT = 4  # and for each component
_WORTH = 4  # times narrower than targets, or it does not pay


def width(n_components: int, n_targets: int) -> int:
    """Numbers that are trained on in place of so many targets: coordinates, where they pay."""
    r = max(_LENGTH, _PER_COMPONENT * n_components)
    return r if n_targets >= _WORTH * r else n_targets


class CoordinateTargets(DenseTargets):
    """Coordinates of complete targets.

    Parameters
    ----------
    values : Tensor of shape (m, r)
    beyond : float64 Tensor of shape (m,)
        Of each row the square of what coordinates leave out.
    width : int
        Targets in a row.
    """

    def __init__(self, values: Tensor, beyond: Tensor, width: int, device: torch.device) -> None:
        super().__init__(values, None, device)
        self._beyond, self._width = beyond, width

    def of_all(self, rows: Tensor, error: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """As of `Targets`."""
        n_all = n * self._width / self.shape[0]
        beyond = self._beyond[rows.to(self._beyond.device)].sum()
        return (error * n + beyond) / n_all, n_all


class Basis:
    """Orthonormal vectors whose sums rows of targets nearly are.

    Parameters
    ----------
    vectors : Tensor of shape (n, r)
        V; of k relations, n * k rows.
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def coordinates(self, targets: Targets, device: torch.device) -> CoordinateTargets:
        """Coordinates of all rows."""
        values, beyond = [], []
        for rows in chunks(len(targets), len(self.vectors)):
            S = targets.batch(rows)[0].flatten(1)
            T = S @ self.vectors
            values.append(T)
            rest = torch.addmm(S, T, self.vectors.T, alpha=-1)
            beyond.append(torch.linalg.vector_norm(rest, dim=1).double().square())
        return CoordinateTargets(
            torch.cat(values), torch.cat(beyond), len(self.vectors), device
        )  # fmt: skip

    @contextmanager
    def in_place(self, last: LastLayer) -> Iterator[None]:
        """Let a last layer give coordinates for a while, A being its weight."""
        before = last.weight
        shape, trained = before.shape, before.requires_grad
        last.weight = nn.Parameter(before.detach().flatten(1) @ self.vectors, trained)
        try:
            yield
        finally:
            if trained:
                found = last.weight.detach() @ self.vectors.T
                before = nn.Parameter(found.reshape(shape))
            last.weight = before


def find_basis(
    targets: Targets, rows: Tensor, last: LastLayer, objective: Objective
) -> Basis | None:
    """A basis for targets of some rows; None where coordinates cannot be, or do not pay.

    Parameters
    ----------
    targets : Targets
    rows : int64 Tensor
        Those to learn from.
    last : LastLayer
        If its weight is fixed, the basis is of its rows, and coordinates leave out nothing that
        matters.
    objective : Objective
        Squared errors of linear predictions, with penalties on weights alone.

    References
    ----------
    Halko, Martinsson and Tropp (2011). Finding structure with randomness. Algorithm 4.4.
    """
    d, *_ = last.weight.shape
    n = int(np.prod(targets.shape))
    fixed = not last.weight.requires_grad
    r = min(d, n) if fixed else width(d, n)
    plain = objective.loss == "mse" and last.is_linear
    other = objective.symmetric or objective.decoder
    if not (plain and targets.complete and targets.in_memory) or other or n < _WORTH * r:
        return None
    if fixed:
        return Basis(torch.linalg.qr(last.weight.detach().flatten(1).T)[0])
    some = rows[torch.linspace(0, len(rows) - 1, min(len(rows), CHUNK), dtype=torch.float64).long()]
    S = targets.batch(some)[0].flatten(1)
    random = torch.randn(n, r, generator=torch.Generator().manual_seed(0)).to(S.device)
    Q = torch.linalg.qr(S @ random)[0]
    return Basis(torch.linalg.qr(S.T @ Q)[0])
