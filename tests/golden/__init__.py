"""Models that an earlier version wrote, and what it computed from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def golden(name: str, to: Path) -> Path:
    """Copy a model, so that a test may save over it."""
    return Path(shutil.copytree(FOLDER / name, to / name))
