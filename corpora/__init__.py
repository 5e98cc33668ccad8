"""Text corpora as streams: read anything, in constant memory, again and again.

>>> import corpora
>>> for document in corpora.open("news/*.txt.gz", clean="lower"):  # doctest: +SKIP
...     print(document)  # a list of tokens
"""

from corpora.corpus import Corpus, open
from corpora.deprecated import deprecated_modules
from corpora.errors import CorpusError, ModelError, NotReiterableError
from corpora.readers import BREAK, Reader, TextFile, register_reader, with_breaks

__all__ = [
    "BREAK",
    "Corpus",
    "CorpusError",
    "ModelError",
    "NotReiterableError",
    "Reader",
    "TextFile",
    "open",
    "register_reader",
    "with_breaks",
]

deprecated_modules(
    {
        "corpora.compiling": "corpora.jit",
        "corpora.tokens": "corpora.encoding",
        "corpora.wordtable": "corpora.counting.word_table",
    }
)
