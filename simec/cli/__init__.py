"""The command line ``simec``: relations between things, learned from files and asked for.

Each group of commands is a module of this package; what takes long to import is imported inside
of its functions, so that ``simec --help`` is there at once.
"""

from __future__ import annotations

from corpora.cli.app import make_app
from simec.cli.links import links
from simec.cli.recommend import recommend

__all__ = ["app"]

_HELP = """\
Embeddings that keep pairwise relations, for points old and new.

\b
  simec links train train.tsv --out kg.model     learn from triples
  simec links predict kg.model paris capital_of  likeliest tails
  simec links evaluate kg.model test.tsv         ranks of triples held out
  simec recommend train r.csv --out r.model      learn from ratings
  simec recommend for r.model ann                what a user may like
  simec recommend explain r.model ann tea        and why

Needs the extra: pip install 'similarity-encoders\\[simec]'.
"""

app = make_app("simec", _HELP, [])
app.add_typer(links, name="links")
app.add_typer(recommend, name="recommend")
