"""Encoders on disk: a folder of safetensors and JSON, written whole or not at all.

``config.json``
    format version, parameters, shapes, and what training said
``weights.safetensors``
    the network's weights, by the names that they have in ``module_``
"""

from __future__ import annotations

import errno
import json
import math
import os
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from corpora.files import atomic_folder
from simec.building import Layout
from simec.data.validation import choose_device
from simec.parameters import check_parameters
from simec.reading import CONFIG, read_about

FORMAT = "simec.SimilarityEncoder"
FORMAT_VERSION = 1
WEIGHTS = "weights.safetensors"


class ModelError(ValueError):
    """A folder that holds no encoder, a damaged one, or one of a newer version."""


def save(encoder: Any, path: Any) -> None:
    """Write an encoder; see `SimilarityEncoder.save`.

    Raises
    ------
    NotFittedError
        If it was not fitted.
    OSError
        If `path` cannot be written, or holds something other than an encoder.
    """
    module = encoder._module()
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, **_described(encoder)}
    write_folder(path, about, module.state_dict())


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


def _described(encoder: Any) -> dict[str, Any]:
    parameters = encoder.get_params(deep=False)
    parameters["network"] = encoder.network is not None
    if callable(encoder.loss):
        parameters["loss"] = None
    if not isinstance(encoder.random_state, Integral):
        parameters["random_state"] = None
    parameters = {name: _plain(value) for name, value in parameters.items()}
    names = getattr(encoder, "feature_names_in_", None)
    return {
        "parameters": parameters,
        "layout": encoder._layout.to_dict(),
        "feature_names": None if names is None else [str(name) for name in names],
        "losses": encoder.loss_curve_,
        "validation": encoder.validation_curve_,
        "best_loss": encoder.best_loss_ if math.isfinite(encoder.best_loss_) else None,
        "n_iter": encoder.n_iter_,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def load(
    cls: Any, path: Any, *, network: nn.Module | None, loss: Any, device: str | None = None
) -> Any:
    """Read an encoder; see `SimilarityEncoder.load`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ModelError
        If it holds no encoder, or a damaged one, or one of a newer version.
    ValueError
        If its network or loss was the user's own, and is not given.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(path)
    about = read_about(folder, FORMAT, FORMAT_VERSION, "Similarity Encoder", ModelError)
    if not isinstance(about.get("parameters"), dict) or not isinstance(about.get("layout"), dict):
        raise ModelError(f"{folder} is damaged: its {CONFIG} has no parameters or layout")
    parameters = {**cls().get_params(), "network": False, **about["parameters"]}
    if parameters["network"] and network is None:
        raise ValueError(f"{folder} has weights of a network of one's own: give network=")
    parameters["network"] = network if parameters["network"] else None
    if parameters["loss"] is None:
        if loss is None:
            raise ValueError(f"{folder} was trained with a loss of one's own: give loss=")
        parameters["loss"] = loss
    if device is not None:
        parameters["device"] = device
    for name in ("hidden_layers", "target_activation"):
        if isinstance(parameters[name], list):
            parameters[name] = tuple(parameters[name])
    try:
        encoder = cls(**parameters)
        check_parameters(encoder)
        layout = Layout.from_dict(about["layout"])
    except (LookupError, TypeError, ValueError) as error:
        raise ModelError(f"{folder} is damaged: {error}") from error
    encoder._device_ = choose_device(encoder.device)
    try:
        encoder._build(layout, 0)
        encoder.module_.load_state_dict(load_file(folder / WEIGHTS))
        encoder.loss_curve_, encoder.validation_curve_ = about["losses"], about["validation"]
        encoder.best_loss_ = math.inf if about["best_loss"] is None else about["best_loss"]
        encoder.n_iter_ = about["n_iter"]
        if about["feature_names"] is not None:
            encoder.feature_names_in_ = np.array(about["feature_names"], object)
    except (
        OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError
    ) as error:  # fmt: skip
        raise ModelError(f"{folder} is damaged: {error}") from error
    for name, value in encoder.module_.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise ModelError(f"{folder} is damaged: {name} has values that are not finite")
    return encoder
