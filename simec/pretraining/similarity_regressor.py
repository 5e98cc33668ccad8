"""Regression on several similarities at once, in closed form, for few labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

import corpora.errors
from corpora.callbacks import progress_bar
from corpora.checks import ParameterError, check_flag, check_integer, shown
from corpora.files import StrPath
from corpora.model_folder import FolderReader, FolderWriter, open_folder, write_folder
from corpora.saved_data import check_saved_array, check_saved_object, saved_strings
from simec.data.frames import check_frame, for_sklearn
from simec.linalg.checks import check_variance
from simec.types import Float64

__all__ = ["SimilarityRegressor"]

KIND = "simec.SimilarityRegressor"
FORMAT_VERSION = 1
_CONFIG, _ARRAYS, _POINTS, _MOLECULES = (
    "config.json", "weights.safetensors", "points.safetensors", "molecules.json",
)  # fmt: skip

_MEAN_VARIANCE = 100.0  # prior variance of the mean of standardized targets
_LOG_WEIGHT_PRECISION = 0.02  # weights vary over orders of magnitude; unused ones stay finite
_WEIGHTS = (-12.0, 14.0)  # bounds of logarithms
_NOISE = (-12.0, 2.0)
_JITTER = 1e-8
_BLOCK = 1_000  # points that are compared at a time in prediction, at least


class SimilarityRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process whose covariance is a weighted sum of similarities.

    Each similarity explains a part of the target. The weights and the noise maximize the marginal
    likelihood of the training labels, so neither validation data nor widths have to be chosen.
    Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), Sec. 5.4.1.
    It costs n³ operations for n training points, and suits up to a few thousand.

    Parameters
    ----------
    similarities : callable
        ``similarities(A, B)`` for m and n points returns a mapping from names to arrays of shape
        (m, n), or one such array; for instance `simec.molecules.molecular_similarities`. They
        need not be positive definite: negative eigenvalues are shifted to 0.
    max_iter : int, default 100
        Largest number of steps in the optimization of weights.
    verbose : bool, default False
        Show a progress bar in `predict`.

    Attributes
    ----------
    weights_ : dict from str to float64 array of shape (k,), or to float if y has one dimension
        Share of each similarity in the prior variance of each target, with "noise"; the sum is 1.
    n_iter_ : int
        Largest number of steps that a target took.

    Examples
    --------
    >>> import numpy as np
    >>> from simec.pretraining import SimilarityRegressor
    >>> def similarities(A, B):
    ...     return {"linear": A @ B.T, "gauss": np.exp(-((A[:, None] - B) ** 2).sum(axis=2))}
    >>> X = np.linspace(0, 3, 20)[:, None]
    >>> model = SimilarityRegressor(similarities).fit(X, np.sin(X[:, 0]))
    >>> round(float(model.predict([[1.0]])[0]), 2)
    0.84
    """

    def __init__(
        self,
        similarities: Callable[[Any, Any], Mapping[str, Any] | npt.NDArray[Any]],
        *,
        max_iter: int = 100,
        verbose: bool = False,
    ) -> None:
        self.similarities = similarities
        self.max_iter = max_iter
        self.verbose = verbose

    def fit(self, X: Any, y: npt.ArrayLike) -> SimilarityRegressor:
        """Fit weights and coefficients.

        Parameters
        ----------
        X : array-like, Molecules or another sequence of n points
        y : array-like of shape (n,) or (n, k)
            Targets; each of k targets has weights of its own.

        Raises
        ------
        ValueError
            If a similarity has the wrong shape or is not finite, or y does not match X or does
            not vary.
        """
        max_iter = check_integer("max_iter", self.max_iter, 1)
        X = self._points(X, reset=True)
        targets = _targets(y, len(X))
        self.names_: list[str] = []
        matrices = self._compare(X, X)
        self.names_ = list(matrices)
        scales = np.empty(len(matrices))
        covariances = np.empty((len(matrices), len(X), len(X)))
        for k, matrix in enumerate(matrices.values()):
            covariances[k] = (matrix + matrix.T) / 2
            diagonal = np.diagonal(covariances[k])
            scales[k] = np.abs(diagonal).mean()
            covariances[k] /= scales[k] or 1.0
            smallest = linalg.eigvalsh(covariances[k], subset_by_index=[0, 0])[0]
            if smallest < 0:
                covariances[k][np.diag_indices(len(X))] -= smallest
        used = scales > 0  # points without paths of bonds, for example, have nothing in common
        if not used.any():
            raise ValueError("the similarities of each point with itself are 0")
        self.X_ = X
        self._one = np.asarray(y).ndim == 1
        self.means_, self.scales_ = targets.mean(axis=0), targets.std(axis=0)
        standardized = (targets - self.means_) / self.scales_
        fitted = [_fit(covariances[used], each, max_iter) for each in standardized.T]
        self.n_iter_ = max(each.n_iter for each in fitted)
        if any(not each.converged for each in fitted):
            corpora.errors.warn(
                f"the weights did not converge within {max_iter} steps: raise max_iter"
            )
        weights = np.zeros((len(fitted), len(matrices)))
        weights[:, used] = [each.weights for each in fitted]
        self._weights = weights / np.where(used, scales, 1)
        self._dual = np.array([each.dual for each in fitted])
        shares = np.column_stack([weights, [each.noise for each in fitted]])
        shares /= shares.sum(axis=1, keepdims=True)
        self.weights_: dict[str, Any]
        self._set_shares(shares)
        return self

    def predict(self, X: Any) -> Float64:
        """Predict targets.

        Similarities are computed in blocks, so that memory does not depend on m.

        Parameters
        ----------
        X : array-like, Molecules or another sequence of m points

        Returns
        -------
        float64 array of shape (m,) or (m, k)
        """
        check_is_fitted(self, "X_")
        X = self._points(X, reset=False)
        constant = _MEAN_VARIANCE * self._dual.sum(axis=1)
        predicted = np.empty((len(X), len(self._dual)))
        # similarities may also compute properties of X_ for each block
        length = max(_BLOCK, 4 * len(self.X_))
        with progress_bar(
            desc="Similarities", total=len(X), unit=" points", shown=self.verbose
        ) as bar:
            for start in range(0, len(X), length):
                block = X[start : start + length]
                standardized = np.tile(constant, (len(block), 1))
                for k, matrix in enumerate(self._compare(block, self.X_).values()):
                    standardized += matrix @ (self._weights[:, k, None] * self._dual).T
                predicted[start : start + length] = standardized * self.scales_ + self.means_
                bar.update(len(block))
        return predicted[:, 0] if self._one else predicted

    def _points(self, X: Any, *, reset: bool) -> Any:
        """Return points as a sequence; the names of a data frame are checked as in `fit`."""
        if reset:
            self.__dict__.pop("feature_names_in_", None)
        if check_frame("X", X):
            return validate_data(self, for_sklearn("X", X), reset=reset)
        if sparse.issparse(X):
            raise ValueError("X is a sparse matrix: pass X.toarray()")
        if isinstance(X, (list, tuple)) or (hasattr(X, "__array__") and not hasattr(X, "__len__")):
            X = np.asarray(X)
        if not hasattr(X, "__len__"):
            raise ParameterError(f"X must be a sequence of points, got {shown(X)}")
        return X

    def save(self, path: StrPath) -> None:
        """Save the regressor and its training points to a folder, completely or not at all.

        The function `similarities` is not saved.

        Parameters
        ----------
        path : str or path
            Folder. A regressor that was saved there is replaced.

        Raises
        ------
        NotFittedError
            If the regressor was not fitted.
        TypeError
            If the training points are neither an array of numbers nor `Molecules`.
        OSError
            If `path` cannot be written, or holds something else.
        """
        check_is_fitted(self, "X_")
        with write_folder(path, KIND, FORMAT_VERSION) as folder:
            names = list(self.weights_)
            folder.write_json(_CONFIG, {
                "max_iter": self.max_iter, "verbose": self.verbose, "n_iter": self.n_iter_,
                "similarities": names[:-1], "one_target": self._one,
            }, indent=1)  # fmt: skip
            folder.write_arrays(_ARRAYS, {
                "weights": self._weights, "dual": self._dual, "means": self.means_,
                "scales": self.scales_,
                "shares": np.column_stack([np.atleast_1d(self.weights_[name]) for name in names]),
            })  # fmt: skip
            _write_points(folder, self.X_)

    @classmethod
    def load(
        cls,
        path: StrPath,
        similarities: Callable[[Any, Any], Mapping[str, Any] | npt.NDArray[Any]],
        *,
        verify: bool = False,
    ) -> SimilarityRegressor:
        """Load a regressor from a folder written by `save`.

        Parameters
        ----------
        path : str or path
            Folder.
        similarities : callable
            The function that was passed to the saved regressor.
        verify : bool
            Verify the checksums of all files, not only of those that are read.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder holds something else, is damaged, or was saved by a newer version.
        """
        with open_folder(
            path, KIND, FORMAT_VERSION, verify=verify, what="regression on similarities"
        ) as folder:
            saved = folder.read_json(_CONFIG)
            arrays = folder.read_arrays(_ARRAYS)
            X = _read_points(folder)
            with folder.checking(_CONFIG):
                check_saved_object(_CONFIG, saved, (
                    "max_iter", "verbose", "n_iter", "similarities", "one_target",
                ))  # fmt: skip
                model = cls(
                    similarities, max_iter=check_integer("max_iter", saved["max_iter"], 1),
                    verbose=check_flag("verbose", saved["verbose"]),
                )  # fmt: skip
                model.names_ = saved_strings("similarities", saved["similarities"])
                model.n_iter_ = check_integer("n_iter", saved["n_iter"], 0)
                model._one = check_flag("one_target", saved["one_target"])
            with folder.checking(_ARRAYS):
                n_targets = 1 if model._one else len(arrays.get("means", ()))
                n_names = len(model.names_)
                model._weights, model._dual, model.means_, model.scales_, shares = (
                    check_saved_array(name, arrays, "float64", shape)
                    for name, shape in {
                        "weights": (n_targets, n_names), "dual": (n_targets, len(X)),
                        "means": (n_targets,), "scales": (n_targets,),
                        "shares": (n_targets, n_names + 1),
                    }.items()
                )  # fmt: skip
            model.X_ = X
            model._set_shares(shares)
            return model

    def _set_shares(self, shares: Float64) -> None:
        """Set `weights_`, from shares of each target in the rows."""
        self.weights_ = {
            name: float(share[0]) if self._one else share
            for name, share in zip([*self.names_, "noise"], shares.T, strict=True)
        }

    def _compare(self, A: Any, B: Any) -> dict[str, Float64]:
        """Return checked similarities of points."""
        if not callable(self.similarities):
            raise ParameterError(
                "similarities must be a callable with two arguments, got "
                f"{shown(self.similarities)}"
            )
        result = self.similarities(A, B)
        matrices = {}
        for name, matrix in (
            result.items() if isinstance(result, Mapping) else [("similarity", result)]
        ):
            array = np.asarray(matrix, np.float64)
            if array.shape != (len(A), len(B)):
                raise ValueError(
                    f"the similarity {name!r} of {len(A)} and {len(B)} points must have shape "
                    f"{(len(A), len(B))}, got {array.shape}"
                )
            if not np.isfinite(array).all():
                raise ValueError(f"the similarity {name!r} must be finite, got NaN or infinity")
            matrices[str(name)] = array
        if not matrices:
            raise ValueError("similarities must return at least one similarity")
        if self.names_ and list(matrices) != self.names_:
            raise ValueError(
                f"similarities must return the same names as in fit, {self.names_}, got "
                f"{list(matrices)}"
            )
        return matrices


