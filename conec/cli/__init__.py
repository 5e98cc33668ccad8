"""The command line ``conec``: train Context Encoders, ask them, hand on their vectors.

Each command is a function of this package; what takes long to import is imported
inside of them, so that ``conec --help`` is there at once.
"""

from __future__ import annotations

from conec.cli.embed import embed, oov
from conec.cli.evaluate import evaluate
from conec.cli.export import export
from conec.cli.info import info
from conec.cli.queries import analogy, similar
from conec.cli.tag import tag
from conec.cli.train import train
from corpora.cli.app import make_app

__all__ = ["app"]

_HELP = """\
Word embeddings for known words, for words never seen, and for the sense at hand.

A Context Encoder is trained like word2vec, but makes a word's vector from the words around it.
So it also has vectors for new words, and different ones for one word in different texts.

\b
  conec train news.txt --out news.model          learn from a text
  conec similar news.model hospital              neighbours of a word
  conec oov news.model zorbing \\
      --context "we went zorbing down the hill"  neighbours of a new word
  conec embed news.model new.txt --out new.npz   vectors of all words of a text
  conec tag train eng.train --out tagger \\
      --model news.model                         a tagger of named entities
"""

app = make_app("conec", _HELP, [train, similar, analogy, embed, oov, evaluate, export, info])
app.add_typer(tag, name="tag")
