"""Install the lowest versions that ``pyproject.toml`` allows, and run fast tests with them.

``python -m tests.lower_bounds`` needs Python 3.11 or 3.12, a package index and some minutes. The
extras are not installed, except those named by ``--extras``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
# of what each dependency is used for; tests of commands need a recent version of click
TESTS = [
    "tests/conec/test_model.py", "tests/conec/test_model_files.py", "tests/conec/test_interop.py",
    "tests/conec/test_sentences.py", "tests/corpora/test_readers.py", "tests/corpora/test_files.py",
    "tests/corpora/test_streams.py", "tests/simec/test_kernels.py", "tests/simec/test_matrices.py",
    "tests/simec/test_spectral.py",
]  # fmt: skip


def lowest(requirements: list[str]) -> list[str]:
    """Replace lower bounds by exact versions: ``numpy>=1.26`` by ``numpy==1.26``."""
    pins = []
    for requirement in requirements:
        match = re.fullmatch(r"([\w.\[\]-]+)>=([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"a dependency must have the form name>=version, got {requirement!r}")
        pins.append(f"{match[1]}=={match[2]}")
    return pins


def main() -> None:
    """Install and test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", nargs="*", default=[], help="such as plots parquet")
    arguments = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = lowest(project["dependencies"])
    for extra in arguments.extras:
        pins += lowest(project["optional-dependencies"][extra])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        tools = ["pytest", "pytest-timeout", "hypothesis"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins, *tools], check=True)
        environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(folder) / "numba")}
        for module in ("conec.cli", "corpora.cli", "simec.cli"):  # an error has status 2
            command = [python, "-m", module, "--no-such-option"]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
            if done.returncode != 2:
                raise SystemExit(f"{module}: expected status 2, got {done.returncode}")
        subprocess.run(
            [python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-m", "not slow", *TESTS],
            cwd=ROOT, env=environment, check=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
