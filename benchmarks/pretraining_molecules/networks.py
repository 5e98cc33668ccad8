"""SchNet: pre-training on similarities and properties, and fine-tuning (Figs. 6.6, 6.17, 6.26)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.pretraining_molecules.protocol import (
    CUTOFF,
    PROPERTIES,
    Arrays,
    Data,
    Protocol,
    Store,
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
        return Pretraining("fchl", "sum", "max", atomwise=True)
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


def similarity(data: Data, name: str, store: Store, n_targets: int) -> npt.NDArray[np.float32]:
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

    return store.get(f"similarity.{name}", compute)["S"][:, :n_targets]


def pretrained(data: Data, how: Pretraining, store: Store) -> SchNet:
    """A network that was pre-trained on similarities (Fig. 6.17, or Fig. 6.26)."""
    protocol = data.protocol

    def compute() -> Arrays:
        network: Any = new_network(protocol, 0, period_group=how.period_group)
        n_targets = protocol.n_atomwise if how.atomwise else protocol.n_targets
        S = SCALINGS[how.scaling](similarity(data, how.similarity, store, n_targets))
        targets: Any = S
        if how.properties:
            cheap = store.get("properties", lambda: {"P": hueckel_targets(data.pretrain)})["P"]
            targets = MixedTargets({"similarities": S, "properties": cheap})
        more: dict[str, Any] = {}
        width, pooling = N_FEATURES, how.pooling
        if how.atomwise:
            molecules = data.pretrain[:n_targets]
            network, more["last_layer"] = atomwise(
                network, molecules, scale=float(np.sqrt((S**2).mean()))
            )
            width, pooling = len(molecules.Z), None  # type: ignore[assignment]
        encoder = SimilarityEncoder(
            width, network=network, pooling=pooling, solver="adam", init="random",
            batch_size=100, max_iter=protocol.pretrain_epochs, decay="cosine", random_state=0,
        )  # fmt: skip
        with store.checkpoint(f"network.{how}") as resumed:
            _quietly(lambda: encoder.fit(data.pretrain, targets, **more, **resumed))
        trained: Any = encoder.network_
        return _arrays(trained.network if how.atomwise else trained)

    network = new_network(protocol, 0, period_group=how.period_group)
    return _restored(network, store.get(f"network.{how}", compute))


def trained_on_property(data: Data, prop: str, store: Store) -> SchNet:
    """A network that was trained on a property of the molecules for pre-training."""
    protocol = data.protocol

    def compute() -> Arrays:
        model = PretrainedRegressor(
            new_network(protocol, 0), head=(64,), activation="shifted_softplus",
            pooling=pooling_of(prop), batch_size=100, max_iter=protocol.property_epochs,
            early_stopping="mae", random_state=0,
        )  # fmt: skip
        y = target(data.pretrain, prop)
        validation = data.validation, target(data.validation, prop)
        with store.checkpoint(f"network.property.{prop}") as resumed:
            _quietly(lambda: model.fit(data.pretrain, y, validation=validation, **resumed))
        return _arrays(model.network_)

    return _restored(new_network(protocol, 0), store.get(f"network.property.{prop}", compute))


def distilled(data: Data, prop: str, n_labels: int, seed: int, store: Store) -> PretrainedRegressor:
    """A network that learns what a `SimilarityRegressor` predicts for the unlabelled molecules.

    The regressor is fitted on the training set, for all properties at once.
    """
    train = data.train(seed)[:n_labels]

    def predict() -> Arrays:
        y = np.column_stack([target(train, name) for name in PROPERTIES])
        teacher = SimilarityRegressor(molecular_similarities).fit(train, y)
        return {"y": teacher.predict(data.pretrain).astype(np.float32)}

    y = store.get(f"teacher.{n_labels}.{seed}", predict)["y"][:, PROPERTIES.index(prop)]
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


def network_for(data: Data, method: str, prop: str, seed: int, store: Store) -> SchNet:
    """The network that a method fine-tunes; without pre-training it depends on the seed."""
    if method == "property":
        return trained_on_property(data, prop, store)
    how = pretraining_of(method, prop)
    if how is not None:
        return pretrained(data, how, store)
    return new_network(data.protocol, seed, period_group=method == "pg_schnet")


def name_of_run(method: str, prop: str, n_labels: int, seed: int) -> str:
    """The name of a fine-tuned network in the store."""
    return f"run.{prop}.{n_labels}.{method}.{seed}"


def fine_tuned(
    data: Data, method: str, prop: str, n_labels: int, seed: int, store: Store
) -> Arrays:
    """Errors of a trained network in training and test, and embeddings for pictures."""
    protocol = data.protocol

    def fit(train: Molecules) -> PretrainedRegressor:
        if method == "distilled":
            return distilled(data, prop, n_labels, seed, store)
        model = PretrainedRegressor(
            network_for(data, method, prop, seed, store), head=(64,),
            activation="shifted_softplus", init="ridge" if method == "mixed" else "random",
            pooling=pooling_of(prop), batch_size=25,
            max_iter=protocol.epochs[protocol.labels.index(n_labels)], early_stopping="mae",
            validation_interval=4, n_iter_no_change=60, random_state=seed,
        )  # fmt: skip
        validation = data.validation, target(data.validation, prop)
        _quietly(lambda: model.fit(train, target(train, prop), validation=validation))
        return model

    def compute() -> dict[str, Any]:
        train = data.train(seed)[:n_labels]
        model = fit(train)
        result: dict[str, Any] = {
            "mae": _mae(model, data.test, prop), "train_mae": _mae(model, train, prop),
            "epochs": model.n_iter_,
        }  # fmt: skip
        if seed == 1 and n_labels == protocol.labels[0] and method in ("schnet", "rogot_goldberg"):
            pictured = data.test[: protocol.n_pictured]
            result["embeddings"] = embeddings(model.network_, pictured).astype(np.float16)
        return result

    return store.get(name_of_run(method, prop, n_labels, seed), compute)


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


def _arrays(network: torch.nn.Module) -> Arrays:
    return {name: value.cpu().numpy() for name, value in network.state_dict().items()}


def _restored(network: SchNet, arrays: Arrays) -> SchNet:
    network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return network
