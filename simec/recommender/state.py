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

from corpora.checks import check_choice, check_integer
from corpora.saved_data import check_saved_object, saved_strings
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
            "times": inner("times", value.times),
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
    ValueError, TypeError
        If the data are damaged: entries are missing, arrays hold NaN, sparse matrices have
        indices out of range, or shapes disagree. Whether the attributes are those of a recommender
        is checked by its ``_check_state``.
    """
    attributes = {}
    for name, value in check_saved_object("learned", data).items():
        if name.startswith("_") or not name.endswith("_") or not name.isidentifier():
            raise ValueError(f"{name!r} is not the name of a fitted attribute")
        attributes[name] = _unpack(name, value, arrays, load_encoder)
    return attributes


def _unpack(name: str, value: Any, arrays: Arrays, load_encoder: Callable[[str], Any]) -> Any:
    def inner(part: str, content: Any) -> Any:
        return _unpack(f"{name}.{part}", content, arrays, load_encoder)

    if isinstance(value, (str, int, float, type(None))):
        return value
    value = check_saved_object(name, value)
    if "array" in value:
        return _array(name, arrays, value["array"])
    if "list" in value:
        if not isinstance(value["list"], list):
            raise ValueError(f"{name} must be a list, got {value['list']!r}")
        return tuple(inner(str(k), part) for k, part in enumerate(value["list"]))
    if "csr" in value:
        values, indices, indptr = (_array(name, arrays, f"{value['csr']}.{part}") for part in _CSR)
        return checked_csr(name, values, indices, indptr, value.get("shape"))
    if "ids" in value:
        check_choice(f"{name}.what", value.get("what"), ("user", "item"))
        ids = value["ids"]
        if not isinstance(ids, list):
            ids = inner("ids", ids)
            if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu":
                raise ValueError(f"{name} must be integers or strings")
        elif {*map(type, ids)} not in ({str}, {int}, set()):
            raise ValueError(f"{name} must be integers or strings, all of the same type")
        return Ids(ids, value["what"])
    if "ratings" in value:
        matrix, users, items = (
            inner(part, value.get(key))
            for part, key in (("matrix", "ratings"), ("users", "users"), ("items", "items"))
        )
        check_attribute(f"{name}.users", users, Ids)
        check_attribute(f"{name}.items", items, Ids)
        check_shape(f"{name}.matrix", matrix, (len(users), len(items)))
        if not sparse.issparse(matrix) or not matrix.has_canonical_format:
            raise ValueError(f"{name}.matrix must have one entry for each rating, in order")
        duplicates = value.get("duplicates", [])
        if not isinstance(duplicates, list) or len(duplicates) > 2:
            raise ValueError(f"{name}.duplicates must be two numbers, got {duplicates!r}")
        counts = (check_integer(f"{name}.duplicates", n, 0) for n in duplicates)
        times = inner("times", value.get("times"))
        if times is not None:
            check_shape(f"{name}.times", times, matrix.data.shape)
        n_duplicates, n_contradicting = (*counts, 0, 0)[:2]
        return Ratings(matrix, users, items, n_duplicates, n_contradicting, times)
    if "features" in value:
        ids, matrix = inner("ids", value.get("ids_of")), inner("matrix", value["features"])
        check_attribute(f"{name}.ids", ids, Ids)
        if not isinstance(matrix, np.ndarray) and not sparse.issparse(matrix):
            raise ValueError(f"{name}.matrix must be an array or a sparse matrix")
        names = value.get("names")
        return Features(ids, matrix, None if names is None else saved_strings(name, names))
    if "encoder" in value:
        if not isinstance(value["encoder"], str):
            raise ValueError(f"{name} must name a folder, got {value['encoder']!r}")
        return load_encoder(value["encoder"])
    if "mean" in value:
        fields = {field: inner(field, value.get(key)) for field, key in _BIASES.items()}
        if type(fields["mean"]) not in (int, float):
            raise ValueError(f"{name}.mean must be a number, got {fields['mean']!r}")
        return Biases(**{**fields, "mean": float(fields["mean"])})
    raise ValueError(f"{name} has unknown entries: {', '.join(map(str, value))}")


def _array(name: str, arrays: Arrays, key: Any) -> npt.NDArray[Any]:
    if not isinstance(key, str) or key not in arrays:
        raise ValueError(f"{name}: there is no array {key!r}")
    check_finite(key, arrays[key])
    return arrays[key]


# Checks of restored attributes


def check_attribute(name: str, value: Any, *kinds: type) -> None:
    """Raise ValueError unless an attribute that was read from a folder has one of some types."""
    if type(value) not in kinds:
        expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ValueError(f"{name} must be {expected}, got {type(value).__name__}")


def check_shape(name: str, array: Any, shape: tuple[int | None, ...], kind: str = "f") -> None:
    """Raise ValueError unless an array or sparse matrix has the expected shape and type.

    Parameters
    ----------
    name : str
    array : object
    shape : tuple of int or None
        None for any length.
    kind : {"f", "b"}
        Floats of 32 or 64 bits, or booleans.
    """
    if not isinstance(array, np.ndarray) and not sparse.issparse(array):
        raise ValueError(f"{name} must be an array, got {type(array).__name__}")
    got = tuple(array.shape)
    if len(got) != len(shape) or any(n not in (None, m) for n, m in zip(shape, got, strict=True)):
        raise ValueError(f"{name} must have shape {shape}, got {got}")
    if array.dtype.kind != kind or (kind == "f" and array.dtype.itemsize < 4):
        expected = {"f": "floats", "b": "booleans"}[kind]
        raise ValueError(f"{name} must hold {expected}, got {array.dtype}")


def check_map(name: str, value: Any, n: int, d: int) -> None:
    """Raise ValueError unless a value is a pair of weights (n, d) and intercepts (d,)."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise ValueError(f"{name} must be weights and intercepts")
    check_shape(f"weights of {name}", value[0], (n, d))
    check_shape(f"intercepts of {name}", value[1], (d,))
