"""Text corpora as streams: read any format, in constant memory, any number of times.

>>> import corpora
>>> texts = ["The cat sat", "The dog ran"]  # or the name of a file, such as "news/*.txt.gz"
>>> for document in corpora.open(texts, clean="lower"):
...     print(document)
['the', 'cat', 'sat']
['the', 'dog', 'ran']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from corpora.corpus import Corpus, open
from corpora.deprecated import deprecated_modules
from corpora.errors import ClusterError, CorpusError, ModelError, NotReiterableError
from corpora.readers import BREAK, Reader, TextFile, register_reader, text_lines, with_breaks

if TYPE_CHECKING:
    from corpora.counting import Counts, count
    from corpora.encoding import TokenStream

__all__ = [
    "BREAK",
    "ClusterError",
    "Corpus",
    "CorpusError",
    "Counts",
    "ModelError",
    "NotReiterableError",
    "Reader",
    "TextFile",
    "TokenStream",
    "count",
    "open",
    "register_reader",
    "text_lines",
    "with_breaks",
]

# Imported on first use: these modules need NumPy.
_LAZY = {
    "Counts": "corpora.counting",
    "TokenStream": "corpora.encoding",
    "count": "corpora.counting",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


deprecated_modules(
    {
        "corpora.compiling": "corpora.jit",
        "corpora.tokens": "corpora.encoding",
        "corpora.wordtable": "corpora.counting.word_table",
    }
)
