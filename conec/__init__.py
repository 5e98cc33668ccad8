"""Context Encoders: word embeddings for known words, for unknown words, and for word senses.

>>> import conec
>>> texts = [["we", "went", "skiing", "down", "the", "hill"], ["a", "cup", "of", "tea"]] * 30
>>> model = conec.ContextEncoder(vector_size=10, min_count=1, sample=0, seed=1).fit(texts)
>>> model.embed_word("zorbing", ["we went zorbing down the hill"]).shape  # a new word
(10,)
"""

from __future__ import annotations

from collections.abc import Iterable

from conec.extended import ExtendedContextEncoder
from conec.features import Clean, Feature
from conec.model import ContextEncoder, has_features, open_model
from conec.training.loop import TrainingDiverged
from conec.types import StrPath
from conec.vocabulary import Vocabulary
from corpora.deprecated import deprecated_modules
from corpora.errors import ModelError
from corpora.model_folder import FolderReader

__all__ = [
    "ContextEncoder",
    "ExtendedContextEncoder",
    "ModelError",
    "TrainingDiverged",
    "Vocabulary",
    "load",
    "read_from",
]

deprecated_modules({"conec.mapping": "conec.contexts.mapping"})


def load(
    path: StrPath,
    *,
    features: Iterable[Feature] = (),
    clean: Clean | None = None,
    verify: bool = False,
) -> ContextEncoder:
    """Read a model from a folder, with or without features; its weights are memory-mapped.

    Parameters
    ----------
    path : path
    features, clean
        Custom features and cleaning that the model was trained with; see
        `ExtendedContextEncoder.load`.
    verify : bool, default False
        Also verify the checksum of the weights, which reads the whole file. The checksums of
        all other files are always verified.

    Returns
    -------
    ContextEncoder or ExtendedContextEncoder
        An instance of the class that was saved.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ModelError
        If the folder is damaged, holds another kind of model, or was written by a newer version.
    """
    with open_model(path, verify=verify) as folder:
        return read_from(folder, features=features, clean=clean)


def read_from(
    folder: FolderReader, *, features: Iterable[Feature] = (), clean: Clean | None = None
) -> ContextEncoder:
    """Read a model from an open folder, which may be nested in the folder of another model.

    Other parameters, return value and errors are those of `load`.
    """
    if has_features(folder):
        return ExtendedContextEncoder.read_from(folder, features=features, clean=clean)
    return ContextEncoder.read_from(folder)
