"""Context Encoders: word embeddings for known words, for unknown words, and for word senses.

>>> import conec
>>> model = conec.ContextEncoder(vector_size=50).fit("corpus.txt")  # doctest: +SKIP
>>> model.embed_word("zorbing", ["we went zorbing down the hill"])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable

from conec import persistence
from conec.extended import ExtendedContextEncoder
from conec.features import Clean, Feature
from conec.model import ContextEncoder
from conec.persistence import ModelError
from conec.training.loop import TrainingDiverged
from conec.types import StrPath
from conec.vocabulary import Vocabulary

__all__ = [
    "ContextEncoder",
    "ExtendedContextEncoder",
    "ModelError",
    "TrainingDiverged",
    "Vocabulary",
    "load",
]


def load(
    path: StrPath, *, features: Iterable[Feature] = (), clean: Clean | None = None
) -> ContextEncoder:
    """Read a model from a folder, with or without features; its weights are memory-mapped.

    Parameters
    ----------
    path : path
    features, clean
        Custom features and cleaning that the model was trained with; see
        `ExtendedContextEncoder.load`.

    Returns
    -------
    ContextEncoder or ExtendedContextEncoder
        The class that was saved.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ModelError
        If it is damaged, not a Context Encoder, or of a newer version.
    """
    if persistence.has_part(path, persistence.FEATURES):
        return ExtendedContextEncoder.load(path, features=features, clean=clean)
    return ContextEncoder.load(path)
