"""``conec train``: train a model. Its training options are the fields of `Config`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from conec.config import PARAMETERS, Parameter
from corpora.cli.options import SHARDS, Address, Reading, engine_of, output_folder, reads_corpus

_CHECKPOINTS = "Checkpoints and further training"
# flags of boolean options whose "no" form has another name
_SWITCHES = {"cbow_mean": "--cbow-mean/--cbow-sum"}
# defaults that depend on the text, see `TrainingRun`
_BY_SIZE = {
    "epochs": "20 for up to 1.5 million words, 10 for 3 million, 5 for 6 million or more",
    "sample": "0.0001, or more for a text of a few thousand words",
}


def takes_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command: replace its ``**parameters`` by an option for each field of `Config`."""
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    options = [_option(parameter) for parameter in PARAMETERS.values()]
    # directly after ctx and --out
    parameters[2:2] = options
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _option(parameter: Parameter) -> inspect.Parameter:
    """Convert a parameter of `Config` to an option of the command line."""
    name = parameter.name
    flags: tuple[str, ...] = (_option_name(name),)
    if name in _SWITCHES:
        flags = (_SWITCHES[name],)
    default_help = _BY_SIZE.get(name, _for_command_line(parameter.default_help))
    option = typer.Option(
        *flags,
        help=_for_command_line(parameter.help),
        rich_help_panel="Training",
        show_default=default_help or parameter.default is not None,
    )
    kind: Any = parameter.type
    default = parameter.default
    if parameter.choices:
        make_enum: Any = Enum  # typer takes choices as an enumeration
        kind = make_enum(name, {choice: choice for choice in parameter.choices}, type=str)
        default = kind(default)
    elif parameter.optional:
        kind = kind | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _option_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def _for_command_line(text: str) -> str:
    """Rewrite names and values in the help of a parameter as typed on the command line."""
    text = text.replace("`cbow_mean` False", "--cbow-sum")
    text = re.sub(r'(`\w+`) "(\w+)"', r"\1 \2", text)
    return re.sub(r"`(\w+)`", lambda match: _option_name(match[1]), text)


@reads_corpus()
@takes_training_options
def train(
    ctx: typer.Context,
    out: Annotated[
        Path,
        output_folder(
            "Folder to write the model to.", "--out", kind="conec.ContextEncoder", metavar="MODEL"
        ),
    ],
    *,
    reading: Reading,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(
            min=0,
            help="Minutes between checkpoints of the unfinished model, saved to MODEL. Ctrl-C "
            "saves one, too.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = 10,
    checkpoint_epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Also save a checkpoint every N epochs.",
            rich_help_panel=_CHECKPOINTS,
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the interrupted run in MODEL, with its parameters. CORPUS must be the "
            "same text. With one worker or with --deterministic the result is bit-identical to "
            "that of an uninterrupted run.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Start from scratch even if MODEL holds an interrupted run. A finished model is "
            "replaced in any case.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = False,
    update_from: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="Continue training the model OTHER on CORPUS, with the parameters of OTHER and "
            "the words of both. Only --epochs, --alpha and --min-alpha can be changed. Context "
            "embeddings are computed from CORPUS only: words that do not occur in it have none.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="ray",
            help="Where to train: by default on this machine; ray uses all CPUs of the Ray cluster "
            "of RAY_ADDRESS, of one that runs on this machine, or else of a new one. The result "
            "depends on --shards; all nodes must see the files.",
            rich_help_panel="Cluster of machines",
        ),
    ] = None,
    address: Address = None,
    shards: Annotated[
        int | None,
        typer.Option(
            "--shards",
            min=1,
            metavar="N",
            help="Number of parts of the text that are trained at once, each with --workers "
            "threads. The result depends on it, but not on the machines. By default, a cluster "
            "trains as many as it has CPUs for, and one machine the text as a whole.",
            rich_help_panel="Cluster of machines",
            show_default=False,
        ),
    ] = None,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Report progress.")
    ] = True,
    **parameters: Any,
) -> None:
    """Train a model on a text.

    The text is read as documents, by default one per line, and split into words at white space.
    For raw text, add --clean lower --tokenize regexp. The text is read twice, so it cannot come
    from standard input. Unless they are given, --epochs and --sample are chosen by its size.

    \b
      conec train news.txt --out news.model --clean lower --tokenize regexp
      conec train small.txt --out small.model --vector-size 50 --epochs 30 --min-count 2
      conec train "wiki/*/wiki_*.bz2" --out wiki.model --workers 8
      conec train news.txt --out news.model --clean lower --tokenize regexp --resume
      conec train s3://bucket/news/ --out /shared/news.model --engine ray --shards 16
    """  # noqa: D301
    from conec.cli.training_run import TrainingRun, check_target

    _require_text(reading.source)
    interrupted = check_target(out)
    changes = {
        name: value.value if isinstance(value, Enum) else value
        for name, value in parameters.items()
        if _is_given(ctx, name)
    }
    where = engine_of(engine, address)
    run = TrainingRun(
        reading.open(), out, (checkpoint_minutes, checkpoint_epochs), progress, where, shards
    )
    if resume:
        run.resume(interrupted, changes)
        return
    if interrupted is not None and not overwrite:
        raise ValueError(
            f"{out} holds an interrupted run: continue it with --resume, or start from scratch "
            "with --overwrite"
        )
    if update_from is not None:
        run.update(update_from, changes)
    else:
        run.start(changes)


def _require_text(source: str) -> None:
    """Raise ValueError if CORPUS is a model or an encoded text, whose files are not text."""
    from corpora.model_folder import read_kind

    kind = read_kind(source) if Path(source).is_dir() else None
    if kind not in (None, SHARDS):
        raise ValueError(
            f"{source} is not a text: it is a folder of kind {kind}. Pass the original text as "
            "CORPUS"
        )


def _is_given(ctx: typer.Context, name: str) -> bool:
    """Whether an option was given on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
