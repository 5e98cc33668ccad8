"""Knowledge graphs of the benchmark of links: WN18, WN18RR, FB15k-237; texts of entities.

`benchmarks.simec_data` says where they are looked up.
"""

from __future__ import annotations

import lzma
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import simec_data

NAMES = ("wn18", "wn18rr", "fb15k237")
IntArray = npt.NDArray[np.int64]


class Graph(NamedTuple):
    """Triples as numbers, shape (m, 3), and ids of entities and relations."""

    name: str
    train: IntArray
    valid: IntArray
    test: IntArray
    entities: list[str]
    relations: list[str]

    def triples(self, split: str) -> list[tuple[str, str, str]]:
        """The triples of a split, by id."""
        e, r = self.entities, self.relations
        return [(e[h], r[k], e[t]) for h, k, t in getattr(self, split).tolist()]


def graph(name: str, data: str | Path | None = None) -> Graph:
    """One of `NAMES`, with the entities of all its splits."""
    with np.load(simec_data.find(f"kg/{name}.npz", data)) as file:
        return Graph(
            name, *(file[split].astype(np.int64) for split in ("train", "valid", "test")),
            file["entities"].tolist(), file["relations"].tolist(),
        )  # fmt: skip


def part(whole: Graph, n_entities: int) -> Graph:
    """The most frequent entities and the triples among them, for --quick."""
    count: Counter[int] = Counter(whole.train[:, [0, 2]].ravel().tolist())
    kept = np.sort([entity for entity, _ in count.most_common(n_entities)])
    number = np.full(len(whole.entities), -1)
    number[kept] = np.arange(len(kept))
    splits = []
    for triples in (whole.train, whole.valid, whole.test):
        some = np.stack([number[triples[:, 0]], triples[:, 1], number[triples[:, 2]]], 1)
        splits.append(some[(some >= 0).all(1)])
    # relations in training
    splits[1:] = [some[np.isin(some[:, 1], splits[0][:, 1])] for some in splits[1:]]
    return Graph(
        whole.name, *splits, [whole.entities[i] for i in kept], whole.relations
    )  # fmt: skip


def texts(entities: list[str], data: str | Path | None = None) -> list[str]:
    """The word of each synset of WN18 and WN18RR, without its part of speech, and its gloss."""
    glosses: dict[str, str] = {}
    with lzma.open(simec_data.find("kg/wn18_synsets.tsv.xz", data), "rt", encoding="utf-8") as file:
        next(file)
        for line in file:
            synset, name, gloss = line.rstrip("\n").split("\t")
            word = name.rsplit("_", 2)[0].replace("_", " ")
            glosses[synset] = f"{word}: {gloss}"
    missing = [entity for entity in entities if entity not in glosses]
    if missing:
        raise ValueError(f"{len(missing)} entities have no gloss, such as {missing[0]}")
    return [glosses[entity] for entity in entities]
