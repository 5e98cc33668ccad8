"""Ratios and projections of benchmarks.distributed, from invented measurements."""

from __future__ import annotations

import pytest

from benchmarks.cache import Cache
from benchmarks.distributed import quality


def test_ratios_and_projections(monkeypatch, tmp_path):
    def apart(function, task):
        n, seed = task["n_shards"], task["seed"]
        score = {"men": 0.5 if n == 1 else 0.4 + 0.1 * seed, "analogies": None, "ws353": None}
        return {
            **score, "simlex": None, "n_words": 1000, "bytes": 7e6, "share": 0.5, "merge_s": 0.25,
            "words_per_s": 1e6, "words_per_token": 1.25,
        }  # fmt: skip

    monkeypatch.setattr(quality, "apart", apart)
    results, tables = quality.measure(tmp_path, 2, Cache(None, {}))
    by_name = {result.name: result for result in results}
    assert by_name["ratio.men.4"].value == pytest.approx(1.1)
    assert by_name["bytes.merge.16"].value == 7e6
    assert "ratio.simlex.4" not in by_name
    # 16 cores, 4 rounds of 32,768 tokens between merges; 808,000 bytes are merged twice and sent
    words = 16 * 4 * 32768 * 1.25
    seconds = words / 16e6 + 0.25 * 2 * 808_000 / 7e6 + 8 * 808_000 / 10e9
    projected = by_name["projection.words_per_s.64.10gbit"].value
    assert projected == pytest.approx(64 * words / seconds)
    assert "10 Gbit/s" in str(tables[1])
