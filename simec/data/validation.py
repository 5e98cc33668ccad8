"""From what users hold, arrays, sparse matrices, tensors, data sets, to batches."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor
from torch.utils.data import Dataset

from simec.data.inputs import (
    CHUNK,
    DatasetInputs,
    DenseInputs,
    Identity,
    Inputs,
    SparseInputs,
    quiet_about_sparse,
)
from simec.data.targets import (
    ComputedTargets,
    DatasetTargets,
    DenseTargets,
    SparseTargets,
    Targets,
    without_nan,
)

_ASYMMETRY = 1e-3  # of the largest value: differences up to it are taken for rounding


def choose_device(name: str) -> torch.device:
    """A device by its name; "auto" is a GPU where there is one.

    Raises
    ------
    RuntimeError
        If a GPU is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            f"device={name!r} was asked for, but PyTorch finds no GPU here: use device='auto' or "
            "'cpu', or install a build of PyTorch with CUDA"
        )
    return device


def read_inputs(
    estimator: BaseEstimator, X: Any, device: torch.device, *, reset: bool, images: bool
) -> Inputs:
    """Check features, and make batches of them.

    Parameters
    ----------
    estimator : BaseEstimator
        Which notes how many features there are, and what they are called.
    X : array, CSR matrix, tensor or Dataset; of shape (m, D), or (m, ...) with `images`
    device : torch.device
    reset : bool
        Whether features are new, or have to be those of `fit`.
    images : bool
        Whether rows may have any shape.
    """
    if isinstance(X, Dataset):
        items = DatasetInputs(X, device)
        if not reset:
            _check_width(estimator, items.batch(torch.arange(1)).shape)
        return items
    if X is None:
        raise ValueError("X is None, but the model was fitted with features: give some")
    if isinstance(X, Tensor):
        X = as_numpy(X)
    if images and not sparse.issparse(X):
        X = check_array(
            X, dtype=np.float32, allow_nd=True, ensure_2d=False, estimator=estimator, input_name="X"
        )
        if not reset:
            _check_width(estimator, X.shape)
    else:
        X = validate_data(estimator, X, accept_sparse="csr", dtype=np.float32, reset=reset)
    if sparse.issparse(X):
        return SparseInputs(X, device)
    # torch cannot mark what it must not write to
    writable = X if X.flags.writeable else X.copy()
    return DenseInputs(torch.from_numpy(np.ascontiguousarray(writable)), device)


def _check_width(estimator: BaseEstimator, shape: tuple[int, ...]) -> None:
    n_features = int(np.prod(shape[1:]))
    if n_features != estimator.n_features_in_:
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )


def as_numpy(values: Tensor) -> Any:
    """A tensor as an array; as a CSR matrix if its format is sparse."""
    values = values.detach().cpu()
    if values.dtype == torch.bfloat16:  # which numpy does not know
        values = values.float()
    if values.layout == torch.strided:
        return values.numpy()
    with quiet_about_sparse():
        csr = values.to_sparse_csr()
    parts = csr.values().numpy(), csr.col_indices().numpy(), csr.crow_indices().numpy()
    return sparse.csr_matrix(parts, csr.shape)


def read_identity(X: Any, n_rows: int, device: torch.device) -> Identity:
    """Rows of the identity: all of them for None, or those whose numbers are given."""
    if X is None:
        return Identity(n_rows, device)
    numbers = np.asarray(X)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(
            "the model was fitted without features: give None for all rows, or their numbers as "
            f"an array of integers, not an array of shape {numbers.shape} and {numbers.dtype}"
        )
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n_rows):
        raise ValueError(f"numbers of rows are from 0 to {n_rows - 1}")
    return Identity(numbers.astype(np.int64), device)


def read_targets(
    S: Any,
    inputs: Inputs | None,
    n_targets: int | None,
    mask: Any,
    device: torch.device,
) -> Targets:
    """Check targets, and make batches of them.

    Parameters
    ----------
    S : array, sparse matrix, tensor, callable, Targets, or None with a data set of pairs
        NaN, and what is absent of a sparse matrix, is unknown.
    inputs : Inputs or None
        Whose number of rows has to fit.
    n_targets : int or None
        Only the first so many columns are used.
    mask : bool array of the shape of S, optional
        True where S is known.

    Raises
    ------
    ValueError
        If shapes do not match, or values are infinite, or nothing is known.
    """
    if isinstance(S, Targets):
        if mask is not None or n_targets is not None:
            raise ValueError("Targets are as they are: leave out mask and n_targets")
        check_rows((len(S), *S.shape), inputs)
        return S
    if isinstance(S, Tensor):
        S = as_numpy(S)
    pairs = S is None and isinstance(inputs, DatasetInputs)
    if mask is not None and (pairs or callable(S)):
        raise ValueError("a mask is for targets in memory: give NaN for what is unknown")
    if isinstance(inputs, DatasetInputs) and inputs.has_targets:
        if S is not None:
            raise ValueError("the data set gives targets itself: leave out S")
        return DatasetTargets(inputs, n_targets, device)
    if S is None:
        raise ValueError("S is needed: requires y to be passed, but the target y is None")
    if callable(S):
        if inputs is None:
            raise ValueError("a function for S says nothing of the number of rows: give X")
        return ComputedTargets(S, len(inputs), n_targets, device)
    if sparse.issparse(S):
        return _sparse(S, inputs, n_targets, mask, device)
    return _dense(S, inputs, n_targets, mask, device)


