"""Array types."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Float64", "FloatArray", "IntArray"]

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
