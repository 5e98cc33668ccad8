"""Pre-training with similarities, and fine-tuning on few labels (thesis, chapter 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch

if TYPE_CHECKING:
    from simec.pretraining.autoencoder import mirrored
    from simec.pretraining.curves import LearningCurve, learning_curve
    from simec.pretraining.diagnosis import Alignment, alignment

__all__ = ["Alignment", "LearningCurve", "alignment", "learning_curve", "mirrored"]

__getattr__ = needing_torch(
    __name__,
    {
        "Alignment": "diagnosis",
        "LearningCurve": "curves",
        "alignment": "diagnosis",
        "learning_curve": "curves",
        "mirrored": "autoencoder",
    },
)
