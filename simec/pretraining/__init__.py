"""Pre-training with similarities, and fine-tuning on few labels (thesis, chapter 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch

if TYPE_CHECKING:
    from simec.pretraining.curves import LearningCurve, learning_curve
    from simec.pretraining.finetuning import PretrainedClassifier, PretrainedRegressor

__all__ = ["LearningCurve", "PretrainedClassifier", "PretrainedRegressor", "learning_curve"]

__getattr__ = needing_torch(
    __name__,
    {
        "LearningCurve": "curves",
        "PretrainedClassifier": "finetuning",
        "PretrainedRegressor": "finetuning",
        "learning_curve": "curves",
    },
)
