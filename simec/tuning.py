"""Helpers to search for parameters: settings drawn from a space, and tables of results."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpora.files import StrPath, atomic_path

__all__ = ["draw_settings", "format_table", "format_value", "write_table"]

Row = Mapping[str, Any]


def draw_settings(
    space: Mapping[str, Sequence[Any]], n: int, random: np.random.RandomState
) -> list[dict[str, Any]]:
    """Draw different settings at random; the first is empty: the defaults.

    Parameters
    ----------
    space : mapping of str to sequence
        Values of each parameter.
    n : int
        Number of settings; a small space has fewer.
    random : RandomState
    """
    settings: list[dict[str, Any]] = [{}]
    for _ in range(20 * n):
        drawn = {name: values[random.randint(len(values))] for name, values in space.items()}
        if len(settings) < n and drawn not in settings:
            settings.append(drawn)
    return settings


def format_table(rows: Sequence[Row]) -> str:
    """Format rows with the same names as aligned columns."""
    columns = list(rows[0])
    cells = [columns, *([format_value(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )


def format_value(value: Any) -> str:
    """Format a value of a table: four digits, or "-" for None."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def write_table(path: StrPath, rows: Sequence[Row], best: Mapping[str, Any]) -> None:
    """Write rows, and the best setting: JSON, or rows as CSV if the name ends in ``.csv``."""
    target = Path(path)
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as f:
        if target.suffix == ".csv":
            writer = csv.DictWriter(f, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            json.dump({"best": dict(best), "settings": [dict(row) for row in rows]}, f, indent=1)
            f.write("\n")
