"""Similarity coefficients of two sets, one pair at a time, as RDKit's documentation has them."""

from __future__ import annotations


def counts(x, y):
    """How many attributes both have, only x, only y, and neither."""
    pairs = [(bool(p), bool(q)) for p, q in zip(x, y, strict=True)]
    return tuple(
        pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))
    )


def simpson(a, b, c, d):
    return a / min(a + b, a + c) if min(a + b, a + c) else 0


def tanimoto(a, b, c, d):
    return a / (a + b + c) if a + b + c else 1


def sokal(a, b, c, d):
    return a / (a + 2 * b + 2 * c) if a + b + c else 1


def kulczynski(a, b, c, d):
    return (a / (a + b) + a / (a + c)) / 2 if (a + b) * (a + c) else 0


def mcconnaughey(a, b, c, d):
    return (a * a - b * c) / ((a + b) * (a + c)) if (a + b) * (a + c) else 0


def rogot_goldberg(a, b, c, d):
    if not b + c and not a * d:
        return 1
    return a / (2 * a + b + c) + d / (2 * d + b + c)


def matrix(name, X, Y):
    return [[globals()[name](*counts(x, y)) for y in Y] for x in X]
