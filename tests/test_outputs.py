"""Outputs: checked before any work, and written completely or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import conec.cli
import corpora.cli
import simec.cli
from corpora.files import atomic_path, check_output

APPS = {"corpora": corpora.cli.app, "conec": conec.cli.app, "simec": simec.cli.app}
FILES = ("out", "html")  # parameters for outputs
FOLDERS = {("corpora", "encode"), ("conec", "train"), ("conec", "tag", "train"),
           ("simec", "links", "train"), ("simec", "recommend", "train")}  # fmt: skip
RUNNER = CliRunner()


def commands(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = {
    (program, *names): command
    for program, app in APPS.items()
    for names, command in commands(typer.main.get_command(app))
}
OUTPUTS = [
    (names, parameter.opts[0])
    for names, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name in FILES
]


def test_all_outputs_are_found() -> None:
    """Options that write are those of the tests below."""
    says_write = {
        (names, parameter.opts[0])
        for names, command in COMMANDS.items()
        for parameter in command.params
        if "write" in (getattr(parameter, "help", None) or "").lower()
        and parameter.opts[0] not in ("--checkpoint-minutes", "--vocab")
        and parameter.opts[0].startswith("-")
    }
    assert says_write <= set(OUTPUTS)
    assert len(OUTPUTS) == 12


def bad_outputs(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Outputs that can't be written, with a part of the error."""
    (folder / "file").write_text("kept")
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").write_text("kept")
    yield folder / "missing" / "out", "does not exist"
    yield folder / "file" / "out", "not a folder"
    (folder / "loop").symlink_to("loop")
    yield folder / "loop", "points to itself"
    yield folder / ("x" * 300), "too long"
    if names in FOLDERS:
        yield folder / "file", "not a folder"
        yield folder / "full", "notes.txt"
        os.mkfifo(folder / "pipe")
        yield folder / "pipe", "not a folder"
    else:
        yield folder / "full", "is a folder"


@pytest.mark.parametrize(("names", "option"), OUTPUTS, ids=lambda value: str(value))
def test_an_output_is_checked_before_any_input(
    names: tuple[str, ...], option: str, tmp_path: Path
) -> None:
    program, *command = names
    for out, expected in bad_outputs(tmp_path, names):
        arguments = [
            "no-such-input"
            for parameter in COMMANDS[names].params
            if parameter.required and not parameter.opts[0].startswith("-")
        ]
        more = []
        if option == "--html":
            arguments = ["no-such-input"] * 3
        for to in (["--to", "jsonl"], ["--to", "parquet"]) if names[1:] == ("convert",) else [[]]:
            more = to
            result = RUNNER.invoke(APPS[program], [*command, *arguments, option, str(out), *more])
            assert result.exit_code == 1, (out, result.output)
            assert isinstance(result.exception, SystemExit)
            assert expected in result.stderr, (out, result.stderr)
            assert out.name in result.stderr or str(out.parent) in result.stderr
            assert "no-such-input" not in result.stderr
            assert "Traceback" not in result.stderr
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["file", "full", "loop", *(["pipe"] if names in FOLDERS else [])]
    )


@pytest.mark.parametrize("to", ["projector", "spacy"])
def test_exports_of_folders_are_checked_before_any_input(to: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "vectors.tsv").write_text("kept")
    for out in (tmp_path / "file", tmp_path / "full", tmp_path / "file" / "x"):
        result = RUNNER.invoke(APPS["conec"], ["export", "none", "--out", str(out), "--to", to])
        assert result.exit_code == 1
        assert str(tmp_path / out.relative_to(tmp_path).parts[0]) in result.stderr
    assert (tmp_path / "full" / "vectors.tsv").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_permissions(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        check_output(tmp_path / "file")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written to"):
        check_output(tmp_path / "new")


def read_pipe(path: Path) -> Callable[[], bytes]:
    """Read a named pipe in a thread."""
    content: list[bytes] = []
    thread = threading.Thread(target=lambda: content.append(path.read_bytes()), daemon=True)
    thread.start()

    def result() -> bytes:
        thread.join(20)
        return content[0]

    return result


COUNTED = b"one\t1\ntwo\t1\n"


@pytest.mark.parametrize("command", ["count", "clean", "convert"])
def test_named_pipes_are_written_to(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    pipe = tmp_path / "out.txt"
    os.mkfifo(pipe)
    (tmp_path / "link.txt").symlink_to(pipe)
    for out in (pipe, tmp_path / "link.txt"):
        content = read_pipe(out)
        result = RUNNER.invoke(
            APPS["corpora"], [command, str(tmp_path / "a.txt"), "--out", str(out)]
        )
        assert result.exit_code == 0, result.output
        assert content() == (COUNTED if command == "count" else b"one two\n")
        assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
def test_devices_stay(tmp_path: Path) -> None:
    device = tmp_path / "null.txt"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with atomic_path(device) as path:
        path.write_text("a")
    assert stat.S_ISCHR(device.lstat().st_mode)


@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_a_file_that_standard_output_is_redirected_to_is_not_replaced(
    out: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    (tmp_path / "link").symlink_to("/dev/stdout")
    log = tmp_path / "log"
    log.write_text("earlier\n")
    with open(log, "ab") as file:
        subprocess.run(
            [sys.executable, "-m", "corpora.cli", "count", tmp_path / "a.txt", "--out",
             out.replace("link", str(tmp_path / "link"))],
            stdout=file, check=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
    assert log.read_bytes() == b"earlier\n" + COUNTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "link", "log"]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    os.link(tmp_path / "target", tmp_path / "hard")
    with atomic_path(tmp_path / "link") as path:
        path.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "hard").read_text() == "old"
    (tmp_path / "dangling").symlink_to("later")
    with atomic_path(tmp_path / "dangling") as path:
        path.write_text("new")
    assert (tmp_path / "later").read_text() == "new"
