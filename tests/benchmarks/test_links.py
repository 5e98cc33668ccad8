"""The benchmark of links: its data, and a quick run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.links import benchmark as links
from benchmarks.links import data as links_data

pytest.importorskip("torch")


@pytest.fixture
def data(shared_data):
    if not (shared_data / "simec" / "kg").is_dir():
        pytest.skip(f"{shared_data} has no knowledge graphs")
    return shared_data


@pytest.mark.parametrize(
    ("name", "n", "k", "sizes"),
    [
        ("wn18", 40_943, 18, (141_442, 5_000, 5_000)),
        ("wn18rr", 40_943, 11, (86_835, 3_034, 3_134)),
        ("fb15k237", 14_541, 237, (272_115, 17_535, 20_466)),
    ],
)
def test_graphs(data, name, n, k, sizes):
    graph = links_data.graph(name, data)
    assert (len(graph.entities), len(graph.relations)) == (n, k)
    assert tuple(len(part) for part in graph[1:4]) == sizes
    h, r, t = graph.test[7]
    assert graph.triples("test")[7] == (graph.entities[h], graph.relations[r], graph.entities[t])
    some = links_data.part(graph, 500)
    assert len(some.entities) == 500
    whole = {name: set(graph.triples(name)) for name in ("train", "valid", "test")}
    for split in whole:
        assert set(some.triples(split)) <= whole[split]
        assert some.triples(split)


def test_texts(data):
    found = links_data.texts(["14854262"], data)
    assert found == ["stool: solid excretory product evacuated from the bowels"]
    with pytest.raises(ValueError, match="1 entities have no gloss, such as 7"):
        links_data.texts(["7"], data)


def test_quick(monkeypatch, tmp_path, data):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(links, "QUICK_ENTITIES", 800)
    path, keep = tmp_path / "x.json", tmp_path / "keep"
    asked = ["--quick", "--datasets", "wn18rr", "--data", str(data), "--keep", str(keep)]
    links.main([*asked, "--json", str(path)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    found = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    chance = np.mean(1 / np.arange(1, 801))
    assert found["wn18rr.mrr.ours"] > 20 * chance
    assert found["wn18rr.mrr.thesis_preset"] > 2 * chance
    assert found["wn18rr.hits10.ours"] >= found["wn18rr.hits1.ours"]
    assert found["wn18rr.unseen.given.mrr"] > chance
    # where the other library is
    assert found.get("wn18rr.pykeen_difference.ours", 0) < 1e-6
    # what was kept is not run again
    monkeypatch.setattr(links, "run", None)
    links.main([*asked, "--json", str(path)])
    again = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    assert again == found
