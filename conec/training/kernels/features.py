"""Training with features of the target word as inputs beside its context words.

Each position draws its own noise words and takes a step of its own along the gradient, as
with ``negatives="exact"``; what is random of words is drawn as there.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.training.kernels.exponential import exp
from conec.training.kernels.random import GOLDEN, mix
from conec.training.kernels.sampling import prepare

_MATH = {"reassoc", "contract", "arcp", "nsz"}
_U40 = np.uint64(40)
_TO_UNIT = np.float32(2.0**-24)
_F0, _F1 = np.float32(0), np.float32(1)


@nb.njit(inline="always")
def unit(x):  # type: ignore[no-untyped-def]
    """Uniform in [0, 1) from 64 mixed bits."""
    return np.float32(x >> _U40) * _TO_UNIT


@nb.njit(nogil=True, cache=True, error_model="numpy", fastmath=_MATH)
def train_chunk(  # type: ignore[no-untyped-def]
    ids, offsets, start, stop, W1, F1, W2, keep, rate, feature_rate, indptr, indices, values,
    cumulated, guide, alpha_start, alpha_stop, window, min_window, negative, mean, corrected,
    dropout, token_key, noise_key, feature_key,
):  # fmt: skip
    """Train on the tokens [start, stop); W1, F1 and W2 change in place.

    Parameters
    ----------
    ids, offsets, start, stop, keep, rate, cumulated, guide, alpha_start, alpha_stop
        As in `conec.training.kernels.cbow.train_chunk`.
    W1, W2 : float32 arrays of shape (V, d)
    F1 : float32 array of shape (n_features, d)
    feature_rate : float32 array of shape (n_features,)
        By which the learning rate is multiplied for each feature's row.
    indptr, indices, values : int64, int32 and float32 arrays
        Features of each of `ids`, in CSR form.
    window, min_window, negative, mean, corrected
        As in `cbow.train_chunk`; mean or sum of the context rows, to which the
        features' rows are added, each times its value.
    dropout : float
        Probability that a position does without a feature.
    token_key, noise_key, feature_key : uint64

    Returns
    -------
    loss : float
    n_positions : int
    """
    word, left, right, known, first, last, noise = prepare(
        ids, offsets, start, stop, keep, cumulated, guide, window, min_window, negative, 1,
        token_key, noise_key,
    )  # fmt: skip
    d = W1.shape[1]
    h, change = np.empty(d, np.float32), np.empty(d, np.float32)
    loss, n_positions = 0.0, 0
    slope = (alpha_stop - alpha_start) / max(last - first, 1)
    t = start - 1
    for i in range(first, last):
        # where in the corpus this token stands: past those that subsampling left out
        t += 1
        while ids[t] >= 0 and unit(mix(token_key + np.uint64(t) * GOLDEN)) >= keep[ids[t]]:
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
            if unit(mix(state + np.uint64(j - indptr[t]) * GOLDEN)) >= dropout:
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
            # noise words in turn, and the target last
            own = k == negative
            output = target if own else noise[i - first, k]
            is_noise = True
            if not own:
                for p in range(left[i], right[i]):
                    if word[p] == output:
                        is_noise = False  # neither the target nor a word of its context
            if not is_noise:
                continue
            row = W2[output]
            score = _F0
            for c in range(d):
                score += h[c] * row[c]
            odds = exp(-score if own else score)
            loss += np.log(1.0 + np.float64(odds))
            error = odds / (_F1 + odds) if own else -odds / (_F1 + odds)
            step, own_step = alpha * error, alpha * rate[output] * error
            for c in range(d):
                old = row[c]
                change[c] += step * old
                row[c] = old + own_step * h[c]
        if not corrected:
            share = _F1
        for p in range(left[i], right[i]):
            if p != i and word[p] >= 0:
                row, step = W1[word[p]], share * rate[word[p]]
                for c in range(d):
                    row[c] += step * change[c]
        for j in range(indptr[t], indptr[t + 1]):
            if unit(mix(state + np.uint64(j - indptr[t]) * GOLDEN)) >= dropout:
                row, step = F1[indices[j]], values[j] * feature_rate[indices[j]]
                for c in range(d):
                    row[c] += step * change[c]
        n_positions += 1
    return loss, n_positions
