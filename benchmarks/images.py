"""Shared by the benchmarks of pre-training on images: CIFAR-10, its splits, and fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import common, simec_data

if TYPE_CHECKING:
    from torch import nn

SEED = 0  # of the split, and of pre-training

Rows = npt.NDArray[np.int64]


class Part(NamedTuple):
    """Images, standardized, of shape (n, 3, 32, 32), and their classes."""

    x: simec_data.Features
    y: simec_data.Labels

    def take(self, rows: Any) -> Part:
        """Some of the images."""
        return Part(self.x[rows], self.y[rows])


class Parts(NamedTuple):
    """Training, validation and test images."""

    train: Part
    validation: Part
    test: Part

    def of_classes(self, classes: range) -> Parts:
        """Images of some of the classes, which are counted from 0."""
        return Parts(*(
            Part(part.x[chosen], part.y[chosen] - classes.start)
            for part in self
            for chosen in [np.isin(part.y, list(classes))]
        ))  # fmt: skip


def parser(description: str | None) -> common.ArgumentParser:
    """Arguments of both benchmarks."""
    p = simec_data.parser(description)
    p.add_argument("--full", action="store_true", help="all sizes of the thesis; takes days")
    return p


def split(images: simec_data.ImageData, n_validation: int, n_test: int | None = None) -> Parts:
    """Split the images, and standardize each color by the training images."""
    x = {"train": images.x_train, "test": images.x_test[:n_test]}
    order = np.random.default_rng(SEED).permutation(len(images.x_train))
    train, validation = order[n_validation:], order[:n_validation]
    pixels = images.x_train[train].astype(np.float32)
    mean, sd = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))

    def standardized(pixels: Any) -> simec_data.Features:
        scaled: simec_data.Features = (pixels.astype(np.float32) - mean[:, None, None]) / sd[
            :, None, None
        ]
        return scaled

    return Parts(
        Part(standardized(images.x_train[train]), images.y_train[train]),
        Part(standardized(images.x_train[validation]), images.y_train[validation]),
        Part(standardized(x["test"]), images.y_test[:n_test]),
    )


def subset(part: Part, size: int, seed: int) -> Part:
    """`size` images; those of a smaller size are among those of a larger one."""
    return part.take(np.random.default_rng(seed).permutation(len(part.y))[:size])


def fine_tuned(
    network: nn.Module, train: Part, validation: Part, seed: int, settings: dict[str, Any]
) -> Any:
    """Train all weights of a network and of a new last layer on labels.

    Returns
    -------
    simec.pretraining.PretrainedClassifier
        With the weights of the best epoch on the validation images.
    """
    from benchmarks.simec_methods import unfinished
    from simec.pretraining import PretrainedClassifier

    model = PretrainedClassifier(
        network, early_stopping="error_rate", random_state=seed, device="cpu", **settings
    )
    with unfinished():
        return model.fit(train.x, train.y, validation=validation)


def seeded(build: Any, seed: int) -> nn.Module:
    """A network with PyTorch's initial weights of a seed."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = build()
        return network
