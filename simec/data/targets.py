"""Batches of targets (similarities or other relations), with masks of the observed ones.

A row has n targets, or n times k for k relations. Missing targets do not contribute to the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.utils.validation import check_array
from torch import Tensor

from corpora.checks import check_number
from corpora.errors import warn
from simec.data.inputs import CHUNK, DatasetInputs, Inputs, as_numpy, choose_device, fits_on
from simec.linalg.checks import LARGEST, QUIET, check_magnitude
from simec.linalg.factorization import sampled_product

Batch = tuple[Tensor, Tensor | None]

_ASYMMETRY = 1e-3  # relative to the largest value: smaller differences count as rounding errors


class Targets:
    """Rows of targets, read in batches.

    Attributes
    ----------
    shape : tuple of int
        Shape of a row: ``(n,)`` or ``(n, k)``.
    complete : bool
        Whether all targets are observed. If not, `batch` may still return None for a batch
        without missing targets.
    in_memory : bool
        Whether batches are rows of a tensor in memory, which makes reading them cheap.
    absent : float
        Weight of the errors of entries that sparse `matrices` do not store. If positive, these
        entries are zeros instead of missing.
    """

    shape: tuple[int, ...]
    complete: bool
    in_memory = False
    absent = 0.0

    def __len__(self) -> int:
        raise NotImplementedError

    def batch(self, rows: Tensor) -> Batch:
        """Return the targets of rows, and a mask of the observed ones.

        Parameters
        ----------
        rows : int64 Tensor of shape (b,)

        Returns
        -------
        values : float32 Tensor of shape (b, n) or (b, n, k)
            0 where missing.
        observed : bool Tensor of the same shape, or None
            None if all are observed. If errors are weighted, a float tensor of weights instead,
            0 where missing.
        """
        raise NotImplementedError

    def has_observed(self, rows: Tensor) -> bool:
        """Whether any target of rows is observed; True if targets are not in memory."""
        matrices = None if self.complete else self.matrices()
        if matrices is None:
            return True
        weights = matrices[1][rows.numpy()]
        return bool(weights.nnz if sparse.issparse(weights) else weights.any())

    def full_error(self, rows: Tensor, error: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Convert the mean error of the `n` targets of a batch to that of the unprojected targets.

        Returns
        -------
        error, n : Tensor
            Unchanged, unless the targets of the batch are a projection of wider ones.
        """
        del rows
        return error, n

    def matrices(self) -> tuple[Any, Any] | None:
        """Return all targets, and the weights of their errors; None if not in memory.

        Returns
        -------
        S, weights : float32 arrays or CSR matrices of shape (m, n * k)
            Weights of observed entries are 1 by default, and those of missing entries are 0. If
            sparse, both matrices store the same entries.
        """
        return None

    def hold_out(
        self, share: float, rng: np.random.Generator, *, symmetric: bool = False
    ) -> tuple[Targets, Targets]:
        """Split the observed entries at random.

        Parameters
        ----------
        share : float
            Fraction of entries in the validation part.
        rng : Generator
        symmetric : bool
            Assign S[i, j] and S[j, i] to the same part.

        Returns
        -------
        training, validation : Targets
        """
        del share, rng, symmetric
        raise ValueError("entries can only be held out if targets are in memory")


