"""Parameters as scalars of NumPy and devices of PyTorch: fitted, saved and loaded as plain ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV, ParameterGrid

import conec
from conec.config import PARAMETERS
from conec.contexts.mapping import MapConfig
from conec.ner import ContextFeatures, Tagger
from conec.senses.inventory import SenseSettings
from simec import SimilarityEncoder
from simec.links import LinkPredictor
from simec.recommender import Recommender

TEXT = [["ann", "in", "oslo"], ["bob", "in", "rome"]] * 5
TAGS = [["B-PER", "O", "B-LOC"]] * 10
A = np.random.default_rng(0).standard_normal((12, 3))
TRIPLES = [("a", "r", "b"), ("b", "r", "a"), ("b", "s", "c")]
RATINGS = [("a", "x", 1), ("b", "x", 2), ("a", "y", 3), ("b", "z", 5)]
MODEL = conec.ContextEncoder(vector_size=4, min_count=1, sample=0, epochs=1).fit(TEXT)
WORDS = {"vector_size": 4, "min_count": 1, "sample": 0.0, "epochs": 1, "max_final_vocab": 5}


def of_numpy(value: Any, kind: int) -> Any:
    """A value as another library has it, in one of several ways."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return [np.int64, np.int32, np.uint8][kind](value)
    if isinstance(value, float):
        scalar = [np.float64, np.float32, np.float16][kind](value)
        return scalar if float(scalar) == value else np.float64(value)
    if value == "cpu":
        return torch.device("cpu")
    if isinstance(value, str):
        return np.str_(value)
    if isinstance(value, tuple) and all(isinstance(number, int) for number in value):
        return [np.array(value), list(np.array(value)), tuple(np.array(value, np.int16))][kind]
    return value


def tagger(**parameters: Any) -> Tagger:
    return Tagger(**parameters).fit(TEXT, TAGS)


def tagger_in_context(**parameters: Any) -> Tagger:
    features = ContextFeatures(MODEL, sparse=True, **parameters)
    return Tagger(features, max_iterations=2).fit(TEXT, TAGS)


MODELS: dict[str, tuple[dict[str, Any], Callable[..., Any], Callable[[Any], Any]]] = {
    "ContextEncoder": (
        {name: parameter.default for name, parameter in PARAMETERS.items()} | WORDS,
        lambda **p: conec.ContextEncoder(**p).fit(TEXT),
        conec.load,
    ),
    "ExtendedContextEncoder": (
        {**WORDS, "feature_min_count": 1, "feature_dropout": 0.5},
        lambda **p: conec.ExtendedContextEncoder(**p).fit(TEXT),
        conec.load,
    ),
    "map and senses": (
        {"near": 2, "ridge": 0.5, "most": 2, "min_occurrences": 2, "threshold": 0.5},
        lambda near, ridge, **p: conec.ContextEncoder(**WORDS)
        .fit(TEXT)
        .build_senses(TEXT, SenseSettings(**p))
        .learn_map(TEXT, MapConfig(near=near, ridge=ridge)),
        conec.load,
    ),
    "Tagger": (
        {"window": 1, "affix": 2, "c1": 0.5, "c2": 0.25, "max_iterations": 2, "scheme": "iob2"},
        tagger,
        Tagger.load,
    ),
    "ContextFeatures": (
        {"a": 0.5, "clusters": (2, 3), "n_words": 4, "random_state": 1, "clean": "lower"},
        tagger_in_context,
        Tagger.load,
    ),
    "SimilarityEncoder": (
        {"n_components": 2, "hidden_layers": (4,), "bias": True, "symmetric": 1.0, "l2": 0.125,
         "n_targets": 12, "max_iter": 2, "batch_size": 6, "learning_rate": 0.25, "tol": 0.5,
         "early_stopping": False, "random_state": 0, "device": "cpu", "decoder": 0.5,
         "activation": "tanh", "verbose": False},
        lambda **p: SimilarityEncoder(**p).fit(A, A @ A.T),
        SimilarityEncoder.load,
    ),
    "LinkPredictor": (
        {"n_components": 4, "tied": True, "n3": 0.5, "dropout": 0.25, "learning_rate": 0.5,
         "batch_size": 2, "max_iter": 2, "average": True, "device": "cpu", "random_state": 0,
         "loss": "softmax", "n_iter_no_change": 3},
        lambda **p: LinkPredictor(**p).fit(TRIPLES),
        LinkPredictor.load,
    ),
    "Recommender": (
        {"n_components": 1, "alpha": 2.0, "l2": 0.5, "id_feature_scale": 1.0, "max_iter": 2,
         "feature_biases": True, "batch_size": 4, "device": "cpu", "random_state": 0,
         "shrinkage_users": 2.0, "feedback": "explicit"},
        lambda **p: Recommender(**p).fit(RATINGS),
        Recommender.load,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=4)
@given(data=st.data())
def test_numpy_parameters_equal_plain_ones(name: str, data: st.DataObject) -> None:
    plain, fit, load = MODELS[name]
    chosen = data.draw(st.sets(st.sampled_from(sorted(plain)), min_size=len(plain) // 2))
    kind = data.draw(st.integers(0, 2))
    parameters = {k: of_numpy(v, kind) if k in chosen else v for k, v in plain.items()}
    with tempfile.TemporaryDirectory() as folder:
        fit(**parameters).save(Path(folder) / "model")
        fit(**plain).save(Path(folder) / "plain")
        model, expected = load(Path(folder) / "model"), load(Path(folder) / "plain")
    for found, other in (
        (getattr(model, "config", None), getattr(expected, "config", None)),
        (_parameters(model), _parameters(expected)),
    ):
        assert repr(found) == repr(other)


def _parameters(model: Any) -> dict[str, Any]:
    """Parameters of an estimator, without the models that they contain."""
    parameters = model.get_params() if hasattr(model, "get_params") else {}
    return {k: v for k, v in parameters.items() if not hasattr(v, "fit")}


@pytest.mark.filterwarnings("ignore")
def test_the_best_of_a_search_is_saved(tmp_path: Path) -> None:
    grid = {"window": np.arange(1, 3), "c1": np.linspace(0, 1, 2)}
    search = GridSearchCV(Tagger(max_iterations=2), grid, cv=2).fit(TEXT, TAGS)
    search.best_estimator_.save(tmp_path / "tagger")
    for parameters in ParameterGrid({"n_components": np.arange(1, 3), "l2": np.geomspace(1, 2, 2)}):
        Recommender(**parameters).fit(RATINGS).save(tmp_path / "recommender")
        assert Recommender.load(tmp_path / "recommender").n_components in (1, 2)
