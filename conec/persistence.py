"""Models on disk: a folder of safetensors and JSON, written whole or not at all.

``config.json``
    format version, parameters, history, and where an interrupted run stands
``vocabulary.json``
    words and their counts, the most frequent first
``weights.safetensors``
    W1, W2, and the embeddings of global contexts if they were computed
``features.json``, ``map.json``, ``senses.json``, each with a ``.safetensors``
    what some models have beside these: features with their names and counts, and F1; the
    map of contexts; the words' senses
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from conec.types import JSON, FloatArray, StrPath
from corpora.errors import ModelError

FORMAT = "conec.ContextEncoder"
FORMAT_VERSION = 2
WITHOUT_FEATURES = 1  # which older versions read, and ignore other parts of
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocabulary.json", "weights.safetensors"
FEATURES, MAP, SENSES = PARTS = "features", "map", "senses"
_FILES = {CONFIG, VOCABULARY, WEIGHTS} | {
    f"{name}.{kind}" for name in PARTS for kind in ("json", "safetensors")
}


class Part(NamedTuple):
    """What some models have beside words and weights."""

    about: JSON
    arrays: dict[str, npt.NDArray[Any]]


def save(
    path: StrPath,
    about: JSON,
    vocabulary: JSON,
    weights: dict[str, FloatArray],
    parts: Mapping[str, Part] | None = None,
) -> None:
    """Write a model.

    An older model at `path` is replaced in one step, and stays whole if anything
    goes wrong before.

    Raises
    ------
    OSError
        If `path` cannot be written, holds something other than a model, or the disk
        is full.
    """
    with whole_folder(path) as folder:
        parts = parts or {}
        version = FORMAT_VERSION if FEATURES in parts else WITHOUT_FEATURES
        header = {"format": FORMAT, "format_version": version, **about}
        write_json(folder / CONFIG, header, indent=1)
        write_json(folder / VOCABULARY, vocabulary)
        _write_arrays(folder / WEIGHTS, {n: a.astype("f4", copy=False) for n, a in weights.items()})
        for name, part in parts.items():
            write_json(folder / f"{name}.json", part.about)
            _write_arrays(folder / f"{name}.safetensors", part.arrays)
        # safetensors lets the owner alone read; others may read what they may read beside it
        for file in folder.glob("*.safetensors"):
            shutil.copymode(folder / CONFIG, file)


def check_writable(path: StrPath, *, marker: str = WEIGHTS, names: Set[str] = _FILES) -> None:
    """Raise the OSError that `save` would raise, before hours of work.

    Parameters
    ----------
    path : path
    marker, names
        As in `whole_folder`.

    Raises
    ------
    OSError
        If `path` cannot be written, or holds something other than a model.
    """

    class Given(Exception):
        """Up before anything was replaced."""

    with contextlib.suppress(Given), whole_folder(path, marker=marker, names=names):
        raise Given


@contextlib.contextmanager
def whole_folder(
    path: StrPath, *, marker: str = WEIGHTS, names: Set[str] = _FILES
) -> Iterator[Path]:
    """A folder to write to, which is then put to `path` whole.

    Parameters
    ----------
    path : path
    marker : str
        A file that tells a folder that may be replaced.
    names : set of str
        What such a folder holds; others are not replaced. Hidden files may go.
    """
    from corpora.files import atomic_folder

    target = Path(path)
    if target.is_dir():
        found = {name for name in os.listdir(target) if not name.startswith(".")}
        others = sorted(found - names)
        if others:
            some = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
            raise FileExistsError(
                errno.EEXIST, f"The folder holds other things ({some}); not replaced", str(target)
            )
    with atomic_folder(path, marker=marker) as folder:
        yield folder


def write_json(path: Path, data: Any, indent: int | None = None) -> None:
    """Write JSON in UTF-8."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    # half a surrogate pair, which undecodable bytes of a corpus may become, is no UTF-8;
    # written with a backslash it is JSON nevertheless
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _write_arrays(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    except SafetensorError as error:
        # its errors of the disk are no OSError
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise OSError(errno.EIO, str(error), str(path)) from error
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def load(path: StrPath) -> tuple[JSON, JSON, dict[str, FloatArray]]:
    """Read a model; its arrays are memory-mapped, and private to the process.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ModelError
        If it holds no model, or a damaged one, or one of a newer version.
    """
    folder = Path(path)
    if not folder.exists():
        raise FileNotFoundError(errno.ENOENT, "No model: there is no such folder", str(folder))
    if not folder.is_dir():
        raise ModelError(f"{folder} is no Context Encoder: it is a file, a model is a folder")
    about = _read_json(folder, CONFIG)
    version = about.get("format_version")
    if about.get("format") != FORMAT or type(version) is not int or version < 1:
        raise ModelError(f"{folder} is no Context Encoder: its {CONFIG} does not say so")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{folder} has format version {version}; this version of "
            f"similarity-encoders reads up to {FORMAT_VERSION}: update it"
        )
    vocabulary = _read_json(folder, VOCABULARY)
    words, counts = vocabulary.get("words"), vocabulary.get("counts")
    if (
        not isinstance(words, list)
        or not isinstance(counts, list)
        or len(words) != len(counts)
        or not all(type(word) is str for word in words)
        or not all(type(n) is int and 0 <= n < 2**63 for n in counts)
    ):
        raise ModelError(f"{folder / VOCABULARY} is damaged: words and counts do not match")
    weights = _map_weights(folder / WEIGHTS)
    for name in ("W1", "W2"):
        if name not in weights or weights[name].ndim != 2 or len(weights[name]) != len(words):
            raise ModelError(f"{folder / WEIGHTS} is damaged: no {name} for {len(words)} words")
    if any(array.shape != weights["W1"].shape for array in weights.values()):
        raise ModelError(f"{folder / WEIGHTS} is damaged: arrays of different shapes")
    return about, vocabulary, weights


