"""Ridge regression with a penalty chosen by cross-validation, and kernel ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import lsqr

from corpora.callbacks import progress_bar
from corpora.checks import ParameterError, check_number
from simec.linalg.checks import OVERFLOW
from simec.linalg.factorization import solve_positive
from simec.types import Float64

_ROWS = 1 << 9  # rows of a product computed at a time
# penalties to choose from, in units of the mean square of a feature
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_FOLDS = 5
_LSQR_STEPS = 200


def check_penalties(name: str, values: Sequence[float]) -> None:
    """Raise ValueError unless there is at least one penalty and all are positive."""
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise ParameterError(f"{name} must be a sequence of penalties, got {values!r}")
    if not len(values):
        raise ValueError(f"{name} must have at least one penalty, got {values!r}")
    for value in values:
        check_number(f"each penalty in {name}", value, 0, above=True)


@dataclass(frozen=True)
class RidgeFit:
    """A fitted map from features to targets, ``X @ weights + intercept``.

    Attributes
    ----------
    weights : float64 array of shape (D, k)
    intercept : float64 array of shape (k,)
    alpha : float
        The selected penalty.
    errors : dict of float
        Weighted mean squared leave-one-out error of each penalty.
    left_out : float64 array of shape (m, k)
        Leave-one-out predictions: of each point, by a regression on all others.
    """

    weights: Float64
    intercept: Float64
    alpha: float
    errors: dict[float, float]
    left_out: Float64


class DualRidge:
    """Ridge regressions on the same points, with one shared decomposition of their features.

    Minimizes ``Σ w_i |y_i - B x_i - c|² + α |B|²``. Unlike `sklearn.linear_model.RidgeCV`, the
    decomposition is kept for further targets, and leave-one-out predictions are returned.

    Parameters
    ----------
    X : CSR matrix or array of shape (m, D)
    weights : array of shape (m,), optional
        Positive sample weights; 1 by default.
    """

    def __init__(self, X: Any, weights: Any = None) -> None:
        w = np.ones(X.shape[0]) if weights is None else np.asarray(weights, np.float64)
        self._X, self._share, self._root = X, w / w.sum(), np.sqrt(w)
        self._center = np.asarray(X.T @ self._share).ravel()
        m, D = X.shape
        if not np.isfinite(self._center).all():
            raise ValueError(OVERFLOW)
        # singular vectors of centered features, from the smaller of their two Gram matrices
        if m <= D:
            gram = products(X, X, np.float64)
            row_means = gram @ self._share
            gram -= row_means - float(self._share @ row_means)
            gram -= row_means[:, None]
            gram *= self._root
            gram *= self._root[:, None]
            # in place, to save memory: there may be ten thousand points
            values, self._U = _eigenpairs(gram)
        else:
            weighted = sparse.diags(w) @ X if sparse.issparse(X) else X * w[:, None]
            gram = products(X.T, weighted.T, np.float64)
            gram -= w.sum() * self._center[:, None] * self._center
            values, V = _eigenpairs(gram)
            positive = values > max(m, D) * np.finfo(np.float64).eps * max(values.max(), 1e-300)
            values, V = values[positive], V[:, positive] / np.sqrt(values[positive])
            self._U = self._root[:, None] * (np.asarray(X @ V) - self._center @ V)
        self._values = np.maximum(values, 0)

    def fit(self, Y: Float64, alphas: Sequence[float]) -> RidgeFit:
        """Fit targets with the penalty that has the lowest leave-one-out error.

        Parameters
        ----------
        Y : array of shape (m, k)
        alphas : sequence of float
            Positive penalties; the same one is used for all k targets.

        Returns
        -------
        RidgeFit
        """
        mean = self._share @ Y
        centered = self._root[:, None] * (Y - mean)
        rotated = self._U.T @ centered
        best, errors = None, {}
        for alpha in map(float, alphas):
            shrinkage = self._values / (self._values + alpha)
            # the intercept is an additional singular vector: the root of the weights
            leverage = np.einsum("ij,ij,j->i", self._U, self._U, shrinkage) + self._share
            remainder = np.maximum(1 - leverage, 1e-9)[:, None]
            residuals = (centered - self._U @ (shrinkage[:, None] * rotated)) / remainder
            errors[alpha] = float((residuals**2).sum() / (self._root**2).sum())
            if best is None or errors[alpha] < errors[best]:
                best, left_out = alpha, Y - residuals / self._root[:, None]
        assert best is not None, "there is at least one penalty"
        dual = self._root[:, None] * (self._U @ (rotated / (self._values + best)[:, None]))
        # dual coefficients of centered features: subtract the center times their sum
        weights = np.asarray(self._X.T @ dual - self._center[:, None] * dual.sum(axis=0))
        return RidgeFit(weights, mean - self._center @ weights, best, errors, left_out)


def _eigenpairs(gram: Float64) -> tuple[Float64, Float64]:
    """Compute the eigenvalues and eigenvectors of a Gram matrix, which is overwritten."""
    if not np.isfinite(gram).all():
        raise ValueError(OVERFLOW)
    values, vectors = linalg.eigh(gram, overwrite_a=True, check_finite=False)
    return values, vectors


def cross_validated_ridge(X: Any, y: Float64, weights: Float64) -> Float64:
    """Compute coefficients b that minimize Σ weights (y - X b)² + λ |b|², without intercept.

    λ is chosen from a grid by five-fold cross-validation. The solver is iterative, and suits many
    points with many sparse features.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, D)
    y, weights : float64 arrays of shape (n,)

    Returns
    -------
    float64 array of shape (D,)
        Zeros if no λ predicts better than zeros do, or if there are fewer than ten rows with
        positive weights.
    """
    weighted = np.flatnonzero(weights > 0)
    zeros = np.zeros(X.shape[1])
    if len(weighted) < 2 * _FOLDS:
        return zeros
    X, y, weights = X[weighted], y[weighted], weights[weighted]
    root = np.sqrt(weights)
    scaled: Any
    if sparse.issparse(X):
        scaled = sparse.csr_matrix(X, dtype=np.float64).multiply(root[:, None]).tocsr()
        squares = float((scaled.data**2).sum())
    else:
        scaled = np.asarray(X, np.float64) * root[:, None]
        squares = float((scaled**2).sum())
    if not squares:
        return zeros
    target = root * y
    fold = np.random.default_rng(0).permutation(len(weighted)) % _FOLDS
    lowest, best = float((target**2).sum()), None
    for factor in _PENALTIES:
        penalty = factor * squares / X.shape[1]
        error = 0.0
        for k in range(_FOLDS):
            b = _lsqr(scaled[fold != k], target[fold != k], penalty)
            error += float(((target[fold == k] - scaled[fold == k] @ b) ** 2).sum())
        if error < lowest:
            lowest, best = error, penalty
    return zeros if best is None else _lsqr(scaled, target, best)


def _lsqr(X: Any, y: Float64, penalty: float) -> Float64:
    b: Float64 = lsqr(X, y, damp=penalty**0.5, atol=1e-6, btol=1e-6, iter_lim=_LSQR_STEPS)[0]
    return b


def kernel_ridge_rows(targets: Any, gram: Any, *, progress: bool = False) -> Any:
    """Compute dual coefficients of one kernel ridge regression per row, with a penalty of 1.

    Parameters
    ----------
    targets : CSR matrix of shape (m, n)
        Stored entries are observed, including zeros.
    gram : array of shape (n, n)
        Kernel matrix of the columns.
    progress : bool
        Show a progress bar.

    Returns
    -------
    CSR matrix with the same stored entries
    """
    duals = targets.copy()
    rows = progress_bar(
        range(targets.shape[0]), desc="users", unit=" users", shown=progress, always=True
    )
    for row in rows:
        entries = slice(targets.indptr[row], targets.indptr[row + 1])
        columns = targets.indices[entries]
        if not len(columns):
            continue
        system = gram[columns[:, None], columns]
        system[np.diag_indices(len(columns))] += 1
        duals.data[entries] = solve_positive(system, targets.data[entries])
    return duals


def products(X: Any, other: Any, dtype: Any = np.float32) -> Any:
    """Compute ``X @ other.T`` of arrays or sparse matrices as a dense array, in row blocks."""
    result = np.empty((X.shape[0], other.shape[0]), dtype)
    columns = other.T
    if sparse.issparse(X):
        X, columns = X.tocsr(), sparse.csr_matrix(columns)
    for start in range(0, len(result), _ROWS):
        block = X[start : start + _ROWS] @ columns
        result[start : start + _ROWS] = block.toarray() if sparse.issparse(block) else block
    return result
