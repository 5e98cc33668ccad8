"""Whether similarities suit a task, before a network is trained on them (Sec. 6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline

from corpora.checks import ParameterError, check_choice, check_integer
from simec.linalg.checks import Matrix, check_varies, real_matrix
from simec.pretraining.curves import LearningCurve, learning_curve
from simec.similarities import Centerer, non_metricity
from simec.similarities.labels import label_array, missing_labels
from simec.spectral import eigen_embedding
from simec.types import Float64, IntArray

__all__ = ["Alignment", "alignment"]

_LANDMARKS = 1000  # of a square matrix; 300 did as well in Sec. 6.2's experiments with QM9
_ROWS = 1 << 12  # embedded at a time
_SIZES = 100, 200, 500, 1000, 2000, 5000, 10_000
_TEST = 0.3
_FEWEST = 20  # labels
_PER_CLASS = 4  # labels, below which integers may be numbers
_ALPHAS = np.logspace(-8, 4, 13)
_ASYMMETRY = 1e-3  # relative to the largest value: smaller differences count as rounding errors
_ALONE = "similarities"

# Relative reductions of the error with few labels; `alignment` says on what they were measured.
_SUITED, _RELATED = 0.15, 0.05
_NEGATIVE = 0.05  # share of negative eigenvalues that the verdict mentions


@dataclass(frozen=True)
class Alignment:
    """How well similarities suit a task. ``print`` shows the verdict and a table.

    Attributes
    ----------
    value : float
        Centered kernel alignment of the similarities and the labels, from 0 to 1.
    permuted : float64 array of shape (n_permutations,)
        The same for labels in random order.
    negative_share : float
        Share of the absolute eigenvalues of the landmarks' similarities that are negative, and
        which kernel PCA drops; see `simec.similarities.non_metricity`.
    n_components : int
        Number of kernel PCA components.
    curve : LearningCurve
        Mean absolute error, or accuracy, of ridge regression by number of labels, and of controls.
    """

    value: float
    permuted: Float64
    negative_share: float
    n_components: int
    curve: LearningCurve

    @property
    def reductions(self) -> dict[int, float]:
        """Relative reductions of the error of the best control by the similarities.

        By number of labels; 1 if no error is left, negative if the control is better. The best
        control is the prediction of the mean or of the most frequent class, or ridge regression
        on the features. If there are features, similarities are combined with them.
        """
        return {
            size: _reduction(control, ours) for size, (_, control, ours) in self._errors().items()
        }

    def _errors(self) -> dict[int, tuple[str, float, float]]:
        """Name and error of the best control, and the error of similarities, by size."""
        means = {(point.name, point.size): point.mean for point in self.curve.summary()}
        errors = means
        if self.curve.greater_is_better:
            errors = {key: 1 - accuracy for key, accuracy in means.items()}
        *controls, ours = (n for n in self.curve.names if n != _ALONE or n == self.curve.names[-1])
        found = {}
        for size in self.curve.sizes:
            best = min(controls, key=lambda name: errors[name, size])
            found[size] = best, errors[best, size], errors[ours, size]
        return found

    @property
    def verdict(self) -> str:
        """Whether the similarities suit the task, with figures; see `alignment` for its limits."""
        (few, (control, before, after)), *_ = self._errors().items()
        reduction = _reduction(before, after)
        error = "error rate" if self.curve.greater_is_better else self.curve.metric
        largest = float(self.permuted.max())
        if reduction >= _SUITED:
            text = "The similarities suit the task"
        elif reduction >= _RELATED:
            text = "The similarities are weakly related to the task"
        elif self.value > largest:
            text = "The similarities are related to the labels, but hardly help to predict them"
        else:
            text = "The similarities are unrelated to the task"
        if reduction >= 0:
            change = f"lower the {error} from {before:.3g} ({control}) to {after:.3g}, by "
            change += f"{100 * reduction:.0f} %"
        else:
            change = f"have the {error} {after:.3g}, and the control ({control}) {before:.3g}"
        text += f": with {few:,} labels, kernel PCA and ridge regression {change}. "
        text += (
            f"The alignment with the labels is {self.value:.3g}; with labels in random order, it "
            f"is at most {largest:.3g}."
        )
        if self.negative_share >= _NEGATIVE:
            text += (
                f" {100 * self.negative_share:.0f} % of the absolute eigenvalues are negative, "
                "which kernel PCA drops and a Similarity Encoder can learn."
            )
        return text

    def __str__(self) -> str:
        return f"{self.verdict}\n\n{self.curve.table(differences=False)}"

    def plot(self, axes: Any = None) -> Any:
        """Plot errors or accuracies by number of labels, with the alignment in the title.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            By default, a new figure is created.

        Returns
        -------
        Axes
        """
        axes = self.curve.plot(axes)
        axes.set_xlabel("labels")
        largest = float(self.permuted.max())
        axes.set_title(
            f"alignment {self.value:.3f} (labels in random order: up to {largest:.3f})",
            loc="left", fontsize=10.5,
        )  # fmt: skip
        return axes


def alignment(
    S: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    columns: npt.ArrayLike | None = None,
    features: npt.ArrayLike | None = None,
    kind: Literal["auto", "classes", "numbers"] = "auto",
    sizes: Sequence[int] | None = None,
    seeds: int | Sequence[int] = 3,
    n_components: int = 128,
    n_permutations: int = 100,
    progress: bool = True,
) -> Alignment:
    """Estimate whether similarities suit a task, from labelled points and without a network.

    Points are embedded by kernel PCA of the landmarks' similarities, which is then applied to the
    similarities of all points to the landmarks (Nyström). Two figures are computed from the
    embeddings Y of the labelled points:

    - The centered kernel alignment (Cortes, Mohri and Rostamizadeh, 2012) of Y Yᵀ and the labels'
      similarities, which are products of the centered labels, or 1 within a class and 0 otherwise.
      Its control is that of the same labels in random order.
    - The error of ridge regression on Y by the number of labels, as in Figs. 6.15 and 6.16 of the
      thesis. Its controls are the prediction of the mean or of the most frequent class, and ridge
      regression on `features` alone.

    The verdict depends on how much similarities reduce the error of the best control with the
    smallest number of labels. From 15 %, they suit the task; below 5 %, they do not help. These
    limits were set on similarities with which networks were pre-trained, with 100 labels, and the
    number of atoms as feature of molecules. Networks gained from fingerprint similarities (QM9),
    which reduce errors by 18 to 32 %, and on CIFAR-10 from `simec.similarities.Patches`, with
    30 %, and from mixtures of the linear kernel and classes, with 100 %. They gained nothing from
    the linear kernel alone, with 12 %. Similarities of random features reduce errors by at most
    3 %.

    A network can only gain from similarities that are related to the task, but relation is not
    enough: it must be able to learn them, and not know the same already. Kernel PCA of the FCHL
    kernel predicts energies best (Fig. 6.15), but SchNet gained less from it than from
    fingerprints (Table 6.1). `learning_curve` compares networks with and without pre-training.

    Parameters
    ----------
    S : array-like of shape (m, n)
        Similarities of all points to the landmarks.
    y : array-like of shape (m,)
        Numbers or classes; NaN or None for points without a label.
    columns : int array of shape (n,), optional
        Row numbers of the landmarks. Not needed for a square S; of more than 1,000 points, 1,000
        are then drawn as landmarks.
    features : array-like of shape (m,) or (m, f), optional
        Cheap features, such as numbers of atoms or the embeddings of the untrained network:
        similarities should predict better than these do. They are standardized.
    kind : {"auto", "classes", "numbers"}
        What labels are. "auto": floats are numbers, all others are classes; integers with fewer
        than 4 labels for each value may be either, and are an error.
    sizes : sequence of int, optional
        Numbers of labels; by default 100, 200, 500, 1,000 and so on up to 10,000.
    seeds : int or sequence of int
        Seeds of the training and test sets, or their number. 30 % of the labelled points are test
        set.
    n_components : int
        Largest number of kernel PCA components. Those of eigenvalues below 1e-6 of the largest one
        are left out, and so are those of negative eigenvalues.
    n_permutations : int
        Number of random orders of the labels.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError
        If shapes do not match, S has missing entries or is constant, similarities of the landmarks
        are not symmetric, or labels do not vary.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from simec.pretraining import alignment
    >>> from simec.similarities import rbf
    >>> X, y = load_digits(return_X_y=True)
    >>> diagnosis = alignment(rbf(X, gamma=1e-3), y, sizes=[100, 500], progress=False)
    >>> bool(diagnosis.value > diagnosis.permuted.max())
    True
    """
    check_choice("kind", kind, ("auto", "classes", "numbers"))
    check_integer("n_components", n_components, 1)
    check_integer("n_permutations", n_permutations, 1)
    S = real_matrix(S)
    landmarks = _landmarks(S, columns)
    labels, rows = _observed_labels(y, len(S))
    classes = _are_classes(labels, kind)
    labels = labels if classes else labels.astype(np.float64)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"y must have different labels, but all are {labels[0]}")
    extra = _standardized(features, len(S), rows)

    block = S[landmarks] if columns is not None else S[np.ix_(landmarks, landmarks)]
    gaps = np.abs(block - block.T)
    if gaps.max() > _ASYMMETRY * np.abs(block).max():
        i, j = np.unravel_index(int(gaps.argmax()), gaps.shape)
        raise ValueError(
            f"similarities of the landmarks must be symmetric, but those of rows {landmarks[i]} "
            f"and {landmarks[j]} are {block[i, j]:.6g} and {block[j, i]:.6g}: are columns the row "
            "numbers of the landmarks?"
        )
    block = (block.astype(np.float64) + block.T) / 2
    check_varies(block)
    centerer = Centerer().fit(block)
    centered = centerer.transform(block)
    negative = non_metricity(centered)
    Y, _ = eigen_embedding(centered, min(n_components, len(landmarks)))
    eigenvalues = (Y**2).sum(axis=0)
    kept = eigenvalues > 1e-6 * eigenvalues.max()
    projection = Y[:, kept] / eigenvalues[kept]
    embedded = np.empty((len(rows), projection.shape[1]))
    for start in range(0, len(rows), _ROWS):
        part = S[rows[start : start + _ROWS]]
        part = part if columns is not None else part[:, landmarks]
        embedded[start : start + _ROWS] = centerer.transform(part) @ projection
    embedded -= embedded.mean(axis=0)
    embedded /= np.sqrt((embedded**2).sum(axis=1).mean())  # penalties do not depend on the scale

    value, permuted = _kernel_alignment(embedded, labels, classes, n_permutations)
    m, n_test = len(rows), max(1, round(_TEST * len(rows)))
    if sizes is None:
        sizes = [n for n in _SIZES if n <= m - n_test] or [max(1, (m - n_test) // 2), m - n_test]
    ridge = RidgeClassifierCV(_ALPHAS) if classes else RidgeCV(_ALPHAS)
    d, width = embedded.shape[1], embedded.shape[1] + extra.shape[1]
    control = DummyClassifier() if classes else DummyRegressor()
    estimators = {"most frequent class" if classes else "mean": control}
    if extra.shape[1]:
        estimators["features"] = make_pipeline(_Columns(d, width), ridge)
    estimators[_ALONE] = make_pipeline(_Columns(0, d), ridge)
    if extra.shape[1]:
        estimators["similarities and features"] = make_pipeline(_Columns(0, width), ridge)
    curve = learning_curve(
        estimators, np.hstack([embedded, extra]), labels, sizes=sizes, seeds=seeds, test=_TEST,
        scoring="accuracy" if classes else "neg_mean_absolute_error", progress=progress,
    )  # fmt: skip
    return Alignment(value, permuted, negative, d, curve)


def _reduction(before: float, after: float) -> float:
    # a control without errors leaves nothing to reduce
    return 1 - after / before if before > 1e-12 else 0.0


class _Columns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Some columns of an array."""

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop

    def fit(self, X: Any, y: Any = None) -> _Columns:  # noqa: ARG002
        return self

    def transform(self, X: Any) -> Any:
        return X[:, self.start : self.stop]


