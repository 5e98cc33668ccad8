"""Similarity pre-training of a small network for images: thesis, Fig. 6.5, and one more.

Networks are pre-trained on 15,000 images of CIFAR-10, get a new last layer, and all weights are
fine-tuned on some of these images with their labels. Methods of the thesis:

- none: no pre-training
- ae, ae_linear: auto-encoders with a mirrored decoder, and with a linear layer as decoder
- labels: pre-training on the labels of all 15,000 images
- simec_linear: a Similarity Encoder for the linear kernel of pixels
- simec_classes: for similarities of 1 within a class and 0 otherwise, of all 15,000 images
- simec_half: for the mean of both, each scaled to 0..1

labels, simec_classes and simec_half know all labels, as in the thesis. Methods of ours, with no
more labels than those of fine-tuning:

- unsupervised: a Similarity Encoder for similarities by patches (`simec.similarities.Patches`), of
  images that are shifted and mirrored at random while their targets stay the same
- untrained: ridge regression on embeddings of the network with random weights
- unsupervised_ridge: ridge regression on embeddings of the network after "unsupervised"
- contrastive: SimCLR with lightly's loss (extra `contrastive`); only if `--methods` names it
- simec_half_few: simec_half with similarities of classes among the images of fine-tuning alone,
  and all others missing
- unsupervised_few: "unsupervised", continued with these similarities of classes as further targets

Similarities are those to 1,000 target images. Everything is trained by the same settings with Adam
(pre-training: cosine decay, without validation; fine-tuning: the rate is halved on stalls, and the
weights of the best epoch on validation images are kept). Networks are pre-trained once, except for
the two with few labels, and fine-tuned with several seeds; a seed determines the labelled images,
the weights of the last layer and, without pre-training, all weights. Large sets of labels have
one seed, unless `--seeds-large` is higher. Measurements and networks are kept next to the
results, and an interrupted run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts, images, simec_data
from benchmarks.cache import Cache
from benchmarks.common import Result, Table, at_least_one, number, over_runs, report
from benchmarks.images import SEED, Part, Parts
from benchmarks.simec_methods import line, unfinished

if TYPE_CHECKING:
    from torch import nn

SIZES = (100, 500, 2500, 10_000)
FULL_SIZES = (100, 250, 500, 1000, 2500, 5000, 10_000, 15_000)
QUICK_SIZES = (100, 500)
LARGE = 10_000  # labels from which on fewer seeds are used
FEW_SIZES = (500,)  # of methods that are pre-trained for each set of labels
N_TRAIN, N_VALIDATION = 15_000, 2500
QUICK_TRAIN, QUICK_VALIDATION, QUICK_TEST = 1000, 200, 500
RIDGE = ("unsupervised_ridge", "untrained")
FEW = ("simec_half_few", "unsupervised_few")
CONTRASTIVE = "contrastive"
METHODS = (
    "none", "unsupervised", *RIDGE, "labels", "simec_half", "simec_classes", "simec_linear",
    "ae_linear", "ae", *FEW, CONTRASTIVE,
)  # fmt: skip
N_TARGETS = 1000
PRETRAINING: dict[str, Any] = {"learning_rate": 1e-3, "batch_size": 128, "max_iter": 30}
_SCHEDULE: dict[str, Any] = {"decay": "cosine", "n_iter_no_change": 1000, "device": "cpu"}
FINE_TUNING: dict[str, Any] = {
    "learning_rate": 1e-3, "network_learning_rate": 1e-4, "batch_size": 32, "max_iter": 50,
    "n_iter_no_change": 10,
}  # fmt: skip
CONTINUED = 0.25  # share of epochs of unsupervised_few
SHIFT = 2  # pixels
PATCHES: dict[str, Any] = {"n_components": 150, "whitening": 1.0, "n_centers": 400}
QUICK_PATCHES: dict[str, Any] = {"n_components": 20, "n_centers": 20, "n_patches": 5000}
QUICK_EPOCHS = 2
# number of labels -> accuracy, of three runs with 45,000 images
REFERENCES = {
    "none": {100: 0.216, 500: 0.360, 1000: 0.382, 2500: 0.445, 10_000: 0.562},
    "labels": {100: 0.492, 500: 0.633, 1000: 0.654, 2500: 0.669, 10_000: 0.681},
    "ae_linear": {100: 0.210, 500: 0.350, 1000: 0.388, 2500: 0.445, 10_000: 0.551},
    "ae": {100: 0.213, 500: 0.360, 1000: 0.382, 2500: 0.461, 10_000: 0.570},
    "simec_linear": {100: 0.202, 500: 0.358, 1000: 0.392, 2500: 0.443, 10_000: 0.547},
    "simec_half": {100: 0.358, 500: 0.554, 1000: 0.556, 2500: 0.588, 10_000: 0.613},
    "simec_classes": {100: 0.407, 500: 0.548, 1000: 0.565, 2500: 0.585, 10_000: 0.615},
}


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    p = images.parser(__doc__)
    p.add_argument(
        "--seeds-large", type=at_least_one, default=1, metavar="N",
        help=f"number of runs with {LARGE:,} labels or more (default 1)",
    )  # fmt: skip
    p.add_argument("--labels", type=at_least_one, nargs="+", metavar="N", help="numbers of labels")
    p.add_argument(
        "--methods", choices=METHODS, nargs="+", metavar="NAME",
        default=tuple(method for method in METHODS if method != CONTRASTIVE),
        help=f"methods, by their names above (default: all except {CONTRASTIVE})",
    )  # fmt: skip
    args = p.parse_args(argv)
    pretraining, fine_tuning, patches = PRETRAINING, FINE_TUNING, PATCHES
    if args.quick:
        pretraining = {**pretraining, "max_iter": QUICK_EPOCHS}
        fine_tuning = {**fine_tuning, "max_iter": QUICK_EPOCHS}
        patches = QUICK_PATCHES
    parts = split(simec_data.cifar10(args.data), args.quick)
    sizes = args.labels or (QUICK_SIZES if args.quick else FULL_SIZES if args.full else SIZES)
    sizes = tuple(sorted({n for n in sizes if n <= len(parts.train.y)}))
    few = sizes if args.full else tuple(n for n in sizes if n in FEW_SIZES)
    runs = {n: args.seeds if n < LARGE else min(args.seeds, args.seeds_large) for n in sizes}
    corpus = {
        "name": "cifar10", "train": len(parts.train.y), "validation": len(parts.validation.y),
        "test": len(parts.test.y),
    }  # fmt: skip
    settings = {
        "pretraining": pretraining, "fine_tuning": fine_tuning, "targets": N_TARGETS,
        "patches": patches, "shift": SHIFT,
    }  # fmt: skip
    # networks do not depend on how they are fine-tuned
    about = {"corpus": corpus, **settings, "fine_tuning": None}
    networks = Networks(parts, settings, Cache(args.json, about))
    measured = measure(networks, args.methods, runs, few)
    results = [
        over_runs(
            f"acc.{size}.{method}", values, "accuracy",
            reference=REFERENCES.get(method, {}).get(size), source="thesis",
        )
        for (size, method), values in measured.items()
    ]  # fmt: skip
    by_name = {result.name: result for result in results}
    protocol = {
        **pretraining, **{f"fine_tuning_{k}": v for k, v in fine_tuning.items()}, **patches,
        "targets": N_TARGETS, "shift": SHIFT, "seeds": args.seeds,
        "seeds_large": args.seeds_large, "quick": args.quick, "full": args.full,
    }  # fmt: skip
    report(
        "pretraining_images", protocol, corpus, results, args.json,
        tables=[_table(by_name, sizes)], chart=draw,
    )  # fmt: skip


def split(data: simec_data.ImageData, quick: bool) -> Parts:
    """Training, validation and test images."""
    if quick:
        n = QUICK_TRAIN + QUICK_VALIDATION
        data = simec_data.ImageData(data.x_train[:n], data.y_train[:n], data.x_test, data.y_test)
        return images.split(data, QUICK_VALIDATION, QUICK_TEST)
    n_rest = len(data.y_train) - N_TRAIN
    parts = images.split(data, n_rest)
    return parts._replace(validation=parts.validation.take(slice(min(N_VALIDATION, n_rest))))


def build(shape: tuple[int, ...]) -> nn.Sequential:
    """The convolutional network of Fig. 6.4 without its last layer."""
    import torch
    from torch import nn

    features = nn.Sequential(
        nn.Conv2d(shape[0], 16, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(16, 8, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
    )  # fmt: skip
    with torch.no_grad():
        width = features(torch.zeros(1, *shape)).shape[1]
    network = nn.Sequential(
        *features, nn.Linear(width, 512), nn.Tanh(), nn.Linear(512, 512), nn.Tanh()
    )
    return network.to(memory_format=torch.channels_last)  # convolutions are faster


class Networks:
    """Pre-trained networks by method, trained when they are needed.

    Parameters
    ----------
    parts : Parts
    settings : dict
        Of pre-training, fine-tuning, and similarities.
    cache : Cache
    """

    def __init__(self, parts: Parts, settings: dict[str, Any], cache: Cache) -> None:
        self.parts, self.settings, self.cache = parts, settings, cache
        self.shape = parts.train.x.shape[1:]
        rng = np.random.default_rng(SEED)
        self.targets = rng.permutation(len(parts.train.y))[:N_TARGETS]
        self._found: dict[str, nn.Module] = {}

    def new(self, seed: int = SEED) -> nn.Sequential:
        """A network with random weights."""
        network: Any = images.seeded(lambda: build(self.shape), seed)
        return network

    def get(self, method: str, labelled: Part, rows: npt.NDArray[np.int64], seed: int) -> nn.Module:
        """The network before it is fine-tuned on labelled images, which are rows of all."""
        if method in ("none", "untrained"):
            return self.new(seed)
        if method in FEW:
            # these are needed once
            return self._pretrained(method, rows, {"seed": seed, "labels": len(labelled.y)})
        method = method.removesuffix("_ridge")
        if method not in self._found:
            self._found[method] = self._pretrained(method, rows, {})
        return self._found[method]

    def _pretrained(
        self, method: str, rows: npt.NDArray[np.int64], of: dict[str, Any]
    ) -> nn.Module:
        if method == "labels":
            of = {**of, "fine_tuning": self._settings_of_labels()}
        train: Callable[[], nn.Module] = getattr(
            self, f"_{method}", lambda: self._few(method, rows)
        )
        return self.cache.network({"pretraining": method, **of}, self.new(), train)

    def _fit(self, S: Any, network: nn.Module | None = None, **more: Any) -> Any:
        from simec import SimilarityEncoder

        encoder = SimilarityEncoder(
            512, network=self.new() if network is None else network, solver="adam", init="random",
            random_state=SEED, **_SCHEDULE, **self.settings["pretraining"] | more,
        )  # fmt: skip
        with unfinished():
            return encoder.fit(self.parts.train.x, S).network_

    def _labels(self) -> nn.Module:
        train, validation, _ = self.parts
        model = images.fine_tuned(self.new(), train, validation, SEED, self._settings_of_labels())
        network: nn.Module = model.network_
        return network

    def _settings_of_labels(self) -> dict[str, Any]:
        return {**self.settings["fine_tuning"], "network_learning_rate": None}

    def _ae(self) -> nn.Module:
        from simec.pretraining import mirrored

        decoder = images.seeded(lambda: mirrored(self.new(), self.parts.train.x[:2]), SEED)
        network: nn.Module = self._fit(None, decoder=decoder)
        return network

    def _ae_linear(self) -> nn.Module:
        x = self.parts.train.x
        network: nn.Module = self._fit(x.reshape(len(x), -1))
        return network

    def _linear(self) -> Any:
        from simec.similarities import linear, min_max

        x = self.parts.train.x.reshape(len(self.parts.train.y), -1)
        return min_max(linear(x, x[self.targets])).astype(np.float32)

    def _classes(self) -> Any:
        from simec.similarities import class_labels

        y = self.parts.train.y
        return class_labels(y, y[self.targets])

    def _simec_linear(self) -> nn.Module:
        return self._similar(self._linear())

    def _simec_classes(self) -> nn.Module:
        return self._similar(self._classes())

    def _simec_half(self) -> nn.Module:
        return self._similar(0.5 * self._linear() + 0.5 * self._classes())

    def _similar(self, S: Any) -> nn.Module:
        from simec.similarities import standardize

        network: nn.Module = self._fit(standardize(S))
        return network

    def _patches(self) -> Any:
        from simec.similarities import patches, standardize

        x = self.parts.train.x
        S = patches(x, x[self.targets], random_state=SEED, **self.settings["patches"])
        return standardize(S)

    def _unsupervised(self) -> nn.Module:
        network: Any = self._fit(self._patches(), _views(self.new()))
        trained: nn.Module = network.network
        return trained

    def _contrastive(self) -> nn.Module:
        from simec.pretraining import TwoViews, augment_images, pretrain_contrastive

        with unfinished():
            return pretrain_contrastive(
                self.new(), TwoViews(self.parts.train.x, augment_images), random_state=SEED,
                **_SCHEDULE, **self.settings["pretraining"],
            )  # fmt: skip

    def _few(self, method: str, rows: npt.NDArray[np.int64]) -> nn.Module:
        """Similarities of classes among the labelled images, and others among all images."""
        from simec.data.targets import MixedTargets
        from simec.similarities import class_labels, standardize

        y = self.parts.train.y
        known = np.full((len(y), len(rows)), np.nan, np.float32)
        known[rows] = standardize(class_labels(y[rows]))
        if method == "simec_half_few":
            mixed = MixedTargets([standardize(self._linear()), known], device="cpu")
            network: nn.Module = self._fit(mixed)
            return network
        mixed = MixedTargets([self._patches(), known], device="cpu")
        start = self.get("unsupervised", self.parts.train, rows, SEED)
        epochs = max(1, round(CONTINUED * self.settings["pretraining"]["max_iter"]))
        continued: Any = self._fit(mixed, _views(start), max_iter=epochs)
        trained: nn.Module = continued.network
        return trained


def _views(network: nn.Module) -> nn.Module:
    """The network, with random views of images in training."""
    from functools import partial

    from simec.pretraining import RandomViews, shift_images

    return RandomViews(network, partial(shift_images, pixels=SHIFT))


def measure(
    networks: Networks, methods: Sequence[str], runs: dict[int, int], few: tuple[int, ...]
) -> dict[tuple[int, str], list[float]]:
    """Accuracies of all seeds by number of labels and method."""
    from tqdm import tqdm

    parts, settings = networks.parts, networks.settings["fine_tuning"]
    measured: dict[tuple[int, str], list[float]] = {}
    # one seed after another, so that an interrupted run has something of each
    order = [
        (size, method, seed)
        for seed in range(1, max(runs.values()) + 1)
        for size in runs if seed <= runs[size]
        for method in methods if method not in FEW or size in few
    ]  # fmt: skip
    for size, method, seed in tqdm(order, desc="fits", unit="fit"):
        # those of a smaller size are among those of a larger one
        rows = np.random.default_rng(seed).permutation(len(parts.train.y))[:size]
        labelled = parts.train.take(rows)

        def fit(
            method: str = method, labelled: Part = labelled, rows: Any = rows, seed: int = seed
        ) -> dict[str, Any]:
            network = networks.get(method, labelled, rows, seed)
            more: dict[str, Any] = {}
            if method in ("none", *RIDGE):
                more["network_learning_rate"] = None
            if method in RIDGE:
                more["head"] = "ridge"
            model = images.fine_tuned(network, labelled, parts.validation, seed, settings | more)
            return {"accuracy": float(model.score(*parts.test)), "epochs": model.n_iter_}

        task = {"labels": size, "method": method, "seed": seed, "fine_tuning": settings}
        found = networks.cache.once(task, fit)
        measured.setdefault((size, method), []).append(found["accuracy"])
    return measured


def _table(by_name: dict[str, Result], sizes: tuple[int, ...]) -> Table:
    rows = []
    measured = {name.partition(".")[2].partition(".")[2] for name in by_name}
    for method in (m for m in METHODS if m in measured):
        cells = []
        for size in sizes:
            found = by_name.get(f"acc.{size}.{method}")
            known = REFERENCES.get(method, {}).get(size)
            cells.append(number(found) + ("" if known is None else f" ({known:.3f})"))
        rows.append((method, *cells))
    return Table(("accuracy (thesis) by labels", *(f"{size:,}" for size in sizes)), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Accuracies by the number of labels: methods with all labels, and with few or none."""
    figure, panels = charts.figure(1, 2, (13, 4.4))
    sizes = charts.numbers(by_name, "acc.{}.none")
    styles = (
        {
            "none": ("no pre-training", charts.GREY), "labels": ("labels", charts.ORANGE),
            "simec_half": ("SimEc, kernel and classes", charts.BLUE),
            "simec_classes": ("SimEc, classes", charts.GREEN),
        },
        {
            "none": ("no pre-training", charts.GREY), "ae": ("auto-encoder", charts.ORANGE),
            "ae_linear": ("linear auto-encoder", charts.RED),
            "simec_linear": ("SimEc, linear kernel", charts.BLUE),
            "unsupervised": ("SimEc, patches", charts.GREEN),
            "untrained": ("untrained, ridge", charts.PURPLE),
            "contrastive": ("contrastive", charts.DARK),
        },
    )  # fmt: skip
    titles = (
        "Pre-training with all labels helps most if few are used later",
        "Pre-training without labels: similarities of patches help most",
    )
    panels[1].sharey(panels[0])
    for axes, lines, title in zip(panels, styles, titles, strict=True):
        for method, (label, color) in lines.items():
            rows = [by_name.get(f"acc.{size}.{method}") for size in sizes]
            if any(rows):
                line(axes, sizes, rows, label, color, dashed=method == "untrained")
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        charts.style(axes, "labelled images of fine-tuning", "accuracy", title)
    for axes in panels:
        charts.label_lines(axes)
    charts.save(figure, path)


if __name__ == "__main__":
    main()
