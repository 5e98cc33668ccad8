"""Labels as targets of training: classes, and standardized values (Sec. 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from torch import Tensor

from corpora.checks import check_flag
from corpora.saved_data import check_saved_array, check_saved_object
from simec.data.inputs import as_numpy
from simec.linalg.checks import check_variance
from simec.types import Float64, FloatArray, IntArray

__all__ = ["Classes", "Values"]

_LARGEST = 1e150  # values are squared


class Classes:
    """Classes of points.

    Parameters
    ----------
    classes : array of shape (k,)
        Sorted.
    """

    uses_sizes = False  # whether targets depend on the numbers of parts of points

    def __init__(self, classes: npt.NDArray[Any]) -> None:
        self.classes = classes

    @property
    def n_targets(self) -> int:
        """Number of classes k."""
        return len(self.classes)

    @classmethod
    def learn(cls, y: Any, n: int) -> tuple[Classes, IntArray]:
        """Find the classes in labels.

        Parameters
        ----------
        y : array of shape (n,)
            Strings, integers, booleans, or whole numbers.
        n : int
            Number of points.

        Returns
        -------
        Classes
        codes : int64 array of shape (n,)
            The number of the class of each point.

        Raises
        ------
        ValueError
            If labels are invalid, or of fewer than two classes.
        """
        y = cls._check(y, n, "y")
        try:
            check_classification_targets(y)
        except ValueError as error:
            raise ValueError(f"{error} Use PretrainedRegressor for values") from None
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y has one class, {classes.tolist()[0]!r}: a classifier needs at least two classes"
            )
        return cls(classes), codes.astype(np.int64)

    @staticmethod
    def _check(y: Any, n: int, name: str) -> npt.NDArray[Any]:
        y = _read(y, n, name)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(
                f"{name} must have one class for each point, got shape {y.shape}: pass the numbers "
                "or names of classes, and for several labels fit several classifiers"
            )
        if y.dtype.kind not in "biufUO":
            raise ValueError(f"{name} must contain strings or integers, got {y.dtype}")
        labels: npt.NDArray[Any] = column_or_1d(y, warn=True)
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            first = int((~np.isfinite(labels)).argmax())
            raise ValueError(
                f"{name} contains {_shown(labels[first])}, at point {first}: leave out points "
                "without labels"
            )
        if labels.dtype.kind == "O":
            kinds = sorted({type(value).__name__ for value in labels})
            if kinds != ["str"] and not set(kinds) <= {"int", "bool"}:
                raise ValueError(
                    f"{name} must contain classes of one type, such as str or int, got "
                    f"{', '.join(kinds)}"
                )
        return labels

    def read(self, y: Any, n: int, name: str) -> IntArray:
        """Return the numbers of the classes of points; ValueError if a class is new."""
        numbers = {value: i for i, value in enumerate(self.classes.tolist())}
        values = self._check(y, n, name).tolist()
        for value in values:
            if value not in numbers:
                raise ValueError(
                    f"{name} contains the class {value!r}, which is not among the classes of y: "
                    "leave these points out, or add points of this class to X and y"
                )
        return np.array([numbers[value] for value in values], np.int64)

    def strata(self, labels: IntArray) -> IntArray:
        """Return the classes by which points are divided into training and validation."""
        return labels

    def fit(self, labels: IntArray, sizes: Float64) -> None:
        """Do nothing: classes need no standardization."""

    def targets(self, labels: IntArray, sizes: Float64) -> FloatArray:  # noqa: ARG002
        """Return the probabilities of classes, 0 or 1, of shape (n, k)."""
        return np.eye(len(self.classes), dtype=np.float32)[labels]

    def config(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"classes": self.classes.tolist(), "dtype": self.classes.dtype.str}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return arrays to save."""
        return {}

    @classmethod
    def from_saved(cls, config: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Classes:  # noqa: ARG003
        """Restore what `config` and `arrays` returned; ValueError if it is invalid."""
        config = check_saved_object("labels", config, ("classes", "dtype"))
        values, dtype = config["classes"], str(config["dtype"])
        kinds = {"b": bool, "i": int, "u": int, "f": float, "U": str}
        kind = kinds.get(dtype[1:2], str)
        if not isinstance(values, list) or not all(type(value) is kind for value in values):
            raise ValueError(f"classes must be a list of {kind.__name__}, got {values!r}")
        classes = np.array(values, object if dtype[1:2] == "O" else np.dtype(dtype))
        if len(classes) < 2 or not (classes[1:] > classes[:-1]).all():
            raise ValueError("classes must be at least two, and sorted")
        return cls(classes)


class Values:
    """Values of points, standardized as ``(y - n mean) / scale`` (Fig. 6.6).

    n is the number of parts of a point if predictions are sums over parts, and 1 otherwise.

    Parameters
    ----------
    vector : bool
        Whether labels are a vector instead of a matrix.
    mean, scale : float64 arrays of shape (k,), optional
    """

    uses_sizes = True

    def __init__(
        self, vector: bool, mean: Float64 | None = None, scale: Float64 | None = None
    ) -> None:
        self.vector = vector
        self.mean = np.zeros(1) if mean is None else mean
        self.scale = np.ones(1) if scale is None else scale

    @property
    def n_targets(self) -> int:
        """Number of values of a point, k."""
        return len(self.mean)

    @classmethod
    def learn(cls, y: Any, n: int) -> tuple[Values, Float64]:
        """Check labels, and return them as a float64 array of shape (n, k).

        Raises
        ------
        ValueError
            If labels are invalid, or a column has only one value.
        """
        y = _read(y, n, "y")
        values = cls(y.ndim == 1)
        labels = values._numbers(y, "y")
        if n < 2:
            raise ValueError("y has 1 sample: at least two are needed to train a regressor")
        check_variance(labels, is_column=y.ndim > 1)
        return values, labels

    def read(self, y: Any, n: int, name: str) -> Float64:
        """Check labels of other points, and return them as an array of shape (n, k)."""
        return self._numbers(_read(y, n, name), name)

    def _numbers(self, y: npt.NDArray[Any], name: str) -> Float64:
        if y.dtype.kind not in "biuf":
            try:
                if y.dtype.kind != "O" or any(isinstance(value, str) for value in y.flat):
                    raise ValueError
                y = y.astype(np.float64)
            except (TypeError, ValueError):
                first = y.ravel()[:1].tolist()[0]
                raise ValueError(
                    f"{name} must be numbers, got {first!r}: use PretrainedClassifier for classes"
                ) from None
        numbers = y.astype(np.float64).reshape(len(y), -1)
        bad = ~(np.abs(numbers) < _LARGEST)
        if bad.any():
            i, j = np.argwhere(bad)[0]
            value = numbers[i, j]
            hint = "scale it" if np.isfinite(value) else "leave out points without labels"
            raise ValueError(f"{name} contains {_shown(value)}, at point {i}: {hint}")
        return numbers

    def strata(self, labels: Float64) -> None:
        """Return None: values are not divided by class."""

    def fit(self, labels: Float64, sizes: Float64) -> None:
        """Compute mean and scale from the training points.

        Parameters
        ----------
        labels : float64 array of shape (n, k)
        sizes : float64 array of shape (n, 1)
            Numbers of parts, or ones.

        Raises
        ------
        ValueError
            If a column has only one value.
        """
        constant = (labels == labels[:1]).all(axis=0)
        if constant.any():
            raise ValueError(
                f"y has no variance in the training part: all {len(labels)} values are "
                f"{labels[0, int(constant.argmax())]:g}, after points were held out for "
                "validation; pass more points, or validation=(X, y)"
            )
        # a point without parts has no mean
        self.mean = (labels / np.maximum(sizes, 1)).mean(axis=0)
        deviations = labels - sizes * self.mean
        largest = np.maximum(np.abs(deviations).max(axis=0), np.finfo(np.float64).tiny)
        scale = largest * np.sqrt(np.square(deviations / largest).mean(axis=0))
        # of labels that are proportional to the numbers of parts, only rounding errors are left
        smallest = np.maximum(1e-12 * np.abs(labels).max(axis=0), np.finfo(np.float64).tiny)
        self.scale = np.maximum(scale, smallest)

    def targets(self, labels: Float64, sizes: Float64) -> FloatArray:
        """Return standardized labels, float32, of shape (n, k)."""
        return ((labels - sizes * self.mean) / self.scale).astype(np.float32)

    def values(self, targets: Float64, sizes: Float64) -> Float64:
        """Return values of standardized predictions: float64 of shape (n,), or (n, k)."""
        values: Float64 = sizes * self.mean + targets * self.scale
        return values[:, 0] if self.vector else values

    def config(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"vector": self.vector}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return arrays to save."""
        return {"labels.mean": self.mean, "labels.scale": self.scale}

    @classmethod
    def from_saved(cls, config: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Values:
        """Restore what `config` and `arrays` returned; ValueError if it is invalid."""
        config = check_saved_object("labels", config, ("vector",))
        vector = check_flag("vector", config["vector"])
        mean = check_saved_array("labels.mean", arrays, "float64", (1 if vector else None,))
        scale = check_saved_array("labels.scale", arrays, "float64", mean.shape)
        if not (scale > 0).all():
            raise ValueError("labels.scale must be > 0")
        return cls(vector, mean, scale)


def _shown(value: Any) -> str:
    return "NaN" if np.isnan(value) else "infinity" if np.isinf(value) else f"{value:g}"


def _read(y: Any, n: int, name: str) -> npt.NDArray[Any]:
    """Convert labels to an array with one row for each of n points."""
    if isinstance(y, Tensor):
        y = as_numpy(y)
    if hasattr(y, "toarray"):
        raise ValueError(f"{name} is a sparse matrix: pass {name}.toarray()")
    labels: npt.NDArray[Any] = np.asarray(y)
    if labels.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has the type {labels.dtype}")
    if labels.ndim not in (1, 2) or not labels.shape[-1]:
        raise ValueError(f"{name} must have shape (m,) or (m, k), got shape {labels.shape}")
    if len(labels) != n:
        raise ValueError(
            f"{name} has {len(labels)} labels, and X has {n} points: each point needs one label"
        )
    return labels
