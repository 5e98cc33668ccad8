"""Least squares on what is known of the targets, for embeddings linear in some features.

W_l is solved for with embeddings fixed, then W₁ with W_l fixed, and so on: each step is a
ridge regression on the targets that are known, and none raises the error. With the identity
for features this is alternating least squares (Zhou et al., 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from simec.data.inputs import chunks
from simec.linalg.observed import alternate, observed_grams, sampled_product, solve_observed
from simec.solvers.closed_form import Array, LinearFit, Pieces, conjugate_gradients, widened

_ROUNDS = 50
_STEPS = 10  # of conjugate gradients, from where the last round ended
_PROGRESS = 1e-4  # share of the error that a round has to take off, unless told otherwise
_HELD = 1 << 27  # numbers of matrices of rows that are held
_LEAST = 1e-6  # of the mean square of W_l: what squared weights cost at least


def alternating(
    fit: LinearFit,
    S: Any,
    known: Any,
    W_l: Array,
    ridge: float,
    rounds: int = _ROUNDS,
    *,
    absent: float = 0.0,
    by_count: float = 0.0,
    tol: float = _PROGRESS,
) -> tuple[Array, Array]:
    """Minimise the mean squared error of known targets, plus ridge (|W₁|² + |W_l|²).

    Parameters
    ----------
    fit : LinearFit
        Of the features.
    S, known : array or CSR matrix of shape (m, n)
        Targets, 0 where unknown; and the weights of their squared errors, 0 where unknown.
        Sparse ones store the same entries.
    W_l : float64 array of shape (d, n)
        To start from.
    ridge : float
    rounds : int
        At most.
    absent : float
        Weight of what sparse targets do not store, which is 0 then.
    by_count : float
        Rows of the identity and columns of S cost (known targets / their mean) ** by_count
        times as much.
    tol : float
        Share of the error that a round has to take off, or it is the last.

    Returns
    -------
    W1 : float64 array of shape (p, d)
    W_l : float64 array of shape (d, n)
    """
    S, known = _float64(S), _float64(known)
    weight = total_weight(known, absent)
    # above 0, so that what nothing is known of does no harm
    least = max(_LEAST * float((W_l**2).mean()), 1e-300)
    by_rows, by_columns = (relative_counts(known, axis, by_count) for axis in (1, 0))
    penalty_l = np.maximum(ridge * weight * by_columns, least)
    penalty_1 = np.maximum(ridge * weight, least * fit.squares) * fit.costs
    if fit.features is None:
        penalty_1 = np.maximum(ridge * weight * by_rows, least)[:, None]
    S_T, known_T = (M.T.tocsr() if sparse.issparse(M) else M.T for M in (S, known))
    weighted = _times(known, S)
    total = float(_times(weighted, S).sum())

    def solve_left(W_l: Array, previous: tuple[Array, Array] | None) -> tuple[Array, Array]:
        start = None if previous is None else previous[0]
        W1 = first(fit, S, known, W_l, penalty_1, start, absent=absent)
        return W1, embeddings(fit, W1)

    def solve_right(left: tuple[Array, Array]) -> Array:
        return solve_rows(S_T, known_T, left[1], penalty_l, absent).T

    def error(left: tuple[Array, Array], W_l: Array) -> float:
        W1, Y = left
        # at the optimal W_l, the residual sum of squares is the total minus the explained
        explained = float((np.asarray(weighted @ W_l.T) * Y).sum())
        return total - explained + float((penalty_1 * W1**2).sum())

    (W1, Y), W_l, _ = alternate(solve_left, solve_right, error, W_l, max_iter=rounds, tol=tol)
    return balanced(W1, Y, W_l)


def relative_counts(known: Any, axis: int, power: float) -> Array:
    """(Known targets of each row, axis 1, or column / their mean) ** power; at least one each."""
    counts = known.getnnz(axis=axis) if sparse.issparse(known) else (known != 0).sum(axis=axis)
    counts = np.maximum(counts, 1)
    found: Array = (counts / counts.mean()) ** power
    return found


def total_weight(known: Any, absent: float) -> float:
    """Sum of the weights of all targets, absent ones of sparse targets included."""
    total = float(known.sum())
    if absent and sparse.issparse(known):
        total += absent * (known.shape[0] * known.shape[1] - known.nnz)
    return total


def balanced(W1: Array, Y: Array, W_l: Array) -> tuple[Array, Array]:
    """The same product, with rows of W_l orthogonal and as long as the columns of Y = H W₁."""
    d = len(W_l)
    Q, R = np.linalg.qr(W_l.T)
    T = np.linalg.qr(Y, mode="r")
    A, sizes, B = np.linalg.svd(T @ R.T, full_matrices=False)
    root = np.sqrt(sizes)
    turn = np.linalg.lstsq(T, A * root, rcond=None)[0]
    return widened(W1 @ turn, d), widened(Q @ (B.T * root), d).T


def filling(
    solve: Callable[[Pieces], tuple[Array, Array]],
    fit: LinearFit,
    S: Any,
    known: Any,
    W1: Array,
    W_l: Array,
) -> tuple[Array, Array]:
    """Bring a closed form for targets without gaps to those with gaps.

    What is unknown is filled with what the last round predicts (Mazumder et al., 2010). Where
    the closed form is an optimum, no round raises the error.

    Parameters
    ----------
    solve : callable
        From targets in pieces to W₁ and W_l.
    fit, S, known
        As for `alternating`.
    W1, W_l
        To start from.

    Returns
    -------
    W1, W_l
    """
    S, known = _float64(S), _float64(known)
    found, best = (W1, W_l), np.inf
    for _ in range(_ROUNDS):
        Y = embeddings(fit, W1)
        W1, W_l = solve(
            lambda rows, Y=Y, W_l=W_l: Y[rows] @ W_l + _gaps(S, known, Y, W_l, rows)  # type: ignore[misc]
        )
        # the start may be none that the closed form can give, and is not measured
        Y = embeddings(fit, W1)
        gaps = (_gaps(S, known, Y, W_l, rows) for rows in fit.chunks())
        error = sum(float((gap**2).sum()) for gap in gaps)
        if error < best:
            found = W1, W_l
        if not error < best * (1 - _PROGRESS):
            break
        best = error
    return found


def _gaps(S: Any, known: Any, Y: Array, W_l: Array, rows: Any) -> Array:
    """What predictions lack of what is known."""
    here, at = _dense(_rows(S, rows)), _dense(_rows(known, rows))
    return np.asarray((here - Y[rows] @ W_l) * at)


def embeddings(fit: LinearFit, W1: Array) -> Array:
    """Of all rows."""
    found: Array = np.vstack([fit.apply(rows, W1) for rows in chunks(fit.n_rows)])
    return found


def first(
    fit: LinearFit,
    S: Any,
    known: Any,
    W_l: Array,
    penalty: Array,
    start: Array | None = None,
    steps: int = 5 * _STEPS,
    absent: float = 0.0,
) -> Array:
    """The best W₁ for a given W_l, shape (p, d), with a penalty for each feature."""
    if fit.features is None:
        return solve_rows(S, known, W_l.T, penalty[:, 0], absent)
    every = absent * (W_l @ W_l.T)
    grams = _grams(S, known, W_l, absent)

    def gram(B: Array) -> Array:
        def back(rows: Any) -> Array:
            Y, here = fit.apply(rows, B), _rows(known, rows)
            if grams is not None:
                return np.asarray(_rows(grams, rows) @ Y[:, :, None])[:, :, 0]
            if sparse.issparse(here):
                at = sparse.csr_matrix(
                    (
                        (here.data - absent) * sampled_product(here, Y, W_l.T),
                        here.indices,
                        here.indptr,
                    ),
                    here.shape,
                )
                return np.asarray(at @ W_l.T + Y @ every)
            return np.asarray((here * (Y @ W_l)) @ W_l.T)

        return fit.products(back, B.shape[1]) + penalty * B

    weighted = _times(known, S)
    right = fit.products(lambda rows: np.asarray(_rows(weighted, rows) @ W_l.T), len(W_l))
    share = total_weight(known, absent) / (known.shape[0] * known.shape[1])
    diagonal = share * fit.squares * (W_l**2).sum(axis=1) + penalty
    steps = steps if start is None else _STEPS
    return conjugate_gradients(gram, right, diagonal, start, steps)


def _grams(S: Any, known: Any, W_l: Array, absent: float) -> Array | None:
    """Sums of ``w wᵀ`` over what is known of each row, shape (m, d, d); None if too many.

    With them a step takes d² products for each row, and not d for each known target.
    """
    m, d = known.shape[0], len(W_l)
    if not sparse.issparse(known) or m * d * d > _HELD or known.nnz < m * d:
        return None
    found: Array = np.empty((m, d, d))
    found[:] = absent * (W_l @ W_l.T)
    for rows, grams, _ in observed_grams(S, W_l.T, known.data, absent):
        found[rows] = grams
    return found


def solve_rows(S: Any, known: Any, W: Array, penalty: float | Array, absent: float = 0.0) -> Array:
    """For each row of S the embedding y that brings ``W y`` nearest to what is known of it.

    Parameters
    ----------
    S, known : array or CSR matrix of shape (m, n)
        Targets, and weights of their squared errors.
    W : float64 array of shape (n, d)
    penalty : float, or float64 array of shape (m,)
        On each squared embedding.
    absent : float
        Weight of what sparse targets do not store.

    Returns
    -------
    float64 array of shape (m, d)
        Zero for rows of which nothing is known.
    """
    if sparse.issparse(S):
        return solve_observed(S, W, penalty, known.data, absent)
    d = W.shape[1]
    # for all rows at once: sums over what is known of w wᵀ
    outer = (W[:, :, None] * W[:, None, :]).reshape(len(W), d * d)
    right = np.asarray((known * S) @ W)
    penalty = np.broadcast_to(np.asarray(penalty), len(right))
    result = np.zeros_like(right)
    for rows in chunks(len(right), d * d):
        grams = (_rows(known, rows) @ outer).reshape(-1, d, d)
        here = rows.numpy()
        grams[:, np.arange(d), np.arange(d)] += penalty[here, None]
        result[here] = np.linalg.solve(grams, right[here][:, :, None])[:, :, 0]
    return result


def _rows(M: Any, rows: Any) -> Any:
    return M[int(rows[0]) : int(rows[-1]) + 1]


def _dense(M: Any) -> Array:
    return np.asarray(M.toarray() if sparse.issparse(M) else M)


def _times(A: Any, B: Any) -> Any:
    """The product of each two entries; sparse ones store the same."""
    if not sparse.issparse(A):
        return A * B
    return sparse.csr_matrix((A.data * B.data, A.indices, A.indptr), A.shape)


def _float64(M: Any) -> Any:
    return M.astype(np.float64)