def _kernel_alignment(
    Y: Float64, labels: npt.NDArray[Any], classes: bool, n_permutations: int
) -> tuple[float, Float64]:
    """Return the alignment of Y Yᵀ and labels, and that of labels in random order.

    Parameters
    ----------
    Y : float64 array of shape (m, d)
        Centered.
    labels : array of shape (m,)
    classes : bool
    n_permutations : int
    """
    if classes:
        L = (labels[:, None] == np.unique(labels)).astype(np.float64)
    else:
        L = labels[:, None] / np.abs(labels).max()
    L = L - L.mean(axis=0)
    # <K, L> = ‖Yᵀ L‖², without matrices of m × m
    norm = float(np.linalg.norm(Y.T @ Y) * np.linalg.norm(L.T @ L))
    rng = np.random.default_rng(0)

    def aligned(order: IntArray | slice) -> float:
        return float(np.square(Y.T @ L[order]).sum() / norm)

    permuted = [aligned(rng.permutation(len(L))) for _ in range(n_permutations)]
    return aligned(slice(None)), np.array(permuted)


def _landmarks(S: Matrix, columns: Any) -> IntArray:
    """Return the row numbers of the landmarks."""
    m, n = S.shape
    if columns is None:
        if m != n:
            raise ValueError(
                f"S has shape {S.shape}: pass columns, the row numbers of the {n} landmarks that "
                "its columns belong to"
            )
        if m <= _LANDMARKS:
            return np.arange(m)
        return np.sort(np.random.default_rng(0).choice(m, _LANDMARKS, replace=False))
    numbers = np.asarray(columns)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ParameterError(
            f"columns must be an array of row numbers, got shape {numbers.shape} and "
            f"{numbers.dtype}"
        )
    if len(numbers) != n:
        raise ValueError(f"columns must have a row number for each of {n}, got {len(numbers)}")
    if numbers.min() < 0 or numbers.max() >= m:
        raise ValueError(
            f"columns must be from 0 to {m - 1}, got {numbers.min()} to {numbers.max()}"
        )
    if len(np.unique(numbers)) < n:
        raise ValueError("columns must be different row numbers, but one occurs twice")
    return numbers.astype(np.int64)


