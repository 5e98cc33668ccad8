"""Similarities of features, taken apart: what each feature adds (thesis, Sec. 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec import similarities
from simec.explain.explanation import Explanation

Float64 = npt.NDArray[np.float64]

# Of shared attributes, of those that only the first or only the second has, and of those that
# both lack, with x and y attributes of n: what one of them adds.
_Weights = tuple[float, float, float, float]


def _simpson(_: float, x: float, y: float, __: float) -> _Weights:
    return _over(1, min(x, y)), 0, 0, 0


def _tanimoto(a: float, x: float, y: float, _: float) -> _Weights:
    return _over(1, x + y - a), 0, 0, 0


def _sokal(a: float, x: float, y: float, _: float) -> _Weights:
    return _over(1, 2 * (x + y) - 3 * a), 0, 0, 0


def _kulczynski(_: float, x: float, y: float, __: float) -> _Weights:
    # 0 where a row is empty, and nothing is shared then
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
    """What each feature adds to a similarity of two feature vectors.

    For scalar products these are the products of features. Of a coefficient each shared
    attribute adds one over the denominator; in McConnaughey's those that only one of the two has
    count against it, and in Rogot & Goldberg's those that both lack count for it.

    Parameters
    ----------
    x1, x2 : arrays of shape (D,) or (1, D), or sparse matrices of shape (1, D)
        Binary for coefficients.
    kind : {"linear", "cosine", "simpson", "tanimoto", "jaccard", "sokal", "kulczynski", \
"mcconnaughey", "rogot_goldberg"}
        A function of `simec.similarities`.
    names : sequence of str, optional
        Of the features.

    Returns
    -------
    Explanation
        Its relevances sum to the similarity, `bias` apart: what is a convention for vectors
        without any attribute, such as Tanimoto's 1, belongs to no feature. They are sparse if
        both vectors were, but for Rogot & Goldberg's.

    Raises
    ------
    ValueError
        If there is no such kind, shapes do not match, or a coefficient's vector is not binary.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}, which are sums over features")
    first, second = _row(x1, "x1"), _row(x2, "x2")
    if first.shape != second.shape:
        raise ValueError(f"x1 has {first.shape[1]} features, and x2 {second.shape[1]}")
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
        relevances = first.multiply(second) if both_sparse else first * second
        if kind == "cosine":
            relevances = relevances * _over(1, _norm(first) * _norm(second))
    if sparse.issparse(relevances):
        relevances, x = sparse.csr_matrix(relevances), first
    else:
        x = first.toarray()[0] if sparse.issparse(first) else first[0]
        relevances = np.asarray(relevances)[0]
    rest = value - float(relevances.sum())
    return Explanation(relevances, value, rest, x, names, title=f"{kind} {value:.3g}")


def _row(x: Any, name: str) -> Any:
    if sparse.issparse(x):
        row = sparse.csr_matrix(x, dtype=np.float64)
    else:
        row = np.asarray(x, np.float64)
        row = row[None] if row.ndim == 1 else row
    if row.ndim != 2 or row.shape[0] != 1:
        raise ValueError(f"{name} is one vector of features, not of shape {row.shape}")
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
    shared, only_first, only_second, lacking = weights
    if lacking and sparse.issparse(first):
        first, second = first.toarray(), second.toarray()
    both = first.multiply(second) if sparse.issparse(first) else first * second
    found = shared * both
    # for McConnaughey's, and Rogot & Goldberg's; others keep to what is shared
    if only_first or only_second:
        found = found + only_first * (first - both) + only_second * (second - both)
    if lacking:
        found = found + lacking * (1 - first) * (1 - second)
    return found
