"""Records of the catalog of data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from corpora.errors import warn

Kind = Literal["corpus", "word-pairs", "analogies", "pair-analogies", "other"]


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Path relative to the local folder and to the cache, with ``/``. The file may also be
        compressed on disk: ``path + ".xz"`` and ``path + ".gz"`` are found as well.
    sha256 : str or None
        Checksum of the *uncompressed* bytes, which does not depend on how the file is stored.
        None if unknown.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True)
class Download:
    """A download of a data set.

    Attributes
    ----------
    url : str
        Address, http or https.
    sha256 : str or None
        Checksum of the download. None if unknown: the download is then not verified, and a
        warning reports its checksum.
    into : str
        For a file, its path (see `File.path`). For an archive, the folder for the contents of
        its folder `members`.
    members : str or None
        For a zip or tar archive, the prefix of the members to unpack (``""`` for its root): the
        file ``into/x`` is the member ``members + x``. None for a file that is not unpacked.
    """

    url: str
    sha256: str | None
    into: str
    members: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Description of a named data set.

    Attributes
    ----------
    name : str
        Name in the catalog.
    kind : {"corpus", "word-pairs", "analogies", "pair-analogies", "other"}
        Determines what `corpora.datasets.load` returns.
    description : str
        Contents and size of the data set.
    files : tuple of File
        All files of the data set.
    license, citation : str
        License as stated by the publishers or by the copies in circulation, and what to cite.
    homepage : str
        URL of the data set.
    downloads : tuple of Download
        Downloads for `fetch`; empty if the data set can't be fetched.
    how_to_get : str
        Instructions for a data set that can't be fetched.
    format : str
        For a corpus, the ``format`` for `corpora.open`.
    """

    name: str
    kind: Kind
    description: str
    files: tuple[File, ...]
    license: str
    citation: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    how_to_get: str = ""
    format: str = "auto"

    @property
    def folder(self) -> str:
        """Folder that contains all files, relative to the local folder."""
        folders = [file.path.split("/")[:-1] for file in self.files]
        common = []
        for names in zip(*folders, strict=False):
            if len(set(names)) > 1:
                break
            common.append(names[0])
        return "/".join(common)

    @property
    def licence(self) -> str:
        """Deprecated: use `license`."""
        warn("Dataset.licence is deprecated, use license", DeprecationWarning)
        return self.license


class DatasetNotFoundError(FileNotFoundError):
    """A data set was found neither in the local folder nor in the cache."""
