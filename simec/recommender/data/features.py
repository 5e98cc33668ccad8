"""Features of users and items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from corpora.checks import shorten
from corpora.deprecated import renamed_parameters
from simec.data.columns import described_by
from simec.data.frames import Frame, as_frame
from simec.data.tables import TableFormat
from simec.recommender.data.ratings import LARGEST, Ids, plain


class Features:
    """Feature vectors of users or items.

    Parameters
    ----------
    ids : Ids
    matrix : array or sparse matrix of shape (n, D)
    names : sequence of str, optional
        Names of the D features.

    Attributes
    ----------
    ids : Ids
    matrix : float32 array or CSR matrix of shape (n, D)
    names : list of str or None
    format : TableFormat or None
        Format of the file that they were read from.
    """

    format: TableFormat | None = None

    def __init__(self, ids: Ids, matrix: Any, names: Sequence[str] | None = None) -> None:
        self.names = None if names is None else [str(name) for name in names]
        self.ids, self.matrix = ids, _read_matrix(matrix, ids, self.names)
        if self.names is not None and len(self.names) != self.matrix.shape[1]:
            raise ValueError(
                f"names must have one entry for each of {self.matrix.shape[1]} features, got "
                f"{len(self.names)}"
            )

    def named(self, names: Sequence[str]) -> Features:
        """Select features by name, in the given order.

        Features such as ``genre=Drama``, values in a column of texts, are 0 if they are missing.

        Raises
        ------
        ValueError
            If another feature is missing, or no feature has one of these names.
        """
        if self.names is None or self.names == list(names):
            return self
        position = {name: k for k, name in enumerate(names)}
        pairs = [(k, position[name]) for k, name in enumerate(self.names) if name in position]
        if not pairs:
            raise ValueError(
                f"none of the {self.ids.kind} features occurred in training: they are "
                f"{', '.join(self.names[:3])}, the training data has {', '.join(names[:3])}"
            )
        given = set(self.names)
        absent = [name for name in names if name not in given and "=" not in name]
        if absent:
            raise ValueError(
                f"{len(absent)} of {len(names)} {self.ids.kind} features of the training data are "
                f"missing, such as {absent[0]!r}: pass all of them, by the same names"
            )
        old, new = zip(*pairs, strict=True)
        select = sparse.csr_matrix(
            (np.ones(len(pairs), np.float32), (old, new)), (self.n_features, len(names))
        )
        return Features(self.ids, self.matrix @ select, names)

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return int(self.matrix.shape[1])


@renamed_parameters(what="kind")
def as_features(data: Any, kind: str, ids: Ids | None = None) -> Features | None:
    """Convert features to `Features`.

    Parameters
    ----------
    data : Features; data frame; tuple (ids, matrix) or (ids, matrix, names); matrix; or None
        A data frame of pandas or polars, a table of pyarrow, an array of records or a dict of
        columns has a feature in each column, apart from that of the ids: the index of pandas if it
        has a name or is not of integers; or else the column with a name such as ``item`` or
        ``movieId``. Without either, it is an error. A matrix alone,
        dense or sparse, has a row for each of `ids`, in their order.
    kind : {"user", "item"}
        Kind of entities that the features describe.
    ids : Ids, optional
        Ids of the rows of a matrix that is passed alone.

    Returns
    -------
    Features or None

    Raises
    ------
    ValueError
        If shapes do not match, or a feature is not a finite number; the error names it.
    """
    if data is None or isinstance(data, Features):
        return data
    frame = None if isinstance(data, tuple) or sparse.issparse(data) else as_frame(data)
    if frame is not None:
        return _named(*frame.features(described_by(kind), kind), kind)
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ValueError(
                f"{kind} features must be (ids, matrix) or (ids, matrix, names), got "
                f"{len(data)} values"
            )
        inner = None if sparse.issparse(data[1]) else as_frame(data[1])
        if inner is not None:
            _check_index(inner, data[0], kind)
            data = data[0], inner.matrix(kind), data[2] if len(data) == 3 else inner.names
        return _named(data[0], data[1], data[2] if len(data) == 3 else None, kind)
    if ids is None:
        raise ValueError(f"{kind} features need ids here: pass (ids, matrix)")
    return Features(ids, data)


def _check_index(frame: Frame, ids: Any, kind: str) -> None:
    """Raise ValueError if the ids of a frame differ from the ids that are passed with it."""
    if frame.index is not None and list(frame.index) != list(ids):
        raise ValueError(
            f"the index of the frame of {kind} features differs from the ids: pass the frame alone"
        )


def _named(ids: Any, matrix: Any, names: Any, kind: str) -> Features:
    features = Features(Ids(ids, kind), matrix, names)
    check_distinct(features.names or [], kind)
    return features


def check_distinct(names: Sequence[str], kind: str) -> None:
    """Raise ValueError if two features have the same name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(
                f"names of {kind} features must be distinct, but {name!r} occurs twice"
            )
        seen.add(name)


def _read_matrix(matrix: Any, ids: Ids, names: Sequence[str] | None) -> Any:
    kind = ids.kind
    if sparse.issparse(matrix):
        if matrix.ndim != 2:
            raise ValueError(f"{kind} features must have shape (n, D), got {matrix.shape}")
        matrix = sparse.csr_matrix(matrix)
        values = matrix.data
    else:
        try:
            matrix = np.asarray(matrix)
            if matrix.dtype.kind in "OU":
                matrix = matrix.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{kind} features must be numbers: {error}") from None
        if matrix.ndim != 2:
            raise ValueError(f"{kind} features must have shape (n, D), got {matrix.shape}")
        if np.ma.is_masked(matrix):
            raise ValueError(f"{kind} features must not be masked: leave out or fill in the values")
        values = matrix
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{kind} features must be numbers, got {values.dtype}")
    if matrix.shape[0] != len(ids):
        raise ValueError(
            f"{kind} features have {matrix.shape[0]} rows for {len(ids)} {kind}s. Pass "
            f"(ids, matrix) if they are of other {kind}s or in another order"
        )
    # NaN fails as well
    if values.size and not -LARGEST <= values.min() <= values.max() <= LARGEST:
        raise ValueError(_bad_value(matrix, ids, names))
    return matrix.astype(np.float32, copy=False)


def _bad_value(matrix: Any, ids: Ids, names: Sequence[str] | None) -> str:
    """Name the first feature that is not a number from -1e15 to 1e15."""
    entries = matrix.tocoo() if sparse.issparse(matrix) else None
    values = matrix if entries is None else entries.data
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(~(np.abs(values) <= LARGEST))[0]
    row, column = bad if entries is None else (entries.row[bad[0]], entries.col[bad[0]])
    value = values[tuple(bad)]
    which = f"features of {ids.kind} {shorten(plain(ids.values, int(row)))}"
    feature = f"column {column}" if names is None else repr(names[column])
    if np.isfinite(value):
        return f"{which} must be from {-LARGEST:g} to {LARGEST:g}, got {value:g} ({feature})"
    return (
        f"{which} are NaN or infinite ({feature}). Leave the {ids.kind} out if it has no features, "
        "or fill in the value"
    )
