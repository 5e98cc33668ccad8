"""Link prediction: relations between entities, learned from known triples (4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch
from simec.links.triples import (
    Dataset,
    TripleError,
    as_triples,
    read_dataset,
    read_triples,
    split_triples,
)

if TYPE_CHECKING:
    from simec.links.evaluation import Evaluation
    from simec.links.predictor import Link, LinkPredictor
    from simec.links.tuning import Tuning, tune

__all__ = [
    "Dataset", "Evaluation", "Link", "LinkPredictor", "TripleError", "Tuning", "as_triples",
    "read_dataset", "read_triples", "split_triples", "tune",
]  # fmt: skip

# reading triples needs no PyTorch
__getattr__ = needing_torch(
    __name__,
    {
        "LinkPredictor": "predictor",
        "Link": "predictor",
        "Evaluation": "evaluation",
        "Tuning": "tuning",
        "tune": "tuning",
    },
)
