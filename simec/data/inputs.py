"""Features in batches: dense arrays, sparse rows, the identity, and data sets of PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

FloatArray = npt.NDArray[np.float32]
CHUNK = 4096  # rows at a time where no gradient is taken
_NUMBERS = 1 << 26  # held for them at most


class Inputs(Protocol):
    """Rows of features that can be had in batches."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor) -> Tensor:
        """Those of some rows, int64 on the CPU, as the embedding network takes them."""
        ...


class DenseInputs:
    """Rows of a tensor of shape (m, ...), held on the device where they are used."""

    def __init__(self, X: Tensor, device: torch.device) -> None:
        self._X = fitting(X, device)
        self._device = device

    def __len__(self) -> int:
        return len(self._X)

    def batch(self, rows: Tensor) -> Tensor:
        """Shape (b, ...)."""
        return self._X[rows.to(self._X.device)].to(self._device, non_blocking=True)


class SparseInputs:
    """Rows of a matrix in CSR format."""

    def __init__(self, X: Any, device: torch.device) -> None:
        self._X = sparse.csr_matrix(X, dtype=np.float32)
        self._device = device

    def __len__(self) -> int:
        return int(self._X.shape[0])

    def batch(self, rows: Tensor) -> Tensor:
        """A sparse tensor in CSR format, shape (b, D)."""
        part = self._X[rows.numpy()]
        with quiet_about_sparse():
            return torch.sparse_csr_tensor(
                torch.from_numpy(part.indptr.astype(np.int64)),
                torch.from_numpy(part.indices.astype(np.int64)),
                torch.from_numpy(part.data),
                part.shape,
                device=self._device,
            )


class Identity:
    """Rows of the identity matrix, which are known by their numbers."""

    def __init__(self, rows: int | npt.NDArray[np.int64], device: torch.device) -> None:
        self._rows = torch.arange(rows) if isinstance(rows, int) else torch.from_numpy(rows)
        self._device = device

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: Tensor) -> Tensor:
        """Numbers of rows, int64, shape (b,)."""
        return self._rows[rows].to(self._device)


class DatasetInputs:
    """Items of a map-style data set: features, or pairs of features and targets."""

    def __init__(self, data: Dataset[Any], device: torch.device) -> None:
        if isinstance(data, IterableDataset) or not hasattr(data, "__len__"):
            raise ValueError(
                f"{type(data).__name__} has no items by number: a data set with __len__ and "
                "__getitem__ is needed"
            )
        self._data = data
        self._device = device
        self._last: tuple[Tensor, Any] | None = None

    def __len__(self) -> int:
        return len(self._data)

    @property
    def has_targets(self) -> bool:
        """Whether items are pairs."""
        first = self._data[0]
        return isinstance(first, (tuple, list)) and len(first) > 1

    def pairs(self, rows: Tensor) -> Any:
        """What the data set gives for some rows, collated."""
        from torch.utils.data import default_collate

        # features and targets of a batch are asked for one after the other
        if self._last is None or self._last[0] is not rows:
            numbers = rows.tolist()
            several = getattr(self._data, "__getitems__", None)
            items = several(numbers) if several else [self._data[i] for i in numbers]
            self._last = rows, default_collate(items)
        return self._last[1]

    def batch(self, rows: Tensor) -> Tensor:
        """Shape (b, ...)."""
        found = self.pairs(rows)
        features: Tensor = found[0] if isinstance(found, (tuple, list)) else found
        if not bool(features.isfinite().all()):
            bad = int(rows[~features.isfinite().flatten(1).all(dim=1)][0])
            raise ValueError(f"X contains NaN or infinity: item {bad} of the data set")
        return features.to(self._device, torch.float32)


def fitting(values: Tensor, device: torch.device) -> Tensor:
    """The same on the device, if it fills less than half of the memory free there."""
    if device.type != "cuda":
        return values
    free, _ = torch.cuda.mem_get_info(device)
    return values.to(device) if 2 * values.numel() * values.element_size() < free else values


def chunks(n: int, width: int = 1) -> Iterator[Tensor]:
    """Numbers of all rows, some at a time; fewer if a row has many numbers."""
    size = chunk_size(width)
    for start in range(0, n, size):
        yield torch.arange(start, min(start + size, n))


def chunk_size(width: int) -> int:
    """How many rows of a width are taken at a time."""
    return max(1, min(CHUNK, _NUMBERS // max(width, 1)))


def dense(x: Tensor) -> Tensor:
    """A batch without sparse formats."""
    return x if x.layout == torch.strided else x.to_dense()


@contextmanager
def quiet_about_sparse() -> Iterator[None]:
    """Without PyTorch's notes that its CSR format is a beta and is not checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor|invariant)")
        yield
