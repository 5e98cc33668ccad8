"""Pre-training with similarities, and fine-tuning on few labels (thesis, chapter 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch

if TYPE_CHECKING:
    from simec.pretraining.autoencoder import mirrored
    from simec.pretraining.contrastive import TwoViews, augment_images, pretrain_contrastive
    from simec.pretraining.curves import LearningCurve, learning_curve
    from simec.pretraining.diagnosis import Alignment, alignment
    from simec.pretraining.finetuning import PretrainedClassifier, PretrainedRegressor
    from simec.pretraining.similarity_regressor import SimilarityRegressor
    from simec.pretraining.views import RandomViews, shift_images

__all__ = [
    "Alignment",
    "LearningCurve",
    "PretrainedClassifier",
    "PretrainedRegressor",
    "RandomViews",
    "SimilarityRegressor",
    "TwoViews",
    "alignment",
    "augment_images",
    "learning_curve",
    "mirrored",
    "pretrain_contrastive",
    "shift_images",
]

__getattr__ = needing_torch(
    __name__,
    {
        "Alignment": "diagnosis",
        "LearningCurve": "curves",
        "PretrainedClassifier": "finetuning",
        "PretrainedRegressor": "finetuning",
        "RandomViews": "views",
        "SimilarityRegressor": "similarity_regressor",
        "TwoViews": "contrastive",
        "alignment": "diagnosis",
        "augment_images": "contrastive",
        "learning_curve": "curves",
        "mirrored": "autoencoder",
        "pretrain_contrastive": "contrastive",
        "shift_images": "views",
    },
)
