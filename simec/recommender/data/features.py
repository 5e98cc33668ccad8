"""Features of users and items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from corpora.deprecated import renamed_parameters
from simec.recommender.data.ratings import Ids


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
    """

    def __init__(self, ids: Ids, matrix: Any, names: Sequence[str] | None = None) -> None:
        self.ids, self.matrix = ids, _read_matrix(matrix, ids)
        self.names = None if names is None else [str(name) for name in names]
        if self.names is not None and len(self.names) != self.matrix.shape[1]:
            raise ValueError(
                f"names must have one entry for each of {self.matrix.shape[1]} features, got "
                f"{len(self.names)}"
            )

    def named(self, names: Sequence[str]) -> Features:
        """Select features by name, in the given order; features that are missing are zero.

        Raises
        ------
        ValueError
            If no feature has one of these names.
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
        A data frame has ids as its index and a feature in each column. A matrix alone, dense or
        sparse, has a row for each of `ids`, in their order.
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
    if hasattr(data, "iloc"):
        for name, dtype in zip(data.columns, data.dtypes, strict=True):
            if getattr(dtype, "kind", "O") not in "biuf":
                raise ValueError(
                    f"column {name!r} of the {kind} features must be numeric, got {dtype}. "
                    "pandas.get_dummies encodes categories as numbers"
                )
        return Features(Ids(data.index, kind), data.to_numpy(np.float32), list(data.columns))
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ValueError(
                f"{kind} features must be (ids, matrix) or (ids, matrix, names), got "
                f"{len(data)} values"
            )
        names = data[2] if len(data) == 3 else None
        return Features(Ids(data[0], kind), data[1], names)
    if ids is None:
        raise ValueError(f"{kind} features need ids here: pass (ids, matrix)")
    return Features(ids, data)


def _read_matrix(matrix: Any, ids: Ids) -> Any:
    kind = ids.kind
    if sparse.issparse(matrix):
        matrix = sparse.csr_matrix(matrix, dtype=np.float32)
        bad = ~np.isfinite(matrix.data)
        row = int(np.searchsorted(matrix.indptr, bad.argmax(), "right")) - 1 if bad.any() else -1
    else:
        try:
            matrix = np.asarray(matrix, np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{kind} features must be numbers: {error}") from error
        if matrix.ndim != 2:
            raise ValueError(f"{kind} features must have shape (n, D), got {matrix.shape}")
        bad = ~np.isfinite(matrix).all(axis=1)
        row = int(bad.argmax()) if bad.any() else -1
    if matrix.shape[0] != len(ids):
        raise ValueError(
            f"{kind} features have {matrix.shape[0]} rows for {len(ids)} {kind}s. Pass "
            f"(ids, matrix) if they are of other {kind}s or in another order"
        )
    if row >= 0:
        raise ValueError(
            f"features of {kind} {ids.values[row].item()!r} are NaN or infinite. Leave the {kind} "
            "out if it has no features"
        )
    return matrix
