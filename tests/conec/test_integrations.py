"""The examples in docs/how-to/integrations.md run as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import conec
from conec.cli import app

PAGE = (Path(__file__).parents[2] / "docs/how-to/integrations.md").read_text("utf-8")
TEXTS = [
    ["the", "bushfires", "spread", "near", "the", "hospital"],
    ["a", "fire", "near", "sydney"],
] * 5


def blocks(heading: str, language: str) -> list[str]:
    """Return the code in a section of the page."""
    section = re.search(rf"^##+ {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert section is not None
    return re.findall(rf"```{language}\n(.*?)```", section[1], re.DOTALL)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> conec.ContextEncoder:
    """A small model, which is saved as the page calls it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    model = conec.ContextEncoder(vector_size=8, min_count=1, epochs=2, sample=0, seed=1).fit(TEXTS)
    model.save("news.model")
    return model


def test_all_examples_are_tested() -> None:
    sections = ("spaCy", "flair", "The Hugging Face Hub")  # the last one in corpora/test_hub.py
    found = [block for heading in sections for block in blocks(heading, "python")]
    assert found == re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 3


@pytest.mark.slow
def test_spacy(model: conec.ContextEncoder) -> None:
    spacy = pytest.importorskip("spacy")
    pytest.importorskip("conec.interop.spacy_pipe")
    [block] = blocks("spaCy", "python")
    names: dict[str, object] = {}
    exec(compile(block, "integrations.md", "exec"), names)
    doc = names["doc"]
    [n_tokens] = re.findall(r"all tokens, shape \((\d+), d\)", block)
    assert doc._.context_vectors.shape == (int(n_tokens), 8)
    loaded = spacy.load("pipeline")
    np.testing.assert_array_equal(loaded(doc.text)[1].vector, doc[1].vector)


# the parts of a pipeline that the page leaves out
PIPELINE = """
[nlp]
lang = "en"
pipeline = ["context_encoder", "textcat", "ner"]

[components]

[components.textcat]
factory = "textcat"

[components.textcat.model]
@architectures = "spacy.TextCatReduce.v1"
exclusive_classes = true
use_reduce_first = false
use_reduce_last = false
use_reduce_max = false
use_reduce_mean = true

[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"
extra_state_tokens = false
hidden_width = 16
maxout_pieces = 2

"""


@pytest.mark.slow
def test_components_of_spacy(model: conec.ContextEncoder) -> None:
    spacy = pytest.importorskip("spacy")
    pytest.importorskip("conec.interop.spacy_pipe")
    from thinc.api import Config

    found = blocks("Trained components", "ini")
    assert len(found) == 2
    config = Config().from_str(PIPELINE + "\n".join(found))
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    for name in ("textcat", "ner"):
        layers = {layer.name for layer in nlp.get_pipe(name).model.walk()}
        assert any("context" in layer for layer in layers), layers


@pytest.mark.slow
def test_model2vec(model: conec.ContextEncoder) -> None:
    model2vec = pytest.importorskip("model2vec")
    [command] = re.findall(r"```\nconec (.*?)\n```", PAGE)
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.exit_code == 0, result.output
    static = model2vec.StaticModel.from_pretrained("static")
    np.testing.assert_allclose(
        static.encode(["fire near the hospital"]), [model.encode("fire near the hospital")],
        atol=1e-6,
    )  # fmt: skip


def test_flair(model: conec.ContextEncoder) -> None:
    pytest.importorskip("flair")
    from flair.data import Sentence
    from flair.embeddings.base import load_embeddings

    [block] = blocks("flair", "python")
    names: dict[str, object] = {}
    exec(compile(block, "integrations.md", "exec"), names)
    embeddings = names["ContextVectors"]("news.model", a=0.5)
    sentences = [Sentence("The bushfires spread"), Sentence("near zorbville")]
    embeddings.embed(sentences)
    tokens = [[token.text.lower() for token in sentence] for sentence in sentences]
    for sentence, vectors in zip(sentences, model.embed_batch(tokens, 0.5), strict=True):
        for token, vector in zip(sentence, vectors, strict=True):
            np.testing.assert_array_equal(token.embedding.numpy(), vector)
    assert embeddings.embedding_length == 8
    loaded = load_embeddings(embeddings.save_embeddings(use_state_dict=False))
    assert (type(loaded), loaded.name, loaded.a) == (type(embeddings), "news.model", 0.5)