class DenseTargets(Targets):
    """Targets in a tensor.

    Parameters
    ----------
    values : Tensor of shape (m, n) or (m, n, k)
        0 where missing.
    observed : bool Tensor of the same shape, optional
    device : torch.device
    """

    in_memory = True

    def __init__(self, values: Tensor, observed: Tensor | None, device: torch.device) -> None:
        self._values = values.to(device) if fits_on(values, device) else values
        if observed is not None and fits_on(observed, device):
            observed = observed.to(device)
        self._observed = observed
        self._device = device
        self.shape, self.complete = tuple(values.shape[1:]), observed is None

    def __len__(self) -> int:
        return len(self._values)

    def batch(self, rows: Tensor) -> Batch:
        """Return the targets of some rows, as `Targets.batch`."""
        rows = rows.to(self._values.device)
        # twice as fast as indexing
        values = self._values.index_select(0, rows).to(self._device, non_blocking=True)
        if self._observed is None:
            return values, None
        return values, self._observed.index_select(0, rows).to(self._device)

    def matrices(self) -> tuple[Any, Any]:
        """Return all targets and their weights, as `Targets.matrices`."""
        values = self._values.flatten(1).cpu().numpy()
        if self._observed is None:
            return values, np.ones_like(values)
        return values, self._observed.flatten(1).cpu().numpy().astype(np.float32)

    def hold_out(
        self, share: float, rng: np.random.Generator, *, symmetric: bool = False
    ) -> tuple[Targets, Targets]:
        """Split the observed entries, as `Targets.hold_out`."""
        chances = torch.from_numpy(rng.random(self._values.shape, np.float32))
        n = self.shape[0]
        if symmetric:
            chances[:n] = torch.minimum(chances[:n], chances[:n].transpose(0, 1).clone())
            share = 1 - (1 - share) ** 0.5
        observed = self._observed
        if observed is None:
            observed = torch.ones_like(chances, dtype=torch.bool)
        observed = observed.cpu()
        held = torch.zeros_like(observed)
        held[observed] = torch.from_numpy(_held_out(share, chances[observed].numpy()))
        held, observed = held.to(self._values.device), observed.to(self._values.device)
        return (
            DenseTargets(self._values, observed & ~held, self._device),
            DenseTargets(self._values, observed & held, self._device),
        )


