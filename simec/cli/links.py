"""``simec links``: train, query and evaluate link predictors."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import fail, report, report_warnings
from corpora.cli.options import Json, option, output_file, output_folder, takes_options
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


class Loss(str, Enum):
    """Loss function."""

    softmax = "softmax"
    bce = "bce"


class Targets(str, Enum):
    """Weights of links in the softmax loss."""

    triples = "1vsall"
    queries = "kvsall"


class Optimizer(str, Enum):
    """Optimizer."""

    adagrad = "adagrad"
    adam = "adam"


_FROM_GRAPH = "chosen from the graph"


@dataclass
class Parameters:
    """Parameters of a predictor; None is the default."""

    dimensions: Annotated[
        int | None,
        option(
            "Length of the embeddings.", show_default=f"{_FROM_GRAPH}; 100 with --preset thesis"
        ),
    ] = None
    relation_matrix: Annotated[
        RelationMatrix | None,
        option("Form of the relation matrices.", show_default="complex; full with --preset thesis"),
    ] = None
    loss: Annotated[
        Loss | None,
        option(
            "Cross-entropy of the softmax over all entities, or of a sigmoid for each entity.",
            show_default="softmax; bce with --preset thesis",
        ),
    ] = None
    targets: Annotated[
        Targets | None,
        option("With softmax: weight all triples equally, or all queries.", show_default="1vsall"),
    ] = None
    n3: Annotated[
        float | None,
        option("Weight of the N3 penalty.", show_default=f"{_FROM_GRAPH}; 0 with --preset thesis"),
    ] = None
    dropout: Annotated[
        float | None,
        option("Dropout rate.", show_default=f"{_FROM_GRAPH}; 0 with --preset thesis"),
    ] = None
    negatives: Annotated[
        int | None,
        option(
            "Number of negative entities sampled per batch; 0: score all entities.",
            min=0,
            show_default="score all entities; sampled if there are more than 10,000",
        ),
    ] = None
    optimizer: Annotated[Optimizer | None, option("Optimizer.", show_default="adagrad")] = None
    learning_rate: Annotated[float | None, option("Initial learning rate.", show_default="0.1")] = (
        None
    )
    init_scale: Annotated[
        float | None,
        option(
            "Initial standard deviation of the embeddings.",
            show_default="0.001; 0.1 with --preset thesis",
        ),
    ] = None
    epochs: Annotated[
        int | None,
        option(
            "Maximum number of epochs.", show_default=f"{_FROM_GRAPH}; 300 with --preset thesis"
        ),
    ] = None
    patience: Annotated[
        int | None,
        option(
            "Stop training after this many epochs without a better validation MRR.",
            show_default=f"{_FROM_GRAPH}; 5 with --preset thesis",
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        option(
            "Number of queries in a batch.",
            show_default=f"{_FROM_GRAPH}; 100 with --preset thesis",
        ),
    ] = None
    average: Annotated[
        bool | None,
        typer.Option(
            "--average/--no-average",
            help="Validate and keep moving averages of the weights.",
            show_default="--average; --no-average with --preset thesis",
        ),
    ] = None

    def keywords(self) -> dict[str, Any]:
        """Arguments for `LinkPredictor`."""
        given: dict[str, Any] = {
            "n_components": self.dimensions, "relation_matrix": self.relation_matrix,
            "loss": self.loss, "targets": self.targets, "n3": self.n3, "dropout": self.dropout,
            "n_negatives": self.negatives, "optimizer": self.optimizer,
            "learning_rate": self.learning_rate, "init_scale": self.init_scale,
            "max_iter": self.epochs, "n_iter_no_change": self.patience,
            "batch_size": self.batch_size, "average": self.average,
        }  # fmt: skip
        values = {
            name: value.value if isinstance(value, Enum) else value
            for name, value in given.items() if value is not None
        }  # fmt: skip
        if values.get("n_negatives") == 0:
            values["n_negatives"] = None
        return values


# parameters whose option has another name
_OPTION_OF = {
    "n_components": "dimensions", "n_negatives": "negatives", "max_iter": "epochs",
    "n_iter_no_change": "patience",
}  # fmt: skip


def _as_options(parameters: dict[str, Any]) -> str:
    """Write parameters as options of the command line."""
    parts = []
    for name, value in parameters.items():
        option_name = "--" + _OPTION_OF.get(name, name).replace("_", "-")
        if isinstance(value, bool):
            parts.append(option_name if value else option_name.replace("--", "--no-", 1))
        else:
            parts.append(f"{option_name} {0 if value is None else value}")
    return " ".join(parts)


class _ShowParameters:
    """Callback that prints the graph and the parameters that were chosen for it."""

    def on_train_begin(self, predictor: LinkPredictor) -> None:
        """Print them."""
        from simec.links.defaults import CHOSEN, is_auto

        given, used = predictor.get_params(), predictor.parameters_
        chosen = {name: used[name] for name in CHOSEN if is_auto(given[name])}
        _show("entities", f"{len(predictor.entities_):,}")
        _show("relations", f"{len(predictor.relations_):,}")
        if chosen:
            _show("chosen", f"{_as_options(chosen)} (from the size of the graph)")


def _show(name: str, value: str) -> None:
    typer.echo(f"{name:9} {value}")


Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a model written by simec links train.")
]
Triples_ = Annotated[
    Path,
    typer.Argument(
        metavar="TRIPLES",
        help="File of triples, or a folder with train.txt, valid.txt and test.txt; of the test "
        "triples, only the entities are used.",
    ),
]
Valid = Annotated[
    Path | None, option("File of validation triples for early stopping.", metavar="FILE")
]
KnownInValidation = Annotated[
    list[Path] | None,
    option(
        "File of more true triples, such as those of the test: they are not trained on, but the "
        "filtered ranks of validation triples leave them out. Can be repeated.",
        metavar="FILE",
    ),
]


@links.command()
@names_options
@takes_options(TableOptions, "table")
@takes_options(Parameters, "parameters")
def train(
    triples: Triples_,
    out: Annotated[
        Path,
        output_folder(
            "Folder to write the model to.", "--out", kind="simec.LinkPredictor", metavar="MODEL"
        ),
    ],
    table: TableOptions,
    parameters: Parameters,
    valid: Valid = None,
    known: KnownInValidation = None,
    preset: Annotated[
        Preset,
        option(
            "best: parameters chosen from the size of the graph. thesis: the fine-tuned network of "
            "the thesis."
        ),
    ] = Preset.best,
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

    Parameters that are not passed are chosen from the number of entities, relations and triples,
    and printed. simec links tune searches for better ones.

    \b
      simec links train train.tsv --valid valid.tsv --out kg.model
      simec links train WN18RR/ --out wn18rr.model --n3 0.1
      simec links train WN18RR/ --out wn18rr.model --n3 0.1 --resume
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
    train, held_out, true, entities = _read_training(triples, valid, known, table)
    if middle is not None:
        report("--middle is deprecated, use --relation-matrix")
        parameters.relation_matrix = parameters.relation_matrix or middle
    make = LinkPredictor.thesis if preset is Preset.thesis else LinkPredictor
    predictor = make(device=device, random_state=seed, verbose=progress, **parameters.keywords())
    _show("triples", f"{len(train):,}")
    status = 0
    try:
        with report_warnings(with_options):
            predictor.fit(
                train, held_out or None, known=true, entities=entities,
                callbacks=_ShowParameters(), checkpoint=out,
                checkpoint_minutes=checkpoint_minutes, resume_from=out if resume else None,
            )  # fmt: skip
    except STOPPED as error:
        status = exit_status(error)
        if not hasattr(predictor, "embeddings_"):
            fail("interrupted before there was anything to save", status)
    _show("epochs", f"{predictor.n_iter_}")
    _show("loss", f"{predictor.loss_curve_[-1]:.4f}" if predictor.loss_curve_ else "-")
    if held_out and not status:
        _show_validation(predictor, held_out, true)
    _show("saved", str(out))
    if status:
        fail(
            f"interrupted after {predictor.n_iter_} epochs; saved to {out}. To continue, run the "
            "same command with --resume",
            status,
        )


def _show_validation(predictor: LinkPredictor, valid: Triples, known: Triples) -> None:
    """Print the MRR of all validation triples, as evaluate does."""
    mrr = predictor.evaluate(valid, known=known).measures()["mrr"]
    also = " and --known" if known else ""
    _show("valid", f"{mrr:.4f} (MRR, filtered by training and validation triples{also})")


@links.command()
@names_options
@takes_options(TableOptions, "table")
@takes_options(Parameters, "parameters")
def tune(
    triples: Triples_,
    out: Annotated[
        Path,
        output_file(
            "File to write the settings and their results to, the best first: JSON, or CSV if the "
            "name ends in .csv.",
            "--out",
            metavar="TABLE",
        ),
    ],
    table: TableOptions,
    parameters: Parameters,
    valid: Annotated[
        Path | None,
        option(
            "File of validation triples.",
            metavar="FILE",
            show_default="a tenth of the triples is held out",
        ),
    ] = None,
    known: KnownInValidation = None,
    minutes: Annotated[float, option("Time for the search.", min=0)] = 10,
    settings: Annotated[int, option("Number of settings to start with.", min=1)] = 9,
    seeds: Annotated[int, option("Seeds of each setting in the last round.", min=1)] = 2,
    model: Annotated[
        Path | None,
        output_folder(
            "Folder to write the best model to.",
            "--model",
            kind="simec.LinkPredictor",
            metavar="MODEL",
        ),
    ] = None,
    device: Annotated[str, option("cpu, cuda, or auto: a GPU if available.")] = "auto",
    seed: Annotated[int, option("Random seed of settings and runs.")] = 1,
) -> None:
    """Search for parameters on validation triples, by successive halving.

    Starts with the parameters that simec links train would choose, and others drawn at random. The
    best third is trained for longer, and so on. Parameters that are passed are not searched.

    \b
      simec links tune train.tsv --valid valid.tsv --minutes 30 --out settings.csv
      simec links tune WN18RR/ --minutes 60 --out settings.json --model wn18rr.model
    """  # noqa: D301
    from simec import links as package

    require_device(device)
    train, held_out, true, entities = _read_training(triples, valid, known, table)
    with report_warnings(with_options):
        found = package.tune(
            train, held_out or None, known=true, entities=entities, minutes=minutes,
            n_settings=settings, n_seeds=seeds, random_state=seed, table=out, device=device,
            **parameters.keywords(),
        )  # fmt: skip
    typer.echo(str(found))
    _show("best", _as_options(found.best))
    _show("table", str(out))
    if model is not None:
        found.predictor.save(model)
        _show("saved", str(model))


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
    if by_relation:
        typer.echo(f"\n{'MRR':>6} {'H@10':>6} {'n':>7}  relation")
        rows = sorted(evaluation.by_relation().items(), key=lambda item: -item[1]["n"])
        for name, m in rows:
            typer.echo(f"{m['mrr']:6.3f} {m['hits@10']:6.3f} {m['n']:7,.0f}  {name}")


def _read_training(
    path: Path, valid: Path | None, known: list[Path] | None, table: TableOptions
) -> tuple[Triples, Triples, Triples, list[Id] | None]:
    """Read training, validation and known triples, and of a folder also all entities."""
    from simec.links import read_dataset, read_triples

    reading = {**table.keywords(), "on_format": lambda format: _show("read", str(format))}
    true = [triple for one in known or [] for triple in read_triples(one, **reading)]
    if not path.is_dir():
        train = read_triples(path, **reading)
        return train, [] if valid is None else read_triples(valid, **reading), true, None
    if valid is not None:
        raise ValueError(f"{path} is a folder and has its own valid.txt: leave out --valid")
    data = read_dataset(path, **reading)
    return data.train, data.valid, true, data.entities


def _load(path: Path) -> LinkPredictor:
    from simec.links import LinkPredictor

    return LinkPredictor.load(path)


def _as_id(text: str, ids: list[Any]) -> Any:
    """Convert an id to an integer if the ids of the model are integers."""
    if ids and isinstance(ids[0], int):
        with contextlib.suppress(ValueError):
            return int(text)
    return text
