"""Named data sets: find, download, verify and load them.

A data set is searched first in the folder given by the environment variable ``CORPORA_DATA``,
then in the user's cache. Only `fetch` downloads data, into this cache.

>>> from corpora import datasets
>>> "text8" in datasets.names()
True
>>> datasets.info("wordsim353").files[0].path
'nlp/similarity/EN-WS-353-ALL.txt'
"""

from __future__ import annotations

from corpora.datasets.formats import WordPair, read_analogies, read_bats, read_word_pairs
from corpora.datasets.loading import load
from corpora.datasets.records import Dataset, DatasetNotFoundError, Download, File
from corpora.datasets.registry import cache_folder, fetch, info, names, path, paths, verify

__all__ = [
    "Dataset",
    "DatasetNotFoundError",
    "Download",
    "File",
    "WordPair",
    "cache_folder",
    "fetch",
    "info",
    "load",
    "names",
    "path",
    "paths",
    "read_analogies",
    "read_bats",
    "read_word_pairs",
    "verify",
]
