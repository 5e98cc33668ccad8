"""Which context words made an embedding close to a word."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from gensim.test.utils import datapath

import conec
from conec.contexts.mapping import MapConfig
from conec.embedding import index_texts
from conec.linalg import normalize

LEE = datapath("lee_background.cor")
SENTENCE = "police said the zorbing in western sydney was part of a military operation"
TEXT = SENTENCE.split()


@pytest.fixture(scope="module")
def trained():
    return conec.ContextEncoder(vector_size=30, min_count=5, epochs=5, sample=1e-3, seed=1).fit(LEE)


@pytest.fixture
def model(trained, tmp_path):
    trained.save(tmp_path / "trained")
    return conec.load(tmp_path / "trained")


def shares(found):
    return by_word(found, found.relevances)


def by_word(found, row):
    return {found.names[i]: v for i, v in zip(row.indices, row.data, strict=True)}


def near(model, i, size):
    """Known words around a place, and how far they are."""
    for j, token in enumerate(TEXT):
        if i != j and abs(i - j) <= size and token in model:
            yield token, abs(i - j)


def test_local_contexts_word_by_word(model):
    model.build_contexts(LEE)
    rows, index = normalize(model.W1), model.vocabulary.index
    other = normalize(model.wv_context["fire"][None])[0]
    weights = {}
    for token, distance in near(model, TEXT.index("zorbing"), model.config.window):
        weights[token] = weights.get(token, 0) + 1 / distance
    top = max(weights.values())
    vector = sum(w / top * rows[index[t]] for t, w in weights.items())
    expected = {
        t: w / top * rows[index[t]] @ other / np.linalg.norm(vector) for t, w in weights.items()
    }
    found = model.explain_similarity("zorbing", "fire", [TEXT])
    assert shares(found) == pytest.approx(expected, abs=1e-6)
    assert by_word(found, found.x) == pytest.approx({t: w / top for t, w in weights.items()})
    cosine = model.embed_word("zorbing", [TEXT]) @ other
    assert found.value == pytest.approx(cosine, abs=1e-6)
    assert found.relevances.sum() == pytest.approx(cosine, abs=1e-6)
    assert found.bias == pytest.approx(0, abs=1e-6)
    assert found.top(1)[0][0] == max(expected, key=lambda t: abs(expected[t]))
    assert "zorbing and fire" in found.title


def test_a_text_with_a_mark_is_the_same(model):
    model.build_contexts(LEE)
    marked = ["___" if token == "zorbing" else token for token in TEXT]
    one = model.explain_similarity("zorbing", "fire", [" ".join(TEXT)])
    two = model.explain_similarity(marked, "fire")
    assert shares(one) == pytest.approx(shares(two))
    assert one.value == pytest.approx(two.value)


@pytest.mark.slow
def test_global_and_local_contexts_together(model):
    model.build_contexts(LEE)
    X = model.global_contexts(LEE, normalize="max")
    rows, i = normalize(model.W1), model.vocabulary.index["police"]
    other = normalize(model.wv_context["fire"][None])[0]
    found = model.explain_similarity("police", "fire", global_contexts=X)
    row = X[[i]].toarray()[0]
    expected = 0.8 * row * (rows @ other)
    expected /= np.linalg.norm(0.8 * row @ rows)
    assert found.relevances.toarray()[0] == pytest.approx(expected, abs=1e-6)
    assert found.value == pytest.approx(model.wv_context.similarity("police", "fire"), abs=1e-5)
    assert found.bias == pytest.approx(0, abs=1e-5)
    both = model.explain_similarity("police", "fire", [TEXT], a=0.6, global_contexts=X)
    assert both.value == pytest.approx(model.embed_word("police", [TEXT], 0.6) @ other, abs=1e-6)
    assert both.bias == pytest.approx(0, abs=1e-5)
    # without them the global share belongs to no word
    local = model.explain_similarity("police", "fire", [TEXT], a=0.6)
    assert local.value == pytest.approx(both.value)
    vector = 0.6 * model.context_embeddings[i]
    assert abs(local.bias) > 1e-3
    assert local.relevances.sum() + local.bias == pytest.approx(local.value)
    length = np.linalg.norm(
        vector + 0.4 * model.embed_contexts(index_texts([TEXT], model.vocabulary))[0]
    )
    assert local.bias == pytest.approx(vector @ other / length, abs=1e-5)


@pytest.mark.parametrize(
    "config", [MapConfig(near=2, wide=4, plain=0.5), MapConfig(near=4, wide=2)]
)
@pytest.mark.parametrize("times", [1, 2])
def test_mapped_contexts_word_by_word(model, config, times):
    """Lengths count as given; the means that the map takes off belong to no word."""
    model.learn_map(LEE, config)
    made, rows, index = model.context_map, normalize(model.W1), model.vocabulary.index
    keep = model.vocabulary.keep_probability(config.sample)
    other = normalize(model.wv_context["fire"][None])[0].astype(float)
    kinds = [{}, {}]
    for token, distance in near(model, TEXT.index("zorbing"), 4):
        for k, reach in ((0, config.near), (1, config.wide)):
            weight = (max(0, 1 - (distance - 1) / reach), distance <= reach)[k] * keep[index[token]]
            if weight:
                kinds[k][token] = kinds[k].get(token, 0) + weight
    sums = [sum(w * rows[index[t]].astype(float) for t, w in kind.items()) for kind in kinds]
    lengths = [np.linalg.norm(s) for s in sums]
    total = sum((sums[k] / lengths[k] - made.mean[k]) @ made.weights[k] for k in range(2))
    plain = config.plain / np.sqrt(times)
    size = np.linalg.norm(total)
    outer = np.linalg.norm(total / size + plain * sums[1] / lengths[1])
    expected = {}
    for k, kind in enumerate(kinds):
        for token, weight in kind.items():
            part = weight / lengths[k] * rows[index[token]].astype(float)
            share = part @ made.weights[k] @ other / size + (k == 1) * plain * part @ other
            expected[token] = expected.get(token, 0) + share / outer
    found = model.explain_similarity("zorbing", "fire", [TEXT] * times)
    assert shares(found) == pytest.approx(expected, abs=1e-5)
    means = sum(made.mean[k] @ made.weights[k] for k in range(2)) @ other
    assert found.bias == pytest.approx(-means / size / outer, abs=1e-5)
    assert found.value == pytest.approx(
        model.embed_word("zorbing", [TEXT] * times) @ other, abs=1e-5
    )


def test_close_to_a_vector(model):
    vector = model.embed_word("bungee", ["the bungee fire near sydney burned"])
    found = model.explain_similarity("zorbing", vector, [TEXT])
    assert found.value == pytest.approx(vector @ model.embed_word("zorbing", [TEXT]), abs=1e-6)
    again = model.explain_similarity("zorbing", 3 * vector, [TEXT])
    assert again.value == pytest.approx(found.value, abs=1e-6)
    assert "a vector" in found.title


def test_it_makes_pictures(model, tmp_path):
    found = model.explain_similarity("zorbing", "fire", [TEXT])
    found.to_html(tmp_path / "why.html")
    assert "zorbing and fire" in (tmp_path / "why.html").read_text()
    pieces = found.words(" ".join(TEXT))
    total = sum(piece.relevance for piece in pieces)
    assert total == pytest.approx(found.relevances.sum(), abs=1e-5)


def test_bad_input(model):
    with pytest.raises(KeyError, match="'zorbing' is not in the vocabulary"):
        model.explain_similarity("police", "zorbing", [TEXT])
    with pytest.raises(ValueError, match="the context .* does not contain 'zorbing'"):
        model.explain_similarity("zorbing", "fire", ["no such word here"])
    with pytest.raises(ValueError, match="must contain '___'"):
        model.explain_similarity(TEXT, "fire")
    with pytest.raises(ValueError, match="the embedding of 'zorbing' has no known context words"):
        model.explain_similarity("zorbing", "fire", ["xyzzy zorbing plugh"])
    with pytest.raises(ValueError, match="no known context words"):
        model.explain_similarity("police", "fire")
    with pytest.raises(ValueError, match="a must be a number from 0 to 1"):
        model.explain_similarity("police", "fire", [TEXT], a=2)
    with pytest.raises(ValueError, match=r"must have shape \(30,\)"):
        model.explain_similarity("police", np.ones(3), [TEXT])
    X = model.global_contexts(LEE, normalize="max")
    with pytest.raises(ValueError, match="after learn_map"):
        model.explain_similarity("police", "fire", global_contexts=X)
    model.build_contexts(LEE)
    with pytest.raises(ValueError, match="global_contexts does not match the embeddings"):
        model.explain_similarity("police", "fire", global_contexts=model.global_contexts(LEE))
    with pytest.raises(ValueError, match="sparse matrix of shape"):
        model.explain_similarity("police", "fire", global_contexts=X[:3])


@pytest.mark.slow
def test_no_torch_is_needed(trained, tmp_path):
    trained.save(tmp_path / "model")
    code = (
        "import sys, conec\n"
        f"model = conec.load({str(tmp_path / 'model')!r})\n"
        "model.explain_similarity('the ___ burned near sydney'.split(), 'fire').top()\n"
        "assert not {'torch', 'zennit', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
