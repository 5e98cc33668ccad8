"""Models on disk: a folder of JSON, safetensors and other files with a manifest.

All models, taggers, recommenders and token streams are written and read here. A folder holds

``manifest.json``
    kind of model, format version, version of the program, and each file's size and SHA-256;
    its own checksum, ``generation``, is the same for the same content
the files of the model
    JSON, ``.safetensors``, or raw bytes
nested folders
    models within a model, each with a manifest

A save puts a new folder in the place of the old one in one step (`corpora.files.replace_folder`),
deletes only files that the old manifest lists, and refuses a folder with any other file.
A reader opens all files of one folder before it reads any, so that it never mixes two models.
Folders of formats 1 and 2, which have no manifest, are read too.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corpora.errors import ModelError
from corpora.files import StrPath, is_missing, make_file, recover, relative_files, replace_folder

__all__ = [
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

Arrays = dict[str, npt.NDArray[Any]]

MANIFEST = "manifest.json"
_ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
_BLOCK = 1 << 20

# Folders without a manifest


class _EarlierFormat(NamedTuple):
    """Files of a model in formats 1 and 2."""

    header: str
    files: frozenset[str]
    nested: str | None = None  # name of a folder with a model in it; "*" for any name


_WEIGHTS = "weights.safetensors"
_ENCODER = _EarlierFormat("config.json", frozenset({"config.json", _WEIGHTS}))
_EARLIER_FORMATS = {
    "conec.ContextEncoder": _EarlierFormat(
        "config.json",
        frozenset(
            {"config.json", "vocabulary.json", _WEIGHTS}
            | {f"{part}.{suffix}" for part in ("features", "map", "senses")
               for suffix in ("json", "safetensors")}
        ),
    ),
    "conec.ner.Tagger": _EarlierFormat(
        "tagger.json",
        frozenset({"tagger.json", "words.json", "field.crfsuite", "groups.safetensors"}),
        nested="model",
    ),
    "simec.SimilarityEncoder": _ENCODER,
    "simec.LinkPredictor": _ENCODER,
    "simec.Recommender": _EarlierFormat(
        "config.json", frozenset({"config.json", "arrays.safetensors"}), nested="*"
    ),
    "corpora.TokenStream": _EarlierFormat(
        "tokens.json", frozenset({"tokens.json", "ids.int32", "offsets.int64", "vocabulary.tsv"})
    ),
}  # fmt: skip
_LAST_WITHOUT_MANIFEST = 2


# JSON


def plain(value: Any, key: str) -> Any:
    """Convert a value to what JSON can hold.

    Parameters
    ----------
    value : object
        NumPy scalars and arrays, tuples, paths and torch devices are converted.
    key : str
        Its name in errors.

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
            raise ValueError(f"{key} is {value}, which JSON cannot hold; save None in its place")
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


def _to_json(data: Any, indent: int | None = None) -> bytes:
    text = json.dumps(data, ensure_ascii=False, indent=indent, allow_nan=False)
    # Half of a surrogate pair, which undecodable bytes of a corpus may become, has no UTF-8;
    # written with a backslash it is JSON nevertheless.
    return (text + "\n").encode("utf-8", "backslashreplace")


# safetensors

_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2",
    "U32": "<u4", "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


