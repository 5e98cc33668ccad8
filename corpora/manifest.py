"""Manifests: which files belong to a model folder, with sizes and checksums.

``manifest.json`` holds the kind of model, the format version, the version of the program, and an
`Entry` for each file. ``generation`` is a checksum of the manifest itself, equal for equal content.
Folders of formats 1 and 2 have no manifest: their files are known by name (`EARLIER_FORMATS`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corpora.files import is_desktop_file
from corpora.saved_data import parse_json

__all__ = [
    "EARLIER_FORMATS",
    "LAST_WITHOUT_MANIFEST",
    "MANIFEST",
    "EarlierFormat",
    "Entry",
    "Manifest",
    "check_header_size",
    "earlier_files",
    "earlier_kind",
    "foreign_entries",
    "is_inside",
    "manifest_bytes",
    "parse_manifest",
    "read_manifest",
    "to_json",
]

MANIFEST = "manifest.json"


class EarlierFormat(NamedTuple):
    """Files of a model in formats 1 and 2."""

    header: str
    files: frozenset[str]
    nested: str | None = None  # name of a folder with a model in it; "*" for any name


_WEIGHTS = "weights.safetensors"
_ENCODER = EarlierFormat("config.json", frozenset({"config.json", _WEIGHTS}))
EARLIER_FORMATS = {
    "conec.ContextEncoder": EarlierFormat(
        "config.json",
        frozenset(
            {"config.json", "vocabulary.json", _WEIGHTS}
            | {f"{part}.{suffix}" for part in ("features", "map", "senses")
               for suffix in ("json", "safetensors")}
        ),
    ),
    "conec.ner.Tagger": EarlierFormat(
        "tagger.json",
        frozenset({"tagger.json", "words.json", "field.crfsuite", "groups.safetensors"}),
        nested="model",
    ),
    "simec.SimilarityEncoder": _ENCODER,
    "simec.LinkPredictor": _ENCODER,
    "simec.Recommender": EarlierFormat(
        "config.json", frozenset({"config.json", "arrays.safetensors"}), nested="*"
    ),
    "corpora.TokenStream": EarlierFormat(
        "tokens.json", frozenset({"tokens.json", "ids.int32", "offsets.int64", "vocabulary.tsv"})
    ),
}  # fmt: skip
LAST_WITHOUT_MANIFEST = 2
_LARGEST_MANIFEST = 1 << 24  # bytes
_LARGEST_HEADER = 1 << 30  # bytes; headers of format 1 and 2 may list entities


def to_json(data: Any, indent: int | None = None) -> bytes:
    """Encode plain data as JSON in UTF-8."""
    text = json.dumps(data, ensure_ascii=False, indent=indent, allow_nan=False)
    # Undecodable bytes of a corpus may become lone surrogates, which UTF-8 cannot encode; escaped
    # with a backslash they are valid JSON.
    return (text + "\n").encode("utf-8", "backslashreplace")


class Entry(NamedTuple):
    """A file that a manifest lists.

    Attributes
    ----------
    size : int
        In bytes.
    sha256 : str
        Checksum of its content.
    header_sha256 : str or None
        Checksum of the header of a safetensors file, which is verified even if the arrays are
        memory-mapped and not read.
    """

    size: int
    sha256: str
    header_sha256: str | None = None

    def to_dict(self) -> dict[str, int | str]:
        """Return the entry as data for JSON."""
        header = {} if self.header_sha256 is None else {"header_sha256": self.header_sha256}
        return {"size": self.size, "sha256": self.sha256, **header}


class Manifest(NamedTuple):
    """Kind, format version and files of a folder.

    `files` is None in formats 1 and 2, and if a manifest has been changed.
    """

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
        "files": {name: files[name].to_dict() for name in sorted(files)},
    }
    return _sealed(data)


def _sealed(data: dict[str, Any]) -> bytes:
    data.pop("generation", None)
    generation = hashlib.sha256(to_json(data)).hexdigest()
    return to_json({"generation": generation, **data}, indent=1)


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ValueError
        If it is damaged. A manifest of a newer version may have other entries.
    """
    data = parse_json(content)
    match data:
        case {"kind": str(kind), "format_version": int(version)} if type(version) is int:
            pass
        case _:
            raise ValueError("it does not name a kind and a format version")
    files = {}
    entries = data.get("files")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        match entry:
            case {"size": int(size), "sha256": str(digest), **others} if is_inside(name):
                header_digest = others.get("header_sha256")
                if type(size) is int:
                    files[name] = Entry(
                        size, digest, None if header_digest is None else str(header_digest)
                    )
    try:
        is_sealed = content == _sealed(dict(data))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not is_sealed or not isinstance(entries, dict) or len(files) < len(entries):
        return Manifest(kind, version, None)
    return Manifest(kind, version, files)


