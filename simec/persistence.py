"""Writing a folder of safetensors and JSON, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import torch

from corpora.errors import ModelError
from corpora.files import atomic_folder
from simec.reading import CONFIG

__all__ = ["CONFIG", "WEIGHTS", "ModelError", "write_folder"]

WEIGHTS = "weights.safetensors"


def write_folder(path: Any, about: dict[str, Any], tensors: dict[str, Any]) -> None:
    """Write a folder of JSON and safetensors, whole or not at all.

    Parameters
    ----------
    path : str or path
        What is there is replaced if it is such a folder.
    about : dict
        For ``config.json``; with ``format`` and ``format_version``.
    tensors : dict of str to Tensor
        For ``weights.safetensors``.

    Raises
    ------
    OSError
        If `path` cannot be written, or holds something else.
    """
    from safetensors.torch import save as as_bytes

    folder = Path(path)
    if folder.is_dir():
        others = sorted(
            name for name in os.listdir(folder)
            if name not in (CONFIG, WEIGHTS) and not name.startswith(".")
        )  # fmt: skip
        if others:
            raise FileExistsError(
                errno.EEXIST, f"The folder holds other things ({others[0]})", str(folder)
            )
    text = json.dumps(about, indent=1)
    # copies, as layers may share weights
    weights = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    with atomic_folder(folder, marker=WEIGHTS) as target:
        (target / CONFIG).write_text(text + "\n", encoding="utf-8")
        # safetensors' own errors of the disk are no OSError
        (target / WEIGHTS).write_bytes(as_bytes(weights))
