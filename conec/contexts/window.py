"""Context windows: how far they reach, and the weights of the words in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conec.types import FloatArray, Weighting
from corpora.checks import check_choice, check_integer


@dataclass(frozen=True)
class Window:
    """What counts as context, and how much.

    Parameters
    ----------
    size : int
        Words on either side.
    weighting : {"uniform", "distance", "subsampled", "sif"}
        Weight 1; or 1 / distance; or what training sees on average: the probability
        that the window drawn reaches so far and that subsampling keeps the word; or
        that probability, times the smooth inverse frequency of the word.
    smallest : int
        The smallest window that training draws, for "subsampled" and "sif".
    keep : float32 array of shape (V,), optional
        Weight of each word, above 0, for "subsampled" and "sif".
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
                raise ValueError(f"weighting={self.weighting!r} needs the words' weights `keep`")

    @property
    def _as_training(self) -> bool:
        return self.weighting in ("subsampled", "sif")

    def distance_weights(self) -> npt.NDArray[np.float64]:
        """Weight at each distance from 0 to the window's size."""
        distance = np.arange(self.size + 1, dtype=np.float64)
        if self.weighting == "distance":
            return 1 / np.maximum(distance, 1)
        if self._as_training:
            drawn = self.size - self.smallest + 1
            return np.minimum(self.size + 1 - distance, drawn) / drawn
        return np.ones(self.size + 1)

    def word_weights(self, n_words: int) -> FloatArray:
        """Weight of each context word; empty for 1."""
        if not self._as_training or self.keep is None:
            return np.empty(0, np.float32)
        keep = np.ascontiguousarray(self.keep, np.float32)
        if keep.shape != (n_words,):
            raise ValueError(f"keep has shape {keep.shape}, not one number for {n_words} words")
        return keep