def check_header_size(name: str, size: int) -> None:
    """Raise ValueError if a manifest or header is too large to be one, before it is read."""
    largest = _LARGEST_MANIFEST if name == MANIFEST else _LARGEST_HEADER
    if size > largest:
        raise ValueError(f"{name} has {size} bytes, more than a model's has")


def is_inside(name: str) -> bool:
    """Whether a relative name, with slashes between folders, stays within a folder."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    # Windows also has backslashes, and drives: ``C:name``.
    parts = name.split("/")
    return not any(
        part in ("", ".", "..") or len(part) > 255 or any(letter in part for letter in "\\:\0")
        for part in parts
    )


def earlier_kind(read: Callable[[str], bytes]) -> Manifest | None:
    """Return kind and version of a folder of format 1 or 2; None for any other folder."""
    for header in ("config.json", "tagger.json", "tokens.json"):
        try:
            data = parse_json(read(header))
        except (OSError, ValueError):
            continue
        if not isinstance(data, dict):
            continue
        kind = "corpora.TokenStream" if header == "tokens.json" else data.get("format")
        version = data.get("format_version")
        if (
            isinstance(kind, str)
            and kind in EARLIER_FORMATS
            and EARLIER_FORMATS[kind].header == header
            and type(version) is int
            and version >= 1
        ):
            return Manifest(kind, version, None)
    return None


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a folder; None if it is not a model, ValueError if it is damaged."""

    def read(name: str) -> bytes:
        check_header_size(name, (folder / name).stat().st_size)
        return (folder / name).read_bytes()

    try:
        manifest = parse_manifest(read(MANIFEST))
    except FileNotFoundError:
        return earlier_kind(read)
    except IsADirectoryError as error:
        raise ValueError(str(error)) from error
    if manifest.files is None:
        raise ValueError("it was changed after it was saved")
    return manifest


def foreign_entries(folder: Path, names: Collection[str]) -> list[str]:
    """Return the entries of a folder that are neither listed files nor folders of listed files.

    Files of the operating system, such as ``.DS_Store``, are left out.
    """
    folders = {""}
    for name in names:
        folders |= {name[:i] for i, letter in enumerate(name) if letter == "/"}
    foreign = []
    for at, inner, files in os.walk(folder):
        prefix = os.path.relpath(at, folder).replace(os.sep, "/")
        prefix = "" if prefix == "." else f"{prefix}/"
        foreign += [prefix + name for name in files
                    if prefix + name not in names and not is_desktop_file(name)]  # fmt: skip
        others = [name for name in inner if prefix + name not in folders
                  or os.path.islink(os.path.join(at, name))]  # fmt: skip
        foreign += [f"{prefix}{name}/" for name in others if prefix + name not in names]
        inner[:] = [name for name in inner if name not in others]
    return sorted(foreign)


def earlier_files(folder: Path, kind: str) -> set[str]:
    """Return the names of files that belong to a model of format 1 or 2."""
    earlier = EARLIER_FORMATS[kind]
    names = {name for name in earlier.files if (folder / name).is_file()}
    if earlier.nested is None:
        return names
    nested = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    for name in nested if earlier.nested == "*" else [earlier.nested]:
        try:
            inner = read_manifest(folder / name)
        except ValueError:
            continue
        if inner is not None and inner.files is None:
            names |= {f"{name}/{file}" for file in earlier_files(folder / name, inner.kind)}
        elif inner is not None and inner.files is not None:
            names |= {f"{name}/{file}" for file in (*inner.files, MANIFEST)}
    return names
