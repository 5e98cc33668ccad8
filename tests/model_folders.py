"""Model folders for tests: changed ones with a manifest that agrees."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from corpora.model_folder import MANIFEST, Entry, manifest_bytes


def reseal(folder: Path, **header: object) -> None:
    """Write the manifest anew, for files that a test changed, added or deleted.

    Tests of what a class says of damaged values need it: the store finds the change first.
    """
    for inner in sorted(path for path in folder.iterdir() if (path / MANIFEST).exists()):
        reseal(inner)
    data = json.loads((folder / MANIFEST).read_bytes())
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / MANIFEST:
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            files[name] = Entry(len(content), hashlib.sha256(content).hexdigest())
    kind = str(header.get("kind", data["kind"]))
    version = int(str(header.get("version", data["format_version"])))
    (folder / MANIFEST).write_bytes(manifest_bytes(kind, version, files))