def _sparse(
    S: Any, inputs: Inputs | None, n_targets: int | None, mask: Any, device: torch.device
) -> Targets:
    if mask is not None:
        raise ValueError("what is absent of a sparse S is unknown: a mask says the same twice")
    S = sparse.csr_matrix(S, copy=True)
    S.sum_duplicates()
    check_rows(S.shape, inputs)
    S = S[:, :n_targets]
    if not np.isfinite(S.data).all():
        raise ValueError("S holds NaN or infinite values: leave out what is unknown")
    _check_known(np.diff(S.indptr), np.bincount(S.indices, minlength=S.shape[1]))
    if S.nnz == S.shape[0] * S.shape[1]:  # nothing is unknown
        return DenseTargets(torch.from_numpy(S.toarray().astype(np.float32)), None, device)
    return SparseTargets(S, device)


def _dense(
    S: Any, inputs: Inputs | None, n_targets: int | None, mask: Any, device: torch.device
) -> Targets:
    if isinstance(S, np.ma.MaskedArray):
        if mask is not None:
            raise ValueError("S is a masked array, and has a mask already")
        mask = ~np.ma.getmaskarray(S)
        S = S.filled(0)
    S = check_array(
        S, dtype=np.float32, allow_nd=True, ensure_2d=False, ensure_all_finite="allow-nan",
        ensure_min_samples=1, input_name="S",
    )  # fmt: skip
    S = S[:, None] if S.ndim == 1 else S
    check_rows(S.shape, inputs)
    if S.ndim > 3:
        raise ValueError(f"S has shape {S.shape}: (m, n), or (m, n, k) for k relations, is needed")
    values = torch.from_numpy(np.array(S[:, :n_targets]))
    values, known = without_nan(values)
    if mask is not None:
        given = torch.as_tensor(np.asarray(mask, bool))
        given = given[:, None] if given.ndim == 1 else given
        if given.shape != S.shape:
            raise ValueError(f"the mask has shape {tuple(given.shape)}, and S {S.shape}")
        given = given[:, :n_targets]
        known = given if known is None else known & given
        values = values.masked_fill(~known, 0)
    if known is not None and bool(known.all()):
        known = None
    if known is not None:
        counts = known.flatten(2).sum(dim=2) if known.ndim == 3 else known
        _check_known(counts.sum(dim=1).numpy(), counts.sum(dim=0).numpy())
    there = values.flatten() if known is None else values[known]
    if there.numel() > 1 and bool(there[0] == there[-1]) and bool((there == there[0]).all()):
        warnings.warn(
            f"all of S is {float(there[0]):g}: there is nothing that tells rows apart",
            UserWarning,
            stacklevel=5,
        )
    return DenseTargets(values, known, device)


def _check_known(by_row: Any, by_column: Any) -> None:
    if not by_row.sum():
        raise ValueError("nothing of S is known: all of it is missing")
    rows, columns = int((by_row == 0).sum()), int((by_column == 0).sum())
    if rows or columns:
        warnings.warn(
            f"nothing is known of {rows} of {len(by_row)} rows and {columns} of "
            f"{len(by_column)} columns of S: they teach nothing, and predictions for these "
            "columns mean nothing",
            UserWarning,
            stacklevel=6,
        )


def check_rows(shape: tuple[int, ...], inputs: Inputs | None) -> None:
    """Raise the ValueError of features and targets with other numbers of rows."""
    if inputs is not None and shape[0] != len(inputs):
        raise ValueError(
            f"X has {len(inputs)} rows, and S has shape {shape}: one row of S is needed for each"
        )


def check_symmetric(targets: Targets) -> None:
    """Raise the ValueError of targets that a symmetric factorisation cannot give."""
    n = targets.shape[0]
    if n > len(targets):
        raise ValueError(
            f"symmetric > 0 needs the similarities of the first n rows to each other, and S has "
            f"shape {(len(targets), *targets.shape)}: set n_targets, or symmetric=0"
        )
    matrices = targets.matrices()
    if matrices is not None and sparse.issparse(matrices[0]):
        _check_sparse(*(M[:n] for M in matrices))
        return
    parts = [targets.batch(rows) for rows in torch.split(torch.arange(n), CHUNK)]
    values = torch.cat([part for part, _ in parts])
    known = torch.cat([torch.ones_like(v, dtype=torch.bool) if k is None else k for v, k in parts])
    both = known & known.transpose(0, 1)
    apart = ((values - values.transpose(0, 1)).abs() * both).flatten()
    if not bool((apart <= _ASYMMETRY * values.abs().max()).all()):
        worst = int(apart.argmax()) // (values[0, 0].numel() if values.ndim == 3 else 1)
        _raise_asymmetric(*divmod(worst, n), float(apart.max()))


def _check_sparse(S: Any, known: Any) -> None:
    apart = abs(S - S.T).multiply(known.multiply(known.T)).tocoo()
    if apart.nnz and apart.data.max() > _ASYMMETRY * abs(S.data).max():
        worst = int(apart.data.argmax())
        _raise_asymmetric(int(apart.row[worst]), int(apart.col[worst]), float(apart.data[worst]))


def _raise_asymmetric(i: int, j: int, apart: float) -> None:
    raise ValueError(
        f"symmetric > 0 needs a symmetric S, but S[{i}, {j}] and S[{j}, {i}] differ by "
        f"{apart:.3g}: use (S + S.T) / 2, or symmetric=0"
    )


def check_range(targets: Targets, loss: Any) -> None:
    """Raise the ValueError of targets that are no probabilities, where the loss needs such."""
    matrices = targets.matrices() if loss == "bce" else None
    if matrices is None:
        return
    values = matrices[0].data if sparse.issparse(matrices[0]) else matrices[0]
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high > 1:
        raise ValueError(
            f"loss='bce' needs targets from 0 to 1, and S has values from {low:g} to {high:g}: "
            "scale S, or use loss='mse'"
        )
