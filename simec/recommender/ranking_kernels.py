"""Stochastic gradient descent on ranking losses, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from corpora.jit import compiled

BPR, WARP, SOFTMAX = 0, 1, 2
_EPSILON = 1e-8


@compiled(nogil=True, error_model="numpy")
def has_item(indices: Any, start: int, end: int, item: int) -> bool:
    """Whether a sorted part of `indices` contains an item."""
    while start < end:
        middle = (start + end) // 2
        if indices[middle] < item:
            start = middle + 1
        elif indices[middle] > item:
            end = middle
        else:
            return True
    return False


@compiled(nogil=True, error_model="numpy")
def move(row: Any, gradient: Any, squares: Any, index: int, rate: float, l2: float) -> None:
    """One step of Adagrad, with one step size for the whole row."""
    total = 0.0
    for k in range(len(row)):
        total += gradient[k] * gradient[k]
    squares[index] += total / len(row)
    step = rate / np.sqrt(squares[index] + _EPSILON)
    for k in range(len(row)):
        row[k] -= step * (gradient[k] + l2 * row[k])


@compiled(nogil=True, error_model="numpy")
def run_epoch(
    order: Any, rows: Any, indptr: Any, indices: Any, U: Any, V: Any, squares_u: Any,
    squares_v: Any, loss: int, n_sampled: int, rate: float, l2: float, seed: int,
) -> float:  # fmt: skip
    """Pass over all pairs once; return the mean loss.

    Parameters
    ----------
    order : int64 array of shape (nnz,)
        Order of the pairs.
    rows : int32 array of shape (nnz,)
        User of each pair.
    indptr, indices : int arrays
        Sorted items of each user, as in a CSR matrix.
    U, V : float32 arrays of shape (n_users, d) and (n_items, d)
        Embeddings, changed in place. The last component of U stays 1: that of V is the item's bias.
    squares_u, squares_v : float64 arrays of shape (n_users,) and (n_items,)
        Sums of mean squared gradients, changed in place.
    loss : int
        `BPR`, `WARP` or `SOFTMAX`.
    n_sampled : int
        Items drawn for each pair: negatives for the softmax, 1 for BPR, at most for WARP.
    rate, l2 : float
    seed : int
    """
    n_items, d = V.shape
    state = np.uint64(seed * 2 + 1)
    negatives = np.empty(n_sampled, np.int64)
    scores = np.empty(n_sampled)
    gradient_u, gradient_v = np.zeros(d), np.zeros(d)
    total = 0.0
    for position in order:
        u, i = rows[position], indices[position]
        start, end = indptr[u], indptr[u + 1]
        if end - start >= n_items:
            continue
        score = 0.0
        for k in range(d):
            score += U[u, k] * V[i, k]
        n, trials = 0, 0
        while n < n_sampled and trials < 4 * n_sampled:
            trials += 1
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            j = np.int64((state >> np.uint64(11)) % np.uint64(n_items))
            if has_item(indices, start, end, j):
                continue
            negative = 0.0
            for k in range(d):
                negative += U[u, k] * V[j, k]
            if loss == WARP:
                if negative > score - 1:
                    negatives[0], scores[0], n = j, negative, 1
                    break
                continue
            negatives[n], scores[n] = j, negative
            n += 1
        if n == 0:
            continue
        pull = 0.0  # minus the derivative of the loss by the score of the positive item
        if loss == SOFTMAX:
            largest = score
            for k in range(n):
                largest = max(largest, scores[k])
            # the sample stands for all items
            scale = (n_items - 1.0) / n
            sum_exp = np.exp(score - largest)
            for k in range(n):
                scores[k] = scale * np.exp(scores[k] - largest)
                sum_exp += scores[k]
            for k in range(n):
                scores[k] /= sum_exp
                pull += scores[k]
            total += -np.log(max(1 - pull, 1e-12))
        elif loss == WARP:
            # the number of trials estimates the rank
            rank = max(1.0, (n_items - 1.0) // trials)
            pull = np.log(1 + rank)
            total += pull * (1 + scores[0] - score)
            scores[0] = pull
        else:
            pull = 1 / (1 + np.exp(score - scores[0]))
            total += -np.log(max(1 - pull, 1e-12))
            scores[0] = pull
        for k in range(d):
            gradient_u[k] = -pull * V[i, k]
        for m in range(n):
            j, weight = negatives[m], scores[m]
            for k in range(d):
                gradient_u[k] += weight * V[j, k]
                gradient_v[k] = weight * U[u, k]
            move(V[j], gradient_v, squares_v, j, rate, l2)
        for k in range(d):
            gradient_v[k] = -pull * U[u, k]
        move(V[i], gradient_v, squares_v, i, rate, l2)
        gradient_u[d - 1] = 0
        last = U[u, d - 1]
        move(U[u], gradient_u, squares_u, u, rate, l2)
        U[u, d - 1] = last
    return total / max(len(order), 1)
