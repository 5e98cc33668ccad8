"""Target similarities or other relations in batches, with what is known of them.

A row has n targets, or n times k for k relations at once. What is not known counts for nothing
in any error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from simec.data.inputs import DatasetInputs, fitting
from simec.linalg.observed import sampled_product

Batch = tuple[Tensor, Tensor | None]


class Targets:
    """Rows of targets that can be had in batches.

    Attributes
    ----------
    shape : tuple of int
        Of a row: ``(n,)`` or ``(n, k)``.
    complete : bool
        Whether all are known; if not, a batch may say nevertheless that all of its are.
    in_memory : bool
        Whether a batch is there without being computed.
    absent : float
        Weight of the errors of what sparse `matrices` do not store, which is 0 then.
    """

    shape: tuple[int, ...]
    complete: bool
    in_memory = False
    absent = 0.0

    def __len__(self) -> int:
        raise NotImplementedError

    def batch(self, rows: Tensor) -> Batch:
        """Targets of some rows, 0 where unknown, and a bool tensor of what is known, or None.

        Where errors have weights, a tensor of these, 0 where unknown.
        """
        raise NotImplementedError

    def of_all(self, rows: Tensor, error: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """The mean error of some rows, and of how many targets, if a batch stands for more."""
        del rows
        return error, n

    def matrices(self) -> tuple[Any, Any] | None:
        """All targets and what is known, float32, ndarray or CSR, of shape (m, n * k).

        What is known has 1, or the weight of its error. Sparse ones store the same entries.
        None if they are not in memory.
        """
        return None

    def hold_out(
        self, share: float, rng: np.random.Generator, *, symmetric: bool = False
    ) -> tuple[Targets, Targets]:
        """Split what is known at random: to learn from, and a share to measure on.

        With `symmetric`, S[i, j] and S[j, i] stay together.
        """
        del share, rng, symmetric
        raise ValueError("entries can only be held out of targets that are in memory")


class DenseTargets(Targets):
    """A tensor.

    Parameters
    ----------
    values : Tensor of shape (m, n) or (m, n, k)
        0 where unknown.
    known : bool Tensor of the same shape, optional
    """

    in_memory = True

    def __init__(self, values: Tensor, known: Tensor | None, device: torch.device) -> None:
        self._values = fitting(values, device)
        self._known = None if known is None else fitting(known, device)
        self._device = device
        self.shape, self.complete = tuple(values.shape[1:]), known is None

    def __len__(self) -> int:
        return len(self._values)

    def batch(self, rows: Tensor) -> Batch:
        """As of `Targets`."""
        rows = rows.to(self._values.device)
        # twice as fast as indexing
        values = self._values.index_select(0, rows)
        known = None if self._known is None else self._known.index_select(0, rows).to(self._device)
        return values.to(self._device, non_blocking=True), known

    def matrices(self) -> tuple[Any, Any]:
        """As of `Targets`."""
        values = self._values.flatten(1).cpu().numpy()
        if self._known is None:
            return values, np.ones_like(values)
        return values, self._known.flatten(1).cpu().numpy().astype(np.float32)

    def hold_out(
        self, share: float, rng: np.random.Generator, *, symmetric: bool = False
    ) -> tuple[Targets, Targets]:
        """As of `Targets`."""
        chances = torch.from_numpy(rng.random(self._values.shape, np.float32))
        n = self.shape[0]
        if symmetric:
            chances[:n] = torch.minimum(chances[:n], chances[:n].transpose(0, 1).clone())
            share = 1 - (1 - share) ** 0.5
        known = torch.ones_like(chances, dtype=torch.bool) if self._known is None else self._known
        known = known.cpu()
        held = torch.zeros_like(known)
        held[known] = torch.from_numpy(_below(share, chances[known].numpy()))
        held, known = held.to(self._values.device), known.to(self._values.device)
        return (
            DenseTargets(self._values, known & ~held, self._device),
            DenseTargets(self._values, known & held, self._device),
        )


class SparseTargets(Targets):
    """A matrix in CSR format whose absent entries are unknown, and whose zeros are zeros.

    Parameters
    ----------
    S : CSR matrix of shape (m, n)
    weights : float array of shape (nnz,), optional
        Of the errors of what is stored, in its order; 1 if left out.
    absent : float
        Weight of the errors of what is not stored. Above 0 absent entries are known to be 0:
        implicit feedback, of which what is there says more (Hu, Koren and Volinsky, 2008).
    """

    complete = False

    def __init__(
        self, S: Any, device: torch.device, weights: Any = None, absent: float = 0.0
    ) -> None:
        self._S = sparse.csr_matrix(S, dtype=np.float32)
        self._device = device
        self.shape = (int(self._S.shape[1]),)
        ones = np.ones(self._S.nnz, np.float32)
        self._plain = weights is None and not absent
        self._weights = self._with(ones if weights is None else np.asarray(weights, np.float32))
        self.absent = float(absent)

    def __len__(self) -> int:
        return int(self._S.shape[0])

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all errors."""
        n_absent = self._S.shape[0] * self._S.shape[1] - self._S.nnz
        known = float(self._weights.data.sum(dtype=np.float64))
        return float(known + self.absent * n_absent)

    def _with(self, data: Any) -> Any:
        return sparse.csr_matrix((data, self._S.indices, self._S.indptr), self._S.shape)

    def batch(self, rows: Tensor) -> Batch:
        """As of `Targets`; what is known is a tensor of weights if there are some."""
        part = self._S[rows.numpy()]
        place = np.repeat(np.arange(len(rows)) * self.shape[0], np.diff(part.indptr)) + part.indices
        where = torch.from_numpy(place.astype(np.int64)).to(self._device)
        size = len(rows) * self.shape[0]
        values = torch.zeros(size, device=self._device)
        values[where] = torch.from_numpy(part.data).to(self._device)
        if self._plain:
            known = torch.zeros(size, dtype=torch.bool, device=self._device)
            known[where] = True
        else:
            known = torch.full((size,), self.absent, device=self._device)
            known[where] = torch.from_numpy(self._weights[rows.numpy()].data).to(self._device)
        return values.reshape(len(rows), -1), known.reshape(len(rows), -1)

    def matrices(self) -> tuple[Any, Any]:
        """As of `Targets`; weights of what is known."""
        return self._S, self._weights

    def squared_error(self, rows: Tensor, Y: Tensor, W_l: Tensor) -> tuple[float, float]:
        """Weighted squares of ``Y W_l - S``, summed over some rows, and the sum of their weights.

        Takes time by what is stored, not by the size of S.

        Parameters
        ----------
        rows : int64 Tensor of shape (b,)
        Y : Tensor of shape (b, d)
            Their embeddings.
        W_l : Tensor of shape (d, n)
        """
        left, right = (M.cpu().numpy().astype(np.float64) for M in (Y, W_l.T))
        S, weights = self._S[rows.numpy()], self._weights[rows.numpy()].data
        found = sampled_product(S, left, right)
        total = float((weights * (S.data - found) ** 2).sum())
        weight = float(weights.sum(dtype=np.float64))
        if self.absent:
            every = float(((left.T @ left) * (right.T @ right)).sum())
            total += self.absent * (every - float((found**2).sum()))
            weight += self.absent * (S.shape[0] * S.shape[1] - S.nnz)
        return total, weight

    def hold_out(
        self, share: float, rng: np.random.Generator, *, symmetric: bool = False
    ) -> tuple[Targets, Targets]:
        """As of `Targets`."""
        if self.absent:
            raise ValueError(
                "entries cannot be held out where absent ones are targets, too: use "
                "early_stopping=False"
            )
        entries = self._S.tocoo()
        chances = rng.random(self._S.nnz)
        if symmetric:
            i, j = np.sort(np.stack([entries.row, entries.col]).astype(np.int64), axis=0)
            chances = chances[np.unique(i * max(self._S.shape) + j, return_inverse=True)[1]]
        held = _below(share, chances)

        def part(some: Any) -> SparseTargets:
            place = entries.row[some], entries.col[some]
            S = sparse.csr_matrix((entries.data[some], place), self._S.shape)
            weights = None if self._plain else self._weights.data[some]
            return SparseTargets(S, self._device, weights)

        return part(~held), part(held)


