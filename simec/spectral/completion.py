"""Singular value decomposition of matrices with missing entries."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from corpora.checks import check_choice, check_integer, check_number
from corpora.errors import warn
from simec.linalg.checks import LARGEST_DOUBLE, MatrixLike, check_magnitude, check_size, real_matrix
from simec.linalg.factorization import factorize_observed, mean_filled_factors
from simec.types import Float64


def svd_missing(
    R: MatrixLike,
    n_components: int,
    fill: Literal["mean", "iterative"] = "iterative",
    ridge: float = 0.0,
    max_iter: int = 200,
    tol: float = 1e-6,
    *,
    progress: bool = False,
) -> tuple[Float64, Float64]:
    """Factorize a matrix with missing entries.

    Parameters
    ----------
    R : array or sparse matrix of shape (m, n)
        NaN where missing. The stored entries of a sparse matrix are observed, including zeros,
        and all others are missing; it is not made dense.
    n_components : int
        The rank d.
    fill : {"mean", "iterative"}
        "mean" replaces missing entries by the mean of the observed ones (the baseline in
        Fig. 3.8 of the thesis); W1 W2 approximates the filled matrix. "iterative" minimizes the
        squared errors of the observed entries plus `ridge` times the squares of W1 and W2, by
        alternating least squares that start from the solution of "mean". It predicts 0 for rows
        and columns without observed entries, so subtract the mean of the matrix first.
    ridge : float
        Penalty that shrinks the factors. Use a positive value if rows have few observed entries.
    max_iter, tol
        "iterative" stops when one step lowers the loss by less than the fraction `tol`, or after
        `max_iter` steps with a ConvergenceWarning.
    progress : bool
        Show a progress bar.

    Returns
    -------
    W1 : float64 array of shape (m, d)
    W2 : float64 array of shape (d, n)
        Both are orthogonal and balanced, like the factors of `svd`.

    Raises
    ------
    ValueError
        If R has no observed entry or an infinite one, or a parameter is out of range.
    """
    observed = _observed_entries(R)
    d = check_size(n_components, min(observed.shape))
    check_choice("fill", fill, ("mean", "iterative"))
    ridge, tol = check_number("ridge", ridge, 0), check_number("tol", tol, 0)
    max_iter = check_integer("max_iter", max_iter, 1)
    if fill == "mean":
        return mean_filled_factors(observed, d)
    W1, W2, converged = factorize_observed(observed, d, ridge, max_iter, tol, progress=progress)
    if not converged:
        warn(
            f"svd_missing has not converged after {max_iter} steps: increase max_iter or tol",
            ConvergenceWarning,
        )
    return W1, W2


def _observed_entries(R: MatrixLike) -> Any:
    """Return the observed entries, including zeros, as a float64 CSR array."""
    if sparse.issparse(R):
        observed = sparse.csr_array(R, copy=True).astype(np.float64)
        observed.sum_duplicates()
        if not np.isfinite(observed.data).all():
            raise ValueError("R stores NaN or infinite entries: store only observed entries")
        check_magnitude("R", observed.data, LARGEST_DOUBLE)
    else:
        array = real_matrix(R, "R", missing=True)
        rows, columns = np.nonzero(~np.isnan(array))
        values = array[rows, columns].astype(np.float64)
        observed = sparse.csr_array((values, (rows, columns)), shape=array.shape)
    if not observed.nnz:
        raise ValueError("R has no observed entry")
    return observed
