"""Embeddings by eigenvectors of similarity matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.utils.validation import check_is_fitted, validate_data

from simec.data.frames import for_sklearn
from simec.data.relations import Similarity, check_similarity, read_columns, relations
from simec.linalg.checks import Matrix, MatrixLike, check_size, check_varies, symmetric
from simec.linalg.eigen import PARTS, Part, eigenpairs
from simec.types import Float64


def eigen_embedding(
    S: npt.ArrayLike, n_components: int, part: Part = "positive"
) -> tuple[Float64, Float64]:
    """Embed points by eigenvectors, scaled by the square roots of absolute eigenvalues.

    Parameters
    ----------
    S : array-like of shape (m, m)
        Symmetric similarities, usually centered.
    n_components : int
        The number of dimensions, d.
    part : {"positive", "negative", "absolute"}
        "positive" uses the largest eigenvalues, as kernel PCA does: S ≈ Y Yᵀ.
        "negative" uses the most negative ones (Laub & Müller, 2004): S ≈ -Y Yᵀ.
        "absolute" uses those that are largest in magnitude: S ≈ (Y * signs) Yᵀ, where
        dimensions of negative eigenvalues have the sign -1.

    Returns
    -------
    Y : float64 array of shape (m, d)
        The entry of each column that is largest in magnitude is positive. If S has fewer than d
        eigenvalues of the requested part, the remaining columns are 0.
    signs : float64 array of shape (d,)
        1 or -1 for each dimension.

    Raises
    ------
    ValueError
        If S is not symmetric, contains NaN or is constant, or d is not from 1 to m.
    """
    array = _checked(S, part)
    values, vectors = eigenpairs(array, check_size(n_components, len(array)), part)
    sign = np.where(values < 0, -1.0, 1.0)
    if part != "absolute":
        sign[:] = 1 if part == "positive" else -1
    sizes = np.maximum(values * sign, 0)
    # eigenvalues within rounding error of 0
    sizes[sizes <= len(array) * np.finfo(array.dtype).eps * np.abs(array).max()] = 0
    return vectors * np.sqrt(sizes), sign


@overload
def optimal_mse(S: npt.ArrayLike, n_components: int, part: Part = ...) -> float: ...


@overload
def optimal_mse(S: npt.ArrayLike, n_components: Sequence[int], part: Part = ...) -> Float64: ...


def optimal_mse(
    S: npt.ArrayLike, n_components: int | Sequence[int], part: Part = "positive"
) -> float | Float64:
    """Compute the lowest mean squared error of d dimensions, which eigenvectors attain.

    Parameters
    ----------
    S : array-like of shape (m, m)
        Symmetric.
    n_components : int or sequence of int
    part : {"positive", "negative", "absolute"}
        Approximate S by Y Yᵀ, by -Y Yᵀ, or by Y W with any W (Eckart & Young, 1936).

    Returns
    -------
    float, or float64 array with an error for each number of dimensions

    Raises
    ------
    ValueError
        As in `eigen_embedding`.
    """
    numbers = np.atleast_1d(n_components)
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(
            f"n_components must be an integer or a list of integers, got {n_components}"
        )
    array = _checked(S, part)
    ranks = np.array([check_size(number, len(array)) for number in numbers.tolist()])
    values, _ = eigenpairs(array, int(ranks.max()), part)
    kept = {"positive": values > 0, "negative": values < 0, "absolute": values != 0}[part]
    squares = np.cumsum(np.where(kept, values, 0) ** 2)
    total = float(np.square(array, dtype=np.float64).sum())
    errors: Float64 = np.maximum(total - squares[ranks - 1], 0) / array.size
    return float(errors[0]) if np.ndim(n_components) == 0 else errors


class SpectralRegression(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Eigenvectors of similarities, predicted from features by ridge regression.

    A Similarity Encoder does both steps at once (Sec. 3.2 of the thesis).

    Parameters
    ----------
    n_components : int
    alpha : float or sequence of float
        Penalty, or several to choose from by leave-one-out cross-validation.
    part : {"positive", "negative", "absolute"}
        As in `eigen_embedding`.
    similarity : "class_labels" or callable, optional
        Compute S from labels, as in `simec.SimilarityEncoder`.

    Attributes
    ----------
    embedding_ : float64 array of shape (m, d)
        Eigenvector embeddings of the training points.
    signs_ : float64 array of shape (d,)
    regression_ : Ridge or RidgeCV
    """

    def __init__(
        self,
        n_components: int = 2,
        alpha: float | Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
        part: Part = "positive",
        similarity: Similarity = None,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.part = part
        self.similarity = similarity

    def fit(self, X: MatrixLike, S: Any) -> SpectralRegression:
        """Embed the training points, and regress their embeddings on features.

        Parameters
        ----------
        X : array or sparse matrix of shape (m, D)
        S : array-like of shape (m, m)
            Symmetric similarities, usually centered; `simec.PairwiseSimilarities`; or labels, with
            `similarity`.

        Raises
        ------
        ValueError
            As in `eigen_embedding`, or if X and S have different numbers of rows.
        """
        check_similarity(self.similarity)
        X = for_sklearn("X", X)
        features = validate_data(self, X, accept_sparse="csr", ensure_min_samples=2)
        S = relations(self.similarity, S, read_columns(self.similarity, S, None))
        if S is None:
            raise ValueError(
                "S is missing: the fit requires y to be passed, but the target is None"
            )
        if features.shape[0] != len(np.asarray(S)):
            raise ValueError(
                f"X and S must have the same number of rows, got {features.shape[0]} and "
                f"{len(np.asarray(S))}"
            )
        self.embedding_, self.signs_ = eigen_embedding(S, self.n_components, self.part)
        alphas = np.atleast_1d(self.alpha)
        ridge = RidgeCV(alphas) if len(alphas) > 1 else Ridge(float(alphas[0]))
        self.regression_ = ridge.fit(features, self.embedding_)
        return self

    def transform(self, X: MatrixLike) -> Float64:
        """Embed points by their features, shape (k, d)."""
        check_is_fitted(self)
        X = for_sklearn("X", X)
        features = validate_data(self, X, accept_sparse="csr", reset=False)
        embedding: Float64 = self.regression_.predict(features)
        return embedding.reshape(-1, len(self.signs_))

    def predict(self, X: MatrixLike) -> Float64:
        """Predict similarities to the training points, shape (k, m): (Y * signs) Y_trainᵀ."""
        return (self.transform(X) * self.signs_) @ self.embedding_.T

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def _checked(S: npt.ArrayLike, part: Part) -> Matrix:
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
    array = symmetric(S)
    check_varies(array)
    return array
