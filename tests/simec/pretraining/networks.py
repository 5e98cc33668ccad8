"""Networks and labelled points for tests of fine-tuning."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from simec.pretraining import PretrainedClassifier, PretrainedRegressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((80, 5)).astype(np.float32)
CLASSES = np.array(["cat", "dog", "fox"])[np.digitize(X[:, 0] + 0.3 * X[:, 1] ** 2, [-0.3, 0.6])]
VALUES = 1e4 + 50.0 * (X[:, 0] + np.abs(X[:, 1])).astype(np.float64)


def net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 16), nn.Tanh())


class Batch(NamedTuple):
    """Kinds of atoms of all points, and their numbers."""

    kinds: Tensor
    counts: Tensor


class Sets(Dataset):
    """Sets of kinds, of different sizes; collated to a structure."""

    def __init__(self, sets):
        self.sets = [np.asarray(kinds, np.int64) for kinds in sets]

    def __len__(self):
        return len(self.sets)

    def __getitem__(self, i):
        return self.sets[i]

    def collate_fn(self, items):
        kinds = torch.from_numpy(np.concatenate(items))
        return Batch(kinds, torch.tensor([len(item) for item in items]))


class Atoms(nn.Module):
    """One embedding for each part, in one of the forms that pooling takes."""

    def __init__(self, form="flat", d=6, seed=0):
        super().__init__()
        self.form = form
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.table = nn.Embedding(4, d)

    def forward(self, x):
        if self.form == "flat":
            return self.table(x.kinds), x.counts
        if self.form == "mask":
            return self.table(x.clamp(min=0)), x < 3
        return self.table(x)


def random_sets(n=60, seed=1):
    rng = np.random.default_rng(seed)
    return Sets([rng.integers(0, 4, rng.integers(2, 9)) for _ in range(n)])


CONTRIBUTIONS = np.array([-13.6, -1030.5, -1486.1, -2043.0])  # of the kinds


def energies(sets):
    return np.array([CONTRIBUTIONS[kinds].sum() for kinds in sets.sets])


def classifier(network=None, **parameters):
    defaults = {"learning_rate": 0.02, "max_iter": 40, "device": "cpu", "random_state": 0}
    return PretrainedClassifier(net() if network is None else network, **defaults | parameters)


def regressor(network=None, **parameters):
    defaults = {"learning_rate": 0.02, "max_iter": 40, "device": "cpu", "random_state": 0}
    return PretrainedRegressor(net() if network is None else network, **defaults | parameters)
