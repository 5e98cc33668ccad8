"""Continuous-filter convolutions with filters from a table of distances (Fig. 6.6).

The filters of SchNet depend on the distance of two atoms alone, and a batch has tens of thousands
of pairs: it is faster to compute them for a few hundred distances, and to interpolate between
these. The gradient is that of the interpolated filters, exactly.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from corpora.jit import announce_compilation, compiled

__all__ = ["Convolution"]

_TAPS = 4  # points of the table that a cubic polynomial is laid through
# fused multiplications and additions, but NaN stays NaN
_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}}

# what is wrong with a pair
_OUT_OF_RANGE, _BAD_DISTANCE, _ONE_DIRECTION = 1, 2, 3


class Convolution:
    """The pairs of a batch, prepared for ``Σ_j x_j ⊙ W(distance_ij)`` with tabulated filters W.

    Parameters
    ----------
    i, j : int64 tensors of shape (P,)
        Pairs of atoms, in both directions.
    distance : float32 or float64 tensor of shape (P,)
        In angstrom; sums are computed in its precision. Pairs that are further apart than the
        cutoff are left out.
    n_atoms : int
    cutoff : float
        In angstrom: the distance of the last point of the table; that of the first is 0.
    n_points : int
        Number of points, at least 4.
    backend : {"auto", "compiled", "torch"}
        Compiled loops without temporary arrays, for tensors on a CPU, or plain operations of
        PyTorch, for any device and for derivatives with respect to distances.

    Raises
    ------
    ValueError
        If atoms are out of range, distances are negative or NaN, or pairs are given in one
        direction only. Only compiled loops check this.
    """

    def __init__(
        self,
        i: Tensor,
        j: Tensor,
        distance: Tensor,
        n_atoms: int,
        cutoff: float,
        n_points: int,
        *,
        backend: Literal["auto", "compiled", "torch"] = "auto",
    ) -> None:
        self.n_atoms, self.n_points = n_atoms, n_points
        self._scale, self._dtype = (n_points - 1) / cutoff, distance.dtype
        if backend == "auto":
            on_cpu = distance.device.type == "cpu" and not distance.requires_grad
            backend = "compiled" if on_cpu else "torch"
        self.is_compiled = backend == "compiled"
        if self.is_compiled:
            with announce_compilation("the network for molecules"):
                self._pairs = _find_unordered(
                    _array(i.long()), _array(j.long()), _array(distance), n_atoms, cutoff,
                    self._scale, n_points,
                )  # fmt: skip
        else:
            near = distance <= cutoff
            self._i, self._j, distance = i[near], j[near], distance[near]
            position = distance * self._scale
            self._first = (position.detach().long() - 1).clamp(0, n_points - _TAPS)
            self._weights = _cubic_weights(position - self._first)

    def __call__(self, x: Tensor, table: Tensor) -> Tensor:
        """Sum the neighbours of each atom, weighted by filters.

        Parameters
        ----------
        x : float tensor of shape (N, d)
            Features of atoms.
        table : float tensor of shape (n_points, d)
            Filters at equally spaced distances.

        Returns
        -------
        float tensor of shape (N, d)
        """
        dtype = x.dtype  # bfloat16 in mixed precision
        x, table = x.to(self._dtype), table.to(self._dtype)
        if self.is_compiled:
            y: Tensor = _CompiledConvolution.apply(x, table, self._pairs)  # type: ignore[no-untyped-call]
            return y.to(dtype)
        filters = sum(self._weights[:, k, None] * table[self._first + k] for k in range(_TAPS))
        return torch.zeros_like(x).index_add(0, self._i, x[self._j] * filters).to(dtype)


def _cubic_weights(u: Tensor) -> Tensor:
    """Return the weights of the values at 0, 1, 2 and 3 for that of a cubic polynomial at u."""
    v, w, z = u - 1, u - 2, u - 3
    return torch.stack([v * w * z / -6, u * w * z / 2, u * v * z / -2, u * v * w / 6], dim=1)


class _Unordered:
    """Pairs with i < j within the cutoff, and their places in the table."""

    def __init__(
        self,
        i: npt.NDArray[np.int32],
        j: npt.NDArray[np.int32],
        first: npt.NDArray[np.int32],
        weights: npt.NDArray[np.float32],
    ) -> None:
        self.i, self.j, self.first, self.weights = i, j, first, weights


def _find_unordered(
    i: npt.NDArray[np.int64], j: npt.NDArray[np.int64], distance: npt.NDArray[Any],
    n_atoms: int, cutoff: float, scale: float, n_points: int,
) -> _Unordered:  # fmt: skip
    first, second, place = np.empty((3, len(i) // 2 + 1), np.int32)
    weights = np.empty((len(first), _TAPS), distance.dtype)
    n, error = _select(
        i, j, distance, n_atoms, distance.dtype.type(cutoff), distance.dtype.type(scale), n_points,
        first, second, place, weights,
    )  # fmt: skip
    if error == _OUT_OF_RANGE:
        raise ValueError(
            f"i and j must be two different atoms from 0 to {n_atoms - 1}, got pair {n}: "
            f"{i[n]} and {j[n]}"
        )
    if error == _BAD_DISTANCE:
        raise ValueError(f"distance must be numbers >= 0, got {distance[n]} for pair {n}")
    if error == _ONE_DIRECTION:
        raise ValueError("i and j must have each pair of atoms in both directions")
    return _Unordered(first[:n], second[:n], place[:n], weights[:n])


class _CompiledConvolution(torch.autograd.Function):
    """The convolution by compiled loops, which need no arrays of shape (P, d)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, pairs: _Unordered) -> Tensor:
        ctx.save_for_backward(x, table)
        ctx.pairs = pairs
        out = torch.zeros(x.shape, dtype=x.dtype)
        with announce_compilation("the network for molecules"):
            _forward(
                _array(x), _array(table), pairs.i, pairs.j, pairs.first, pairs.weights, _array(out)
            )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, table = ctx.saved_tensors
        pairs = ctx.pairs
        of_x = torch.zeros(x.shape, dtype=x.dtype)
        of_table = torch.zeros(table.shape, dtype=x.dtype)
        with announce_compilation("training of the network for molecules"):
            _backward(
                _array(x), _array(table), pairs.i, pairs.j, pairs.first, pairs.weights,
                _array(gradient), _array(of_x), _array(of_table),
            )  # fmt: skip
        return of_x, of_table, None


