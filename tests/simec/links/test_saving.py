"""Predictors on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from corpora.errors import ModelError
from simec.links import LinkPredictor
from tests.golden import EXPECTED, golden
from tests.simec.links.graph import PLACES, N, chain, features

SMALL = {"n_components": 6, "max_iter": 3, "batch_size": 16, "random_state": 0}
FORMS = {
    "complex": LinkPredictor(**SMALL),
    "full": LinkPredictor(**SMALL, relation_matrix="full", n3=0.0),
    "thesis": LinkPredictor.thesis(**SMALL),
    "features": LinkPredictor(**SMALL, hidden_layers=(5,)),
}


def fitted(form):
    train, test = chain()
    more = {"features": features()} if form == "features" else {}
    return FORMS[form].fit(train, test, entities=PLACES, **more)


@pytest.mark.parametrize("form", list(FORMS))
def test_what_is_loaded_is_what_was_saved(tmp_path, form):
    predictor, (_, test) = fitted(form), chain()
    if form == "features":
        predictor.add_entities(["new"], features()[:1])
    predictor.save(tmp_path / "model")
    loaded = LinkPredictor.load(tmp_path / "model")
    assert loaded.get_params() == {**predictor.get_params(), "hidden_layers": loaded.hidden_layers}
    assert (loaded.entities_, loaded.relations_) == (predictor.entities_, predictor.relations_)
    np.testing.assert_array_equal(loaded.score(test), predictor.score(test))
    assert loaded.predict("p03", "next") == predictor.predict("p03", "next")
    assert loaded.evaluate(test).to_dict() == predictor.evaluate(test).to_dict()
    assert (loaded.loss_curve_, loaded.best_score_, loaded.n_iter_) == (
        predictor.loss_curve_, predictor.best_score_, predictor.n_iter_,
    )  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json", "manifest.json", "weights.safetensors",
    ]  # fmt: skip
    if form == "features":
        loaded.add_entities(["newer"], features()[:1])
        torch.testing.assert_close(loaded.embeddings_[-1], loaded.embeddings_[-2])


def test_ids_that_are_numbers_stay_numbers(tmp_path):
    LinkPredictor(**SMALL).fit([(5, 0, 3), (3, 1, 5)]).save(tmp_path / "m")
    assert LinkPredictor.load(tmp_path / "m").predict(5, 0, 1)[0].entity in (3, 5)


def in_an_earlier_format(folder, about=None, **tensors):
    """Rewrite a folder as versions without a manifest did, with changes."""
    config = json.loads((folder / "config.json").read_text())
    header = {"format": "simec.LinkPredictor", "format_version": 1}
    (folder / "config.json").write_text(json.dumps({**config, **header, **(about or {})}))
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    safetensors.torch.save_file({**weights, **tensors}, folder / "weights.safetensors")
    (folder / "manifest.json").unlink(missing_ok=True)


def test_what_is_not_a_predictor(tmp_path):
    with pytest.raises(FileNotFoundError, match="Link predictor not found: the folder does not"):
        LinkPredictor.load(tmp_path / "nothing")
    folder = tmp_path / "m"
    predictor = fitted("complex")
    predictor.save(folder)
    about = json.loads((folder / "config.json").read_text())
    for change, message in (
        ({"format": "simec.SimilarityEncoder"}, "is not a link predictor: it holds a simec.Sim"),
        ({"format_version": 99}, "format version 99; this version .* reads up to 4"),
        ({"entities": about["entities"][:-1]}, "is damaged"),
        ({"entities": [*about["entities"][:-1], 7]}, "is damaged: .* mixed types"),
        ({"entities": [[1]] * N}, "is damaged"),
        ({"n_trained": N + 1}, "is damaged: .*n_trained must be an integer"),
        ({"n_duplicates": None}, "is damaged: .*n_duplicates"),
        ({"losses": ["a"]}, "is damaged"),
        ({"fitted_parameters": {**about["fitted_parameters"], "n_components": 8}}, "is damaged"),
        ({"fitted_parameters": {}}, "is damaged: .*fitted_parameters"),
        ({"parameters": {**about["parameters"], "n3": None}}, "is damaged"),
        ({"parameters": {"new": 1}}, "is damaged"),
        ({"parameters": None}, "is damaged"),
    ):
        in_an_earlier_format(folder, {**about, **change})
        with pytest.raises(ModelError, match=message):
            LinkPredictor.load(folder)
    config = folder / "config.json"
    config.write_text(json.dumps(about))
    with pytest.raises(ModelError, match="is not a link predictor: it has no manifest"):
        LinkPredictor.load(folder)
    in_an_earlier_format(folder, about)
    for name, values, message in (
        ("embeddings", torch.full((N, 6), torch.nan), "embeddings has NaN or infinite"),
        ("embeddings", torch.zeros(N, 4), r"embeddings must be .* shape \(40, 6\)"),
        ("embeddings", torch.zeros(N, 6, dtype=torch.float64), "embeddings must be an array"),
        ("network.relation_matrices.weight", torch.full((4, 6), torch.inf), "not finite"),
        ("known", torch.tensor([[0, 0, N]], dtype=torch.int32), "known has numbers that are not"),
        ("known", torch.tensor([[0, 2, 0]], dtype=torch.int32), "known has numbers that are not"),
        ("known", torch.tensor([[-1, 0, 0]], dtype=torch.int32), "known has numbers that are not"),
        ("known", torch.zeros(3, dtype=torch.int32), "known must be an array of int32"),
        ("network.new", torch.zeros(2), "has \\d+ weights, got"),
    ):
        good = (folder / "weights.safetensors").read_bytes()
        in_an_earlier_format(folder, **{name: values})
        with pytest.raises(ModelError, match=f"(?s)is damaged: .*{message}"):
            LinkPredictor.load(folder)
        (folder / "weights.safetensors").write_bytes(good)
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match="is damaged"):
        LinkPredictor.load(folder)
    predictor.save(folder)  # replaces the damaged model
    assert LinkPredictor.load(folder, verify=True).entities_ == PLACES


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU it loads")
def test_a_predictor_of_a_gpu_says_what_to_do_without_one(tmp_path):
    folder = tmp_path / "m"
    predictor = fitted("complex")
    predictor.save(folder)
    about = json.loads((folder / "config.json").read_text())
    about["parameters"]["device"] = "cuda"
    in_an_earlier_format(folder, about)
    with pytest.raises(RuntimeError, match="finds no GPU"):
        LinkPredictor.load(folder)
    assert LinkPredictor.load(folder, device="cpu").entities_ == PLACES


def test_flipped_bits_are_found(tmp_path):
    folder = tmp_path / "m"
    fitted("complex").save(folder)
    for name in ("config.json", "weights.safetensors"):
        good = (folder / name).read_bytes()
        for at in np.random.default_rng(0).integers(0, len(good), 20):
            bad = bytearray(good)
            bad[at] ^= 1 << (at % 8)
            (folder / name).write_bytes(bad)
            with pytest.raises(ModelError, match="damaged"):
                LinkPredictor.load(folder)
        (folder / name).write_bytes(good)
    assert LinkPredictor.load(folder).entities_ == PLACES


def test_other_things_are_not_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"holds thesis\.tex"):
        fitted("complex").save(tmp_path)
    folder = tmp_path / "m"
    fitted("complex").save(folder)
    (folder / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds other files as well \(README\.md\)"):
        fitted("complex").save(folder)
    assert (folder / "README.md").read_text() == "mine"
    assert LinkPredictor.load(folder).entities_ == PLACES


def test_parameters_of_other_types_are_converted(tmp_path):
    train, _ = chain()
    predictor = LinkPredictor(
        np.int64(6), max_iter=np.int32(2), hidden_layers=np.array([5]), n3=np.float32(0.5),
        device=torch.device("cpu"), random_state=np.random.RandomState(0), tied=np.bool_(True),
    )  # fmt: skip
    predictor.fit(train, entities=PLACES, features=features()).save(tmp_path / "m")
    loaded = LinkPredictor.load(tmp_path / "m")
    assert loaded.get_params() == {
        **predictor.get_params(), "hidden_layers": (5,), "device": "cpu", "random_state": None,
    }  # fmt: skip
    np.testing.assert_array_equal(loaded.transform(), predictor.transform())
    predictor.set_params(verbose=object())
    with pytest.raises(TypeError, match=r"parameters\.verbose is of type object"):
        predictor.save(tmp_path / "m")
    assert LinkPredictor.load(tmp_path / "m").verbose is False


def test_an_invalid_device_in_a_folder(tmp_path):
    folder = golden("link_predictor_complex", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["parameters"]["device"] = "abacus"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is damaged: .*device must be 'auto' or a PyTorch device"):
        LinkPredictor.load(folder)
    assert LinkPredictor.load(folder, device="cpu").device == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_predictor_from_a_gpu(tmp_path):
    folder = golden("link_predictor_complex", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["parameters"]["device"] = "cuda"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeError, match="no GPU here"):
        LinkPredictor.load(folder)
    assert LinkPredictor.load(folder, device="cpu").device == "cpu"


@pytest.mark.parametrize(
    "name", ["link_predictor_complex", "link_predictor_full", "link_predictor_features"]
)
def test_predictors_of_an_earlier_version_load(name, tmp_path):
    folder, expected = golden(name, tmp_path), EXPECTED[name]
    for _ in range(2):  # as they are, and saved again
        loaded = LinkPredictor.load(folder)
        assert loaded.entities_ == expected["entities"]
        triples = [tuple(triple) for triple in expected["triples"]]
        np.testing.assert_allclose(loaded.score(triples), expected["scores"], atol=1e-6)
        assert loaded.predict("p3", "next", 1)[0].entity == expected["best"]
        assert loaded.loss_curve_ == pytest.approx(expected["losses"], abs=1e-6)
        assert loaded.relation_matrix == ("full" if name.endswith("full") else "complex")
        loaded.save(folder)
        assert (folder / "manifest.json").is_file()
