"""Shared by benchmarks of simec: errors, linear encoders and their penalties, lines of figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts
from benchmarks.common import Result, Table, number

if TYPE_CHECKING:
    from simec import SimilarityEncoder

Array = npt.NDArray[np.floating[Any]]

_ROWS = 1 << 10
VALIDATION = 0.2  # share of the training points on which penalties are chosen


def mse(S: Array, Y: Array, Y2: Array | None = None) -> float:
    """Mean of (S - Y Y2ᵀ)², Y2 being Y by default."""
    other = np.asarray(Y if Y2 is None else Y2, np.float64).T
    total = 0.0
    for start in range(0, len(S), _ROWS):
        rows = slice(start, start + _ROWS)
        total += float(np.square(S[rows] - np.asarray(Y[rows], np.float64) @ other).sum())
    return total / S.size


def products(Z: Array, Z2: Array | None = None) -> npt.NDArray[np.float32]:
    """Scalar products of Z's rows with each other, or with those of Z2."""
    similarities: npt.NDArray[np.float32] = (Z @ (Z if Z2 is None else Z2).T).astype(np.float32)
    return similarities


def linear_simec(n_components: int, alpha: float, X: Array, S: Array) -> SimilarityEncoder:
    """Fit a linear encoder with S ≈ Y Yᵀ in closed form.

    Its solutions are nested: the first k dimensions are what ``n_components=k`` gives.

    Parameters
    ----------
    n_components : int
    alpha : float
        The penalty, as that of `sklearn.linear_model.Ridge`: on the sum of squared errors.
    X : array of shape (m, D)
    S : array of shape (m, m)
    """
    from simec import SimilarityEncoder

    encoder = SimilarityEncoder(
        n_components, symmetric=1.0, solver="exact", l2=alpha / S.size, device="cpu"
    )
    return encoder.fit(X, S)


def ridges(n_components: int, X: Array, S: Array) -> Callable[..., Any]:
    """Decompose S once, then regress its eigenvectors on X with any penalty.

    Returns
    -------
    callable
        From the penalty, and optionally features other than X, to a fitted
        `simec.spectral.SpectralRegression`, the same object each time.
    """
    from sklearn.linear_model import Ridge

    from simec.spectral import SpectralRegression

    model = SpectralRegression(n_components, alpha=1.0).fit(X, S)

    def fitted(alpha: float, features: Array = X) -> Any:
        model.n_features_in_ = features.shape[1]
        model.regression_ = Ridge(alpha).fit(features, model.embedding_)
        return model

    return fitted


def best(alphas: Sequence[float], errors: Callable[[float], Sequence[float]]) -> list[float]:
    """For each of several errors, the penalty for which it is lowest."""
    table = np.array([list(errors(alpha)) for alpha in alphas])
    return [alphas[i] for i in table.argmin(axis=0)]


def halves(n: int, share: float = VALIDATION) -> tuple[slice, slice]:
    """Slices of n training points, in random order, for fitting and for validation."""
    n_fit = n - round(share * n)
    return slice(0, n_fit), slice(n_fit, n)


@contextmanager
def unfinished() -> Iterator[None]:
    """Ignore warnings that training ended at the maximum number of epochs, which is intended."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def line(
    axes: Any,
    x: Sequence[float],
    rows: Sequence[Result | None],
    label: str,
    color: str,
    *,
    dashed: bool = False,
) -> None:
    """Means over runs as a line, and their spread as a band."""
    y = np.array([math.nan if r is None or r.value is None else r.value for r in rows])
    sd = np.array([0.0 if r is None or r.sd is None else r.sd for r in rows])
    axes.plot(
        x, y, "--" if dashed else "-", marker="o", markersize=3.5, color=color, label=label
    )  # fmt: skip
    axes.fill_between(x, y - sd, y + sd, color=color, alpha=0.2, linewidth=0)


def reference(axes: Any, row: Result, label: str, color: str = charts.GREY) -> None:
    """A result that does not depend on x, as a horizontal line."""
    axes.axhline(row.value, color=color, linestyle=":", label=label)


def table(
    title: str,
    by_name: dict[str, Result],
    methods: Sequence[str],
    settings: Sequence[str],
    measure: str,
    digits: int = 4,
) -> Table:
    """Rows of settings, columns of methods; cells are results METHOD.MEASURE.SETTING."""
    rows = [
        (s, *(number(by_name.get(f"{m}.{measure}.{s}"), digits=digits) for m in methods))
        for s in settings
    ]
    return Table((title, *methods), rows)
