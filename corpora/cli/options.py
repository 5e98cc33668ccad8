"""Options shared by several commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from corpora.cli.app import report
from corpora.readers.stream import MAX_RATIO

if TYPE_CHECKING:
    from corpora.cli.shards import Run
    from corpora.corpus import Corpus

__all__ = [
    "SHARDS", "Address", "Browser", "Clean", "Encoding", "Engine", "Errors", "Json", "MaxRatio",
    "Out", "Overwrite", "Port", "Reading", "Resume", "Tokenize", "Workers", "Writing",
    "engine_of", "option", "output_file", "output_folder", "reads_corpus", "report_skipped",
    "takes_options",
]  # fmt: skip

SHARDS = "corpora.Shards"
"""Kind of a folder with a file for each shard of a text."""

_TEXT = "Reading text"


def option(description: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """Create an option; without `names`, it is named after the parameter."""
    return typer.Option(*names, help=description, rich_help_panel=panel, **more)


def engine_of(engine: str | None, address: str | None) -> str | None:
    """Return the engine that --engine and --address name, as `corpora.count` takes it.

    Raises
    ------
    ValueError
        If --engine names anything but ray.
    """
    if engine not in (None, "ray"):
        raise ValueError(
            f"--engine must be ray, got {engine!r}; pass the HOST:PORT of a cluster to --address"
        )
    return address or engine


def output_file(description: str, *names: str, kind: str | None = None, **more: Any) -> Any:
    """Create an option for a file to write; "-" is standard output if the option is a str.

    Whether it can be written is checked when the command line is parsed, before any work.

    Parameters
    ----------
    description : str
    *names : str
    kind : str, optional
        Kind of folder that is written instead if the command has an eager option --shards, and it
        is used.
    **more
        As for `option`.
    """

    def check(context: typer.Context, value: Any) -> Any:
        from corpora.files import check_output
        from corpora.model_folder import check_writable

        if kind is not None and context.params.get("shards") is not None:
            if value == "-":
                raise typer.BadParameter("--shards needs a folder: --out FOLDER")
            check_writable(value, kind)
        elif value is not None and value != "-":
            check_output(value)
        return value

    return option(description, *names, callback=check, **more)


def output_folder(description: str, *names: str, kind: str, **more: Any) -> Any:
    """Create an option for a model folder to write, checked like that of `output_file`.

    Parameters
    ----------
    description : str
    *names : str
    kind : str
        Kind of model, such as ``"conec.ner.Tagger"``.
    **more
        As for `option`.
    """

    def check(value: Any) -> Any:
        from corpora.model_folder import check_writable

        if value is not None:
            check_writable(value, kind)
        return value

    return option(description, *names, callback=check, **more)


Out = Annotated[
    str,
    output_file(
        "File to write, compressed if its name ends in .gz, .bz2, .xz or .zst; - for standard "
        "output.",
        "--out",
        "-o",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue an interrupted run, which is in OUT.partial, with the same input and "
        "options. The result is that of an uninterrupted run.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Start from scratch even if OUT.partial holds an interrupted run. A finished output "
        "is replaced in any case.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Number of processes, or of threads for plain text; by default one per core. Does not "
        "change the result.",
    ),
]
_CLUSTER = "Cluster of machines"
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ray",
        help="Where to work: by default on this machine; ray uses all CPUs of the Ray cluster of "
        "RAY_ADDRESS, of one that runs on this machine, or else of a new one. Does not change the "
        "result; all nodes must see the files.",
        rich_help_panel=_CLUSTER,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Head of the Ray cluster to use, with or without --engine ray.",
        rich_help_panel=_CLUSTER,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65535, help="Port of the page.", show_default="0, a free one"
    ),
]
Browser = Annotated[
    bool,
    typer.Option(
        "--browser/--no-browser", help="Open the page in a browser, or only print its address."
    ),
]
Clean = Annotated[
    list[str],
    typer.Option(
        "--clean",
        metavar="STEP",
        help="Cleaning steps before tokenizing, separated by commas and applied in the given "
        "order: html, nfc, nfkc, ascii, lower, digits, wikifil.",
        rich_help_panel=_TEXT,
    ),
]
Tokenize = Annotated[
    str | None,
    typer.Option(
        "--tokenize",
        metavar="NAME",
        help="Tokenizer: whitespace (the default), treebank, tweet, or regexp (letters and digits "
        "only). Use the same one for training and for applying a model.",
        rich_help_panel=_TEXT,
    ),
]
MaxRatio = Annotated[
    float,
    typer.Option(
        "--max-ratio",
        min=1,
        help="Largest ratio of decompressed to compressed size, for content above 16 MiB.",
        rich_help_panel=_TEXT,
    ),
]


Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Encoding of the text; by default utf-8, or latin-1 for reuters.",
        rich_help_panel=_TEXT,
    ),
]
Errors = Annotated[
    str,
    typer.Option(
        "--errors",
        help="Handling of bytes that can't be decoded: strict (an error), replace (by U+FFFD), "
        "ignore (drop the bytes) or skip (drop the line, or the damaged file of an archive).",
        rich_help_panel=_TEXT,
    ),
]


@dataclass
class Reading:
    """Command-line options for reading a corpus."""

    source: Annotated[
        str,
        typer.Argument(metavar="CORPUS", help="File, folder, glob, URI, or - for standard input."),
    ]
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="text (a document per line), text8, conll, conllu, wikiextractor, reuters, "
            "jsonl, parquet or lm1b; auto guesses it from the names and first bytes of the files.",
            rich_help_panel=_TEXT,
        ),
    ] = "auto"
    option: Annotated[
        list[str],
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="Option of the format, such as unit=paragraph for text, field=body for jsonl or "
            "column=1 for conll; can be repeated.",
            rich_help_panel=_TEXT,
        ),
    ] = field(default_factory=list)
    clean: Clean = field(default_factory=list)
    tokenize: Tokenize = None
    sentences: Annotated[
        bool,
        typer.Option("--sentences", help="Make each sentence a document.", rich_help_panel=_TEXT),
    ] = False
    encoding: Encoding = None
    errors: Errors = "strict"
    max_ratio: MaxRatio = MAX_RATIO

    def __post_init__(self) -> None:
        self.clean = split_commas(self.clean)

    @property
    def processed(self) -> bool:
        """Whether any option changes the text."""
        return bool(self.clean or self.tokenize or self.sentences)

    def open(self, documents: list[str] | None = None) -> Corpus:
        """Open the corpus; or, with the same options, documents in memory."""
        import corpora

        try:
            return corpora.open(
                self.source if documents is None else documents,
                self.format,
                encoding=self.encoding,
                errors=self.errors,
                clean=self.clean or None,
                tokenize=self.tokenize,
                sentences=self.sentences,
                max_ratio=self.max_ratio,
                **parse_options(self.option, self.format),
            )
        except (TypeError, LookupError) as error:
            # an unknown option of the format, or an unknown encoding
            raise ValueError(str(error)) from error


@dataclass
class Writing:
    """Command-line options for writing a text."""

    out: Annotated[
        str,
        output_file(
            "File to write, compressed if its name ends in .gz, .bz2, .xz or .zst; - for standard "
            "output. With --shards, a folder.",
            "--out",
            "-o",
            kind=SHARDS,
        ),
    ]
    shards: Annotated[
        str | None,
        typer.Option(
            "--shards",
            metavar="SUFFIX",
            help="The output is a folder with a file for each shard of the text, whose suffix "
            "names its format. Several processes or machines work on files at the same time.",
            is_eager=True,
        ),
    ] = None
    workers: Workers = None
    engine: Engine = None
    address: Address = None
    resume: Resume = False
    overwrite: Overwrite = False

    def run(self, about: dict[str, Any], label: str) -> Run:
        """Return how to write a folder of shards, whose files depend on the text and `about`."""
        from corpora.cli.shards import Run

        return Run(
            self.out,
            self.shards or "",
            about,
            workers=self.workers,
            engine=engine_of(self.engine, self.address),
            threads=False,
            label=label,
            resume=self.resume,
            overwrite=self.overwrite,
        )


def reads_corpus(**defaults: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the argument CORPUS and the options of `Reading` to a command.

    They replace its parameter ``reading``, and the command receives a `Reading`.

    Parameters
    ----------
    **defaults
        Defaults of options that differ from those of `Reading`.
    """
    return takes_options(Reading, "reading", **defaults)


