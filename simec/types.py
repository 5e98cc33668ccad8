"""Types of arrays and of inputs."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Float64", "FloatArray", "InputKind", "IntArray"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
InputKind = Literal["dense", "sparse", "identity", "ids"]
