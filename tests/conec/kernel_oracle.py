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
class Position:
    """A token to predict: its word (-1 for none) and its context words."""

    word: int
    context: list[int]


@dataclass
class Batch:
    positions: list[Position] = field(default_factory=list)
    noise: list[int] = field(default_factory=list)
    alpha: float = 0.0


def positions(ids, offsets, start, stop, keep, window, min_window, token_key) -> list[Position]:
    """The tokens of [start, stop) that subsampling keeps, with their contexts."""
    found = []
    for low, high in zip(offsets[:-1], offsets[1:], strict=True):
        kept = []
        for t in range(low, high):
            u = mix(int(token_key) + t * GOLDEN)
            if ids[t] < 0 or np.float32(u >> 40) * np.float32(2.0**-24) < keep[ids[t]]:
                width = min_window + (((u & 0xFFFFFFFF) * (window - min_window + 1)) >> 32)
                kept.append((t, width))
        for i, (t, width) in enumerate(kept):
            if not start <= t < stop:
                continue
            around = kept[max(0, i - width) : i] + kept[i + 1 : i + 1 + width]
            context = [int(ids[s]) for s, _ in around if ids[s] >= 0]
            found.append(Position(int(ids[t]), context))
    return found


def batches(
    found, batch_size, n_shared, share, alias, noise_key, alpha_start, alpha_stop
) -> list[Batch]:
    """Cut positions into batches and draw their noise words."""
    result, draw = [], int(noise_key)
    slope = (alpha_stop - alpha_start) / max(len(found), 1)
    for first in range(0, len(found), batch_size):
        batch = Batch(found[first : first + batch_size], [], alpha_start + slope * first)
        for _ in range(n_shared):
            draw = (draw + GOLDEN) & MASK
            u = mix(draw)
            w = ((u >> 32) * len(share)) >> 32
            if np.float32((u & 0xFFFFFFFF) >> 8) * np.float32(2.0**-24) >= share[w]:
                w = int(alias[w])
            batch.noise.append(w)
        result.append(batch)
    return result


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


def train(W1, W2, all_batches, weight, mean, corrected):
    """All batches in turn; returns the weights after them and the sum of losses."""
    W1, W2, total = W1.astype(np.float64), W2.astype(np.float64), 0.0
    for batch in all_batches:
        total += loss(W1, W2, batch, weight, mean)
        G1, G2 = gradient(W1, W2, batch, weight, mean, corrected)
        W1 -= batch.alpha * G1
        W2 -= batch.alpha * G2
    return W1, W2, total