def takes_options(
    options: type[Any], name: str, **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the fields of a dataclass to a command as arguments and options.

    They replace its parameter `name`, and the command receives an object of the class.

    Parameters
    ----------
    options : type
        A dataclass whose fields are annotated as parameters of commands are.
    name : str
        The parameter of the command.
    **defaults
        Defaults that differ from those of the class.
    """
    hints = get_type_hints(options, include_extras=True)
    shared = [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=defaults.get(item.name, _default(item)),
            annotation=hints[item.name],
        )
        for item in fields(options)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapper(**values: Any) -> None:
            given = options(**{parameter.name: values.pop(parameter.name) for parameter in shared})
            command(**{name: given}, **values)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            if parameter.name == name:
                parameters += shared
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        wrapper.__name__ = command.__name__
        wrapper.__doc__ = command.__doc__
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def _default(item: Field[Any]) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return inspect.Parameter.empty if item.default is MISSING else item.default


def split_commas(values: Iterable[str]) -> list[str]:
    """Split values at commas: ``lower,digits`` is two values."""
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def parse_options(options: Iterable[str], format: str) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` into options, with the types declared by the format.

    If the format is unknown (auto), integers, true, false and none are converted.
    """
    from corpora.readers import READERS

    hints = get_type_hints(READERS[format]) if format in READERS else {}
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"--option takes KEY=VALUE, got {option!r}")
        hint = hints.get(key)
        parsed[key] = value if hint is str else _value(value)
        if hint in (int, bool) and type(parsed[key]) is not hint:
            kind = "an integer" if hint is int else "true or false"
            raise ValueError(
                f"--option {key} of the format {format!r} must be {kind}, got {value!r}"
            )
    return parsed


def _value(text: str) -> str | int | bool | None:
    constants = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in constants:
        return constants[text.lower()]
    try:
        return int(text)
    except ValueError:
        return text


@contextmanager
def report_skipped() -> Iterator[list[int]]:
    """Yield a list for numbers of skipped lines, and report their sum in the end."""
    skipped: list[int] = []
    yield skipped
    if total := sum(skipped):
        report(f"skipped {total:,} lines that can't be decoded or have no text")
