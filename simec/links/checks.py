"""Checks of a LinkPredictor's parameters and features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from simec.checks import check_integer, check_number
from simec.links.losses import ERRORS
from simec.links.network import MIDDLES
from simec.network import ACTIVATIONS

_CHOICES = {
    "middle": MIDDLES,
    "loss": tuple(ERRORS),
    "targets": ("1vsall", "kvsall"),
    "optimizer": ("adagrad", "adam"),
    "activation": tuple(ACTIVATIONS),
}


def check_parameters(predictor: Any) -> None:
    """Raise a ValueError or TypeError that names a parameter that is out of range."""
    for name in ("n_components", "batch_size", "max_iter", "n_iter_no_change"):
        check_integer(name, getattr(predictor, name), 1)
    for name in ("n3", "dropout"):
        check_number(name, getattr(predictor, name), 0)
    for name in ("learning_rate", "init_scale"):
        if check_number(name, getattr(predictor, name), 0) == 0:
            raise ValueError(f"{name} must be more than 0")
    if predictor.dropout >= 1:
        raise ValueError(f"dropout is a share below 1, not {predictor.dropout!r}")
    for name, choices in _CHOICES.items():
        if getattr(predictor, name) not in choices:
            found = getattr(predictor, name)
            raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}, not {found!r}")
    for size in predictor.hidden_layers:
        check_integer("a size in hidden_layers", size, 1)
    if predictor.middle == "complex" and predictor.n_components % 2:
        raise ValueError(
            f"middle='complex' takes pairs of components: n_components={predictor.n_components} "
            "has to be even"
        )
    if predictor.n_negatives is not None:
        check_integer("n_negatives", predictor.n_negatives, 1)
        if predictor.loss != "softmax":
            raise ValueError("n_negatives is for loss='softmax': leave it out")
        if predictor.optimizer != "adagrad":
            raise ValueError("n_negatives is for optimizer='adagrad': leave it out")
        if not predictor.tied:
            raise ValueError("n_negatives is for tied=True: leave it out")


def read_features(entities: Iterable[Any] | None, features: Any) -> tuple[list[Any] | None, Any]:
    """Ids of entities, and features in their order.

    Raises
    ------
    ValueError
        If features have no ids, or their number is another.
    """
    ids = None if entities is None else list(entities)
    if features is None:
        return ids, None
    if ids is None:
        if not hasattr(features, "index"):
            raise ValueError(
                "features need the ids of their rows: give entities=, or a frame with ids as index"
            )
        ids = list(features.index)
    X = check_features(features)
    if X.shape[0] != len(ids):
        raise ValueError(f"there are {len(ids)} entities, but features of {X.shape[0]}")
    if len(set(ids)) != len(ids):
        twice = next(e for i, e in enumerate(ids) if e in ids[:i])
        raise ValueError(f"entity {twice!r} has features more than once")
    return ids, X


def check_features(features: Any, n_features: int | None = None) -> Any:
    """Features as a float32 array or CSR matrix, as many as there were in training."""
    X = check_array(features, accept_sparse="csr", dtype=np.float32, input_name="features")
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"there are {X.shape[1]} features, but training had {n_features}")
    # torch cannot mark what it must not write to
    return X if sparse.issparse(X) or X.flags.writeable else X.copy()
