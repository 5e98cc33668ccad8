"""The application: what all commands share, above all how they fail."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

# What a wrong file, option or word raises. Others are bugs, and shown as such.
_EXPECTED = (OSError, ValueError, ImportError, MemoryError)

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def warn(message: str) -> None:
    """Tell something on standard error, on one line."""
    typer.echo(f"corpora: {' '.join(message.split())}", err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """End the program with one line on standard error."""
    warn(message)
    raise typer.Exit(code)


def describe(error: BaseException) -> str:
    """One line for an error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError) and not str(error):
        return "there is not enough memory"
    return str(error) or type(error).__name__


class _Group(TyperGroup):
    """Tells expected errors in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            # here and not at exit, where a closed pipe could no longer be handled
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            # the reader has seen enough; keep the interpreter from a last flush into it
            _silence(sys.stdout)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            fail("interrupted", INTERRUPTED)
        except _EXPECTED as error:
            if ctx.params.get("traceback"):
                raise
            fail(describe(error))


def _silence(stream: Any) -> None:
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # not a file: a test's buffer
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"corpora {version('similarity-encoders')}")
        raise typer.Exit


def _main(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="On an error, show where it came from.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Read any text as a stream of documents: look at it, clean, count, convert and encode it.

    CORPUS is a file (also .gz, .bz2, .xz, .zst, .tar, .zip), a folder, a glob in quotes, a URI
    (s3://, https://, ...) or - for standard input. Its format is guessed, or given with --format.

    Texts of any size are read in constant memory; plain files and folders on all cores. A file
    written with --out is there when it is whole, and not before.

    \b
      corpora info news.txt                     what is in it
      corpora clean news.txt --clean lower      what cleaning makes of it
      corpora count 'news/*.gz' --out words.tsv
      corpora encode news.txt --vocab words.tsv --out news.tokens
      corpora convert wiki/ --out wiki.jsonl.zst
      corpora datasets list                     named data sets
    """  # noqa: D301


def help_of(function: Callable[..., None]) -> str:
    """Docstring of a command, each paragraph on one line, to be wrapped for the terminal."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(p if p.startswith("\b") else p.replace("\n", " ") for p in paragraphs)


def make_app(commands: Iterable[Callable[..., None]]) -> typer.Typer:
    """Build the application from the functions that are its commands."""
    app = typer.Typer(
        cls=_Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback(help=help_of(_main))(_main)
    for command in commands:
        app.command(help=help_of(command))(command)
    return app