class SparseTargets(Targets):
    """Targets in a CSR matrix: stored entries are observed, including zeros, others are missing.

    Parameters
    ----------
    S : CSR matrix of shape (m, n)
    device : torch.device or str
        Where batches are used; "auto" is the GPU if there is one.
    weights : float array of shape (nnz,), optional
        Weights of the errors of stored entries, in their order; 1 by default.
    absent : float
        Weight of the errors of entries that are not stored. If positive, these entries are zeros
        instead of missing, as in implicit feedback (Hu, Koren and Volinsky, 2008).
    """

    complete = False

    def __init__(
        self,
        S: Any,
        device: torch.device | str = "auto",
        weights: Any = None,
        absent: float = 0.0,
    ) -> None:
        self._S = sparse.csr_matrix(S, dtype=np.float32)
        self._device = choose_device(device)
        self.shape = (int(self._S.shape[1]),)
        self._unweighted = weights is None and not absent
        if weights is None:
            weights = np.ones(self._S.nnz, np.float32)
        self._weights = sparse.csr_matrix(
            (np.asarray(weights, np.float32), self._S.indices, self._S.indptr), self._S.shape
        )
        self.absent = float(absent)

    def __len__(self) -> int:
        return int(self._S.shape[0])

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all errors."""
        n_absent = self._S.shape[0] * self._S.shape[1] - self._S.nnz
        stored = float(self._weights.data.sum(dtype=np.float64))
        return float(stored + self.absent * n_absent)

    def batch(self, rows: Tensor) -> Batch:
        """Return the targets of rows, and a mask or weights, as `Targets.batch`."""
        part = self._S[rows.numpy()]
        row = np.repeat(np.arange(len(rows)) * self.shape[0], np.diff(part.indptr))
        positions = torch.from_numpy((row + part.indices).astype(np.int64)).to(self._device)
        size = len(rows) * self.shape[0]
        values = torch.zeros(size, device=self._device)
        values[positions] = torch.from_numpy(part.data).to(self._device)
        if self._unweighted:
            observed = torch.zeros(size, dtype=torch.bool, device=self._device)
            observed[positions] = True
        else:
            observed = torch.full((size,), self.absent, device=self._device)
            weights = torch.from_numpy(self._weights[rows.numpy()].data)
            observed[positions] = weights.to(self._device)
        return values.reshape(len(rows), -1), observed.reshape(len(rows), -1)

    def matrices(self) -> tuple[Any, Any]:
        """Return all targets and their weights, as `Targets.matrices`."""
        return self._S, self._weights

    def squared_error(self, rows: Tensor, Y: Tensor, W_l: Tensor) -> tuple[float, float]:
        """Compute the weighted sum of squares of ``Y W_l - S`` over rows, and the sum of weights.

        The time is proportional to the number of stored entries, not to the size of S.

        Parameters
        ----------
        rows : int64 Tensor of shape (b,)
        Y : Tensor of shape (b, d)
            Embeddings of the rows.
        W_l : Tensor of shape (d, n)
        """
        left, right = (M.cpu().numpy().astype(np.float64) for M in (Y, W_l.T))
        S, weights = self._S[rows.numpy()], self._weights[rows.numpy()].data
        predicted = sampled_product(S, left, right)
        total = float((weights * (S.data - predicted) ** 2).sum())
        weight = float(weights.sum(dtype=np.float64))
        if self.absent:
            all_squares = float(((left.T @ left) * (right.T @ right)).sum())
            total += self.absent * (all_squares - float((predicted**2).sum()))
            weight += self.absent * (S.shape[0] * S.shape[1] - S.nnz)
        return total, weight

    def hold_out(
        self, share: float, rng: np.random.Generator, *, symmetric: bool = False
    ) -> tuple[Targets, Targets]:
        """Split the observed entries, as `Targets.hold_out`."""
        if self.absent:
            raise ValueError(
                "entries cannot be held out for validation if absent > 0: use early_stopping=False"
            )
        entries = self._S.tocoo()
        chances = rng.random(self._S.nnz)
        if symmetric:
            i, j = np.sort(np.stack([entries.row, entries.col]).astype(np.int64), axis=0)
            chances = chances[np.unique(i * max(self._S.shape) + j, return_inverse=True)[1]]
        held = _held_out(share, chances)

        def part(chosen: Any) -> SparseTargets:
            positions = entries.row[chosen], entries.col[chosen]
            S = sparse.csr_matrix((entries.data[chosen], positions), self._S.shape)
            weights = None if self._unweighted else self._weights.data[chosen]
            return SparseTargets(S, self._device, weights)

        return part(~held), part(held)


class NoTargets(Targets):
    """Rows without targets, for auto-encoders.

    Parameters
    ----------
    n_rows : int
    device : torch.device
    """

    shape = (0,)
    complete = True

    def __init__(self, n_rows: int, device: torch.device) -> None:
        self._n_rows, self._device = n_rows, device

    def __len__(self) -> int:
        return self._n_rows

    def batch(self, rows: Tensor) -> Batch:
        """Return tensors of shape (b, 0), as `Targets.batch`."""
        return torch.zeros(len(rows), 0, device=self._device), None


class MixedTargets(Targets):
    """Several kinds of targets in one row, one after the other, with a weight for each kind.

    For example similarities, class similarities of the labelled rows, and properties that are
    cheap to compute.

    Parameters
    ----------
    parts : mapping of str to targets, or sequence of targets
        Each an array of shape (m, n_i) or (m,), a sparse matrix, or a callable, as `S` in
        `simec.SimilarityEncoder.fit`; NaN where missing. Their scales should be similar
        (`simec.similarities.standardize`).
    weights : mapping of str to float, or sequence of float, optional
        Share of each part in the loss, regardless of its numbers of columns and of observed
        entries. Equal by default.
    n_rows : int, optional
        Number of rows m, if all parts are callables.
    device : torch.device or str
        Where batches are used; "auto" is the GPU if there is one.

    Attributes
    ----------
    columns : dict of str to slice
        Columns of each part; parts of a sequence are named "0", "1" and so on.
    """

    complete = False  # errors have weights

    def __init__(
        self,
        parts: Mapping[str, Any] | Sequence[Any],
        weights: Mapping[str, float] | Sequence[float] | None = None,
        *,
        n_rows: int | None = None,
        device: torch.device | str = "auto",
    ) -> None:
        named = _by_name("parts", parts)
        if not named:
            raise ValueError("parts is empty: pass at least one kind of targets")
        if isinstance(parts, Mapping) and not (weights is None or isinstance(weights, Mapping)):
            raise TypeError(
                f"weights must be a mapping with a number for each part ({', '.join(named)}), got "
                f"{type(weights).__name__}"
            )
        shares = dict.fromkeys(named, 1.0) if weights is None else _by_name("weights", weights)
        if set(shares) != set(named):
            raise ValueError(
                f"weights must have one entry for each part ({', '.join(named)}), got "
                f"{', '.join(shares) or 'an empty one'}"
            )
        total = sum(check_number(f"weights[{k!r}]", v, 0) for k, v in shares.items())
        if not total > 0:
            raise ValueError("weights are all 0: at least one must be > 0")
        self._device = choose_device(device)
        lengths = {name: len(part) if isinstance(part, Targets) else np.shape(part)[0]
                   for name, part in named.items()
                   if isinstance(part, Targets) or not callable(part)}  # fmt: skip
        if n_rows is not None:
            lengths["n_rows"] = n_rows
        if len(set(lengths.values())) != 1:
            sizes = ", ".join(f"{name}: {n}" for name, n in lengths.items())
            raise ValueError(
                f"all parts must have the same number of rows, got {sizes}" if lengths else
                "all parts are callables: pass n_rows"
            )  # fmt: skip
        self._n_rows = next(iter(lengths.values()))
        self._parts = [self._read(name, part) for name, part in named.items()]
        self.columns: dict[str, slice] = {}
        self._weights: list[float] = []  # of an observed entry of each part
        sample = torch.linspace(0, self._n_rows - 1, min(self._n_rows, _SAMPLE)).long()
        start = 0
        for name, part in zip(named, self._parts, strict=True):
            (n,) = part.shape
            self.columns[name] = slice(start, start + n)
            start += n
            known = part.in_memory or isinstance(part, SparseTargets)
            rows = torch.arange(self._n_rows) if known else sample
            total_weight = sum(_weight(part, chunk) for chunk in torch.split(rows, CHUNK))
            density = total_weight / (len(rows) * n)
            self._weights.append(shares[name] / total / (n * density) if density else 0.0)
        self.shape = (start,)

    def _read(self, name: str, part: Any) -> Targets:
        if isinstance(part, Targets):
            targets = part
        elif callable(part):
            targets = ComputedTargets(part, self._n_rows, None, self._device)
        else:
            targets = read_targets(part, None, None, None, self._device, partial=True)
        if len(targets.shape) != 1:
            raise ValueError(
                f"parts[{name!r}] must have shape (m, n), got shape "
                f"{(len(targets), *targets.shape)}"
            )
        return targets

    def __len__(self) -> int:
        return self._n_rows

    def batch(self, rows: Tensor) -> Batch:
        """Return the targets of rows and the weights of their errors, as `Targets.batch`."""
        values, weights = [], []
        for part, weight in zip(self._parts, self._weights, strict=True):
            value, observed = part.batch(rows)
            values.append(value)
            if observed is None:
                weights.append(torch.full_like(value, weight))
            else:
                weights.append(observed.to(value.dtype) * weight)
        return torch.cat(values, 1), torch.cat(weights, 1)

    def full_error(self, rows: Tensor, error: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Divide by the expected sum of weights, so that each part keeps its share of the loss.

        Otherwise batches with few observed entries of a part would give its errors more weight.
        """
        expected = torch.full_like(n, float(len(rows)))
        return error * n / expected, expected


