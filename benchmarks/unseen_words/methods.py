"""Unseen words: methods that make a vector from the texts in which a word occurs.

All but fastText use only contexts, and the same vectors of the context words, those of `wv`.

additive
    Sum of the vectors of the words in the texts, without stop words.
additive_window
    Sum of those of 5 words on each side, with the weights of training.
alacarte
    A la carte (Khodak et al. 2018): the mean vector of the words in the texts, times the matrix
    that best predicts, by least squares, the vectors of known words from 10 words on each side in
    the corpus; a word's weight is the logarithm of its count.
alacarte_ten
    The same, with 10 words on each side in the texts, too.
alacarte_window
    The same with contexts as in additive_window, in the corpus and in the texts.
conec_local
    ``embed_word`` without a map.
conec_map
    ``embed_word`` with the map of ``learn_map``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.unseen_words.tasks import MARK, Floats, Text
from conec.contexts import Window, global_embeddings, local_contexts

if TYPE_CHECKING:
    from scipy import sparse

    from conec import ContextEncoder
    from corpora.encoding import TokenStream

METHODS = (
    "additive", "additive_window", "alacarte", "alacarte_ten", "alacarte_window", "conec_local",
    "conec_map",
)  # fmt: skip
EVERYTHING = 1000  # a window that contains any text

Item = Sequence[Text]
Method = Callable[[Sequence[Item]], Floats]


def context_matrix(
    items: Sequence[Item], index: dict[str, int], window: Window
) -> tuple[sparse.csr_matrix, npt.NDArray[np.int64]]:
    """Sums of the context words of each item, shape (n_items, V), and its number of marks."""
    tokens: list[str] = []
    owners: list[int] = []
    offsets = []
    for owner, texts in enumerate(items):
        for text in texts:
            offsets.append(len(tokens))
            tokens += text
            owners += [owner] * len(text)
    ids = np.array([-1 if token == MARK else index.get(token, -1) for token in tokens], np.int32)
    targets = np.array(
        [owner if token == MARK else -1 for token, owner in zip(tokens, owners, strict=True)],
        np.int32,
    )
    matrix = local_contexts(
        ids, len(index), window, targets=targets, n_targets=len(items), offsets=offsets,
        normalize="none",
    )  # fmt: skip
    return matrix, np.bincount(targets[targets >= 0], minlength=len(items))


def baselines(
    model: ContextEncoder, stream: TokenStream, exclude: Iterable[str]
) -> dict[str, Method]:
    """All methods but those of the model; they do not learn from the words to `exclude`."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    vocabulary, W1 = model.vocabulary, np.asarray(model.W1)
    weight = np.array([word not in ENGLISH_STOP_WORDS for word in vocabulary.words], np.float32)
    content = weight[:, None] * W1
    keep = vocabulary.keep_probability(model.config.sample)
    as_trained = Window(5, "subsampled", 1, keep)

    def summed(window: Window, table: Floats) -> Method:
        def method(items: Sequence[Item]) -> Floats:
            vectors: Floats = context_matrix(items, vocabulary.index, window)[0] @ table
            return vectors

        return method

    log_count = np.log(np.maximum(vocabulary.counts, 1)).astype(np.float32)
    log_count[[vocabulary.index[word] for word in exclude if word in vocabulary]] = 0

    def matrix_for(window: Window) -> Floats:
        X = global_embeddings(stream, W1, window, normalize="count")
        return least_squares(X, W1, log_count)

    def mapped(window: Window, A: Floats) -> Method:
        def method(items: Sequence[Item]) -> Floats:
            matrix, n = context_matrix(items, vocabulary.index, window)
            mean: Floats = (matrix @ W1) / np.maximum(n, 1)[:, None].astype(np.float32)
            return mean @ A

        return method

    ten = matrix_for(Window(10))
    return {
        "additive": summed(Window(EVERYTHING), content),
        "additive_window": summed(as_trained, W1),
        "alacarte": mapped(Window(EVERYTHING), ten),
        "alacarte_ten": mapped(Window(10), ten),
        "alacarte_window": mapped(as_trained, matrix_for(as_trained)),
    }


def least_squares(X: Floats, Y: Floats, weight: Floats) -> Floats:
    """The matrix A that minimizes ``sum(weight * |X A - Y|^2)``."""
    root = np.sqrt(weight)[:, None]
    A, *_ = np.linalg.lstsq(root * X, root * Y, rcond=None)
    return A.astype(np.float32)


def of_model(model: ContextEncoder) -> Method:
    """The model's methods."""

    def method(items: Sequence[Item]) -> Floats:
        return np.stack([model.embed_word(MARK, list(texts)) for texts in items])

    return method
