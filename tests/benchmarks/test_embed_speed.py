"""The texts and measurements of `benchmarks.embed_speed`."""

from __future__ import annotations

from benchmarks import embed_speed


def test_texts_have_the_first_tokens(tmp_path):
    (tmp_path / "corpus.txt").write_text("a b c d e\n\nf g h\ni j\n")
    task = {"folder": str(tmp_path), "tokens": 7}
    assert embed_speed._texts(task, None) == [["a", "b", "c", "d", "e"], ["f", "g"]]
    assert embed_speed._texts(task, 2) == [["a", "b"], ["c", "d"], ["e"], ["f", "g"]]
    assert embed_speed._texts({**task, "tokens": 100}, None)[-1] == ["i", "j"]


def test_measurements():
    texts = [["a"] * embed_speed.LENGTH] * 3
    single = []
    measured = embed_speed._measured(texts, lambda _: None, single.append)
    assert len(single) == 4  # the first call, and one for each text
    assert measured["tokens"] > measured["texts"] > 0
    by_name = {r.name: r for r in embed_speed._results({"sentences.1": [measured]})}
    assert by_name["sentences.1"].reference == 1e6
    assert by_name["latency.sentences.1"].unit == "µs"
    assert "sentences.1" in str(embed_speed._table({"sentences.1": [measured]}, by_name))
