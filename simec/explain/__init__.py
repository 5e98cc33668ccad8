"""Explanations of predictions and similarities: relevances of features (thesis, ch. 5).

`explain_prediction` and `explain_similarity` explain the outputs of a Similarity Encoder by
layer-wise relevance propagation (LRP); `relevances` does so for any network. `decompose` splits
the similarity of two feature vectors into contributions of features, without a network. An
`Explanation` holds relevances that sum to the explained value, with plots and HTML pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corpora.deprecated import deprecated_modules, deprecated_names
from simec.explain.composites import COMPOSITES
from simec.explain.decomposition import decompose
from simec.explain.explanation import Explanation, Piece, SimilarityExplanation, color_words
from simec.explain.html_report import page, write_page
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
    "color_words",
    "decompose",
    "explain_prediction",
    "explain_similarity",
    "page",
    "relevances",
    "write_page",
]

# decompositions, plots and pages do not need PyTorch
_lazy = needing_torch(
    __name__,
    {
        "explain_prediction": "encoders",
        "explain_similarity": "encoders",
        "relevances": "propagation",
        "NoRuleError": "canonize",
    },
)
_deprecated = deprecated_names(__name__, {"colour_words": "simec.explain.explanation.color_words"})
deprecated_modules({
    "simec.explain.layers": "simec.explain.canonize",
    "simec.explain.pictures": "simec.explain.plotting",
})  # fmt: skip


def __getattr__(name: str) -> Any:
    return _deprecated(name) if name == "colour_words" else _lazy(name)
