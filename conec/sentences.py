"""Vectors of sentences and documents: weighted means of the vectors of their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from conec.linalg import normalize as normalize_rows
from conec.quantization import CompactRows, Rows
from conec.token_embedding import Batch, Texts, batches, read_only
from conec.types import FloatArray
from corpora.checks import ParameterError, shorten, shown, table_columns, token_list
from corpora.counting.word_table import Located
from corpora.jit import announce_compilation

Pooling = Literal["sif", "mean"]

SIF_SCALE = 1e-3  # as in Arora, Liang & Ma 2017


def pooled(
    texts: Iterable[str | Sequence[str]],
    index: Callable[[Texts], Batch | Located],
    vectors: Rows,
    weights: FloatArray | None,
) -> FloatArray:
    """Weighted means of the vectors of the known words of texts.

    Parameters
    ----------
    texts : iterable of texts
        As for `ContextEncoder.encode`.
    index : callable
        Looks up the words of a batch of texts.
    vectors : float32 array or CompactRows of shape (V, d)
        Vectors of the words.
    weights : float32 array of shape (V,) or None
        Weights of the words; None for equal weights.

    Returns
    -------
    float32 array of shape (n_texts, d)
        Zero for texts without known words.
    """
    from conec.contexts.token_kernels import mean_rows

    n_words, d = vectors.shape
    factors = np.ones(n_words, np.float32) if weights is None else weights
    whole = None if isinstance(vectors, CompactRows) else read_only(vectors)
    results = [np.zeros((0, d), np.float32)]
    for batch in batches(_checked(texts)):
        indexed = index(batch)
        ids, shares, rows = indexed.ids, factors, whole
        if rows is None:  # only the rows of these words are converted
            words, numbers = np.unique(ids, return_inverse=True)
            n_unknown = int(np.searchsorted(words, 0))  # -1, which comes first
            ids, words = (numbers - n_unknown).astype(np.int32), words[n_unknown:]
            rows, shares = read_only(np.asarray(vectors[words], np.float32)), factors[words]
        result = np.empty((len(indexed.offsets) - 1, d), np.float32)
        with announce_compilation("vectors of texts"):
            mean_rows(ids, indexed.offsets, rows, shares, result)
        results.append(result)
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


def check_texts(
    texts: object,
    expected: str = "texts must be a string or an iterable of texts",
    *,
    single: bool = True,
) -> None:
    """Raise TypeError unless texts are an iterable of texts, or, with `single`, a string.

    Tables are refused: iterating one yields its columns or their names.
    """
    columns = table_columns(texts)
    if columns is not None:
        raise TypeError(
            f"{expected}, got {shown(texts)} with the columns {shorten(columns)}. Pass one column, "
            'such as corpora.open(table, field="text")'
        )
    is_text = isinstance(texts, bytes) or (isinstance(texts, str) and not single)
    if is_text or not isinstance(texts, Iterable):
        raise TypeError(f"{expected}, got {shown(texts)}")


def _checked(texts: Iterable[str | Sequence[str]]) -> Iterator[str | list[str]]:
    for number, text in enumerate(texts):
        if isinstance(text, str):
            yield str(text)
        else:
            yield token_list(text, f"text {number}", surrogates=True)
