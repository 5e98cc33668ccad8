"""Arrays in the safetensors format, aligned for vector instructions.

The format is 8 bytes with the length of a header, a JSON header, and the arrays without gaps.
The safetensors library reads and writes the same files, but does not memory-map them, aligns them
to 8 bytes only, and does not raise OSError if the disk is full.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.saved_data import parse_json

__all__ = ["ArrayPlace", "aligned_array", "encode_arrays", "read_places"]

_MOST_DIMENSIONS = 32
_WIDEST_EMPTY = 1 << 26  # product of the other lengths of an empty array
_ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2",
    "U32": "<u4", "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


class ArrayPlace(NamedTuple):
    """Where an array lies in a file, and its type."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int  # in bytes, from the beginning of the file

    @property
    def size(self) -> int:
        """Size in bytes."""
        return int(self.dtype.itemsize * math.prod(self.shape))


def encode_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Iterator[memoryview]:
    """Yield the bytes of a safetensors file, the first of its arrays aligned to 64 bytes."""
    ready = {}
    for name, array in arrays.items():
        array = np.asarray(array)
        little = array.dtype.newbyteorder("<")
        if little not in _NAMES:
            raise TypeError(f"{name} is an array of {array.dtype}, which cannot be saved")
        ready[name] = np.ascontiguousarray(array, little).reshape(array.shape)
    # The format allows no gaps. With the widest types first, all arrays are aligned to their width.
    order = sorted(ready, key=lambda name: (-ready[name].itemsize, name))
    header, end = {}, 0
    for name in order:
        start, end = end, end + ready[name].nbytes
        header[name] = {
            "dtype": _NAMES[ready[name].dtype],
            "shape": list(ready[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    yield memoryview(len(text).to_bytes(8, "little") + text)
    for name in order:
        yield ready[name].reshape(-1).view(np.uint8).data


def read_places(file: BufferedReader, size: int) -> tuple[dict[str, ArrayPlace], str]:
    """Read the positions of the arrays in a safetensors file, and the checksum of the header.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    file.seek(0)
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if not 2 <= length <= size - 8:
        raise ValueError("its header does not fit into the file")
    text = file.read(length)
    header = parse_json(text)
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    header.pop("__metadata__", None)
    places = {}
    for name, entry in header.items():
        match entry:
            case {"dtype": str(code), "shape": [*shape], "data_offsets": [begin, end]}:
                numbers = (*shape, begin, end)
                if (
                    code in _DTYPES
                    and len(shape) <= _MOST_DIMENSIONS
                    and all(type(n) is int and 0 <= n < 2**48 for n in numbers)
                    # the size of the file does not limit the other lengths of an empty array
                    and (0 not in shape or math.prod(n or 1 for n in shape) <= _WIDEST_EMPTY)
                ):
                    place = ArrayPlace(np.dtype(_DTYPES[code]), tuple(shape), 8 + length + begin)
                    if place.size == end - begin:
                        places[name] = place
        if name not in places:
            raise ValueError(f"the header's entry of {name} is not valid")
    end = 8 + length
    for place in sorted(places.values(), key=lambda place: (place.start, place.size)):
        if place.start != end:
            raise ValueError("its arrays do not follow one another")
        end += place.size
    if end != size:
        raise ValueError(f"it has {size} bytes, expected {end}")
    return places, hashlib.sha256(prefix + text).hexdigest()


def aligned_array(place: ArrayPlace) -> npt.NDArray[Any]:
    """Allocate an array at a multiple of 64 bytes."""
    buffer = np.empty(place.size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + place.size].view(place.dtype).reshape(place.shape)
