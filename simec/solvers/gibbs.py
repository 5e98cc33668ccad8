"""Bayesian matrix factorization by Gibbs sampling (Salakhutdinov and Mnih, 2008).

A rating is ``mean + b_row + b_column + p·q + noise``. The bias and the vector of a row, ``(p, b)``,
have a joint normal prior with unknown mean and covariance, and likewise those of a column. All are
drawn in turn from their conditional distributions, and products are averaged over the draws. In
contrast to a point estimate, or to variational Bayes, which prunes components whose evidence is
weak, this keeps what a few ratings say about a pair, and it has no penalty to tune.

The variance of the noise would be underestimated if it were drawn too: with few ratings for each
vector, draws drift to solutions that interpolate the ratings. It is therefore measured: a tenth of
the ratings is left out of the first iterations, which predict them. Rows and columns have noise of
their own around this level, because some users rate more consistently than others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse, special

from corpora.callbacks import progress_bar
from corpora.interrupts import STOPPED
from corpora.jit import announce_compilation, compiled
from simec.linalg.factorization import power_of_two
from simec.types import Float64

_BURN_IN = 30  # iterations that measure the noise; their draws are not used
_SAMPLES = 60
_HELD_OUT = 0.1  # fraction of the ratings that measures the noise
_WINDOW = 10  # predictions of held-out ratings are averaged over about this many draws
# of the squared error of held-out ratings; the remainder is the uncertainty of predictions
_NOISE = 0.9
_MIN_NOISE = 1e-6  # minimum noise variance, relative to the variance of the ratings
# of the variance that biases leave: what products explain at the start, and a priori
_START, _PRIOR = 0.2, 0.1
_DEGREES = 2.0 ** np.arange(2, 7)  # degrees of freedom of the noise levels to draw from
_BUFFER = 6  # draws that are held in memory before their products are added to the mean
_KEPT = 2  # rank of the running mean of products, as a multiple of the number of components

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc"}}


@dataclass(frozen=True)
class Factors:
    """Posterior means of biases and products.

    Attributes
    ----------
    mean : float
    row_biases, column_biases : float64 arrays of shape (m,) and (n,)
        Their means over rows and over columns with ratings are 0, and so are those of vectors.
    left, right : float64 arrays of shape (m, d) and (n, d)
        The best approximation of the mean product of the draws by vectors of d components.
    noise : float
        Squared error of held-out ratings, which includes the uncertainty of predictions.
    stopped : BaseException or None
        The interrupt that ended sampling early.
    """

    mean: float
    row_biases: Float64
    column_biases: Float64
    left: Float64
    right: Float64
    noise: float
    stopped: BaseException | None = None


def sample_factors(
    ratings: Any,
    row_biases: Float64,
    column_biases: Float64,
    n_components: int,
    rng: np.random.RandomState,
    *,
    progress: bool = False,
) -> Factors:
    """Factorize the observed entries of a matrix, together with biases.

    Parameters
    ----------
    ratings : float64 CSR matrix of shape (m, n)
        Stored entries are observed, minus their mean.
    row_biases, column_biases : float64 arrays of shape (m,) and (n,)
        To start from.
    n_components : int
        Length d of vectors, at most m and n.
    rng : RandomState
    progress : bool
        Show a progress bar.

    Returns
    -------
    Factors
        Rows and columns without observed entries have biases and vectors of 0.
    """
    rated_rows = np.flatnonzero(np.diff(ratings.indptr))
    rated_columns = np.flatnonzero(ratings.getnnz(axis=0))
    m, n = ratings.shape
    R = ratings[rated_rows][:, rated_columns].tocsr().astype(np.float64)
    if not R.data.any():
        return Factors(
            0.0, np.zeros(m), np.zeros(n), np.zeros((m, n_components)), np.zeros((n, n_components)),
            0.0,
        )  # fmt: skip
    unit = power_of_two(R)
    R.data /= unit
    chain = _Chain(
        R, row_biases[rated_rows] / unit, column_biases[rated_columns] / unit, n_components, rng
    )
    stopped: BaseException | None = None
    with announce_compilation("recommendations"), progress_bar(
        total=_BURN_IN + _SAMPLES, desc="sampling", unit=" draws", shown=progress, always=True
    ) as bar:  # fmt: skip
        try:
            for iteration in range(_BURN_IN + _SAMPLES):
                chain.step(burn_in=iteration < _BURN_IN)
                bar.update()
        except STOPPED as error:
            stopped = error
    mean, b_rows, b_columns, left, right = chain.means()
    root = unit**0.5
    all_rows, all_columns = np.zeros(m), np.zeros(n)
    all_left, all_right = np.zeros((m, n_components)), np.zeros((n, n_components))
    all_rows[rated_rows], all_left[rated_rows] = b_rows * unit, left * root
    all_columns[rated_columns], all_right[rated_columns] = b_columns * unit, right * root
    return Factors(
        mean * unit, all_rows, all_columns, all_left, all_right, chain.error * unit * unit, stopped
    )


class _Chain:
    """State of the sampler: the latest draw of all variables, and sums over draws."""

    def __init__(
        self, R: Any, b_rows: Float64, b_columns: Float64, d: int, rng: np.random.RandomState
    ) -> None:
        self._rng, self._d = rng, d
        m, n = R.shape
        rows = np.repeat(np.arange(m), np.diff(R.indptr))
        residuals = R.data - b_rows[rows] - b_columns[R.indices]
        self._variance = float((R.data**2).mean())
        # what is left for products and noise
        self._left_over = max(float((residuals**2).mean()), _MIN_NOISE * self._variance, 1e-300)
        self.error = self._left_over
        held = rng.random_sample(R.nnz) < _HELD_OUT
        self._held = rows[held], R.indices[held], R.data[held]
        self._all = R, R.T.tocsr()
        part = sparse.csr_matrix((R.data[~held], (rows[~held], R.indices[~held])), R.shape)
        self._part = part, part.T.tocsr()
        size = (_START * self._left_over / d) ** 0.25
        self._P = np.column_stack([size * rng.standard_normal((m, d)), b_rows])
        self._Q = np.column_stack([size * rng.standard_normal((n, d)), b_columns])
        scale = np.full(d + 1, _PRIOR * self._left_over**0.5)
        scale[d] = _PRIOR * self._left_over
        self._scatter = np.diag(scale) * (d + 1)
        self._precision_rows = np.full(m, 1 / self._left_over)
        self._precision_columns = np.ones(n)
        self._predicted: Float64 = np.zeros(len(self._held[0]))
        self._burned = self._n = 0
        self._draws: list[tuple[Float64, Float64]] = []
        self._sum: tuple[Float64, Float64] = np.zeros((m, 0)), np.zeros((n, 0))
        self._b_rows, self._b_columns = np.zeros(m), np.zeros(n)

    def step(self, *, burn_in: bool) -> None:
        """Draw all variables once."""
        R, R_T = self._part if burn_in else self._all
        self._draw(R, self._Q, self._precision_rows, self._precision_columns, self._P)
        self._draw(R_T, self._P, self._precision_columns, self._precision_rows, self._Q)
        if burn_in:
            self._measure()
        self._draw_noise(R, R_T)
        if not burn_in:
            self._add()

    def _draw(self, R: Any, other: Float64, own: Float64, others: Float64, out: Float64) -> None:
        """Draw the prior of vectors, and then the vectors."""
        mean, precision = draw_prior(out, self._scatter, self._rng)
        normal = self._rng.standard_normal(out.shape)
        draw_vectors(R.indptr, R.indices, R.data, other, mean, precision, own, others, normal, out)

    def _measure(self) -> None:
        """Update the error of held-out ratings, by predictions averaged over the last draws."""
        rows, columns, values = self._held
        self._burned += 1
        predicted = np.einsum("nd,nd->n", self._P[rows, :-1], self._Q[columns, :-1])
        predicted += self._P[rows, -1] + self._Q[columns, -1]
        self._predicted += (predicted - self._predicted) / min(self._burned, _WINDOW)
        squares = float(((values - self._predicted) ** 2).sum())
        # with few held-out ratings, the error of the biases counts as one more
        error = (squares + self._left_over) / (len(values) + 1)
        self.error = min(max(error, _MIN_NOISE * self._variance), self._variance)

    def _draw_noise(self, R: Any, R_T: Any) -> None:
        """Draw the noise of rows and columns, around the measured level."""
        noise = _NOISE * self.error
        sides = (
            (R, self._P, self._Q, self._precision_rows, self._precision_columns, noise),
            (R_T, self._Q, self._P, self._precision_columns, self._precision_rows, 1.0),
        )
        for matrix, vectors, other, own, others, level in sides:
            squares = np.empty(len(own))
            squared_errors(
                matrix.indptr, matrix.indices, matrix.data, vectors, other, others, squares
            )
            degrees = _draw_degrees(own * level, self._rng)
            counts = np.diff(matrix.indptr)
            own[:] = self._rng.gamma((degrees + counts) / 2) * 2 / (degrees * level + squares)

    def _add(self) -> None:
        self._n += 1
        self._b_rows += self._P[:, -1]
        self._b_columns += self._Q[:, -1]
        self._draws.append((self._P[:, :-1].copy(), self._Q[:, :-1].copy()))
        if len(self._draws) == _BUFFER:
            self._compress(_KEPT * self._d)

    def _compress(self, rank: int) -> None:
        """Add the products of the buffered draws to their sum, as a product of low rank."""
        left = np.hstack([self._sum[0], *(P for P, _ in self._draws)])
        right = np.hstack([self._sum[1], *(Q for _, Q in self._draws)])
        self._draws.clear()
        Q1, R1 = linalg.qr(left, mode="economic")
        Q2, R2 = linalg.qr(right, mode="economic")
        U, values, Vt = linalg.svd(R1 @ R2.T, full_matrices=False)
        root = np.sqrt(values[:rank])
        self._sum = Q1 @ (U[:, :rank] * root), Q2 @ (Vt[:rank].T * root)

    def means(self) -> tuple[float, Float64, Float64, Float64, Float64]:
        """Means over draws: the mean, biases and vectors, all centered."""
        if not self._n:  # interrupted before the first one
            self._add()
        self._compress(self._d)
        left, right = (part / self._n**0.5 for part in self._sum)
        left, right = (np.pad(M, ((0, 0), (0, self._d - M.shape[1]))) for M in (left, right))
        b_rows, b_columns = self._b_rows / self._n, self._b_columns / self._n
        # the mean vector is a part of biases: a new row has the bias and the vector 0
        average = left.mean(axis=0)
        left = left - average
        b_columns = b_columns + right @ average
        average = right.mean(axis=0)
        right = right - average
        b_rows = b_rows + left @ average
        mean = float(b_rows.mean() + b_columns.mean())
        return mean, b_rows - b_rows.mean(), b_columns - b_columns.mean(), left, right


def draw_prior(
    vectors: Float64, scatter: Float64, rng: np.random.RandomState
) -> tuple[Float64, Float64]:
    """Draw mean and precision of normal vectors, with a normal-Wishart prior around 0."""
    n, D = vectors.shape
    pseudo = 2.0  # vectors of 0 that the prior counts for
    average = vectors.mean(axis=0)
    centered = vectors - average
    scatter = scatter + centered.T @ centered
    scatter += pseudo * n / (pseudo + n) * np.outer(average, average)
    A = np.tril(rng.standard_normal((D, D)), -1)
    A[np.diag_indices(D)] = np.sqrt(rng.chisquare(D + n - np.arange(D)))
    # the inverse of the scatter is L⁻ᵀ L⁻¹
    L = linalg.cholesky(scatter, lower=True)
    root = linalg.solve_triangular(L, A, lower=True, trans="T")
    precision = root @ root.T
    precision = (precision + precision.T) / 2
    L = linalg.cholesky((pseudo + n) * precision, lower=True)
    noise = linalg.solve_triangular(L, rng.standard_normal(D), lower=True, trans="T")
    return n * average / (pseudo + n) + noise, precision


def _draw_degrees(levels: Float64, rng: np.random.RandomState) -> float:
    """Draw the degrees of freedom of precisions, relative to their mean, from a grid."""
    half = _DEGREES / 2
    log_likelihood = len(levels) * (half * np.log(half) - special.gammaln(half))
    logs = float(np.log(np.maximum(levels, 1e-300)).sum())
    log_likelihood += (half - 1) * logs - half * float(levels.sum())
    weights = np.exp(log_likelihood - log_likelihood.max())
    return float(rng.choice(_DEGREES, p=weights / weights.sum()))


@compiled(**_OPTIONS)
def draw_vectors(
    indptr: Any, indices: Any, values: Any, other: Any, mean: Any, precision: Any, own: Any,
    others: Any, normal: Any, out: Any,
) -> None:  # fmt: skip
    """Draw the vector and bias of each row from their conditional distribution.

    The last entries of vectors are biases. ``own`` and ``others`` are precisions of the noise of
    rows and columns, of which the product counts; ``normal`` is standard normal, of the shape of
    ``out``.
    """
    D = len(mean)
    A = np.empty((D, D))
    b = np.empty(D)
    x = np.empty(D)
    start = precision @ mean
    for row in range(len(indptr) - 1):
        for i in range(D):
            b[i] = start[i]
            for j in range(i + 1):
                A[i, j] = precision[i, j]
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            weight = own[row] * others[column]
            value = values[k] - other[column, D - 1]
            for i in range(D - 1):
                x[i] = other[column, i]
            x[D - 1] = 1.0
            for i in range(D):
                scaled = weight * x[i]
                b[i] += scaled * value
                for j in range(i + 1):
                    A[i, j] += scaled * x[j]
        # A = L Lᵀ in place; then L y = b, and Lᵀ x = y + normal
        for i in range(D):
            for j in range(i + 1):
                total = A[i, j]
                for k in range(j):
                    total -= A[i, k] * A[j, k]
                A[i, j] = np.sqrt(total) if i == j else total / A[j, j]
        for i in range(D):
            total = b[i]
            for k in range(i):
                total -= A[i, k] * x[k]
            x[i] = total / A[i, i]
        for i in range(D - 1, -1, -1):
            total = x[i] + normal[row, i]
            for k in range(i + 1, D):
                total -= A[k, i] * out[row, k]
            out[row, i] = total / A[i, i]


@compiled(**_OPTIONS)
def squared_errors(
    indptr: Any, indices: Any, values: Any, vectors: Any, other: Any, others: Any, out: Any
) -> None:
    """Sum the squared errors of each row, weighted by the precisions of columns."""
    D = vectors.shape[1]
    for row in range(len(indptr) - 1):
        total = 0.0
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            error = values[k] - vectors[row, D - 1] - other[column, D - 1]
            for i in range(D - 1):
                error -= vectors[row, i] * other[column, i]
            total += others[column] * error * error
        out[row] = total
