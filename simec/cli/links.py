"""``simec links``: train, ask and measure link predictors."""

from __future__ import annotations

import contextlib
import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import INTERRUPTED, fail, report, report_warnings
from corpora.cli.options import Json, option

if TYPE_CHECKING:
    from simec.links import LinkPredictor

links = typer.Typer(
    no_args_is_help=True,
    help="Learn which relations hold between entities, and tell what is missing. Files have a "
    "triple a line: head, relation and tail, parted by tabs.",
)


class Preset(str, Enum):
    """A whole of parameters."""

    best = "best"
    thesis = "thesis"


class Middle(str, Enum):
    """Form of middle matrices."""

    complex = "complex"
    diagonal = "diagonal"
    full = "full"


Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a model that simec links train wrote.")
]


@links.command()
def train(
    triples: Annotated[
        Path,
        typer.Argument(
            metavar="TRIPLES",
            help="File of triples; or a folder with train.txt, valid.txt and test.txt, of which "
            "the test's entities are known but not its triples.",
        ),
    ],
    out: Annotated[Path, option("Folder to write the model to.", "--out", metavar="MODEL")],
    valid: Annotated[
        Path | None,
        option("File of triples that training is stopped by.", metavar="FILE"),
    ] = None,
    preset: Annotated[
        Preset,
        option("The recipe that does best today, or the network of the thesis, fine-tuned."),
    ] = Preset.best,
    dimensions: Annotated[
        int | None, option("Of embeddings.", show_default="200; 100 with --preset thesis")
    ] = None,
    middle: Annotated[
        Middle | None,
        option("Form of middle matrices.", show_default="complex; full with --preset thesis"),
    ] = None,
    n3: Annotated[
        float | None,
        option("How much weights are kept small.", show_default="0.05; 0 with --preset thesis"),
    ] = None,
    negatives: Annotated[
        int | None,
        option(
            "Entities drawn for each batch that answers are told from: faster where there are "
            "tens of thousands.",
            show_default="all",
        ),
    ] = None,
    learning_rate: Annotated[float | None, option("At the start.", show_default="0.1")] = None,
    epochs: Annotated[
        int | None, option("At most.", show_default="50; 300 with --preset thesis")
    ] = None,
    patience: Annotated[
        int | None,
        option(
            "Epochs without progress on --valid after which training ends.",
            show_default="5",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, option("Queries.", show_default="500; 100 with --preset thesis")
    ] = None,
    device: Annotated[str, option("cpu, cuda, or auto: a GPU where there is one.")] = "auto",
    seed: Annotated[int, option("Same seed, same model.")] = 1,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Tell how far it is.")
    ] = True,
) -> None:
    """Train a model on triples.

    \b
      simec links train train.tsv --valid valid.tsv --out kg.model
      simec links train WN18RR/ --out wn18rr.model --negatives 4000
    """  # noqa: D301
    from corpora.files import check_folder
    from simec.links import LinkPredictor, read_dataset, read_triples
    from simec.persistence import WEIGHTS

    if triples.is_dir():
        if valid is not None:
            raise ValueError(f"{triples} is a folder, which has its own valid.txt: no --valid")
        train, held, _ = data = read_dataset(triples)
        entities = data.entities
    else:
        train, entities = read_triples(triples), None
        held = [] if valid is None else read_triples(valid)
    given: dict[str, Any] = {
        "n_components": dimensions, "middle": None if middle is None else middle.value, "n3": n3,
        "n_negatives": negatives, "learning_rate": learning_rate, "max_iter": epochs,
        "n_iter_no_change": patience, "batch_size": batch_size,
    }  # fmt: skip
    make = LinkPredictor.thesis if preset is Preset.thesis else LinkPredictor
    predictor = make(
        device=device, random_state=seed, verbose=progress and sys.stderr.isatty(),
        **{name: value for name, value in given.items() if value is not None},
    )  # fmt: skip
    check_folder(out, marker=WEIGHTS)
    interrupted = False
    try:
        with report_warnings():
            predictor.fit(train, held or None, entities=entities)
    except KeyboardInterrupt:
        if not hasattr(predictor, "embeddings_") or not predictor.loss_curve_:
            fail("interrupted before there was anything to save", INTERRUPTED)
        interrupted = True
    predictor.save(out)
    rows = {
        "entities": f"{len(predictor.entities_):,}",
        "relations": f"{len(predictor.relations_):,}",
        "triples": f"{len(train):,}",
        "epochs": f"{predictor.n_iter_}",
        "loss": f"{predictor.loss_curve_[-1]:.4f}" if predictor.loss_curve_ else "-",
    }
    if held:
        rows["valid"] = f"{predictor.best_score_:.4f} (filtered MRR)"
    rows["saved"] = str(out)
    for name, value in rows.items():
        typer.echo(f"{name:9} {value}")
    if interrupted:
        fail(f"interrupted after {predictor.n_iter_} epochs; saved to {out}", INTERRUPTED)


@links.command()
def predict(
    model: Model,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="Head, or tail with --heads.")],
    relation: Annotated[str, typer.Argument(metavar="RELATION")],
    heads: Annotated[bool, typer.Option("--heads", help="ENTITY is the tail: tell heads.")] = False,
    n: Annotated[int, typer.Option("--topn", min=1, help="How many.")] = 10,
    known: Annotated[
        bool, typer.Option("--known", help="Tell those too that training had.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what is likeliest at the other end.

    \b
      simec links predict kg.model paris capital_of
      simec links predict kg.model france capital_of --heads
    """  # noqa: D301
    predictor = _load(model)
    e, r = _as_id(entity, predictor.entities_), _as_id(relation, predictor.relations_)
    found = (
        predictor.predict_head(r, e, n, exclude_known=not known)
        if heads
        else predictor.predict(e, r, n, exclude_known=not known)
    )
    if as_json:
        typer.echo(json.dumps([link._asdict() for link in found], ensure_ascii=False))
        return
    for link in found:
        typer.echo(f"{link.score:9.4f}  {link.entity}")


@links.command()
def evaluate(
    model: Model,
    triples: Annotated[Path, typer.Argument(metavar="TRIPLES", help="File of triples held out.")],
    known: Annotated[
        list[Path] | None,
        option(
            "File of more triples that hold and do not count as wrong, beside those of training, "
            "of --valid and of TRIPLES; may be given several times.",
            metavar="FILE",
        ),
    ] = None,
    by_relation: Annotated[
        bool, typer.Option("--by-relation", help="Tell each relation's, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rank triples among all entities, in both directions.

    \b
      simec links evaluate kg.model test.tsv --by-relation
    """  # noqa: D301
    from simec.links import read_triples

    predictor = _load(model)
    more = [triple for path in known or [] for triple in read_triples(path)]
    with report_warnings():
        found = predictor.evaluate(read_triples(triples), known=more)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    typer.echo(str(found))
    if found.n_unknown:
        report(f"{found.n_unknown:,} triples have an entity that the model does not know")
    if by_relation:
        typer.echo(f"\n{'MRR':>6} {'H@10':>6} {'n':>7}  relation")
        for name, of in sorted(found.by_relation().items(), key=lambda item: -item[1]["n"]):
            typer.echo(f"{of['mrr']:6.3f} {of['hits@10']:6.3f} {of['n']:7,.0f}  {name}")


def _load(path: Path) -> LinkPredictor:
    from simec.links import LinkPredictor

    return LinkPredictor.load(path)


def _as_id(text: str, ids: list[Any]) -> Any:
    """An id as the model has it: numbers where its are numbers."""
    if ids and isinstance(ids[0], int):
        with contextlib.suppress(ValueError):
            return int(text)
    return text
