"""``python -m conec.cli`` is ``conec``."""

from conec.cli import app

app(prog_name="conec")