def has_part(path: StrPath, name: str) -> bool:
    """Whether a model has what some models have beside words and weights, damaged or not."""
    return any((Path(path) / f"{name}.{kind}").exists() for kind in ("json", "safetensors"))


def load_part(path: StrPath, name: str) -> Part | None:
    """Read what some models have beside words and weights; None if this one does not.

    Raises
    ------
    ModelError
        If it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not has_part(path, name):
        return None
    folder = Path(path)
    about, arrays = folder / f"{name}.json", folder / f"{name}.safetensors"
    for file in (about, arrays):
        if not file.exists():
            raise ModelError(f"{folder} is damaged: it has no {file.name}")
    try:
        return Part(_read_json(folder, about.name), load_file(arrays))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{arrays} is damaged: {error}") from error


def _read_json(folder: Path, name: str) -> JSON:
    try:
        data = json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{folder} is no Context Encoder: it has no {name}") from None
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise ModelError(f"{folder / name} is damaged: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{folder / name} is damaged: not a JSON object")
    return data


def _map_weights(path: Path) -> dict[str, FloatArray]:
    """Map a safetensors file: 8 bytes of header length, a JSON header, the arrays.

    The library's own reader for NumPy copies; a map is there at once and shares pages.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= size - 8:
                raise ModelError(f"{path} is damaged: its header does not fit into the file")
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise ModelError(f"{path.parent} is no Context Encoder: it has no {path.name}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, IsADirectoryError) as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    if not isinstance(header, dict):
        raise ModelError(f"{path} is damaged: its header is no JSON object")
    header.pop("__metadata__", None)
    arrays, start = {}, 8 + length
    for name, entry in header.items():
        shape, begin, end = _described(entry)
        if end - begin != 4 * math.prod(shape):
            raise ModelError(f"{path} is damaged: {name} is no float32 array with a shape")
        if start + end > size:
            raise ModelError(f"{path} is damaged: it ends before {name} does")
        # nothing cannot be mapped
        arrays[name] = (
            np.memmap(path, "<f4", "c", start + begin, shape)
            if begin < end
            else np.empty(shape, np.float32)
        )
    return arrays


def _described(entry: Any) -> tuple[tuple[int, ...], int, int]:
    """Shape, begin and end of an array of float32; anything else gives an impossible one."""
    match entry:
        case {"dtype": "F32", "shape": [*shape], "data_offsets": [begin, end]}:
            if all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
                return tuple(shape), begin, end
    return (), 0, 0