class _Fitted:
    """Weights of a target, and the solution of the linear system for them."""

    def __init__(self, logs: Float64, dual: Float64, n_iter: int, *, converged: bool) -> None:
        weights = np.exp(logs)
        self.weights, self.noise, self.dual = weights[:-1], weights[-1], dual
        self.n_iter, self.converged = n_iter, converged


def _fit(covariances: Float64, y: Float64, max_iter: int) -> _Fitted:
    """Maximize the marginal likelihood of standardized targets over logarithms of weights."""
    n_kernels, n, _ = covariances.shape
    identity = np.eye(n)

    def factorize(logs: Float64) -> tuple[Float64, bool]:
        weights = np.exp(logs)
        covariance = np.tensordot(weights[:-1], covariances, 1) + _MEAN_VARIANCE
        covariance[np.diag_indices(n)] += weights[-1] + _JITTER
        return linalg.cho_factor(covariance, lower=True, overwrite_a=True)  # type: ignore[no-any-return]

    def objective(logs: Float64) -> tuple[float, Float64]:
        factor = factorize(logs)
        dual = linalg.cho_solve(factor, y)
        # derivative by the covariance: (K⁻¹ - K⁻¹y yᵀK⁻¹) / 2
        derivative = (linalg.cho_solve(factor, identity) - np.outer(dual, dual)) / 2
        gradient = np.append(
            np.tensordot(covariances, derivative, 2), np.trace(derivative)
        ) * np.exp(logs)
        gradient[:-1] += _LOG_WEIGHT_PRECISION * logs[:-1]
        value = y @ dual / 2 + np.log(np.diagonal(factor[0])).sum()
        return float(value + _LOG_WEIGHT_PRECISION * (logs[:-1] ** 2).sum() / 2), gradient

    start = np.append(np.full(n_kernels, -np.log(n_kernels)), np.log(1e-2))
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B",
        bounds=[_WEIGHTS] * n_kernels + [_NOISE], options={"maxiter": max_iter},
    )  # fmt: skip
    dual = linalg.cho_solve(factorize(found.x), y)
    return _Fitted(found.x, dual, int(found.nit), converged=bool(found.nit < max_iter))


