"""The records that the catalogue is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["corpus", "word-pairs", "analogies", "pair-analogies", "other"]


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Where it lies, relative to the local folder and to the cache, with ``/``. On disk the
        file may also be compressed: ``path + ".xz"`` and ``path + ".gz"`` are found as well.
    sha256 : str or None
        Checksum of the bytes *uncompressed*, so that it holds for every way the file is kept.
        None where it is not known.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True)
class Download:
    """One thing to fetch for a data set.

    Attributes
    ----------
    url : str
        Address, http or https.
    sha256 : str or None
        Checksum of what the address serves. None where it is not known: such a download is not
        verified, and a warning tells the checksum of what came.
    into : str
        For a plain file, where it goes (see `File.path`); for an archive, the folder that
        stands for the archive's folder `members`.
    members : str or None
        For a zip or tar archive, the prefix of the wanted members (``""`` for its root): the
        file ``into/x`` is the member ``members + x``. None for a plain file.
    """

    url: str
    sha256: str | None
    into: str
    members: str | None = None


@dataclass(frozen=True)
class Dataset:
    """What is known of a named data set.

    Attributes
    ----------
    name : str
        Name in the catalogue.
    kind : {"corpus", "word-pairs", "analogies", "pair-analogies", "other"}
        Decides what `corpora.datasets.load` returns.
    description : str
        What the data are and how many.
    files : tuple of File
        Every file that must be there; `load` reads the first unless told otherwise.
    licence, citation : str
        Licence as its publishers or the copies in circulation state it, and what to cite.
    homepage : str
        Page of the data set.
    downloads : tuple of Download
        What `fetch` downloads; empty where the set can't be fetched.
    how_to_get : str
        How a user gets a set that can't be fetched.
    format : str
        For a corpus, the ``format`` given to `corpora.open`.
    """

    name: str
    kind: Kind
    description: str
    files: tuple[File, ...]
    licence: str
    citation: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    how_to_get: str = ""
    format: str = "auto"

    @property
    def folder(self) -> str:
        """Folder that holds all files, relative to the local folder."""
        parts = [file.path.split("/")[:-1] for file in self.files]
        common = []
        for column in zip(*parts, strict=False):
            if len(set(column)) > 1:
                break
            common.append(column[0])
        return "/".join(common)


class DatasetNotFoundError(FileNotFoundError):
    """A named data set is neither in the local folder nor in the cache."""
