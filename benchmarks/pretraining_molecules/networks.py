"""SchNet: pre-training on similarities and properties, and fine-tuning (Figs. 6.6, 6.17, 6.26)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.cache import Arrays, Cache, Measured, Task
from benchmarks.pretraining_molecules.protocol import (
    CUTOFF,
    PROPERTIES,
    Data,
    Protocol,
    target,
)
from simec.data.targets import MixedTargets
from simec.encoder import SimilarityEncoder
from simec.molecules import (
    FCHL19,
    Molecules,
    PeriodGroupEmbedding,
    SchNet,
    atomwise,
    fingerprints,
    hueckel_targets,
    molecular_similarities,
)
from simec.pretraining import PretrainedRegressor, SimilarityRegressor
from simec.similarities import mcconnaughey, min_max, rogot_goldberg, sokal, standardize

PoolingName = Literal["sum", "mean"]

COEFFICIENTS = {
    "rogot_goldberg": rogot_goldberg, "mcconnaughey": mcconnaughey, "sokal": sokal,
}  # fmt: skip
SCALINGS = {"std": standardize, "max": min_max}
N_FEATURES = 128
PICTURED = ("schnet", "rogot_goldberg")  # fine-tuned networks whose embeddings are drawn


class Pretraining(NamedTuple):
    """A similarity, its normalization, the pooling of atoms, and which network learns it."""

    similarity: str
    pooling: PoolingName
    scaling: Literal["std", "max"]
    period_group: bool = False
    atomwise: bool = False
    properties: bool = False  # of extended Hückel theory, with half of the loss

    def __str__(self) -> str:
        kinds = {"pg_": self.period_group, "atomwise_": self.atomwise, "mixed_": self.properties}
        kind = "".join(name for name, is_used in kinds.items() if is_used)
        return f"{kind}{self.similarity}.{self.pooling}.{self.scaling}"


def pretraining_of(method: str, prop: str) -> Pretraining | None:
    """The pre-training of a method for a property: the aggregation that suits it in the thesis."""
    extensive = prop == "u0"
    pooling: PoolingName = "sum" if extensive else "mean"
    if method in COEFFICIENTS:
        return Pretraining(method, pooling, "std" if extensive else "max")
    if method == "mixed":
        return Pretraining("rogot_goldberg", pooling, "std", properties=True)
    if method == "nfchl":
        return Pretraining(method, pooling, "max")
    if method == "atomwise":
        return Pretraining("fchl" if extensive else "nfchl", pooling, "max", atomwise=True)
    if method == "pg_schnet_fchl":
        return Pretraining("fchl" if extensive else "nfchl", pooling, "max", period_group=True)
    return None


def new_network(protocol: Protocol, seed: int, *, period_group: bool = False) -> SchNet:
    """An untrained network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        embedding = PeriodGroupEmbedding(N_FEATURES) if period_group else None
        return SchNet(
            N_FEATURES, protocol.n_interactions, CUTOFF, protocol.n_gaussians, embedding=embedding
        )


def similarity(data: Data, name: str, cache: Cache, n_targets: int) -> npt.NDArray[np.float32]:
    """Similarities of the molecules for pre-training to the first of them."""

    def compute() -> dict[str, Any]:
        targets = data.pretrain[: data.protocol.n_targets]
        if name in COEFFICIENTS:
            bits = fingerprints(data.pretrain)
            S = COEFFICIENTS[name](bits, bits[: len(targets)], dtype=np.float32)
        else:
            kernel = FCHL19(targets, normalize=name == "nfchl")
            S = kernel(data.pretrain).astype(np.float32)
        return {"S": S}

    return cache.arrays({"similarity": name}, compute)["S"][:, :n_targets]


def pretrained(data: Data, how: Pretraining, cache: Cache) -> SchNet:
    """A network that was pre-trained on similarities (Fig. 6.17, or Fig. 6.26)."""
    protocol = data.protocol

    task = {"pretraining": str(how)}

    def train() -> torch.nn.Module:
        network: Any = new_network(protocol, 0, period_group=how.period_group)
        n_targets = protocol.n_atomwise if how.atomwise else protocol.n_targets
        S = SCALINGS[how.scaling](similarity(data, how.similarity, cache, n_targets))
        targets: Any = S
        if how.properties:
            cheap = cache.arrays(
                {"properties": "hueckel"}, lambda: {"P": hueckel_targets(data.pretrain)}
            )
            targets = MixedTargets({"similarities": S, "properties": cheap["P"]})
        more: dict[str, Any] = {}
        width, pooling = N_FEATURES, how.pooling
        if how.atomwise:
            molecules = data.pretrain[:n_targets]
            network, more["last_layer"] = atomwise(
                network, molecules, pooling=how.pooling, scale=float(np.sqrt((S**2).mean()))
            )
            width, pooling = len(molecules.Z), None  # type: ignore[assignment]
        encoder = SimilarityEncoder(
            width, network=network, pooling=pooling, solver="adam", init="random",
            batch_size=100, max_iter=protocol.pretrain_epochs, decay="cosine", random_state=0,
        )  # fmt: skip
        with cache.checkpoint(task) as resumed:
            _quietly(lambda: encoder.fit(data.pretrain, targets, **more, **resumed))
        trained: Any = encoder.network_
        schnet: SchNet = trained.network if how.atomwise else trained
        return schnet

    return cache.network(task, new_network(protocol, 0, period_group=how.period_group), train)


