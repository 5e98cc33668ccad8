"""An application, here and for others: what all commands share, above all how they fail."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

# What a wrong file, option or word raises. Others are bugs, and shown as such.
_EXPECTED = (OSError, ValueError, ImportError, ArithmeticError, MemoryError)

INTERRUPTED = 130  # 128 + SIGINT, as shells count

_program = ContextVar("program", default="corpora")


def report(message: str) -> None:
    """Tell something on standard error, on one line."""
    typer.echo(f"{_program.get()}: {' '.join(message.split())}", err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """End the program with one line on standard error."""
    report(message)
    raise typer.Exit(code)


@contextmanager
def report_warnings() -> Iterator[None]:
    """Tell warnings of what is done here in one line each."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in found:
        report(str(warning.message))


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
        _program.set(str(self.name))
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


def _show_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{ctx.command.name} {version('similarity-encoders')}")
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
    pass


def _unwrapped(text: str) -> str:
    """Put each paragraph on one line, to be wrapped for the terminal."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith("\b") else p.replace("\n", " ") for p in paragraphs)


def make_app(program: str, help: str, commands: Iterable[Callable[..., None]]) -> typer.Typer:
    """Build an application.

    Parameters
    ----------
    program : str
        Its name, with which messages begin.
    help : str
        What it is for. Here, as in the docstring of a command, lines of a
        paragraph that begins with a backspace are kept as they are.
    commands : iterable of callables
        The functions that are its commands.
    """
    app = typer.Typer(
        name=program,
        cls=_Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback(help=_unwrapped(help))(_main)
    for command in commands:
        app.command(help=_unwrapped(command.__doc__ or ""))(command)
    return app
