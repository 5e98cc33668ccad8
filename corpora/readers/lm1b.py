"""The 1 Billion Word benchmark, unpacked or as an archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from corpora.readers.base import Text

_FOLDERS = {
    "training": "training-monolingual.tokenized.shuffled",
    "heldout": "heldout-monolingual.tokenized.shuffled",
}


@dataclass(frozen=True)
class BillionWords(Text):
    """The 1 Billion Word benchmark: shuffled sentences, one per line.

    Reads the unpacked folder, or the archive itself.

    Parameters
    ----------
    part : {"training", "heldout"}, default "training"
        Which of the two subfolders to read.
    """

    name = "lm1b"
    path_pattern = re.compile(rf"(?:^|[/\\])1-billion-word[^/\\]*$|{_FOLDERS['training']}")
    folder_pattern = re.compile(_FOLDERS["training"])
    part: Literal["training", "heldout"] = "training"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part not in _FOLDERS:
            raise ValueError(f"part must be 'training' or 'heldout', got {self.part!r}")

    def accepts(self, path: str) -> bool:  # noqa: D102
        return _FOLDERS[self.part] in path
