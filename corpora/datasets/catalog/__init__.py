"""The catalog of named data sets: files, downloads, licenses and citations.

No data are shipped. Checksums were computed from the files, or are the same in several
independent public sources; they are None otherwise.
"""

from __future__ import annotations

from corpora.datasets.catalog.contexts import CONTEXTS
from corpora.datasets.catalog.texts import TEXTS
from corpora.datasets.catalog.words import WORDS
from corpora.datasets.records import Dataset

__all__ = ["CATALOG"]

CATALOG: dict[str, Dataset] = {dataset.name: dataset for dataset in (*TEXTS, *WORDS, *CONTEXTS)}
