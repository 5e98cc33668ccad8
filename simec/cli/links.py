"""``simec links``: train, query and evaluate link predictors."""

from __future__ import annotations

import contextlib
import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import fail, report, report_warnings
from corpora.cli.options import Json, option, output_folder, takes_options
from corpora.interrupts import STOPPED, exit_status
from simec.cli.options import (
    TableOptions,
    names_options,
    report_format,
    require_device,
    with_options,
)

if TYPE_CHECKING:
    from simec.links import LinkPredictor
    from simec.links.triples import Id

    Triples = list[tuple[Id, Id, Id]]

links = typer.Typer(
    no_args_is_help=True,
    help="Learn from known triples (head, relation, tail), and predict missing ones. Files have "
    "one triple per line, usually separated by tabs.",
)


class Preset(str, Enum):
    """A preset of parameters."""

    best = "best"
    thesis = "thesis"


class RelationMatrix(str, Enum):
    """Form of the relation matrices."""

    complex = "complex"
    diagonal = "diagonal"
    full = "full"


Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a model written by simec links train.")
]


@links.command()
@names_options
@takes_options(TableOptions, "table")
def train(
    triples: Annotated[
        Path,
        typer.Argument(
            metavar="TRIPLES",
            help="File of triples, or a folder with train.txt, valid.txt and test.txt; of the test "
            "triples, only the entities are used.",
        ),
    ],
    out: Annotated[
        Path,
        output_folder(
            "Folder to write the model to.", "--out", kind="simec.LinkPredictor", metavar="MODEL"
        ),
    ],
    table: TableOptions,
    valid: Annotated[
        Path | None,
        option("File of validation triples for early stopping.", metavar="FILE"),
    ] = None,
    preset: Annotated[
        Preset,
        option(
            "best: parameters with the best results. thesis: the fine-tuned network of the thesis."
        ),
    ] = Preset.best,
    dimensions: Annotated[
        int | None,
        option("Length of the embeddings.", show_default="200; 100 with --preset thesis"),
    ] = None,
    relation_matrix: Annotated[
        RelationMatrix | None,
        option("Form of the relation matrices.", show_default="complex; full with --preset thesis"),
    ] = None,
    n3: Annotated[
        float | None,
        option("Weight of the N3 penalty.", show_default="0.05; 0 with --preset thesis"),
    ] = None,
    negatives: Annotated[
        int | None,
        option(
            "Number of negative entities sampled per batch; faster if there are tens of thousands "
            "of entities.",
            show_default="score all entities",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, option("Initial learning rate.", show_default="0.1")
    ] = None,
    epochs: Annotated[
        int | None,
        option("Maximum number of epochs.", show_default="50; 300 with --preset thesis"),
    ] = None,
    patience: Annotated[
        int | None,
        option(
            "Stop training after this many epochs without a better score on --valid.",
            show_default="5",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        option("Number of queries in a batch.", show_default="500; 100 with --preset thesis"),
    ] = None,
    checkpoint_minutes: Annotated[
        float, option("Minutes between checkpoints, written to MODEL.", min=0)
    ] = 10,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the interrupted run in MODEL, with its parameters and the same triples.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Start from scratch, and replace the interrupted run in MODEL."
        ),
    ] = False,
    device: Annotated[str, option("cpu, cuda, or auto: a GPU if available.")] = "auto",
    seed: Annotated[int, option("Random seed: the same seed gives the same model.")] = 1,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show a progress bar.")
    ] = True,
    middle: Annotated[RelationMatrix | None, typer.Option("--middle", hidden=True)] = None,
) -> None:
    """Train a model on triples.

    \b
      simec links train train.tsv --valid valid.tsv --out kg.model
      simec links train WN18RR/ --out wn18rr.model --negatives 4000
      simec links train WN18RR/ --out wn18rr.model --negatives 4000 --resume
    """  # noqa: D301
    from simec.links import LinkPredictor
    from simec.links.predictor import is_checkpoint

    require_device(device)
    if resume and overwrite:
        raise ValueError("--resume continues a run and --overwrite replaces it: pass one of them")
    if not resume and not overwrite and is_checkpoint(out):
        raise ValueError(
            f"{out} holds an interrupted run: continue it with --resume, or replace it with "
            "--overwrite"
        )
    reading = {
        **table.keywords(), "on_format": lambda format: typer.echo(f"{'read':9} {format}"),
    }  # fmt: skip
    train, held_out, entities = _read_training(triples, valid, reading)
    if middle is not None:
        report("--middle is deprecated, use --relation-matrix")
    matrix = relation_matrix or middle
    given: dict[str, Any] = {
        "n_components": dimensions, "relation_matrix": matrix and matrix.value, "n3": n3,
        "n_negatives": negatives, "learning_rate": learning_rate, "max_iter": epochs,
        "n_iter_no_change": patience, "batch_size": batch_size,
    }  # fmt: skip
    make = LinkPredictor.thesis if preset is Preset.thesis else LinkPredictor
    predictor = make(
        device=device, random_state=seed, verbose=progress,
        **{name: value for name, value in given.items() if value is not None},
    )  # fmt: skip
    status = 0
    try:
        with report_warnings(with_options):
            predictor.fit(
                train, held_out or None, entities=entities, checkpoint=out,
                checkpoint_minutes=checkpoint_minutes, resume_from=out if resume else None,
            )  # fmt: skip
    except STOPPED as error:
        status = exit_status(error)
        if not hasattr(predictor, "embeddings_"):
            fail("interrupted before there was anything to save", status)
    rows = {
        "entities": f"{len(predictor.entities_):,}",
        "relations": f"{len(predictor.relations_):,}",
        "triples": f"{len(train):,}",
        "epochs": f"{predictor.n_iter_}",
        "loss": f"{predictor.loss_curve_[-1]:.4f}" if predictor.loss_curve_ else "-",
    }
    if held_out:
        rows["valid"] = f"{predictor.best_score_:.4f} (filtered MRR)"
    rows["saved"] = str(out)
    for name, value in rows.items():
        typer.echo(f"{name:9} {value}")
    if status:
        fail(
            f"interrupted after {predictor.n_iter_} epochs; saved to {out}. To continue, run the "
            "same command with --resume",
            status,
        )