class _Place(NamedTuple):
    """An array in a file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int  # in bytes, from the beginning of the file

    @property
    def size(self) -> int:
        return int(self.dtype.itemsize * math.prod(self.shape))


def _safetensors(arrays: Mapping[str, npt.NDArray[Any]]) -> Iterator[memoryview]:
    """Yield the bytes of a safetensors file, the first of its arrays aligned to 64 bytes."""
    ready = {}
    for name, array in arrays.items():
        array = np.asarray(array)
        little = array.dtype.newbyteorder("<")
        if little not in _NAMES:
            raise TypeError(f"{name} is an array of {array.dtype}, which cannot be saved")
        ready[name] = np.ascontiguousarray(array, little).reshape(array.shape)
    # The format allows no gaps: the widest numbers first, so that all are aligned to their width.
    order = sorted(ready, key=lambda name: (-ready[name].itemsize, name))
    header, end = {}, 0
    for name in order:
        start, end = end, end + ready[name].nbytes
        header[name] = {
            "dtype": _NAMES[ready[name].dtype],
            "shape": list(ready[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    yield memoryview(len(text).to_bytes(8, "little") + text)
    for name in order:
        yield ready[name].reshape(-1).view(np.uint8).data


def _read_header(file: BufferedReader, size: int) -> tuple[dict[str, _Place], str]:
    """Read where the arrays of a safetensors file lie, and the header's checksum.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    file.seek(0)
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if not 2 <= length <= size - 8:
        raise ValueError("its header does not fit into the file")
    text = file.read(length)
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    header.pop("__metadata__", None)
    places = {}
    for name, entry in header.items():
        match entry:
            case {"dtype": str(code), "shape": [*shape], "data_offsets": [begin, end]}:
                numbers = (*shape, begin, end)
                if code in _DTYPES and all(type(n) is int and n >= 0 for n in numbers):
                    place = _Place(np.dtype(_DTYPES[code]), tuple(shape), 8 + length + begin)
                    if place.size == end - begin:
                        places[name] = place
        if name not in places:
            raise ValueError(f"the header's entry of {name} is not valid")
    end = 8 + length
    for place in sorted(places.values(), key=lambda place: (place.start, place.size)):
        if place.start != end:
            raise ValueError("its arrays do not follow one another")
        end += place.size
    if end != size:
        raise ValueError(f"it has {size} bytes in place of {end}")
    return places, hashlib.sha256(prefix + text).hexdigest()


def _aligned(place: _Place) -> npt.NDArray[Any]:
    """Allocate an array at a multiple of 64 bytes."""
    buffer = np.empty(place.size + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + place.size].view(place.dtype).reshape(place.shape)


# Manifest


class Entry(NamedTuple):
    """A file that a manifest lists.

    Attributes
    ----------
    size : int
        In bytes.
    sha256 : str
        Checksum of its content.
    header_sha256 : str or None
        Checksum of the header of a safetensors file, which is verified even where the arrays are
        mapped and not read.
    """

    size: int
    sha256: str
    header_sha256: str | None = None


class _Manifest(NamedTuple):
    """What a folder holds; `files` is None in formats 1 and 2."""

    kind: str
    version: int
    files: dict[str, Entry] | None


def _program() -> str:
    import importlib.metadata  # slow: only saves need it

    try:
        return f"similarity-encoders {importlib.metadata.version('similarity-encoders')}"
    except importlib.metadata.PackageNotFoundError:
        return "similarity-encoders"


def manifest_bytes(kind: str, version: int, files: Mapping[str, Entry]) -> bytes:
    """Build the content of ``manifest.json``.

    Parameters
    ----------
    kind : str
    version : int
    files : mapping of str to Entry
        All files by their names relative to the folder.
    """
    data = {
        "kind": kind,
        "format_version": version,
        "program": _program(),
        "files": {name: {key: value for key, value in entry._asdict().items() if value is not None}
                  for name, entry in sorted(files.items())},
    }  # fmt: skip
    return _sealed(data)


def _sealed(data: dict[str, Any]) -> bytes:
    data.pop("generation", None)
    generation = hashlib.sha256(_to_json(data)).hexdigest()
    return _to_json({"generation": generation, **data}, indent=1)


def _parse_manifest(content: bytes) -> _Manifest:
    """Read a manifest.

    Raises
    ------
    ValueError
        If it is damaged; not if a newer version has other entries.
    """
    data = json.loads(content)
    match data:
        case {"kind": str(kind), "format_version": int(version)} if type(version) is int:
            pass
        case _:
            raise ValueError("it does not name a kind and a format version")
    files = {}
    entries = data.get("files")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        match entry:
            case {"size": int(size), "sha256": str(digest), **others} if _is_inside(name):
                header_digest = others.get("header_sha256")
                files[name] = Entry(
                    size, digest, None if header_digest is None else str(header_digest)
                )
    if content != _sealed(dict(data)) or not isinstance(entries, dict) or len(files) < len(entries):
        return _Manifest(kind, version, None)
    return _Manifest(kind, version, files)


def _is_inside(name: str) -> bool:
    return all(part not in ("", ".", "..") for part in name.split("/")) and "\\" not in name


def _earlier_kind(read: Callable[[str], bytes]) -> _Manifest | None:
    """Kind and version of a folder of format 1 or 2, None if it is not one."""
    for header in ("config.json", "tagger.json", "tokens.json"):
        try:
            data = json.loads(read(header))
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(data, dict):
            continue
        kind = "corpora.TokenStream" if header == "tokens.json" else data.get("format")
        version = data.get("format_version")
        if (
            isinstance(kind, str)
            and kind in _EARLIER_FORMATS
            and _EARLIER_FORMATS[kind].header == header
            and type(version) is int
            and version >= 1
        ):
            return _Manifest(kind, version, None)
    return None


