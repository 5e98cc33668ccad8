"""Models on disk: a folder of safetensors and JSON, written whole or not at all.

``config.json``
    format version, parameters, history, and where an interrupted run stands
``vocabulary.json``
    words and their counts, the most frequent first
``weights.safetensors``
    W1, W2, and the embeddings of global contexts if they were computed
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from conec.types import JSON, FloatArray, StrPath

FORMAT = "conec.ContextEncoder"
FORMAT_VERSION = 1
CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocabulary.json", "weights.safetensors"


class ModelError(ValueError):
    """A folder that holds no model, a damaged one, or one of a newer version."""


def save(path: StrPath, about: JSON, vocabulary: JSON, weights: dict[str, FloatArray]) -> None:
    """Write a model.

    An older model at `path` is replaced in one step, and stays whole if anything
    goes wrong before.

    Raises
    ------
    OSError
        If `path` cannot be written, holds something other than a model, or the disk
        is full.
    """
    from safetensors.numpy import save_file

    from corpora.files import atomic_folder

    with atomic_folder(path, marker=WEIGHTS) as folder:
        header = {"format": FORMAT, "format_version": FORMAT_VERSION, **about}
        (folder / CONFIG).write_text(json.dumps(header, indent=1), encoding="utf-8")
        (folder / VOCABULARY).write_text(
            json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8"
        )
        arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
        save_file(arrays, folder / WEIGHTS)


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
    if not folder.is_dir():
        raise FileNotFoundError(f"no model at {folder}: a model is a folder")
    about = _read_json(folder, CONFIG)
    if about.get("format") != FORMAT or not isinstance(about.get("format_version"), int):
        raise ModelError(f"{folder} is no Context Encoder: its {CONFIG} does not say so")
    if about["format_version"] > FORMAT_VERSION:
        raise ModelError(
            f"{folder} has format version {about['format_version']}; this version of "
            f"similarity-encoders reads up to {FORMAT_VERSION}: update it"
        )
    vocabulary = _read_json(folder, VOCABULARY)
    weights = _map_weights(folder / WEIGHTS)
    words, counts = vocabulary.get("words"), vocabulary.get("counts")
    if not isinstance(words, list) or not isinstance(counts, list) or len(words) != len(counts):
        raise ModelError(f"{folder / VOCABULARY} is damaged: words and counts do not match")
    for name in ("W1", "W2"):
        if name not in weights or weights[name].ndim != 2 or len(weights[name]) != len(words):
            raise ModelError(f"{folder / WEIGHTS} is damaged: no {name} for {len(words)} words")
    if any(array.shape != weights["W1"].shape for array in weights.values()):
        raise ModelError(f"{folder / WEIGHTS} is damaged: arrays of different shapes")
    return about, vocabulary, weights


def _read_json(folder: Path, name: str) -> JSON:
    try:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} is no Context Encoder: it has no {name}") from None
    except (ValueError, OSError) as error:
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
            header: dict[str, Any] = json.loads(file.read(length))
        header.pop("__metadata__", None)
        arrays = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            shape = tuple(entry["shape"])
            if entry["dtype"] != "F32" or end - begin != 4 * math.prod(shape):
                raise ModelError(f"{path} is damaged: {name} is no float32 array of {shape}")
            if begin < 0 or 8 + length + end > size:
                raise ModelError(f"{path} is damaged: it ends before {name} does")
            arrays[name] = np.memmap(path, "<f4", "c", 8 + length + begin, shape)
    except FileNotFoundError:
        raise ModelError(f"{path.parent} is no Context Encoder: it has no {path.name}") from None
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    except json.JSONDecodeError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    return arrays