def _observed_labels(y: Any, m: int) -> tuple[npt.NDArray[Any], IntArray]:
    """Return the labels that are not missing, and the row numbers of their points."""
    labels = label_array(y.detach().cpu() if hasattr(y, "detach") else y)
    if len(labels) != m:
        raise ValueError(f"S and y must have the same number of rows, got {m} and {len(labels)}")
    rows = np.flatnonzero(~missing_labels(labels))
    if len(rows) < _FEWEST:
        raise ValueError(f"y must have at least {_FEWEST} labels, got {len(rows)}")
    labels = labels[rows]
    if labels.dtype.kind == "O":
        labels = np.array(labels.tolist())
    if labels.dtype.kind in "fc" and not np.isfinite(labels).all():
        raise ValueError(f"y[{rows[~np.isfinite(labels)][0]}] is not finite")
    return labels, rows


def _are_classes(labels: npt.NDArray[Any], kind: str) -> bool:
    if kind == "auto":
        n_different = len(np.unique(labels))
        if labels.dtype.kind in "iu" and n_different > len(labels) / _PER_CLASS:
            raise ValueError(
                f"y has {n_different} different integers among {len(labels)} labels: pass "
                "kind='numbers', or kind='classes'"
            )
        return labels.dtype.kind != "f"
    if kind == "numbers" and labels.dtype.kind not in "biuf":
        raise ValueError(f"kind='numbers' needs numbers as labels, got {labels.dtype}")
    return kind == "classes"


def _standardized(features: Any, m: int, rows: IntArray) -> Float64:
    """Return the features of some rows with mean 0 and variance 1, shape (b, f)."""
    if features is None:
        return np.empty((len(rows), 0))
    array = np.asarray(features)
    array = real_matrix(array[:, None] if array.ndim == 1 else array, "features")
    if len(array) != m:
        raise ValueError(
            f"S and features must have the same number of rows, got {m} and {len(array)}"
        )
    array = array[rows].astype(np.float64)
    array -= array.mean(axis=0)
    scale = array.std(axis=0)
    return array / np.where(scale > 0, scale, 1)
