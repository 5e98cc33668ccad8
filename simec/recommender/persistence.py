"""Recommenders on disk: a folder of safetensors and JSON, written whole or not at all.

``config.json``
    format version, class, parameters, what was learned that is no array, and ids
``arrays.safetensors``
    ratings, features, averages, embeddings
a folder for each encoder
    as `SimilarityEncoder.save` writes it
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from corpora.files import atomic_folder
from simec.reading import CONFIG, read_about
from simec.recommender.biases import Biases
from simec.recommender.data.features import Features
from simec.recommender.data.ids import Ids
from simec.recommender.data.ratings import Ratings

FORMAT = "simec.Recommender"
FORMAT_VERSION = 1
ARRAYS = "arrays.safetensors"


class RecommenderError(ValueError):
    """A folder that holds no recommender, a damaged one, or one of a newer version."""


def save(recommender: Any, path: Any) -> None:
    """Write a recommender; see `BaseRecommender.save`."""
    from safetensors.numpy import save as as_bytes

    arrays: dict[str, Any] = {}
    encoders: dict[str, Any] = {}
    learned = {
        name: _described(name, value, arrays, encoders)
        for name, value in vars(recommender).items()
        if name.endswith("_")
    }
    about = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class": type(recommender).__name__,
        "parameters": {
            name: _parameter(value) for name, value in recommender.get_params(deep=False).items()
        },
        "learned": learned,
    }
    text = json.dumps(about, ensure_ascii=False)
    with atomic_folder(path, marker=ARRAYS) as target:
        (target / CONFIG).write_text(text + "\n", encoding="utf-8")
        (target / ARRAYS).write_bytes(as_bytes(arrays))
        for name, encoder in encoders.items():
            encoder.save(target / name)


def _parameter(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_parameter(part) for part in value]
    return value if isinstance(value, (str, int, float, type(None))) else None


def _described(name: str, value: Any, arrays: dict[str, Any], encoders: dict[str, Any]) -> Any:
    """Plain data for JSON, with arrays and encoders put aside."""
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return {"list": [_described(f"{name}.{k}", v, arrays, encoders) for k, v in
                         enumerate(value)]}  # fmt: skip
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if sparse.issparse(value):
        value = sparse.csr_matrix(value)
        for part in ("data", "indices", "indptr"):
            arrays[f"{name}.{part}"] = np.ascontiguousarray(getattr(value, part))
        return {"csr": name, "shape": [int(size) for size in value.shape]}

    def inner(part: str, of: Any) -> Any:
        return _described(f"{name}.{part}", of, arrays, encoders)

    if isinstance(value, Ids):
        texts = value.values.dtype.kind == "U"
        return {"ids": value.values.tolist() if texts else inner("ids", value.values),
                "what": value.what}  # fmt: skip
    if isinstance(value, Ratings):
        return {"ratings": inner("matrix", value.matrix), "users": inner("users", value.users),
                "items": inner("items", value.items)}  # fmt: skip
    if isinstance(value, Features):
        return {"features": inner("matrix", value.matrix), "ids_of": inner("ids", value.ids),
                "names": value.names}  # fmt: skip
    if isinstance(value, Biases):
        return {field.name: inner(field.name, getattr(value, field.name))
                for field in fields(value)}  # fmt: skip
    if hasattr(value, "module_"):
        encoders[name] = value
        return {"encoder": name}
    raise TypeError(f"{name} is of {type(value).__name__}, which cannot be saved")


def load(cls: Any, path: Any, device: str | None = None) -> Any:
    """Read a recommender; see `BaseRecommender.load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(path)
    about = read_about(folder, FORMAT, FORMAT_VERSION, "recommender", RecommenderError)
    try:
        arrays = load_file(folder / ARRAYS)
        kind = _class(about["class"])
        if not issubclass(kind, cls):
            raise RecommenderError(f"{folder} holds a {kind.__name__}, not a {cls.__name__}")
        known = kind().get_params(deep=False)
        parameters = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in about["parameters"].items()
            if name in known
        }
        if device is not None and "device" in known:
            parameters["device"] = device
        recommender = kind(**parameters)
        for name, value in about["learned"].items():
            setattr(recommender, name, _restored(value, arrays, folder, device))
    except RecommenderError:
        raise
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
        raise RecommenderError(f"{folder} is damaged: {error}") from error
    return recommender


def _class(name: str) -> Any:
    import simec.recommender as package
    from simec.recommender.base import BaseRecommender

    found = getattr(package, name) if name in package.__all__ else None
    if not (isinstance(found, type) and issubclass(found, BaseRecommender)):
        raise RecommenderError(f"there is no recommender called {name!r}")
    return found


def _restored(value: Any, arrays: dict[str, Any], folder: Path, device: str | None) -> Any:
    if not isinstance(value, dict):
        return value

    def inner(part: Any) -> Any:
        return _restored(part, arrays, folder, device)

    if "array" in value:
        return arrays[value["array"]]
    if "list" in value:
        return tuple(inner(part) for part in value["list"])
    if "csr" in value:
        parts = (arrays[f"{value['csr']}.{part}"] for part in ("data", "indices", "indptr"))
        return sparse.csr_matrix(tuple(parts), value["shape"])
    if "ids" in value:
        ids = value["ids"]
        return Ids(inner(ids) if isinstance(ids, dict) else np.array(ids, str), value["what"])
    if "ratings" in value:
        return Ratings(inner(value["ratings"]), inner(value["users"]), inner(value["items"]))
    if "features" in value:
        return Features(inner(value["ids_of"]), inner(value["features"]), value["names"])
    if "encoder" in value:
        from simec.encoder import SimilarityEncoder

        return SimilarityEncoder.load(folder / value["encoder"], device=device)
    return Biases(**{name: inner(part) for name, part in value.items()})