@links.command()
def predict(
    model: Model,
    entity: Annotated[
        str, typer.Argument(metavar="ENTITY", help="Head entity; with --heads, the tail entity.")
    ],
    relation: Annotated[str, typer.Argument(metavar="RELATION")],
    heads: Annotated[
        bool, typer.Option("--heads", help="Predict heads; ENTITY is the tail.")
    ] = False,
    topn: Annotated[int, typer.Option("--topn", min=1, help="Number of predictions.")] = 10,
    known: Annotated[bool, typer.Option("--known", help="Include training triples.")] = False,
    as_json: Json = False,
) -> None:
    """Predict the most likely tails of an entity and a relation; with --heads, the heads.

    \b
      simec links predict kg.model paris capital_of
      simec links predict kg.model france capital_of --heads
    """  # noqa: D301
    predictor = _load(model)
    e, r = _as_id(entity, predictor.entities_), _as_id(relation, predictor.relations_)
    answers = (
        predictor.predict_head(r, e, topn, exclude_known=not known)
        if heads
        else predictor.predict(e, r, topn, exclude_known=not known)
    )
    if as_json:
        rows = [{"entity": link.entity, "score": link.score} for link in answers]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for link in answers:
        typer.echo(f"{link.score:9.4f}  {link.entity}")


@links.command()
@names_options
@takes_options(TableOptions, "table")
def evaluate(
    model: Model,
    triples: Annotated[Path, typer.Argument(metavar="TRIPLES", help="File of test triples.")],
    table: TableOptions,
    known: Annotated[
        list[Path] | None,
        option(
            "File of further true triples, which filtered ranks ignore, like those of training, "
            "validation and TRIPLES. Can be repeated.",
            metavar="FILE",
        ),
    ] = None,
    by_relation: Annotated[
        bool, typer.Option("--by-relation", help="Also show metrics per relation.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rank the true tail and head of each test triple among all entities.

    \b
      simec links evaluate kg.model test.tsv --by-relation
    """  # noqa: D301
    from simec.links import read_triples

    predictor = _load(model)
    formats: list[Any] = []
    reading = {**table.keywords(), "on_format": formats.append}
    more = [triple for path in known or [] for triple in read_triples(path, **reading)]
    with report_warnings(with_options):
        evaluation = predictor.evaluate(read_triples(triples, **reading), known=more)
    if as_json:
        typer.echo(json.dumps(evaluation.to_dict(), ensure_ascii=False))
        return
    for format in formats:
        report_format(format)
    typer.echo(str(evaluation))
    if evaluation.n_unknown:
        report(
            f"{evaluation.n_unknown:,} triples have an entity that the model does not know; they "
            "rank last"
        )
    if by_relation:
        typer.echo(f"\n{'MRR':>6} {'H@10':>6} {'n':>7}  relation")
        rows = sorted(evaluation.by_relation().items(), key=lambda item: -item[1]["n"])
        for name, m in rows:
            typer.echo(f"{m['mrr']:6.3f} {m['hits@10']:6.3f} {m['n']:7,.0f}  {name}")


def _read_training(
    path: Path, valid: Path | None, reading: dict[str, Any]
) -> tuple[Triples, Triples, list[Id] | None]:
    """Read training and validation triples, and of a folder also all entities."""
    from simec.links import read_dataset, read_triples

    if not path.is_dir():
        train = read_triples(path, **reading)
        return train, [] if valid is None else read_triples(valid, **reading), None
    if valid is not None:
        raise ValueError(f"{path} is a folder and has its own valid.txt: leave out --valid")
    data = read_dataset(path, **reading)
    return data.train, data.valid, data.entities


def _load(path: Path) -> LinkPredictor:
    from simec.links import LinkPredictor

    return LinkPredictor.load(path)


def _as_id(text: str, ids: list[Any]) -> Any:
    """Convert an id to an integer if the ids of the model are integers."""
    if ids and isinstance(ids[0], int):
        with contextlib.suppress(ValueError):
            return int(text)
    return text
