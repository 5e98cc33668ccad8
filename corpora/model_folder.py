"""Models on disk: a folder of JSON, safetensors and other files with a manifest.

All models, taggers, recommenders and token streams are written and read here. A folder holds

``manifest.json``
    kind of model, format version, version of the program, and each file's size and SHA-256;
    its own checksum, ``generation``, is the same for the same content
the files of the model
    JSON, ``.safetensors``, or raw bytes
nested folders
    models within a model, each with a manifest

A save replaces the old folder by the new one in one step (`corpora.files.replace_folder`), deletes
only files that the old manifest lists, and refuses a folder with any other file. Files of the
operating system, such as ``.DS_Store`` and ``Thumbs.db``, do not count: they stay in the folder.
A reader opens all files of one folder before it reads any, so that it never mixes two models.
Folders of formats 1 and 2, which have no manifest, are read too.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from corpora.array_file import ArrayPlace, aligned_array, encode_arrays, read_places
from corpora.errors import ModelError
from corpora.files import (
    StrPath,
    check_folder,
    is_desktop_file,
    is_missing,
    make_file,
    recover,
    relative_files,
    replace_folder,
)
from corpora.manifest import (
    LAST_WITHOUT_MANIFEST,
    MANIFEST,
    Entry,
    Manifest,
    check_header_size,
    earlier_files,
    earlier_kind,
    foreign_entries,
    is_inside,
    manifest_bytes,
    parse_manifest,
    read_manifest,
    to_json,
)
from corpora.saved_data import describe_error, parse_json

__all__ = [
    "INVALID_CONTENT",
    "MANIFEST",
    "Entry",
    "FileCheck",
    "FolderReader",
    "FolderWriter",
    "check_writable",
    "open_folder",
    "read_kind",
    "verify_folder",
    "write_folder",
]

T = TypeVar("T")
Arrays = dict[str, npt.NDArray[Any]]

_BLOCK = 1 << 20
_SMALL_JSON = 1 << 24  # bytes: parameters and histories of losses
NEWEST = 4  # highest format version of any kind that this program writes

# JSON


def plain(value: Any, key: str) -> Any:
    """Convert a value to what JSON can hold.

    Parameters
    ----------
    value : object
        NumPy scalars and arrays, tuples, paths and torch devices are converted.
    key : str
        Name of the value in errors.

    Raises
    ------
    TypeError
        If it cannot be written as JSON, or a dict has a key that is not a string.
    ValueError
        If a number is NaN or infinite.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufUO":
            raise TypeError(f"{key} is an array of {value.dtype}, which cannot be saved as JSON")
        return plain(value.tolist(), key)
    if isinstance(value, np.generic):
        return plain(value.item(), key) if type(value.item()) is not kind else _refuse(value, key)
    if isinstance(value, (list, tuple)):
        if set(map(type, value)) <= {bool, int, str, type(None)}:
            return list(value)
        return [plain(part, f"{key}[{i}]") for i, part in enumerate(value)]
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise TypeError(f"{key} has the key {name!r}; keys must be strings to be saved")
        return {str(name): plain(part, f"{key}.{name}") for name, part in value.items()}
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{key} is {value}, which JSON cannot hold; save None instead")
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if (kind.__module__, kind.__name__) == ("torch", "device"):
        return str(value)
    return _refuse(value, key)


def _refuse(value: Any, key: str) -> Any:
    raise TypeError(f"{key} is of type {type(value).__name__}, which cannot be saved")


def read_kind(path: StrPath) -> str | None:
    """Return the kind of model in a folder, such as ``"conec.ContextEncoder"``; None if none."""

    def read() -> str:
        with ExitStack() as stack:
            return _Directory(Path(path), "model", stack).manifest().kind

    try:
        return _retry(Path(path), read)
    except (OSError, ModelError):
        return None


# Writing


# Building an object from damaged content may raise any of these; ModelError is among them.
INVALID_CONTENT = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError
)  # fmt: skip


