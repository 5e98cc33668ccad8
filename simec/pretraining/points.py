"""Labelled points: their number, parts of them, and the split into training and validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, default_collate

from simec.data.inputs import DatasetInputs, as_numpy, chunks
from simec.types import IntArray

__all__ = ["Rows", "labels_in", "n_points", "only_features", "split_points", "take_points"]


class Rows(Dataset[Any]):
    """Some items of a map-style data set; of pairs of features and labels, only the features.

    Unlike `torch.utils.data.Subset`, it keeps the ``collate_fn`` of the data.

    Parameters
    ----------
    data : Dataset
    rows : int64 array of shape (m,)
    """

    def __init__(self, data: Any, rows: IntArray) -> None:
        self._data, self._rows = data, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Any:
        return self._data[int(self._rows[i])]

    def __getitems__(self, numbers: list[int]) -> Any:
        rows = [int(self._rows[i]) for i in numbers]
        get_many = getattr(self._data, "__getitems__", None)
        return get_many(rows) if get_many else [self._data[row] for row in rows]

    def collate_fn(self, items: Any) -> Any:
        """Combine items into a batch, without labels."""
        collate = getattr(self._data, "collate_fn", None) or default_collate
        batch = collate(items)
        return batch[0] if type(batch) in (tuple, list) and len(batch) > 1 else batch


def only_features(X: Any) -> Any:
    """Return X; of a data set of pairs of features and labels, only the features."""
    if isinstance(X, Dataset) and not isinstance(X, Rows):
        return Rows(X, np.arange(n_points(X)))
    return X


def labels_in(X: Any) -> Any:
    """Return the labels of a data set of pairs of features and labels; None for other data."""
    if not isinstance(X, Dataset) or not n_points(X):
        return None
    inputs = DatasetInputs(X, torch.device("cpu"))
    if not inputs.has_targets:
        return None
    batches = [inputs.pairs(rows)[1] for rows in chunks(len(inputs), largest=inputs.chunk)]
    return np.concatenate([np.asarray(batch) for batch in batches])


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


def take_points(X: Any, rows: npt.NDArray[Any]) -> Any:
    """Return some points of X, in the same form.

    Parameters
    ----------
    X : array, sparse matrix, tensor, data frame, sequence or map-style Dataset
    rows : int64 array
    """
    if isinstance(X, Dataset):
        return Rows(X, np.asarray(rows, np.int64))
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, Tensor):
        X = as_numpy(X)
    if sparse.issparse(X):
        return sparse.csr_matrix(X)[rows]
    return np.asarray(X)[rows]


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
