"""A small graph whose links follow from others: a chain of places, with two names for its steps."""

from __future__ import annotations

import numpy as np

N = 40
PLACES = [f"p{i:02}" for i in range(N)]


def chain(seed=0, n_test=8):
    """Training and test triples: each step is there under one name, and tested under the other."""
    steps = list(zip(PLACES, PLACES[1:], strict=False))
    triples = [(a, "next", b) for a, b in steps] + [(b, "before", a) for a, b in steps]
    order = np.random.default_rng(seed).permutation(len(triples))
    triples = [triples[i] for i in order]
    return triples[n_test:], triples[:n_test]


def features(seed=0, noise=0.0):
    """Of places: the first half alike in pairs with the second half."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N, 12)).astype(np.float32) + noise
