"""Why a prediction, or why two things are similar: relevances of their features (thesis, ch. 5).

`explain_prediction` and `explain_similarity` explain what a Similarity Encoder says, by
layer-wise relevance propagation; `relevances` does so for any network. `decompose` takes
apart similarities of features that need no network. An `Explanation` has relevances that sum to
what they explain, and makes pictures and pages of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simec.explain.composites import COMPOSITES
from simec.explain.decomposition import decompose
from simec.explain.explanation import Explanation, SimilarityExplanation
from simec.explain.html_report import page, write_page
from simec.explain.words import Piece, colour_words
from simec.lazy import needing_torch

if TYPE_CHECKING:
    from simec.explain.canonize import NoRuleError
    from simec.explain.encoders import explain_prediction, explain_similarity
    from simec.explain.propagation import relevances

__all__ = [
    "COMPOSITES",
    "Explanation",
    "NoRuleError",
    "Piece",
    "SimilarityExplanation",
    "colour_words",
    "decompose",
    "explain_prediction",
    "explain_similarity",
    "page",
    "relevances",
    "write_page",
]

# classic similarities, pictures and pages need no PyTorch
__getattr__ = needing_torch(
    __name__,
    {
        "explain_prediction": "encoders",
        "explain_similarity": "encoders",
        "relevances": "propagation",
        "NoRuleError": "canonize",
    },
)
