"""Find, download and verify the files of a named data set."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from pathlib import Path
from typing import IO, Literal

from corpora.checks import closest
from corpora.datasets.catalog import CATALOG
from corpora.datasets.records import Dataset, DatasetNotFoundError, Download, Kind
from corpora.errors import CorpusError, warn
from corpora.files import temporary_folder
from corpora.readers.stream import ByteStream, archive_members, open_raw

logger = logging.getLogger(__name__)

_SUFFIXES = ("", ".xz", ".gz")
_LOCAL_FOLDER = "CORPORA_DATA"


def names(kind: Kind | None = None) -> list[str]:
    """Return the names of all data sets, sorted.

    Parameters
    ----------
    kind : {"corpus", "word-pairs", "analogies", "pair-analogies", "other"}, optional
        Return only data sets of this kind.

    Returns
    -------
    list of str
    """
    return sorted(name for name, dataset in CATALOG.items() if kind in (None, dataset.kind))


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def info(name: str) -> Dataset:
    """Return the description of a data set.

    Parameters
    ----------
    name : str
        Its name; case-insensitive, and ``-`` is equivalent to ``_``.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the closest matches.
    """
    by_key = {_key(valid): dataset for valid, dataset in CATALOG.items()}
    try:
        return by_key[_key(name)]
    except KeyError:
        matches = closest(_key(name), by_key, cutoff=0.5)
        hint = (
            f"closest matches: {', '.join(by_key[key].name for key in matches)}"
            if matches
            else "for all names: corpora datasets list, or corpora.datasets.names() in Python"
        )
        raise ValueError(f"unknown data set {name!r}; {hint}") from None


def cache_folder() -> Path:
    """Return the folder that `fetch` downloads to, which may not exist yet."""
    import pooch

    return Path(pooch.os_cache("similarity-encoders"))


def _roots() -> list[Path]:
    """Return the folders to search: the local folder, if set, and the cache."""
    local = os.environ.get(_LOCAL_FOLDER)
    return [*([Path(local).expanduser()] if local else []), cache_folder()]


def _find(root: Path, relative: str) -> Path | None:
    for suffix in _SUFFIXES:
        candidate = root / (relative + suffix)
        if candidate.is_file():
            return candidate
    return None


def paths(name: str) -> list[Path]:
    """Find all files of a data set.

    Parameters
    ----------
    name : str
        Name of the data set.

    Returns
    -------
    list of Path
        In the order of ``info(name).files``. All are in the same folder: the first that contains
        all of them, among the folder given by the environment variable ``CORPORA_DATA`` and the
        cache. Names may end in ``.xz`` or ``.gz``.

    Raises
    ------
    ValueError
        If the name is unknown.
    DatasetNotFoundError
        A `FileNotFoundError`: if neither folder contains all files. The message says how to get
        them.
    """
    dataset = info(name)
    roots = _roots()
    for root in roots:
        files = [_find(root, file.path) for file in dataset.files]
        if None not in files:
            return [path for path in files if path is not None]
    raise _not_found(dataset, roots)


def _not_found(dataset: Dataset, roots: list[Path]) -> DatasetNotFoundError:
    if dataset.downloads:
        advice = (
            f"To download it, run: corpora datasets fetch {dataset.name}, or in Python "
            f"corpora.datasets.fetch({dataset.name!r})."
        )
    else:
        advice = f"It can't be fetched: {dataset.how_to_get}"
    files = dataset.files[0].path + (" ..." if len(dataset.files) > 1 else "")
    unset = "" if os.environ.get(_LOCAL_FOLDER) else f" ({_LOCAL_FOLDER} is not set)"
    return DatasetNotFoundError(
        f"the data set {dataset.name!r} is not in {' or '.join(map(str, roots))}{unset}. {advice} "
        f"If you have the files, put them in a folder as {files} and set {_LOCAL_FOLDER} to that "
        "folder"
    )


def path(name: str) -> Path:
    """Find a data set.

    Parameters
    ----------
    name : str
        Name of the data set.

    Returns
    -------
    Path
        Its file, or the folder that contains its files if there are several. See `paths`.

    Raises
    ------
    ValueError
        If the name is unknown.
    DatasetNotFoundError
        A `FileNotFoundError`: if the data set is neither in the local folder nor in the cache.
        The message says how to get it.
    """
    files = paths(name)
    if len(files) == 1:
        return files[0]
    dataset = info(name)
    depth = dataset.files[0].path.count("/") - dataset.folder.count("/")
    return files[0].parents[depth - 1]


def _sha256(stream: IO[bytes] | ByteStream) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _content_sha256(path: Path, recorded_path: str) -> str:
    """Return the checksum of a file, after decompression if only the stored file is compressed."""
    as_recorded = path.name == recorded_path.rsplit("/", 1)[-1]
    with open_raw(str(path)) if as_recorded else ByteStream(str(path), packed=True) as stream:
        return _sha256(stream)


def verify(name: str) -> dict[str, Literal["ok", "differs", "unknown"]]:
    """Compare the files of a data set with their checksums.

    Parameters
    ----------
    name : str
        Name of the data set.

    Returns
    -------
    dict of str to {"ok", "differs", "unknown"}
        Result for each file, by its path in the catalog; "unknown" if it has no checksum.

    Raises
    ------
    ValueError
        If the name is unknown.
    DatasetNotFoundError
        If the data set is not on this machine.

    Notes
    -----
    `load` does not verify checksums, as this takes as long as reading the files.
    """
    result: dict[str, Literal["ok", "differs", "unknown"]] = {}
    for file, local in zip(info(name).files, paths(name), strict=True):
        if file.sha256 is None:
            result[file.path] = "unknown"
        else:
            same = _content_sha256(local, file.path) == file.sha256
            result[file.path] = "ok" if same else "differs"
    return result


def fetch(name: str, progress: bool = True) -> Path:
    """Download a data set into the cache, unless it is available already.

    Parameters
    ----------
    name : str
        Name of the data set.
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    Path
        The same as `path` returns.

    Raises
    ------
    ValueError
        If the name is unknown, or a download does not match its checksum. Nothing is left in the
        cache then.
    DatasetNotFoundError
        If the data set can't be downloaded automatically; the message says how to get it.
    OSError
        If the download fails.

    Warns
    -----
    UserWarning
        If no checksum is recorded for a download, which is then not verified. The warning reports
        its checksum.
    """
    dataset = info(name)
    try:
        return path(name)
    except DatasetNotFoundError:
        if not dataset.downloads:
            raise
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror} (the user's cache for downloads; put the files into another folder, "
            f"and name it in {_LOCAL_FOLDER})",
            str(cache),
        ) from error
    started = time.perf_counter()
    # Downloads go to a temporary folder on the same disk. Files are moved to the cache once all
    # of them are complete and verified.
    with temporary_folder(".fetch-", cache) as temporary:
        fetched: dict[str, Path] = {}
        for number, download in enumerate(dataset.downloads):
            folder = Path(temporary, str(number))
            folder.mkdir()
            fetched |= _download(dataset, download, folder, progress)
        for file in dataset.files:
            if file.path in fetched and file.sha256 is not None:
                actual = _content_sha256(fetched[file.path], file.path)
                if actual != file.sha256:
                    raise ValueError(
                        f"{file.path} of the data set {dataset.name!r} does not match its "
                        f"checksum: expected SHA-256 {file.sha256}, got {actual}. The download "
                        "was deleted; try again"
                    )
        for relative, file_path in fetched.items():
            target = cache / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file_path, target)
    logger.info(
        "fetched %d files of %s in %.1f s", len(fetched), name, time.perf_counter() - started
    )
    return path(name)


def _download(
    dataset: Dataset, download: Download, folder: Path, progress: bool
) -> dict[str, Path]:
    """Download and unpack into a folder; return the files by their path in the cache."""
    import pooch

    file_name = download.url.rsplit("/", 1)[-1]
    logger.info("downloading %s", download.url)
    local = Path(
        pooch.retrieve(
            download.url,
            known_hash=None if download.sha256 is None else f"sha256:{download.sha256}",
            fname=file_name,
            path=folder,
            progressbar=progress,
        )
    )
    if download.sha256 is None:
        with open(local, "rb") as stream:
            actual = _sha256(stream)
        warn(
            f"no checksum is recorded for {download.url}, so the download was not verified; its "
            f"SHA-256 is {actual}"
        )
    if download.members is None:
        return {download.into: local}
    prefix = f"{download.into}/" if download.into else ""
    path_of_member = {
        download.members + file.path[len(prefix) :]: file.path
        for file in dataset.files
        if file.path.startswith(prefix)
    }
    unpacked: dict[str, Path] = {}
    try:
        for name, content in archive_members(str(local)):
            relative = path_of_member.get(name.removeprefix("./"))
            if relative is None:
                continue
            # Under its own name, whose suffix says whether the content is compressed.
            target = folder / str(len(unpacked)) / relative.rsplit("/", 1)[-1]
            target.parent.mkdir()
            with open(target, "wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            unpacked[relative] = target
    except CorpusError as error:
        raise ValueError(
            f"the archive {download.url} is damaged or incomplete ({error}). The download was "
            "deleted; try again"
        ) from error
    missing = [member for member, path in path_of_member.items() if path not in unpacked]
    if missing:
        raise ValueError(
            f"the archive {download.url} does not contain {', '.join(missing[:3])}; it may have "
            "changed since the catalog was written"
        )
    return unpacked