_SAMPLE = 256  # rows that the share of observed entries is estimated from, if not in memory


def _by_name(what: str, values: Any) -> dict[str, Any]:
    if isinstance(values, Mapping):
        return {str(name): value for name, value in values.items()}
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise TypeError(f"{what} must be a mapping or a sequence, got {type(values).__name__}")
    return {str(i): value for i, value in enumerate(values)}


def _weight(part: Targets, rows: Tensor) -> float:
    """Sum of the weights of observed entries, 1 by default."""
    values, observed = part.batch(rows)
    return values.numel() if observed is None else float(observed.sum(dtype=torch.float64))


class ComputedTargets(Targets):
    """Targets computed by a function of row numbers, for targets too large for memory.

    Parameters
    ----------
    function : callable
        From an int64 array of shape (b,) to an array of shape (b, n) or (b, n, k); NaN where
        missing.
    n_rows : int
    n_targets : int or None
        Use only this many columns, the first ones; None: all.
    device : torch.device
    """

    def __init__(
        self,
        function: Callable[[npt.NDArray[np.int64]], Any],
        n_rows: int,
        n_targets: int | None,
        device: torch.device,
    ) -> None:
        self._function, self._n_rows, self._n_targets = function, n_rows, n_targets
        self._device = device
        first = self._call(torch.arange(1))
        if first.ndim not in (2, 3):
            raise ValueError(
                f"the function must return an array of shape (1, n) or (1, n, k) for 1 row, got "
                f"shape {tuple(first.shape)}"
            )
        self.shape = tuple(first.shape[1:])
        self.complete = not bool(first.isnan().any())

    def __len__(self) -> int:
        return self._n_rows

    def _call(self, rows: Tensor) -> Tensor:
        result = self._function(rows.numpy())
        result = result.detach() if isinstance(result, Tensor) else np.asarray(result, np.float32)
        values = torch.as_tensor(result, dtype=torch.float32)
        if values.ndim < 2 or len(values) != len(rows):
            raise ValueError(
                f"the function must return one row for each row number, got an array of shape "
                f"{tuple(values.shape)} for {len(rows)} row{'s' * (len(rows) > 1)}"
            )
        return _check_finite(values[:, : self._n_targets])

    def batch(self, rows: Tensor) -> Batch:
        """Return the targets of some rows, as `Targets.batch`."""
        return without_nan(self._call(rows).to(self._device))


