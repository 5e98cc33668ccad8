"""Targets computed from labels, or cut from a square matrix, with the training points as columns.

scikit-learn's cross-validation selects rows of targets. Similarities between the selected points
also need the columns of these points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from corpora.checks import ParameterError
from corpora.saved_data import check_saved_object
from simec.similarities.labels import class_labels, label_array

__all__ = [
    "PairwiseSimilarities",
    "Similarity",
    "check_similarity",
    "columns_config",
    "columns_from_config",
    "read_columns",
    "relations",
]

Similarity = str | Callable[[npt.NDArray[Any], npt.NDArray[Any]], Any] | None


class PairwiseSimilarities:
    """A square matrix of similarities that is cut in rows and columns.

    As the targets of `simec.SimilarityEncoder` in scikit-learn's ``GridSearchCV``,
    ``cross_val_score`` and ``train_test_split``, which select rows: the encoder is trained on
    the similarities of the training points to each other, and scored by those of the test points
    to the training points.

    Parameters
    ----------
    S : array, tensor or sparse matrix of shape (m, m)
        NaN entries, and entries that a sparse matrix does not store, are missing.

    Raises
    ------
    ValueError
        If S is not square.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from simec import PairwiseSimilarities, SimilarityEncoder
    >>> X = np.random.default_rng(0).standard_normal((60, 5))
    >>> S = PairwiseSimilarities(X[:, :2] @ X[:, :2].T)
    >>> encoder = SimilarityEncoder(symmetric=1.0, solver="exact")
    >>> GridSearchCV(encoder, {"n_components": [1, 2]}, cv=3).fit(X, S).best_params_
    {'n_components': 2}
    """

    def __init__(self, S: Any) -> None:
        S = _as_numpy(S)
        S = sparse.csr_matrix(S) if sparse.issparse(S) else np.asarray(S)
        if S.ndim != 2 or S.shape[0] != S.shape[1]:
            raise ValueError(f"S must be a square matrix, got shape {S.shape}")
        self._S = S
        self.points: npt.NDArray[np.int64] = np.arange(S.shape[0])

    def __len__(self) -> int:
        return len(self.points)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of selected points and of all points."""
        return len(self.points), self._S.shape[0]

    def __getitem__(self, rows: Any) -> PairwiseSimilarities:
        """Select points by their row numbers, a mask, or a slice."""
        if isinstance(rows, tuple):  # scikit-learn indexes by (rows, ...)
            rows = rows[0]
        selected = object.__new__(PairwiseSimilarities)
        selected._S, selected.points = self._S, np.atleast_1d(self.points[rows])
        return selected

    def to(self, columns: npt.NDArray[np.int64]) -> Any:
        """Return the similarities of the selected points to others.

        Parameters
        ----------
        columns : int64 array of shape (n,)
            Points, by their row numbers in the whole matrix.

        Returns
        -------
        array or CSR matrix of shape (len(self), n)
        """
        return self._S[self.points][:, columns]


def check_similarity(similarity: Similarity) -> None:
    """Raise ParameterError if `similarity` is not a name or a function."""
    if similarity is None or callable(similarity):
        return
    if isinstance(similarity, str) and similarity == "class_labels":
        return
    raise ParameterError(
        "similarity must be 'class_labels', a callable of the labels of rows and of columns, or "
        f"None, got {similarity!r}"
    )


def read_columns(similarity: Similarity, S: Any, n: int | None) -> npt.NDArray[Any] | None:
    """Return what identifies the columns of targets in training: the first `n` points.

    Returns
    -------
    array of shape (n,) or (n, k), or None
        Labels; row numbers of `PairwiseSimilarities`; None for other targets.
    """
    if isinstance(S, PairwiseSimilarities):
        return S.points[:n]
    return None if similarity is None else _labels(S)[:n]


