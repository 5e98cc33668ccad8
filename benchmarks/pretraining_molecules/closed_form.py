"""Methods without training by gradients: ridge regressions on embeddings, and our best."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.cache import Cache
from benchmarks.pretraining_molecules.networks import (
    COEFFICIENTS,
    Pretraining,
    embeddings,
    new_network,
    pooling_of,
    pretrained,
)
from benchmarks.pretraining_molecules.protocol import PROPERTIES, Data, target
from simec.molecules import (
    FCHL18,
    FCHL19,
    Molecules,
    fingerprints,
    molecular_similarities,
)
from simec.pretraining import PretrainedRegressor, SimilarityRegressor

Features = npt.NDArray[np.float64]
Errors = dict[str, float]  # mae.PROPERTY.LABELS.METHOD, ridge.PROPERTY.LABELS.FEATURES

_FCHL_COMPONENTS = 256  # lower errors than the 128 of the thesis
_ALPHAS = np.logspace(-8, 4, 25)


def kpca(data: Data, name: str, seed: int, cache: Cache) -> tuple[Features, Features]:
    """Components of kernel PCA of the landmarks, for the training and the test molecules."""
    landmarks = data.pretrain[
        : data.protocol.n_landmarks if name == "fchl18" else data.protocol.n_targets
    ]

    def compare(molecules: Molecules) -> Features:
        if name in COEFFICIENTS:
            coefficient = COEFFICIENTS[name]
            S = coefficient(fingerprints(molecules), fingerprints(landmarks))
            return S.astype(np.float64, copy=False)
        if name == "fchl18":
            return FCHL18(landmarks)(molecules)
        return FCHL19(landmarks, normalize=name == "nfchl")(molecules)

    def kernel(part: str, molecules: Molecules) -> Features:
        task = {"kernel": name, "molecules": part}
        return cache.arrays(task, lambda: {"K": compare(molecules)})["K"]

    width = _FCHL_COMPONENTS if name == "fchl18" else data.protocol.n_components
    model = KernelPCA(min(width, len(landmarks)), kernel="precomputed", random_state=0)
    model.fit(kernel("landmarks", landmarks))
    n = max(data.protocol.labels) if name == "fchl18" else max(data.protocol.curve)
    train = kernel(f"train.{seed}.{n}", data.train(seed)[:n])
    return model.transform(train), model.transform(kernel("test", data.test))


def ridge_error(
    train: tuple[Features, Features], test: tuple[Features, Features], *, standardize: bool
) -> float:
    """Mean absolute error of ridge regression, whose penalty is chosen by leave-one-out."""
    steps: list[Any] = [StandardScaler()] if standardize else []
    model = make_pipeline(*steps, RidgeCV(_ALPHAS)).fit(*train)
    return float(np.abs(model.predict(test[0]) - test[1]).mean())


def with_counts(features: Features, molecules: Molecules) -> Features:
    """Add the number of atoms."""
    return np.column_stack([features, molecules.n_atoms])


def element_counts(molecules: Molecules) -> Features:
    """Numbers of H, C, N, O and F."""
    counts = np.zeros((len(molecules), 10))
    np.add.at(counts, (np.repeat(np.arange(len(molecules)), molecules.n_atoms), molecules.Z), 1)
    return counts[:, [1, 6, 7, 8, 9]]


def linear(data: Data, seed: int, cache: Cache, wanted: Any) -> Errors:
    """Errors of kPCA of FCHL, counts of elements, and embeddings of an untrained network."""
    train, test = data.train(seed), data.test
    errors: Errors = {}
    if "kpca" in wanted:
        features = kpca(data, "fchl18", seed, cache)
        for method, width in (("kpca", None), ("kpca_128", data.protocol.n_components)):
            for prop in PROPERTIES:
                for n in data.protocol.labels:
                    errors[f"mae.{prop}.{n}.{method}"] = ridge_error(
                        (features[0][:n, :width], target(train[:n], prop)),
                        (features[1][:, :width], target(test, prop)),
                        standardize=False,
                    )
    if "counts" in wanted:
        for prop in PROPERTIES:
            for n in data.protocol.labels:
                errors[f"mae.{prop}.{n}.counts"] = ridge_error(
                    (element_counts(train[:n]), target(train[:n], prop)),
                    (element_counts(test), target(test, prop)),
                    standardize=True,
                )
    if "untrained" in wanted:
        network = new_network(data.protocol, seed)
        for prop in PROPERTIES:
            for n in data.protocol.labels:
                model = PretrainedRegressor(network, head="ridge", pooling=pooling_of(prop))
                model.fit(train[:n], target(train[:n], prop))
                error = np.abs(model.predict(test) - target(test, prop)).mean()
                errors[f"mae.{prop}.{n}.untrained"] = float(error)
    return errors


def best(data: Data, seed: int) -> Errors:
    """Errors of `SimilarityRegressor` with `molecular_similarities`."""
    errors: Errors = {}
    y_test = np.column_stack([target(data.test, prop) for prop in PROPERTIES])
    for n in data.protocol.labels:
        train = data.train(seed)[:n]
        y = np.column_stack([target(train, prop) for prop in PROPERTIES])
        model = SimilarityRegressor(molecular_similarities).fit(train, y)
        wrong = np.abs(model.predict(data.test) - y_test).mean(axis=0)
        for prop, error in zip(PROPERTIES, wrong, strict=True):
            errors[f"mae.{prop}.{n}.best"] = float(error)
    return errors


def curves(data: Data, seed: int, cache: Cache) -> Errors:
    """Errors of ridge regressions on kPCA and on SimEc embeddings (Figs. 6.15 to 6.19)."""
    train, test = data.train(seed), data.test
    named: dict[str, tuple[Features, Features]] = {}
    for name in (*COEFFICIENTS, "fchl", "nfchl"):
        named[f"kpca_{name}"] = kpca(data, name, seed, cache)
    for how in (Pretraining("rogot_goldberg", "sum", "std"), Pretraining("nfchl", "sum", "max")):
        network = pretrained(data, how, cache)
        both = embeddings(network, train), embeddings(network, test)
        named[f"simec_{how.similarity}"] = both[0].astype(float), both[1].astype(float)
    errors: Errors = {}
    for name, (x, x_test) in named.items():
        is_plain = name == "kpca_fchl"  # the number of atoms is nearly its first component
        for prop in PROPERTIES:
            for n in data.protocol.curve:
                fit, held = x[:n], x_test
                if not is_plain:
                    fit, held = with_counts(fit, train[:n]), with_counts(held, test)
                errors[f"ridge.{prop}.{n}.{name}"] = ridge_error(
                    (fit, target(train[:n], prop)),
                    (held, target(test, prop)),
                    standardize=not is_plain,
                )
    return errors
