"""Link predictors on disk: the folder of `simec.persistence`.

``config.json``
    format version, parameters, ids of entities and relations, and what training said
``weights.safetensors``
    the network's weights, embeddings of all entities, and known triples by number
"""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from simec.data.inputs import choose_device
from simec.links.checks import check_parameters
from simec.links.triples import Ids
from simec.network import aligned
from simec.persistence import WEIGHTS, ModelError, write_folder
from simec.reading import read_about

if TYPE_CHECKING:
    from simec.links.predictor import LinkPredictor

FORMAT = "simec.LinkPredictor"
FORMAT_VERSION = 1
_NETWORK, _EMBEDDINGS, _KNOWN = "network.", "embeddings", "known"


def save(predictor: LinkPredictor, path: Any) -> None:
    """Write a predictor; see `LinkPredictor.save`."""
    parameters = predictor.get_params(deep=False)
    parameters["hidden_layers"] = [int(size) for size in predictor.hidden_layers]
    if not isinstance(predictor.random_state, Integral):
        parameters["random_state"] = None
    about = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "parameters": {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in parameters.items()
        },
        "entities": predictor._entities.ids,
        "n_trained": predictor._n_trained,
        "relations": predictor._relations.ids,
        "n_features": predictor._n_features,
        "n_duplicates": predictor.n_duplicates_,
        "losses": predictor.loss_curve_,
        "validation": predictor.validation_curve_,
    }
    weights = {_NETWORK + name: value for name, value in predictor.network_.state_dict().items()}
    weights[_EMBEDDINGS] = predictor.embeddings_
    weights[_KNOWN] = torch.from_numpy(predictor._known.astype(np.int32))
    write_folder(path, about, weights)


def load(cls: type[LinkPredictor], path: Any, *, device: str | None = None) -> LinkPredictor:
    """Read a predictor; see `LinkPredictor.load`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(path)
    about = read_about(folder, FORMAT, FORMAT_VERSION, "link predictor", ModelError)
    try:
        parameters = about["parameters"]
        parameters["hidden_layers"] = tuple(parameters["hidden_layers"])
        if device is not None:
            parameters["device"] = device
        predictor = cls(**parameters)
        check_parameters(predictor)
        weights = load_file(folder / WEIGHTS)
        predictor._entities = Ids(about["entities"], "entity")
        predictor._relations = Ids(about["relations"], "relation")
        predictor._n_features, predictor._n_trained = about["n_features"], about["n_trained"]
        predictor.n_duplicates_ = about["n_duplicates"]
        predictor._known = weights.pop(_KNOWN).numpy().astype(np.int64)
        place = choose_device(predictor.device)
        # safetensors gives views of the file, which lie anywhere in memory
        predictor.embeddings_ = aligned(weights.pop(_EMBEDDINGS)).to(place)
        network = predictor._build(2 * len(predictor._relations))
        network.load_state_dict(
            {name.removeprefix(_NETWORK): value for name, value in weights.items()}
        )
        predictor.network_ = network.to(place).eval()
        predictor._keep(about["losses"], about["validation"])
        shape = len(predictor._entities), predictor.n_components
        if tuple(predictor.embeddings_.shape) != shape:
            raise ValueError(f"embeddings are not of shape {shape}")
    except (
        OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError, AttributeError
    ) as error:  # fmt: skip
        raise ModelError(f"{folder} is damaged: {error}") from error
    for name, value in (*weights.items(), ("embeddings", predictor.embeddings_)):
        if not bool(torch.isfinite(value).all()):
            raise ModelError(f"{folder} is damaged: {name} has values that are not finite")
    return predictor