class FolderWriter:
    """A model folder that is being written; see `write_folder`."""

    def __init__(self, folder: Path, old: Path, kind: str, version: int) -> None:
        self._folder, self._old = folder, old
        self._kind, self._version = kind, version
        self._names: list[str] = []
        self._digests: dict[str, tuple[str, str | None]] = {}
        self._nested: dict[str, FolderWriter] = {}

    def file(self, name: str) -> Path:
        """Create an empty file and return its path, to be written to within the block."""
        if not is_inside(name) or "/" in name or name == MANIFEST:
            raise ValueError(f"{name!r} is not a valid name of a file in a model folder")
        if name in self._names or name in self._nested:
            raise ValueError(f"{name!r} is written twice")
        self._names.append(name)
        path = self._folder / name
        try:
            old = os.stat(self._old / name)
            mode = stat.S_IMODE(old.st_mode) if stat.S_ISREG(old.st_mode) else None
        except OSError:
            mode = None
        make_file(path, mode)
        return path

    def add(self, name: str, source: Path, sha256: str) -> None:
        """Add a complete file of the same file system.

        It also stays at its place, unless the file system has no hard links.

        Parameters
        ----------
        name : str
        source : Path
        sha256 : str
            Checksum of its content.
        """
        path = self.file(name)
        path.unlink()
        try:
            os.link(source, path)
        except OSError:
            os.replace(source, path)
        self._digests[name] = sha256, None

    def write_bytes(self, name: str, content: bytes | memoryview) -> None:
        """Write a file."""
        self._write(name, [memoryview(content)])

    def write_json(self, name: str, data: Any, *, indent: int | None = None) -> None:
        """Write data as JSON, in UTF-8.

        Parameters
        ----------
        name : str
        data : object
            NumPy scalars and arrays, tuples, paths and torch devices are converted.
        indent : int, optional
            Spaces of indentation; by default everything is on one line.

        Raises
        ------
        TypeError, ValueError
            If JSON cannot hold it; the message names the key.
        """
        content = to_json(plain(data, name), indent)
        self._write(name, [memoryview(content)])

    def write_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write arrays as safetensors, the first one aligned to 64 bytes.

        Raises
        ------
        TypeError
            If an array does not hold booleans, integers or floats.
        """
        self._write(name, encode_arrays(arrays), has_header=True)

    def folder(self, name: str, kind: str, version: int) -> FolderWriter:
        """Create a nested model folder; parameters as for `write_folder`."""
        if not is_inside(name) or "/" in name or name in self._names or name in self._nested:
            raise ValueError(f"{name!r} is not a valid name of a folder in a model folder")
        folder = self._folder / name
        folder.mkdir()
        self._nested[name] = FolderWriter(folder, self._old / name, kind, version)
        return self._nested[name]

    def _write(self, name: str, content: Iterable[memoryview], *, has_header: bool = False) -> None:
        blocks = iter(content)
        first = next(blocks)  # invalid data is refused before the file is made
        digest = hashlib.sha256(first)
        header_digest = digest.hexdigest() if has_header else None
        with open(self.file(name), "wb") as file:
            file.write(first)
            for block in blocks:
                digest.update(block)
                file.write(block)
        self._digests[name] = digest.hexdigest(), header_digest

    def _finish(self) -> dict[str, Entry]:
        """Write the manifest; return all entries, those of nested folders included."""
        entries = {}
        for name in self._names:
            path = self._folder / name
            digests = self._digests.get(name) or (_digest_of(path), None)
            entries[name] = Entry(path.stat().st_size, *digests)
        for name, writer in self._nested.items():
            for inner, entry in writer._finish().items():
                entries[f"{name}/{inner}"] = entry
        unlisted = {name.replace(os.sep, "/") for name in relative_files(self._folder)
                    if not is_desktop_file(name)} - {*entries}  # fmt: skip
        if unlisted:
            raise RuntimeError(f"files that are not a part of the model: {sorted(unlisted)}")
        content = manifest_bytes(self._kind, self._version, entries)
        try:
            mode = stat.S_IMODE(os.stat(self._old / MANIFEST).st_mode)
        except OSError:
            mode = None
        make_file(self._folder / MANIFEST, mode)
        (self._folder / MANIFEST).write_bytes(content)
        return {**entries, MANIFEST: Entry(len(content), hashlib.sha256(content).hexdigest())}


def _digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return _digest(file)


def _digest(file: BufferedReader) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


@contextmanager
def write_folder(path: StrPath, kind: str, version: int) -> Iterator[FolderWriter]:
    """Write a model folder, which replaces an earlier one when the block ends.

    At any moment, `path` holds either the earlier model or the new one, complete. After an error,
    the earlier one stays.

    Parameters
    ----------
    path : path
        Folder to create. An existing folder must be empty, or hold a model of the same kind and
        nothing else.
    kind : str
        Kind of model, such as ``"conec.ContextEncoder"``.
    version : int
        Version of the format.

    Yields
    ------
    FolderWriter

    Raises
    ------
    FileExistsError
        If the folder holds a file that its manifest does not list, or a model of another kind.
    OSError
        If it cannot be written, or the disk is full.
    """
    with replace_folder(path, _contents(kind, path)) as folder:
        writer = FolderWriter(folder, Path(os.path.realpath(path)), kind, version)
        yield writer
        writer._finish()


def check_writable(path: StrPath, kind: str) -> None:
    """Raise the OSError that `write_folder` would raise, before hours of work.

    Parameters
    ----------
    path, kind
        As in `write_folder`.

    Raises
    ------
    OSError
        As `write_folder`.
    """
    check_folder(path, _contents(kind, path))


def _contents(kind: str, path: StrPath) -> Callable[[Path, bool], Collection[str]]:
    """Create the argument `contents` of `replace_folder`."""

    def contents(folder: Path, leftover: bool) -> Collection[str]:
        entries = sorted(os.listdir(folder))
        if leftover:
            try:
                manifest = read_manifest(folder)
            except ValueError:
                manifest = None
            if manifest is None or manifest.files is None:
                return relative_files(folder)
            names = {*manifest.files, MANIFEST}
            return [] if foreign_entries(folder, names) else _manifest_last(names)
        if all(is_desktop_file(name) for name in entries):
            return []
        try:
            manifest = read_manifest(folder)
        except ValueError as error:
            raise _not_replaced(path, f"its {MANIFEST} is damaged ({error})") from error
        if manifest is None:
            raise _not_replaced(path, f"it is not a model and holds {_first(entries)}")
        if manifest.kind != kind:
            raise _not_replaced(path, f"it holds another kind of model, {manifest.kind}")
        names = earlier_files(folder, kind) if manifest.files is None else {*manifest.files}
        if manifest.files is not None:
            names.add(MANIFEST)
        foreign = foreign_entries(folder, names)
        if foreign:
            raise _not_replaced(path, f"it holds other files as well ({_first(foreign)})")
        return _manifest_last(names)

    return contents


def _manifest_last(names: Collection[str]) -> list[str]:
    """Order of deletion: after a kill, the manifest still says which files are the model's."""
    return sorted(names, key=lambda name: (name == MANIFEST, name))


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _not_replaced(path: StrPath, why: str) -> FileExistsError:
    return FileExistsError(
        errno.EEXIST, f"The folder is not replaced: {why}. Choose another folder", os.fspath(path)
    )


