"""Features in batches: dense arrays, sparse rows, the identity, and PyTorch data sets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    default_collate,
)

from corpora.checks import ParameterError, shown
from corpora.errors import warn
from simec.data.frames import check_frame, for_sklearn
from simec.linalg.checks import QUIET, check_magnitude
from simec.linalg.factorization import finite
from simec.types import FloatArray, InputKind

__all__ = [
    "CHUNK",
    "INTEGERS",
    "DatasetInputs",
    "DenseInputs",
    "Identity",
    "Inputs",
    "SparseInputs",
    "as_array",
    "as_numpy",
    "check_device",
    "check_form",
    "choose_device",
    "chunk_size",
    "chunks",
    "collating",
    "dense",
    "fits_on",
    "is_dataset",
    "naming_ids",
    "outputs_of",
    "read_identity",
    "read_inputs",
    "to_device",
]  # fmt: skip

CHUNK = 4096  # rows per batch where no gradient is needed
_CUSTOM_CHUNK = 512  # the same for custom networks, such as those with convolutions
_BUFFER = 1 << 26  # maximum number of values per batch

# PyTorch warns once that its CSR format is in beta, and that it does not check indices. Both
# warnings are triggered and ignored here, because filters of warnings are not safe in threads.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1.0]), (1,))
    torch.sparse_csr_tensor(torch.tensor([0, 1]), torch.tensor([0]), torch.tensor([1.0]), (1, 1))


class Inputs(Protocol):
    """Rows of features, read in batches.

    Attributes
    ----------
    kind : {"dense", "sparse", "identity", "ids"}
    chunk : int
        Rows per batch where no gradient is needed.
    """

    kind: InputKind
    chunk: int

    def __len__(self) -> int: ...

    @property
    def n_features(self) -> int:
        """Number of features D."""
        ...

    def batch(self, rows: Tensor) -> Any:
        """Return the features of rows (int64, on the CPU) as input for the network.

        They are a tensor, unless a data set has a ``collate_fn`` that returns something else.
        """
        ...


class DenseInputs:
    """Rows of a tensor of shape (m, ...), stored on the device if they fit.

    Parameters
    ----------
    X : float32 or int64 Tensor of shape (m, ...)
        Integers are ids, which a custom network looks up.
    device : torch.device
    custom : bool
        Whether rows are for a custom network, whose hidden layers may be large.
    """

    kind: InputKind = "dense"

    def __init__(self, X: Tensor, device: torch.device, *, custom: bool = False) -> None:
        self._X = X.to(device) if fits_on(X, device) else X
        self._device = device
        self.chunk = _CUSTOM_CHUNK if custom else CHUNK
        if X.dtype == torch.int64:
            self.kind = "ids"

    def __len__(self) -> int:
        return len(self._X)

    @property
    def n_features(self) -> int:
        """Number of features in a row."""
        return int(np.prod(self._X.shape[1:]))

    @property
    def largest(self) -> float:
        """Largest value."""
        return self._X.max().item()

    def batch(self, rows: Tensor) -> Tensor:
        """Return a tensor of shape (b, ...)."""
        return self._X[rows.to(self._X.device)].to(self._device, non_blocking=True)


class SparseInputs:
    """Rows of a CSR matrix."""

    kind: InputKind = "sparse"
    chunk = CHUNK

    def __init__(self, X: Any, device: torch.device) -> None:
        self._X = sparse.csr_matrix(X, dtype=np.float32)
        self._device = device

    def __len__(self) -> int:
        return int(self._X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self._X.shape[1])

    def batch(self, rows: Tensor) -> Tensor:
        """Return a sparse CSR tensor of shape (b, D)."""
        part = self._X[rows.numpy()]
        return torch.sparse_csr_tensor(
            torch.from_numpy(part.indptr.astype(np.int64)),
            torch.from_numpy(part.indices.astype(np.int64)),
            torch.from_numpy(part.data),
            part.shape,
            device=self._device,
        )


class Identity:
    """Rows of the identity matrix, represented by their numbers."""

    kind: InputKind = "identity"
    chunk = CHUNK

    def __init__(self, rows: int | npt.NDArray[np.int64], device: torch.device) -> None:
        self._rows = torch.arange(rows) if isinstance(rows, int) else torch.from_numpy(rows)
        self._device = device

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_features(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def batch(self, rows: Tensor) -> Tensor:
        """Return row numbers, int64, of shape (b,)."""
        return self._rows[rows].to(self._device)


def is_dataset(X: object) -> TypeGuard[Dataset[Any]]:
    """Whether features are a data set: PyTorch's, or another class with ``__getitems__``.

    The latter, such as `simec.molecules.Molecules`, can be imported without PyTorch.
    """
    return isinstance(X, Dataset) or callable(getattr(type(X), "__getitems__", None))


class DatasetInputs:
    """Items of a map-style data set: features, or pairs of features and targets.

    A data set may have a method ``__getitems__``, which returns the items of a list of numbers,
    and a ``collate_fn``, which combines a list of items into a batch. A batch that is a plain tuple
    or list is a pair of features and targets. Features may be a tensor, or any structure of
    tensors that the network takes: a dict, a named tuple, or an object with a method ``to``.

    Parameters
    ----------
    data : Dataset, or another class with ``__len__``, ``__getitem__`` and ``collate_fn``
    device : torch.device
    ids : bool
        Whether integers are ids, which a custom network looks up; otherwise they become float32.
    """

    chunk = _CUSTOM_CHUNK

    def __init__(self, data: Any, device: torch.device, *, ids: bool = False) -> None:
        needed = hasattr(data, "__len__") and hasattr(data, "__getitem__")
        if isinstance(data, IterableDataset) or not needed:
            raise ValueError(
                f"X must be a map-style data set with __len__ and __getitem__, got "
                f"{type(data).__name__}"
            )
        if not len(data):
            raise ValueError("X is an empty data set: at least one item is required")
        self._data = data
        self._device = device
        self._last: tuple[Tensor, Any] | None = None
        first, self._ids = self.pairs(torch.arange(1)), ids
        self.has_targets = type(first) in (tuple, list) and len(first) > 1
        features = self.batch(torch.arange(1))
        is_tensor = isinstance(features, Tensor)
        self.kind: InputKind = "dense"
        if is_tensor and not features.dtype.is_floating_point:
            self.kind = "ids"
        self.n_features = int(np.prod(features.shape[1:])) if is_tensor else 1

    def __len__(self) -> int:
        return len(self._data)

    def pairs(self, rows: Tensor) -> Any:
        """Return the items of rows, collated to a batch."""
        # features and targets of a batch are requested one after the other
        if self._last is None or self._last[0] is not rows:
            numbers = rows.tolist()
            get_many = getattr(self._data, "__getitems__", None)
            items = get_many(numbers) if get_many else [self._data[i] for i in numbers]
            self._last = rows, collating(self._data)(items)
        return self._last[1]

    def batch(self, rows: Tensor) -> Any:
        """Return a tensor of shape (b, ...), or whatever else the items are collated to."""
        items = self.pairs(rows)
        features = items[0] if type(items) in (tuple, list) else items
        if not isinstance(features, Tensor):
            return to_device(features, self._device)
        if not bool(features.isfinite().all()):
            bad = int(rows[~features.isfinite().flatten(1).all(dim=1)][0])
            raise ValueError(f"X contains NaN or infinity: item {bad} of the data set")
        if self._ids and features.dtype in INTEGERS:
            return features.to(self._device, torch.int64)
        check_magnitude("X", features)
        return features.to(self._device, torch.float32)


def collating(data: Any) -> Callable[[Any], Any]:
    """Return the function that combines items of a data set: its ``collate_fn`` or PyTorch's.

    PyTorch's `Subset` and `ConcatDataset` have that of the data sets in them.
    """
    while not hasattr(data, "collate_fn"):
        if isinstance(data, Subset):
            data = data.dataset
        elif isinstance(data, ConcatDataset):
            data = data.datasets[0]
        else:
            return _default_batch
    own: Callable[[Any], Any] = data.collate_fn
    return own


def _default_batch(items: Any) -> Any:
    """Combine the items of a data set without ``collate_fn`` to a batch.

    Raises
    ------
    ValueError
        If they have no common shape, or are not tensors, arrays or numbers.
    """
    try:
        return default_collate(items)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"the items of the data set cannot be combined to a batch: {error}. Convert them to "
            "tensors of equal shape, or add a method collate_fn(items) to the data set"
        ) from error


INTEGERS = torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8


def to_device(values: Any, device: torch.device) -> Any:
    """Move a structure of tensors (dicts, lists, tuples, objects with ``to``) to a device.

    Raises
    ------
    ValueError
        If a tensor contains NaN or infinity.
    """
    if isinstance(values, Tensor):
        if values.dtype.is_floating_point and not bool(values.isfinite().all()):
            raise ValueError("X contains NaN or infinity in a batch of the data set")
        return values.to(device)
    if isinstance(values, Mapping):
        return {name: to_device(value, device) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        moved = [to_device(value, device) for value in values]
        return type(values)(*moved) if hasattr(values, "_fields") else type(values)(moved)
    return values.to(device) if hasattr(values, "to") else values


@contextmanager
def naming_ids(inputs: Inputs) -> Iterator[None]:
    """Raise ValueError instead of PyTorch's error for ids outside the range of an embedding."""
    try:
        yield
    except IndexError as error:
        if inputs.kind != "ids":
            raise
        largest = f"the id {inputs.largest}" if isinstance(inputs, DenseInputs) else "an id in X"
        raise ValueError(
            f"network does not accept {largest}: {error}; increase num_embeddings of its "
            "nn.Embedding, or replace ids that it does not have"
        ) from error


