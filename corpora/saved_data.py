"""Check data and arrays that were read from a saved model, before they are used.

A folder may be damaged, or made by someone else. Checks of values raise ValueError; the store adds
the name of the file (`corpora.model_folder.FolderReader.checking`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import check_integer

__all__ = [
    "check_finite",
    "check_saved_array",
    "check_saved_object",
    "checked_indptr",
    "describe_error",
    "parse_json",
    "saved_numbers",
    "saved_seed",
    "saved_strings",
]

_LARGE = 1 << 20  # bytes of JSON; smaller files are read without a further check


def parse_json(content: bytes) -> Any:
    """Parse JSON in which all numbers are finite.

    Raises
    ------
    ValueError
        If it is not JSON, is nested too deeply, has NaN or infinite numbers, or consists of so
        many small lists that it would need many times its size in memory.
    """
    if len(content) > _LARGE and content.count(b"[") + content.count(b"{") > len(content) // 8:
        raise ValueError("it has too many lists and objects")
    try:
        return json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"numbers must be finite, got {text[:40]}")
    return number


def describe_error(error: BaseException) -> str:
    """Return the message of an error that damaged data caused, as part of a sentence."""
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]!r} is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) or repr(error)


def check_saved_object(name: str, value: Any, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return a JSON object as a dict; ValueError if it is anything else, or a key is missing."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, got {value!r}")
    for key in keys:
        if key not in value:
            raise ValueError(f"{key!r} is missing in {name}")
    return value


def saved_strings(name: str, value: Any, n: int | None = None) -> list[str]:
    """Return a JSON array of strings; ValueError if it is anything else or has another length."""
    if not isinstance(value, list) or not all(type(text) is str for text in value):
        raise ValueError(f"{name} must be a list of strings, got {value!r}")
    if n is not None and len(value) != n:
        raise ValueError(f"{name} must have {n} entries, got {len(value)}")
    return value


def saved_numbers(name: str, value: Any, *, nan: bool = False) -> list[float]:
    """Return a JSON array of finite numbers; ValueError if it is anything else.

    With `nan`, null stands for NaN.
    """
    kinds = (int, float, type(None)) if nan else (int, float)
    if not isinstance(value, list) or not all(type(number) in kinds for number in value):
        raise ValueError(f"{name} must be a list of numbers, got {value!r}")
    try:
        return [math.nan if number is None else float(number) for number in value]
    except OverflowError:
        raise ValueError(f"{name} has a number that is too large") from None


def check_finite(name: str, values: npt.NDArray[Any]) -> None:
    """Raise ValueError if an array has NaN or infinite values."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{name} has NaN or infinite values")


def check_saved_array(
    name: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    dtype: str,
    shape: Sequence[int | None],
    *,
    finite: bool = True,
) -> npt.NDArray[Any]:
    """Return an array of a safetensors file.

    Parameters
    ----------
    name : str
    arrays : mapping of str to array
    dtype : str
        Expected type, such as ``"float32"``; or a kind of types, such as ``"float"``.
    shape : sequence of int or None
        Expected shape; None for any length.
    finite : bool
        Whether NaN and infinite values are refused.

    Raises
    ------
    ValueError
        If it is missing, or does not have the type, shape or values.
    """
    array = arrays.get(name)
    if array is None:
        raise ValueError(f"the array {name} is missing")
    fits = array.ndim == len(shape) and all(
        n in (None, m) for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits or not array.dtype.name.startswith(dtype):
        expected = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"{name} must be an array of {dtype} of shape ({expected}), got {array.dtype} of shape "
            f"{array.shape}"
        )
    if finite:
        check_finite(name, array)
    return array


def checked_indptr(
    name: str, indptr: npt.NDArray[Any], n_rows: int, size: int
) -> npt.NDArray[np.int64]:
    """Return row pointers; ValueError unless they rise from 0 to `size`, for `n_rows` rows."""
    fits = indptr.ndim == 1 and 0 < len(indptr) == n_rows + 1
    if not fits or indptr.dtype.kind not in "iu":
        raise ValueError(f"{name} must be {n_rows + 1} integers, got {indptr.dtype} of shape "
                         f"{indptr.shape}")  # fmt: skip
    pointers = indptr.astype(np.int64)
    if pointers[0] != 0 or pointers[-1] != size or (pointers[1:] < pointers[:-1]).any():
        raise ValueError(f"{name} must increase from 0 to {size}")
    return pointers


def saved_seed(value: Any) -> int | None:
    """Return the random_state of a saved estimator; ValueError if it is invalid."""
    return None if value is None else check_integer("random_state", value, 0, 2**32 - 1)
