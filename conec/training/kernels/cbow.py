"""CBOW with negative sampling on a CPU, compiled by Numba, without the GIL.

The network is the thesis's Context Encoder (section 7.1). A sparse binary input, the context
words, times W1 is an embedding. The sigmoid of its products with rows of W2 gives similarities
to the target word and to noise words.

A step processes ROWS consecutive positions with the exact gradient of their loss. It is fast
for three reasons:

1. A row of W1 is added to prefix sums when a window first reaches it. The context of a position
   is the difference of two prefix sums minus the position's own row, so the cost does not depend
   on the window size. The gradient is handled in the same way: it is added at the left end of the
   window and subtracted at the right end, and a running sum of these differences is added to a
   row when no window reaches the row any more. Prefix sums and gradients are in ring buffers that
   stay in the cache.
2. The steps of a batch share their noise words. The rows of the noise words stay in the L1 cache,
   and are used in small matrix products whose sums stay in registers.
3. Each part of a step is one loop over columns, which does all operations on a row while it is in
   registers (`conec.training.kernels.step`).

A position therefore uses rows of W2 as the previous step left them, and rows of W1 as they were
when a window first reached them.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba import types
from numba.extending import overload

from conec.training.kernels import step as s
from conec.training.kernels.exponential import exp
from conec.training.kernels.sampling import FAR, prepare
from conec.training.kernels.simd import address, combine_rows, copy_row, prefetch, prefetch_far
from corpora.jit import compiled

ROWS = s.ROWS
_F0, _F1 = np.float32(0), np.float32(1)
# sums may be reordered, which vector code needs; infinity and NaN keep their meaning
_MATH = {"contract", "reassoc", "nsz", "arcp"}
_AHEAD = 8  # rows
_REBASE = 64  # steps after which prefix sums restart from 0, so that they stay small


def row_of(rows: Any, w: Any) -> Any:
    """Address of a word's row.

    `rows` is an array of addresses, or the address and the row size (bytes) of a matrix.
    """


@overload(row_of, inline="always")
def _row_of(rows, w):  # type: ignore[no-untyped-def]
    if isinstance(rows, types.Array):
        return lambda rows, w: rows[w]
    return lambda rows, w: rows[0] + w * rows[1]


@nb.njit(nogil=True, error_model="numpy", fastmath=_MATH)
def _mask(mask, K, weight, noise, slot, chain, word, left, right, p0, p1, window):  # type: ignore[no-untyped-def]
    """Fill in the weights of noise words: 0 for those that are the target or context words.

    ``slot[w]`` is 1 plus the index of the last draw of word w; ``chain[k]`` is the same for the
    draw of that word before draw k. `slot` is all zero before and after.
    """
    n_shared = len(noise)
    for i in range(p1 - p0):
        for k in range(n_shared):
            mask[i * K + k] = weight
        for k in range(n_shared, K):
            mask[i * K + k] = _F0
    for k in range(n_shared):
        chain[k] = slot[noise[k]]
        slot[noise[k]] = k + 1
    for i in range(p0 - window, p1 + window):
        w = word[i]
        if w >= 0 and slot[w] > 0:
            k = slot[w]
            while k > 0:
                for p in range(max(p0, i - window), min(p1, i + window + 1)):
                    if left[p] <= i < right[p]:
                        mask[(p - p0) * K + k - 1] = _F0
                k = chain[k - 1]
    for k in range(n_shared):
        slot[noise[k]] = 0


@nb.njit(nogil=True)
def zero_rows(n, size):  # type: ignore[no-untyped-def]
    """A matrix of zeros with rows aligned to cache lines."""
    width = (size + 15) // 16 * 16
    memory = np.zeros(n * width + 16, np.float32)
    start = (-(address(memory) >> 2)) & 15
    return memory[start : start + n * width].reshape(n, width)[:, :size]


@nb.njit(nogil=True, error_model="numpy", fastmath=_MATH)
def _train(text, rows1, rows2, rate1, rate2, d, settings, chunk, slot):  # type: ignore[no-untyped-def]
    """Train on a text from `prepare`; `rows1` and `rows2` are arguments of `row_of`."""
    word, left, right, known, first, last, noise = text
    window, batch_size = settings.window, settings.batch_size
    mean, corrected = settings.mean, settings.corrected
    alpha_start, alpha_stop = chunk.alpha_start, chunk.alpha_stop
    n_shared = noise.shape[1]
    K = (n_shared + 3) // 4 * 4
    width = (d + 15) // 16 * 16
    ring = 1
    while ring < 2 * window + 2 * ROWS + 2:
        ring *= 2
    wrap = ring - 1
    P = zero_rows(ring, d)  # prefix sums of W1's rows
    G = zero_rows(ring, d)  # gradient, as differences
    H = zero_rows(ROWS, d)  # embeddings of the contexts
    extra = zero_rows(5, d)
    ring_bytes = 4 * width
    p_at, g_at, nothing = address(P), address(G), address(extra)
    # substitutes for missing rows, so that steps need no branches: zeros for reading the row of
    # an unknown word, a sink for writing it, rows for missing noise and target words and for
    # their gradients; the last row is the running sum
    sink, no_word = nothing + ring_bytes, nothing + 2 * ring_bytes
    no_gradient, run = nothing + 3 * ring_bytes, nothing + 4 * ring_bytes
    F = np.zeros(ROWS * K, np.float32)  # scores
    errors = np.zeros(ROWS * K, np.float32)
    rates = np.zeros(K, np.float32)  # of the noise words
    mask = np.zeros((batch_size + ROWS) * K, np.float32)  # weight of each noise word
    rows = np.full(K, no_word, np.int64)
    chain = np.zeros(K, np.int32)
    ahead = np.zeros(s.N_FORWARD, np.int64)
    back = np.zeros(s.N_BACKWARD, np.int64)
    back[s.RUN] = run
    x = np.zeros(ROWS, np.float32)
    share_in = np.zeros(ROWS, np.float32)
    share_out = np.zeros(ROWS, np.float32)
    # errors at target words, without and with the words' rates; rates of the words that no
    # window reaches any more
    step = np.zeros(3 * ROWS, np.float32)
    weight = np.float32(settings.negative / n_shared)
    alpha_slope = (alpha_stop - alpha_start) / max(last - first, 1)
    loss = 0.0
    # products of likelihoods; logarithms are taken before they leave the range of float64
    noise_product = 1.0
    target_product = 1.0
    n_positions = 0
    n_steps = 0

    for i in range(first - window, first + window):
        w = word[i]
        before, total = p_at + (i & wrap) * ring_bytes, p_at + ((i + 1) & wrap) * ring_bytes
        row = row_of(rows1, w) if w >= 0 else nothing
        combine_rows(total, _F1, before, _F1, row, d)
    for b in range(noise.shape[0] - 1):
        p0 = first + b * batch_size
        p1 = min(last, p0 + batch_size)
        alpha = np.float32(alpha_start + alpha_slope * (p0 - first))
        _mask(mask, K, weight, noise[b], slot, chain, word, left, right, p0, p1, window)
        for k in range(n_shared):
            rows[k] = row_of(rows2, noise[b, k])
            rates[k] = rate2[noise[b, k]]
        for q in range(p0, p1, ROWS):
            m = min(ROWS, p1 - q)
            # prefetch rows for the next step, and for a step FAR steps ahead
            for i in range(q + ROWS, q + 2 * ROWS):
                if word[i] >= 0:
                    prefetch(row_of(rows2, word[i]), d)
                if word[i + window] >= 0:
                    prefetch(row_of(rows1, word[i + window]), d)
            for i in range(q + FAR * ROWS, q + (FAR + 1) * ROWS):
                if word[i] >= 0:
                    prefetch_far(row_of(rows2, word[i]), d)
                if word[i + window] >= 0:
                    prefetch_far(row_of(rows1, word[i + window]), d)
            for k in range(
                (q - p0) * n_shared // batch_size, (q + ROWS - p0) * n_shared // batch_size
            ):
                prefetch(row_of(rows2, noise[b + 1, min(k, n_shared - 1)]), d)
            ahead[s.BEFORE] = p_at + ((q + window) & wrap) * ring_bytes
            for r in range(ROWS):
                p = q + r
                i = p + window
                ahead[s.IN + r] = row_of(rows1, word[i]) if word[i] >= 0 else nothing
                ahead[s.IN_SUM + r] = p_at + ((i + 1) & wrap) * ring_bytes
                ahead[s.HERE + r] = p_at + (p & wrap) * ring_bytes
                back[s.G_HERE + r] = g_at + (p & wrap) * ring_bytes
                count = 0
                if r < m:
                    ahead[s.LEFT + r] = p_at + (left[p] & wrap) * ring_bytes
                    ahead[s.RIGHT + r] = p_at + (right[p] & wrap) * ring_bytes
                    back[s.G_LEFT + r] = g_at + (left[p] & wrap) * ring_bytes
                    back[s.G_RIGHT + r] = g_at + (right[p] & wrap) * ring_bytes
                    i = p - window
                    w = word[i]
                    back[s.OUT + r] = row_of(rows1, w) if w >= 0 else sink
                    step[2 * ROWS + r] = rate1[w] if w >= 0 else _F0
                    back[s.G_OUT + r] = g_at + (i & wrap) * ring_bytes
                    if word[p] >= 0:
                        count = known[right[p]] - known[left[p]] - 1
                else:
                    ahead[s.LEFT + r] = ahead[s.RIGHT + r] = ahead[s.HERE + r]
                    back[s.G_LEFT + r] = back[s.G_RIGHT + r] = back[s.G_HERE + r]
                    back[s.OUT + r], back[s.G_OUT + r] = sink, no_gradient
                if count > 0:
                    n_positions += 1
                    back[s.TARGET + r] = row_of(rows2, word[p])
                    share_in[r] = _F1 / np.float32(count) if mean else _F1
                    share_out[r] = _F1 / np.float32(count) if mean and corrected else _F1
                    step[r] = alpha
                else:
                    back[s.TARGET + r] = no_word
                    share_in[r] = share_out[r] = step[r] = _F0
                    for k in range(K):
                        mask[(p - p0) * K + k] = _F0
            ahead[s.HERE + ROWS] = p_at + ((q + ROWS) & wrap) * ring_bytes
            back[s.G_HERE + ROWS] = g_at + ((q + ROWS) & wrap) * ring_bytes
            s.forward(ahead, share_in, H, width, d)
            s.scores(F, H, width, rows, K, d)
            s.target_scores(x, H, width, back, d)
            at = (q - p0) * K
            likelihood = 1.0
            for k in range(ROWS * K):
                p_noise = _F1 / (_F1 + exp(F[k]))  # 1 - sigmoid
                weights = mask[at + k]
                errors[k] = (p_noise - _F1) * weights * alpha
                likelihood *= np.float64(p_noise if weights > _F0 else _F1)
            if likelihood > 1e-100:
                noise_product *= likelihood
            else:  # too small to be multiplied
                for k in range(ROWS * K):
                    if mask[at + k] > _F0:
                        loss += np.log(1.0 + np.float64(exp(F[k]))) * weight
            if noise_product < 1e-100:
                loss -= np.log(noise_product) * weight
                noise_product = 1.0
            for r in range(ROWS):
                odds = exp(-x[r])
                if step[r] > _F0:
                    target_product *= 1.0 + np.float64(odds)
                step[r] *= odds / (_F1 + odds)
                step[ROWS + r] = step[r] * rate2[max(word[q + r], 0)]
            if target_product > 1e200:
                loss += np.log(target_product)
                target_product = 1.0
            s.backward(errors, rates, rows, K, step, H, width, back, share_out, d)
            n_steps += 1
            if n_steps % _REBASE == 0:
                base = P[(q - window) & wrap]
                for i in range(q - window + 1, q + ROWS + window + 1):
                    total = P[i & wrap]
                    for j in range(d):
                        total[j] -= base[j]
                for j in range(d):
                    base[j] = _F0
    # rows that windows still reach at the end of the chunk
    total = extra[4]
    for i in range(last - window, last + window):
        g = G[i & wrap]
        for j in range(d):
            total[j] += g[j]
        w = word[i]
        if w >= 0:
            row = row_of(rows1, w)
            combine_rows(row, _F1, row, rate1[w], run, d)
    loss += np.log(target_product) - np.log(noise_product) * weight
    return loss, n_positions


@compiled(nogil=True, error_model="numpy", fastmath=_MATH)
def train_chunk(stream, words, settings, chunk, W1, W2, scratch):  # type: ignore[no-untyped-def]
    """Train on a chunk; W1 and W2 change in place.

    Parameters
    ----------
    stream, words, settings, chunk
        As in `conec.training.kernels.arguments`.
    W1, W2 : float32 arrays of shape (V, d)
    scratch : int16 array of shape (V,)
        All zero before and after.

    Returns
    -------
    loss : float
        Sum over positions of the negative log likelihood (float64). Scores are clipped to ±20,
        so each likelihood is at least exp(-20).
    n_positions : int
        Number of positions that were trained.
    """
    text = prepare(stream, words, settings, chunk)
    rows1, rows2 = (address(W1), W1.strides[0]), (address(W2), W2.strides[0])
    rates = words.rate1, words.rate2
    return _train(text, rows1, rows2, *rates, W1.shape[1], settings, chunk, scratch)


@compiled(nogil=True, error_model="numpy", fastmath=_MATH)
def train_marking(stream, words, settings, chunk, W1, W2, scratch, marks1, marks2):  # type: ignore[no-untyped-def]
    """Train as `train_chunk` does, and mark the rows that may have changed.

    Parameters
    ----------
    stream, words, settings, chunk, W1, W2, scratch
        As for `train_chunk`.
    marks1, marks2 : bool arrays of shape (V,)
        Set to True for the rows of W1 and of W2 that the chunk uses.

    Returns
    -------
    loss, n_positions
        As for `train_chunk`.
    """
    text = prepare(stream, words, settings, chunk)
    word, noise = text[0], text[-1]
    for i in range(len(word)):
        if word[i] >= 0:
            marks1[word[i]] = marks2[word[i]] = True
    for b in range(len(noise)):
        for k in range(noise.shape[1]):
            marks2[noise[b, k]] = True
    rows1, rows2 = (address(W1), W1.strides[0]), (address(W2), W2.strides[0])
    rates = words.rate1, words.rate2
    return _train(text, rows1, rows2, *rates, W1.shape[1], settings, chunk, scratch)


@nb.njit(nogil=True)
def _numbered(w, place, words, n):  # type: ignore[no-untyped-def]
    """Index of a word in ``words[:n]``, to which a new word is appended; and the new n."""
    if place[w] < 0:
        words[n] = w
        place[w] = n
        n += 1
    return place[w], n


@compiled(nogil=True)
def plan_chunk(stream, vocabulary, settings, chunk, place):  # type: ignore[no-untyped-def]
    """Make the random draws of a chunk and number its words, for `train_on_copies`.

    Parameters
    ----------
    stream, vocabulary, settings, chunk
        As in `conec.training.kernels.arguments`; `vocabulary` is of type `Words`.
    place : int32 array of shape (V,)
        Scratch, all -1 before and after.

    Returns
    -------
    text : tuple
        The result of `conec.training.kernels.sampling.prepare`, with indices of `words` in place
        of word ids.
    words : int32 array of shape (n,)
        The distinct words of the chunk.
    n_text : int
        The first `n_text` words occur in the text; the others are only noise words.
    """
    word, left, right, known, first, last, noise = prepare(stream, vocabulary, settings, chunk)
    words = np.empty(min(len(place), len(word) + noise.size), np.int32)
    n = 0
    for i in range(len(word)):
        if word[i] >= 0:
            word[i], n = _numbered(word[i], place, words, n)
    n_text = n
    for b in range(len(noise)):
        for k in range(settings.n_shared):
            noise[b, k], n = _numbered(noise[b, k], place, words, n)
    words = words[:n]
    for i in range(n):
        place[words[i]] = -1
    return (word, left, right, known, first, last, noise), words, n_text


@nb.njit(nogil=True)
def _rows(W, words, counts, buffer, used):  # type: ignore[no-untyped-def]
    """Addresses of the rows of words: rows of W, or copies if other chunks use the word too.

    The copies are made here, in `buffer`, whose first `used` rows are occupied. Returns the
    addresses and the words that were copied.
    """
    rows = np.empty(len(words), np.int64)
    for i in range(len(words)):
        rows[i] = row_of((address(W), W.strides[0]), words[i])
    copied = np.empty(len(words), np.int32)
    d, n = W.shape[1], 0
    for i in range(len(words)):
        if i + _AHEAD < len(words):
            prefetch(rows[i + _AHEAD], d)
        if counts[words[i]] > 1:
            copy = address(buffer) + (used + n) * buffer.strides[0]
            copy_row(copy, rows[i], d)
            rows[i] = copy
            copied[n] = words[i]
            n += 1
    return rows, copied[:n]


@compiled(nogil=True, error_model="numpy", fastmath=_MATH)
def train_on_copies(  # type: ignore[no-untyped-def]
    settings, chunk, text, words, n_text, W1, W2, rate1, rate2, counts1, counts2, scratch, buffer
):
    """Train as `train_chunk` does, on copies of the rows that other chunks use too.

    Parameters
    ----------
    settings, chunk
        As in `conec.training.kernels.arguments`.
    text, words, n_text
        From `plan_chunk`.
    W1, W2 : float32 arrays of shape (V, d)
        Rows that no other chunk uses are changed in place.
    rate1, rate2 : float32 arrays of shape (V,)
        As in `conec.training.kernels.arguments.Words`.
    counts1, counts2 : int32 arrays of shape (V,)
        Number of chunks of the round that use each row of W1 and of W2.
    scratch : int16 array of shape (V,)
        All zero before and after.
    buffer : float32 array of shape (n, d)
        Memory for copies; if it is too small, a larger one is made.

    Returns
    -------
    loss, n_positions
        As in `train_chunk`.
    words1, words2 : int32 arrays
        The words whose rows of W1 and W2 were copied.
    buffer : float32 array of shape (n, d)
        The trained copies: those of W1, then those of W2.
    """
    d = W1.shape[1]
    if len(buffer) < n_text + len(words):
        buffer = zero_rows((n_text + len(words)) * 5 // 4, d)
    rows1, words1 = _rows(W1, words[:n_text], counts1, buffer, 0)
    rows2, words2 = _rows(W2, words, counts2, buffer, len(words1))
    rates = rate1[words], rate2[words]
    loss, n_positions = _train(text, rows1, rows2, *rates, d, settings, chunk, scratch)
    return loss, n_positions, words1, words2, buffer
