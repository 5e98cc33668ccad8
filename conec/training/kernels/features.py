"""Training with features of the target word as inputs in addition to its context words.

Each position draws its own noise words and takes its own gradient step, as with
``negatives="exact"``, and with the same random draws.
"""

from __future__ import annotations

import numpy as np

from conec.training.kernels.exponential import exp
from conec.training.kernels.random import GOLDEN, mix, uniform
from conec.training.kernels.sampling import prepare
from corpora.jit import compiled

_MATH = {"reassoc", "contract", "arcp", "nsz"}
_F0, _F1 = np.float32(0), np.float32(1)


@compiled(nogil=True, error_model="numpy", fastmath=_MATH)
def train_chunk(stream, words, settings, chunk, features, W1, F1, W2):  # type: ignore[no-untyped-def]
    """Train on a chunk; W1, F1 and W2 change in place.

    The sum of the rows of a target's features, each times its value, is added to the mean
    or sum of the context rows.

    Parameters
    ----------
    stream, words, settings, chunk, features
        As in `conec.training.kernels.arguments`, with a batch size of 1.
    W1, W2 : float32 arrays of shape (V, d)
    F1 : float32 array of shape (n_features, d)

    Returns
    -------
    loss : float
    n_positions : int
    """
    word, left, right, known, first, last, noise = prepare(stream, words, settings, chunk)
    ids, keep, rate1, rate2 = stream.ids, words.keep, words.rate1, words.rate2
    indptr, indices, values = features.indptr, features.indices, features.values
    feature_rate, dropout = features.rate, features.dropout
    start, alpha_start, alpha_stop = chunk.start, chunk.alpha_start, chunk.alpha_stop
    token_key, feature_key = chunk.token_key, features.key
    negative, mean, corrected = settings.negative, settings.mean, settings.corrected
    d = W1.shape[1]
    h, change = np.empty(d, np.float32), np.empty(d, np.float32)
    loss, n_positions = 0.0, 0
    slope = (alpha_stop - alpha_start) / max(last - first, 1)
    t = start - 1
    for i in range(first, last):
        # index of this token in the corpus: skip the tokens that subsampling dropped
        t += 1
        while ids[t] >= 0 and uniform(mix(token_key + np.uint64(t) * GOLDEN)) >= keep[ids[t]]:
            t += 1
        target = word[i]
        if target < 0:
            continue
        n_context = known[right[i]] - known[left[i]] - 1
        state = mix(feature_key + np.uint64(t) * GOLDEN)
        h[:] = _F0
        change[:] = _F0
        n_kept = 0
        for j in range(indptr[t], indptr[t + 1]):
            if uniform(mix(state + np.uint64(j - indptr[t]) * GOLDEN)) >= dropout:
                row, value = F1[indices[j]], values[j]
                for c in range(d):
                    h[c] += value * row[c]
                n_kept += 1
        if n_context + n_kept == 0:
            continue
        share = _F1 / np.float32(n_context) if mean and n_context else _F1
        for p in range(left[i], right[i]):
            if p != i and word[p] >= 0:
                row = W1[word[p]]
                for c in range(d):
                    h[c] += share * row[c]
        alpha = np.float32(alpha_start + slope * (i - first))
        for k in range(negative + 1):
            # first the noise words, then the target
            is_target = k == negative
            output = target if is_target else noise[i - first, k]
            is_noise = True
            if not is_target:
                for p in range(left[i], right[i]):
                    if word[p] == output:
                        is_noise = False  # it is the target or one of its context words
            if not is_noise:
                continue
            row = W2[output]
            score = _F0
            for c in range(d):
                score += h[c] * row[c]
            odds = exp(-score if is_target else score)
            loss += np.log(1.0 + np.float64(odds))
            error = odds / (_F1 + odds) if is_target else -odds / (_F1 + odds)
            step, word_step = alpha * error, alpha * rate2[output] * error
            for c in range(d):
                old = row[c]
                change[c] += step * old
                row[c] = old + word_step * h[c]
        if not corrected:
            share = _F1
        for p in range(left[i], right[i]):
            if p != i and word[p] >= 0:
                row, step = W1[word[p]], share * rate1[word[p]]
                for c in range(d):
                    row[c] += step * change[c]
        for j in range(indptr[t], indptr[t + 1]):
            if uniform(mix(state + np.uint64(j - indptr[t]) * GOLDEN)) >= dropout:
                row, step = F1[indices[j]], values[j] * feature_rate[indices[j]]
                for c in range(d):
                    row[c] += step * change[c]
        n_positions += 1
    return loss, n_positions