def outputs_of(network: Callable[[Any], Tensor], inputs: Inputs) -> FloatArray:
    """Apply a network to all rows, without gradients.

    Parameters
    ----------
    network : callable
        From a batch to a tensor of shape (b, ...), on any device.
    inputs : Inputs

    Returns
    -------
    float32 array of shape (m, ...)

    Raises
    ------
    ValueError
        If outputs are not finite, or the network looks up an id that it does not have.
    """
    with torch.inference_mode(), naming_ids(inputs):
        parts = [
            network(inputs.batch(rows)).float().cpu()
            for rows in chunks(len(inputs), largest=inputs.chunk)
        ]
    return finite("outputs", np.asarray(torch.cat(parts).numpy()))


def check_device(name: Any) -> None:
    """Raise ValueError unless a name is "auto" or that of a PyTorch device, available or not."""
    try:
        if not isinstance(name, (str, torch.device, int)) or isinstance(name, bool):
            raise TypeError(type(name).__name__)
        kind = torch.device("cpu" if name == "auto" else name).type
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device must be 'auto' or a PyTorch device such as 'cpu' or 'cuda', got {name!r}"
        ) from error
    if kind == "meta":
        raise ValueError("device must not be 'meta', which has no values: use 'auto' or 'cpu'")


def choose_device(name: str | torch.device) -> torch.device:
    """Return the device of this name; "auto" is the GPU if one is available, else the CPU.

    Raises
    ------
    ValueError
        If PyTorch does not know the device.
    RuntimeError
        If the device is not available here.
    """
    check_device(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            f"device={str(name)!r} was requested, but PyTorch finds no GPU here: use "
            "device='auto' or 'cpu', or install a build of PyTorch with CUDA"
        )
    try:
        torch.empty(1, device=device)
    except (AssertionError, ImportError, RuntimeError) as error:
        raise RuntimeError(
            f"device={str(name)!r} was requested, but PyTorch cannot use it here: use "
            "device='auto' or 'cpu'"
        ) from error
    return device