def trained_on_property(data: Data, prop: str, cache: Cache) -> SchNet:
    """A network that was trained on a property of the molecules for pre-training."""
    protocol = data.protocol

    task = {"trained on": prop}

    def train() -> torch.nn.Module:
        model = PretrainedRegressor(
            new_network(protocol, 0), head=(64,), activation="shifted_softplus",
            pooling=pooling_of(prop), batch_size=100, max_iter=protocol.property_epochs,
            early_stopping="mae", random_state=0,
        )  # fmt: skip
        y = target(data.pretrain, prop)
        validation = data.validation, target(data.validation, prop)
        with cache.checkpoint(task) as resumed:
            _quietly(lambda: model.fit(data.pretrain, y, validation=validation, **resumed))
        return model.network_

    return cache.network(task, new_network(protocol, 0), train)


def distilled(data: Data, prop: str, n_labels: int, seed: int, cache: Cache) -> PretrainedRegressor:
    """A network that learns what a `SimilarityRegressor` predicts for the unlabelled molecules.

    The regressor is fitted on the training set, for all properties at once.
    """
    train = data.train(seed)[:n_labels]

    def predict() -> Arrays:
        y = np.column_stack([target(train, name) for name in PROPERTIES])
        teacher = SimilarityRegressor(molecular_similarities).fit(train, y)
        return {"y": teacher.predict(data.pretrain).astype(np.float32)}

    y = cache.arrays({"teacher": n_labels, "seed": seed}, predict)["y"][:, PROPERTIES.index(prop)]
    model = PretrainedRegressor(
        new_network(data.protocol, seed), head=(64,), activation="shifted_softplus",
        pooling=pooling_of(prop), batch_size=100, max_iter=data.protocol.distillation_epochs,
        early_stopping="mae", random_state=seed,
    )  # fmt: skip
    validation = data.validation, target(data.validation, prop)
    _quietly(lambda: model.fit(data.pretrain, y, validation=validation))
    return model


def pooling_of(prop: str) -> PoolingName:
    """The energy is a sum over atoms, and the others are means."""
    return "sum" if prop == "u0" else "mean"


def network_for(data: Data, method: str, prop: str, seed: int, cache: Cache) -> SchNet:
    """The network that a method fine-tunes; without pre-training it depends on the seed."""
    if method == "property":
        return trained_on_property(data, prop, cache)
    how = pretraining_of(method, prop)
    if how is not None:
        return pretrained(data, how, cache)
    return new_network(data.protocol, seed, period_group=method == "pg_schnet")


def task_of(method: str, prop: str, n_labels: int, seed: int) -> Task:
    """The task of `fine_tuned` in the cache."""
    return {"method": method, "property": prop, "labels": n_labels, "seed": seed}


def fine_tuned(
    data: Data, method: str, prop: str, n_labels: int, seed: int, cache: Cache
) -> Measured:
    """Errors of a trained network in training and test."""

    def measure() -> Measured:
        train = data.train(seed)[:n_labels]
        model = _fine_tune(data, method, prop, n_labels, seed, cache)
        if (method, n_labels, seed) in ((each, data.protocol.labels[0], 1) for each in PICTURED):
            pictured(data, method, prop, cache, model)
        return {
            "mae": _mae(model, data.test, prop), "train_mae": _mae(model, train, prop),
            "epochs": model.n_iter_,
        }  # fmt: skip

    return cache.once(task_of(method, prop, n_labels, seed), measure)


def pictured(
    data: Data, method: str, prop: str, cache: Cache, model: PretrainedRegressor | None = None
) -> npt.NDArray[np.float16]:
    """Embeddings of test molecules, by the network of the first seed and the fewest labels."""
    n_labels = data.protocol.labels[0]

    def compute() -> Arrays:
        trained = model or _fine_tune(data, method, prop, n_labels, 1, cache)
        molecules = data.test[: data.protocol.n_pictured]
        return {"Y": embeddings(trained.network_, molecules).astype(np.float16)}

    return cache.arrays({"embeddings": task_of(method, prop, n_labels, 1)}, compute)["Y"]


def _fine_tune(
    data: Data, method: str, prop: str, n_labels: int, seed: int, cache: Cache
) -> PretrainedRegressor:
    protocol = data.protocol
    if method == "distilled":
        return distilled(data, prop, n_labels, seed, cache)
    model = PretrainedRegressor(
        network_for(data, method, prop, seed, cache), head=(64,), activation="shifted_softplus",
        init="ridge" if method == "mixed" else "random", pooling=pooling_of(prop), batch_size=25,
        max_iter=protocol.epochs[protocol.labels.index(n_labels)], early_stopping="mae",
        validation_interval=4, n_iter_no_change=60, random_state=seed,
    )  # fmt: skip
    train = data.train(seed)[:n_labels]
    validation = data.validation, target(data.validation, prop)
    _quietly(lambda: model.fit(train, target(train, prop), validation=validation))
    return model


def embeddings(
    network: torch.nn.Module, molecules: Molecules, pooling: PoolingName = "sum"
) -> npt.NDArray[np.float32]:
    """Pooled embeddings of molecules."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(molecules), 500):
            atoms, counts = network(molecules.batch(slice(start, start + 500)))
            parts.append(torch.segment_reduce(atoms, pooling, lengths=counts, axis=0).numpy())
    return np.concatenate(parts)


def _mae(model: PretrainedRegressor, molecules: Molecules, prop: str) -> float:
    return float(np.abs(model.predict(molecules) - target(molecules, prop)).mean())


def _quietly(fit: Callable[[], Any]) -> None:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():  # lengths of training are fixed
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit()
