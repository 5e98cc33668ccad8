"""The description for a package index; everything else is declared in ``pyproject.toml``."""

import re
from pathlib import Path

from setuptools import setup

description = Path(__file__).with_name("README.md").read_text("utf-8")
# an index does not have the files of the repository: images are left out, and links to files become
# their names
description = re.sub(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n+", "", description, flags=re.MULTILINE)
description = re.sub(r"\[([^]]*)\]\((?!https?:|#)[^)]*\)", r"\1", description)

setup(long_description=description, long_description_content_type="text/markdown")