class DatasetTargets(Targets):
    """Targets from a data set of pairs of features and targets."""

    def __init__(self, data: DatasetInputs, n_targets: int | None, device: torch.device) -> None:
        self._data, self._n_targets, self._device = data, n_targets, device
        first, observed = self.batch(torch.arange(1))
        self.shape, self.complete = tuple(first.shape[1:]), observed is None

    def __len__(self) -> int:
        return len(self._data)

    def batch(self, rows: Tensor) -> Batch:
        """Return the targets of some rows, as `Targets.batch`."""
        values = self._data.pairs(rows)[1].to(self._device, torch.float32)
        values = values[:, None] if values.ndim == 1 else values[:, : self._n_targets]
        return without_nan(_check_finite(values))


def read_targets(
    S: Any,
    inputs: Inputs | None,
    n_targets: int | None,
    mask: Any,
    device: torch.device,
    *,
    partial: bool = False,
) -> Targets:
    """Check targets, and wrap them so that they can be read in batches.

    Parameters
    ----------
    S : array, sparse matrix, tensor, callable, Targets, or None with a data set of pairs
        NaN entries, and entries that a sparse matrix does not store, are missing.
    inputs : Inputs or None
        Features, which must have the same number of rows.
    n_targets : int or None
        Use only this many columns, the first ones; None: all.
    mask : bool array of the shape of S, optional
        True where S is observed.
    device : torch.device
    partial : bool
        Whether rows without observed entries are expected, and need no warning.

    Raises
    ------
    ValueError
        If shapes do not match, values are infinite, or no entry is observed.
    """
    if isinstance(S, Targets):
        if mask is not None or n_targets is not None:
            raise ValueError("mask and n_targets are not supported if S is a Targets object")
        check_rows((len(S), *S.shape), inputs)
        return S
    if isinstance(S, Tensor):
        S = as_numpy(S)
    with np.errstate(**QUIET):  # values beyond float32 are an error
        return _read_targets(S, inputs, n_targets, mask, device, partial)


def _read_targets(
    S: Any,
    inputs: Inputs | None,
    n_targets: int | None,
    mask: Any,
    device: torch.device,
    partial: bool,
) -> Targets:
    pairs = S is None and isinstance(inputs, DatasetInputs)
    if mask is not None and (pairs or callable(S)):
        raise ValueError(
            "mask is only supported for targets in memory: return NaN for missing targets"
        )
    if isinstance(inputs, DatasetInputs) and inputs.has_targets:
        if S is not None:
            raise ValueError(
                "the data set contains targets already: omit S, or pass a data set of features "
                "alone"
            )
        return DatasetTargets(inputs, n_targets, device)
    if S is None:
        raise ValueError("S is missing: the fit requires y to be passed, but the target y is None")
    if callable(S):
        if inputs is None:
            raise ValueError(
                "X must not be None if S is a function: a function does not define the number of "
                "rows"
            )
        return ComputedTargets(S, len(inputs), n_targets, device)
    if sparse.issparse(S):
        return _read_sparse(S, inputs, n_targets, mask, device, partial)
    return _read_dense(S, inputs, n_targets, mask, device, partial)


