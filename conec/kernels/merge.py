"""Bringing together what was trained apart, in an order that is always the same."""

from __future__ import annotations

import numba as nb


@nb.njit(nogil=True, cache=True)
def note(words, n, times, part, n_parts):  # type: ignore[no-untyped-def]
    """Count in how many copies each word's row is; of words that are this part's."""
    for i in range(n):
        if words[i] % n_parts == part:
            times[words[i]] += 1


@nb.njit(nogil=True, cache=True, fastmath={"contract"})
def merge(W, rows, words, times, power, part, n_parts):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        w = words[i]
        if w % n_parts == part:
            x, y = W[w], rows[i]
            c = times[w]
            if c == 1:
                x[:] = y
                times[w] = 0
            elif c > 0:
                a = nb.float32(c ** -power)
                times[w] = -(c*1000+c-1)
                b = nb.float32(1) - a*c
                for j in range(len(x)):
                    x[j] = b * x[j] + a * y[j]
            else:
                c = -c
                n=c//1000
                a = nb.float32(n ** -power)
                for j in range(len(x)):
                    x[j] += a * y[j]
                left=c%1000-1
                times[w] = -(n*1000+left) if left>0 else 0
