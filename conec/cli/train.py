"""``conec train``: from a text to a model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from conec.config import Config
from corpora.cli.options import Reading, reads_corpus

_TRAINING = "Training"
_RUNS = "Interruptions and further training"


class Negatives(str, Enum):
    """How noise words are drawn."""

    shared = "shared"
    exact = "exact"


class Gradient(str, Enum):
    """Which gradient of the mean."""

    corrected = "corrected"
    word2vec = "word2vec"


class Init(str, Enum):
    """How weights begin."""

    word2vec = "word2vec"
    glorot = "glorot"


def _parameter(description: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=description, rich_help_panel=_TRAINING, **more)


@reads_corpus()
def train(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="MODEL", help="Folder to write the model to.")
    ],
    vector_size: Annotated[int, _parameter("Dimensions of the vectors.")] = Config.vector_size,
    window: Annotated[int, _parameter("Context words on either side.")] = Config.window,
    min_window: Annotated[
        int, _parameter("Each window is drawn from this to --window.")
    ] = Config.min_window,
    epochs: Annotated[int, _parameter("Passes over the text.")] = Config.epochs,
    min_count: Annotated[int, _parameter("Leave out rarer words.")] = Config.min_count,
    max_vocab_size: Annotated[
        int | None, _parameter("At most so many words, the most frequent.")
    ] = Config.max_vocab_size,
    sample: Annotated[
        float,
        _parameter(
            "Threshold of leaving out some occurrences of frequent words; 0: none. For a small "
            "text (below some million words), 1e-3."
        ),
    ] = Config.sample,
    negative: Annotated[int, _parameter("Noise words for each position.")] = Config.negative,
    negatives: Annotated[
        Negatives,
        _parameter(
            "Whether a batch of positions shares its noise words (several times faster), or each "
            "draws its own, as word2vec does."
        ),
    ] = Negatives(Config.negatives),  # noqa: B008
    shared: Annotated[int, _parameter("How many noise words a batch shares.")] = Config.shared,
    batch_size: Annotated[int, _parameter("Positions in a batch.")] = Config.batch_size,
    ns_exponent: Annotated[
        float, _parameter("Noise words are drawn by their count to this power.")
    ] = Config.ns_exponent,
    alpha: Annotated[
        float | None,
        _parameter(
            "Learning rate at the start.",
            show_default="0.6; 0.025 with --cbow-sum or --cbow-gradient word2vec",
        ),
    ] = Config.alpha,
    min_alpha: Annotated[float, _parameter("Learning rate at the end.")] = Config.min_alpha,
    alpha_exponent: Annotated[
        float | None,
        _parameter(
            "Learning rates fall with a word's count to this power; 0: the same for all words.",
            show_default="0.25; 0 with --cbow-sum or --cbow-gradient word2vec",
        ),
    ] = Config.alpha_exponent,
    cbow_mean: Annotated[
        bool, _parameter("Mean or sum of the context words.", "--cbow-mean/--cbow-sum")
    ] = Config.cbow_mean,
    cbow_gradient: Annotated[
        Gradient,
        _parameter("Gradient of the mean: the true one, or that of word2vec and gensim."),
    ] = Gradient(Config.cbow_gradient),  # noqa: B008
    init: Annotated[
        Init, _parameter("How weights begin: as in word2vec, or as in the thesis's experiments.")
    ] = Init(Config.init),  # noqa: B008
    workers: Annotated[int, _parameter("Threads to train with.")] = Config.workers,
    seed: Annotated[int, _parameter("Same seed, same vectors, with one worker.")] = Config.seed,
    deterministic: Annotated[
        bool, _parameter("Same vectors with any number of workers.", "--deterministic")
    ] = Config.deterministic,
    *,
    reading: Reading,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(
            min=0,
            help="How often to save an unfinished model to MODEL. Ctrl-C saves it as well.",
            rich_help_panel=_RUNS,
        ),
    ] = 10,
    checkpoint_epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Save it after so many epochs, too.",
            rich_help_panel=_RUNS,
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the interrupted run in MODEL, with the parameters it had; CORPUS is "
            "the same. With one worker, or with --deterministic, the result is that of a run "
            "without interruption.",
            rich_help_panel=_RUNS,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Start anew even if MODEL holds an interrupted run. (A finished model is "
            "replaced without this.)",
            rich_help_panel=_RUNS,
        ),
    ] = False,
    update_from: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="Train the model OTHER further on CORPUS, with its parameters and the words of "
            "both. --epochs, --alpha and --min-alpha can be given. Contexts are those of CORPUS: "
            "words that are not in it have none then.",
            rich_help_panel=_RUNS,
        ),
    ] = None,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Tell how far it is.")
    ] = True,
) -> None:
    """Train a model on a text.

    The text is read as documents, by default a line each, and words are parted by white space.
    For text as people write it, add --clean lower --tokenize regexp. It is read twice, so it cannot
    come from standard input.

    \b
      conec train news.txt --out news.model --clean lower --tokenize regexp
      conec train small.txt --out small.model --vector-size 50 --epochs 20 --min-count 2 --sample 1e-3
      conec train "wiki/*/wiki_*.bz2" --out wiki.model --workers 8
      conec train news.txt --out news.model --clean lower --tokenize regexp --resume
    """  # noqa: D301, E501
    arguments = dict(locals())
    from conec.cli.running import Run, check_target

    interrupted = check_target(out)
    given = {
        name: value.value if isinstance(value, Enum) else value
        for name, value in arguments.items()
        if name in Config.__dataclass_fields__ and _on_command_line(ctx, name)
    }
    run = Run(reading.open(), out, (checkpoint_minutes, checkpoint_epochs), progress)
    if resume:
        run.resume(interrupted, given)
        return
    if interrupted is not None and not overwrite:
        raise ValueError(
            f"{out} holds an interrupted run: --resume goes on with it, --overwrite starts anew"
        )
    if update_from is not None:
        run.update(update_from, given)
    else:
        run.start(given)


def _on_command_line(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
