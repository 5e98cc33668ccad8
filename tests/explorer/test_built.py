"""The built page is that of the sources, and is shipped."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "explorer"
STATIC = ROOT / "corpora" / "explorer" / "static"


def test_the_built_page_is_up_to_date():
    digest = hashlib.sha256()
    for name in ("build.mjs", "package.json"):
        digest.update((SOURCES / name).read_bytes())
    for path in sorted((SOURCES / "src").iterdir()):
        digest.update(path.read_bytes())
    head = (STATIC / "explorer.js").read_text(encoding="utf-8")[:200]
    built = re.search(r"SHA-256 ([0-9a-f]{64})", head)
    assert built is not None
    assert built[1] == digest.hexdigest(), "run `npm ci && npm run build` in the folder explorer"


def test_sources_do_not_write_html():
    for path in (SOURCES / "src").iterdir():
        text = path.read_text(encoding="utf-8")
        for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert name not in text, path


def test_locked_packages_name_no_registry():
    assert '"resolved"' not in (SOURCES / "package-lock.json").read_text(encoding="utf-8")
    versions = re.findall(
        r'"[\w@/-]+": "([^"]*\d[^"]*)"', (SOURCES / "package.json").read_text(encoding="utf-8")
    )
    assert versions
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
