"""Context Encoders: word embeddings for known words, for words never seen, for senses.

>>> import conec
>>> model = conec.ContextEncoder(vector_size=50).fit("corpus.txt")  # doctest: +SKIP
>>> model.embed_word("zorbing", ["we went zorbing down the hill"])  # doctest: +SKIP
"""

from conec.extended import ExtendedContextEncoder
from conec.loading import load
from conec.model import ContextEncoder
from conec.persistence import ModelError
from conec.training.loop import TrainingDiverged

__all__ = ["ContextEncoder", "ExtendedContextEncoder", "ModelError", "TrainingDiverged", "load"]
