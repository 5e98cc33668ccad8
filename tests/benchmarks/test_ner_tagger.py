"""A quick run of the benchmark of taggers, on real data."""

from __future__ import annotations

import re

import pytest

from benchmarks import ner_tagger
from tests.benchmarks.test_embeddings_quality import run


def test_quick_run(shared_data, monkeypatch, tmp_path):
    pytest.importorskip("pycrfsuite")
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))
    rows = run(ner_tagger, tmp_path, "--kinds", "without", "with", "own")
    for split in ("testa", "testb"):
        assert rows[f"{split}.crf_with"]["value"] > rows[f"{split}.crf_without"]["value"] > 50
        assert f"{split}.crf_with.PER" in rows
    gain = rows["testb.crf_with"]["value"] - rows["testb.crf_without"]["value"]
    assert rows["gain"]["value"] == pytest.approx(gain)
    assert rows["gain"]["reference"] == 1.5
    assert rows["testb.crf_with"]["reference"] == 86
    assert rows["size"]["value"] < rows["size"]["reference"] == 40
    own = rows["own.full"]["value"] - rows["own.full.without"]["value"]
    assert rows["own.full.gain.without"]["value"] == pytest.approx(own)
    assert own > 0
    # text without tags tells something of words that the text with tags lacks
    assert rows["gain.unseen"]["value"] > 0


def test_text_is_cut_as_the_shared_task_cuts_it():
    text = "Mr. Smith didn't sell U.S. bonds at $1,250.50 (up 3.5%), on 22/08/96 -- St. John's-born"
    assert re.findall(ner_tagger.TOKEN, text) == [
        "Mr.", "Smith", "did", "n't", "sell", "U.S.", "bonds", "at", "$", "1,250.50", "(", "up",
        "3.5", "%", ")", ",", "on", "22/08/96", "--", "St.", "John", "'s", "-", "born",
    ]  # fmt: skip
