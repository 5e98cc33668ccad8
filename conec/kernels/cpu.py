"""CBOW with negative sampling on a CPU, compiled by Numba, without the GIL.

The network is the thesis's Context Encoder (section 7.1): a sparse binary input
(the context words) times W1 gives an embedding, times some rows of W2 and through a
sigmoid gives similarities to the target word and to noise words.

One step takes a batch of consecutive positions that share their noise words:

1. The rows of W1 for the stretch of text are summed once (prefix sums); a
   position's context is the difference of two sums minus its own row, so the cost
   does not depend on the window.
2. With the noise words shared, all that concerns them is three small matrix
   products, done in tiles of four positions that stay in the first-level cache.
3. The gradient returns as it came: it is added at the window's left end, taken
   away at its right end, and one running sum brings it to every row.

The step is the exact gradient of the batch's loss at its start; nothing inside a
batch sees a row that the same batch has changed. A batch of one position with noise
words of its own is word2vec's plain stochastic step.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from conec.kernels.primitives import COLUMNS, ROWS, exp, prefetch, tile
from conec.kernels.random import GOLDEN, mix
from conec.kernels.rows import add, add_scaled, between, collect, collect_but, spread

_F0, _F1 = np.float32(0), np.float32(1)
_U8, _U32, _U40 = np.uint64(8), np.uint64(32), np.uint64(40)
_LOW32 = np.uint64(0xFFFFFFFF)
_TO_UNIT = np.float32(2.0**-24)
# order of summation is free, which vectors need; infinity and NaN keep their meaning
_MATH = {"contract", "reassoc", "nsz", "arcp"}


@nb.njit(nogil=True, cache=True)
def _read(ids, offsets, start, stop, keep, window, min_window, key, word, left, right, known):  # type: ignore[no-untyped-def]
    """Copy the tokens that subsampling keeps of [start, stop), and their surroundings.

    Fills, for each kept token, its word, the ends of its window (indices into the
    copy) and the number of known words before it. Returns the first and last + 1
    index of the tokens that are targets: those around them serve as context only.
    """
    doc = np.searchsorted(offsets, start, side="right") - 1
    doc_start = offsets[doc]
    # to the left of the range: as much of its document as a window can reach
    t = start
    missing = window
    while t > doc_start and missing > 0:
        t -= 1
        w = ids[t]
        if w < 0 or np.float32(mix(key + np.uint64(t) * GOLDEN) >> _U40) * _TO_UNIT < keep[w]:
            missing -= 1
    n = 0
    first = 0
    last = -1
    begin = 0
    known[0] = 0
    missing = window
    span = np.uint64(window - min_window + 1)
    while doc < len(offsets) - 1:
        doc_stop = offsets[doc + 1]
        while t < doc_stop:
            if t >= stop:
                if last < 0:
                    last = n
                if missing == 0:
                    break
            if t == start:
                first = n
            w = ids[t]
            u = mix(key + np.uint64(t) * GOLDEN)
            if w < 0 or np.float32(u >> _U40) * _TO_UNIT < keep[w]:
                if t >= stop:
                    missing -= 1
                width = min_window + np.int64(((u & _LOW32) * span) >> _U32)
                word[n] = w
                left[n] = max(begin, n - width)
                right[n] = n + width + 1
                n += 1
                known[n] = known[n - 1] + (1 if w >= 0 else 0)
            t += 1
        # windows that reach past the document's end are cut there
        for i in range(max(begin, n - window), n):
            right[i] = min(right[i], n)
        begin = n
        doc += 1
        if t >= stop:
            break
    if last < 0:
        last = n
    return first, last


@nb.njit(nogil=True)
def _draw(draw, noise_share, noise_alias, noise, n_shared, W2):  # type: ignore[no-untyped-def]
    """Draw noise words by Walker's alias method; the state of the generator comes back."""
    n_words = np.uint64(len(noise_share))
    for k in range(n_shared):
        draw += GOLDEN
        u = mix(draw)
        w = np.int32(((u >> _U32) * n_words) >> _U32)
        if np.float32((u & _LOW32) >> _U8) * _TO_UNIT >= noise_share[w]:
            w = noise_alias[w]
        noise[k] = w
        prefetch(W2, w, W2.shape[1])
    return draw


@nb.njit(nogil=True, error_model="numpy", fastmath=_MATH)
def _mask(  # type: ignore[no-untyped-def]
    mask, weight, noise, n_shared, slot, chain, word, left, right, lo, hi, p0, p1, window
):
    """Weights of the noise words: 0 where one is the target or among its context words.

    `slot` holds, for a word, one more than the place of its last draw, and `chain` for
    each draw the same of the draw before; `slot` is all zero again at the end.
    """
    for i in range(p1 - p0):
        row = mask[i]
        for k in range(n_shared):
            row[k] = weight
    for k in range(n_shared):
        chain[k] = slot[noise[k]]
        slot[noise[k]] = k + 1
    for i in range(lo, hi):
        w = word[i]
        if w >= 0 and slot[w] > 0:
            k = slot[w]
            while k > 0:
                for p in range(max(p0, i - window), min(p1, i + window + 1)):
                    if left[p] <= i < right[p]:
                        mask[p - p0, k - 1] = _F0
                k = chain[k - 1]
    for k in range(n_shared):
        slot[noise[k]] = 0


