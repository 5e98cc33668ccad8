"""A quick run of the benchmark of quantized models."""

from __future__ import annotations

import json

import pytest
from gensim.test.utils import datapath

import conec
from benchmarks import smaller_models


@pytest.mark.slow
def test_quick(tmp_path):
    corpus = datapath("lee_background.cor")
    conec.ContextEncoder(vector_size=16, epochs=1, seed=1).fit(corpus).save(tmp_path / "m")
    path = tmp_path / "x.json"
    smaller_models.main(
        ["--quick", "--seeds", "1", "--corpus", corpus, "--model", str(tmp_path / "m"),
         "--json", str(path)]
    )  # fmt: skip
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}
    for label in ("folder", "text", "binary"):
        sizes = [rows[f"{dtype}.size.{label}"] for dtype in smaller_models.DTYPES]
        assert sizes == sorted(sizes, reverse=True)
    assert rows["float32.cosine"] > 1 - 1e-5
    assert rows["float16.cosine"] > rows["int8.cosine"] > 0.99
    n_words = len(conec.load(tmp_path / "m"))
    assert rows[f"top.{n_words}.tokens"] == 100
    assert rows[f"top.{n_words}.size.text"] == pytest.approx(rows["float32.size.text"], rel=1e-3)