# Reading


class _OpenFile(NamedTuple):
    """A file, with checksums that are None in formats 1 and 2."""

    file: BufferedReader
    size: int
    sha256: str | None
    header_sha256: str | None


class FolderReader:
    """The files of a model folder, all from the same save; see `open_folder`.

    Attributes
    ----------
    path : Path
    kind : str
    version : int
        Version of the format.
    names : frozenset of str
        Names of files, without those in nested folders.
    folders : frozenset of str
        Names of nested folders.
    """

    def __init__(
        self, path: Path, manifest: Manifest, files: dict[str, _OpenFile], what: str
    ) -> None:
        self.path = path
        self.kind, self.version = manifest.kind, manifest.version
        self.names = frozenset(name for name in files if "/" not in name and name != MANIFEST)
        self.folders = frozenset(name.split("/")[0] for name in files if "/" in name)
        self._files, self._what = files, what

    def read_bytes(self, name: str) -> bytes:
        """Read a file; its checksum is verified.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        opened = self._opened(name)
        opened.file.seek(0)
        content = opened.file.read()
        if opened.sha256 not in (None, hashlib.sha256(content).hexdigest()):
            raise self._changed(name)
        return content

    def read_json(self, name: str, *, limit: int | None = _SMALL_JSON) -> Any:
        """Read a JSON file; its checksum is verified. All numbers in it are finite.

        Parameters
        ----------
        name : str
        limit : int or None
            Largest size in bytes; None for files that have an entry per word, feature or id.

        Raises
        ------
        ModelError
            If it is missing, damaged or too large.
        """
        size = self._opened(name).size
        if limit is not None and size > limit:
            raise self.damaged(f"it has {size} bytes, expected at most {limit}", name)
        content = self.read_bytes(name)
        with self.checking(name):
            return parse_json(content)

    @contextmanager
    def checking(self, name: str | None = None) -> Iterator[None]:
        """Convert errors of damaged content to a ModelError that names the file.

        Parameters
        ----------
        name : str, optional
            File that the block checks; by default the error names the folder.
        """
        try:
            yield
        except ModelError:
            raise
        except INVALID_CONTENT as error:
            raise self.damaged(describe_error(error), name) from error

    def read_arrays(self, name: str) -> Arrays:
        """Read a safetensors file into memory; its checksum is verified.

        Returns
        -------
        dict of str to array
            Writable arrays, each at a multiple of 64 bytes, in the order of the file.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        opened = self._opened(name)
        places = self._places(name, opened)
        order = sorted(places, key=lambda key: (places[key].start, places[key].size))
        arrays = {}
        start = min((place.start for place in places.values()), default=opened.size)
        opened.file.seek(0)
        digest = hashlib.sha256(opened.file.read(start))
        for key in order:
            arrays[key] = aligned_array(places[key])
            content = arrays[key].reshape(-1).view(np.uint8).data
            if places[key].size and opened.file.readinto(content) != len(content):
                raise self.damaged("it ends too early", name)
            digest.update(content)
        if opened.sha256 not in (None, digest.hexdigest()):
            raise self._changed(name)
        for key, array in arrays.items():
            if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
                raise self.damaged(f"{key} has booleans other than 0 and 1", name)
        return arrays

    def map_arrays(self, name: str) -> Arrays:
        """Map the arrays of a safetensors file into memory, copy-on-write.

        Header and sizes are always verified, the contents only by ``open_folder(verify=True)``.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        opened = self._opened(name)
        return {
            key: self._map(opened, place, "c")
            for key, place in self._places(name, opened).items()
        }  # fmt: skip

    def map_file(self, name: str, dtype: npt.DTypeLike, n: int) -> npt.NDArray[Any]:
        """Map a file of n numbers into memory, read-only.

        Its size is always verified, its content only by ``open_folder(verify=True)``.

        Raises
        ------
        ModelError
            If it is missing, or of another size.
        """
        opened = self._opened(name)
        place = ArrayPlace(np.dtype(dtype), (n,), 0)
        if opened.size != place.size:
            raise self.damaged(f"it has {opened.size} bytes, expected {place.size}", name)
        return self._map(opened, place, "r")

    def folder(
        self, name: str, kind: str | None = None, version: int | None = None
    ) -> FolderReader:
        """Return the reader of a nested model.

        Parameters
        ----------
        name : str
        kind : str, optional
            Kind of model to accept; any by default.
        version : int, optional
            Highest version of the format to accept; any by default.

        Raises
        ------
        ModelError
            If no nested model has this name, or it is damaged, of another kind or newer.
        """
        prefix = f"{name}/"
        files = {key[len(prefix) :]: file for key, file in self._files.items()
                 if key.startswith(prefix)}  # fmt: skip
        if not files:
            raise ModelError(f"{self.path} is damaged: it has no {name}/")
        path = self.path / name
        if MANIFEST not in files:
            manifest = earlier_kind(lambda inner: _content(files, inner))
            if manifest is None:
                raise ModelError(f"{path} is damaged: it is not a model")
        else:
            with self.checking(prefix + MANIFEST):
                check_header_size(MANIFEST, files[MANIFEST].size)
                manifest = parse_manifest(self.read_bytes(prefix + MANIFEST))
        if version is not None and manifest.version > version:
            raise ModelError(
                f"{path} has format version {manifest.version}; this version of "
                f"similarity-encoders reads up to {version}: update it"
            )
        if kind not in (None, manifest.kind):
            raise ModelError(f"{path} is damaged: it is {_with_article(manifest.kind)}")
        return FolderReader(path, manifest, files, "model")

    def verify(self) -> None:
        """Verify the checksums of all files.

        Raises
        ------
        ModelError
            If one differs.
        """
        for name, opened in self._files.items():
            if opened.sha256 not in (None, _digest(opened.file)):
                raise self._changed(name)

    def damaged(self, why: str, name: str | None = None) -> ModelError:
        """Build the error of a damaged folder, or of one of its files."""
        why = why if len(why) <= 500 else f"{why[:496]} ..."
        return ModelError(f"{self.path if name is None else self.path / name} is damaged: {why}")

    def _changed(self, name: str) -> ModelError:
        return self.damaged("it was changed after it was saved (its checksum differs)", name)

    def _opened(self, name: str) -> _OpenFile:
        try:
            return self._files[name]
        except KeyError:
            raise ModelError(
                f"{self.path} is damaged, or not {_with_article(self._what)}: it has no {name}"
            ) from None

    def _places(self, name: str, opened: _OpenFile) -> dict[str, ArrayPlace]:
        try:
            places, digest = read_places(opened.file, opened.size)
        except ValueError as error:
            raise self.damaged(str(error), name) from error
        if opened.header_sha256 not in (None, digest):
            raise self._changed(name)
        return places

    @staticmethod
    def _map(opened: _OpenFile, place: ArrayPlace, mode: Any) -> npt.NDArray[Any]:
        if place.size == 0:  # an empty part cannot be mapped
            return np.empty(place.shape, place.dtype)
        array: npt.NDArray[Any] = np.memmap(
            opened.file, place.dtype, mode, place.start, place.shape
        )
        return array if array.flags.aligned else array.copy()


def _content(files: Mapping[str, _OpenFile], name: str) -> bytes:
    if name not in files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    check_header_size(name, files[name].size)
    files[name].file.seek(0)
    return files[name].file.read()


_ATTEMPTS = 100


class _Replaced(Exception):
    """The folder was replaced while its files were opened."""


def _retry(folder: Path, read: Callable[[], T]) -> T:
    """Call a function again if the folder was replaced meanwhile."""
    for attempt in range(_ATTEMPTS):
        try:
            return read()
        except _Replaced:
            time.sleep(min(0.001 * attempt, 0.05))
    raise ModelError(f"{folder} was replaced again and again while it was read; try again later")


@contextmanager
def open_folder(
    path: StrPath,
    kind: str | Collection[str],
    version: int,
    *,
    verify: bool = False,
    what: str = "model",
) -> Iterator[FolderReader]:
    """Open all files of a model folder.

    All data that are read within the block are from the same save, even if another process saves
    to the folder meanwhile. Memory-mapped arrays stay valid after the block.

    Parameters
    ----------
    path : path
    kind : str or collection of str
        Kinds of models to accept.
    version : int
        Highest version of the format to accept.
    verify : bool, default False
        Verify the checksums of all files. By default those of memory-mapped files are not.
    what : str
        Name of the kind in errors, such as ``"link predictor"``.

    Yields
    ------
    FolderReader

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ModelError
        If it does not hold a model, or one that is damaged, of another kind, or of a newer version.
    """
    kinds = {kind} if isinstance(kind, str) else {*kind}
    folder = Path(path)

    def open_all() -> tuple[FolderReader, ExitStack]:
        with ExitStack() as stack:
            reader = _open_files(_Directory(folder, what, stack), kinds, version)
            return reader, stack.pop_all()

    reader, opened = _retry(folder, open_all)
    with opened:
        if verify:
            reader.verify()
        yield reader


def _open_files(directory: _Directory, kinds: Collection[str], version: int) -> FolderReader:
    folder, what = directory.path, directory.what
    manifest = directory.manifest()
    if manifest.kind not in kinds:
        raise ModelError(
            f"{folder} is not {_with_article(what)}: it holds {_with_article(manifest.kind)}"
        )
    if manifest.version > version:
        raise ModelError(
            f"{folder} has format version {manifest.version}; this version of similarity-encoders "
            f"reads up to {version}: update it"
        )
    entries = directory.entries(manifest)
    files = {}
    for name, entry in entries.items():
        file = directory.open(name)
        if file is None:
            directory.check_current()
            raise ModelError(f"{folder} is damaged: it has no {name}")
        size = os.fstat(file.fileno()).st_size
        if entry is None:
            files[name] = _OpenFile(file, size, None, None)
        elif size == entry.size:
            files[name] = _OpenFile(file, size, entry.sha256, entry.header_sha256)
        else:
            directory.check_current()
            raise ModelError(
                f"{folder / name} is damaged: it has {size} bytes, expected {entry.size}"
            )
    # With a manifest, all listed files have been opened. Without one, some may have been deleted
    # before they were listed.
    if manifest.files is None:
        directory.check_current()
    return FolderReader(folder, manifest, files, what)


def _with_article(what: str) -> str:
    return f"{'an' if what[:1].lower() in (*'aeiou',) else 'a'} {what[:100]}"


class _Directory:
    """An open folder, read through its descriptor even if its path is replaced."""

    def __init__(self, path: Path, what: str, stack: ExitStack) -> None:
        recover(Path(os.path.realpath(path)))
        self.path, self.what, self._stack = path, what, stack
        self._descriptor: int | None = None
        try:
            self._stat = os.stat(path)
            if not stat.S_ISDIR(self._stat.st_mode):
                raise ModelError(
                    f"{path} is not {_with_article(what)}: it is a file, and should be a folder"
                )
            if os.open in os.supports_dir_fd:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, self._descriptor)
                self._stat = os.fstat(self._descriptor)
        except (FileNotFoundError, NotADirectoryError):
            if not is_missing(path):
                raise _Replaced from None
            what = what[0].upper() + what[1:]
            raise FileNotFoundError(
                errno.ENOENT, f"{what} not found: the folder does not exist", str(path)
            ) from None

    def check_current(self) -> None:
        """Raise _Replaced if the path refers to another folder now."""
        try:
            current = os.path.samestat(self._stat, os.stat(self.path))
        except OSError:
            current = False
        if not current:
            raise _Replaced

    def open(self, name: str) -> BufferedReader | None:
        """Open a file; None if it does not exist."""
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        flags |= getattr(os, "O_BINARY", 0)
        try:
            if self._descriptor is None:
                descriptor = os.open(self.path / name, flags)
            else:
                descriptor = os.open(name, flags, dir_fd=self._descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path / name)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ModelError(f"{self.path / name} is damaged: it is not a file")
        return self._stack.enter_context(os.fdopen(descriptor, "rb"))

    def read(self, name: str) -> bytes | None:
        """Read a manifest or header; ValueError if it is too large to be one."""
        file = self.open(name)
        if file is None:
            return None
        check_header_size(name, os.fstat(file.fileno()).st_size)
        return file.read()

    def content(self, name: str) -> bytes:
        """Read a header, or raise FileNotFoundError."""
        content = self.read(name)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return content

    def manifest(self) -> Manifest:
        """Read the manifest, or derive it for formats 1 and 2.

        Raises
        ------
        ModelError
            If it is not a model, or its manifest is damaged.
        """
        try:
            content = self.read(MANIFEST)
        except ValueError as error:
            raise ModelError(f"{self.path} is damaged: {error}") from error
        if content is None:
            manifest = earlier_kind(self.content)
            # Folders of later formats must have a manifest.
            if manifest is None or LAST_WITHOUT_MANIFEST < manifest.version <= NEWEST:
                self.check_current()
                raise ModelError(
                    f"{self.path} is not {_with_article(self.what)}: it has no {MANIFEST}"
                )
            return manifest
        try:
            manifest = parse_manifest(content)
        except ValueError as error:
            raise ModelError(f"{self.path / MANIFEST} is damaged: {error}") from error
        is_newer = manifest.version > NEWEST  # and may have other entries
        if manifest.version < 1 or (manifest.files is None and not is_newer):
            raise ModelError(
                f"{self.path / MANIFEST} is damaged: it was changed after it was saved"
            )
        return manifest

    def entries(self, manifest: Manifest) -> Mapping[str, Entry | None]:
        """Return the files by name, with None as entries in formats 1 and 2."""
        if manifest.files is not None:
            return manifest.files
        return dict.fromkeys(sorted(earlier_files(self.path, manifest.kind)))


# Verification


class FileCheck(NamedTuple):
    """Result of `verify_folder` for a file.

    Attributes
    ----------
    name : str
        Relative to the folder.
    size : int
        In bytes.
    sha256 : str or None
        As recorded in the manifest; None in formats 1 and 2, which have no checksums.
    problem : str or None
        None if the file is unchanged.
    """

    name: str
    size: int
    sha256: str | None
    problem: str | None


def verify_folder(path: StrPath) -> list[FileCheck]:
    """Verify size and checksum of each file of a model folder.

    Returns
    -------
    list of FileCheck
        In the order of names. A missing or damaged file has a `problem`.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ModelError
        If it holds no model, or its manifest is damaged.
    """
    folder = Path(path)
    return _retry(folder, lambda: _verify(folder))


def _verify(folder: Path) -> list[FileCheck]:
    with ExitStack() as stack:
        directory = _Directory(folder, "model", stack)
        manifest = directory.manifest()
        checks = []
        for name, entry in sorted(directory.entries(manifest).items()):
            size, problem = 0, None
            try:
                file = directory.open(name)
            except ModelError as error:
                problem = str(error)
            else:
                size = 0 if file is None else os.fstat(file.fileno()).st_size
                if file is None:
                    problem = "missing"
                elif entry is not None and size != entry.size:
                    problem = f"{size} bytes, expected {entry.size}"
                elif entry is not None and _digest(file) != entry.sha256:
                    problem = "the checksum differs"
            if problem:
                directory.check_current()
            if entry is None:
                checks.append(FileCheck(name, size, None, problem))
            else:
                checks.append(FileCheck(name, entry.size, entry.sha256, problem))
        return checks
