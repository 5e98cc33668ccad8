"""The table that stress programs print: a row per subject, a column per outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Table:
    """A table whose rows are printed as they are added; it starts with its header.

    Parameters
    ----------
    columns : iterable of str
        Names of the outcomes.
    indent, width : int
        Characters of the first column and of the others.
    """

    def __init__(self, columns: Iterable[str], *, indent: int, width: int = 11) -> None:
        self.columns, self.indent, self.width = tuple(columns), indent, width
        print(" " * indent + "".join(f"{name:>{width}}" for name in self.columns), flush=True)

    def add(self, name: str, counts: Mapping[str, int], messages: Iterable[str] = ()) -> None:
        """Print a row and, indented below it, messages without repetitions."""
        numbers = "".join(f"{counts[column]:>{self.width}}" for column in self.columns)
        print(f"{name:{self.indent}}{numbers}", flush=True)
        for message in dict.fromkeys(messages):
            print("   ", message)
