"""Graphs that no parameter was published for: a sample of FB15k-237, and dense ones with rules.

- sampled: 2,000 entities and the 42 most frequent relations of FB15k-237, 36,500 triples
- kin: 104 persons, exactly one of 25 relations between any two of them, which follows from their
  sections, generations, lineages and sexes, except for 6 % at random
- types: 135 types in a hierarchy, 46 relations; rules between types hold for their subtypes, with
  exceptions
- nations: 14 entities, 55 relations, links drawn from a bilinear model

The first has a twentieth of its triples each for validation and test, the others a tenth, drawn so
that their entities and relations are also in training.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.links.data import Graph, IntArray
from simec.links import split_triples

DENSE = ("kin", "types", "nations")
NAMES = ("sampled", *DENSE)


def graph(name: str, whole: Callable[[], Graph]) -> Graph:
    """One of `NAMES`; `whole` returns FB15k-237."""
    if name == "sampled":
        return _split(name, _sampled(whole()), 0.05)
    makers: dict[str, Callable[[np.random.Generator], list[tuple[int, int, int]]]] = {
        "kin": _kin, "types": _types, "nations": _nations,
    }  # fmt: skip
    return _split(name, np.array(makers[name](np.random.default_rng(0))), 0.1)


def _split(name: str, triples: IntArray, share: float) -> Graph:
    """Number entities and relations anew, and split the triples."""
    entities, ends = np.unique(triples[:, [0, 2]], return_inverse=True)
    relations, middle = np.unique(triples[:, 1], return_inverse=True)
    ends = ends.reshape(-1, 2)
    numbers = np.stack([ends[:, 0], middle.ravel(), ends[:, 1]], 1)
    data = split_triples(numbers, valid=share, test=share, random_state=0)
    return Graph(
        name, *(np.array(part, np.int64).reshape(-1, 3) for part in data),
        [f"e{i}" for i in range(len(entities))], [f"r{i}" for i in range(len(relations))],
    )  # fmt: skip


def _sampled(whole: Graph) -> IntArray:
    rng = np.random.default_rng(0)
    triples = np.concatenate([whole.train, whole.valid, whole.test])
    frequent = np.argsort(-np.bincount(triples[:, 1]))[:42]
    triples = triples[np.isin(triples[:, 1], frequent)]
    # frequent entities are more likely to be drawn
    degrees = np.bincount(triples[:, [0, 2]].ravel(), minlength=len(whole.entities))
    keys = np.log(degrees + 1e-9) + 0.7 * rng.gumbel(size=len(degrees))
    drawn = np.zeros(len(degrees), bool)
    drawn[np.argsort(-keys)[:2000]] = True
    triples = triples[drawn[triples[:, 0]] & drawn[triples[:, 2]]]
    return triples[rng.permutation(len(triples))[:36_500]]


def _kin(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    n, n_relations = 104, 25
    section, sex = rng.integers(4, size=n), rng.integers(2, size=n)
    generation, lineage = rng.integers(4, size=n), rng.integers(6, size=n)
    age = generation + rng.random(n)
    terms: dict[tuple[int, ...], int] = {}
    triples = []
    for a in range(n):
        for b in range(n):
            if a == b:
                continue
            older = int(np.clip(generation[b] - generation[a], -2, 2))
            apart = int(section[b] - section[a]) % 4
            same_lineage = int(lineage[a] == lineage[b]) if older == 0 else 0
            term: tuple[int, ...] = (
                apart,
                older,
                int(sex[b]),
                same_lineage,
                int(sex[a]) * (abs(older) == 1),
            )
            if older == apart == 0:
                term += (int(age[b] > age[a]),)
            triples.append((a, terms.setdefault(term, len(terms)), b))
    # several terms share a relation
    relation = np.concatenate(
        [rng.permutation(n_relations), rng.integers(n_relations, size=len(terms) - n_relations)]
    )
    is_random = rng.random(len(triples)) < 0.06
    random = rng.integers(n_relations, size=len(triples))
    return [
        (a, int(random[i] if is_random[i] else relation[term]), b)
        for i, (a, term, b) in enumerate(triples)
    ]


def _types(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    n, n_relations = 135, 46
    is_a = np.eye(n, dtype=bool)
    for i in range(1, n):
        parent = int(rng.integers(max(0, i // 3 - 3), max(1, i // 2)))
        is_a[i] |= is_a[parent]
    sizes = is_a.sum(0)
    inner = np.flatnonzero((sizes >= 3) & (sizes <= 45))
    triples = [(i, 0, j) for i in range(n) for j in range(n) if i != j and is_a[i, j]]
    for r in range(1, n_relations):
        for _ in range(int(rng.integers(1, 5))):
            a, b = rng.choice(inner, 2)
            heads, tails = np.flatnonzero(is_a[:, a]), np.flatnonzero(is_a[:, b])
            triples += [(int(h), r, int(t)) for h in heads for t in tails if rng.random() < 0.93]
    unique = sorted(set(triples))
    return [unique[i] for i in rng.permutation(len(unique))[:6500]]


def _nations(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    n, n_relations, d = 14, 55, 4
    A, R = rng.normal(size=(n, d)), 0.8 * rng.normal(size=(n_relations, d, d))
    rate = rng.normal(-2.2, 1.2, size=n_relations)
    scores = np.einsum("ia,kab,jb->kij", A, R, A) + rate[:, None, None]
    scores += 0.5 * rng.normal(size=(1, n, n))
    holds = rng.random(scores.shape) < 1 / (1 + np.exp(-1.3 * scores))
    return [(int(h), int(r), int(t)) for r, h, t in np.argwhere(holds) if h != t]
