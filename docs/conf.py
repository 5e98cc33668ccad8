"""Configuration of Sphinx for the documentation: `make docs` builds it in docs/_build/html.

Pages are Markdown (MyST), and those in tutorials/ are notebooks that are executed. References to
modules, classes and commands are generated. The build needs no network: links within the site and
their anchors are checked, links to other sites are not. The pages load nothing from other hosts.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent

project = "similarity-encoders"
author = "The similarity-encoders developers"
copyright = "The similarity-encoders developers"
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build", "_templates", "README.md"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = "similarity-encoders"
html_show_sphinx = False

# Markdown: headings are anchors, as on GitHub
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "dollarmath"]

# Notebooks: an error in a cell fails the build; results are kept until the code changes
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_execution_excludepatterns = ["how-to/*", "reference/*"]

# API reference, from numpydoc docstrings
autosummary_generate = True
autodoc_typehints = "none"  # docstrings have the types, with shapes
autodoc_inherit_docstrings = False  # of scikit-learn, gensim and PyTorch
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False
# objects of other projects, whose inventories would need a network
nitpick_ignore_regex = [("py:.*", r"(str|sklearn|numpy|scipy|torch|gensim)\b.*")]
default_role = "code"  # `name` in docstrings


def public_names() -> dict[str, list[str]]:
    """List the names of each module in reference/api.md; an object is listed once."""
    listed: set[int] = set()
    result: dict[str, list[str]] = {}
    text = (HERE / "reference" / "api.md").read_text(encoding="utf-8")
    for module in re.findall(r"^   ([\w.]+)$", text, re.MULTILINE):
        members = importlib.import_module(module)
        result[module] = []
        for name in getattr(members, "__all__", sorted(vars(members))):
            value = getattr(members, name)
            source = getattr(value, "__module__", module).partition(".")[0]
            if source in ("conec", "corpora", "simec") and id(value) not in listed:
                listed.add(id(value))
                result[module].append(name)
    return result


autosummary_context = {"public_names": public_names()}


def fix_links(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Let links to Markdown files outside this folder lead to the pages that include them."""
    for name in ("benchmarks/README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        target = "/reference/" + name.replace("/README", "").lower()
        source[0] = source[0].replace(f"](../../{name}", f"]({target}")


def write_command_lines(_app: Sphinx) -> None:
    """Write a page for each command line, from the help of its commands; drop old pages."""
    folder = HERE / "reference" / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for program in ("conec", "corpora", "simec"):
        subprocess.run(
            [
                sys.executable, "-m", "typer", f"{program}.cli", "utils", "docs",
                "--name", program, "--output", str(folder / f"{program}-commands.md"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip


def check_hosts(app: Sphinx, _error: Exception | None) -> None:
    """Warn of scripts, styles and images from other hosts, which tell them who reads a page."""
    loaded = re.compile(
        r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"((?:https?:)?//[^\"]*)"
    )
    for page in Path(app.outdir).rglob("*.html"):
        for address in loaded.findall(page.read_text(encoding="utf-8")):
            logging.getLogger(__name__).warning("%s loads %s", page.name, address)


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("builder-inited", write_command_lines, priority=0)
    app.connect("source-read", fix_links)
    app.connect("build-finished", check_hosts)
