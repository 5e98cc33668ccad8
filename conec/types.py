"""Types that several modules share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from corpora.corpus import Corpus

FloatArray: TypeAlias = npt.NDArray[np.float32]
DoubleArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

StrPath: TypeAlias = "str | PathLike[str]"
CorpusLike: TypeAlias = "Corpus | StrPath | Iterable[Sequence[str]]"

Negatives = Literal["shared", "exact"]
CbowGradient = Literal["corrected", "word2vec"]
Weighting = Literal["uniform", "distance", "subsampled", "sif"]
SenseChoice = Literal["auto", "soft", "hard", "none"]
Normalize = Literal["count", "max", "none"]

JSON: TypeAlias = dict[str, Any]
Init: TypeAlias = Literal["word2vec", "glorot"]
