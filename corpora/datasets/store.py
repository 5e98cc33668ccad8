"""Finding, fetching and checking the files of a named data set."""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO, Literal

from corpora.datasets.catalogue import CATALOGUE
from corpora.datasets.records import Dataset, DatasetNotFoundError, Download, Kind
from corpora.errors import warn
from corpora.files import temporary_folder
from corpora.readers.stream import ByteStream, open_raw

_COMPRESSED = ("", ".xz", ".gz")
_LOCAL_FOLDER = "CORPORA_DATA"


def names(kind: Kind | None = None) -> list[str]:
    """List the names of all data sets, sorted.

    Parameters
    ----------
    kind : {"corpus", "word-pairs", "analogies", "pair-analogies", "other"}, optional
        Only those of this kind.

    Returns
    -------
    list of str
    """
    return sorted(name for name, one in CATALOGUE.items() if kind is None or one.kind == kind)


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def info(name: str) -> Dataset:
    """Return what is known of a data set.

    Parameters
    ----------
    name : str
        Its name; case does not matter, nor whether ``-`` or ``_`` is written.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If there is none of that name; the message lists names that are near.
    """
    by_key = {_key(known): dataset for known, dataset in CATALOGUE.items()}
    try:
        return by_key[_key(name)]
    except KeyError:
        near = difflib.get_close_matches(_key(name), by_key, n=3, cutoff=0.5)
        hint = (
            f"near it: {', '.join(by_key[key].name for key in near)}"
            if near
            else "corpora.datasets.names() lists them all"
        )
        raise ValueError(f"no data set is called {name!r} ({hint})") from None


def cache_folder() -> Path:
    """Return the folder that `fetch` fills (it need not exist)."""
    import pooch

    return Path(pooch.os_cache("similarity-encoders"))


def _roots() -> list[Path]:
    """List the folders to look in: the local one, where it is set, then the cache."""
    local = os.environ.get(_LOCAL_FOLDER)
    return [*([Path(local).expanduser()] if local else []), cache_folder()]


def _find(root: Path, relative: str) -> Path | None:
    for suffix in _COMPRESSED:
        candidate = root / (relative + suffix)
        if candidate.is_file():
            return candidate
    return None


def paths(name: str) -> list[Path]:
    """Find every file of a data set.

    Parameters
    ----------
    name : str
        Name of the data set.

    Returns
    -------
    list of Path
        In the order of ``info(name).files``, all in the first place that holds all of them: the
        local folder that the environment variable ``CORPORA_DATA`` names, or else the cache. A
        name may end in ``.xz`` or ``.gz``.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    DatasetNotFoundError
        A `FileNotFoundError`: if no place holds all files. It says how to get them.
    """
    dataset = info(name)
    roots = _roots()
    for root in roots:
        found = [_find(root, file.path) for file in dataset.files]
        if None not in found:
            return [path for path in found if path is not None]
    raise _not_found(dataset, roots)


