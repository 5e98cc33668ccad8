"""Trained models by name: downloads with checksums, and model cards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from conec.model import ContextEncoder
from conec.types import StrPath
from corpora.checks import check_choice

__all__ = ["Archive", "load_pretrained", "read_card"]

CARD = "README.md"  # file of a model folder


class Archive(NamedTuple):
    """A zip archive with the files of a model folder, and its SHA-256."""

    url: str
    sha256: str


PRETRAINED: dict[str, Archive] = {}
"""Published models. No model is published yet; `make pretrained` trains one."""


def load_pretrained(
    name: str,
    *,
    models: Mapping[str, Archive] = PRETRAINED,
    cache: StrPath | None = None,
    progress: bool = False,
) -> ContextEncoder:
    """Load a model by name; it is downloaded once, and verified by its checksum.

    Parameters
    ----------
    name : str
        A key of `models`.
    models : dict of str to Archive
        Where models are; by default those that are published with this package.
    cache : path, optional
        Folder for downloads; by default a folder of the user's cache.
    progress : bool
        Show a bar.

    Returns
    -------
    ContextEncoder

    Raises
    ------
    ValueError
        If the name is unknown, or the file does not have the checksum.
    OSError
        If the download fails.
    ModelError
        If the archive does not hold a model.
    """
    import pooch

    from corpora.datasets import cache_folder

    if not models:
        raise ValueError(
            "no models are published with this version. Train one with `make pretrained`, and "
            "load it with conec.load(folder); or pass models={name: Archive(url, sha256)}"
        )
    check_choice("name", name, tuple(models))
    folder = Path(cache) if cache is not None else cache_folder() / "models"
    archive = models[name]
    pooch.retrieve(
        archive.url,
        known_hash=f"sha256:{archive.sha256}",
        fname=f"{name}.zip",
        path=folder,
        processor=pooch.Unzip(extract_dir=name),
        progressbar=progress,
    )
    return ContextEncoder.load(folder / name)


def read_card(folder: StrPath) -> str | None:
    """The model card in a model folder, or None."""
    path = Path(folder) / CARD
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
