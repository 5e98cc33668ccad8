"""Closed forms of a network whose embeddings are linear in some features.

With Y = H W₁, the least squares S ≈ H W₁ W_l are a reduced-rank regression (Izenman, 1975):
regress S on H, and keep the d directions of what is fitted that hold most of it. If W_l shall
be Yᵀ, so that S ≈ Y Yᵀ, the best Y comes of an eigendecomposition of S within the span of H.

Everything is float64 in numpy, but for moments of features that come as float32. Features and
targets come in pieces, so that only moments are held; with sparse features that are many,
equations are solved by conjugate gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse
from torch import Tensor

from simec.data.inputs import FloatArray, chunks
from simec.linalg.eigen import Part, eigenpairs
from simec.linalg.svd import truncated_svd

Array = npt.NDArray[np.float64]
Pieces = Callable[[Tensor], Any]

_JITTER = 1e-11  # of the squares of a feature, so that features that are alike do no harm,
_SINGLE = 1e-5  # and so much where moments are of float32
_NOISE = 1e-13  # of the largest eigenvalue: below that they are rounding
_NARROW = 256  # columns up to which singular vectors come of a Gram matrix
_DIRECT = 4096  # features up to which a matrix of their number squared is held
_HELD = 1 << 26  # numbers of which a matrix of products may be made
_TOLERANCE = 1e-7
_STEPS = 100  # of conjugate gradients, or of subspace iteration


class LinearFit:
    """Least squares of anything on some features.

    Parameters
    ----------
    features : callable or None
        From numbers of rows to features, a float array or CSR matrix of shape (b, p); None
        for the identity.
    n_rows, n_features : int
        m and p.
    ridge : float
        What the squares of weights cost, as a share of m.
    bias : bool
        Whether the last feature is always 1; its weights cost nothing.
    width : int
        Numbers in a row of targets: the more, the less rows at a time.

    Attributes
    ----------
    costs : float64 array of shape (p, 1)
        1 for weights that the penalty is on, 0 for those of the bias.
    squares : float64 array of shape (p, 1)
        Sum of squares of each feature.
    factor : float64 array of shape (p, p), or None
        Of the penalised Gram matrix, lower; None if there are too many features.
    """

    def __init__(
        self,
        features: Pieces | None,
        n_rows: int,
        n_features: int,
        ridge: float,
        *,
        bias: bool,
        width: int = 1,
    ) -> None:
        self.features, self.n_rows, self.n_features = features, n_rows, n_features
        self._width = width
        self.squares = np.ones((n_features, 1))
        self._ridge = ridge * n_rows
        self.costs = np.ones((n_features, 1))
        if bias:
            self.costs[-1] = 0
        self.factor: Array | None = None
        if features is not None:
            self._prepare(features)

    def _prepare(self, features: Pieces) -> None:
        p = self.n_features
        if p > _DIRECT:
            squares = np.zeros(p)
            for rows in chunks(self.n_rows):
                H = features(rows)
                squares += (
                    np.bincount(H.indices, H.data**2, p) if sparse.issparse(H) else (H**2).sum(0)
                )
            self._set_penalty(squares, _JITTER)
            return
        gram = np.zeros((p, p))
        for rows in chunks(self.n_rows):
            H = features(rows)
            gram += (H.T @ H).toarray() if sparse.issparse(H) else H.T @ H
        self._set_penalty(np.diag(gram), _SINGLE if H.dtype == np.float32 else _JITTER)
        gram[np.diag_indices_from(gram)] += self._penalty[:, 0]
        self.factor = np.asarray(np.linalg.cholesky(gram), np.float64)

    def _set_penalty(self, squares: Array, jitter: float) -> None:
        self.squares = squares[:, None].copy()
        self._penalty = (self._ridge + np.maximum(jitter * self.squares, 1e-300)) * self.costs

    def chunks(self) -> Iterator[Tensor]:
        """Numbers of rows, as many at a time as memory allows."""
        return chunks(self.n_rows, self._width)

    def apply(self, rows: Tensor, B: Array) -> Array:
        """``H B`` for some rows."""
        if self.features is None:
            return np.asarray(B[rows.numpy()])
        return np.asarray(self.features(rows) @ B)

    def products(self, pieces: Pieces, n_columns: int) -> Array:
        """``Hᵀ T`` of shape (p, q), T coming in pieces of shape (b, q)."""
        total = np.zeros((self.n_features, n_columns))
        for rows in self.chunks():
            if self.features is None:
                total[rows.numpy()] = pieces(rows)
            else:
                total += np.asarray(self.features(rows).T @ pieces(rows))
        return total

    def solve(self, products: Array, start: Array | None = None) -> Array:
        """Weights B that bring H B nearest to T, given ``Hᵀ T``; near to `start`, if known."""
        if self.features is None:
            return products / (1 + self._ridge)
        if self.factor is not None:
            found: Array = linalg.cho_solve((self.factor, True), products)
            return found

        def gram(B: Array) -> Array:
            applied = self.products(lambda rows: self.apply(rows, B), B.shape[1])
            return applied + self._penalty * B

        return conjugate_gradients(gram, products, self.squares + self._penalty, start)

    # Factorisations

    def reduced_rank(self, S: Pieces, n: int, d: int) -> tuple[Array, Array]:
        """The best S ≈ H W₁ W_l of rank d.

        Parameters
        ----------
        S : callable
            From numbers of rows to targets, shape (b, n).
        n, d : int

        Returns
        -------
        W1 : float64 array of shape (p, d)
        W_l : float64 array of shape (d, n)
            Its rows are orthogonal; each is as long as the column of ``H W1``.
        """
        if self.n_features * n <= _HELD and (self.features is None or self.factor is not None):
            C = self.products(S, n)
            sizes, V = _right(self._half_solved(C), min(d, *C.shape))
            fitted = self.solve(C @ V)
        else:
            sizes, V, fitted = self._by_iteration(S, n, min(d, n))
        root = np.sqrt(sizes)
        W1 = fitted / np.where(root > 1e-9 * root.max(initial=0), root, np.inf)
        return widened(W1, d), widened(V * root, d).T

    def _half_solved(self, C: Array) -> Array:
        """A matrix whose Gram matrix is ``Sᵀ Ŝ`` with the fitted Ŝ, given ``C = Hᵀ S``."""
        if self.factor is None:
            return np.asarray(C / np.sqrt(1 + self._ridge))
        found: Array = linalg.solve_triangular(self.factor, C, lower=True)
        return found

    def _by_iteration(self, S: Pieces, n: int, d: int) -> tuple[Array, Array, Array]:
        """The same by subspace iteration, with passes over features and targets."""
        V = np.random.default_rng(0).standard_normal((n, min(n, d + 10)))
        old, last = np.zeros(d), V
        B: Array | None = None
        for _ in range(_STEPS):
            V = linalg.qr(V, mode="economic")[0]
            products = self.products(lambda rows, V=V: S(rows) @ V, V.shape[1])  # type: ignore[misc]
            # what was found for the last V, turned to this one
            B = self.solve(products, None if B is None else B @ (last.T @ V))
            last = V
            Z = np.zeros_like(V)
            for rows in self.chunks():
                Z += S(rows).T @ self.apply(rows, B)
            small = V.T @ Z
            values, Q = linalg.eigh((small + small.T) / 2)
            values, Q = values[::-1][:d], Q[:, ::-1][:, :d]
            # Ritz vectors of what was asked; iteration goes on with the whole subspace
            found = np.sqrt(np.maximum(values, 0)), V @ Q, B @ Q
            if np.abs(values - old).max() <= 1e-6 * max(abs(values[0]), 1e-300):
                break
            old, V = values, Z
        return found

    def symmetric(self, S: Pieces, first: Any, d: int, *, same: bool) -> tuple[Array, Array]:
        """The best S ≈ Y Yᵀ with Y = H W₁, and W_l = Yᵀ for the targets.

        With other targets than rows, S is fitted by H M H_nᵀ without regard to M's rank first.
        Needs `factor`.

        Parameters
        ----------
        S : callable
            From numbers of rows to targets, shape (b, n).
        first : array or CSR matrix of shape (n, p)
            Features of the targets.
        d : int
        same : bool
            Whether targets are the rows.

        Returns
        -------
        W1 : float64 array of shape (p, d)
        W_l : float64 array of shape (d, n)
        """
        L = self.factor
        assert L is not None
        n = first.shape[0]
        C = self.products(S, n)
        first = first.toarray() if sparse.issparse(first) else first
        if same:
            K = C @ first
            A = linalg.solve_triangular(L, linalg.solve_triangular(L, K, lower=True).T, lower=True)
        else:
            gram = first.T @ first
            gram[np.diag_indices_from(gram)] += self._penalty[:, 0] * n / self.n_rows
            M = linalg.solve(gram, (self.solve(C) @ first).T, assume_a="pos")
            A = L.T @ M @ L
        values, E = top_eigenvectors((A + A.T) / 2, d, "positive")
        scaled = E * np.sqrt(np.maximum(values, 0))
        W1: Array = linalg.solve_triangular(L.T, scaled, lower=False)
        W_l: Array = (first @ W1).T
        return W1, W_l

    def towards(self, S: Pieces, W_l: Array) -> Array:
        """The best W₁ for a given W_l, of shape (d, n); shape (p, d)."""
        to_embeddings: Array = W_l.T @ linalg.pinvh(W_l @ W_l.T)

        def embedded(rows: Tensor) -> Array:
            piece = S(rows)
            return np.asarray(piece @ to_embeddings.astype(piece.dtype, copy=False))

        return self.solve(self.products(embedded, len(W_l)))


def _right(M: Array, k: int) -> tuple[Array, Array]:
    """Singular values and right singular vectors, shape (n, k)."""
    n = M.shape[1]
    if n > _NARROW or M.shape[0] < n:
        _, sizes, Vt = truncated_svd(M, k)
        return sizes, Vt.T
    # many times faster; half of the digits are enough for float32 weights
    values, V = linalg.eigh(M.T @ M, subset_by_index=(n - k, n - 1))
    values = np.where(values > _NOISE * values.max(initial=0), values, 0)
    return np.sqrt(values[::-1]), V[:, ::-1]


def widened(M: Array, d: int) -> Array:
    """The same with columns of zeros, up to d."""
    return np.pad(M, ((0, 0), (0, max(d - M.shape[1], 0))))


def top_eigenvectors(M: Array, d: int, part: Part) -> tuple[Array, Array]:
    """`eigenpairs`, with zeros where there are less than d."""
    k = min(d, len(M))
    values, vectors = eigenpairs(M, k, part)
    return np.append(values, np.zeros(d - k)), widened(vectors, d)


def near_eigenvectors(M: FloatArray, d: int, part: Part) -> tuple[Array, Array]:
    """Nearly the same as `top_eigenvectors`, much faster: by a random subspace.

    Parameters
    ----------
    M : symmetric float array of shape (n, n)
    d : int
        Well below n.
    part : {"positive", "absolute"}

    References
    ----------
    Halko, Martinsson and Tropp (2011). Finding structure with randomness. Algorithm 4.4.
    """
    from sklearn.utils.extmath import randomized_range_finder

    Q = randomized_range_finder(M, size=min(2 * d + 10, len(M)), n_iter=4, random_state=0)
    values, vectors = top_eigenvectors((Q.T @ (M @ Q)).astype(np.float64), d, part)
    return values, Q @ vectors


def conjugate_gradients(
    apply: Callable[[Array], Array],
    right: Array,
    diagonal: Array,
    start: Array | None = None,
    steps: int = _STEPS,
) -> Array:
    """Solve ``apply(x) = right`` for all columns at once (Hestenes and Stiefel, 1952).

    `apply` is linear, symmetric and positive; columns need not be independent. The diagonal,
    which is about that of `apply`, brings unknowns to one scale.
    """
    x = np.zeros_like(right) if start is None else start.copy()
    r = right - apply(x) if start is not None else right.copy()
    inverse = 1 / np.maximum(diagonal, np.finfo(float).tiny)
    inverse[diagonal <= 1e-290] = 0
    z = inverse * r
    p, old = z.copy(), float((r * z).sum())
    enough = _TOLERANCE**2 * float((right * (inverse * right)).sum())
    for _ in range(steps):
        if old <= enough:
            break
        q = apply(p)
        alpha = old / float((p * q).sum())
        x += alpha * p
        r -= alpha * q
        z = inverse * r
        old, before = float((r * z).sum()), old
        p = z + (old / before) * p
    return x
