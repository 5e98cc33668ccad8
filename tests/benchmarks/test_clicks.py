"""The benchmark of clicks runs on small data, and measures all methods alike."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import clicks


@pytest.mark.slow
def test_all_methods_are_measured(tmp_path):
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    u, i = np.divmod(np.arange(60 * 30), 30)
    rated = rng.random(len(u)) < np.where(u % 2 == i % 2, 0.6, 0.05)
    folder = tmp_path / "simec" / "recsys"
    folder.mkdir(parents=True)
    np.savez(
        folder / "ml100k_ratings.npz", user=u[rated] + 1, item=i[rated] + 1,
        rating=np.full(int(rated.sum()), 5), timestamp=rng.permutation(int(rated.sum())),
    )  # fmt: skip
    methods = ["popularity", "factors", "ease", "ease_recent", "softmax"]
    clicks.main(["--sets", "100k", "--methods", *methods, "--seeds", "2", "--data", str(tmp_path),
                 "--json", str(tmp_path / "r.json")])  # fmt: skip
    results = {r["name"]: r for r in json.loads((tmp_path / "r.json").read_text())["results"]}
    for method in methods:
        for measure in (*clicks.MEASURES, "seconds"):
            assert results[f"100k.{measure}.{method}"]["n"] == 2
    # users like items of their parity, and the most popular items are not all of it
    assert results["100k.ndcg.ease"]["value"] > results["100k.ndcg.popularity"]["value"]