def _write_points(folder: FolderWriter, X: Any) -> None:
    """Write the points of training: an array, or molecules."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf":
        folder.write_arrays(_POINTS, {"X": X})
        return
    from simec.molecules.molecules import Molecules

    if not isinstance(X, Molecules):
        raise TypeError(
            f"points must be an array of numbers or Molecules to be saved, got {type(X).__name__}: "
            "use pickle"
        )
    folder.write_arrays(
        _POINTS, {"Z": X.Z, "positions": X.positions, "offsets": X.offsets}
    )  # fmt: skip
    names = {name: None if values is None else values.tolist()
             for name, values in (("smiles", X.smiles), ("ids", X.ids))}  # fmt: skip
    folder.write_json(_MOLECULES, {**names, "cutoff": X.cutoff})


def _read_points(folder: FolderReader) -> Any:
    """Read what `_write_points` wrote."""
    arrays = folder.read_arrays(_POINTS)
    if _MOLECULES not in folder.names:
        with folder.checking(_POINTS):
            if "X" not in arrays or not arrays["X"].ndim:
                raise ValueError("the array X is missing")
        return arrays["X"]
    from simec.molecules.molecules import Molecules

    names = folder.read_json(_MOLECULES, limit=None)
    with folder.checking(_MOLECULES):
        check_saved_object(_MOLECULES, names, ("smiles", "ids", "cutoff"))
        for name in ("smiles", "ids"):
            if names[name] is not None:
                saved_strings(name, names[name])
    with folder.checking(_POINTS):
        for name in ("Z", "positions", "offsets"):
            if name not in arrays:
                raise ValueError(f"the array {name} is missing")
        return Molecules(arrays["Z"], arrays["positions"], arrays["offsets"], **names)


def _targets(y: npt.ArrayLike, n: int) -> Float64:
    """Return targets of shape (n, k)."""
    if y is None:
        raise ValueError(
            "y must be numbers: the fit requires y to be passed, but the target y is None"
        )
    try:
        array = np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y must be numbers: {error}") from None
    if array.ndim not in (1, 2) or len(array) != n:
        raise ValueError(f"y must have shape ({n},) or ({n}, k) for {n} points, got {array.shape}")
    is_column = array.ndim > 1
    array = array.reshape(n, -1)
    if not np.isfinite(array).all():
        raise ValueError("y must be finite: leave out points without a label")
    if n < 2:
        raise ValueError(f"expected at least 2 points, got n_samples = {n}")
    check_variance(array, is_column=is_column)
    return array
