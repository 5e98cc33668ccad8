"""A sense inventory on disk: two files in a model's folder, both or none.

``senses.json``
    format version and settings
``senses.safetensors``
    the arrays of `conec.senses.SenseInventory`
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from conec.senses import SenseInventory

FORMAT_VERSION = 1
ABOUT, ARRAYS = FILES = "senses.json", "senses.safetensors"
_TYPES = {
    "starts": np.int64, "centres": np.float32, "shares": np.float32, "examples": np.int32,
    "map": np.float32,
}  # fmt: skip


def write(folder: Path, senses: SenseInventory) -> None:
    """Write both files; OSError if that is not possible."""
    from conec.persistence import write_arrays

    about = {"format_version": FORMAT_VERSION, "settings": asdict(senses.settings)}
    (folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    write_arrays(
        folder / ARRAYS, {name: getattr(senses, name).astype(t) for name, t in _TYPES.items()}
    )


def read(folder: Path, n_words: int, size: int) -> SenseInventory | None:
    """Read both files; None if there is neither.

    Parameters
    ----------
    folder : Path
    n_words, size : int
        Shape of the model's weights.

    Raises
    ------
    ModelError
        If they are damaged, those of another model, or of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from conec.persistence import ModelError
    from conec.senses import SenseInventory, SenseSettings

    if not any((folder / name).exists() for name in FILES):
        return None
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        version = about["format_version"]
        if type(version) is int and version > FORMAT_VERSION:
            raise ModelError(
                f"{folder / ABOUT} has format version {version}; this version of "
                f"similarity-encoders reads up to {FORMAT_VERSION}: update it"
            )
        settings = SenseSettings(**about["settings"])
        arrays = load_file(folder / ARRAYS)
        if {name: array.dtype for name, array in arrays.items()} != _TYPES:
            raise ValueError(f"{ARRAYS} does not hold the arrays of a sense inventory")
        found = SenseInventory(**arrays, settings=settings)
        if len(found.starts) != n_words + 1 or len(found.map) != size:
            raise ValueError("senses of other words, or of another size, than the model")
    except ModelError:
        raise
    except (OSError, ValueError, LookupError, TypeError, RecursionError, SafetensorError) as error:
        raise ModelError(f"{folder} is damaged: its senses cannot be read ({error!r})") from error
    return found