def _array(x: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = x.detach().contiguous().numpy()
    return array


@compiled(**_OPTIONS)
def _select(i: Any, j: Any, distance: Any, n_atoms: Any, cutoff: Any, scale: Any, n_points: Any,
            first: Any, second: Any, place: Any, weights: Any) -> Any:  # fmt: skip
    """Find the pairs with i < j; return their number and 0, or a pair that is wrong and why."""
    n = reverse = 0
    for p in range(len(i)):
        a, b, d = i[p], j[p], distance[p]
        if a < 0 or b < 0 or a >= n_atoms or b >= n_atoms or a == b:
            return p, _OUT_OF_RANGE
        if not d >= 0:
            return p, _BAD_DISTANCE
        if d > cutoff:
            continue
        if a > b:
            reverse += 1
            continue
        if n >= len(first):
            return p, _ONE_DIRECTION
        position = d * scale
        k = min(max(int(position) - 1, 0), n_points - _TAPS)
        u = position - distance.dtype.type(k)
        v, w, z = u - 1, u - 2, u - 3
        first[n], second[n], place[n] = a, b, k
        weights[n, 0] = v * w * z / -6
        weights[n, 1] = u * w * z / 2
        weights[n, 2] = u * v * z / -2
        weights[n, 3] = u * v * w / 6
        n += 1
    if n != reverse:
        return n, _ONE_DIRECTION
    return n, 0


# Each loop over features works on a few arrays only: with more, Numba's code does not use vectors
@compiled(**_OPTIONS)
def _forward(x: Any, table: Any, i: Any, j: Any, first: Any, weights: Any, out: Any) -> None:
    d = x.shape[1]
    filters = np.empty(d, x.dtype)
    for p in range(len(i)):
        a, b, k = i[p], j[p], first[p]
        w0, w1, w2, w3 = weights[p, 0], weights[p, 1], weights[p, 2], weights[p, 3]
        for f in range(d):
            filters[f] = (
                w0 * table[k, f] + w1 * table[k + 1, f]
                + w2 * table[k + 2, f] + w3 * table[k + 3, f]
            )  # fmt: skip
        for f in range(d):
            out[a, f] += filters[f] * x[b, f]
        for f in range(d):
            out[b, f] += filters[f] * x[a, f]


@compiled(**_OPTIONS)
def _backward(x: Any, table: Any, i: Any, j: Any, first: Any, weights: Any,
              gradient: Any, of_x: Any, of_table: Any) -> None:  # fmt: skip
    d = x.shape[1]
    row = np.empty(d, x.dtype)
    for p in range(len(i)):
        a, b, k = i[p], j[p], first[p]
        w0, w1, w2, w3 = weights[p, 0], weights[p, 1], weights[p, 2], weights[p, 3]
        for f in range(d):
            row[f] = (
                w0 * table[k, f] + w1 * table[k + 1, f]
                + w2 * table[k + 2, f] + w3 * table[k + 3, f]
            )  # fmt: skip
        for f in range(d):
            of_x[a, f] += row[f] * gradient[b, f]
        for f in range(d):
            of_x[b, f] += row[f] * gradient[a, f]
        for f in range(d):
            row[f] = x[a, f] * gradient[b, f] + x[b, f] * gradient[a, f]
        for f in range(d):
            of_table[k, f] += w0 * row[f]
            of_table[k + 1, f] += w1 * row[f]
            of_table[k + 2, f] += w2 * row[f]
            of_table[k + 3, f] += w3 * row[f]
