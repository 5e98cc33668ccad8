"""Taggers on disk: a folder of CRFsuite's file, JSON and safetensors, whole or not there.

``tagger.json``
    format version, parameters, those of the context features, checksums
``words.json``
    the words of the training text
``field.crfsuite``
    the conditional random field
``groups.safetensors``, ``model/``
    what the context features learned, and their Context Encoder, unless it stays elsewhere
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import conec
from conec import persistence
from conec.features import Clean, Feature
from conec.ner.clusters import Clusters
from conec.ner.features import ContextFeatures
from conec.persistence import whole_folder, write_json
from conec.types import JSON, StrPath
from corpora.errors import ModelError

FORMAT = "conec.ner.Tagger"
FORMAT_VERSION = 1
ABOUT, WORDS, FIELD = "tagger.json", "words.json", "field.crfsuite"
GROUPS, MODEL = "groups.safetensors", "model"
_ARRAYS = ("mean", "centres", "parents")
_FILES = {ABOUT, WORDS, FIELD, GROUPS, MODEL}


class Saved(NamedTuple):
    """What is kept of a tagger."""

    parameters: JSON
    n_columns: int
    words: list[str]
    field: bytes
    features: ContextFeatures | None


def save(path: StrPath, tagger: Saved, *, copy_model: bool) -> None:
    """Write a tagger; see `Tagger.save`."""
    features = tagger.features
    about: JSON = {"parameters": tagger.parameters, "n_columns": tagger.n_columns}
    about["features"] = None
    if features is not None:
        about["features"] = _parameters(features, copy_model)
    with whole_folder(path, marker=ABOUT, names=_FILES) as folder:
        (folder / FIELD).write_bytes(tagger.field)
        write_json(folder / WORDS, tagger.words)
        if features is not None:
            (folder / GROUPS).write_bytes(_pack(features.clusters_))
            if copy_model:
                features.model_.save(folder / MODEL)
        header = {"format": FORMAT, "format_version": FORMAT_VERSION, **about}
        header["sha256"] = {
            name: _checksum((folder / name).read_bytes())
            for name in (WORDS, FIELD, GROUPS)
            if (folder / name).exists()
        }
        write_json(folder / ABOUT, header, indent=1)


def check_writable(path: StrPath) -> None:
    """Raise the OSError that `save` would raise, before minutes of work.

    Raises
    ------
    OSError
        If `path` cannot be written, or holds something other than a tagger.
    """
    persistence.check_writable(path, marker=ABOUT, names=_FILES)


def load(path: StrPath, *, features: Iterable[Feature] = (), clean: Clean | None = None) -> Saved:
    """Read a tagger; parameters and errors as for `Tagger.load`."""
    folder = Path(path)
    if not folder.exists():
        raise FileNotFoundError(errno.ENOENT, "No tagger: there is no such folder", str(folder))
    about = _parse(folder / ABOUT, _read(folder, ABOUT))
    version = about.get("format_version") if isinstance(about, dict) else None
    if version is None or about.get("format") != FORMAT or type(version) is not int:
        raise ModelError(f"{folder} is no tagger: its {ABOUT} does not say so")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{folder} has format version {version}, and this program reads up to "
            f"{FORMAT_VERSION}: update it"
        )
    parameters, described, sums = (about.get(k) for k in ("parameters", "features", "sha256"))
    n_columns = about.get("n_columns")
    if not isinstance(parameters, dict) or not isinstance(sums, dict) or n_columns not in (1, 2, 3):
        raise ModelError(f"{folder / ABOUT} is damaged: a part is missing, or of another kind")

    def checked(name: str) -> bytes:
        content = _read(folder, name)
        if _checksum(content) != sums.get(name):
            raise ModelError(f"{folder / name} is damaged: it is not as it was written")
        return content

    words = _parse(folder / WORDS, checked(WORDS))
    context = None
    if described is not None:
        encoder = partial(conec.load, features=features, clean=clean)
        context = _features(folder, described, checked, encoder)
    return Saved(parameters, n_columns, words, checked(FIELD), context)


# Context features


def _parameters(features: ContextFeatures, copy_model: bool) -> JSON:
    found = {k: v for k, v in features.get_params(deep=False).items() if k != "model"}
    clean = [] if features.clean is None else features.clean
    found["clean"] = [clean] if isinstance(clean, str) else list(clean)
    if not all(isinstance(step, str) for step in found["clean"]):
        raise ValueError("a function among the steps of clean cannot be saved: use their names")
    for name in ("spaces", "clusters"):
        found[name] = list(found[name])
    if not copy_model:
        if not isinstance(features.model, (str, os.PathLike)):
            raise ValueError(
                "the model has no folder to refer to: give ContextFeatures its path, or save "
                "with copy_model=True"
            )
        found["model"] = os.path.abspath(features.model)
    return found


def _features(
    folder: Path,
    described: Any,
    checked: Callable[[str], bytes],
    load_encoder: Callable[[Any], conec.ContextEncoder],
) -> ContextFeatures:
    place = described.get("model") if isinstance(described, dict) else None
    try:
        encoder = load_encoder(folder / MODEL if place is None else place)
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is not whole, its Context Encoder is gone: {error}") from error
    try:
        parameters = dict(described)
        parameters["clean"] = parameters["clean"] or None
        parameters["model"] = encoder
        features = ContextFeatures(**parameters)
        features.model_ = features._checked(encoder)
        features.model = encoder if place is None else place
        features.clusters_ = _unpack(checked(GROUPS), features)
    except ModelError:
        raise
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder / ABOUT} is damaged: {error}") from error
    return features


def _pack(clusters: dict[str, Clusters]) -> bytes:
    from safetensors.numpy import save as to_bytes

    packed: bytes = to_bytes(
        {
            f"{space}.{name}": np.ascontiguousarray(array)
            for space, own in clusters.items()
            for name, array in zip(_ARRAYS, (own.mean, own.centers, own.parents), strict=True)
        }
    )
    return packed


def _unpack(content: bytes, features: ContextFeatures) -> dict[str, Clusters]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        arrays = from_bytes(content)
    except SafetensorError as error:
        raise ValueError(f"{GROUPS}: {error}") from error
    found: dict[str, Clusters] = {}
    for space in features.spaces:
        own = Clusters(*(arrays[f"{space}.{name}"] for name in _ARRAYS))
        own.check(features.model_.config.vector_size, len(features.clusters))
        found[space] = own
    return found


# Files


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{folder} is no tagger: it has no {name}") from None


def _parse(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: {error}") from error
