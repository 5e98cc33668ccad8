"""Links re-implemented slowly and plainly: ranks, losses, scores."""

from __future__ import annotations

import math

import numpy as np


def rank(scores, true, others=()):
    """Mean rank of one entity among all but the others that hold, a comparison at a time."""
    above = level = 0
    for entity, value in enumerate(scores):
        if entity == true or entity in others:
            continue
        if value > scores[true]:
            above += 1
        elif value == scores[true]:
            level += 1
    return 1 + above + level / 2


def both_ranks(score, triples, known, n_entities):
    """Ranks of tails and heads, raw and filtered, each of shape (2, m); score(side, e, r)."""
    raw, filtered = np.empty((2, len(triples))), np.empty((2, len(triples)))
    for i, (h, r, t) in enumerate(triples):
        for side, given, true in ((0, h, t), (1, t, h)):
            scores = [score(side, given, r, e) for e in range(n_entities)]
            others = {
                (k[2], k[0])[side]
                for k in known
                if k[1] == r and (k[0], k[2])[side] == given and (k[2], k[0])[side] != true
            }
            raw[side, i] = rank(scores, true)
            filtered[side, i] = rank(scores, true, others)
    return raw, filtered


def softmax_error(scores, positives):
    """Sum of weight times cross-entropy over positives (row, column, weight)."""
    return sum(
        w * (math.log(sum(math.exp(s) for s in scores[i])) - scores[i][j]) for i, j, w in positives
    )


def bce_error(scores, positives, row_weights):
    """Binary cross-entropy of each score; positives' second part weighs what they say."""
    total = 0.0
    for i, row in enumerate(scores):
        total += row_weights[i] * sum(math.log(1 + math.exp(s)) for s in row)
    return total - sum(w * scores[i][j] for i, j, w in positives)


def complex_product(y, m):
    """Real and imaginary halves as complex numbers, multiplied."""
    d = len(y) // 2
    product = (y[:d] + 1j * y[d:]) * (m[:d] + 1j * m[d:])
    return np.concatenate([product.real, product.imag])
