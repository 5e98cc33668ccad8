"""What the parts of the catalogue share."""

from __future__ import annotations

from corpora.datasets.catalogue.checksums import SHA256
from corpora.datasets.records import Download, File

GITHUB = "https://raw.githubusercontent.com"
NOT_STATED = "not stated by its publishers; research use"
WIKIPEDIA = "text of Wikipedia: CC BY-SA 3.0 / GFDL"


def file(path: str) -> File:
    """Return the record of a file, with its checksum where that is known."""
    return File(path, SHA256.get(path))


def files(folder: str) -> tuple[File, ...]:
    """Return every file below a folder that has a checksum, by name."""
    return tuple(file(path) for path in sorted(SHA256) if path.startswith(folder + "/"))


def plain(base: str, *wanted: File) -> tuple[Download, ...]:
    """Return one download for each file, of the same name below `base`."""
    return tuple(
        Download(f"{base}/{one.path.rsplit('/', 1)[1]}", one.sha256, one.path) for one in wanted
    )
