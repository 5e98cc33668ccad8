"""Slow and plain: embeddings of the tokens of a document, from sparse context vectors."""

from __future__ import annotations

import numpy as np

from conec.embedding import context_vectors, index_texts
from conec.linalg import normalize
from corpora import BREAK


def embed(model, tokens, a=0.8, *, senses="none", per_occurrence=False):
    """The embeddings that `model.embed` returns, for a model with a map or with senses."""
    text = index_texts([list(tokens)], model.vocabulary)
    if per_occurrence:
        is_token = text.rows >= 0
        rows = np.where(is_token, np.cumsum(is_token) - 1, -1).astype(np.int32)
        text = text._replace(words=[token for token in tokens if token != BREAK], rows=rows)
    local = mapped(model, text) if senses == "none" else in_senses(model, text)
    ids = np.array([model.vocabulary.index.get(word, -1) for word in text.words], int)
    if senses == "none":
        vectors = local.copy()
        known = ids >= 0
        if a > 0 and known.any():
            vectors[known] = (1 - a) * local[known] + a * model.context_embeddings[ids[known]]
        vectors = normalize(vectors.astype(np.float32))
    else:
        vectors = model.sense_inventory.mix(
            ids.tolist(), model.centered_W1, local, a, hard=senses == "hard"
        )
    result = np.zeros((len(text.rows), model.config.vector_size), np.float32)
    result[text.rows >= 0] = vectors[text.rows[text.rows >= 0]]
    return result


def mapped(model, text):
    """Mapped contexts of the distinct tokens."""
    windows = model.context_map.config.windows(model.vocabulary)
    kinds = [
        model.times_unit_rows(context_vectors(text, len(model), window, "none"))
        for window in windows
    ]
    occurrences = np.bincount(text.rows[text.rows >= 0], minlength=len(text.words))
    return model.context_map.transform(normalize(np.stack(kinds)), occurrences)


def in_senses(model, text):
    """Contexts of the distinct tokens, mapped for the choice of senses."""
    window = model.sense_inventory.settings.context(model.vocabulary)
    rows = model.times_unit_rows(context_vectors(text, len(model), window))
    return normalize(rows @ model.sense_inventory.map)
