"""Context windows: how far they reach, and the weights of the words in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conec.types import FloatArray, Weighting
from corpora.checks import check_choice, check_integer


@dataclass(frozen=True)
class Window:
    """Which words around a position are its context, and their weights.

    Parameters
    ----------
    size : int
        Words on each side.
    weighting : {"uniform", "distance", "subsampled", "sif"}
        "uniform": weight 1. "distance": 1 / distance. "subsampled": what training sees on
        average, which is the probability that the drawn window reaches that far and that
        subsampling keeps the word. "sif": the probability that the drawn window reaches that
        far, times the smooth inverse frequency of the word.
    smallest : int
        The smallest window that training draws, for "subsampled" and "sif".
    keep : float32 array of shape (V,), optional
        Weight > 0 of each word, for "subsampled" (the probability that it is kept) and "sif"
        (its smooth inverse frequency).
    """

    size: int = 5
    weighting: Weighting = "uniform"
    smallest: int = 1
    keep: FloatArray | None = None

    def __post_init__(self) -> None:
        check_integer("window", self.size, 1)
        check_choice("weighting", self.weighting, Weighting)
        if self._as_training:
            check_integer("smallest", self.smallest, 1, self.size)
            if self.keep is None:
                raise ValueError(f"weighting={self.weighting!r} needs the weights of words, `keep`")

    @property
    def _as_training(self) -> bool:
        return self.weighting in ("subsampled", "sif")

    def distance_weights(self) -> npt.NDArray[np.float64]:
        """Weight at each distance from 0 to `size`."""
        distance = np.arange(self.size + 1, dtype=np.float64)
        if self.weighting == "distance":
            return 1 / np.maximum(distance, 1)
        if self._as_training:
            drawn = self.size - self.smallest + 1
            return np.minimum(self.size + 1 - distance, drawn) / drawn
        return np.ones(self.size + 1)

    def word_weights(self, n_words: int) -> FloatArray:
        """Weight of each context word; an empty array if all are 1."""
        if not self._as_training or self.keep is None:
            return np.empty(0, np.float32)
        keep = np.ascontiguousarray(self.keep, np.float32)
        if keep.shape != (n_words,):
            raise ValueError(f"keep must have shape ({n_words},), got {keep.shape}")
        return keep
