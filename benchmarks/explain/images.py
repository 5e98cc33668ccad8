"""Explanations of the similarities of shoes, by kind or by height (thesis, Figs. 5.5 to 5.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import simec_data
from benchmarks.explain.removal import area, curve, orders
from benchmarks.simec_methods import unfinished

Array = npt.NDArray[np.float64]
Images = npt.NDArray[np.float32]

CLASSES = {5: "sandal", 7: "sneaker", 9: "boot"}
SIMILARITIES = ("kind", "height")
DRAWN = 0.1  # share of the maximum from which a pixel belongs to the shoe
SIZES = {"train": 4000, "targets": 1000, "pairs": 200}
QUICK_SIZES = {"train": 800, "targets": 300, "pairs": 20}
N_CHOOSE = 30  # pairs of training images for choosing rules
ENCODER: dict[str, Any] = {
    "n_components": 32, "symmetric": 1.0, "batch_size": 64, "max_iter": 4, "learning_rate": 1e-3,
}  # fmt: skip
LRP = (
    "epsilon", "gamma", "alpha_beta", "epsilon_gamma", "epsilon_plus", "epsilon_alpha_beta",
    "epsilon_plus_flat",
)  # fmt: skip
METHODS = (*LRP, "gradient_x_input", "gradient", "random")


def shoes(data: Path | None) -> tuple[Images, Any, Images, Any]:
    """Training and test images of shape (m, 1, 28, 28), and their classes."""
    images = simec_data.fashion_mnist(data)
    parts: list[Any] = []
    for x, y in ((images.x_train, images.y_train), (images.x_test, images.y_test)):
        chosen = np.isin(y, list(CLASSES))
        parts += [x[chosen][:, None].astype(np.float32) / 255, y[chosen]]
    return tuple(parts)  # type: ignore[return-value]


def heights(X: Images) -> Array:
    """Rows from the highest to the lowest pixel of a shoe, as a share of the image height."""
    rows = (X[:, 0] > DRAWN).any(axis=2)
    first, last = rows.argmax(axis=1), rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    return (last - first) / rows.shape[1]


def similar(name: str, X: Images, y: Any, X2: Images, y2: Any) -> Array:
    """Similarities of shoes to others: 1 for the same class, or 1 - difference of the heights."""
    if name == "kind":
        return (y[:, None] == y2[None]).astype(np.float64)
    return 1 - np.abs(heights(X)[:, None] - heights(X2)[None])


def network() -> Any:
    """Four convolutions, as in the thesis, but narrower and without biases in the last layer."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32 * 49, ENCODER["n_components"], bias=False),
    )  # fmt: skip


class Shoes:
    """An encoder of one similarity, trained on some images, and pairs of other images to explain.

    Parameters
    ----------
    name : {"kind", "height"}
    data : result of `shoes`
    seed : int
    sizes : dict
    """

    def __init__(self, name: str, data: Any, seed: int, sizes: dict[str, int]) -> None:
        import torch

        from simec import SimilarityEncoder
        from simec.similarities import Centerer

        X, y, X_test, y_test = data
        chosen = np.random.default_rng(seed).permutation(len(X))[: sizes["train"]]
        X, y = X[chosen], y[chosen]
        n = sizes["targets"]
        S = similar(name, X, y, X[:n], y[:n])
        centerer = Centerer().fit(S[:n])
        self.scale = float(np.abs(centerer.transform(S[:n])).max())
        torch.manual_seed(seed)
        self.encoder = SimilarityEncoder(
            **ENCODER, network=network(), device="cpu", random_state=seed
        )
        with unfinished():
            self.encoder.fit(X, (centerer.transform(S) / self.scale).astype(np.float32))
        self.X, self.y = X, y
        self.rules = self.chosen(seed)
        true = similar(name, X_test[:1000], y_test[:1000], X_test[:1000], y_test[:1000])
        Y = self.encoder.transform(X_test[:1000])
        self.correlation = float(np.corrcoef(true.ravel(), (Y @ Y.T).ravel())[0, 1])

    def score(self, method: str, X1: Images, X2: Images, seed: int) -> Array:
        """Relevances of pixels of the first images for their similarities to the second ones."""
        from simec.explain import relevances

        if method == "random":
            return np.random.default_rng(seed).random(X1.shape)
        network = self.encoder.module_.encoder
        relevance = relevances(network, X1, self.encoder.transform(X2), composite=method)
        return relevance.astype(np.float64)

    def curves(
        self, X1: Images, X2: Images, seed: int, methods: tuple[str, ...] = METHODS
    ) -> dict[str, Array]:
        """Similarities of pairs while pixels of the first images are removed, by method."""
        Y2 = self.encoder.transform(X2).astype(np.float64)
        flat = X1.reshape(len(X1), -1)

        def value(X: Any) -> Array:
            Y = self.encoder.transform(X.reshape(X1.shape))
            return np.asarray((Y * Y2).sum(axis=1))

        by_method = {}
        for method in methods:
            scores = self.score(method, X1, X2, seed).reshape(len(X1), -1)
            by_method[method] = curve(value, flat, orders(scores, flat > 0))
        return by_method

    def chosen(self, seed: int) -> str:
        """The rules that reduce similarities of training images the fastest."""
        pairs = alike(self.X, self.y, N_CHOOSE, seed)
        by_rules = self.curves(self.X[pairs[:, 0]], self.X[pairs[:, 1]], seed, LRP)
        return min(by_rules, key=lambda method: area(by_rules[method]))


def alike(X: Images, y: Any, n: int, seed: int = 0) -> Any:
    """Pairs of images of the same kind and of about the same height, shape (n, 2)."""
    random, tall = np.random.default_rng(seed), heights(X)
    matched: list[tuple[int, int]] = []
    while len(matched) < n:
        i, j = random.integers(len(X), size=2)
        if i != j and y[i] == y[j] and abs(tall[i] - tall[j]) < 0.05:
            matched.append((int(i), int(j)))
    return np.array(matched)


def upper(R: Array, X: Images) -> float:
    """Share of positive relevance in the upper half of shoes, from their first row to the last."""
    rows = (X[:, 0] > DRAWN).any(axis=2)
    middle = rows.argmax(axis=1) + heights(X) * rows.shape[1] / 2
    by_row = np.maximum(R.reshape(X[:, 0].shape), 0).sum(axis=2)
    above = np.arange(rows.shape[1]) + 0.5 < middle[:, None]
    return float((by_row * above).sum() / by_row.sum())


def agreement(A: Array, B: Array) -> float:
    """Mean correlation of heat maps of the same images."""
    A, B = (M - M.mean(axis=1, keepdims=True) for M in (A, B))
    return float(((A * B).sum(axis=1) / np.sqrt((A**2).sum(axis=1) * (B**2).sum(axis=1))).mean())
