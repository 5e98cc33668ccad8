"""Scores of estimators by the number of labelled rows, on the same rows for all of them."""

from __future__ import annotations

import inspect
import json
import logging
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.metrics import get_scorer, get_scorer_names

from corpora.callbacks import progress_bar
from corpora.checks import ParameterError, check_integer, check_number, closest, shown
from corpora.files import StrPath, atomic_path
from simec.figures import new_axes
from simec.pretraining.points import select
from simec.types import IntArray

__all__ = ["CurvePoint", "CurveRow", "LearningCurve", "learning_curve"]

logger = logging.getLogger(__name__)

_FORMAT = "simec.LearningCurve 1"


class CurveRow(NamedTuple):
    """Result of one fit.

    Attributes
    ----------
    name : str
        Name of the estimator.
    size : int
        Number of training rows.
    seed : int
    train_score, test_score : float
    seconds : float
        Duration of the fit.
    """

    name: str
    size: int
    seed: int
    train_score: float
    test_score: float
    seconds: float


class CurvePoint(NamedTuple):
    """Results of an estimator with one number of training rows, over all seeds.

    Standard deviations are those of a sample (divided by n - 1); NaN for a single seed.

    Attributes
    ----------
    name : str
    size : int
    n_seeds : int
    mean, sd : float
        Of the test score.
    train_mean : float
        Mean training score.
    difference, difference_sd : float
        Of the differences to the first estimator, seed by seed: both are fitted to the same rows.
    n_better : int
        Number of seeds with a better test score than that of the first estimator.
    seconds : float
        Mean duration of a fit.
    """

    name: str
    size: int
    n_seeds: int
    mean: float
    sd: float
    train_mean: float
    difference: float
    difference_sd: float
    n_better: int
    seconds: float


