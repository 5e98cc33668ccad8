"""Projection of wide targets to a low-dimensional subspace, for faster training.

The rows of S lie close to the span of a few orthonormal vectors, the columns of V. With projected
targets ``T = S V`` and a last layer ``W_l = A Vᵀ``,

    ‖S - Y W_l‖² = ‖T - Y A‖² + ‖S‖² - ‖T‖²

for any Y. Therefore A can be trained on T, which has far fewer columns than S, with the same loss.
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

_MIN_WIDTH = 64  # minimum width of projected targets
_PER_COMPONENT = 4  # their width for each component
_MIN_RATIO = 4  # projection pays off if it reduces the width of S by at least this factor


def projected_width(n_components: int, n_targets: int) -> int:
    """Width of the target matrix used for training: projected where projection pays off."""
    r = max(_MIN_WIDTH, _PER_COMPONENT * n_components)
    return r if n_targets >= _MIN_RATIO * r else n_targets


class ProjectedTargets(DenseTargets):
    """Projected targets without missing entries.

    Parameters
    ----------
    values : Tensor of shape (m, r)
    residuals : float64 Tensor of shape (m,)
        Squared norm of the residual of each row.
    width : int
        Number of targets per row before projection.
    device : torch.device
    """

    def __init__(self, values: Tensor, residuals: Tensor, width: int, device: torch.device) -> None:
        super().__init__(values, None, device)
        self._residuals, self._width = residuals, width

    def full_error(self, rows: Tensor, error: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Convert the mean error of projected targets to that of the original targets.

        See `Targets.full_error`.
        """
        n_all = n * self._width / self.shape[0]
        residual = self._residuals[rows.to(self._residuals.device)].sum()
        return (error * n + residual) / n_all, n_all


class Basis:
    """Orthonormal basis of a subspace that approximately contains the rows of S.

    Parameters
    ----------
    vectors : Tensor of shape (n, r)
        V; of shape (n * k, r) for k relations.
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def project(self, targets: Targets, device: torch.device) -> ProjectedTargets:
        """Project targets to the subspace."""
        values, squares = [], []
        for rows in chunks(len(targets), len(self.vectors)):
            S = targets.batch(rows)[0].flatten(1)
            T = S @ self.vectors
            values.append(T)
            residuals = torch.addmm(S, T, self.vectors.T, alpha=-1)
            squares.append(torch.linalg.vector_norm(residuals, dim=1).double().square())
        return ProjectedTargets(torch.cat(values), torch.cat(squares), len(self.vectors), device)

    @contextmanager
    def in_place(self, last: LastLayer) -> Iterator[None]:
        """Replace W_l by ``A = W_l V`` inside a ``with`` block, and by ``A Vᵀ`` when it ends.

        A weight that is not trained is restored unchanged.
        """
        before = last.weight
        shape, trained = before.shape, before.requires_grad
        last.weight = nn.Parameter(before.detach().flatten(1) @ self.vectors, trained)
        try:
            yield
        finally:
            if trained:
                before = nn.Parameter(self.expand(last.weight).reshape(shape))
            last.weight = before

    def expand(self, A: Tensor) -> Tensor:
        """Return ``A Vᵀ``, of shape (d, n * k), for A of shape (d, r)."""
        return A.detach() @ self.vectors.T

    @contextmanager
    def expanded(self, last: LastLayer, original: nn.Parameter) -> Iterator[None]:
        """Temporarily set the full W_l within `in_place`, so that the network predicts all targets.

        Parameters
        ----------
        last : LastLayer
        original : Parameter
            The weight before `in_place`, which is used if the weight is not trained.
        """
        projected = last.weight
        if projected.requires_grad:
            last.weight = nn.Parameter(self.expand(projected).reshape(original.shape))
        else:
            last.weight = original
        try:
            yield
        finally:
            last.weight = projected


def find_basis(
    targets: Targets, rows: Tensor, last: LastLayer, objective: Objective
) -> Basis | None:
    """Find a basis for the targets of the training rows, by a randomized range finder.

    Parameters
    ----------
    targets : Targets
    rows : int64 Tensor
        Training rows.
    last : LastLayer
        If its weight is fixed, the basis spans the rows of W_l, which is exact: the other
        directions only add a constant to the loss.
    objective : Objective

    Returns
    -------
    Basis or None
        None if projection does not apply: it needs complete targets in memory, squared errors
        of linear predictions, no symmetric term and no decoder, and a wide S.

    References
    ----------
    Halko, Martinsson and Tropp (2011). Finding structure with randomness. Algorithm 4.4.
    """
    d, *_ = last.weight.shape
    n = int(np.prod(targets.shape))
    fixed = not last.weight.requires_grad
    r = min(d, n) if fixed else projected_width(d, n)
    least_squares = objective.loss == "mse" and last.is_linear
    other = objective.symmetric or objective.decoder
    complete = targets.complete and targets.in_memory
    if not (least_squares and complete) or other or n < _MIN_RATIO * r:
        return None
    if fixed:
        return Basis(torch.linalg.qr(last.weight.detach().flatten(1).T)[0])
    n_sample = min(len(rows), CHUNK)
    sample = rows[torch.linspace(0, len(rows) - 1, n_sample, dtype=torch.float64).long()]
    S = targets.batch(sample)[0].flatten(1)
    random = torch.randn(n, r, generator=torch.Generator().manual_seed(0)).to(S.device)
    Q = torch.linalg.qr(S @ random)[0]
    return Basis(torch.linalg.qr(S.T @ Q)[0])