def relations(similarity: Similarity, S: Any, columns: npt.NDArray[Any] | None) -> Any:
    """Compute targets from labels, or cut them from a square matrix.

    Parameters
    ----------
    similarity : "class_labels", callable or None
    S : labels of shape (m,) or (m, k) with a `similarity`; PairwiseSimilarities; or other targets
    columns : array or None
        As returned by `read_columns` for the training points.

    Returns
    -------
    array or CSR matrix of shape (m, n)
        S itself if it is neither labels nor PairwiseSimilarities.

    Raises
    ------
    ValueError
        If labels are invalid, or the function returns another shape.
    """
    if isinstance(S, PairwiseSimilarities):
        if similarity is not None:
            raise ValueError(
                f"similarity={similarity!r} needs labels as targets, got PairwiseSimilarities: "
                "use similarity=None"
            )
        if columns is None:
            raise ValueError(
                "the encoder was not fitted on PairwiseSimilarities: pass the targets as an array"
            )
        return S.to(columns)
    if similarity is None:
        return S
    if columns is None:
        raise ValueError("the encoder was fitted without similarity=: fit it again with labels")
    labels = _labels(S)
    computed = class_labels if similarity == "class_labels" else similarity
    assert callable(computed)
    result = computed(labels, columns)
    shape = tuple(getattr(result, "shape", ()) or np.shape(result))
    if shape[:2] != (len(labels), len(columns)):
        raise ValueError(
            f"similarity must return an array of shape ({len(labels)}, {len(columns)}) for the "
            f"labels of {len(labels)} rows and {len(columns)} columns, got shape {shape}"
        )
    return result


def _labels(y: Any) -> npt.NDArray[Any]:
    if y is None:
        raise ValueError(
            "similarity needs labels: requires y to be passed, but the target y is None"
        )
    y = _as_numpy(y)
    if callable(y) or sparse.issparse(y):
        raise ValueError(
            f"with similarity, targets must be an array of labels, got {type(y).__name__}"
        )
    is_list = isinstance(y, (list, tuple)) and not any(np.ndim(label) for label in y)
    labels = label_array(y) if is_list else np.asarray(y)
    if labels.ndim not in (1, 2) or not len(labels):
        raise ValueError(f"labels must have shape (m,) or (m, k), got shape {labels.shape}")
    return labels


def _as_numpy(values: Any) -> Any:
    """Convert a tensor; baselines that take labels can be imported without PyTorch."""
    if not hasattr(values, "detach"):
        return values
    from simec.data.inputs import as_numpy

    return as_numpy(values)


def columns_config(columns: npt.NDArray[Any] | None) -> dict[str, Any] | None:
    """Return plain data for JSON of what `read_columns` returned.

    Raises
    ------
    ValueError
        If labels are neither numbers nor strings.
    """
    if columns is None:
        return None
    values = columns.tolist()
    flat = columns.ravel().tolist()
    if columns.dtype.kind not in "biufUO" or not all(
        isinstance(value, (bool, int, float, str, type(None))) for value in flat
    ):
        kinds = sorted({type(value).__name__ for value in flat})
        raise ValueError(
            f"labels of the columns must be numbers or strings to be saved, got {', '.join(kinds)}"
        )
    if columns.dtype.kind in "fO":  # JSON has no NaN, which differs from itself
        plain = columns.astype(object)
        plain[columns != columns] = None
        values = plain.tolist()
    return {"dtype": columns.dtype.str, "values": values}


def columns_from_config(config: Any, n: int) -> npt.NDArray[Any] | None:
    """Restore what `columns_config` returned; ValueError if it is invalid.

    Parameters
    ----------
    config : object
        Of JSON.
    n : int
        Number of columns.
    """
    if config is None:
        return None
    config = check_saved_object("columns", config, ("dtype", "values"))
    dtype, values = str(config["dtype"]), config["values"]
    kind = dtype[1:2]
    if kind not in tuple("biufUO") or not isinstance(values, list) or len(values) != n:
        raise ValueError(f"columns must be labels of {n} columns")
    # None becomes NaN in an array of floats
    columns = np.array(values, object if kind == "O" else np.dtype(dtype))
    if columns.ndim not in (1, 2):
        raise ValueError(f"columns must be a list or a matrix, got shape {columns.shape}")
    return columns
