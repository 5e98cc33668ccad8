"""Presets: what they say of the thesis's experiments, and that they train so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import conec
from conec.presets import thesis, thesis_analogies
from conec.training.weights import initial_weights
from corpora.encoding import TokenStream

TEXT = [["a", "b", "c", "d", "e", "f", "g"] * 4, ["b", "a", "e", "c"] * 5]


@pytest.mark.parametrize(("preset", "epochs"), [(thesis, 20), (thesis_analogies, 10)])
def test_epochs_and_rates(preset, epochs):
    assert sum(part[0] for part in preset.rates) == epochs
    config = conec.ContextEncoder(**preset.parameters).config
    assert (config.window, config.min_window, config.negative) == (5, 2, 13)
    assert config.rate_exponent == config.sample == 0
    assert not config.cbow_mean


def test_rates_of_named_entities_are_halved_every_five_epochs():
    assert thesis.rates[0] == (5, 0.02, 0.02)
    for (n, _, before), (m, start, end) in zip(thesis.rates, thesis.rates[1:], strict=False):
        assert n == m == 5
        assert start == end == before / 2


def test_cleaning():
    assert thesis.clean("Zürich-1996") == "zurich-1111"


@pytest.mark.slow
def test_training_is_that_of_its_parts():
    preset = replace(thesis, rates=((2, 0.02, 0.02), (1, 0.01, 0.005)))
    model = preset.fit(TEXT, seed=3, vector_size=6)
    other = conec.ContextEncoder(**{**thesis.parameters, "seed": 3, "vector_size": 6})
    other.build_vocab(TEXT)
    other.train(TEXT, epochs=2, start_alpha=0.02, end_alpha=0.02, learn_map=False)
    other.train(TEXT, epochs=1, start_alpha=0.01, end_alpha=0.005, learn_map=False)
    other.build_contexts(TEXT, normalize="max")
    assert len(model.loss_history_) == 3
    assert model.W1.tobytes() == other.W1.tobytes()
    np.testing.assert_array_equal(model.context_embeddings, other.context_embeddings)
    stream = TokenStream.from_documents(TEXT, model.vocabulary.index)
    counts = dict(zip(model.vocabulary.words, model.vocabulary.counts.tolist(), strict=True))
    again = preset.fit_stream(counts, stream, seed=3, vector_size=6)
    assert again.W1.tobytes() == model.W1.tobytes()


def test_weights_begin_uniform_within_the_bounds_of_each_kind():
    W1, W2 = initial_weights(3000, 20, 1, "glorot")
    bound = 4 * np.sqrt(6 / 3020)
    for W in (W1, W2):
        assert 0.99 * bound < np.abs(W).max() <= bound
        assert W.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    assert np.corrcoef(W1.ravel(), W2.ravel())[0, 1] == pytest.approx(0, abs=0.02)
    W1, W2 = initial_weights(3000, 20, 1)
    assert 0.99 * 0.5 / 20 < np.abs(W1).max() <= 0.5 / 20
    assert not W2.any()


def test_init_is_a_parameter_and_is_kept(tmp_path):
    model = conec.ContextEncoder(init="glorot", min_count=1, vector_size=4).build_vocab(TEXT)
    assert model.W2.any()
    model.save(tmp_path / "model")
    assert conec.load(tmp_path / "model").config.init == "glorot"
    with pytest.raises(ValueError, match="init must be one of 'word2vec', 'glorot'"):
        conec.ContextEncoder(init="zero")
