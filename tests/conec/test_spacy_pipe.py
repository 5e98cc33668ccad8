"""The component of spaCy: vectors in contexts, files, and trained components that use it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import conec
from conec.interop import to_spacy

spacy = pytest.importorskip("spacy")
spacy_pipe = pytest.importorskip("conec.interop.spacy_pipe")

from thinc.api import Config, fix_random_seed  # noqa: E402

pytestmark = pytest.mark.slow

SUBJECTS = {
    "fire": "the fire burned near {} while firefighters fought the smoke and flames",
    "sport": "the team from {} won the match and the players scored many goals",
}
PLACES = ["sydney", "canberra", "perth", "hobart", "darwin", "cairns"]
TEXTS = [text.format(place).split() for place in PLACES for text in SUBJECTS.values()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("spacy") / "model"
    conec.ContextEncoder(vector_size=16, min_count=1, sample=0, epochs=40, seed=1).fit(
        TEXTS * 3
    ).save(path)
    return path


@pytest.fixture
def nlp(folder):
    nlp = spacy.blank("en")
    nlp.add_pipe("context_encoder", config={"model": str(folder)})
    return nlp


def test_vectors_are_those_of_the_encoder(nlp, folder):
    model = conec.load(folder)
    doc = nlp("The fire burned near Zorbville, while\nplayers watched.")
    tokens = ["the", "fire", "burned", "near", "zorbville", "while", "players", "watched"]
    expected = model.embed(tokens, 0.8)
    kept = [token for token in doc if token.text.lower() in tokens]
    np.testing.assert_array_equal([token.vector for token in kept], expected)
    assert doc[4].has_vector  # an unseen word
    comma, line_end = doc[5], doc[7]
    assert not comma.has_vector
    assert not line_end.vector.any()
    np.testing.assert_allclose(doc.vector, expected.mean(axis=0), rtol=1e-5)
    span = doc[1:6]
    np.testing.assert_allclose(span.vector, expected[1:5].mean(axis=0), rtol=1e-5)
    assert span.vector_norm == pytest.approx(np.linalg.norm(span.vector))
    a, b = doc[1].vector, span.vector
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert doc[1].similarity(span) == pytest.approx(cosine, abs=1e-6)
    assert doc.similarity(nlp(doc.text)) == pytest.approx(1)
    assert doc.similarity(doc.vocab["fire"]) == 0  # a lexeme has no vector
    assert not nlp("").has_vector


def test_parameters(folder):
    nlp = spacy.blank("en")
    model = conec.load(folder)
    parameters = {"a": 0.0, "per_occurrence": True, "attr": "ORTH"}
    nlp.add_pipe("context_encoder", config={"model": str(folder), **parameters})
    tokens = ["The", "fire", "and", "the", "fire", "burned", "sydney"]
    doc = spacy.tokens.Doc(nlp.vocab, tokens)
    nlp.get_pipe("context_encoder")(doc)
    np.testing.assert_array_equal(
        doc._.context_vectors, model.embed(tokens, 0.0, per_occurrence=True)
    )


def test_many_documents_and_errors_of_single_ones(nlp):
    texts = [" ".join(text) for text in TEXTS]
    one_by_one = [nlp(text).vector for text in texts]
    for batch_size in (1, 5, 100):
        docs = list(nlp.pipe(texts, batch_size=batch_size))
        assert [doc.text for doc in docs] == texts
        np.testing.assert_array_equal([doc.vector for doc in docs], one_by_one)
    pipe, failed = nlp.get_pipe("context_encoder"), []
    pipe.set_error_handler(lambda name, component, docs, error: failed.append((name, error)))
    pipe.embed = lambda docs: [][0]
    assert list(nlp.pipe(texts[:2])) == []
    assert [(name, type(error)) for name, error in failed] == [("context_encoder", IndexError)]


def test_pipelines_are_saved_with_the_encoder(nlp, tmp_path, monkeypatch):
    text = "the fire burned near zorbville"
    expected = nlp(text).vector
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline", config={"components.context_encoder.model": None})
    np.testing.assert_array_equal(loaded(text).vector, expected)
    loaded.to_disk(tmp_path / "pipeline")  # over the files that are mapped
    np.testing.assert_array_equal(spacy.load(tmp_path / "pipeline")(text).vector, expected)
    other = spacy.blank("en")
    other.add_pipe("context_encoder")
    np.testing.assert_array_equal(other.from_bytes(nlp.to_bytes())(text).vector, expected)


def test_documents_are_copied(nlp):
    doc = nlp("the fire burned near zorbville")
    copied = pickle.loads(pickle.dumps(doc))
    np.testing.assert_array_equal(copied[4].vector, doc[4].vector)
    with pytest.warns(UserWarning, match="Unable to save user hooks"):
        read = spacy.tokens.Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert not read[4].has_vector
    spacy_pipe.set_vector_hooks(read)
    np.testing.assert_array_equal(read[4].vector, doc[4].vector)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[:2])
    with pytest.raises(ValueError, match="5 context vectors for 4 tokens"):
        _ = doc[0].vector
    with pytest.raises(ValueError, match="has no context vectors"):
        spacy_pipe.set_vector_hooks(nlp.make_doc("fire"))


def test_errors(nlp, tmp_path):
    empty = spacy.blank("en")
    empty.add_pipe("context_encoder")
    with pytest.raises(ValueError, match=r"has no model.*config=.*FOLDER"):
        empty("fire")
    empty.get_pipe("context_encoder").encoder = nlp.get_pipe("context_encoder").encoder
    assert empty("fire")[0].has_vector
    missing = spacy.blank("en")
    missing.add_pipe("context_encoder", config={"model": str(tmp_path / "missing")})
    with pytest.raises(FileNotFoundError, match="missing"):
        missing("fire")
    for config, match in (
        ({"a": 2.0}, "a must be from 0 to 1"), ({"senses": "all"}, "senses must be one of"),
        ({"attr": "SHAPE"}, "attr must be one of"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            spacy.blank("en").add_pipe("context_encoder", config=config)


CONFIG = """
[nlp]
lang = "en"
pipeline = ["context_encoder", "ner", "textcat"]

