"""Why a prediction, or why two things are similar: relevances of their features (thesis, ch. 5).

`explain_prediction` and `explain_similarity` explain what a Similarity Encoder says, by
layer-wise relevance propagation; `relevances` does so for any network. `decompose` takes
apart similarities of features that need no network. An `Explanation` has relevances that sum to
what they explain, and makes pictures and pages of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simec.explain.classic import decompose
from simec.explain.composites import COMPOSITES
from simec.explain.explanation import Explanation, SimilarityExplanation
from simec.explain.pages import page, write_page
from simec.explain.words import Piece, colour_words

if TYPE_CHECKING:
    from simec.explain.encoders import explain_prediction, explain_similarity
    from simec.explain.layers import NoRuleError
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

_PLACES = {
    "explain_prediction": "encoders",
    "explain_similarity": "encoders",
    "relevances": "propagation",
    "NoRuleError": "layers",
}


def __getattr__(name: str) -> Any:
    # classic similarities, pictures and pages need no PyTorch
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"simec.explain.{_PLACES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"{name} needs PyTorch: pip install similarity-encoders[simec]"
        ) from error
    return getattr(module, name)
