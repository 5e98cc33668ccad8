"""Text of two topics with tags, and a Context Encoder of it, for tests of named entities."""

from __future__ import annotations

import functools

import numpy as np

import conec
from conec.ner import ContextFeatures

FRUIT = ["apple", "pear", "plum", "cherry", "fig"]
TOWNS = ["rome", "paris", "oslo", "vienna", "lima"]


def sentences(n: int, seed: int, fruit: list[str] = FRUIT, towns: list[str] = TOWNS):
    """Two topics, of words that stand in contexts of their own; with tags."""
    rng = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(n):
        if rng.random() < 0.5:
            words.append(["they", "eat", str(rng.choice(fruit)), "sweet", "juice"])
            tags.append(["O"] * 5)
        else:
            words.append(["trains", "leave", str(rng.choice(towns)), "old", "station"])
            tags.append(["O", "O", "B-LOC", "O", "O"])
    return words, tags


@functools.cache
def trained() -> conec.ContextEncoder:
    """A small model of such text; not to be changed."""
    words, _ = sentences(600, 0)
    made = conec.ContextEncoder(
        vector_size=12, window=2, min_count=1, sample=0, negatives="exact", epochs=15, seed=1
    )
    return made.fit(words)


def groups(model, **more):
    """Features that are groups, in all spaces."""
    spaces = ("word", "context", "document")
    return ContextFeatures(model, sparse=True, **{"clusters": (2, 6), "spaces": spaces, **more})
