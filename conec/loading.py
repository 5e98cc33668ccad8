"""Reading a model, of whichever kind it is."""

from __future__ import annotations

from collections.abc import Iterable

from conec import persistence
from conec.extended import ExtendedContextEncoder
from conec.features import Clean, Feature
from conec.model import ContextEncoder
from conec.types import StrPath


def load(
    path: StrPath, *, features: Iterable[Feature] = (), clean: Clean | None = None
) -> ContextEncoder:
    """Read a model from a folder, whichever kind it is; its weights are memory-mapped.

    Parameters
    ----------
    path : path
    features, clean
        For models that were trained with features or cleaning of your own; see
        `ExtendedContextEncoder.load`.

    Returns
    -------
    ContextEncoder or ExtendedContextEncoder

    Raises
    ------
    FileNotFoundError
        If there is none.
    ModelError
        If it is damaged, something else, or of a newer version.
    """
    if persistence.has_part(path, persistence.FEATURES):
        return ExtendedContextEncoder.load(path, features=features, clean=clean)
    return ContextEncoder.load(path)
