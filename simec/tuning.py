"""Successive halving: settings drawn from a space, rounds, and tables of results."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from corpora.files import StrPath, atomic_path

__all__ = [
    "BaseTuning", "Setting", "best_third", "count_rounds", "draw_settings", "format_table",
    "format_value", "write_table",
]  # fmt: skip

Row = Mapping[str, Any]
_FACTOR = 3  # of the settings, the best third goes on to the next round


@dataclass
class BaseTuning:
    """Result of a search.

    Attributes
    ----------
    best : dict of str to object
        The best setting.
    table : list of dict
        A row for each setting, the best first.
    """

    best: dict[str, Any]
    table: list[dict[str, Any]]

    def save_table(self, path: StrPath) -> None:
        """Write the table and the best setting: JSON, or CSV if the name ends in ``.csv``."""
        write_table(path, self.table, self.best)

    def __str__(self) -> str:
        return format_table(self.table)


@dataclass
class Setting:
    """A setting, and the results of the last round that it was in; higher scores are better."""

    number: int
    values: dict[str, Any]
    round: int = 0
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def score(self) -> float:
        """Mean score; minus infinity without any."""
        return float(np.mean(self.scores)) if self.scores else -math.inf

    def order(self) -> tuple[int, float, int]:
        """Key by which the best setting comes first."""
        return -self.round, -self.score, self.number


_Setting = TypeVar("_Setting", bound=Setting)


def count_rounds(n_settings: int) -> int:
    """Number of rounds until one setting is left."""
    return 1 + math.ceil(math.log(n_settings, _FACTOR) - 1e-9)


def best_third(settings: Sequence[_Setting]) -> list[_Setting]:
    """The settings that go on to the next round."""
    return sorted(settings, key=Setting.order)[: math.ceil(len(settings) / _FACTOR)]


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
