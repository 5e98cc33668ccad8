"""The application: what all commands share, above all how they fail."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

# What a wrong file, option or word raises. Others are bugs, and shown as such.
_EXPECTED = (OSError, ValueError, ImportError, ArithmeticError, MemoryError)

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def fail(message: str, code: int = 1) -> NoReturn:
    """End the program with one line on standard error."""
    typer.echo(f"conec: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


def describe(error: BaseException) -> str:
    """One line for an error."""
    if isinstance(error, OSError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*names[:1], error.strerror])
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

        typer.echo(f"conec {version('similarity-encoders')}")
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
    """Word embeddings for known words, for words never seen, and for the sense at hand.

    A Context Encoder is trained like word2vec, but makes a word's vector from the words around it.
    So it also has vectors for new words, and different ones for one word in different texts.

    \b
      conec train news.txt --out news.model          learn from a text
      conec similar news.model hospital              neighbours of a word
      conec oov news.model zorbing \\
          --context "we went zorbing down the hill"  neighbours of a new word
      conec embed news.model new.txt --out new.npz   vectors of all words of a text
    """  # noqa: D301


def make_app(commands: Iterable[Callable[..., None]]) -> typer.Typer:
    """Build the application from the functions that are its commands."""
    app = typer.Typer(
        cls=_Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback()(_main)
    for command in commands:
        app.command()(command)
    return app
