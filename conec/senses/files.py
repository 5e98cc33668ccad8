"""A sense inventory as a part of a model on disk."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from conec.persistence import SENSES, ModelError, Part, load_part
from conec.senses.inventory import SenseInventory, SenseSettings
from conec.types import StrPath

FORMAT_VERSION = 1
_TYPES = {
    "starts": np.int64, "centres": np.float32, "shares": np.float32, "examples": np.int32,
    "map": np.float32,
}  # fmt: skip


def senses_part(senses: SenseInventory) -> Part:
    """What is written: format version and settings, and the arrays."""
    about = {"format_version": FORMAT_VERSION, "settings": asdict(senses.settings)}
    return Part(about, {name: getattr(senses, name).astype(t) for name, t in _TYPES.items()})


def read_senses(path: StrPath, n_words: int, size: int) -> SenseInventory | None:
    """Read the senses of a model; None if it has none.

    Parameters
    ----------
    path : path
        The model's folder.
    n_words, size : int
        Shape of the model's weights.

    Raises
    ------
    ModelError
        If they are damaged, those of another model, or of a newer version.
    """
    found = load_part(path, SENSES)
    if found is None:
        return None
    try:
        version = found.about["format_version"]
        if type(version) is int and version > FORMAT_VERSION:
            raise ModelError(
                f"the senses of {path} have format version {version}; this version of "
                f"similarity-encoders reads up to {FORMAT_VERSION}: update it"
            )
        settings = SenseSettings(**found.about["settings"])
        if {name: array.dtype for name, array in found.arrays.items()} != _TYPES:
            raise ValueError("these are not the arrays of a sense inventory")
        senses = SenseInventory(**found.arrays, settings=settings)
        if len(senses.starts) != n_words + 1 or len(senses.map) != size:
            raise ValueError("senses of other words, or of another size, than the model")
    except ModelError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path} is damaged: its senses cannot be read ({error!r})") from error
    return senses
