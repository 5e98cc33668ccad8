"""What benchmarks run on: text, cut anew or made up."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.contexts_speed import scipy_contexts
from benchmarks.corpus_speed import many_types
from benchmarks.material import encoded, load, plain_text, recut, require, zipf
from conec import ContextEncoder
from conec.contexts import Window, global_contexts
from corpora.encoding import TokenStream


def random_stream(rng, n=600, n_words=20):
    ids = rng.integers(-1, n_words, n).astype(np.int32)
    offsets = np.concatenate([[0], np.sort(rng.integers(0, n, 12)), [n]])
    return TokenStream(ids, offsets, n)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_scipy_prototype_finds_the_same_matrix(window):
    stream = random_stream(np.random.default_rng(window))
    plain = scipy_contexts(stream, 20, window)
    ours = global_contexts(stream, 20, Window(window), normalize="none")
    assert plain.nnz == ours.nnz
    assert abs(plain - ours).max() == 0


def test_text_is_unpacked_encoded_and_opened_again(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("a b a\nb a c\na\n")
    about = plain_text(str(source), tmp_path / "text.txt", documents=2)
    assert about == {"name": "source.txt", "documents": 2, "tokens": 6}
    encoded(tmp_path / "text.txt", tmp_path, min_count=2)
    words, stream = load(tmp_path)
    assert words == {"a": 3, "b": 2}
    assert [document.tolist() for document in stream] == [[0, 1, 0], [1, 0]]
    assert stream.n_raw == 6


def test_a_corpus_that_does_not_exist(tmp_path):
    with pytest.raises(SystemExit, match="--corpus nothing"):
        plain_text("nothing", tmp_path / "text.txt")


def test_the_same_text_cut_otherwise():
    stream = TokenStream(np.arange(10, dtype=np.int32), np.array([0, 4, 8, 10]), 20)
    assert recut(stream, 6).offsets.tolist() == [0, 4, 6]
    assert recut(stream, 8).offsets.tolist() == [0, 4, 8]
    assert recut(stream, 7, 3).offsets.tolist() == [0, 3, 6, 7]
    assert recut(stream, 99, 50).offsets.tolist() == [0, 10]
    assert recut(stream, 5).n_raw == 10


def test_synthetic_text_has_the_ids_of_its_vocabulary():
    words, stream = zipf(500, 20_000)
    model = ContextEncoder(min_count=0)
    model.build_vocab_from_freq(words)
    assert model.vocabulary.words == list(words)
    seen = np.bincount(stream.ids, minlength=500) / len(stream)
    share = model.vocabulary.counts / model.vocabulary.n_tokens
    assert np.abs(seen - share).max() < 0.01


def test_text_of_many_types(tmp_path):
    n = many_types(tmp_path / "types.txt", 3000)
    tokens = (tmp_path / "types.txt").read_text().split()
    assert len(tokens) == n == 6000
    assert len({token for token in tokens if token.startswith("t")}) == 3000


def test_losses_of_short_documents_and_the_figure(tmp_path):
    at = "words_per_s.document"
    found = {f"{at}.3": [90.0, 80.0], f"{at}.1000": [100.0, 100.0], f"{at}.3.nosub": [50.0, 50.0]}
    results = {row.name: row for row in scaling._results(found)}
    assert results["document.3.loss"].value == pytest.approx(0.15)
    assert "document.3.loss.nosub" not in results
    pytest.importorskip("matplotlib")
    scaling.draw(results, tmp_path / "x.png")
    assert (tmp_path / "x.png").is_file()


def test_missing_data_sets_end_the_program(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPORA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    require()
    with pytest.raises(SystemExit, match="'conll2003' is not in .*" + tmp_path.name):
        require("conll2003")