def _not_found(dataset: Dataset, roots: list[Path]) -> DatasetNotFoundError:
    if dataset.downloads:
        how = (
            f"To download it: corpora datasets fetch {dataset.name}, or in Python "
            f"corpora.datasets.fetch({dataset.name!r})."
        )
    else:
        how = f"It can't be fetched: {dataset.how_to_get}"
    files = dataset.files[0].path + (" ..." if len(dataset.files) > 1 else "")
    unset = "" if os.environ.get(_LOCAL_FOLDER) else f" ({_LOCAL_FOLDER} is not set)"
    return DatasetNotFoundError(
        f"the data set {dataset.name!r} is not in {' or '.join(map(str, roots))}{unset}. {how} "
        f"Files you have go to a folder that the environment variable {_LOCAL_FOLDER} names, as "
        f"{files}"
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
        Its file, or for a set of several files the folder that holds them. See `paths`.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    DatasetNotFoundError
        A `FileNotFoundError`: if it is on this machine neither in the local folder nor in the
        cache. It says how to get it.
    """
    found = paths(name)
    if len(found) == 1:
        return found[0]
    dataset = info(name)
    depth = dataset.files[0].path.count("/") - dataset.folder.count("/")
    return found[0].parents[depth - 1]


def _sha256(stream: IO[bytes] | ByteStream) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _content_sha256(found: Path, relative: str) -> str:
    """Checksum of a file's bytes, uncompressed if it is kept compressed."""
    as_recorded = found.name == relative.rsplit("/", 1)[-1]
    with open_raw(str(found)) if as_recorded else ByteStream(str(found)) as stream:
        return _sha256(stream)


def verify(name: str) -> dict[str, Literal["ok", "differs", "unknown"]]:
    """Check the files of a data set against their checksums.

    Parameters
    ----------
    name : str
        Name of the data set.

    Returns
    -------
    dict of str to {"ok", "differs", "unknown"}
        For each file (its path in the catalogue), whether its bytes are those recorded;
        "unknown" where no checksum is.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    DatasetNotFoundError
        If it is not on this machine.

    Notes
    -----
    Loading does not check, since that takes as long as reading.
    """
    result: dict[str, Literal["ok", "differs", "unknown"]] = {}
    for file, found in zip(info(name).files, paths(name), strict=True):
        if file.sha256 is None:
            result[file.path] = "unknown"
        else:
            same = _content_sha256(found, file.path) == file.sha256
            result[file.path] = "ok" if same else "differs"
    return result


def fetch(name: str, progress: bool = True) -> Path:
    """Download a data set into the cache, unless it is on this machine already.

    Parameters
    ----------
    name : str
        Name of the data set.
    progress : bool, default=True
        Whether to show a progress bar.

    Returns
    -------
    Path
        As `path` gives it.

    Raises
    ------
    ValueError
        If there is no data set of that name, or what came does not have the checksum that is
        recorded. Then nothing is left in the cache.
    DatasetNotFoundError
        If it can't be fetched; the message says how to get it.
    OSError
        If the download fails.

    Warns
    -----
    UserWarning
        If no checksum is recorded for a download: it is then not verified, and the warning tells
        the checksum of what came.
    """
    dataset = info(name)
    try:
        return path(name)
    except DatasetNotFoundError:
        if not dataset.downloads:
            raise
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    # Everything happens in a folder of its own on the same disk, so that files appear in the cache
    # only when all are there and right.
    with temporary_folder(".fetch-", cache) as temporary:
        arrived: dict[str, Path] = {}
        for number, download in enumerate(dataset.downloads):
            folder = Path(temporary, str(number))
            folder.mkdir()
            arrived |= _download(dataset, download, folder, progress)
        for file in dataset.files:
            if file.path in arrived and file.sha256 is not None:
                actual = _content_sha256(arrived[file.path], file.path)
                if actual != file.sha256:
                    raise ValueError(
                        f"{file.path} of the data set {dataset.name!r} does not match its "
                        f"checksum: expected SHA-256 {file.sha256}, got {actual}. Nothing was kept."
                    )
        for relative, found in arrived.items():
            target = cache / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(found, target)
    return path(name)


def _download(
    dataset: Dataset, download: Download, folder: Path, progress: bool
) -> dict[str, Path]:
    """Download one thing into a folder; return the files it gives by their path in the cache."""
    import pooch

    file_name = download.url.rsplit("/", 1)[-1]
    got = Path(
        pooch.retrieve(
            download.url,
            known_hash=None if download.sha256 is None else f"sha256:{download.sha256}",
            fname=file_name,
            path=folder,
            progressbar=progress,
        )
    )
    if download.sha256 is None:
        with open(got, "rb") as stream:
            actual = _sha256(stream)
        warn(
            f"no checksum is recorded for {download.url}, so the download was not verified; its "
            f"SHA-256 is {actual}"
        )
    if download.members is None:
        return {download.into: got}
    prefix = f"{download.into}/" if download.into else ""
    wanted = {
        download.members + file.path[len(prefix) :]: file.path
        for file in dataset.files
        if file.path.startswith(prefix)
    }
    arrived: dict[str, Path] = {}
    for member, content in _members(got, wanted):
        # Under its own name, which tells whether its contents are compressed.
        target = folder / str(len(arrived)) / wanted[member].rsplit("/", 1)[-1]
        target.parent.mkdir()
        with content, open(target, "wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
        arrived[wanted[member]] = target
    missing = [member for member in wanted if wanted[member] not in arrived]
    if missing:
        raise ValueError(f"{download.url} does not hold {', '.join(missing[:3])}")
    return arrived


def _members(archive: Path, wanted: Container[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Go through the wanted regular files of a zip or tar archive: name and open stream."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                if name in wanted:
                    yield name, zipped.open(name)
        return
    with tarfile.open(archive) as tarred:
        for entry in tarred:
            name = entry.name.removeprefix("./")
            content = tarred.extractfile(entry) if name in wanted else None
            if content is not None:
                yield name, content
