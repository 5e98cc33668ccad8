"""Factors of partly known targets by variational Bayes: penalties that need no search.

Embeddings Y and the columns of W_l are normal at first, and each known target is their product
plus noise. What is known then says how sure each of them is, and least squares for one side
take the uncertainty of the other into account (Lim and Teh, 2007). The noise, and how much
each component varies, come of the same iteration, so that superfluous components vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from tqdm.auto import tqdm

from simec.linalg.observed import observed_grams

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

_ROUNDS = 60
_PROGRESS = 3e-4  # share by which a round has to change the noise
_FLOOR = 1e-6  # of the variance of targets: the least noise


def variational(
    S: Any, W_l: Array, rounds: int = _ROUNDS, *, progress: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Factorise what is known of a matrix, and give what there is after each round.

    Parameters
    ----------
    S : CSR matrix of shape (m, n)
        What is stored is known, zeros too.
    W_l : array of shape (d, n)
        To start from.
    rounds : int
        At most.
    progress : bool
        Show a bar.

    Yields
    ------
    Y : float64 array of shape (m, d)
    W_l : float64 array of shape (d, n)
        The means of both.
    """
    S = S.astype(np.float64)
    S_T = S.T.tocsr()
    d = len(W_l)
    variance = max(float((S.data**2).mean()), 1e-300)
    noise = variance
    # rows of Y vary by 1, columns of W_l by so much
    scale = float((W_l**2).mean()) or 1.0
    last = W_l.T / np.sqrt(scale) * variance**0.5 / d**0.5
    spread = np.maximum((last**2).mean(axis=0), 1e-12 * variance)
    covariances: Single = np.zeros((len(last), d, d), np.float32)
    for _ in tqdm(range(rounds), disable=not progress, desc="variational", unit="round"):
        Y, C_Y, _ = _posterior(S, last, covariances, np.ones(d), noise)
        last, covariances, error = _posterior(S_T, Y, C_Y, 1 / spread, noise)
        before, noise = noise, max(error / S.nnz, _FLOOR * variance)
        to_Y, to_last, spread = _turns(_moments(Y, C_Y), _moments(last, covariances))
        Y, last = Y @ to_Y, last @ to_last
        C_Y = _turned(C_Y, to_Y)
        covariances = _turned(covariances, to_last)
        yield Y, last.T
        if abs(before - noise) < _PROGRESS * noise:
            break


def _posterior(
    S: Any, other: Array, covariances: Single, precisions: Array, noise: float
) -> tuple[Array, Single, float]:
    """Means and covariances of one side given those of the other, and the expected error."""
    m, d = S.shape[0], other.shape[1]
    means = np.zeros((m, d))
    found: Single = np.empty((m, d, d), np.float32)
    found[:] = np.diag(1 / precisions)
    flat = covariances.reshape(len(other), d * d)
    there = sparse.csr_matrix((np.ones(S.nnz, np.float32), S.indices, S.indptr), S.shape)
    error = float((S.data**2).sum())
    for rows, grams, products in observed_grams(S, other):
        grams += (there[rows] @ flat).reshape(-1, d, d)
        inverse = np.linalg.inv(grams / noise + np.diag(precisions))
        here = (inverse @ products)[:, :, 0] / noise
        means[rows], found[rows] = here, inverse
        error += float(((grams @ here[:, :, None])[:, :, 0] * here).sum() + (grams * inverse).sum())
        error -= 2 * float((products[:, :, 0] * here).sum())
    return means, found, error


def _moments(means: Array, covariances: Single) -> Array:
    """Mean of ``x xᵀ``."""
    found: Array = (means.T @ means + covariances.sum(axis=0, dtype=np.float64)) / len(means)
    return found


def _turns(of_Y: Array, of_last: Array) -> tuple[Array, Array, Array]:
    """Maps that keep products, and make moments of one side the identity, the other's diagonal.

    Of all that keep products these fit the priors best, and save many rounds (Luttinen and
    Ilin, 2010).
    """
    L = linalg.cholesky(of_Y, lower=True)
    values, Q = linalg.eigh(L.T @ of_last @ L)
    to_last = L @ Q
    to_Y: Array = linalg.solve_triangular(L.T, Q, lower=False)
    return to_Y, to_last, np.maximum(values, 1e-9 * values.max())


def _turned(covariances: Single, turn: Array) -> Single:
    single = turn.astype(np.float32)
    return np.asarray(single.T @ covariances @ single, np.float32)
