"""The CBOW step written out slowly: one position, one word at a time, in float64."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def mix(x: int) -> int:
    """SplitMix64's finaliser, on Python integers."""
    x &= MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


@dataclass
class Token:
    """A token that subsampling keeps: its word (-1 for none) and the ends of its window."""

    word: int
    left: int
    right: int
    is_target: bool = True


@dataclass
class Position:
    """A token to predict: its word (-1 for none) and its context words."""

    word: int
    context: list[int]


@dataclass
class Batch:
    """Positions that share noise words."""

    positions: list[Position] = field(default_factory=list)
    noise: list[int] = field(default_factory=list)
    alpha: float = 0.0


def tokens(ids, offsets, start, stop, keep, window, min_window, token_key) -> list[Token]:
    """The tokens that subsampling keeps, of all documents; targets are those of [start, stop)."""
    found: list[Token] = []
    for low, high in zip(offsets[:-1], offsets[1:], strict=True):
        kept = []
        for t in range(low, high):
            u = mix(int(token_key) + t * GOLDEN)
            if ids[t] < 0 or np.float32(u >> 40) * np.float32(2.0**-24) < keep[ids[t]]:
                width = min_window + (((u & 0xFFFFFFFF) * (window - min_window + 1)) >> 32)
                kept.append((t, width))
        begin, end = len(found), len(found) + len(kept)
        for i, (t, width) in enumerate(kept, begin):
            found.append(
                Token(
                    int(ids[t]),
                    max(begin, i - width),
                    min(end, i + 1 + width),
                    bool(start <= t < stop),
                )
            )
    return found


def positions(found: list[Token]) -> list[Position]:
    """The targets among tokens, with the words around each."""
    result = []
    for i, token in enumerate(found):
        if token.is_target:
            context = [
                found[c].word
                for c in range(token.left, token.right)
                if c != i and found[c].word >= 0
            ]
            result.append(Position(token.word, context))
    return result


def draw(key, n_batches, n_shared, probability) -> list[list[int]]:
    """Noise words of each batch: the k-th from the k-th of `n_shared` equal parts."""
    cumulated, result, state = np.cumsum(probability), [], int(key)
    for _ in range(n_batches):
        noise = []
        for k in range(n_shared):
            state = (state + GOLDEN) & MASK
            x = (k + (mix(state) >> 11) * 2.0**-53) / n_shared
            noise.append(int(np.argmax(cumulated > x)))
        result.append(noise)
    return result


def batches(found, batch_size, n_shared, probability, noise_key, alphas) -> list[Batch]:
    """Cut positions into batches and draw their noise words."""
    slope = (alphas[1] - alphas[0]) / max(len(found), 1)
    starts = range(0, len(found), batch_size)
    noise = draw(noise_key, len(starts), n_shared, probability)
    return [
        Batch(found[first : first + batch_size], words, alphas[0] + slope * first)
        for first, words in zip(starts, noise, strict=True)
    ]


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def loss(W1, W2, batch: Batch, weight: float, mean: bool) -> float:
    """Negative log likelihood of a batch (thesis, section 7.1)."""
    total = 0.0
    for position in batch.positions:
        if position.word < 0 or not position.context:
            continue
        h = sum(W1[c] for c in position.context)
        if mean:
            h = h / len(position.context)
        total -= np.log(sigmoid(h @ W2[position.word]))
        for n in batch.noise:
            if n != position.word and n not in position.context:
                total -= weight * np.log(1 - sigmoid(h @ W2[n]))
    return float(total)


def gradient(W1, W2, batch: Batch, weight: float, mean: bool, corrected: bool):
    """Gradients of `loss`; with ``corrected=False``, word2vec's instead of W1's."""
    G1, G2 = np.zeros_like(W1), np.zeros_like(W2)
    for position in batch.positions:
        if position.word < 0 or not position.context:
            continue
        size = len(position.context)
        h = sum(W1[c] for c in position.context)
        if mean:
            h = h / size
        e = np.zeros(W1.shape[1])
        outputs = [(position.word, 1.0, 1.0)] + [
            (n, 0.0, weight)
            for n in batch.noise
            if n != position.word and n not in position.context
        ]
        for word, target, w in outputs:
            miss = w * (sigmoid(h @ W2[word]) - target)
            e += miss * W2[word]
            G2[word] += miss * h
        for c in position.context:
            G1[c] += e / size if mean and corrected else e
    return G1, G2


def train(W1, W2, rate, found, all_batches, weight, mean, corrected, window, rows):
    """Train on tokens, `rows` positions a step; the weights after it and the sum of losses.

    A token has a copy of its row of W1, made `window` and up to `rows` tokens ahead of the
    step, and its part of the gradient is added `window` tokens behind it.
    """
    W1, W2, total = W1.astype(np.float64), W2.astype(np.float64), 0.0
    targets = [i for i, token in enumerate(found) if token.is_target]
    if not targets:
        return W1, W2, total
    first, last = targets[0], targets[-1] + 1
    copies, gradients = {}, {}

    def come(low, high):
        for i in range(max(low, 0), min(high, len(found))):
            if found[i].word >= 0:
                copies[i] = W1[found[i].word].copy()
                gradients.setdefault(i, np.zeros(W1.shape[1]))

    def go(low, high):
        for i in range(max(low, 0), min(high, len(found))):
            if found[i].word >= 0:
                W1[found[i].word] -= rate[0][found[i].word] * gradients[i]

    come(first - window, first + window)
    at = first
    for batch in all_batches:
        end = at + len(batch.positions)
        for q in range(at, end, rows):
            come(q + window, q + window + rows)
            step = range(q, min(q + rows, end))
            total += _step(W2, rate, found, step, batch, copies, gradients, weight, mean, corrected)
            go(q - window, step.stop - window)
        at = end
    go(last - window, last + window)
    return W1, W2, total


def _step(W2, rate, found, step, batch, copies, gradients, weight, mean, corrected) -> float:
    """Positions that take a step together: noise words in turn, then target words."""
    total = 0.0
    contexts, embeddings, errors, misses = {}, {}, {}, {}
    for p in step:
        token = found[p]
        around = [c for c in range(token.left, token.right) if c != p and found[c].word >= 0]
        if token.word < 0 or not around:
            continue
        h = sum(copies[c] for c in around) / (len(around) if mean else 1)
        contexts[p], embeddings[p], errors[p] = around, h, np.zeros_like(h)
        words = [found[c].word for c in around]
        for k, n in enumerate(batch.noise):
            if n != token.word and n not in words:
                misses[p, k] = weight * sigmoid(h @ W2[n])
                total -= weight * np.log(1 - sigmoid(h @ W2[n]))
        misses[p, "target"] = sigmoid(h @ W2[token.word]) - 1
        total -= np.log(sigmoid(h @ W2[token.word]))
    for k, n in enumerate(batch.noise):
        old = W2[n].copy()
        for p, h in embeddings.items():
            if (p, k) in misses:
                errors[p] += misses[p, k] * old
                W2[n] -= rate[1][n] * batch.alpha * misses[p, k] * h
    for p in embeddings:
        errors[p] += misses[p, "target"] * W2[found[p].word]
    for p, h in embeddings.items():
        word = found[p].word
        W2[word] -= rate[1][word] * batch.alpha * misses[p, "target"] * h
    for p, around in contexts.items():
        for c in around:
            share = len(around) if mean and corrected else 1
            gradients[c] += batch.alpha * errors[p] / share
    return float(total)
