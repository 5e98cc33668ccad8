"""Vectors of sentences and documents: weighted means of the vectors of their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize as normalize_rows
from conec.quantization import Rows
from conec.token_embedding import batches, index_batch
from conec.types import FloatArray
from conec.vocabulary import Vocabulary
from corpora.checks import ParameterError, shown, token_list

Pooling = Literal["sif", "mean"]

SIF_SCALE = 1e-3  # as in Arora, Liang & Ma 2017


def pooled(
    texts: Iterable[str | Sequence[str]],
    vocabulary: Vocabulary,
    vectors: Rows,
    weights: FloatArray | None,
) -> FloatArray:
    """Weighted means of the vectors of the known words of texts.

    Parameters
    ----------
    texts : iterable of texts
        As for `ContextEncoder.encode`.
    vocabulary : Vocabulary
    vectors : float32 array or CompactRows of shape (V, d)
        Vectors of the words.
    weights : float32 array of shape (V,) or None
        Weights of the words; None for equal weights.

    Returns
    -------
    float32 array of shape (n_texts, d)
        Zero for texts without known words.
    """
    from scipy import sparse

    factors = np.ones(len(vocabulary), np.float32) if weights is None else weights
    results = [np.zeros((0, vectors.shape[1]), np.float32)]
    for batch in batches(_token_lists(texts)):
        indexed = index_batch(batch, vocabulary)
        known = indexed.ids >= 0
        n_known = np.concatenate([[0], np.cumsum(known)])[indexed.offsets]
        ids = indexed.ids[known]
        words, columns = np.unique(ids, return_inverse=True)
        shape = len(batch), len(words)
        matrix = sparse.csr_matrix((factors[ids], columns, n_known), shape=shape)
        counts = np.maximum(np.diff(n_known), 1).astype(np.float32)
        results.append(np.asarray(matrix @ vectors[words], np.float32) / counts[:, None])
    return np.concatenate(results)


def without_component(
    vectors: FloatArray, component: FloatArray | None, normalize: bool
) -> FloatArray:
    """Remove a direction from vectors of texts, and scale them to unit length."""
    if component is not None:
        vectors = vectors - np.outer(vectors @ component, component).astype(np.float32)
    return normalize_rows(vectors) if normalize else vectors


def checked_component(component: npt.ArrayLike, d: int) -> FloatArray:
    """A component as a float32 vector.

    Raises
    ------
    ParameterError
        If it is not an array of numbers.
    ValueError
        If it does not have shape (d,) and unit length.
    """
    expected = f"component must be a vector of shape ({d},) and length 1, from common_component"
    try:
        vector = np.asarray(component, np.float32)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{expected}, got {shown(component)}") from error
    if vector.shape != (d,):
        raise ValueError(f"{expected}, got shape {vector.shape}")
    if not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:
        raise ValueError(f"{expected}, got length {float(np.linalg.norm(vector)):g}")
    return vector


def first_component(vectors: FloatArray) -> FloatArray:
    """The direction with the largest second moment, not centered, of vectors of unit length.

    Parameters
    ----------
    vectors : float32 array of shape (n, d)

    Returns
    -------
    float32 array of shape (d,)
        Of unit length; its largest entry is positive.

    Raises
    ------
    ValueError
        If no vector differs from zero.
    """
    if not vectors.any():
        raise ValueError(
            "the texts contain no word of the vocabulary, so they have no common component"
        )
    rows = normalize_rows(vectors).astype(np.float64)
    direction = np.linalg.eigh(rows.T @ rows)[1][:, -1]
    sign = np.sign(direction[np.abs(direction).argmax()])
    component: FloatArray = (sign * direction).astype(np.float32)
    return component


def check_texts(texts: object) -> None:
    """Raise TypeError unless texts are an iterable of texts; a string is a single text."""
    if isinstance(texts, bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"texts must be a string or an iterable of texts, got {shown(texts)}")


def _token_lists(texts: Iterable[str | Sequence[str]]) -> Iterator[list[str]]:
    for number, text in enumerate(texts):
        if isinstance(text, str):
            yield text.split()
        else:
            yield token_list(text, f"text {number}", surrogates=True)