@nb.njit(nogil=True, cache=True, error_model="numpy", fastmath=_MATH)
def train_range(  # type: ignore[no-untyped-def]
    ids,
    offsets,
    start,
    stop,
    W1,
    W2,
    keep,
    noise_share,
    noise_alias,
    alpha_start,
    alpha_stop,
    window,
    min_window,
    negative,
    n_shared,
    batch_size,
    mean,
    corrected,
    token_key,
    noise_key,
    slot,
):
    """Train on the tokens [start, stop); W1 and W2 change in place.

    Parameters
    ----------
    ids : int32 array
        The corpus; -1 is a position that is no word.
    offsets : int64 array of shape (n_documents + 1,)
        Where documents begin and end in `ids`.
    start, stop : int
        A range within the corpus. Positions see the context around it.
    W1, W2 : float32 arrays of shape (V, d)
    keep : float32 array of shape (V,)
        Probability that subsampling keeps an occurrence.
    noise_share, noise_alias : float32 and int32 arrays of shape (V,)
        Alias table of the noise distribution.
    alpha_start, alpha_stop : float
        Learning rate at the range's ends, linear between.
    window, min_window : int
        Each position's window is uniform between the two.
    negative, n_shared : int
        `n_shared` noise words a batch, each with weight ``negative / n_shared``.
    batch_size : int
        Positions in a batch.
    mean, corrected : bool
        Mean or sum of the context rows; with the mean, whether the gradient is
        divided by the number of context words too (the true gradient).
    token_key, noise_key : uint64
        Keys of the random numbers, see `conec.kernels.random.key`.
    slot : int16 array of shape (V,)
        Scratch, all zero before and after.

    Returns
    -------
    loss : float
        Sum over positions of the negative log likelihood (float64).
    n_positions : int
        Positions trained on.
    """
    d = W1.shape[1]
    room = stop - start + 2 * window + 2
    # what follows the text is no word, so that looking ahead needs no check
    word = np.full(room + batch_size + window + 2 * ROWS, -1, np.int32)
    left = np.empty(room, np.int32)
    right = np.empty(room, np.int32)
    known = np.empty(room + 1, np.int32)
    first, last = _read(
        ids, offsets, start, stop, keep, window, min_window, token_key, word, left, right, known
    )
    # sizes rounded up to whole tiles: zeros fill them
    B = (batch_size + ROWS - 1) // ROWS * ROWS
    K = (n_shared + COLUMNS - 1) // COLUMNS * COLUMNS
    width = (d + COLUMNS - 1) // COLUMNS * COLUMNS
    P = np.zeros((B + 2 * window + 1, d), np.float32)  # prefix sums of W1 rows
    G = np.zeros((B + 2 * window + 1, d), np.float32)  # gradient, as differences
    H = np.zeros((B, width), np.float32)  # embeddings of the contexts
    O = np.zeros((B, d), np.float32)  # what each position adds to the gradient
    E = np.zeros((ROWS, width), np.float32)  # its part from the noise words, a tile
    N = np.zeros((K, width), np.float32)  # rows of W2: the noise words
    T = np.zeros((d, K), np.float32)  # the same, transposed
    D = np.zeros((K, width), np.float32)  # their gradient
    F = np.zeros((B, K), np.float32)  # scores, then errors
    mask = np.zeros((B, K), np.float32)  # weight of each noise word
    rest = np.zeros(K, np.float32)
    noise = np.zeros(K, np.int32)
    chain = np.zeros(K, np.int32)
    step = np.zeros(B, np.float32)  # of the target words
    active = np.zeros(B, np.bool_)
    weight = np.float32(negative / n_shared)
    alpha_slope = (alpha_stop - alpha_start) / max(last - first, 1)
    draw = noise_key
    loss = 0.0
    # products of likelihoods, of which a logarithm is taken before they leave float64
    noise_product = 1.0
    target_product = 1.0
    n_positions = 0
    for p0 in range(first, last, batch_size):
        p1 = min(last, p0 + batch_size)
        m = p1 - p0
        padded = (m + ROWS - 1) // ROWS * ROWS
        alpha = np.float32(alpha_start + alpha_slope * (p0 - first))
        lo = left[p0]
        hi = right[p1 - 1]
        for p in range(p0, p1):
            lo = min(lo, left[p])
            hi = max(hi, right[p])
        draw = _draw(draw, noise_share, noise_alias, noise, n_shared, W2)
        # prefix sums
        for i in range(lo, hi):
            w = word[i]
            if w >= 0:
                if p0 <= i < p1:
                    prefetch(W2, w, d)
                add(P, (i - lo + 1) * d, P, (i - lo) * d, W1, np.int64(w) * d, d)
            else:
                for j in range(d):
                    P[i - lo + 1, j] = P[i - lo, j]
        # noise words
        _mask(mask, weight, noise, n_shared, slot, chain, word, left, right, lo, hi, p0, p1, window)
        for k in range(n_shared):
            row = W2[noise[k]]
            copy = N[k]
            for j in range(d):
                copy[j] = row[j]
                T[j, k] = row[j]
        for i0 in range(0, padded, ROWS):
            # embeddings of the contexts
            for i in range(i0, i0 + ROWS):
                p = p0 + i
                count = 0
                if i < m and word[p] >= 0:
                    count = known[right[p]] - known[left[p]] - 1
                active[i] = count > 0
                h = H[i]
                if count == 0:
                    for j in range(d):
                        h[j] = _F0
                    continue
                n_positions += 1
                share = _F1 / np.float32(count) if mean else _F1
                between(
                    H,
                    i * width,
                    P,
                    (left[p] - lo) * d,
                    P,
                    (right[p] - lo) * d,
                    W1,
                    np.int64(word[p]) * d,
                    share,
                    d,
                )
            for i in range(p1 + window + i0, p1 + window + i0 + ROWS):
                if word[i] >= 0:
                    prefetch(W1, word[i], d)  # for the next batch
            # their errors at the noise words
            for k in range(0, K, COLUMNS):
                tile(F, i0 * K + k, K, H, i0 * width, width, 1, T, k, K, d)
            for i in range(i0, i0 + ROWS):
                f = F[i]
                if not active[i]:
                    for k in range(K):
                        f[k] = _F0
                    continue
                weights = mask[i]
                for k in range(K):
                    rest[k] = _F1 / (_F1 + exp(f[k]))  # 1 - sigmoid
                    f[k] = (rest[k] - _F1) * weights[k] * alpha
                for k0 in range(0, K, COLUMNS):
                    for k in range(k0, k0 + COLUMNS):
                        noise_product *= np.float64(rest[k] if weights[k] > _F0 else _F1)
                    if noise_product < 1e-100:
                        loss -= np.log(noise_product) * weight
                        noise_product = 1.0
            for j in range(0, width, COLUMNS):
                tile(E, j, width, F, i0 * K, K, 1, N, j, width, K)
            # target words, and back to the ends of the windows
            for i in range(i0, i0 + ROWS):
                if not active[i]:
                    continue
                p = p0 + i
                h = H[i]
                row = W2[word[p]]
                x = _F0
                for j in range(d):
                    x += h[j] * row[j]
                odds = exp(-x)
                target_product *= 1.0 + np.float64(odds)
                if target_product > 1e200:
                    loss += np.log(target_product)
                    target_product = 1.0
                s = alpha * odds / (_F1 + odds)
                step[i] = s
                share = _F1
                if mean and corrected:
                    share = _F1 / np.float32(known[right[p]] - known[left[p]] - 1)
                spread(
                    O,
                    i * d,
                    G,
                    (left[p] - lo) * d,
                    G,
                    (right[p] - lo) * d,
                    E,
                    (i - i0) * width,
                    W2,
                    np.int64(word[p]) * d,
                    s,
                    share,
                    d,
                )
        # all is read; now W2 and W1 may change
        for j in range(0, width, COLUMNS):
            for k in range(0, K, ROWS):
                tile(D, k * width + j, width, F, k, 1, K, H, j, width, padded)
        for k in range(n_shared):
            add_scaled(W2, np.int64(noise[k]) * d, D, k * width, _F1, d)
        for i in range(m):
            if active[i]:
                add_scaled(W2, np.int64(word[p0 + i]) * d, H, i * width, step[i], d)
        run = P[0]
        for j in range(d):
            run[j] = _F0
        for i in range(lo, hi):
            w = word[i]
            if w < 0:
                for j in range(d):
                    run[j] += G[i - lo, j]
                    G[i - lo, j] = _F0
            elif p0 <= i < p1 and active[i - p0]:
                own = (i - p0) * d
                collect_but(P, 0, G, (i - lo) * d, W1, np.int64(w) * d, O, own, d)
            else:
                collect(P, 0, G, (i - lo) * d, W1, np.int64(w) * d, d)
        for j in range(d):
            G[hi - lo, j] = _F0
        for j in range(d):
            run[j] = _F0
    loss += np.log(target_product) - np.log(noise_product) * weight
    return loss, n_positions
