"""Functions of similarity matrices: center, scale, combine, eigenvalues.

NaN marks missing entries: `Centerer` and `scale` ignore them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from simec.data.frames import for_sklearn
from simec.linalg.checks import Matrix, check_size, check_varies, real_matrix, square, symmetric
from simec.linalg.eigen import eigenpairs
from simec.types import Float64


def from_dissimilarities(D: npt.ArrayLike, scale: float | None = None) -> Matrix:
    """Convert dissimilarities to similarities, 1 - D / scale.

    Parameters
    ----------
    D : array-like of shape (m, n)
        Entries >= 0; NaN where missing.
    scale : float, optional
        Dissimilarity of points that have nothing in common, for example 20 for the judgments of
        Gati & Tversky (1982). By default the largest entry of D. For new points, pass the scale
        of the training points.

    Returns
    -------
    float array of shape (m, n)

    Raises
    ------
    ValueError
        If an entry is negative, or the scale is not positive.
    """
    array = real_matrix(D, "D", missing=True)
    if (negative := array < 0).any():
        i, j = np.argwhere(negative)[0]
        raise ValueError(f"D[{i}, {j}] is {array[i, j]}: dissimilarities must be >= 0")
    if scale is None:
        check_varies(array, "D")
        scale = float(np.nanmax(array))
    if not 0 < scale < np.inf:
        raise ValueError(f"scale must be > 0, got {scale}")
    return 1 - array / array.dtype.type(scale)


class Centerer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Center similarities as in kernel PCA (Schölkopf et al., 1998).

    The result is the matrix of scalar products of features whose mean over the training points is
    zero. In contrast to `sklearn.preprocessing.KernelCenterer`, entries may be missing: means are
    computed over observed entries, and missing ones remain NaN.

    Attributes
    ----------
    column_means_ : float64 array of shape (m,)
        Column means of the similarities between training points.
    mean_ : float
        Mean of all these similarities.
    n_features_in_ : int
        Number of training points m.
    """

    def fit(self, S: npt.ArrayLike, y: object = None) -> Centerer:  # noqa: ARG002
        """Compute the means.

        Parameters
        ----------
        S : array-like of shape (m, m)
            Similarities between the training points.
        y
            Ignored.

        Raises
        ------
        ValueError
            If S is not square, is constant, or has a column without observed entries.
        """
        array = square(self._checked(S, reset=True), missing=True)
        check_varies(array)
        observed = ~np.isnan(array)
        counts = observed.sum(axis=0)
        if not counts.all():
            column = int(counts.argmin())
            raise ValueError(f"column {column} of S has no observed entry. Leave the point out")
        sums = np.sum(array, axis=0, dtype=np.float64, where=observed)
        self.column_means_: Float64 = sums / counts
        self.mean_ = float(sums.sum() / counts.sum())
        return self

    def transform(self, S: npt.ArrayLike) -> Matrix:
        """Center similarities to the training points.

        Parameters
        ----------
        S : array-like of shape (k, m)
            Similarities of training points or new points to the training points.

        Returns
        -------
        float array of shape (k, m)
            A copy.

        Raises
        ------
        ValueError
            If S does not have one column per training point.
        """
        check_is_fitted(self)
        array = real_matrix(self._checked(S, reset=False), missing=True)
        observed = ~np.isnan(array)
        counts = np.maximum(observed.sum(axis=1), 1)  # rows that are all NaN stay NaN
        row_means = np.sum(array, axis=1, dtype=np.float64, where=observed) / counts
        centered = array - self.column_means_.astype(array.dtype)
        centered += (self.mean_ - row_means[:, None]).astype(array.dtype)
        return centered

    def _checked(self, S: npt.ArrayLike, *, reset: bool) -> Any:
        S = for_sklearn("S", S)
        return validate_data(
            self, S, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False,
            ensure_min_samples=2 if reset else 1,
        )  # fmt: skip

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        tags.input_tags.allow_nan = True
        return tags


def center(S: npt.ArrayLike) -> Matrix:
    """Center the similarities between training points. Use `Centerer` for new points."""
    return Centerer().fit(S).transform(S)


def scale(S: npt.ArrayLike, factor: float | None = None) -> tuple[Matrix, float]:
    """Divide similarities by the largest absolute value, so that they are in [-1, 1].

    Parameters
    ----------
    S : array-like of shape (m, n)
    factor : float, optional
        Divide by this factor instead. For new points, pass that of the training points.

    Returns
    -------
    scaled : float array of shape (m, n)
    factor : float

    Raises
    ------
    ValueError
        If all observed entries are 0, or the factor is not positive.
    """
    array = real_matrix(S, missing=True)
    if factor is None:
        if np.isnan(array).all():
            raise ValueError("S has no observed entry")
        factor = float(np.nanmax(np.abs(array)))
        if not factor:
            raise ValueError("S cannot be scaled: all entries are 0")
    if not 0 < factor < np.inf:
        raise ValueError(f"factor must be > 0, got {factor}")
    return array / array.dtype.type(factor), factor


