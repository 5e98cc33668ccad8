"""Links between entities: what relations hold, learned from those that are known (4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simec.links.triples import Dataset, TripleError, as_triples, read_dataset, read_triples

if TYPE_CHECKING:
    from simec.links.answering import Link
    from simec.links.evaluation import Evaluation
    from simec.links.predictor import LinkPredictor

__all__ = [
    "Dataset", "Evaluation", "Link", "LinkPredictor", "TripleError", "as_triples", "read_dataset",
    "read_triples",
]  # fmt: skip

_PLACES = {"LinkPredictor": "predictor", "Link": "answering", "Evaluation": "evaluation"}


def __getattr__(name: str) -> Any:
    # triples need no PyTorch
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        module = import_module(f"simec.links.{_PLACES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(
            f"{name} needs PyTorch: pip install similarity-encoders[simec]"
        ) from error
    return getattr(module, name)
