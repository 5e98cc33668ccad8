"""Slow, plain re-implementations that tests compare with."""

from __future__ import annotations

import numpy as np


def context_matrix(
    documents,
    n_words,
    *,
    window=5,
    weighting="uniform",
    min_window=1,
    keep=None,
    diagonal=0.0,
    normalize="count",
    targets=None,
    n_rows=None,
):
    """Average context vectors, by a loop over all pairs of positions of a document.

    `documents` are lists of ids, below 0 for no word; `targets` lists of the same
    shape with the row that each position counts for.
    """
    n_rows = n_words if n_rows is None else n_rows
    total = np.zeros((n_rows, n_words))
    occurrences = np.zeros(n_rows)
    for number, document in enumerate(documents):
        rows = document if targets is None else targets[number]
        for i, row in enumerate(rows):
            if row < 0:
                continue
            occurrences[row] += 1
            for j, word in enumerate(document):
                distance = abs(i - j)
                if word < 0 or not 1 <= distance <= window:
                    continue
                total[row, word] += pair_weight(distance, window, weighting, min_window) * (
                    keep[word] if weighting in ("subsampled", "sif") else 1
                )
    if diagonal:
        total += np.diag(diagonal * occurrences)
    for row in total:
        if normalize == "max" and row.any():
            row /= row.max()
    if normalize == "count":
        total /= np.maximum(occurrences, 1)[:, None]
    return total


def pair_weight(distance, window, weighting, min_window):
    if weighting == "uniform":
        return 1.0
    if weighting == "distance":
        return 1.0 / distance
    sizes = range(min_window, window + 1)
    return sum(distance <= size for size in sizes) / len(sizes)


def unit(rows):
    length = np.sqrt((np.asarray(rows, float) ** 2).sum(axis=-1, keepdims=True))
    return np.where(length > 0, rows / np.where(length > 0, length, 1), 0.0)


def embeddings(tokens, words, W1, global_vectors, a, *, window=5):
    """Eq. 7.1 with dense matrices, for each token: a 1/distance local context vector.

    Returns embeddings of unit length (or zero) and whether there is one.
    """
    index = {word: i for i, word in enumerate(words)}
    distinct = list(dict.fromkeys(tokens))
    document = [index.get(token, -1) if token else -1 for token in tokens]
    rows = [distinct.index(token) for token in tokens]
    local = context_matrix(
        [document],
        len(words),
        window=window,
        weighting="distance",
        normalize="max",
        targets=[rows],
        n_rows=len(distinct),
    )
    result = np.zeros((len(tokens), W1.shape[1]))
    for i, token in enumerate(tokens):
        if not token:
            continue
        x = local[distinct.index(token)]
        if token in index:
            x = a * global_vectors[index[token]] + (1 - a) * x
        result[i] = x @ unit(W1)
    return unit(result), result.any(axis=1)


def keep_probability(counts, sample):
    total = sum(counts)
    kept = []
    for n in counts:
        if not sample or not n:
            kept.append(1.0)
            continue
        f = n / total
        kept.append(min(1.0, ((f / sample) ** 0.5 + 1) * sample / f))
    return kept


def noise(counts, exponent):
    weights = [n**exponent if n else 0.0 for n in map(float, counts)]
    return [w / sum(weights) for w in weights]
