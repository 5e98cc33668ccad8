"""Commands in the documentation exist, and so do their options and arguments."""

from __future__ import annotations

import re
import shlex

import pytest
import typer.main

from conec.cli import app as conec_app
from corpora.cli import app as corpora_app
from simec.cli import app as simec_app
from tests.docs.pages import PAGES, blocks

APPS = {
    name: typer.main.get_command(app)
    for name, app in (("conec", conec_app), ("corpora", corpora_app), ("simec", simec_app))
}
COMMAND = re.compile(rf"(?:cat .* \| )?((?:{'|'.join(APPS)}) [a-z][^|]*)")
SHELL = ("sh", "bash", "console", "")


def commands(page: str) -> list[str]:
    """The commands of a page, in blocks of a shell."""
    text = "".join(block.text for block in blocks(page) if block.language in SHELL)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [match[1] for line in lines if (match := COMMAND.match(line))]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_and_their_options_exist(page: str) -> None:
    for line in commands(page):
        program, *words = shlex.split(line, comments=True)
        command = APPS[program]
        while hasattr(command, "commands") and words:
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= known | {"--help"}, line
