"""The command line ``conec``: train and query Context Encoders, and export their vectors.

Each command is a function in a module of the same name. Modules that are slow to import are
imported inside these functions, so that ``conec --help`` responds at once.
"""

from __future__ import annotations

from conec.cli.analogy import analogy
from conec.cli.embed import embed
from conec.cli.evaluate import evaluate
from conec.cli.explore import explore
from conec.cli.export import export
from conec.cli.info import info
from conec.cli.oov import oov
from conec.cli.similar import similar
from conec.cli.tag import tag
from conec.cli.train import train
from corpora.cli.app import make_app

__all__ = ["app"]

_HELP = """\
Word embeddings for known words, for unknown words, and for the senses of a word.

A Context Encoder is trained like word2vec but computes a word's vector from the words around it.
New words get a vector, too, and the same word gets different vectors in different texts.

\b
  conec train news.txt --out news.model          train a model on a text
  conec similar news.model hospital              neighbors of a word
  conec oov news.model zorbing \\
      --context "we went zorbing down the hill"  neighbors of a new word
  conec explore news.model                       all of this in the browser
  conec embed news.model new.txt --out new.npz   vectors of all tokens of a text
  conec tag train eng.train --out tagger \\
      --model news.model                         train a named-entity tagger
"""

app = make_app(
    "conec", _HELP, [train, similar, analogy, explore, embed, oov, evaluate, export, info]
)
app.add_typer(tag, name="tag")
