"""The 1-billion-word benchmark, in the folders it unpacks to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from corpora.readers.text import Text

_FOLDERS = {
    "training": "training-monolingual.tokenized.shuffled",
    "heldout": "heldout-monolingual.tokenized.shuffled",
}


@dataclass(frozen=True)
class BillionWords(Text):
    """The 1-billion-word benchmark: shuffled sentences, one a line.

    Reads the folder it unpacks to, or the archive itself.

    Parameters
    ----------
    part : {"training", "heldout"}, default "training"
        Which of the two folders to read.
    """

    name = "lm1b"
    part: Literal["training", "heldout"] = "training"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part not in _FOLDERS:
            raise ValueError(f"part is 'training' or 'heldout', not {self.part!r}")

    @classmethod
    def sniff_paths(cls, paths: Sequence[str]) -> bool:  # noqa: D102
        archive = os.path.basename(paths[0]).startswith("1-billion-word")
        return archive or any(_FOLDERS["training"] in path for path in paths)

    def accepts(self, path: str) -> bool:  # noqa: D102
        return _FOLDERS[self.part] in path
