"""Similarities of class labels, some of which may be missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["class_labels", "label_array", "missing_labels"]


def class_labels(
    y: npt.ArrayLike, y2: npt.ArrayLike | None = None, *, missing: bool = False
) -> npt.NDArray[np.float32]:
    """Compute similarities of 1 within a class and 0 otherwise (Sec. 3.2 of the thesis).

    As targets of pre-training on points of which some have labels, with the labelled points as
    columns: ``class_labels(y, y[labelled], missing=True)``. With one column for each class, as
    targets of ``loss="cross_entropy"``: ``class_labels(y, np.unique(y))``.

    Parameters
    ----------
    y : array-like of shape (m,)
        Numbers or strings.
    y2 : array-like of shape (n,), optional
        By default y.
    missing : bool
        Whether labels may be missing: NaN or None. Similarities to these points are NaN. Other
        values, such as -1, are classes.

    Returns
    -------
    float32 array of shape (m, n)

    Raises
    ------
    ValueError
        If labels are not one-dimensional, or one is NaN or None without `missing`.

    Examples
    --------
    >>> class_labels(["cat", "dog", None], ["dog"], missing=True).ravel()
    array([ 0.,  1., nan], dtype=float32)
    """
    codes: dict[object, int] = {}
    rows = _codes(y, "y", codes, missing)
    columns = rows if y2 is None else _codes(y2, "y2", codes, missing)
    same: npt.NDArray[np.float32] = (rows[:, None] == columns).astype(np.float32)
    same[rows < 0] = np.nan
    same[:, columns < 0] = np.nan
    return same


def label_array(y: npt.ArrayLike, name: str = "y") -> npt.NDArray[Any]:
    """Convert labels to an array of shape (m,); NaN among strings stays NaN.

    Raises
    ------
    ValueError
        If they are not one-dimensional.
    """
    # NumPy would convert NaN in a list of strings to the string "nan"
    is_list = isinstance(y, (list, tuple)) and any(isinstance(label, str) for label in y)
    labels = np.asarray(y, object if is_list else None)
    if labels.ndim != 1:
        raise ValueError(f"{name} must be a list of labels, got shape {labels.shape}")
    return labels


def missing_labels(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which labels are NaN or None (or pandas.NA).

    Parameters
    ----------
    labels : array of shape (m,)

    Returns
    -------
    bool array of shape (m,)
    """
    if labels.dtype.kind == "f":
        return np.asarray(np.isnan(labels), bool)
    if labels.dtype.kind != "O":
        return np.zeros(len(labels), bool)
    return np.array([_is_missing(label) for label in labels.tolist()], bool)


def _is_missing(label: Any) -> bool:
    return label is None or type(label).__name__ == "NAType" or bool(label != label)


def _codes(
    y: npt.ArrayLike, name: str, codes: dict[object, int], missing: bool
) -> npt.NDArray[np.int64]:
    """Encode labels as integers, -1 where missing, and add new labels to `codes`."""
    labels = label_array(y, name)
    absent = missing_labels(labels)
    if absent.any() and not missing:
        row = int(absent.argmax())
        raise ValueError(
            f"{name}[{row}] is {labels[row]}. Leave out points without a class, or use "
            "missing=True for NaN"
        )
    encoded = [
        -1 if is_absent else codes.setdefault(label, len(codes))
        for label, is_absent in zip(labels.tolist(), absent.tolist(), strict=True)
    ]
    return np.array(encoded, np.int64)