def _read_manifest(folder: Path) -> _Manifest | None:
    """Read what a folder is, if it is a model; raises ValueError if its manifest is damaged."""
    try:
        manifest = _parse_manifest((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return _earlier_kind(lambda name: (folder / name).read_bytes())
    except (IsADirectoryError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if manifest.files is None:
        raise ValueError("it is not as it was written")
    return manifest


def read_kind(path: StrPath) -> str | None:
    """Return the kind of model in a folder, such as ``"conec.ContextEncoder"``; None if none."""
    try:
        recover(Path(os.path.realpath(path)))
        manifest = _read_manifest(Path(path))
    except (OSError, ValueError):
        return None
    return None if manifest is None else manifest.kind


# Writing


class FolderWriter:
    """A model folder that is being written; see `write_folder`."""

    def __init__(self, folder: Path, old: Path, kind: str, version: int) -> None:
        self._folder, self._old = folder, old
        self._kind, self._version = kind, version
        self._names: list[str] = []
        self._digests: dict[str, tuple[str, str | None]] = {}
        self._nested: dict[str, FolderWriter] = {}

    def file(self, name: str) -> Path:
        """Make an empty file and return its path, to be written to within the block."""
        if not _is_inside(name) or "/" in name or name == MANIFEST:
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

    def write_bytes(self, name: str, content: bytes) -> None:
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
            Spaces of indentation; by default all is in one line.

        Raises
        ------
        TypeError, ValueError
            If JSON cannot hold it; the message names the key.
        """
        content = _to_json(plain(data, name), indent)
        self._write(name, [memoryview(content)])

    def write_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write arrays as safetensors, the first one aligned to 64 bytes.

        Raises
        ------
        TypeError
            If the type of an array is not one of booleans, integers and floats.
        """
        self._write(name, _safetensors(arrays), has_header=True)

    def folder(self, name: str, kind: str, version: int) -> FolderWriter:
        """Make a nested model folder; parameters as those of `write_folder`."""
        if not _is_inside(name) or "/" in name or name in self._names or name in self._nested:
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
        unlisted = {name.replace(os.sep, "/") for name in relative_files(self._folder)} - {*entries}
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
    """Write a model folder, which takes the place of an earlier one when the block ends.

    At any moment `path` holds the earlier model or the new one, complete. On any error the
    earlier one stays.

    Parameters
    ----------
    path : path
        Folder to make. One that exists must be empty or hold a model of the same kind and
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


class _NotNow(Exception):
    """Leaves a folder unwritten."""


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
    with suppress(_NotNow), write_folder(path, kind, 1):
        raise _NotNow


def _contents(kind: str, path: StrPath) -> Callable[[Path, bool], Collection[str]]:
    """From a folder to the names of its files, for `replace_folder`."""

    def contents(folder: Path, leftover: bool) -> Collection[str]:
        entries = sorted(os.listdir(folder))
        if leftover:
            try:
                manifest = _read_manifest(folder)
            except ValueError:
                manifest = None
            if manifest is None or manifest.files is None:
                return relative_files(folder)
            names = {*manifest.files, MANIFEST}
            return [] if _foreign(folder, names) else _manifest_last(names)
        if not entries:
            return []
        try:
            manifest = _read_manifest(folder)
        except ValueError as error:
            raise _not_replaced(path, f"its {MANIFEST} is damaged ({error})") from error
        if manifest is None:
            raise _not_replaced(path, f"it is not a model and holds {_first(entries)}")
        if manifest.kind != kind:
            raise _not_replaced(path, f"it holds another kind of model, {manifest.kind}")
        names = _earlier_files(folder, kind) if manifest.files is None else {*manifest.files}
        if manifest.files is not None:
            names.add(MANIFEST)
        foreign = _foreign(folder, names)
        if foreign:
            raise _not_replaced(path, f"it holds other files as well ({_first(foreign)})")
        return _manifest_last(names)

    return contents


def _manifest_last(names: Collection[str]) -> list[str]:
    """Order in which files are deleted: after a kill, the rest can still be told from others."""
    return sorted(names, key=lambda name: (name == MANIFEST, name))


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _not_replaced(path: StrPath, why: str) -> FileExistsError:
    return FileExistsError(
        errno.EEXIST, f"The folder is not replaced: {why}. Choose another folder", os.fspath(path)
    )


def _foreign(folder: Path, names: Collection[str]) -> list[str]:
    """Entries of a folder, relative to it, that are neither listed nor folders of listed ones."""
    folders = {""}
    for name in names:
        folders |= {name[:i] for i, letter in enumerate(name) if letter == "/"}
    foreign = []
    for at, inner, files in os.walk(folder):
        prefix = os.path.relpath(at, folder).replace(os.sep, "/")
        prefix = "" if prefix == "." else f"{prefix}/"
        foreign += [prefix + name for name in files if prefix + name not in names]
        others = [name for name in inner if prefix + name not in folders
                  or os.path.islink(os.path.join(at, name))]  # fmt: skip
        foreign += [f"{prefix}{name}/" for name in others if prefix + name not in names]
        inner[:] = [name for name in inner if name not in others]
    return sorted(foreign)


def _earlier_files(folder: Path, kind: str) -> set[str]:
    """Names that belong to a folder of format 1 or 2."""
    earlier = _EARLIER_FORMATS[kind]
    names = {name for name in earlier.files if (folder / name).is_file()}
    if earlier.nested is None:
        return names
    nested = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    for name in nested if earlier.nested == "*" else [earlier.nested]:
        try:
            inner = _read_manifest(folder / name)
        except ValueError:
            continue
        if inner is not None and inner.files is None:
            names |= {f"{name}/{file}" for file in _earlier_files(folder / name, inner.kind)}
        elif inner is not None and inner.files is not None:
            names |= {f"{name}/{file}" for file in (*inner.files, MANIFEST)}
    return names


# Reading


class _OpenFile(NamedTuple):
    """A file, with checksums that are None in formats 1 and 2."""

    file: BufferedReader
    size: int
    sha256: str | None
    header_sha256: str | None


class FolderReader:
    """The files of one model folder, all opened at one moment; see `open_folder`.

    Attributes
    ----------
    path : Path
    kind : str
    version : int
        Version of the format.
    names : frozenset of str
        Names of files; those in nested folders are not among them.
    folders : frozenset of str
        Names of nested folders.
    """

    def __init__(
        self, path: Path, manifest: _Manifest, files: dict[str, _OpenFile], what: str, verify: bool
    ) -> None:
        self.path = path
        self.kind, self.version = manifest.kind, manifest.version
        self.names = frozenset(name for name in files if "/" not in name and name != MANIFEST)
        self.folders = frozenset(name.split("/")[0] for name in files if "/" in name)
        self._files, self._what, self._verify = files, what, verify

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

    def read_json(self, name: str) -> Any:
        """Read a JSON file; its checksum is verified.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        content = self.read_bytes(name)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self.damaged(str(error), name) from error

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
            arrays[key] = _aligned(places[key])
            content = arrays[key].reshape(-1).view(np.uint8).data
            if places[key].size and opened.file.readinto(content) != len(content):
                raise self.damaged("it ends too early", name)
            digest.update(content)
        if opened.sha256 not in (None, digest.hexdigest()):
            raise self._changed(name)
        return arrays

    def map_arrays(self, name: str) -> Arrays:
        """Map the arrays of a safetensors file into memory, copy-on-write.

        Header and sizes are verified; the content is with ``verify=True`` only.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        opened = self._opened(name)
        self._verified(name, opened)
        return {
            key: self._map(opened, place, "c")
            for key, place in self._places(name, opened).items()
        }  # fmt: skip

    def map_file(self, name: str, dtype: npt.DTypeLike, n: int) -> npt.NDArray[Any]:
        """Map a file of n numbers into memory, read-only; verified with ``verify=True`` only.

        Raises
        ------
        ModelError
            If it is missing, or of another size.
        """
        opened = self._opened(name)
        place = _Place(np.dtype(dtype), (n,), 0)
        if opened.size != place.size:
            raise self.damaged(f"it has {opened.size} bytes in place of {place.size}", name)
        self._verified(name, opened)
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
            If there is none of that name, or it is damaged, of another kind or newer.
        """
        prefix = f"{name}/"
        files = {key[len(prefix) :]: file for key, file in self._files.items()
                 if key.startswith(prefix)}  # fmt: skip
        if not files:
            raise ModelError(f"{self.path} is damaged: it has no {name}/")
        path = self.path / name
        if MANIFEST not in files:
            manifest = _earlier_kind(lambda inner: _content(files, inner))
            if manifest is None:
                raise ModelError(f"{path} is damaged: it is not a model")
        else:
            content = self.read_bytes(prefix + MANIFEST)
            try:
                manifest = _parse_manifest(content)
            except (ValueError, RecursionError) as error:
                raise self.damaged(str(error), prefix + MANIFEST) from error
        if version is not None and manifest.version > version:
            raise _newer(path, manifest, version)
        if kind not in (None, manifest.kind):
            raise ModelError(f"{path} is damaged: it is {_with_article(manifest.kind)}")
        return FolderReader(path, manifest, files, "model", self._verify)

    def damaged(self, why: str, name: str | None = None) -> ModelError:
        """Build the error of a damaged folder, or of one of its files."""
        return ModelError(f"{self.path if name is None else self.path / name} is damaged: {why}")

    def _changed(self, name: str) -> ModelError:
        return self.damaged("it is not as it was written (its checksum differs)", name)

    def _opened(self, name: str) -> _OpenFile:
        try:
            return self._files[name]
        except KeyError:
            raise ModelError(
                f"{self.path} is damaged, or not {_with_article(self._what)}: it has no {name}"
            ) from None

    def _places(self, name: str, opened: _OpenFile) -> dict[str, _Place]:
        try:
            places, digest = _read_header(opened.file, opened.size)
        except (ValueError, RecursionError) as error:
            raise self.damaged(str(error), name) from error
        if opened.header_sha256 not in (None, digest):
            raise self._changed(name)
        return places

    def _verified(self, name: str, opened: _OpenFile) -> None:
        if self._verify and opened.sha256 not in (None, _digest(opened.file)):
            raise self._changed(name)

    @staticmethod
    def _map(opened: _OpenFile, place: _Place, mode: Any) -> npt.NDArray[Any]:
        if place.size == 0:  # an empty part cannot be mapped
            return np.empty(place.shape, place.dtype)
        array: npt.NDArray[Any] = np.memmap(
            opened.file, place.dtype, mode, place.start, place.shape
        )
        return array if array.flags.aligned else array.copy()


def _content(files: Mapping[str, _OpenFile], name: str) -> bytes:
    if name not in files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    files[name].file.seek(0)
    return files[name].file.read()


_ATTEMPTS = 100


class _Replaced(Exception):
    """The folder was replaced while its files were opened."""


def _always_replaced(folder: Path) -> ModelError:
    return ModelError(f"{folder} is replaced all the time and could not be read; try again")


@contextmanager
def open_folder(
    path: StrPath,
    kind: str | Collection[str],
    version: int,
    *,
    verify: bool = False,
    what: str = "model",
) -> Iterator[FolderReader]:
    """Open a model folder: all its files at one moment.

    What is read within the block belongs to one save, also if another process saves to the
    folder meanwhile. Memory-mapped arrays stay valid after the block.

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
        If there is no such folder.
    ModelError
        If it holds no model, one of another kind or of a newer version, or a damaged one.
    """
    kinds = {kind} if isinstance(kind, str) else {*kind}
    folder = Path(path)
    with ExitStack() as stack:
        for attempt in range(_ATTEMPTS):
            with ExitStack() as opened:
                try:
                    manifest, files = _open_files(folder, kinds, version, what, opened)
                except _Replaced:
                    time.sleep(min(0.001 * attempt, 0.05))
                    continue
                stack.push(opened.pop_all())
                break
        else:
            raise _always_replaced(folder)
        reader = FolderReader(folder, manifest, files, what, verify)
        if verify:
            for name, file in files.items():
                reader._verified(name, file)
        yield reader


def _open_files(
    folder: Path, kinds: Collection[str], version: int, what: str, stack: ExitStack
) -> tuple[_Manifest, dict[str, _OpenFile]]:
    recover(Path(os.path.realpath(folder)))
    directory = _Directory(folder, what, stack)
    content = directory.read(MANIFEST)
    if content is not None:
        try:
            manifest = _parse_manifest(content)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{folder / MANIFEST} is damaged: {error}") from error
        if manifest.version > version:
            raise _newer(folder, manifest, version)
        if manifest.files is None or manifest.version < 1:
            raise ModelError(f"{folder / MANIFEST} is damaged: it is not as it was written")
    else:
        manifest_or_none = _earlier_kind(directory.content)
        if manifest_or_none is None or (
            _LAST_WITHOUT_MANIFEST < manifest_or_none.version <= version
        ):
            directory.check_current()
            raise ModelError(f"{folder} is not {_with_article(what)}: it has no {MANIFEST}")
        manifest = manifest_or_none
        if manifest.version > version:
            raise _newer(folder, manifest, version)
    if manifest.kind not in kinds:
        raise ModelError(
            f"{folder} is not {_with_article(what)}: it holds {_with_article(manifest.kind)}"
        )
    files = {}
    for name in (
        directory.earlier_files(manifest.kind) if manifest.files is None else manifest.files
    ):
        file = directory.open(name)
        if file is None:
            directory.check_current()
            raise ModelError(f"{folder} is damaged: it has no {name}")
        size = os.fstat(file.fileno()).st_size
        entry = None if manifest.files is None else manifest.files[name]
        if entry is not None and size != entry.size:
            directory.check_current()
            raise ModelError(
                f"{folder / name} is damaged: it has {size} bytes in place of {entry.size}"
            )
        digests = (None, None) if entry is None else (entry.sha256, entry.header_sha256)
        files[name] = _OpenFile(file, size, *digests)
    if manifest.files is None or directory.read(MANIFEST) != content:
        directory.check_current()
    return manifest, files


def _newer(folder: Path, manifest: _Manifest, version: int) -> ModelError:
    return ModelError(
        f"{folder} has format version {manifest.version}; this version of similarity-encoders "
        f"reads up to {version}: update it"
    )


def _with_article(what: str) -> str:
    return f"{'an' if what[0].lower() in 'aeiou' else 'a'} {what}"


class _Directory:
    """A folder that stays the same one while it is read, even if its name is given to another."""

    def __init__(self, path: Path, what: str, stack: ExitStack) -> None:
        self._path, self._stack = path, stack
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
        """Raise _Replaced if the path names another folder by now."""
        try:
            current = os.path.samestat(self._stat, os.stat(self._path))
        except OSError:
            current = False
        if not current:
            raise _Replaced

    def open(self, name: str) -> BufferedReader | None:
        """Open a file; None if there is none of that name."""
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        flags |= getattr(os, "O_BINARY", 0)
        try:
            if self._descriptor is None:
                descriptor = os.open(self._path / name, flags)
            else:
                descriptor = os.open(name, flags, dir_fd=self._descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path / name)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ModelError(f"{self._path / name} is damaged: it is not a file")
        return self._stack.enter_context(os.fdopen(descriptor, "rb"))

    def read(self, name: str) -> bytes | None:
        """Read a whole file."""
        file = self.open(name)
        return None if file is None else file.read()

    def content(self, name: str) -> bytes:
        """Read a whole file, or raise FileNotFoundError."""
        content = self.read(name)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return content

    def earlier_files(self, kind: str) -> list[str]:
        """Names of files of formats 1 and 2."""
        return sorted(_earlier_files(self._path, kind))


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
        None if the file is as it was written.
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
        If there is no such folder.
    ModelError
        If it holds no model, or its manifest is damaged.
    """
    folder = Path(path)
    for attempt in range(_ATTEMPTS):
        try:
            return _verify(folder)
        except _Replaced:
            time.sleep(min(0.001 * attempt, 0.05))
    raise _always_replaced(folder)


def _verify(folder: Path) -> list[FileCheck]:
    with ExitStack() as stack:
        recover(Path(os.path.realpath(folder)))
        directory = _Directory(folder, "model", stack)
        try:
            manifest = _read_manifest(folder)
        except ValueError as error:
            directory.check_current()
            raise ModelError(f"{folder / MANIFEST} is damaged: {error}") from error
        directory.check_current()
        if manifest is None:
            raise ModelError(f"{folder} is not a model: it has no {MANIFEST}")
        if manifest.files is None:
            return [
                FileCheck(name, (folder / name).stat().st_size, None, None)
                for name in directory.earlier_files(manifest.kind)
            ]
        checks = []
        for name, entry in sorted(manifest.files.items()):
            problem: str | None = None
            try:
                file = directory.open(name)
            except ModelError as error:
                problem, file = str(error), None
            else:
                if file is None:
                    problem = "missing"
            if file is not None:
                size = os.fstat(file.fileno()).st_size
                if size != entry.size:
                    problem = f"{size} bytes in place of {entry.size}"
                elif _digest(file) != entry.sha256:
                    problem = "the checksum differs"
            if problem:
                directory.check_current()
            checks.append(FileCheck(name, entry.size, entry.sha256, problem))
        return checks
