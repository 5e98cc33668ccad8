"""Link prediction: relations between entities, learned from known triples (4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.lazy import needing_torch
from simec.links.triples import Dataset, TripleError, as_triples, read_dataset, read_triples

if TYPE_CHECKING:
    from simec.links.evaluation import Evaluation
    from simec.links.predictor import Link, LinkPredictor

__all__ = [
    "Dataset", "Evaluation", "Link", "LinkPredictor", "TripleError", "as_triples", "read_dataset",
    "read_triples",
]  # fmt: skip

# reading triples needs no PyTorch
__getattr__ = needing_torch(
    __name__, {"LinkPredictor": "predictor", "Link": "predictor", "Evaluation": "evaluation"}
)