[components]

[components.context_encoder]
factory = "context_encoder"
a = 0.0

[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"
extra_state_tokens = false
hidden_width = 16
maxout_pieces = 2

[components.ner.model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[components.ner.model.tok2vec.embed]
@architectures = "conec.ContextVectors.v1"
width = 24

[components.ner.model.tok2vec.embed.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 8
attrs = ["SHAPE"]
rows = [50]
include_static_vectors = false

[components.ner.model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 24
depth = 1
window_size = 1
maxout_pieces = 2

[components.textcat]
factory = "textcat"

[components.textcat.model]
@architectures = "spacy.TextCatReduce.v1"
exclusive_classes = true
use_reduce_first = false
use_reduce_last = false
use_reduce_max = false
use_reduce_mean = true

[components.textcat.model.tok2vec]
@architectures = "conec.ContextVectors.v1"
width = 24
"""


def test_ner_and_textcat_learn_from_context_vectors(folder, tmp_path):
    config = Config().from_str(CONFIG)
    config["components"]["context_encoder"]["model"] = str(folder)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    examples = []
    for tokens, subject in zip(TEXTS[:8], list(SUBJECTS) * 4, strict=True):
        doc = spacy.tokens.Doc(nlp.vocab, tokens)
        reference = doc.copy()
        place = next(i for i, token in enumerate(tokens) if token in PLACES)
        reference.ents = [spacy.tokens.Span(reference, place, place + 1, "PLACE")]
        reference.cats = {name: float(name == subject) for name in SUBJECTS}
        examples.append(spacy.training.Example(doc, reference))
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    assert nlp.get_pipe("context_encoder").listening_components == ["ner", "textcat"]
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "trained")
    for pipeline in (nlp, spacy.load(tmp_path / "trained")):
        # a place that neither the encoder nor the components have seen
        doc = pipeline(SUBJECTS["fire"].format("zorbville"))
        assert [(ent.text, ent.label_) for ent in doc.ents] == [("zorbville", "PLACE")]
        assert max(doc.cats, key=doc.cats.get) == "fire"
        doc = pipeline("the team from zorbville won the match")
        assert max(doc.cats, key=doc.cats.get) == "sport"
    nlp.remove_pipe("context_encoder")
    orphan = spacy.blank("en")
    orphan.add_pipe("textcat", config={"model": config["components"]["textcat"]["model"]})
    with pytest.raises(ValueError, match="needs a component context_encoder"):
        orphan.initialize(lambda: examples)


def test_keys_of_exported_vectors_are_words(folder, tmp_path):
    nlp = to_spacy(conec.load(folder).wv)
    nlp.to_disk(tmp_path / "vectors")
    for pipeline in (nlp, spacy.load(tmp_path / "vectors")):
        words = {pipeline.vocab.strings[key] for key in pipeline.vocab.vectors}
        assert words == set(conec.load(folder).vocabulary.words)
        query = pipeline.vocab["fire"].vector[None]
        keys, _, _ = pipeline.vocab.vectors.most_similar(query, n=1)
        assert pipeline.vocab.strings[int(keys[0, 0])] == "fire"


def test_entry_points_exist():
    tomllib = pytest.importorskip("tomllib")
    root = Path(__file__).resolve().parents[2]
    entry_points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]
    factories, layers = entry_points["spacy_factories"], entry_points["spacy_architectures"]
    assert factories == {"context_encoder": "conec.interop.spacy_pipe:make_pipe"}
    assert layers == {"conec.ContextVectors.v1": "conec.interop.spacy_pipe:context_vectors"}
    assert callable(spacy_pipe.make_pipe)
    assert callable(spacy_pipe.context_vectors)
