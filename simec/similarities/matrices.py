"""Similarity matrices: centred, scaled, combined, and what their eigenvalues say.

Entries that are NaN are unknown: `Centerer` and `scale` pass over them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from simec.linalg.checks import (
    Float64,
    Matrix,
    check_size,
    check_varies,
    real_matrix,
    square,
    symmetric,
)
from simec.linalg.eigen import eigenpairs


def from_dissimilarities(D: npt.ArrayLike, scale: float | None = None) -> Matrix:
    """1 - D / scale.

    Parameters
    ----------
    D : array-like of shape (m, n)
        At least 0; NaN where unknown.
    scale : float, optional
        The dissimilarity of points with nothing in common, such as 20 for the judgements
        of Gati & Tversky (1982). By default the largest entry of D; give it for new points.

    Returns
    -------
    float array of shape (m, n)

    Raises
    ------
    ValueError
        If an entry is negative, or the scale is not above 0.
    """
    array = real_matrix(D, "D", missing=True)
    if (negative := array < 0).any():
        i, j = np.argwhere(negative)[0]
        raise ValueError(f"D[{i}, {j}] is {array[i, j]}: dissimilarities are at least 0")
    if scale is None:
        check_varies(array, "D")
        scale = float(np.nanmax(array))
    if not 0 < scale < np.inf:
        raise ValueError(f"scale is above 0, not {scale}")
    return 1 - array / array.dtype.type(scale)


class Centerer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Centre similarities as kernel PCA does (Schölkopf et al., 1998).

    As if features whose scalar products they are had a mean of zero over the training
    points. Like `sklearn.preprocessing.KernelCenterer`, but entries may be NaN: means are
    over known entries, and unknown ones remain NaN.

    Attributes
    ----------
    column_means_ : float64 array of shape (m,)
        Of the training points' similarities.
    mean_ : float
        Of all of them.
    """

    def fit(self, S: npt.ArrayLike, y: object = None) -> Centerer:  # noqa: ARG002
        """Take the means.

        Parameters
        ----------
        S : array-like of shape (m, m)
            Similarities of the training points to each other.
        y
            Ignored.

        Raises
        ------
        ValueError
            If S is not square, is constant, or has a column with no known entry.
        """
        array = square(S, missing=True)
        check_varies(array)
        known = ~np.isnan(array)
        counts = known.sum(axis=0)
        if not counts.all():
            column = int(counts.argmin())
            raise ValueError(f"column {column} of S has no known entry: leave the point out")
        sums = np.sum(array, axis=0, dtype=np.float64, where=known)
        self.column_means_: Float64 = sums / counts
        self.mean_ = float(sums.sum() / counts.sum())
        return self

    def transform(self, S: npt.ArrayLike) -> Matrix:
        """Centre similarities to the training points.

        Parameters
        ----------
        S : array-like of shape (k, m)
            Of the training points themselves or of new ones.

        Returns
        -------
        float array of shape (k, m)
            A copy.

        Raises
        ------
        ValueError
            If there is not a column for each training point.
        """
        check_is_fitted(self)
        array = real_matrix(S, missing=True)
        if array.shape[1] != len(self.column_means_):
            raise ValueError(
                f"S has {array.shape[1]} columns, but there were {len(self.column_means_)} "
                "training points"
            )
        known = ~np.isnan(array)
        counts = np.maximum(known.sum(axis=1), 1)  # rows that are all NaN stay so
        row_means = np.sum(array, axis=1, dtype=np.float64, where=known) / counts
        centered = array - self.column_means_.astype(array.dtype)
        centered += (self.mean_ - row_means[:, None]).astype(array.dtype)
        return centered


def center(S: npt.ArrayLike) -> Matrix:
    """Centre the similarities of training points. See `Centerer`, which does new ones too."""
    return Centerer().fit(S).transform(S)


def scale(S: npt.ArrayLike, factor: float | None = None) -> tuple[Matrix, float]:
    """Divide similarities by the largest absolute one, to bring them to [-1, 1].

    Parameters
    ----------
    S : array-like of shape (m, n)
    factor : float, optional
        What to divide by instead: that of the training points, for new points.

    Returns
    -------
    scaled : float array of shape (m, n)
    factor : float

    Raises
    ------
    ValueError
        If all known entries are 0, or the factor is not above 0.
    """
    array = real_matrix(S, missing=True)
    if factor is None:
        if np.isnan(array).all():
            raise ValueError("S has no known entry")
        factor = float(np.nanmax(np.abs(array)))
        if not factor:
            raise ValueError("S is 0 everywhere and cannot be scaled")
    if not 0 < factor < np.inf:
        raise ValueError(f"factor is above 0, not {factor}")
    return array / array.dtype.type(factor), factor


def fill_mean(S: npt.ArrayLike) -> Matrix:
    """Replace unknown entries by the mean of the known ones (Sec. 3.5 of the thesis).

    Parameters
    ----------
    S : array-like of shape (m, n)

    Returns
    -------
    float array of shape (m, n)
        A copy.
    """
    array = real_matrix(S, missing=True)
    unknown = np.isnan(array)
    if unknown.all():
        raise ValueError("S has no known entry")
    mean = np.mean(array, dtype=np.float64, where=~unknown)
    return np.where(unknown, array.dtype.type(mean), array)


def combine(*S: npt.ArrayLike) -> Float64:
    """Average similarity matrices, each divided by its largest eigenvalue.

    An embedding of the average then keeps all of them (Sec. 2.2 of the thesis,
    "Predicting multiple pairwise relations at once").

    Parameters
    ----------
    *S : array-like of shape (m, m)
        Of the same points, symmetric. Centre them first.

    Returns
    -------
    float64 array of shape (m, m)

    Raises
    ------
    ValueError
        If there is none, shapes differ, one is not symmetric, or its largest eigenvalue is
        not above 0.
    """
    if not S:
        raise ValueError("no similarity matrix to combine")
    total: Float64 | None = None
    for position, matrix in enumerate(S):
        array = symmetric(matrix, f"S[{position}]")
        if total is None:
            total = np.zeros(array.shape)
        if array.shape != total.shape:
            raise ValueError(
                f"S[{position}] has shape {array.shape} and the first {total.shape}: all are "
                "of the same points"
            )
        largest = float(eigenpairs(array, 1, "positive")[0][0])
        if not largest > 0:
            raise ValueError(f"the largest eigenvalue of S[{position}] is {largest}, not above 0")
        total += array / largest
    assert total is not None
    total /= len(S)
    return total


def spectrum(S: npt.ArrayLike, k: int | None = None) -> Float64:
    """Eigenvalues of a symmetric matrix, in descending order.

    Parameters
    ----------
    S : array-like of shape (m, m)
    k : int, optional
        Only so many, the largest in magnitude.

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
    """Share of negative eigenvalues in the sum of all absolute ones, from 0 to 1.

    0 for what scalar products can give. It is the negative eigenfraction of Pekalska &
    Duin (The Dissimilarity Representation for Pattern Recognition, 2005).

    Parameters
    ----------
    S : array-like of shape (m, m)
        Symmetric; usually centred.
    """
    values = spectrum(S)
    sizes = np.abs(values)
    # eigenvalues that are 0 but for rounding
    tiny = len(values) * np.finfo(np.asarray(S).dtype if _is_float(S) else float).eps
    sizes[sizes <= tiny * sizes.max()] = 0
    total = float(sizes.sum())
    return float(sizes[values < 0].sum() / total) if total else 0.0


def _is_float(S: npt.ArrayLike) -> bool:
    return np.asarray(S).dtype.kind == "f"
