"""The named data sets: where they lie, where they come from, what to cite.

No data are shipped. A checksum is given only where it was taken from the file itself, or is the
same in several independent public sources; everywhere else it is None.
"""

from __future__ import annotations

from corpora.datasets.catalogue.contexts import CONTEXTS
from corpora.datasets.catalogue.texts import TEXTS
from corpora.datasets.catalogue.words import WORDS
from corpora.datasets.records import Dataset

__all__ = ["CATALOGUE"]

CATALOGUE: dict[str, Dataset] = {dataset.name: dataset for dataset in (*TEXTS, *WORDS, *CONTEXTS)}
