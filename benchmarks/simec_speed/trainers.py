"""The trainers that `benchmarks.simec_speed` times, each in a separate process."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks import simec_data
from benchmarks.runs import Measured, Task, peak_mb

Array = npt.NDArray[Any]
ALPHAS = (0.1, 1.0, 10.0, 100.0)  # of ridge regressions


@dataclass
class Material:
    """Features, similarities of all training points, and those to the first n of them."""

    x: Any
    x_test: Any
    full: Array
    S: Array
    S_test: Array


# Data, written once


def mnist(folder: Path, data: Path | None, size: int, targets: int, seed: int) -> dict[str, Any]:
    """Some images, a fifth of them for testing: classes as "mnist_labels", a kernel as "mnist"."""
    from sklearn.metrics import pairwise_distances

    from simec.similarities import class_labels, rbf

    p = simec_data.points(simec_data.mnist(data), size, seed)
    x, x_test = p.x_train, p.x_test
    some = pairwise_distances(x[:1000], metric="sqeuclidean")
    gamma = 1 / float(np.median(some[some > 0]))
    of_labels = class_labels(p.y_train), class_labels(p.y_test, p.y_train)
    of_pixels = rbf(x, gamma=gamma), rbf(x_test, x, gamma=gamma)
    about = {
        name: _written(folder / name, x, x_test, *matrices, targets)
        for name, matrices in (("mnist", of_pixels), ("mnist_labels", of_labels))
    }
    return {**about["mnist"], "gamma": gamma}


def newsgroups(
    folder: Path, data: Path | None, size: int | None, targets: int, seed: int
) -> dict[str, Any]:
    """Messages without headers as TF-IDF, by date into training and test points."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    random = np.random.default_rng(seed)
    parts = []
    for split in ("train", "test"):
        texts, labels = simec_data.newsgroups(split, data=data)  # type: ignore[arg-type]
        order = random.permutation(len(texts))[:size]
        parts.append(([texts[i].partition("\n\n")[2] for i in order], np.array(labels)[order]))
    vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True, stop_words="english")
    x = vectorizer.fit_transform(parts[0][0]).astype(np.float32)
    x_test = vectorizer.transform(parts[1][0]).astype(np.float32)
    from simec.similarities import class_labels

    (_, y), (_, y_test) = parts
    matrices = class_labels(y), class_labels(y_test, y)
    return _written(folder / "newsgroups", x, x_test, *matrices, targets)


def _written(
    folder: Path, x: Any, x_test: Any, S: Array, S_test: Array, n: int
) -> dict[str, Any]:  # fmt: skip
    """Features and similarities, centered as in kernel PCA and scaled, as files."""
    from simec.similarities import Centerer, scale

    folder.mkdir(parents=True)
    centerer = Centerer().fit(S)
    centred, largest = scale(centerer.transform(S))
    np.save(folder / "S.npy", centred)
    np.save(folder / "S_test.npy", centerer.transform(S_test)[:, :n] / np.float32(largest))
    (folder / "n").write_text(str(n))
    for name, part in (("x", x), ("x_test", x_test)):
        if sparse.issparse(part):
            sparse.save_npz(folder / f"{name}.npz", part, compressed=False)
        else:
            np.save(folder / f"{name}.npy", part)
    return {
        "rows": x.shape[0], "test": x_test.shape[0], "features": x.shape[1],
        "targets": min(n, x.shape[0]),
    }  # fmt: skip


def load(task: Task) -> Material:
    """Read the result of `_written`."""
    folder = Path(task["folder"]) / task["data"]
    x, x_test = (
        sparse.load_npz(folder / f"{name}.npz").tocsr()
        if (folder / f"{name}.npz").exists()
        else np.load(folder / f"{name}.npy")
        for name in ("x", "x_test")
    )
    full = np.load(folder / "S.npy", mmap_mode="r")
    n = int((folder / "n").read_text())
    S = np.ascontiguousarray(full[:, :n], np.float32)
    return Material(x, x_test, full, S, np.load(folder / "S_test.npy"))


def error(predicted: Array, S: Array) -> float:
    """Mean squared error."""
    return float(np.square(predicted - S, dtype=np.float64).mean())


# Trainers: each gives a curve of seconds and test errors


def ours(task: Task) -> Measured:
    """The encoder: whole calls of `fit`, with more and more epochs."""
    import torch

    from simec import SimilarityEncoder

    data = load(task)

    def fit(epochs: int) -> tuple[float, Any]:
        encoder = SimilarityEncoder(
            task["d"], hidden_layers=task["hidden"], activation=task["activation"],
            max_iter=epochs, random_state=task["seed"], **task["ours"],
        )  # fmt: skip
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoder.fit(data.x, data.S)
        return time.perf_counter() - start, encoder

    warm_up(data)
    curve, train, seconds = [], 0.0, []
    for epochs in task["epochs"]:
        took, encoder = fit(epochs)
        seconds.append((epochs, took))
        curve.append((took, error(encoder.predict(data.x_test), data.S_test)))
        train = error(encoder.predict(data.x), data.S)
    (first, at_first), (last, at_last) = seconds[0], seconds[-1]
    epoch = (at_last - at_first) / max(last - first, 1)
    return {
        "curve": curve, "train": train, "epoch_s": epoch, "peak_mb": peak_mb(),
        "rows": data.S.shape[0], "targets": data.S.shape[1],
        "threads": torch.get_num_threads(), "sgemm": sgemm("cpu"),
    }  # fmt: skip


