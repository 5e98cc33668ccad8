"""The pages of the documentation, and the blocks of code in them.

A block is run if its language is ``python``, ``pycon`` (compared with the output shown) or
``{code-cell}`` (a cell of a notebook). The blocks of a page run in order in one namespace, in an
empty folder.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if not {"_build", "generated"} & set(path.parts)
}
_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code: its language, text, and the line where it starts."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    text = PAGES[page].read_text(encoding="utf-8")
    return [
        Block(match[1].strip(), match[2], text.count("\n", 0, match.start(2)))
        for match in _FENCE.finditer(text)
    ]


def is_python(block: Block) -> bool:
    """Whether a block is run."""
    return block.language in ("python", "pycon") or block.language.startswith("{code-cell}")


def run(page: str, names: dict[str, Any], replace: dict[str, str] | None = None) -> None:
    """Run the Python blocks of a page.

    Parameters
    ----------
    page : str
        Path relative to the root of the repository.
    names : dict
        The namespace of the blocks: what they use without defining it, and what they define.
    replace : dict of str to str, optional
        Text to replace in the blocks, to train for a shorter time; each must occur.
    """
    unused = set(replace or ())
    for block in filter(is_python, blocks(page)):
        # options of cells, kept as empty lines
        text = re.sub(r"^:\w+:.*$", "", block.text, flags=re.MULTILINE)
        for old, new in (replace or {}).items():
            if old in text:
                unused.discard(old)
                text = text.replace(old, new)
        if block.language == "pycon":
            _compare(text, names, page, block.line)
        else:
            code = compile("\n" * block.line + text, str(PAGES[page]), "exec")
            exec(code, names)
    assert not unused, f"{page} does not contain {unused}"


def _compare(text: str, names: dict[str, Any], page: str, line: int) -> None:
    """Run an interactive session, and compare its output with that of the page."""
    test = doctest.DocTestParser().get_doctest(text, names, page, str(PAGES[page]), line)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report: list[str] = []
    doctest.DocTestRunner(optionflags=flags).run(test, out=report.append, clear_globs=False)
    names.update(test.globs)
    assert not report, "".join(report)
