"""Exchange word vectors with other programs.

Formats: word2vec (text and binary), Arrow, Parquet, TensorBoard's embedding projector, spaCy, and
model2vec. All functions take or return `gensim.models.KeyedVectors`.
"""

from __future__ import annotations

from conec.interop.checks import check_vectors
from conec.interop.conversion import to_keyed_vectors
from conec.interop.export import export
from conec.interop.model2vec import save_model2vec
from conec.interop.tables import save_table
from conec.interop.viewers import save_projector, save_spacy, to_spacy
from conec.interop.word2vec import load_word2vec, save_word2vec

__all__ = [
    "check_vectors",
    "export",
    "load_word2vec",
    "save_model2vec",
    "save_projector",
    "save_spacy",
    "save_table",
    "save_word2vec",
    "to_keyed_vectors",
    "to_spacy",
]