def _read_sparse(
    S: Any,
    inputs: Inputs | None,
    n_targets: int | None,
    mask: Any,
    device: torch.device,
    partial: bool,
) -> Targets:
    if mask is not None:
        raise ValueError(
            "mask is not supported for sparse S: entries that are not stored already count as "
            "missing"
        )
    S = sparse.csr_matrix(S, copy=True)
    S.sum_duplicates()
    check_rows(S.shape, inputs)
    S = S[:, :n_targets]
    if not np.isfinite(S.data).all():
        raise ValueError("S contains NaN or infinity: do not store entries that are missing")
    check_magnitude("S", S.data)
    _check_observed(np.diff(S.indptr), np.bincount(S.indices, minlength=S.shape[1]), partial)
    if S.nnz == S.shape[0] * S.shape[1]:  # nothing is missing
        return DenseTargets(torch.from_numpy(S.toarray().astype(np.float32)), None, device)
    return SparseTargets(S, device)


def _read_dense(
    S: Any,
    inputs: Inputs | None,
    n_targets: int | None,
    mask: Any,
    device: torch.device,
    partial: bool,
) -> Targets:
    if isinstance(S, np.ma.MaskedArray):
        if mask is not None:
            raise ValueError("S is a masked array, which has a mask already: omit mask")
        mask = ~np.ma.getmaskarray(S)
        S = S.filled(0)
    S = check_array(
        S, dtype=np.float32, allow_nd=True, ensure_2d=False, ensure_all_finite="allow-nan",
        ensure_min_samples=1, input_name="S",
    )  # fmt: skip
    check_magnitude("S", S)
    S = S[:, None] if S.ndim == 1 else S
    check_rows(S.shape, inputs)
    if S.ndim > 3:
        raise ValueError(
            f"S must have shape (m, n), or (m, n, k) for k relations, got shape {S.shape}"
        )
    values = torch.from_numpy(np.array(S[:, :n_targets]))
    values, observed = without_nan(values)
    if mask is not None:
        given = torch.as_tensor(np.asarray(mask, bool))
        given = given[:, None] if given.ndim == 1 else given
        if given.shape != S.shape:
            raise ValueError(
                f"mask must have the shape of S, got shape {tuple(given.shape)} for S of shape "
                f"{S.shape}"
            )
        given = given[:, :n_targets]
        observed = given if observed is None else observed & given
        values = values.masked_fill(~observed, 0)
    if observed is not None and bool(observed.all()):
        observed = None
    if observed is not None:
        counts = observed.flatten(2).sum(dim=2) if observed.ndim == 3 else observed
        _check_observed(counts.sum(dim=1).numpy(), counts.sum(dim=0).numpy(), partial)
    entries = values.flatten() if observed is None else values[observed]
    # comparing two entries is fast, and nearly always sufficient
    if entries.numel() > 1 and entries[0] == entries[-1] and bool((entries == entries[0]).all()):
        warn(f"all entries of S are {float(entries[0]):g}: rows cannot be distinguished")
    return DenseTargets(values, observed, device)


def _check_observed(by_row: Any, by_column: Any, partial: bool) -> None:
    if not by_row.sum():
        raise ValueError("S has no observed entry: all are missing")
    rows, columns = int((by_row == 0).sum()), int((by_column == 0).sum())
    if (rows or columns) and not partial:
        warn(
            f"{rows} of {len(by_row)} rows and {columns} of {len(by_column)} columns of S have no "
            "observed entry: these rows are ignored, and predictions of these columns are arbitrary"
        )


def check_rows(shape: tuple[int, ...], inputs: Inputs | None) -> None:
    """Raise ValueError if features and targets have different numbers of rows."""
    if inputs is not None and shape[0] != len(inputs):
        raise ValueError(
            f"X has {len(inputs)} rows, and S has shape {shape}: S must have one row for each row "
            "of X"
        )