def standardize(S: npt.ArrayLike) -> Matrix:
    """Subtract the mean of all observed entries, and divide by their standard deviation.

    The normalization "std" of targets for pre-training (Sec. 6.2 of the thesis).

    Parameters
    ----------
    S : array-like of shape (m, n)
        NaN where missing.

    Returns
    -------
    float array of shape (m, n)

    Raises
    ------
    ValueError
        If no entry is observed, or all are equal.
    """
    array = real_matrix(S, missing=True)
    check_varies(array)
    mean, sd = np.nanmean(array, dtype=np.float64), np.nanstd(array, dtype=np.float64)
    return np.asarray((array - array.dtype.type(mean)) / array.dtype.type(sd))


def min_max(S: npt.ArrayLike) -> Matrix:
    """Map the smallest observed entry to 0 and the largest to 1.

    The normalization "max" of targets for pre-training (Sec. 6.2 of the thesis).

    Parameters
    ----------
    S : array-like of shape (m, n)
        NaN where missing.

    Returns
    -------
    float array of shape (m, n)

    Raises
    ------
    ValueError
        If no entry is observed, or all are equal.
    """
    array = real_matrix(S, missing=True)
    check_varies(array)
    low, high = np.nanmin(array), np.nanmax(array)
    return np.asarray((array - low) / (high - low))


def fill_mean(S: npt.ArrayLike) -> Matrix:
    """Replace missing entries by the mean of the observed ones (Sec. 3.5 of the thesis).

    Parameters
    ----------
    S : array-like of shape (m, n)

    Returns
    -------
    float array of shape (m, n)
        A copy.
    """
    array = real_matrix(S, missing=True)
    missing = np.isnan(array)
    if missing.all():
        raise ValueError("S has no observed entry")
    mean = np.mean(array, dtype=np.float64, where=~missing)
    return np.where(missing, array.dtype.type(mean), array)


def combine(*S: npt.ArrayLike) -> Float64:
    """Average similarity matrices, each divided by its largest eigenvalue.

    An embedding of the average preserves all of them (Sec. 2.2 of the thesis, "Predicting multiple
    pairwise relations at once").

    Parameters
    ----------
    *S : array-like of shape (m, m)
        Centered and symmetric similarities of the same points.

    Returns
    -------
    float64 array of shape (m, m)

    Raises
    ------
    ValueError
        If no matrix is passed, shapes differ, one is not symmetric, or its largest eigenvalue is
        not positive.
    """
    if not S:
        raise ValueError("combine needs at least one similarity matrix")
    total: Float64 | None = None
    for position, matrix in enumerate(S):
        array = symmetric(matrix, f"S[{position}]")
        if total is None:
            total = np.zeros(array.shape)
        if array.shape != total.shape:
            raise ValueError(
                f"all matrices must have the same shape, got {array.shape} for S[{position}] and "
                f"{total.shape} for S[0]"
            )
        largest = float(eigenpairs(array, 1, "positive")[0][0])
        if not largest > 0:
            raise ValueError(f"the largest eigenvalue of S[{position}] must be > 0, got {largest}")
        total += array / largest
    assert total is not None
    total /= len(S)
    return total


def spectrum(S: npt.ArrayLike, k: int | None = None) -> Float64:
    """Compute the eigenvalues of a symmetric matrix, in descending order.

    Parameters
    ----------
    S : array-like of shape (m, m)
    k : int, optional
        Compute only the k eigenvalues that are largest in magnitude.

    Returns
    -------
    float64 array of shape (m,) or (k,)
    """
    array = symmetric(S).astype(np.float64, copy=False)
    if k is None:
        values: Float64 = linalg.eigvalsh(array)
    else:
        values = eigenpairs(array, check_size(k, len(array)), "absolute")[0]
    return np.sort(values)[::-1]


def non_metricity(S: npt.ArrayLike) -> float:
    """Compute the sum of absolute negative eigenvalues relative to that of all absolute ones.

    From 0 to 1; 0 for matrices of scalar products. This is the negative eigenfraction of Pekalska
    & Duin (The Dissimilarity Representation for Pattern Recognition, 2005).

    Parameters
    ----------
    S : array-like of shape (m, m)
        Symmetric; usually centered.
    """
    values = spectrum(S)
    sizes = np.abs(values)
    # eigenvalues within rounding error of 0
    tiny = len(values) * np.finfo(np.asarray(S).dtype if _is_float(S) else float).eps
    sizes[sizes <= tiny * sizes.max()] = 0
    total = float(sizes.sum())
    return float(sizes[values < 0].sum() / total) if total else 0.0


def _is_float(S: npt.ArrayLike) -> bool:
    return np.asarray(S).dtype.kind == "f"
