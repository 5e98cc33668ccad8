"""Variational Bayesian matrix factorization of partly observed targets.

Embeddings Y and the columns of W_l have normal priors, and each observed target is their product
plus normal noise. The posteriors of Y and W_l are updated in turn, each by a least squares problem
that takes the posterior covariances of the other into account (Lim and Teh, 2007). The variances
of the noise and of the components are estimated along the way. So there is no penalty to tune, and
superfluous components vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import linalg, sparse

from corpora.callbacks import progress_bar
from simec.linalg.factorization import observed_grams, power_of_two
from simec.solvers.problem import Problem
from simec.types import Float64, FloatArray

_MAX_ITER = 60
_TOL = 3e-4  # stop when the noise variance changes by less than this fraction
_MIN_NOISE = 1e-6  # minimum noise variance, relative to the mean square of targets


def variational(
    problem: Problem, W_l: Float64, *, progress: bool = False
) -> Iterator[tuple[Float64, Float64]]:
    """Factorize the observed entries of a matrix, and yield the factors of each iteration.

    Parameters
    ----------
    problem : Problem
        Without features, and with missing entries: `Problem.S` is set.
    W_l : float64 array of shape (d, n)
        Initial last layer.
    progress : bool
        Show a progress bar.

    Yields
    ------
    Y : float64 array of shape (m, d)
    W_l : float64 array of shape (d, n)
        Posterior means; the rotation of the components is arbitrary.
    """
    S = problem.S
    if not sparse.issparse(S):
        positions = np.nonzero(problem.weights)
        S = sparse.csr_matrix((S[positions], positions), S.shape)
    S = S.astype(np.float64)
    unit = power_of_two(S)  # covariances are float32
    S.data /= unit
    S_T = S.T.tocsr()
    d = len(W_l)
    if not S.data.any():
        yield np.zeros((S.shape[0], d)), np.zeros((d, S.shape[1]))
        return
    variance = max(float((S.data**2).mean()), 1e-300)
    noise = variance
    # the prior variance of Y is 1; W_l is scaled accordingly
    scale = float((W_l**2).mean()) or 1.0
    last = W_l.T / np.sqrt(scale) * variance**0.5 / d**0.5
    variances = np.maximum((last**2).mean(axis=0), 1e-12 * variance)
    C_last: FloatArray = np.zeros((len(last), d, d), np.float32)
    rounds: Any = range(_MAX_ITER)
    if progress:
        rounds = progress_bar(rounds, desc="variational", unit=" rounds", shown=True, always=True)
    for _ in rounds:
        Y, C_Y, _ = posterior(S, last, C_last, np.ones(d), noise)
        last, C_last, error = posterior(S_T, Y, C_Y, 1 / variances, noise)
        before, noise = noise, max(error / S.nnz, _MIN_NOISE * variance)
        to_Y, to_last, variances = rotations(moments(Y, C_Y), moments(last, C_last))
        Y, last = Y @ to_Y, last @ to_last
        C_Y, C_last = rotated(C_Y, to_Y), rotated(C_last, to_last)
        yield Y, last.T * unit
        if abs(before - noise) < _TOL * noise:
            break


def posterior(
    S: Any, other: Float64, covariances: FloatArray, precisions: Float64, noise: float
) -> tuple[Float64, FloatArray, float]:
    """Posterior of the row vectors, given that of the column vectors.

    Parameters
    ----------
    S : CSR matrix of shape (m, n)
        Stored entries are observed.
    other : float64 array of shape (n, d)
        Posterior means of the column vectors.
    covariances : float32 array of shape (n, d, d)
        Their posterior covariances.
    precisions : float64 array of shape (d,)
        Prior precisions of the components of row vectors.
    noise : float
        Variance of the noise.

    Returns
    -------
    means : float64 array of shape (m, d)
    covariances : float32 array of shape (m, d, d)
    error : float
        Expected sum of squared errors of the observed entries.
    """
    m, d = S.shape[0], other.shape[1]
    means = np.zeros((m, d))
    result: FloatArray = np.empty((m, d, d), np.float32)
    result[:] = np.diag(1 / precisions)
    flat = covariances.reshape(len(other), d * d)
    pattern = sparse.csr_matrix((np.ones(S.nnz, np.float32), S.indices, S.indptr), S.shape)
    error = float((S.data**2).sum())
    for rows, grams, products in observed_grams(S, other):
        grams += (pattern[rows] @ flat).reshape(-1, d, d)
        inverse = np.linalg.inv(grams / noise + np.diag(precisions))
        y = (inverse @ products)[:, :, 0] / noise
        means[rows], result[rows] = y, inverse
        error += float(((grams @ y[:, :, None])[:, :, 0] * y).sum() + (grams * inverse).sum())
        error -= 2 * float((products[:, :, 0] * y).sum())
    return means, result, error


def moments(means: Float64, covariances: FloatArray) -> Float64:
    """Mean of ``x xᵀ`` over all vectors, of shape (d, d)."""
    total = means.T @ means + covariances.sum(axis=0, dtype=np.float64)
    return np.asarray(total / len(means))


def rotations(of_Y: Float64, of_last: Float64) -> tuple[Float64, Float64, Float64]:
    """Linear maps of Y and W_lᵀ that keep their products and best fit the priors.

    They make the second moments of Y the identity and those of W_l diagonal, which saves many
    iterations (Luttinen and Ilin, 2010).

    Returns
    -------
    to_Y, to_last : float64 arrays of shape (d, d)
    variances : float64 array of shape (d,)
        Variances of the components of W_l.
    """
    L = linalg.cholesky(of_Y, lower=True)
    values, Q = linalg.eigh(L.T @ of_last @ L)
    to_last = L @ Q
    to_Y: Float64 = linalg.solve_triangular(L.T, Q, lower=False)
    return to_Y, to_last, np.maximum(values, 1e-9 * values.max())


def rotated(covariances: FloatArray, rotation: Float64) -> FloatArray:
    """Covariances of vectors after a linear map."""
    single = rotation.astype(np.float32)
    return np.asarray(single.T @ covariances @ single, np.float32)