class ComputedTargets(Targets):
    """What a function gives for row numbers: targets that are too many to hold.

    Parameters
    ----------
    function : callable
        From an int64 array of shape (b,) to an array of shape (b, n) or (b, n, k); NaN where
        unknown.
    n_rows : int
    n_targets : int or None
        Only the first so many are used.
    """

    def __init__(
        self,
        function: Callable[[npt.NDArray[np.int64]], Any],
        n_rows: int,
        n_targets: int | None,
        device: torch.device,
    ) -> None:
        self._function, self._n_rows, self._n_targets = function, n_rows, n_targets
        self._device = device
        first = self._call(torch.arange(1))
        if first.ndim not in (2, 3):
            raise ValueError(
                f"the function gives an array of shape {tuple(first.shape)} for 1 row; "
                "(1, n) or (1, n, k) is needed"
            )
        self.shape = tuple(first.shape[1:])
        self.complete = not bool(first.isnan().any())

    def __len__(self) -> int:
        return self._n_rows

    def _call(self, rows: Tensor) -> Tensor:
        found = self._function(rows.numpy())
        found = found.detach() if isinstance(found, Tensor) else np.asarray(found, np.float32)
        values = torch.as_tensor(found, dtype=torch.float32)
        if values.ndim < 2 or len(values) != len(rows):
            raise ValueError(
                f"the function gives an array of shape {tuple(values.shape)} for {len(rows)} rows"
            )
        return _finite(values[:, : self._n_targets])

    def batch(self, rows: Tensor) -> Batch:
        """As of `Targets`."""
        return without_nan(self._call(rows).to(self._device))


class DatasetTargets(Targets):
    """The second of each pair that a data set gives."""

    def __init__(self, data: DatasetInputs, n_targets: int | None, device: torch.device) -> None:
        self._data, self._n_targets, self._device = data, n_targets, device
        first, known = self.batch(torch.arange(1))
        self.shape, self.complete = tuple(first.shape[1:]), known is None

    def __len__(self) -> int:
        return len(self._data)

    def batch(self, rows: Tensor) -> Batch:
        """As of `Targets`."""
        values = self._data.pairs(rows)[1].to(self._device, torch.float32)
        values = values[:, None] if values.ndim == 1 else values[:, : self._n_targets]
        return without_nan(_finite(values))


def _finite(values: Tensor) -> Tensor:
    if bool(values.isinf().any()):
        raise ValueError("S contains infinity: give NaN for what is unknown")
    return values


def _below(share: float, chances: Any) -> Any:
    """Which of some numbers from 0 to 1 are below a share: one at least, and not all."""
    found = (chances < share) | (chances == chances.min())
    found &= chances < chances.max()
    if not found.any():
        raise ValueError(
            "too little of S is known to hold some of it out: use early_stopping=False"
        )
    return found


def without_nan(values: Tensor) -> Batch:
    """Values with 0 for NaN, and what is known; None if all is."""
    if not bool(values.sum().isnan()):  # many times faster than to look at each
        return values, None
    missing = values.isnan()
    return (values.masked_fill(missing, 0), ~missing) if bool(missing.any()) else (values, None)
