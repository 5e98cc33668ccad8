"""Build command-line applications that report errors and warnings in one line each."""

from __future__ import annotations

import errno
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from corpora.callbacks import progress_lines
from corpora.interrupts import Terminated, exit_status, terminable

# Raised for invalid files, options or words. Any other error is a bug and shows a traceback.
_EXPECTED = (OSError, ValueError, ImportError, ArithmeticError, MemoryError)

_program = ContextVar("program", default="corpora")


def report(message: str) -> None:
    """Print a message to standard error, on one line."""
    with suppress(OSError):  # a closed terminal or pipe: there is no other place to report it
        typer.echo(f"{_program.get()}: {' '.join(message.split())}", err=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Exit the program with a one-line message on standard error."""
    report(message)
    raise typer.Exit(code)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Report each warning on one line, as soon as it is issued."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def report_one(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, UserWarning):
                report(str(message))
            else:
                show(message, category, *place, **more)

        warnings.showwarning = report_one
        yield


@contextmanager
def report_warnings(reword: Callable[[str], str] = str) -> Iterator[None]:
    """Report different warnings issued within a block, one line each, when it ends.

    Parameters
    ----------
    reword : callable
        Changes messages, such as names of arguments to those of options.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for message in dict.fromkeys(reword(str(warning.message)) for warning in caught):
        report(message)


def describe(error: BaseException) -> str:
    """Describe an error in one line."""
    if isinstance(error, OSError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*names[:1], error.strerror])
    if isinstance(error, MemoryError) and not str(error):
        return "out of memory"
    return str(error) or type(error).__name__


def _progress_in_lines() -> AbstractContextManager[None]:
    """Report progress in lines, one per minute, unless standard error is a terminal."""
    return nullcontext() if sys.stderr.isatty() else progress_lines(report)


def _describe_output(error: BaseException) -> str:
    """Describe an error. A full disk without a file name is an error of standard output."""
    is_full = isinstance(error, OSError) and error.errno in (
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG
    )  # fmt: skip
    if is_full and getattr(error, "filename", None) is None:
        _silence(sys.stdout)  # it would fail again at exit
        return f"standard output: {describe(error)}"
    return describe(error)


class _Group(TyperGroup):
    """Reports expected errors in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        _program.set(str(self.name))
        try:
            with terminable(), _warnings_in_one_line(), _progress_in_lines():
                return self._invoke(ctx)
        except KeyboardInterrupt as error:
            fail("interrupted", exit_status(error))
        except Terminated as error:
            fail(str(error), exit_status(error))

    def _invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            # Flush here: at exit, the error of a closed pipe or full disk could not be handled.
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            # The reader closed the pipe; prevent another flush at exit.
            _silence(sys.stdout)
            raise typer.Exit(1) from None
        except _EXPECTED as error:
            if ctx.params.get("traceback"):
                raise
            fail(_describe_output(error))

    def make_context(self, info_name: str | None, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().make_context(info_name, *args, **kwargs)
        except OSError as error:  # --help writes before a command is invoked
            _program.set(str(info_name))
            fail(_describe_output(error))


def _silence(stream: Any) -> None:
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # not a file, such as a buffer in tests
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def _show_version(ctx: typer.Context, requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"{ctx.command.name} {version('similarity-encoders')}")
        raise typer.Exit


def _main(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the traceback of errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph; the help is wrapped to the width of the terminal."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith("\b") else p.replace("\n", " ") for p in paragraphs)


def make_app(program: str, help: str, commands: Iterable[Callable[..., None]]) -> typer.Typer:
    """Build an application.

    Parameters
    ----------
    program : str
        Name of the program, which starts each message.
    help : str
        Description. Here and in the docstrings of commands, line breaks are kept in paragraphs
        that start with a backspace character.
    commands : iterable of callables
        Functions that implement the commands.
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
