"""When pre-training helps: relatedness of tasks, size of the network, labels: thesis, Fig. 6.3.

CIFAR-10 is split into two tasks of five classes each. A network of two hidden layers is trained on
a source task, gets a new last layer, and is fine-tuned on some labelled images of the target task
B. Sources:

- none: no pre-training
- A: the other five classes
- AB: images of all ten classes
- B: the target task itself, with more labels

All sources have the same number of images. Networks differ in their number of units in the first
hidden layer, h. The weights of the best epoch on validation images are kept, in pre-training and in
fine-tuning. Accuracies are those on all test images of B. Networks are pre-trained once, and
fine-tuned with several seeds; a seed determines the labelled images, the weights of the last layer
and, without pre-training, all weights.

The thesis used 20,000 images of each source, 5,000 for validation and up to 20,000 labels; here
there are 20,000 images in total. Large networks are fine-tuned with one seed, unless
`--seeds-large` is higher; `--labels-large` leaves out numbers of labels of the largest.
Measurements and networks are kept next to the results, and an interrupted run continues where it
stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import charts, images, simec_data
from benchmarks.cache import Cache
from benchmarks.common import Result, Table, at_least_one, number, over_runs, report
from benchmarks.images import SEED, Parts
from benchmarks.simec_methods import line

if TYPE_CHECKING:
    from torch import nn

SIZES = (100, 500, 2500, 7500)
FULL_SIZES = (50, 100, 250, 500, 1000, 2500, 5000, 7500)
QUICK_SIZES = (100, 500)
HIDDEN = (128, 512, 2048)
FULL_HIDDEN = (*HIDDEN, 8192)
QUICK_HIDDEN = (32,)
LARGE = 4096  # units from which on fewer seeds are used
SOURCES = ("none", "A", "AB", "B")
A, B = range(5), range(5, 10)
N_VALIDATION = 2500  # of both tasks together
QUICK_TRAIN, QUICK_TEST = 2000, 500
SETTINGS: dict[str, Any] = {
    "learning_rate": 5e-5, "batch_size": 32, "max_iter": 25, "n_iter_no_change": 10,
}  # fmt: skip
QUICK_EPOCHS = 3
# task B: number of labels -> accuracy by source and h, at the sizes that are measured here too
REFERENCES = {
    (128, 500): {"none": 0.550, "B": 0.554, "A": 0.529},
    (128, 2500): {"none": 0.605, "B": 0.616, "A": 0.604},
    (8192, 500): {"none": 0.551, "B": 0.593, "A": 0.565},
    (8192, 2500): {"none": 0.606, "B": 0.657, "A": 0.626},
}


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    p = images.parser(__doc__)
    p.add_argument(
        "--seeds-large", type=at_least_one, default=1, metavar="N",
        help=f"number of runs of networks with {LARGE:,} units or more (default 1)",
    )  # fmt: skip
    p.add_argument(
        "--hidden", type=at_least_one, nargs="+", metavar="H", help="sizes of the network"
    )
    p.add_argument(
        "--labels-large", type=at_least_one, metavar="N",
        help="largest number of labels of the largest network (default: all numbers)",
    )  # fmt: skip
    args = p.parse_args(argv)
    data = simec_data.cifar10(args.data)
    if args.quick:
        data = simec_data.ImageData(
            data.x_train[:QUICK_TRAIN], data.y_train[:QUICK_TRAIN],
            data.x_test[:QUICK_TEST], data.y_test[:QUICK_TEST],
        )  # fmt: skip
    parts = images.split(data, N_VALIDATION * len(data.y_train) // 20_000)
    settings = {**SETTINGS, "max_iter": QUICK_EPOCHS} if args.quick else SETTINGS
    sizes, hidden = SIZES, HIDDEN
    if args.quick or args.full:
        sizes, hidden = (QUICK_SIZES, QUICK_HIDDEN) if args.quick else (FULL_SIZES, FULL_HIDDEN)
    hidden = tuple(args.hidden or hidden)
    runs = {h: args.seeds if h < LARGE else min(args.seeds, args.seeds_large) for h in hidden}
    corpus = {
        "name": "cifar10", "train": len(parts.train.y), "validation": len(parts.validation.y),
        "test": len(parts.test.y),
    }  # fmt: skip
    cache = Cache(args.json, {"corpus": corpus, "settings": settings})
    sizes = tuple(n for n in sizes if n <= len(parts.of_classes(B).train.y))
    most = args.labels_large or max(sizes)
    sizes_of = {h: tuple(n for n in sizes if n <= most or h < max(hidden)) for h in hidden}
    if not all(sizes_of.values()):
        p.error(f"--labels-large {most}: expected at least the smallest number, {min(sizes)}")
    measured = measure(parts, sizes_of, runs, settings, cache)
    results = [
        over_runs(
            f"acc.B.h{h}.{size}.{source}", measured[h, size, source], "accuracy",
            reference=REFERENCES.get((h, size), {}).get(source), source="thesis",
        )
        for h in hidden for size in sizes_of[h] for source in SOURCES
    ]  # fmt: skip
    by_name = {result.name: result for result in results}
    protocol = {
        **settings, "source_images": n_source(parts), "seeds": args.seeds,
        "seeds_large": args.seeds_large, "quick": args.quick, "full": args.full,
    }  # fmt: skip
    report(
        "transfer_learning", protocol, corpus, results, args.json,
        tables=[_table(by_name, h, sizes_of[h]) for h in hidden],
        chart=draw,
    )  # fmt: skip


def n_source(parts: Parts) -> int:
    """Number of training images of each source."""
    return min(len(parts.of_classes(task).train.y) for task in (A, B))


def build(h: int, shape: tuple[int, ...]) -> nn.Module:
    """The network without its last layer."""
    from math import prod

    from torch import nn

    return nn.Sequential(
        nn.Flatten(), nn.Linear(prod(shape), h), nn.Tanh(), nn.Linear(h, 32), nn.Tanh()
    )


def measure(
    parts: Parts,
    sizes: dict[int, tuple[int, ...]],
    runs: dict[int, int],
    settings: dict[str, Any],
    cache: Cache,
) -> dict[tuple[int, int, str], list[float]]:
    """Accuracies of all seeds by h, number of labels, and source.

    `sizes` has numbers of labels by h, and `runs` numbers of seeds.
    """
    from tqdm import tqdm

    target = parts.of_classes(B)
    shape = parts.train.x.shape[1:]
    measured: dict[tuple[int, int, str], list[float]] = {}
    # one seed after another, small networks first: an interrupted run has something of each
    order = [
        (h, source, seed)
        for seed in range(1, max(runs.values()) + 1)
        for h in runs if seed <= runs[h]
        for source in SOURCES
    ]  # fmt: skip
    n_fits = sum(len(sizes[h]) for h, _, _ in order)
    with tqdm(total=n_fits, desc="fits", unit="fit") as bar:
        for h, source, seed in order:
            pretrained: nn.Module | None = None
            for size in sizes[h]:
                bar.set_postfix_str(f"h {h}, {source}, seed {seed}, {size} labels")
                task = {"h": h, "source": source, "seed": seed, "labels": size}
                found = cache.get(task)
                if found is None:
                    if pretrained is None:
                        pretrained = _initial(h, source, seed, shape, parts, settings, cache)
                    model = images.fine_tuned(
                        pretrained, images.subset(target.train, size, seed), target.validation,
                        seed, settings,
                    )  # fmt: skip
                    found = {"accuracy": model.score(*target.test), "epochs": model.n_iter_}
                    cache.put(task, found)
                measured.setdefault((h, size, source), []).append(found["accuracy"])
                bar.update()
    return measured


def _initial(
    h: int,
    source: str,
    seed: int,
    shape: tuple[int, ...],
    parts: Parts,
    settings: dict[str, Any],
    cache: Cache,
) -> nn.Module:
    """The network before it is fine-tuned."""
    if source == "none":
        return images.seeded(lambda: build(h, shape), seed)

    def train() -> nn.Module:
        task = parts if source == "AB" else parts.of_classes(A if source == "A" else B)
        model = images.fine_tuned(
            images.seeded(lambda: build(h, shape), SEED),
            images.subset(task.train, n_source(parts), SEED), task.validation, SEED, settings,
        )  # fmt: skip
        network: nn.Module = model.network_
        return network

    return cache.network({"h": h, "source": source}, build(h, shape), train)


def _table(by_name: dict[str, Result], h: int, sizes: tuple[int, ...]) -> Table:
    rows = [
        (f"{size:,}", *(number(by_name[f"acc.B.h{h}.{size}.{source}"]) for source in SOURCES))
        for size in sizes
    ]
    return Table((f"h = {h:,}, labels", *SOURCES), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Accuracies by the number of labels, a panel for each size of the network."""
    hidden = sorted({int(name.split(".")[2][1:]) for name in by_name if name.startswith("acc.B.h")})
    figure, panels = charts.figure(1, len(hidden), (3.8 * len(hidden) + 1.5, 3.8))
    styles = {
        "none": ("no pre-training", charts.GREY), "A": ("other classes (A)", charts.RED),
        "AB": ("all classes (A and B)", charts.BLUE), "B": ("the same classes (B)", charts.GREEN),
    }  # fmt: skip
    for axes in panels[1:]:
        axes.sharey(panels[0])
    for axes, h in zip(panels, hidden, strict=True):
        sizes = charts.numbers(by_name, f"acc.B.h{h}.{{}}.none")
        for source, (label, color) in styles.items():
            rows = [by_name[f"acc.B.h{h}.{size}.{source}"] for size in sizes]
            line(axes, sizes, rows, label, color)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45)
        axes.minorticks_off()
        charts.style(axes, "labelled images of B", "accuracy", f"{h:,} units in the first layer")
    charts.label_lines(panels[-1])
    charts.save(figure, path)


if __name__ == "__main__":
    main()
