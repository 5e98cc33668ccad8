"""``python -m simec.cli`` is ``simec``."""

from simec.cli import app

app(prog_name="simec")
