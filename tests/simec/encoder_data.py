"""Features and targets in every form that an encoder takes, and plain oracles."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from torch.utils.data import Dataset

from simec import SimilarityEncoder


class Items(Dataset):
    """Rows of some arrays: features, or pairs of features and targets."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, i):
        found = tuple(array[i] for array in self.arrays)
        return found if len(found) > 1 else found[0]


INPUTS = {
    "array": lambda X: X,
    "float64": lambda X: X.astype(np.float64),
    "fortran": np.asfortranarray,
    "list": lambda X: X.tolist(),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "tensor": torch.from_numpy,
    "sparse tensor": lambda X: torch.from_numpy(X).to_sparse_csr(),
    "data set": Items,
}


def as_sparse(S):
    """What is known of S, zeros too."""
    rows, columns = np.nonzero(~np.isnan(S))
    return sparse.coo_matrix((S[rows, columns], (rows, columns)), S.shape)


# from S with NaN to S and mask
TARGETS = {
    "array": lambda S: (S, None),
    "float64": lambda S: (S.astype(np.float64), None),
    "mask": lambda S: (np.nan_to_num(S, nan=7), ~np.isnan(S)),
    "masked array": lambda S: (np.ma.masked_invalid(S), None),
    "tensor": lambda S: (torch.from_numpy(S), None),
    "csr": lambda S: (as_sparse(S).tocsr(), None),
    "coo": lambda S: (as_sparse(S), None),
    "one of k": lambda S: (S[:, :, None], None),
}


def make(m=50, n=None, D=6, rank=3, seed=0, missing=0.0, noise=0.05):
    """Features, and targets of about some rank: symmetric if n is None."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, D)).astype(np.float32)
    Y = X @ rng.standard_normal((D, rank)) / D**0.5
    S = Y @ (Y.T if n is None else rng.standard_normal((rank, n)))
    rest = noise * rng.standard_normal(S.shape)
    S = (S + (rest + rest.T if n is None else rest)).astype(np.float32)
    gone = rng.random(S.shape) < missing
    S[gone | gone.T if n is None else gone] = np.nan
    return X, S


def error(predicted, S):
    """Mean squared error of what is known."""
    return float(np.nanmean((np.asarray(predicted, np.float64) - S) ** 2))


def fitted(X, S, *, mask=None, last_layer=None, **parameters):
    """An encoder; that few epochs have not brought it to its end is no matter."""
    encoder = SimilarityEncoder(**{"n_components": 3, "random_state": 0, **parameters})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return encoder.fit(X, S, mask=mask, last_layer=last_layer)
