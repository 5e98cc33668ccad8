"""Data sets of the benchmarks of simec: images and texts, read from a folder of data sets.

The folder holds `simec/images/mnist.npz` and so on. It is the one given, or the one that the
environment variable CORPORA_DATA names, or `shared/data` next to the project's folder.
"""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import common

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32]

_VARIABLE = "CORPORA_DATA"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


class ImageData(NamedTuple):
    """Gray-scale images of 28 × 28 pixels, or color images of 3 × 32 × 32."""

    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels


class Points(NamedTuple):
    """Feature vectors and classes of training and of test points."""

    x_train: Features
    y_train: Labels
    x_test: Features
    y_test: Labels


def parser(description: str | None, *, seeds: int = 3) -> common.ArgumentParser:
    """Arguments of all benchmarks, and `--data`, the folder of data sets."""
    p = common.parser(description, seeds=seeds, corpus=False)
    p.add_argument(
        "--data", type=Path, metavar="FOLDER",
        help=f"folder that holds simec/ (default: what {_VARIABLE} names)",
    )  # fmt: skip
    return p


def find(relative: str, data: str | Path | None = None) -> Path:
    """Find a file or folder of the data sets of simec.

    Parameters
    ----------
    relative : str
        Path within `simec`, such as "images/mnist.npz".
    data : path, optional
        Folder that holds `simec`; if given, no other place is searched.

    Raises
    ------
    SystemExit
        If it is missing. The message lists the places that were searched.
    """
    local = os.environ.get(_VARIABLE)
    if data is not None:
        roots = [Path(data).expanduser()]
    else:
        roots = [*([Path(local).expanduser()] if local else []), _BESIDE]
    for root in roots:
        path = root / "simec" / relative
        if path.exists():
            return path
    looked = " or ".join(str(root / "simec") for root in roots)
    raise SystemExit(
        f"simec/{relative} was not found in {looked}. Name the folder that holds "
        f"simec/ by --data or by the environment variable {_VARIABLE}"
    )


def mnist(data: str | Path | None = None) -> ImageData:
    """60,000 and 10,000 handwritten digits."""
    return _images("mnist", data)


def fashion_mnist(data: str | Path | None = None) -> ImageData:
    """60,000 and 10,000 pieces of clothing, of ten kinds."""
    return _images("fashion_mnist", data)


def cifar10(data: str | Path | None = None) -> ImageData:
    """20,000 of the 50,000 training images and all 10,000 test images, (n, 3, 32, 32), RGB."""
    with np.load(find("images/cifar10_20k10k.npz", data)) as file:
        return ImageData(
            _decoded(file["z_train"]), file["y_train"].astype(np.int64),
            _decoded(file["z_test"]), file["y_test"].astype(np.int64),
        )  # fmt: skip


def _decoded(differences: Images) -> Images:
    """Undo differences of neighboring pixels, and of red and blue to green."""
    sums = np.cumsum(np.cumsum(differences, axis=-1, dtype=np.uint8), axis=-2, dtype=np.uint8)
    green = sums[:, 0]
    return np.stack([sums[:, 1] + green, green, sums[:, 2] + green], axis=1)


def _images(name: str, data: str | Path | None) -> ImageData:
    with np.load(find(f"images/{name}.npz", data)) as file:
        return ImageData(
            file["x_train"], file["y_train"].astype(np.int64),
            file["x_test"], file["y_test"].astype(np.int64),
        )  # fmt: skip


def subset(n: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """`size` different numbers below n, drawn at random.

    Raises
    ------
    ValueError
        If `size` is larger than n, or less than 1.
    """
    if not 0 < size <= n:
        raise ValueError(f"size must be from 1 to {n}, got {size}")
    return np.random.default_rng(seed).permutation(n)[:size]


def points(images: ImageData, size: int, seed: int, *, test: float = 0.2) -> Points:
    """Some of the training images as vectors, split into training and test points.

    Pixels are divided by their maximum, and centered by the mean of the training points.

    Parameters
    ----------
    images : ImageData
    size : int
        Total number of points.
    seed : int
        Of the subset and the split.
    test : float
        Share of test points.
    """
    chosen = subset(len(images.x_train), size, seed)
    x = images.x_train[chosen].reshape(size, -1).astype(np.float32)
    x /= x.max()
    y = images.y_train[chosen]
    n_train = size - round(test * size)
    x -= x[:n_train].mean(axis=0)
    return Points(x[:n_train], y[:n_train], x[n_train:], y[n_train:])


def newsgroups(
    split: Literal["train", "test"],
    groups: tuple[str, ...] | None = None,
    data: str | Path | None = None,
) -> tuple[list[str], list[str]]:
    """Messages of 20 Newsgroups with their headers, sorted by date into train and test.

    Parameters
    ----------
    split : {"train", "test"}
    groups : tuple of str, optional
        Only those of these groups.
    data : path, optional

    Returns
    -------
    texts : list of str
    labels : list of str
        Names of groups.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, got {split!r}")
    texts, labels = [], []
    with lzma.open(find("text/20news_bydate.jsonl.xz", data), "rt", encoding="utf-8") as file:
        for line in file:
            message: dict[str, Any] = json.loads(line)
            if message["split"] == split and (groups is None or message["group"] in groups):
                texts.append(message["text"])
                labels.append(message["group"])
    if groups is not None and (unknown := set(groups) - set(labels)):
        raise ValueError(f"no messages of the groups {', '.join(sorted(unknown))}")
    return texts, labels
