"""A small model from the command line, its card, and its archive."""

from __future__ import annotations

import hashlib

import pytest
from gensim.test.utils import datapath

import conec
from benchmarks import pretrained
from conec.pretrained import read_card


@pytest.mark.slow
def test_a_model_with_a_card_and_an_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CORPORA_DATA", str(tmp_path))  # without data sets of quality
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = tmp_path / "models" / "small"
    monkeypatch.setattr(pretrained, "MAX_WORDS", 500)
    pretrained.main(["--out", str(out), "--texts", datapath("lee_background.cor")])
    model, card = conec.load(out), read_card(out)
    assert model.is_quantized
    assert len(model) <= 500
    assert card is not None
    assert f"| words | {len(model):,}, in lower case |" in card
    assert "words of other files |" in card
    assert "## Limits" in card
    archive = out.with_suffix(".zip")
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert checksum in capsys.readouterr().out
