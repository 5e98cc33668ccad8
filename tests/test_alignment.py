"""A loaded model gives the same results wherever its weights lie in memory.

Products of matrices may add up their terms in an order that depends on the address of a matrix.
PyTorch's MKL does so: its results are the same bits only because tensors are always placed at
multiples of 64 bytes. NumPy's OpenBLAS was not seen to do so in float32, but doesn't promise it:
where products are NumPy's, results are compared up to the error of a sum of n products, which is
at most n eps times the sum of their moduli in any order (Higham, 2002, section 3.1).
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import conec
from conec.extended import ExtendedContextEncoder
from conec.ner import Tagger
from simec import SimilarityEncoder
from simec.links import LinkPredictor
from simec.recommender import Recommender
from simec.recommender.base import BaseRecommender
from tests.conec.ner_texts import groups, sentences, trained
from tests.model_folders import reseal
from tests.simec.encoder_data import fitted, make
from tests.simec.links.graph import PLACES, chain, features
from tests.simec.recommender.contract import N_ITEMS, N_USERS, checkerboard

OFFSETS = range(0, 64, 4)
EPS = float(np.finfo(np.float32).eps)
X, S = make()


def shift(folder: Path, offset: int) -> None:
    """Rewrite all weights in a folder so that their data starts at an offset modulo 64.

    Where files are mapped or read into one piece of memory, arrays lie at that offset too.
    """
    for file in folder.rglob("*.safetensors"):
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = content[8 : 8 + length].rstrip(b" ")
        header += b" " * ((offset - 8 - len(header)) % 64)
        file.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
        assert (8 + len(header)) % 64 == offset
    reseal(folder)


def loaded(cls, folder):
    """The model in a folder, with its weights at each offset."""
    for offset in OFFSETS:
        shift(folder, offset)
        yield cls.load(folder)


def at(values: torch.Tensor, offset: int) -> torch.Tensor:
    """A copy that starts at an offset modulo 64."""
    size = values.element_size()
    memory = torch.empty(values.numel() + 128 // size, dtype=values.dtype)
    start = (-memory.data_ptr() % 64 + offset) // size
    found = memory[start : start + values.numel()].view(values.shape)
    assert found.data_ptr() % 64 == offset
    return found.copy_(values)


# PyTorch: the same bits


PREDICTORS = {
    "complex": {},
    "diagonal": {"relation_matrix": "diagonal"},
    "full": {"relation_matrix": "full", "n3": 0.0},
    "untied": {"tied": False, "loss": "bce", "n3": 0.0},
    "features": {"hidden_layers": (5,)},
}


@pytest.mark.parametrize("form", PREDICTORS)
def test_link_predictors(form, tmp_path):
    train, test = chain()
    predictor = LinkPredictor(6, max_iter=3, batch_size=16, random_state=0, **PREDICTORS[form])
    more = {"features": features()} if form == "features" else {}
    predictor.fit(train, test, entities=PLACES, **more)
    if form == "features":
        predictor.add_entities(["new"], features()[:1])
    predictor.save(tmp_path / "m")
    for again in loaded(LinkPredictor, tmp_path / "m"):
        assert again.embeddings_.data_ptr() % 64 == 0
        np.testing.assert_array_equal(again.score(test), predictor.score(test))
        for place in PLACES[:3]:
            assert again.predict(place, "next") == predictor.predict(place, "next")
            assert again.predict_head("next", place) == predictor.predict_head("next", place)
        assert again.evaluate(test).to_dict() == predictor.evaluate(test).to_dict()
        if form == "features":
            np.testing.assert_array_equal(
                again.transform(features=features()), predictor.transform(features=features())
            )


def a_network(offset):
    """A network whose weights lie at an offset."""
    network = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
    for values in network.parameters():
        values.data = at(values.data, offset)
    return network


ENCODERS = {
    "linear": {"solver": "exact"},
    "deep": {"hidden_layers": (5,), "decoder": 0.5},
    "network": {"network": a_network(4)},
}


@pytest.mark.parametrize("form", ENCODERS)
def test_similarity_encoders(form, tmp_path):
    encoder = fitted(X, S, **{"max_iter": 3, **ENCODERS[form]})
    encoder.save(tmp_path / "m")
    Y = encoder.transform(X)
    for offset in OFFSETS:
        shift(tmp_path / "m", offset)
        network = a_network(offset) if form == "network" else None
        again = SimilarityEncoder.load(tmp_path / "m", network=network)
        assert all(p.data_ptr() % 64 == 0 for p in again.module_.parameters())
        np.testing.assert_array_equal(again.predict(X), encoder.predict(X))
        for row in (0, 1):  # products with one row are done in another way
            np.testing.assert_array_equal(
                again.predict(X[row : row + 1]), encoder.predict(X[row : row + 1])
            )
        if form == "deep":
            for start in (0, 1):
                np.testing.assert_array_equal(
                    again.inverse_transform(Y[start:]), encoder.inverse_transform(Y[start:])
                )


def test_rows_give_the_same_bits_wherever_they_lie():
    rng = np.random.default_rng(0)
    data = torch.from_numpy(rng.standard_normal((3, 50), np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        encoder = fitted(data, data, n_components=50, max_iter=1, decoder=0.5)
    for n in (1, 2, 3):
        Y, features = encoder.transform(data[:n]), encoder.inverse_transform(data[:n])
        for offset in OFFSETS:
            rows = at(data[:n], offset).numpy()
            np.testing.assert_array_equal(encoder.transform(rows), Y)
            np.testing.assert_array_equal(encoder.inverse_transform(rows), features)


# NumPy


@pytest.mark.slow
def test_recommenders(tmp_path):
    ratings, _ = checkerboard()
    items = np.arange(1000, 1000 + N_ITEMS), np.eye(N_ITEMS, 4, dtype=np.float32)
    u, i = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
    pairs = u + 100, i + 1000
    for number, (recommender, data) in enumerate((
        (Recommender(4, l2=0.3), {}),
        (Recommender(4, l2=0.3), {"item_features": items}),
        (Recommender(4, hidden_layers=(6,), id_feature_scale=0, l2=0.01, max_iter=3),
         {"item_features": items}),
    )):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recommender.fit(ratings, **data)
        folder = tmp_path / str(number)
        recommender.save(folder)
        expected = recommender.predict(*pairs)
        # a mean, two biases and a product of embeddings, of which none is larger than ratings
        # are apart; 64 terms are more than those that went into an embedding
        atol = 64 * EPS * float(np.ptp(ratings[2]) + np.abs(ratings[2]).max())
        for again in loaded(BaseRecommender, folder):
            np.testing.assert_allclose(again.predict(*pairs), expected, rtol=0, atol=atol)


def test_context_encoders(tmp_path):
    model = trained()
    model.save(tmp_path / "m")
    text = ["they", "eat", "apple", "sweet", "zorbville", "station"]
    words = model.vocabulary.words
    # similarities are products of unit vectors: the sum of moduli is at most 1
    atol = model.W1.shape[1] * EPS
    for again in loaded(conec.ContextEncoder, tmp_path / "m"):
        assert isinstance(again.W1, np.memmap)
        # embeddings are sums over words, one dimension of them like the other
        np.testing.assert_array_equal(again.embed(text), model.embed(text))
        for word in words[:3]:
            found, expected = again.wv.most_similar(word), model.wv.most_similar(word)
            np.testing.assert_allclose(
                [value for _, value in found], [value for _, value in expected], rtol=0, atol=atol
            )


def test_extended_encoders(tmp_path):
    from tests.conec.test_features import FLAT, TEXT, made

    model = made(vector_size=7).fit(TEXT)
    model.save(tmp_path / "m")
    for again in loaded(ExtendedContextEncoder, tmp_path / "m"):
        np.testing.assert_array_equal(again.embed(FLAT), model.embed(FLAT))


@pytest.mark.slow
def test_taggers(tmp_path):
    pytest.importorskip("pycrfsuite")
    words, tags = sentences(40, 5)
    tagger = Tagger(groups(trained(), clusters=(4, 8)), window=0, affix=0, max_iterations=10)
    tagger.fit(words, tags).save(tmp_path / "t")
    unseen = [["trains", "leave", "zorbville", "old", "station"]]
    for again in loaded(Tagger, tmp_path / "t"):
        np.testing.assert_array_equal(
            again.features_.groups(unseen), tagger.features_.groups(unseen)
        )
        assert again.predict(words) == tagger.predict(words)
