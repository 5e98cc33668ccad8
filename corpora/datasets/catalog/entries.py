"""Constants and functions shared by the modules of the catalog."""

from __future__ import annotations

from corpora.datasets.catalog.checksums import SHA256
from corpora.datasets.records import Download, File

GITHUB = "https://raw.githubusercontent.com"
NOT_STATED = "not stated by its publishers; research use"
WIKIPEDIA = "text of Wikipedia: CC BY-SA 3.0 / GFDL"


def file(path: str) -> File:
    """Return the record of a file, with its checksum if known."""
    return File(path, SHA256.get(path))


def files(folder: str) -> tuple[File, ...]:
    """Return all files below a folder that have a checksum, sorted by name."""
    return tuple(file(path) for path in sorted(SHA256) if path.startswith(folder + "/"))


def plain(base: str, *requested: File) -> tuple[Download, ...]:
    """Return a download for each file, with the same name below `base`."""
    return tuple(
        Download(f"{base}/{each.path.rsplit('/', 1)[1]}", each.sha256, each.path)
        for each in requested
    )
