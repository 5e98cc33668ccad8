"""Scripts on the page on migrating from gensim run, and its tables have all of gensim's names."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec
from gensim.test.utils import lee_corpus_list

from conec import ContextEncoder
from conec.gensim_names import NAMES
from conec.interop import save_word2vec, to_keyed_vectors

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "migrating-from-gensim.md").read_text("utf-8")
SCRIPTS = re.findall(r"^### \d+\. (.*?)\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "text"), SCRIPTS, ids=[title for title, _ in SCRIPTS])
def test_scripts_run_before_and_after(
    title: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sentences = lee_corpus_list[:80]
    Path("text.txt").write_text("\n".join(map(" ".join, sentences)))
    rows = np.ones((2, 50), np.float32)
    save_word2vec(to_keyed_vectors(["government", "other"], rows), "other.vec")
    results = []
    for block in blocks(text):
        names = {"sentences": sentences, "more_sentences": lee_corpus_list[80:120]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(block, title, "exec"), names)
        results.append(names)
    before, after = (result["model"] for result in results)
    assert type(before) is Word2Vec
    assert isinstance(after, ContextEncoder)
    # gensim sorts words of equal frequency in another order
    assert sorted(before.wv.index_to_key) == sorted(after.wv.index_to_key)
    assert np.isfinite(after.loss_history_).all()
    if "Vectors from elsewhere" in title:
        for model in (before, after):
            np.testing.assert_array_equal(model.wv["government"], rows[0])
    if "Save" in title:
        assert isinstance(results[1]["vectors"], KeyedVectors)


def test_there_are_ten_scripts() -> None:
    assert len(SCRIPTS) == 10
    assert all(len(blocks(text)) == 2 for _, text in SCRIPTS)


@pytest.mark.slow
def test_the_other_examples_run() -> None:
    rest = PAGE[PAGE.index("## Short texts") :]
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in blocks(rest):
            exec(compile(block, "short texts", "exec"), names)
    vector = names["vector"]
    assert isinstance(vector, np.ndarray)
    assert vector.any()


def test_everything_of_gensim_is_named() -> None:
    tables = "".join(line for line in PAGE.splitlines(keepends=True) if line.startswith("|"))
    named = set(re.findall(r"`(\w+)[`(=]", tables)) | set(re.findall(r"`([\w.]+)`", tables))
    for function in (Word2Vec.__init__, Word2Vec.train, Word2Vec.build_vocab):
        for name in inspect.signature(function).parameters:
            assert name in named | {"self", "kwargs", "corpus_iterable", "update", "word_freq"} | {
                "start_alpha", "end_alpha", "keep_raw_vocab",
            }, name  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attributes = dir(Word2Vec([["a", "b"]], min_count=1, vector_size=2))
    for name in attributes:
        if not name.startswith("_"):
            assert name in named, name
    assert set(NAMES) - named <= {
        "word_count", "rethrow", "separately", "sep_limit", "ignore", "pickle_protocol",
        "restrict_vocab", "build_contexts", "iter", "size", "keep_raw_vocab", "corpus_iterable",
    }  # fmt: skip
