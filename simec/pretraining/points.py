"""Labelled points: their number, parts of them, and the split into training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Subset

from simec.data.inputs import DatasetInputs, chunks, collating, is_dataset
from simec.types import IntArray

__all__ = ["FeaturesOf", "n_points", "select", "split_labels", "split_points"]


def select(X: Any, rows: IntArray) -> Any:
    """Return some rows of X.

    Parameters
    ----------
    X : array, sparse matrix, tensor, data frame, list, or Dataset
    rows : int64 array of shape (b,)

    Returns
    -------
    of the type of X
        A data set that cannot be indexed by arrays is wrapped, and not copied.
    """
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, (np.ndarray, Tensor)) or sparse.issparse(X):
        return X[rows]
    if isinstance(X, (list, tuple)):
        return [X[i] for i in rows]
    try:
        is_sliced = isinstance(X[rows[:1]], type(X))
    except Exception:  # a data set with items by number, which may raise anything
        is_sliced = False
    return X[rows] if is_sliced else Subset(X, rows.tolist())


class FeaturesOf(Dataset[Any]):
    """The features of a map-style data set of pairs of features and labels.

    Parameters
    ----------
    data : Dataset
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, row: int) -> Any:
        """Return an item, with its label."""
        return self._data[row]

    def __getitems__(self, rows: Sequence[int]) -> Any:
        """Return the items of a batch, with their labels."""
        get_many = getattr(self._data, "__getitems__", None)
        return get_many(rows) if get_many else [self._data[i] for i in rows]

    def collate_fn(self, items: Any) -> Any:
        """Combine items to a batch, without labels."""
        return collating(self._data)(items)[0]


def split_labels(X: Any) -> tuple[Any, Any]:
    """Split a data set of pairs of features and labels.

    Returns
    -------
    features
        X itself if it has no labels, or is not a data set.
    labels : array or None
    """
    if not is_dataset(X):
        # objects that become arrays, and have no length
        is_other = hasattr(X, "__array__") and not hasattr(X, "__len__")
        return np.asarray(X) if is_other else X, None
    if not n_points(X):
        return X, None
    inputs = DatasetInputs(X, torch.device("cpu"))
    if not inputs.has_targets:
        return X, None
    batches = [inputs.pairs(rows)[1] for rows in chunks(len(inputs), largest=inputs.chunk)]
    return FeaturesOf(X), np.concatenate([np.asarray(batch) for batch in batches])


def n_points(X: Any) -> int:
    """Number of points of an array, sparse matrix, tensor, data frame or data set.

    Raises
    ------
    ValueError
        If it has no length.
    """
    if X is None:
        raise ValueError("X is None: pass the features of the labelled points")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape):
        return int(shape[0])
    if isinstance(X, IterableDataset) or not hasattr(X, "__len__"):
        raise ValueError(
            f"X must be an array, a tensor or a map-style data set with __len__ and __getitem__, "
            f"got {type(X).__name__}"
        )
    return len(X)


def split_points(
    n: int, fraction: float, seed: int, classes: npt.NDArray[np.int64] | None = None
) -> tuple[IntArray, IntArray]:
    """Split points at random into training points and validation points.

    Parameters
    ----------
    n : int
        Number of points.
    fraction : float
        Fraction of validation points.
    seed : int
    classes : int64 array of shape (n,), optional
        Classes of the points. Each is divided in proportion, as far as whole points allow; each
        keeps at least one training point, so that a class of one point is not validated.

    Returns
    -------
    training, validation : int64 arrays
        Sorted row numbers; neither is empty.

    Raises
    ------
    ValueError
        If no point can be held out.
    """
    hint = "pass validation=(X, y), or use early_stopping=False"
    if n < 2:
        raise ValueError(f"a validation part of {n} point{'s' * (n != 1)} would be empty: {hint}")
    random = np.random.default_rng(seed)
    codes = np.zeros(n, np.int64) if classes is None else classes
    sizes = np.bincount(codes)
    most = sizes - (sizes > 0)
    if not most.any():
        raise ValueError(
            f"a validation part would be empty: each of the {len(sizes)} classes has one point, "
            f"which is needed for training; {hint}"
        )
    n_validation = min(max(1, round(fraction * n)), int(most.sum()))
    exact = sizes * (n_validation / n)
    counts = np.minimum(np.floor(exact).astype(np.int64), most)
    # the largest remainders first; ties in random order
    order = np.lexsort((random.random(len(sizes)), counts - exact))
    while (left := n_validation - int(counts.sum())) > 0:
        room = order[counts[order] < most[order]][:left]
        counts[room] += 1
    chosen = np.zeros(n, bool)
    shuffled = random.permutation(n)
    for code in np.flatnonzero(counts):
        chosen[shuffled[codes[shuffled] == code][: counts[code]]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
