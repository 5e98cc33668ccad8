"""Attribution of similarities to context words: the linear case of Sec. 5.1 of the thesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec.contexts.mapping import ContextMap
from conec.embedding import Embedder, as_texts, as_tokens, context_vectors, index_texts
from conec.linalg import normalize
from conec.neighbors import NearestNeighbors
from conec.types import DoubleArray

if TYPE_CHECKING:
    from scipy import sparse

    from simec.explain import Explanation

__all__ = ["PLACEHOLDER", "explain_similarity"]

PLACEHOLDER = "___"  # marks the position of the word in a text


def explain_similarity(
    model: NearestNeighbors,
    word_or_tokens: str | Sequence[str],
    other: str | npt.ArrayLike,
    contexts: Sequence[str | Sequence[str]] = (),
    a: float = 0.8,
    *,
    global_contexts: sparse.csr_matrix | None = None,
) -> Explanation:
    """Attribute the similarity of a word's embedding to its context words.

    An embedding is a sum over context words, scaled to unit length. Its cosine with another
    embedding is therefore a sum, too: context word c contributes ``x_c (W1_c · other)``, divided
    by the length of the sum. After `learn_map`, W1_c is mapped; the map normalizes vectors, and
    the attribution treats their lengths as constants.

    Parameters
    ----------
    model : ContextEncoder
    word_or_tokens : str or sequence of str
        A word, known or not, or a text with ``"___"`` in the place of the word.
    other : str or array of shape (d,)
        A known word, or a vector from `embed` or `embed_word`.
    contexts : sequence of texts
        Texts that contain the word, as for `embed_word`.
    a : float
        Weight of the word's own embedding if it is known.
    global_contexts : csr_matrix of shape (V, V), optional
        The result of `global_contexts` for the text and settings that were passed to
        `build_contexts` (whose default is ``normalize="max"``). With it, the contribution of the
        known word's own embedding is attributed to context words, too.

    Returns
    -------
    simec.explain.Explanation
        Explains the cosine of `other` and ``embed_word(word, contexts, a)``: relevances of
        shape (1, V), CSR, with words as names. Their sum plus `bias` is the cosine. `bias` is
        the part that no context word contributes: the word's own embedding, unless
        `global_contexts` is passed (after `learn_map` it comes from the word's row of W1), and
        the means that the map subtracts.

    Raises
    ------
    KeyError
        If `other` is not in the vocabulary.
    ValueError
        If the word has no known context words, one of the contexts does not contain the word,
        or `global_contexts` does not match the embeddings.
    RuntimeError
        If the model has no embeddings of known words.

    Examples
    --------
    >>> from conec import ContextEncoder
    >>> texts = [["we", "went", "skiing", "down", "the", "hill"], ["a", "cup", "of", "tea"]] * 30
    >>> model = ContextEncoder(vector_size=10, min_count=1, sample=0, seed=1).fit(texts)
    >>> explanation = explain_similarity(model, ["we", "went", "___", "of", "tea"], "skiing")
    >>> sorted(word for word, relevance in explanation.top(None))
    ['of', 'tea', 'we', 'went']
    >>> total = explanation.relevances.sum() + explanation.bias
    >>> bool(abs(total - explanation.value) < 1e-6)
    True
    """
    from scipy import sparse

    from simec.explain import Explanation

    word, texts = _word_and_texts(word_or_tokens, contexts)
    target = normalize(model.query_vector(other)[None])[0].astype(np.float64)
    vector = model.embed_word(word, texts, a).astype(np.float64)
    word_id = model.vocabulary.index.get(word, -1)
    n, d = len(model), model.config.vector_size
    relevances, x, embedding = np.zeros(n), sparse.csr_matrix((1, n)), np.zeros(d)
    if texts:
        relevances, x, embedding = _local_relevances(model, word, texts, target)
    if word_id >= 0 and a > 0:
        embeddings = model.stored("context_embeddings")
        assert embeddings is not None  # otherwise embed_word has raised
        row = embeddings[np.array([word_id])][0].astype(np.float64)
        relevances, x = (1 - a) * relevances, (1 - a) * x
        embedding = (1 - a) * embedding + a * row
        if global_contexts is not None:
            of_word = _global_context_of(model, global_contexts, word_id, row)
            W1 = model.unit_rows(of_word.indices).astype(np.float64)
            relevances[of_word.indices] += a * of_word.data * (W1 @ target)
            x = x + a * of_word
    x = sparse.csr_matrix(x, dtype=np.float64)
    x.eliminate_zeros()
    if not x.nnz:
        raise ValueError(
            f"the embedding of {word!r} has no known context words. Pass contexts, texts that "
            "contain it, or, after build_contexts, global_contexts"
        )
    relevances /= float(np.linalg.norm(embedding)) or 1.0
    by_word = sparse.csr_matrix((relevances[x.indices], x.indices, x.indptr), x.shape)
    cosine = float(vector @ target)
    name = other if isinstance(other, str) else "a vector"
    return Explanation(
        by_word, cosine, cosine - float(by_word.sum()), x, model.vocabulary.words,
        title=f"{word} and {name}: {cosine:.3g}",
    )  # fmt: skip


def _local_relevances(
    model: Embedder, word: str, texts: list[list[str]], target: DoubleArray
) -> tuple[DoubleArray, Any, DoubleArray]:
    """Unscaled relevances of the local context, weights of its words, and its embedding."""
    text = index_texts(texts, model.vocabulary)
    row = text.words.index(word)
    embedding: DoubleArray = model.embed_contexts(text)[row].astype(np.float64)
    if model.context_map is not None:
        counts = [
            context_vectors(text, len(model), window, "none")[[row]]
            for window in model.context_map.config.windows(model.vocabulary)
        ]
        n_occurrences = int((text.rows == row).sum())
        relevances = _mapped_relevances(model, model.context_map, counts, n_occurrences, target)
        return relevances, sum(counts[1:], counts[0]), embedding
    x = context_vectors(text, len(model), model.context_window(None, "distance"))[[row]]
    relevances = np.zeros(len(model))
    relevances[x.indices] = x.data * (model.unit_rows(x.indices).astype(np.float64) @ target)
    return relevances, x, embedding


def _mapped_relevances(
    model: Embedder,
    context_map: ContextMap,
    counts: list[Any],
    n_occurrences: int,
    target: DoubleArray,
) -> DoubleArray:
    """Relevances of the near and wide contexts of one word, through the map."""
    settings = context_map.config
    kinds = [normalize(model.times_unit_rows(x))[0].astype(np.float64) for x in counts]
    has_context = [bool(kind.any()) for kind in kinds]
    total = sum(
        (kind - mean) @ weights
        for kind, mean, weights, used in zip(
            kinds, context_map.mean, context_map.weights, has_context, strict=True
        )
        if used
    )
    length = float(np.linalg.norm(total)) or 1.0
    plain = settings.plain / np.sqrt(max(n_occurrences, 1))
    outer_length = float(np.linalg.norm(total / length + plain * kinds[-1])) or 1.0
    relevances = np.zeros(len(model))
    for k, (x, weights) in enumerate(zip(counts, context_map.weights, strict=True)):
        if not has_context[k]:
            continue
        rows = model.unit_rows(x.indices).astype(np.float64)
        inner_length = float(np.linalg.norm(x.data @ rows))
        direction = weights.astype(np.float64) @ target / length
        if k == len(counts) - 1:
            direction = direction + plain * target
        relevances[x.indices] += x.data * (rows @ direction) / (inner_length * outer_length)
    return relevances


def _global_context_of(model: Embedder, contexts: Any, word_id: int, row: DoubleArray) -> Any:
    """A word's global context vector; ValueError if its embedding was not computed from it."""
    n = len(model)
    if model.context_map is not None:
        raise ValueError(
            "after learn_map, embeddings of known words come from rows of W1, not from global "
            "contexts. Leave out global_contexts, or call build_contexts first"
        )
    if getattr(contexts, "shape", None) != (n, n):
        raise ValueError(f"global_contexts must be a sparse matrix of shape ({n}, {n})")
    from scipy import sparse

    context = sparse.csr_matrix(sparse.csr_matrix(contexts)[[word_id]], dtype=np.float64)
    embedding = context.data @ model.unit_rows(context.indices).astype(np.float64)
    if not np.allclose(embedding, row, rtol=1e-3, atol=1e-4 * float(np.abs(row).max(initial=0))):
        raise ValueError(
            "global_contexts does not match the embeddings. Compute it with the text, window, "
            "weighting, normalize and diagonal that were passed to build_contexts"
        )
    return context


def _word_and_texts(
    word: str | Sequence[str], contexts: Sequence[str | Sequence[str]]
) -> tuple[str, list[list[str]]]:
    """The word or the placeholder, and the texts that contain it."""
    texts = as_texts(contexts)
    if isinstance(word, str):
        return word, texts
    tokens = as_tokens(word, "the text")
    if PLACEHOLDER not in tokens:
        raise ValueError(f"the text must contain {PLACEHOLDER!r} in the place of the word")
    return PLACEHOLDER, [tokens, *texts]