def warm_up(data: Material) -> None:
    """Start threads, and load libraries that are loaded on first use."""
    from simec import SimilarityEncoder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = SimilarityEncoder(2, hidden_layers=(4,), max_iter=1, random_state=0)
        encoder.fit(data.x[:300], data.S[:300, :300]).predict(data.x[:300])


def loop(task: Task) -> Measured:
    """The same network in a plain PyTorch loop, as in research code."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset, TensorDataset

    data = load(task)
    warm_up(data)
    torch.manual_seed(task["seed"])

    class Rows(Dataset[Any]):
        """Sparse features, made dense one by one."""

        def __len__(self) -> int:
            return int(data.x.shape[0])

        def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.from_numpy(data.x[i].toarray()[0]), targets[i]

    targets = torch.from_numpy(data.S)
    few = sparse.issparse(data.x)
    dataset: Any = Rows() if few else TensorDataset(torch.from_numpy(data.x), targets)
    loader: Any = DataLoader(dataset, batch_size=task["loop"]["batch_size"], shuffle=True)
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[task["activation"]]
    sizes, layers = [data.x.shape[1], *task["hidden"]], []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    model = nn.Sequential(
        *layers, nn.Linear(sizes[-1], task["d"]), nn.Linear(task["d"], data.S.shape[1], bias=False)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=task["loop"]["learning_rate"])
    criterion = nn.MSELoss()

    def predict(x: Any) -> Array:
        with torch.no_grad():
            parts = [x[i : i + 500] for i in range(0, x.shape[0], 500)]
            return np.vstack(
                [model(torch.from_numpy(part.toarray() if few else part)) for part in parts]
            )

    curve, seconds = [], 0.0
    for _ in range(task["loop"]["epochs"]):
        start = time.perf_counter()
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        seconds += time.perf_counter() - start
        model.eval()
        curve.append((seconds, error(predict(data.x_test), data.S_test)))
    return {
        "curve": curve, "train": error(predict(data.x), data.S), "peak_mb": peak_mb(),
        "epoch_s": seconds / len(curve),
    }  # fmt: skip


def kernel_pca(task: Task) -> Measured:
    """Kernel PCA of the full matrix, and a ridge regression of its embeddings on features."""
    from sklearn.decomposition import KernelPCA

    data = load(task)
    S = np.array(data.full)
    n = data.S.shape[1]

    def embed() -> tuple[Array, Array]:
        # by default all eigenvalues are computed for 10 or more components, which takes far longer
        model = KernelPCA(task["d"], kernel="precomputed", eigen_solver="arpack", random_state=0)
        Y = model.fit_transform(S)
        return Y, Y[:n].T

    return _regressed(data, embed)


def truncated_svd(task: Task) -> Measured:
    """Singular vectors of the targets, and a ridge regression of them on features."""
    from sklearn.decomposition import TruncatedSVD

    data = load(task)

    def embed() -> tuple[Array, Array]:
        model = TruncatedSVD(task["d"], random_state=task["seed"])
        return model.fit_transform(data.S), model.components_

    return _regressed(data, embed)


def _regressed(data: Material, embed: Callable[[], tuple[Array, Array]]) -> Measured:
    from sklearn.linear_model import Ridge

    # the penalty is chosen on a tenth of the training points, which is not timed
    start = time.perf_counter()
    Y, W = embed()
    seconds = time.perf_counter() - start
    m = data.x.shape[0] * 9 // 10

    def fitted(alpha: float, n: int) -> Any:
        return Ridge(alpha, solver="sparse_cg" if sparse.issparse(data.x) else "auto").fit(
            data.x[:n], Y[:n]
        )

    errors = [error(fitted(a, m).predict(data.x[m:]) @ W, data.S[m:]) for a in ALPHAS]
    start = time.perf_counter()
    model = fitted(ALPHAS[int(np.argmin(errors))], data.x.shape[0])
    seconds += time.perf_counter() - start
    return {
        "curve": [(seconds, error(model.predict(data.x_test) @ W, data.S_test))],
        "train": error(model.predict(data.x) @ W, data.S), "peak_mb": peak_mb(),
    }  # fmt: skip


def sgemm(device: str, dtype: str = "float32", n: int = 2048) -> float:
    """GFLOP/s of matrix products in PyTorch, the best of five."""
    import torch

    a, b = (torch.rand(n, n, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
    best = np.inf
    for _ in range(6):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return float(2 * n**3 / best / 1e9)
