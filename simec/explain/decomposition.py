"""Similarities of feature vectors as sums over features (thesis, Sec. 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from corpora.checks import check_choice
from simec import similarities
from simec.explain.explanation import Explanation
from simec.linalg.factorization import scaled

# Contribution of an attribute that both vectors have, only the first, only the second, or neither.
# Each formula takes four counts of attributes: shared, of the first vector, of the second, total.
_Weights = tuple[float, float, float, float]


def _simpson(_: float, x: float, y: float, __: float) -> _Weights:
    return _over(1, min(x, y)), 0, 0, 0


def _tanimoto(a: float, x: float, y: float, _: float) -> _Weights:
    return _over(1, x + y - a), 0, 0, 0


def _sokal(a: float, x: float, y: float, _: float) -> _Weights:
    return _over(1, 2 * (x + y) - 3 * a), 0, 0, 0


def _kulczynski(_: float, x: float, y: float, __: float) -> _Weights:
    # 0 if a vector has no attributes
    return _over(x + y, 2 * x * y), 0, 0, 0


def _mcconnaughey(_: float, x: float, y: float, __: float) -> _Weights:
    # (a² - bc) / (xy) = ((a - b) / x + (a - c) / y) / 2
    if not x * y:
        return 0, 0, 0, 0
    return (1 / x + 1 / y) / 2, -1 / (2 * x), -1 / (2 * y), 0


def _rogot_goldberg(_: float, x: float, y: float, n: float) -> _Weights:
    return _over(1, x + y), 0, 0, _over(1, 2 * n - x - y)


_COEFFICIENTS: dict[str, Callable[[float, float, float, float], _Weights]] = {
    "simpson": _simpson,
    "tanimoto": _tanimoto,
    "jaccard": _tanimoto,
    "sokal": _sokal,
    "kulczynski": _kulczynski,
    "mcconnaughey": _mcconnaughey,
    "rogot_goldberg": _rogot_goldberg,
}
KINDS = ("linear", "cosine", *_COEFFICIENTS)


def decompose(x1: Any, x2: Any, kind: str, *, names: Sequence[str] | None = None) -> Explanation:
    """Compute the contribution of each feature to the similarity of two feature vectors.

    For scalar products and cosines, contributions are (scaled) products of features. For
    coefficients of binary features, each shared attribute contributes one over the denominator.
    McConnaughey's coefficient is also lowered by attributes that only one vector has, and Rogot &
    Goldberg's is raised by attributes that neither has.

    Parameters
    ----------
    x1, x2 : arrays of shape (D,) or (1, D), or sparse matrices of shape (1, D)
        Feature vectors; binary for coefficients.
    kind : {"linear", "cosine", "simpson", "tanimoto", "jaccard", "sokal", "kulczynski", \
"mcconnaughey", "rogot_goldberg"}
        Name of a function of `simec.similarities`.
    names : sequence of str, optional
        Names of features.

    Returns
    -------
    Explanation
        Its relevances and `bias` sum to the similarity. The bias is 0, unless the similarity of
        vectors without attributes is defined by convention, such as 1 for Tanimoto. Relevances
        are sparse if both vectors are sparse, except for Rogot & Goldberg.

    Raises
    ------
    ValueError
        If `kind` is invalid, shapes do not match, or a vector is not binary for a coefficient.
    """
    check_choice("kind", kind, KINDS)
    first, second = _row(x1, "x1"), _row(x2, "x2")
    if first.shape != second.shape:
        raise ValueError(f"x1 has {first.shape[1]} features, but x2 has {second.shape[1]}")
    value = float(getattr(similarities, kind)(first, second)[0, 0])
    both_sparse = sparse.issparse(first) and sparse.issparse(second)
    if not both_sparse:
        first, second = (
            np.asarray(row.toarray() if sparse.issparse(row) else row, np.float64)
            for row in (first, second)
        )
    if kind in _COEFFICIENTS:
        weights = _counted(first, second, _COEFFICIENTS[kind])
        relevances = _weighted(first, second, weights)
    else:
        x1, x2 = first, second
        if kind == "cosine":  # does not change if vectors are scaled
            x1, x2 = scaled(first), scaled(second)
        relevances = x1.multiply(x2) if both_sparse else x1 * x2
        if kind == "cosine":
            relevances = relevances * _over(1, _norm(x1) * _norm(x2))
    if sparse.issparse(relevances):
        relevances, x = sparse.csr_matrix(relevances), first
    else:
        x = first.toarray()[0] if sparse.issparse(first) else first[0]
        relevances = np.asarray(relevances)[0]
    bias = value - float(relevances.sum())
    return Explanation(relevances, value, bias, x, names, title=f"{kind} {value:.3g}")


def _row(x: Any, name: str) -> Any:
    if sparse.issparse(x):
        row = sparse.csr_matrix(x, dtype=np.float64)
    else:
        row = np.asarray(x, np.float64)
        row = row[None] if row.ndim == 1 else row
    if row.ndim != 2 or row.shape[0] != 1:
        raise ValueError(f"{name} must be a single feature vector, got shape {row.shape}")
    return row


def _norm(row: Any) -> float:
    return float(np.sqrt(row.multiply(row).sum() if sparse.issparse(row) else (row * row).sum()))


def _over(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def _counted(
    first: Any, second: Any, formula: Callable[[float, float, float, float], _Weights]
) -> _Weights:
    shared = first.multiply(second).sum() if sparse.issparse(first) else (first * second).sum()
    return formula(float(shared), float(first.sum()), float(second.sum()), first.shape[1])


def _weighted(first: Any, second: Any, weights: _Weights) -> Any:
    shared, only_first, only_second, neither = weights
    if neither and sparse.issparse(first):
        first, second = first.toarray(), second.toarray()
    both = first.multiply(second) if sparse.issparse(first) else first * second
    relevances = shared * both
    # only McConnaughey and Rogot & Goldberg depend on attributes that are not shared
    if only_first or only_second:
        relevances = relevances + only_first * (first - both) + only_second * (second - both)
    if neither:
        relevances = relevances + neither * (1 - first) * (1 - second)
    return relevances