def read_inputs(
    estimator: BaseEstimator,
    X: Any,
    device: torch.device,
    *,
    reset: bool,
    custom: bool,
    ids: bool = False,
) -> Inputs:
    """Check features, and wrap them so that they can be read in batches.

    Parameters
    ----------
    estimator : BaseEstimator
        Stores the number and names of the features.
    X : array, CSR matrix, tensor or Dataset; of shape (m, D), or (m, ...) with `custom`
    device : torch.device
    reset : bool
        Whether to store the number and names of the features. If not, they must match those of
        `fit`.
    custom : bool
        Whether they are for a custom network. Rows may then have more than one dimension.
    ids : bool
        Whether integers are ids, which the network looks up; otherwise they become float32.
    """
    if reset:
        vars(estimator).pop("feature_names_in_", None)
    if is_dataset(X):
        items = DatasetInputs(X, device, ids=ids)
        if not reset:
            _check_width(estimator, items.n_features)
        return items
    if X is None:
        raise ValueError("X is None, but the model was fitted with features: pass features")
    if isinstance(X, Tensor):
        X = as_numpy(X)
    check_form(X)
    X = for_sklearn("X", X)
    with np.errstate(**QUIET):  # values beyond float32 are an error
        if custom and not sparse.issparse(X):
            if hasattr(X, "columns") or hasattr(estimator, "feature_names_in_"):
                validate_data(estimator, X, skip_check_array=True, reset=reset)
            ids = ids and np.asarray(X).dtype.kind in "iu"
            X = check_array(
                X, dtype=np.int64 if ids else np.float32, allow_nd=True, ensure_2d=False,
                estimator=estimator, input_name="X",
            )  # fmt: skip
            if not reset:
                _check_width(estimator, int(np.prod(X.shape[1:])))
        else:
            X = validate_data(estimator, X, accept_sparse="csr", dtype=np.float32, reset=reset)
    if not ids:
        check_magnitude("X", X.data if sparse.issparse(X) else X)
    elif len(X) and X.min() < 0:
        raise ValueError(f"X contains the id {X.min()}: ids must be >= 0")
    if reset and _are_equal(X):
        warn("all rows of X are equal: they cannot be distinguished, and get the same embedding")
    if sparse.issparse(X):
        return SparseInputs(X, device)
    # PyTorch has no read-only tensors
    writable = X if X.flags.writeable else X.copy()
    return DenseInputs(torch.from_numpy(np.ascontiguousarray(writable)), device, custom=custom)