def check_not_tiny(targets: Targets) -> None:
    """Raise ValueError if targets in memory are too small for gradients in float32."""
    matrices = targets.matrices()
    if matrices is None:
        return
    values = matrices[0].data if sparse.issparse(matrices[0]) else matrices[0]
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    if 0 < largest < 1 / LARGEST:
        raise ValueError(
            f"values of S are at most {largest:.3g} in magnitude, and their squares vanish in "
            "float32: scale S to about 1, or use solver='exact'"
        )


def check_symmetric(targets: Targets) -> None:
    """Raise ValueError if targets are not symmetric, which ``symmetric > 0`` requires."""
    n = targets.shape[0]
    if n > len(targets):
        raise ValueError(
            f"symmetric > 0 needs the similarities of the first n rows to each other, and S has "
            f"shape {(len(targets), *targets.shape)}: set n_targets, or symmetric=0. In "
            "cross-validation, use simec.PairwiseSimilarities(S), or labels and similarity="
        )
    matrices = targets.matrices()
    if matrices is not None and sparse.issparse(matrices[0]):
        _check_sparse_symmetric(*(M[:n] for M in matrices))
        return
    batches = [targets.batch(rows) for rows in torch.split(torch.arange(n), CHUNK)]
    values = torch.cat([values for values, _ in batches])
    observed = torch.cat(
        [torch.ones_like(v, dtype=torch.bool) if o is None else o for v, o in batches]
    )
    observed = observed != 0  # or weights
    both = observed & observed.transpose(0, 1)
    gaps = ((values - values.transpose(0, 1)).abs() * both).flatten()
    if not bool((gaps <= _ASYMMETRY * values.abs().max()).all()):
        worst = int(gaps.argmax()) // (values[0, 0].numel() if values.ndim == 3 else 1)
        _raise_asymmetric(*divmod(worst, n), float(gaps.max()))


def _check_sparse_symmetric(S: Any, observed: Any) -> None:
    gaps = abs(S - S.T).multiply(observed.multiply(observed.T)).tocoo()
    if gaps.nnz and gaps.data.max() > _ASYMMETRY * abs(S.data).max():
        worst = int(gaps.data.argmax())
        _raise_asymmetric(int(gaps.row[worst]), int(gaps.col[worst]), float(gaps.data[worst]))


def _raise_asymmetric(i: int, j: int, gap: float) -> None:
    raise ValueError(
        f"symmetric > 0 needs a symmetric S, but S[{i}, {j}] and S[{j}, {i}] differ by "
        f"{gap:.3g}: use (S + S.T) / 2, or symmetric=0"
    )


def check_range(targets: Targets, loss: Any) -> None:
    """Raise ValueError if the loss requires probabilities and targets are not from 0 to 1."""
    matrices = targets.matrices() if isinstance(loss, str) and loss == "bce" else None
    if matrices is None:
        return
    values = matrices[0].data if sparse.issparse(matrices[0]) else matrices[0]
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high > 1:
        raise ValueError(
            f"loss='bce' needs targets from 0 to 1, and S has values from {low:g} to {high:g}: "
            "scale S, or use loss='mse'"
        )


def _check_finite(values: Tensor) -> Tensor:
    if bool(values.isinf().any()):
        raise ValueError("S contains infinity: use NaN for missing targets")
    check_magnitude("S", values.nan_to_num())
    return values


def _held_out(share: float, chances: Any) -> Any:
    """Choose entries whose random numbers are below `share`: at least one, and not all."""
    chosen = (chances < share) | (chances == chances.min())
    chosen &= chances < chances.max()
    if not chosen.any():
        raise ValueError(
            "S has too few observed entries for a validation part: use early_stopping=False"
        )
    return chosen


def without_nan(values: Tensor) -> Batch:
    """Replace NaN by 0, and return a mask of the observed values; None if all are."""
    if not bool(values.sum().isnan()):  # many times faster than checking each value
        return values, None
    missing = values.isnan()
    return (values.masked_fill(missing, 0), ~missing) if bool(missing.any()) else (values, None)
