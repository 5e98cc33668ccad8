"""The named data sets: where they lie, where they come from, what to cite.

No data are shipped. A checksum is given only where it was taken from the file itself, or is the
same in several independent public sources; everywhere else it is None.
"""

from __future__ import annotations

from ..records import Dataset
from .contexts import CONTEXTS
from .texts import TEXTS
from .words import WORDS

__all__ = ["CATALOGUE"]

CATALOGUE: dict[str, Dataset] = {dataset.name: dataset for dataset in (*TEXTS, *WORDS, *CONTEXTS)}
