"""Convert fitted attributes of recommenders to JSON data, arrays and encoders, and back.

Attributes become entries of a dictionary for JSON. Arrays, sparse matrices and encoders are stored
separately, and the dictionary refers to them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from simec.linalg.checks import check_finite, checked_csr
from simec.recommender.biases import Biases
from simec.recommender.data.features import Features
from simec.recommender.data.ratings import Ids, Ratings

Arrays = dict[str, npt.NDArray[Any]]

_CSR = "data", "indices", "indptr"
# fields of `Biases`, and their names in folders of format versions 1 and 2
_BIASES = {
    "mean": "mean", "users": "users", "items": "items",
    "user_coefficients": "of_user_features", "item_coefficients": "of_item_features",
}  # fmt: skip


def pack(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays, dict[str, Any]]:
    """Convert fitted attributes to plain data.

    Returns
    -------
    data : dict
        For JSON.
    arrays : dict of str to array
    encoders : dict of str to SimilarityEncoder

    Raises
    ------
    TypeError
        If an attribute has a type that cannot be saved; the error names it.
    ValueError
        If an array has NaN or infinite values.
    """
    arrays: Arrays = {}
    encoders: dict[str, Any] = {}
    data = {name: _pack(name, value, arrays, encoders) for name, value in attributes.items()}
    return data, arrays, encoders


def _pack(name: str, value: Any, arrays: Arrays, encoders: dict[str, Any]) -> Any:
    def inner(part: str, content: Any) -> Any:
        return _pack(f"{name}.{part}", content, arrays, encoders)

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return {"list": [inner(str(k), part) for k, part in enumerate(value)]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[name] = np.ascontiguousarray(value)
        check_finite(name, arrays[name])
        return {"array": name}
    if sparse.issparse(value):
        matrix = sparse.csr_matrix(value)
        for part in _CSR:
            arrays[f"{name}.{part}"] = np.ascontiguousarray(getattr(matrix, part))
        check_finite(name, matrix.data)
        return {"csr": name, "shape": [int(size) for size in matrix.shape]}
    if isinstance(value, Ids):
        is_plain = value.values.dtype == object
        values = value.values.tolist() if is_plain else inner("ids", value.values)
        return {"ids": values, "what": value.kind}
    if isinstance(value, Ratings):
        return {
            "ratings": inner("matrix", value.matrix),
            "users": inner("users", value.users), "items": inner("items", value.items),
            "duplicates": [value.n_duplicates, value.n_contradicting],
        }  # fmt: skip
    if isinstance(value, Features):
        return {
            "features": inner("matrix", value.matrix), "ids_of": inner("ids", value.ids),
            "names": value.names,
        }  # fmt: skip
    if isinstance(value, Biases):
        return {saved: inner(field, getattr(value, field)) for field, saved in _BIASES.items()}
    if hasattr(value, "module_"):
        encoders[name] = value
        return {"encoder": name}
    raise TypeError(
        f"{name} cannot be saved: it must be a number, string, numeric array, sparse matrix, "
        "Ratings, Features, Ids, Biases, an encoder, or a list of these, got "
        f"{type(value).__name__}"
    )


def unpack(
    data: Mapping[str, Any], arrays: Arrays, load_encoder: Callable[[str], Any]
) -> dict[str, Any]:
    """Restore the attributes that `pack` converted.

    Parameters
    ----------
    data, arrays
        As `pack` returned them.
    load_encoder : callable
        Takes the name of an encoder and returns the encoder.

    Raises
    ------
    ValueError, LookupError, TypeError
        If the data are damaged: entries are missing, arrays hold NaN, sparse matrices have
        indices out of range, or shapes disagree.
    """
    return {name: _unpack(name, value, arrays, load_encoder) for name, value in data.items()}


def _unpack(name: str, value: Any, arrays: Arrays, load_encoder: Callable[[str], Any]) -> Any:
    def inner(part: Any) -> Any:
        return _unpack(name, part, arrays, load_encoder)

    if not isinstance(value, dict):
        return value
    if "array" in value:
        check_finite(value["array"], arrays[value["array"]])
        return arrays[value["array"]]
    if "list" in value:
        return tuple(inner(part) for part in value["list"])
    if "csr" in value:
        key = value["csr"]
        values, indices, indptr = (arrays[f"{key}.{part}"] for part in _CSR)
        return checked_csr(key, values, indices, indptr, value["shape"])
    if "ids" in value:
        ids = value["ids"]
        return Ids(inner(ids) if isinstance(ids, dict) else list(ids), value["what"])
    if "ratings" in value:
        return Ratings(
            inner(value["ratings"]), inner(value["users"]), inner(value["items"]),
            *map(int, value.get("duplicates", ())),
        )  # fmt: skip
    if "features" in value:
        return Features(inner(value["ids_of"]), inner(value["features"]), value["names"])
    if "encoder" in value:
        return load_encoder(value["encoder"])
    if "mean" in value:
        fields = {field: inner(value[saved]) for field, saved in _BIASES.items()}
        if not (isinstance(fields["mean"], (int, float)) and np.isfinite(fields["mean"])):
            raise ValueError(f"{name}.mean must be a finite number, got {fields['mean']!r}")
        return Biases(**fields)
    raise ValueError(f"{name} has unknown entries: {', '.join(map(str, value))}")
