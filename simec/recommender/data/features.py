"""What is known of items or users besides their ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec.recommender.data.ids import Ids


class Features:
    """Rows of features, by ids.

    Parameters
    ----------
    ids : Ids
    matrix : array or sparse matrix of shape (n, D)
    names : sequence of str, optional
        Of the D features.

    Attributes
    ----------
    matrix : float32 array or CSR matrix of shape (n, D)
    names : list of str or None
    """

    def __init__(self, ids: Ids, matrix: Any, names: Sequence[str] | None = None) -> None:
        self.ids, self.matrix = ids, _read(matrix, ids)
        self.names = None if names is None else [str(name) for name in names]
        if self.names is not None and len(self.names) != self.matrix.shape[1]:
            raise ValueError(
                f"there are {len(self.names)} names for {self.matrix.shape[1]} features"
            )

    def named(self, names: Sequence[str]) -> Features:
        """The same with other features, by their names: zeros for those that are not there.

        Raises
        ------
        ValueError
            If none of the names is there.
        """
        if self.names is None or self.names == list(names):
            return self
        place = {name: k for k, name in enumerate(names)}
        pairs = [(k, place[name]) for k, name in enumerate(self.names) if name in place]
        if not pairs:
            raise ValueError(
                f"none of the {self.ids.what} features was there in training: they are "
                f"{', '.join(self.names[:3])}, and were {', '.join(names[:3])}"
            )
        here, there = zip(*pairs, strict=True)
        select = sparse.csr_matrix(
            (np.ones(len(pairs), np.float32), (here, there)), (self.n_features, len(names))
        )
        return Features(self.ids, self.matrix @ select, names)

    @property
    def n_features(self) -> int:
        """D."""
        return int(self.matrix.shape[1])


@dataclass(frozen=True)
class Points:
    """Users or items to predict for.

    Attributes
    ----------
    rows : int64 array of shape (n,)
        In the ratings that a recommender was fitted to; -1 where they are new.
    features : float32 array or CSR matrix of shape (n, D), or None
        Zeros for those without.
    described : bool array of shape (n,)
        Which have features.
    what : {"user", "item"}
    """

    rows: npt.NDArray[np.int64]
    features: Any
    described: npt.NDArray[np.bool_]
    what: str

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, which: Any) -> Points:
        """Some of them, by numbers or a mask."""
        features = None if self.features is None else self.features[which]
        return replace(
            self, rows=self.rows[which], features=features, described=self.described[which]
        )


def as_features(data: Any, what: str, ids: Ids | None = None) -> Features | None:
    """Features from what people hold.

    Parameters
    ----------
    data : Features; data frame; tuple (ids, matrix) or (ids, matrix, names); matrix; or None
        A data frame has ids for its index, and a feature in each column. A matrix alone, array
        or sparse, has a row for each of `ids`, in their order.
    what : str
        What they describe: "user" or "item".
    ids : Ids, optional
        Those of the ratings.

    Raises
    ------
    ValueError
        If shapes do not match, or a feature is NaN or infinite or no number; it is named.
    """
    if data is None or isinstance(data, Features):
        return data
    if hasattr(data, "iloc"):
        for name, kind in zip(data.columns, data.dtypes, strict=True):
            if getattr(kind, "kind", "O") not in "biuf":
                raise ValueError(
                    f"column {name!r} of the {what} features has values of type {kind}: features "
                    "are numbers (pandas.get_dummies makes such of categories)"
                )
        return Features(Ids(data.index, what), data.to_numpy(np.float32), list(data.columns))
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ValueError(f"{what} features are (ids, matrix) or (ids, matrix, names)")
        names = data[2] if len(data) == 3 else None
        return Features(Ids(data[0], what), data[1], names)
    if ids is None:
        raise ValueError(f"{what} features need ids here: give (ids, matrix)")
    return Features(ids, data)


def gathered(
    rows: npt.NDArray[np.int64],
    wanted: Any,
    known: Features | None,
    new: Features | None,
    what: str,
) -> Points:
    """Points with their features: those that are given now, or else those of training.

    Parameters
    ----------
    rows : int64 array of shape (n,)
        Of the points, in the ratings.
    wanted : sequence of n ids
    known, new : Features or None
        Of training; and given for a prediction. If both have names, these say which is which.
    what : {"user", "item"}
    """
    if new is not None and known is not None and known.names is not None:
        new = new.named(known.names)
    described = np.zeros(len(rows), bool)
    parts: list[Any] = []
    for features in (new, known):
        if features is None:
            continue
        place = features.ids.find(wanted)
        use = (place >= 0) & ~described
        described |= use
        parts.append(_placed(features.matrix, place, use))
    if not parts:
        return Points(rows, None, described, what)
    if len(parts) == 1:
        return Points(rows, parts[0], described, what)
    if parts[0].shape[1] != parts[1].shape[1]:
        raise ValueError(
            f"{parts[0].shape[1]} features are given, but there were {parts[1].shape[1]} in "
            "training: the same are needed, in the same order"
        )
    if sparse.issparse(parts[0]) != sparse.issparse(parts[1]):
        parts = [sparse.csr_matrix(part) for part in parts]
    total = parts[0] + parts[1]
    total = total.tocsr() if sparse.issparse(total) else total
    return Points(rows, total, described, what)


def _placed(matrix: Any, place: npt.NDArray[np.int64], use: npt.NDArray[np.bool_]) -> Any:
    """Rows of a matrix, zeros where they are not to be used."""
    if len(place) == matrix.shape[0] and use.all() and (place == np.arange(len(place))).all():
        return matrix
    if not sparse.issparse(matrix):
        found = np.zeros((len(place), matrix.shape[1]), np.float32)
        found[use] = matrix[place[use]]
        return found
    select = sparse.csr_matrix(
        (np.ones(int(use.sum()), np.float32), (np.flatnonzero(use), place[use])),
        (len(place), matrix.shape[0]),
    )
    return (select @ matrix).tocsr()


def _read(matrix: Any, ids: Ids) -> Any:
    what = ids.what
    if sparse.issparse(matrix):
        matrix = sparse.csr_matrix(matrix, dtype=np.float32)
        bad = ~np.isfinite(matrix.data)
        row = int(np.searchsorted(matrix.indptr, bad.argmax(), "right")) - 1 if bad.any() else -1
    else:
        try:
            matrix = np.asarray(matrix, np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what} features are no numbers: {error}") from error
        if matrix.ndim != 2:
            raise ValueError(f"{what} features have shape (n, D), not {matrix.shape}")
        bad = ~np.isfinite(matrix).all(axis=1)
        row = int(bad.argmax()) if bad.any() else -1
    if matrix.shape[0] != len(ids):
        raise ValueError(
            f"{what} features have {matrix.shape[0]} rows for {len(ids)} {what}s: give "
            "(ids, matrix) if they are others, or in another order"
        )
    if row >= 0:
        raise ValueError(
            f"features of {what} {ids.values[row].item()!r} are NaN or infinite: leave the {what} "
            "out if it has none"
        )
    return matrix
