"""The description for a package index; everything else is declared in ``pyproject.toml``."""

import re
from pathlib import Path

from setuptools import setup


def described(link: re.Match[str]) -> str:
    """Write a link to a file as text: an index does not have the files of the repository."""
    text, target = link.groups()
    return text if text == target else f"{text} ({target})"


description = Path(__file__).with_name("README.md").read_text("utf-8")
description = re.sub(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n+", "", description, flags=re.MULTILINE)
description = re.sub(r"\[([^]]*)\]\((?!https?:|#)([^)]*)\)", described, description)

setup(long_description=description, long_description_content_type="text/markdown")