@dataclass(frozen=True)
class LearningCurve:
    """Scores of estimators by the number of training rows. ``print`` shows a table.

    Attributes
    ----------
    rows : tuple of CurveRow
        One for each fit.
    metric : str
        Name of the score.
    greater_is_better : bool
    names : tuple of str
        Names of the estimators; the others are compared with the first one.
    """

    rows: tuple[CurveRow, ...]
    metric: str
    greater_is_better: bool
    names: tuple[str, ...]

    @property
    def sizes(self) -> list[int]:
        """Numbers of training rows, ascending."""
        return sorted({row.size for row in self.rows})

    def to_frame(self) -> Any:
        """Return the rows as a data frame.

        Returns
        -------
        pandas.DataFrame
            With the columns of `CurveRow`.

        Raises
        ------
        ImportError
            If pandas is not installed. ``[row._asdict() for row in curve.rows]`` is the same as
            plain data.
        """
        try:
            pandas: Any = import_module("pandas")
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas") from error
        return pandas.DataFrame(list(self.rows), columns=list(CurveRow._fields))

    def summary(self) -> list[CurvePoint]:
        """Return means and standard deviations over seeds, by estimator and size."""
        by_fit = {(row.name, row.size, row.seed): row for row in self.rows}
        points = []
        for name in self.names:
            for size in self.sizes:
                own = [row for row in self.rows if row.name == name and row.size == size]
                if not own:
                    continue
                scores = np.array([row.test_score for row in own])
                pairs = [(row, by_fit.get((self.names[0], size, row.seed))) for row in own]
                differences = np.array(
                    [row.test_score - first.test_score for row, first in pairs if first is not None]
                )
                better = differences > 0 if self.greater_is_better else differences < 0
                points.append(CurvePoint(
                    name, size, len(own), float(scores.mean()), _sd(scores),
                    float(np.mean([row.train_score for row in own])),
                    float(differences.mean()) if len(differences) else math.nan,
                    _sd(differences), int(better.sum()),
                    float(np.mean([row.seconds for row in own])),
                ))  # fmt: skip
        return points

    def __str__(self) -> str:
        return self.table()

    def table(self, *, differences: bool = True) -> str:
        """Return a table of mean test scores, and one of differences to the first estimator.

        Parameters
        ----------
        differences : bool
            Whether to add the second table.
        """
        points = {(point.name, point.size): point for point in self.summary()}
        if not points:
            return "no finished fits"
        largest = max(abs(point.mean) for point in points.values())
        digits = 3
        if 0 < largest < math.inf:
            digits = min(max(2 - math.floor(math.log10(largest)), 0), 8)
        seeds = {point.n_seeds for point in points.values()}
        over = "1 seed" if max(seeds) == 1 else f"mean ± standard deviation of {max(seeds)} seeds"
        text = f"{self.metric} on test data by number of training rows, {over}\n"
        text += self._grid(
            self.names, {key: _mean_and_sd(p.mean, p.sd, digits) for key, p in points.items()}
        )
        others = self.names[1:]
        if differences and others:
            better = "higher" if self.greater_is_better else "lower"
            text += f"\ndifference to {self.names[0]!r} on the same rows, {better} is better\n"
            text += self._grid(others, {
                key: _mean_and_sd(p.difference, p.difference_sd, digits, "+")
                for key, p in points.items() if not math.isnan(p.difference)
            })  # fmt: skip
        return text

    def _grid(self, names: Sequence[str], cells: Mapping[tuple[str, int], str]) -> str:
        """Align cells by estimator (rows) and size (columns)."""
        table = [["", *(f"{size:,}" for size in self.sizes)]]
        table += [[name, *(cells.get((name, size), "-") for size in self.sizes)] for name in names]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        widths[0] = max(map(len, self.names))
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in table
        )

    def plot(self, axes: Any = None, *, train: bool = False) -> Any:
        """Plot mean test scores by number of training rows, with bands of a standard deviation.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            By default, a new figure is created.
        train : bool
            Whether to plot training scores as well, as dashed lines.

        Returns
        -------
        Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if axes is None:
            (axes,) = new_axes(1, (5.6, 3.8))
        points = self.summary()
        for name in self.names:
            own = [point for point in points if point.name == name]
            sizes = [point.size for point in own]
            means = np.array([point.mean for point in own])
            sds = np.nan_to_num([point.sd for point in own])
            (line,) = axes.plot(sizes, means, marker="o", markersize=3.5, label=name)
            color = line.get_color()
            axes.fill_between(sizes, means - sds, means + sds, color=color, alpha=0.18, linewidth=0)
            if train:
                trained = [point.train_mean for point in own]
                axes.plot(sizes, trained, linestyle="--", linewidth=1, color=color)
        axes.set_xscale("log")
        axes.set_xticks(self.sizes, [f"{size:,}" for size in self.sizes])
        axes.minorticks_off()
        axes.set_xlabel("training rows")
        axes.set_ylabel(self.metric)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)
        return axes


def learning_curve(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    sizes: Sequence[int],
    seeds: int | Sequence[int] = 3,
    test: float | tuple[Any, Any] = 0.2,
    validation: tuple[Any, Any] | None = None,
    scoring: str | Callable[..., float] | None = None,
    n_jobs: int = 1,
    save: StrPath | None = None,
    progress: bool = True,
) -> LearningCurve:
    """Fit estimators to more and more labelled rows, and score them on a test set.

    Training rows are drawn at random by seed. Those of a smaller size are part of those of a
    larger one, and for classifiers each class has its share of them. All estimators are fitted to
    the same rows, so that they can be compared seed by seed: differences vary much less than the
    scores themselves.

    Parameters
    ----------
    estimators : mapping of str to estimator
        scikit-learn classifiers or regressors by name; the first one is the reference. A clone is
        fitted each time, with the seed as its `random_state` (and those of the steps of a
        pipeline).
    X : array, sparse matrix, tensor, data frame, list, or Dataset of m rows
        Features. ``X[rows]`` of a `simec.molecules.Molecules` is one as well; other data sets are
        wrapped. Only training and test rows are copied, not X.
    y : array-like of shape (m,) or (m, k)
        Classes or numbers.
    sizes : sequence of int
        Numbers of training rows.
    seeds : int or sequence of int
        The seeds, or their number.
    test : (X_test, y_test) or float
        Test set, or the fraction of the rows that is drawn as test set for each seed.
    validation : (X_val, y_val), optional
        Validation set for early stopping, passed to each estimator whose `fit` has a parameter
        `validation`.
    scoring : str or callable, optional
        As for `sklearn.model_selection.cross_val_score`: accuracy or R² by default. Names such as
        "neg_mean_absolute_error" give errors with a positive sign, lower is better.
    n_jobs : int
        Number of processes; -1 for all cores. Each gets a copy of its training and test rows.
    save : path, optional
        JSON file to which finished rows are saved after each fit. Rows that it holds already are
        not computed again: an interrupted run continues with the same call. The file must belong
        to the same X (checked for arrays, tensors and data frames), y, test set and score; that
        the estimators are the same is not checked.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    LearningCurve

    Raises
    ------
    ValueError
        If parameters are out of range or lengths do not match, labels are missing, an estimator
        rejects its data, or `save` belongs to other data.
    RuntimeError
        If a fit fails for another reason.
    KeyboardInterrupt
        On Ctrl-C. Exceptions during fits have the finished rows as an attribute `curve`.

    Examples
    --------
    >>> from simec.pretraining import learning_curve
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> curve = learning_curve(
    ...     {"ridge": RidgeClassifier(), "neighbors": KNeighborsClassifier(1)},
    ...     X, y, sizes=(50, 200), test=0.5, progress=False,
    ... )
    >>> [point.n_better for point in curve.summary() if point.name == "neighbors"]
    [3, 3]
    """
    estimators = _checked_estimators(estimators)
    classifies = is_classifier(next(iter(estimators.values())))
    y = _labels("y", y)
    m = _length("X", X)
    if m != len(y):
        raise ValueError(f"X and y must have the same number of rows, got {m} and {len(y)}")
    if isinstance(test, tuple):
        X_test, y_test = _pair("test", test)
        n_test = 0
    else:
        share = check_number("test", test, 0, 1, above=True)
        n_test, X_test, y_test = max(1, round(share * m)), None, None
    sizes = _sizes(sizes, m - n_test, m)
    seeds = _seeds(seeds)
    if n_jobs != -1:
        check_integer("n_jobs", n_jobs, 1)
    if validation is not None:
        validation = _pair("validation", validation)
        if not any(_takes_validation(estimator) for estimator in estimators.values()):
            raise ValueError(
                "no estimator has a parameter validation in its fit method: leave validation out"
            )
    metric, sign, scorers = _scorers(estimators, scoring, classifies)

    origin = {
        "format": _FORMAT, "metric": metric,
        "X": _sample_checksum(X), "y": _checksum(y),
        "test": n_test if y_test is None else _checksum(y_test),
    }  # fmt: skip
    finished = {} if save is None else _read(save, origin)
    wanted = [
        (name, size, seed) for seed in seeds for size in sizes for name in estimators
    ]  # complete seeds first, so that an interrupted run has comparable rows

    def current() -> LearningCurve:
        rows = tuple(finished[key] for key in wanted if key in finished)
        return LearningCurve(rows, metric, sign > 0, tuple(estimators))

    def jobs() -> Iterator[tuple[Any, ...]]:
        for seed in seeds:
            order = _order(y, seed, stratified=classifies and y.ndim == 1)
            tested = (X_test, y_test)
            if n_test and any(key[2] == seed and key not in finished for key in wanted):
                held_out = np.sort(order[m - n_test :])
                tested = select(X, held_out), y[held_out]
            for size in sizes:
                names = [name for name in estimators if (name, size, seed) not in finished]
                if not names:
                    continue
                rows = np.sort(order[:size])
                training = select(X, rows), y[rows]
                for name in names:
                    yield (
                        name, estimators[name], seed, training, tested, validation,
                        scorers[name], sign,
                    )  # fmt: skip

    with progress_bar(
        total=len(wanted), initial=len(current().rows), desc="learning curve", unit=" fits",
        shown=progress, always=True,
    ) as bar:  # fmt: skip
        try:
            for row in _run(jobs(), n_jobs):
                finished[row.name, row.size, row.seed] = row
                logger.info(
                    "%s, %d rows, seed %d: %s %.4g (training %.4g), %.1f s", row.name, row.size,
                    row.seed, metric, row.test_score, row.train_score, row.seconds,
                )  # fmt: skip
                if save is not None:
                    _write(save, origin, finished)
                bar.set_postfix_str(f"{row.name}, {row.size} rows: {row.test_score:.4g}", False)
                bar.update()
        except BaseException as error:
            error.curve = current()  # type: ignore[attr-defined]
            raise
    return current()


def _run(jobs: Iterator[tuple[Any, ...]], n_jobs: int) -> Iterator[CurveRow]:
    if n_jobs == 1:
        for job in jobs:
            yield _fit(*job)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs, return_as="generator")(delayed(_fit)(*job) for job in jobs)


def _fit(
    name: str,
    estimator: Any,
    seed: int,
    training: tuple[Any, Any],
    test: tuple[Any, Any],
    validation: tuple[Any, Any] | None,
    scorer: Callable[..., float],
    sign: int,
) -> CurveRow:
    """Fit a clone of an estimator, and score it."""
    size = len(training[1])
    fitted = _seeded_clone(estimator, seed)
    options = {}
    if validation is not None and _takes_validation(fitted):
        options["validation"] = validation
    try:
        began = time.perf_counter()
        fitted.fit(*training, **options)
        seconds = time.perf_counter() - began
        scores = [sign * float(scorer(fitted, *part)) for part in (training, test)]
    except Exception as error:
        kind = ValueError if isinstance(error, ValueError) else RuntimeError
        raise kind(f"{name!r} failed with {size} rows and seed {seed}: {error}") from error
    train_score, test_score = scores
    return CurveRow(name, size, seed, train_score, test_score, seconds)


def _seeded_clone(estimator: Any, seed: int) -> Any:
    """Clone an estimator and set the random states of it and of its parts."""
    copy = clone(estimator)
    ours, parameters = estimator.get_params(deep=True), copy.get_params(deep=True)
    seeded = {}
    for name in parameters:
        owner, _, last = name.rpartition("__")
        # parts that are not cloned, such as fitted encoders, belong to the caller
        if last == "random_state" and not (owner and parameters[owner] is ours.get(owner)):
            seeded[name] = seed
    return copy.set_params(**seeded)


def _order(y: npt.NDArray[Any], seed: int, *, stratified: bool) -> IntArray:
    """Order rows at random; with `stratified`, each prefix has the share of each class.

    The rows of each class are spread evenly over the order.
    """
    rng = np.random.default_rng(seed)
    if not stratified:
        return rng.permutation(len(y)).astype(np.int64)
    quantiles = np.empty(len(y))
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        quantiles[rng.permutation(rows)] = (np.arange(len(rows)) + rng.random(len(rows))) / len(
            rows
        )
    return np.argsort(quantiles, kind="stable").astype(np.int64)


def _checked_estimators(estimators: Any) -> dict[str, Any]:
    if not isinstance(estimators, Mapping) or not estimators:
        raise ParameterError(
            "estimators must be a dict of names and estimators, such as {'ridge': RidgeCV()}, got "
            f"{shown(estimators)}"
        )
    named = {str(name): estimator for name, estimator in estimators.items()}
    for name, estimator in named.items():
        if isinstance(estimator, type) or not all(
            hasattr(estimator, method) for method in ("fit", "get_params", "set_params")
        ):
            raise ParameterError(
                f"estimators[{name!r}] must be a scikit-learn estimator, got {shown(estimator)}"
            )
    kinds = {is_classifier(estimator) for estimator in named.values()}
    if len(kinds) > 1:
        listed = [name for name, estimator in named.items() if is_classifier(estimator)]
        raise ValueError(
            "estimators must be all classifiers or all regressors, but only "
            f"{', '.join(map(repr, listed))} classify"
        )
    return named


def _labels(name: str, y: Any) -> npt.NDArray[Any]:
    labels = np.asarray(y.detach().cpu() if hasattr(y, "detach") else y)
    if labels.ndim not in (1, 2) or not len(labels):
        raise ValueError(f"{name} must have shape (m,) or (m, k), got {labels.shape}")
    missing = np.array([v is None or v != v for v in labels.ravel().tolist()], bool)
    if missing.any():
        row = int(missing.reshape(len(labels), -1).any(axis=1).argmax())
        raise ValueError(f"{name}[{row}] is missing: leave out rows without a label")
    return labels


def _length(name: str, X: Any) -> int:
    try:
        return int(X.shape[0]) if hasattr(X, "shape") else len(X)
    except (TypeError, IndexError):
        raise ParameterError(
            f"{name} must have rows, as arrays, data frames and data sets have, got {shown(X)}"
        ) from None


def _pair(name: str, pair: Any) -> tuple[Any, npt.NDArray[Any]]:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ParameterError(f"{name} must be a pair (X, y), got {shown(pair)}")
    labels = _labels(f"{name}: y", pair[1])
    n = _length(f"{name}: X", pair[0])
    if n != len(labels):
        raise ValueError(
            f"{name}: X and y must have the same number of rows, got {n} and {len(labels)}"
        )
    return pair[0], labels


def _sizes(sizes: Any, most: int, m: int) -> list[int]:
    if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__"):
        raise ParameterError(f"sizes must be a sequence of integers, got {shown(sizes)}")
    checked = sorted({check_integer("each size in sizes", size, 1) for size in sizes})
    if not checked:
        raise ValueError("sizes must have at least one size")
    if checked[-1] > most:
        held = "" if most == m else f", of which {m - most} are held out as test set"
        raise ValueError(f"sizes must be at most {most}, got {checked[-1]}: X has {m} rows{held}")
    return checked


def _seeds(seeds: Any) -> list[int]:
    if hasattr(seeds, "__iter__") and not isinstance(seeds, (str, bytes)):
        listed = [check_integer("each seed in seeds", seed, 0, 2**32 - 1) for seed in seeds]
        if not listed or len(set(listed)) < len(listed):
            raise ValueError(f"seeds must be different integers, at least one, got {listed}")
        return listed
    return list(range(check_integer("seeds", seeds, 1)))


def _takes_validation(estimator: Any) -> bool:
    return "validation" in inspect.signature(estimator.fit).parameters


def _scorers(
    estimators: Mapping[str, Any], scoring: Any, classifies: bool
) -> tuple[str, int, dict[str, Callable[..., float]]]:
    """Return the name of the metric, the sign that makes it positive, and scorers by name."""
    if scoring is None:
        return "accuracy" if classifies else "R²", 1, dict.fromkeys(estimators, _score)
    if callable(scoring):
        name = str(getattr(scoring, "__name__", "score"))
        return name, 1, dict.fromkeys(estimators, scoring)
    names = get_scorer_names()
    if not isinstance(scoring, str) or scoring not in names:
        similar = closest(str(scoring), names)
        hint = f", such as {', '.join(map(repr, similar))}" if similar else ""
        raise ValueError(
            f"scoring must be the name of a score of scikit-learn{hint}, or a callable, got "
            f"{scoring!r}"
        )
    negative = scoring.startswith("neg_")
    metric = scoring.removeprefix("neg_").replace("_", " ")
    return metric, -1 if negative else 1, dict.fromkeys(estimators, get_scorer(scoring))


def _score(estimator: Any, X: Any, y: Any) -> float:
    return float(estimator.score(X, y))


def _checksum(y: npt.NDArray[Any]) -> int:
    return zlib.crc32(repr((y.shape, y.tolist())).encode())


def _sample_checksum(X: Any) -> int | None:
    """Checksum of some rows of arrays, tensors and data frames; None for other features."""
    rows = np.linspace(0, _length("X", X) - 1, 64).astype(np.int64)
    if isinstance(X, np.ndarray) or hasattr(X, "iloc") or hasattr(X, "detach"):
        sample = select(X, np.unique(rows))
        return _checksum(np.asarray(sample.detach().cpu() if hasattr(X, "detach") else sample))
    return None


def _read(path: StrPath, origin: Mapping[str, Any]) -> dict[tuple[str, int, int], CurveRow]:
    if not Path(path).exists():
        return {}
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = [CurveRow._make(row) for row in data.pop("rows")]
        for row in rows:
            check_integer("size", row.size, 1)
            check_integer("seed", row.seed, 0)
            for field in ("train_score", "test_score", "seconds"):
                float(getattr(row, field))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a saved learning curve: {error}") from error
    data.setdefault("X", origin["X"])  # files of earlier versions lack it
    if data != dict(origin):
        names = [name for name in origin if data.get(name) != origin[name]]
        raise ValueError(
            f"{path} holds a learning curve with another {' and '.join(names) or 'format'}: pass "
            "another file, or delete it"
        )
    return {(row.name, row.size, row.seed): row for row in rows}


def _write(
    path: StrPath, origin: Mapping[str, Any], rows: Mapping[tuple[str, int, int], CurveRow]
) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps({**origin, "rows": list(rows.values())}, indent=1), encoding="utf-8"
        )


def _sd(values: npt.NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _mean_and_sd(mean: float, sd: float, digits: int, sign: str = "") -> str:
    text = f"{mean:{sign}.{digits}f}"
    return text if math.isnan(sd) else f"{text} ± {sd:.{digits}f}"
