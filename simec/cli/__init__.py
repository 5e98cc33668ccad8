"""The command line ``simec``: train link predictors, recommenders and networks for molecules.

Each group of commands is a module of this package. Modules that are slow to import are imported
inside functions, so that ``simec --help`` is fast.
"""

from __future__ import annotations

from corpora.cli.app import make_app
from simec.cli.explore import explore
from simec.cli.links import links
from simec.cli.molecules import molecules
from simec.cli.recommend import recommend

__all__ = ["app"]

_HELP = """\
Link prediction, recommendations, and properties of molecules, with Similarity Encoders.

\b
  simec links train train.tsv --out kg.model     train on known triples
  simec links predict kg.model paris capital_of  predict the most likely tails
  simec links evaluate kg.model test.tsv         rank test triples
  simec recommend train r.csv --out r.model      train on ratings
  simec recommend for r.model ann                recommend items to a user
  simec recommend explain r.model ann tea        explain a rating
  simec explore r.model                          look at a model in the browser
  simec molecules pretrain all.sdf --out net     train on similarities of molecules
  simec molecules finetune few.csv --network net --property gap --out gap.model
  simec molecules predict gap.model new.smi      predict a property
  simec molecules explain gap.model new.smi --out gap.svg

Needs the extra: pip install 'similarity-encoders\\[simec]'; for molecules \\[molecules].
"""

app = make_app("simec", _HELP, [explore])
app.add_typer(links, name="links")
app.add_typer(recommend, name="recommend")
app.add_typer(molecules, name="molecules")