def check_form(X: Any) -> None:
    """Raise ParameterError for objects that cannot become an array of features."""
    check_frame("X", X)
    if isinstance(X, DataLoader):
        hint = "pass its data set, X.dataset"
    elif isinstance(X, Mapping) or hasattr(X, "_fields"):
        hint = "pass a map-style data set whose batches have this form"
    elif isinstance(X, (list, tuple)) and len(X) and is_dataset(X[0]):
        hint = "pass one data set instead of several"
    elif isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], str):
        hint = "convert texts to numbers, or SMILES by simec.molecules.read_molecules"
    elif isinstance(X, Iterator):
        hint = "pass a list or an array"
    else:
        return
    raise ParameterError(
        "X must be an array, a sparse matrix, a tensor, a data frame or a map-style data set, got "
        f"{shown(X)}: {hint}"
    )


def _are_equal(X: Any) -> bool:
    """Whether there are several rows, which are all equal; of sparse ones, whether all are 0."""
    if X.shape[0] < 2 or sparse.issparse(X):
        return bool(X.shape[0] > 1 and not X.count_nonzero())
    # comparing two rows is fast, and nearly always sufficient
    return bool((X[0] == X[-1]).all() and (X[0] == X).all())


def _check_width(estimator: BaseEstimator, n_features: int) -> None:
    if n_features != estimator.n_features_in_:
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )


def read_identity(X: Any, n_rows: int, device: torch.device) -> Identity:
    """Return rows of the identity: all rows for None, or the rows with the given numbers."""
    if X is None:
        return Identity(n_rows, device)
    numbers = np.asarray(X)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(
            "the model was fitted without features: X must be None for all rows, or an array of "
            f"row numbers, got an array of shape {numbers.shape} and {numbers.dtype}"
        )
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n_rows):
        raise ValueError(
            f"row numbers must be from 0 to {n_rows - 1}, got {numbers.min()} to {numbers.max()}"
        )
    return Identity(numbers.astype(np.int64), device)


def as_array(values: Tensor) -> npt.NDArray[Any]:
    """Convert a dense tensor to an array; bfloat16 becomes float32, as NumPy does not have it."""
    values = values.detach().cpu()
    array: npt.NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


def as_numpy(values: Tensor) -> Any:
    """Convert a tensor to an array, or to a CSR matrix if it is sparse."""
    if values.layout == torch.strided:
        return as_array(values)
    values = values.detach().cpu()
    if values.dtype == torch.bfloat16:
        values = values.float()
    csr = values.to_sparse_csr()
    parts = csr.values().numpy(), csr.col_indices().numpy(), csr.crow_indices().numpy()
    return sparse.csr_matrix(parts, csr.shape)


def fits_on(values: Tensor, device: torch.device) -> bool:
    """Whether a tensor takes less than half of the free memory of a GPU; True on the CPU."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 2 * values.numel() * values.element_size() < free


def chunks(n: int, width: int = 1, largest: int = CHUNK) -> Iterator[Tensor]:
    """Yield the numbers of all rows in chunks of at most `largest`; wide rows make short chunks."""
    size = min(largest, chunk_size(width))
    for start in range(0, n, size):
        yield torch.arange(start, min(start + size, n))


def chunk_size(width: int) -> int:
    """Number of rows of this width to process at a time."""
    return max(1, min(CHUNK, _BUFFER // max(width, 1)))


def dense(x: Tensor) -> Tensor:
    """Convert a batch to a dense tensor."""
    return x if x.layout == torch.strided else x.to_dense()
