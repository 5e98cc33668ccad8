"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from corpora.cli.app import report

if TYPE_CHECKING:
    from corpora.corpus import Corpus

__all__ = [
    "Clean", "Json", "Out", "Reading", "Tokenize", "Workers", "option", "reads_corpus",
    "report_skipped",
]  # fmt: skip

_TEXT = "How the text is read"


def option(description: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """Make an option whose help comes first; its name is that of the argument if none is given."""
    return typer.Option(*names, help=description, rich_help_panel=panel, **more)


Out = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        help="File to write, compressed if it ends in .gz, .bz2, .xz or .zst; - is standard "
        "output.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes, or threads for plain text; by default one for each core. The result is "
        "the same with any number.",
    ),
]
Clean = Annotated[
    list[str],
    typer.Option(
        "--clean",
        metavar="STEP",
        help="What to do before words are cut: html, nfc, nfkc, ascii, lower, digits, wikifil; "
        "several with commas, done in order.",
        rich_help_panel=_TEXT,
    ),
]
Tokenize = Annotated[
    str | None,
    typer.Option(
        "--tokenize",
        metavar="NAME",
        help="How words are cut: whitespace (the default), treebank, tweet, or regexp (letters and "
        "digits only). Use the same for training and later.",
        rich_help_panel=_TEXT,
    ),
]


@dataclass
class Reading:
    """What the command line says about how a text is read."""

    source: Annotated[
        str,
        typer.Argument(metavar="CORPUS", help="File, folder, glob, URI, or - for standard input."),
    ]
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="text (a line a document), text8, conll, wikiextractor, reuters, jsonl, parquet "
            "or lm1b; auto looks at the names and first bytes of the files.",
            rich_help_panel=_TEXT,
        ),
    ] = "auto"
    option: Annotated[
        list[str],
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="An option of the format, such as unit=paragraph for text, field=body for jsonl "
            "or column=1 for conll; can be repeated.",
            rich_help_panel=_TEXT,
        ),
    ] = field(default_factory=list)
    clean: Clean = field(default_factory=list)
    tokenize: Tokenize = None
    sentences: Annotated[
        bool,
        typer.Option("--sentences", help="Make each sentence a document.", rich_help_panel=_TEXT),
    ] = False
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding", help="By default utf-8, but latin-1 for reuters.", rich_help_panel=_TEXT
        ),
    ] = None
    errors: Annotated[
        str,
        typer.Option(
            "--errors",
            help="Bytes that cannot be decoded: strict fails, replace puts a question mark, "
            "ignore drops them, skip drops the whole line.",
            rich_help_panel=_TEXT,
        ),
    ] = "strict"

    def __post_init__(self) -> None:
        self.clean = split_commas(self.clean)

    @property
    def processed(self) -> bool:
        """Whether the text is to be changed, and not only to be read."""
        return bool(self.clean or self.tokenize or self.sentences)

    def open(self, documents: list[str] | None = None) -> Corpus:
        """Open the corpus, or read these documents as it would be."""
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
                **parse_options(self.option, self.format),
            )
        except (TypeError, LookupError) as error:
            # an option that the format lacks, an unknown encoding
            raise ValueError(str(error)) from error


def reads_corpus(**defaults: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the argument CORPUS and the options that go with it.

    They stand in the place of its parameter ``reading``, which is made of them.

    Parameters
    ----------
    **defaults
        Where this command has other ones than `Reading`.
    """
    hints = get_type_hints(Reading, include_extras=True)
    shared = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=defaults.get(one.name, _default(one)),
            annotation=hints[one.name],
        )
        for one in fields(Reading)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapper(**given: Any) -> None:
            reading = Reading(**{one.name: given.pop(one.name) for one in shared})
            command(reading=reading, **given)

        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(command, eval_str=True).parameters.values():
            if own.name == "reading":
                parameters += shared
            else:
                parameters.append(own.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        wrapper.__name__ = command.__name__
        wrapper.__doc__ = command.__doc__
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def _default(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return one.default_factory()
    return inspect.Parameter.empty if one.default is MISSING else one.default


def split_commas(values: Iterable[str]) -> list[str]:
    """Values each by itself: ``lower,digits`` is two."""
    return [one.strip() for several in values for one in several.split(",") if one.strip()]


def parse_options(options: Iterable[str], format: str) -> dict[str, Any]:
    """Turn ``KEY=VALUE`` into options, of the type that the format has for them.

    Where the format is still to be guessed, numbers, true, false and none are
    what they seem to be.
    """
    from corpora.readers import READERS

    hints = get_type_hints(READERS[format]) if format in READERS else {}
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"--option takes KEY=VALUE, not {option!r}")
        hint = hints.get(key)
        parsed[key] = value if hint is str else _value(value)
        if hint in (int, bool) and type(parsed[key]) is not hint:
            kind = "a whole number" if hint is int else "true or false"
            raise ValueError(f"--option {key} of the format {format!r} is {kind}, not {value!r}")
    return parsed


def _value(text: str) -> str | int | bool | None:
    known = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in known:
        return known[text.lower()]
    try:
        return int(text)
    except ValueError:
        return text


@contextmanager
def report_skipped() -> Iterator[list[int]]:
    """Gather numbers of skipped lines, and tell their sum in the end."""
    skipped: list[int] = []
    yield skipped
    if total := sum(skipped):
        report(f"{total:,} lines were skipped, as they cannot be decoded")
