"""Answers about encoders, recommenders and link predictors, and the code that gives the same."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
from scipy import sparse
from typer.testing import CliRunner

pytest.importorskip("torch")

from corpora.errors import ModelError
from corpora.explorer.explorer import UnknownName
from simec.cli import app
from simec.explore import EncoderExplorer, explorer_of
from tests.explorer import simec_models
from tests.explorer.models import assert_close, plain, value_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored")
    data = simec_models.table(folder / "points.csv")
    simec_models.encoder(folder / "encoder", data)
    simec_models.recommender(folder / "recommender")
    simec_models.links(folder / "links")
    return folder


@pytest.fixture(scope="module")
def explorers(folder):
    return {
        "encoder": explorer_of(folder / "encoder", folder / "points.csv"),
        "array": explorer_of(folder / "encoder", folder / "points.npy"),
        "recommender": explorer_of(folder / "recommender"),
        "links": explorer_of(folder / "links"),
    }


def test_about_and_completion(explorers):
    for name, facts, first in (
        ("encoder", ["12 points", "3 features", "2 dimensions"], "point0"),
        ("array", ["12 points", "3 features", "2 dimensions"], "0"),
        ("links", ["8 entities", "2 relations", "4 dimensions"], "bern"),
    ):
        model = explorers[name].ask("about", {})["answer"]["models"][0]
        assert model["facts"] == facts
        assert model["sample"] == first
        names = explorers[name].ask("complete", {"text": first[:5]})["answer"]["names"]
        assert names[0] == first
    about = explorers["recommender"].ask("about", {})["answer"]
    assert about["models"][0]["facts"][:3] == ["Recommender", "9 users", "8 items"]
    complete = explorers["recommender"].ask("complete", {"text": "ITEM", "what": "item", "n": 3})
    assert len(complete["answer"]["names"]) == 3
    for explorer in explorers.values():
        explorer.warm_up()
        json.dumps(explorer.ask("about", {}), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "question", "parameters"),
    [
        ("encoder", "neighbors", {"point": "point3", "topn": 4}),
        ("array", "neighbors", {"point": "3"}),
        ("encoder", "why", {"first": "point1", "second": "point2"}),
        ("array", "why", {"first": "1", "second": "2"}),
        ("recommender", "recommend", {"user": "user1"}),
        ("recommender", "recommend", {"user": "user1", "seen": True, "topn": 3}),
        ("recommender", "similar", {"item": "item2"}),
        ("recommender", "reasons", {"user": "user1", "item": "item2"}),
        ("links", "predict", {"entity": "rome", "relation": "capital_of"}),
        ("links", "predict", {"entity": "rome", "relation": "has_capital", "direction": "head"}),
        ("links", "neighbors", {"point": "oslo"}),
    ],
)
def test_copied_code_gives_the_same_answer(explorers, name, question, parameters):
    reply = explorers[name].ask(question, parameters)
    json.dumps(reply, allow_nan=False)
    answer = reply["answer"]
    expected = {
        "neighbors": lambda: answer["neighbors"],
        "similar": lambda: answer["neighbors"],
        "recommend": lambda: answer["items"],
        "why": lambda: [answer["similarity"], *(p["relevances"] for p in answer["points"])],
        "reasons": lambda: [
            answer["similar"], answer["rating"], answer["bias"], answer["relevances"]
        ],
        "predict": lambda: [[link["entity"], link["score"]] for link in answer["links"]],
    }[question]()  # fmt: skip
    assert expected
    value = plain(value_of(reply["code"]))
    if name == "array" and question == "neighbors":
        value = [[str(i), score] for i, score in value]
    assert_close(value, expected)


def test_relevances_sum_to_the_similarity(explorers):
    answer = explorers["encoder"].ask("why", {"first": "point1", "second": "point2"})["answer"]
    for point in answer["points"]:
        total = point["bias"] + sum(value for _, value in point["relevances"])
        assert total == pytest.approx(answer["similarity"], abs=1e-6)
    assert {name for name, _ in answer["points"][0]["relevances"]} == {*simec_models.FEATURES}


@pytest.mark.parametrize("name", ["encoder", "recommender", "links"])
def test_copied_code_computes_the_same_map(explorers, name):
    for _ in range(400):
        reply = explorers[name].ask("map", {})
        if reply["answer"]["state"] != "computing":
            break
        time.sleep(0.01)
    answer = reply["answer"]
    coordinates = value_of(reply["code"])
    assert len(answer["names"]) == len(coordinates)
    low = coordinates.min(axis=0)
    scaled = (coordinates - low) / (coordinates - low).max() * 65535
    np.testing.assert_allclose(np.array([answer["x"], answer["y"]]).T, scaled, atol=40)


def test_known_links_are_marked(explorers):
    parameters = {"entity": "paris", "relation": "capital_of"}
    links = explorers["links"].ask("predict", parameters)["answer"]["links"]
    assert [link["entity"] for link in links if link["known"]] == ["france"]
    assert [link["rank"] for link in links] == list(range(1, 9))


def test_rated_items_come_with_recommendations(explorers):
    answer = explorers["recommender"].ask("recommend", {"user": "user1"})["answer"]
    rated = {item for item, _ in answer["rated"]}
    assert len(rated) == answer["n_rated"]
    assert not rated & {item for item, _ in answer["items"]}
    reasons = explorers["recommender"].ask("reasons", {"user": "user1", "item": "item2"})["answer"]
    assert {item for item, _, _ in reasons["similar"]} <= rated


@pytest.mark.parametrize(
    ("name", "question", "parameters", "suggestion"),
    [
        ("encoder", "neighbors", {"point": "pont3"}, "point3"),
        ("encoder", "why", {"first": "point1", "second": "pt2"}, "point2"),
        ("recommender", "recommend", {"user": "usr1"}, "user1"),
        ("recommender", "reasons", {"user": "user1", "item": "itm1"}, "item1"),
        ("recommender", "similar", {"item": ""}, None),
        ("links", "predict", {"entity": "pariss", "relation": "capital_of"}, "paris"),
        ("links", "predict", {"entity": "paris", "relation": "capital"}, "capital_of"),
        ("links", "neighbors", {"point": "osl"}, "oslo"),
    ],
)
def test_unknown_names_come_with_the_closest_ones(
    explorers, name, question, parameters, suggestion
):
    with pytest.raises(UnknownName) as caught:
        explorers[name].ask(question, parameters)
    assert suggestion is None or suggestion in caught.value.suggestions


def test_a_recommender_without_features_and_embeddings(tmp_path):
    from simec.recommender import ItemKNN

    ratings = [(u, i, (3 * u + i) % 5 + 1) for u in range(6) for i in range(5) if (u + i) % 3]
    ItemKNN().fit(ratings).save(tmp_path / "m")
    explorer = explorer_of(tmp_path / "m")
    assert explorer.ask("about", {})["answer"]["models"][0]["has_map"] is False
    reply = explorer.ask("reasons", {"user": "1", "item": "2"})
    similar, rating = plain(value_of(reply["code"]))
    assert rating == pytest.approx(reply["answer"]["rating"])
    assert len(similar) == len(reply["answer"]["similar"])
    with pytest.raises(ValueError, match="have no map"):
        explorer.ask("map", {})


def test_data_that_do_not_fit_the_model_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="pass a file that has them with --data"):
        explorer_of(folder / "encoder")
    with pytest.raises(ValueError, match="leave it out here"):
        explorer_of(folder / "links", folder / "points.csv")
    with pytest.raises(FileNotFoundError):
        explorer_of(folder / "encoder", tmp_path / "no.npy")
    np.save(tmp_path / "wide.npy", np.zeros((4, 9)))
    with pytest.raises(ValueError, match="features"):
        explorer_of(folder / "encoder", tmp_path / "wide.npy")
    np.save(tmp_path / "flat.npy", np.zeros(4))
    with pytest.raises(ValueError, match="must have a row for each point"):
        explorer_of(folder / "encoder", tmp_path / "flat.npy")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"broken\.npz cannot be read"):
        explorer_of(folder / "encoder", tmp_path / "broken.npz")


def test_an_encoder_of_a_sparse_matrix_and_one_without_features(tmp_path):
    from simec import SimilarityEncoder

    X = sparse.random(10, 6, 0.5, "csr", random_state=0)
    sparse.save_npz(tmp_path / "x.npz", X)
    S = (X @ X.T).toarray()
    SimilarityEncoder(2, random_state=0).fit(X, S).save(tmp_path / "sparse")
    explorer = explorer_of(tmp_path / "sparse", tmp_path / "x.npz")
    reply = explorer.ask("why", {"first": "0", "second": "1"})
    assert value_of(reply["code"])[0] == pytest.approx(reply["answer"]["similarity"])
    SimilarityEncoder(2, random_state=0).fit(None, S).save(tmp_path / "rows")
    explorer = explorer_of(tmp_path / "rows")
    reply = explorer.ask("neighbors", {"point": "4", "topn": 3})
    assert [str(i) for i, _ in value_of(reply["code"])] == [
        name for name, _ in reply["answer"]["neighbors"]
    ]
    with pytest.raises(ValueError, match="without features"):
        explorer.ask("why", {"first": "0", "second": "1"})


def test_an_encoder_that_no_longer_fits_the_data_is_not_used(folder, tmp_path):
    from simec import SimilarityEncoder

    shutil.copytree(folder / "encoder", tmp_path / "m")
    explorer = explorer_of(tmp_path / "m", folder / "points.csv")
    before = explorer.ask("neighbors", {"point": "point3"})
    X = np.eye(6, 5)
    SimilarityEncoder(2, random_state=0).fit(X, X @ X.T).save(tmp_path / "m")
    after = explorer.ask("why", {"first": "point3", "second": "point4"})
    assert "has changed and cannot be loaded" in after["state"]["problem"]
    assert after["state"]["version"] == before["state"]["version"]
    assert explorer.ask("neighbors", {"point": "point3"})["answer"] == before["answer"]
    shutil.rmtree(tmp_path / "m")
    shutil.copytree(folder / "encoder", tmp_path / "m")
    again = explorer.ask("neighbors", {"point": "point3"})
    assert (again["answer"], again["state"]["problem"]) == (before["answer"], None)


def test_other_folders_are_refused(folder, tmp_path):
    def error(*arguments):
        result = CliRunner().invoke(app, ["explore", *map(str, arguments), "--no-browser"])
        assert result.exit_code == 1, result.output
        return result.stderr

    assert "not found" in error(tmp_path / "nothing")
    shutil.copytree(folder / "links", tmp_path / "m")
    (tmp_path / "m" / "config.json").write_text("{}")
    assert "is damaged" in error(tmp_path / "m")
    golden = simec_models.Path(__file__).parents[1] / "golden"
    with pytest.raises(ModelError, match="use conec explore"):
        explorer_of(golden / "context_encoder_map")


def test_titles_are_shown_in_place_of_ids(folder, tmp_path):
    (tmp_path / "titles.csv").write_text(
        "itemId,title,year\nitem1,Harbor,1\nitem2,Twice,2\nitem3,Twice,3\nitem4,item5,4\n"
    )
    plain_ids = explorer_of(folder / "recommender")
    titled = explorer_of(folder / "recommender", titles=tmp_path / "titles.csv")
    shown = {
        "item1": "Harbor", "item2": "Twice (item2)", "item3": "Twice (item3)",
        "item4": "item5 (item4)",
    }  # fmt: skip

    def renamed(value):
        return [[shown.get(name, name), *rest] for name, *rest in value]

    for question, parameters, part in (
        ("recommend", {"user": "user1", "seen": True}, "items"),
        ("recommend", {"user": "user1"}, "rated"),
        ("similar", {"item": "item1"}, "neighbors"),
        ("reasons", {"user": "user1", "item": "item1"}, "similar"),
    ):
        expected, reply = plain_ids.ask(question, parameters), titled.ask(question, parameters)
        assert reply["answer"][part] == renamed(expected["answer"][part])
        assert reply["code"] == expected["code"]
    assert titled.ask("similar", {"item": "Harbor"})["answer"]["item"] == "Harbor"
    by_id, other = (titled.ask("similar", {"item": item}) for item in ("item5", "item5 (item4)"))
    assert by_id["answer"]["item"] == "item5"
    assert other["answer"]["item"] == "item5 (item4)"
    complete = titled.ask("complete", {"text": "tw", "what": "item"})["answer"]["names"]
    assert sorted(complete) == ["Twice (item2)", "Twice (item3)"]
    for kind, name in (("links", "entity"), ("encoder", "point")):
        (tmp_path / f"{name}.tsv").write_text(f"{name}\tname\nparis\tLutetia\npoint0\tOrigin\n")
        data = folder / "points.csv" if kind == "encoder" else None
        explorer = explorer_of(folder / kind, data, tmp_path / f"{name}.tsv")
        text = "Lutetia" if kind == "links" else "Origin"
        assert explorer.ask("complete", {"text": text[:3]})["answer"]["names"] == [text]
        assert explorer.ask("neighbors", {"point": text})["answer"]["point"] == text
    tails = explorer_of(folder / "links", titles=tmp_path / "entity.tsv")
    asked = {"entity": "france", "relation": "has_capital", "topn": 8}
    assert "Lutetia" in [link["entity"] for link in tails.ask("predict", asked)["answer"]["links"]]


def test_titles_of_other_models_are_refused(folder, tmp_path):
    (tmp_path / "t.csv").write_text("movieId,title\n1,Toy Story\n2,Jumanji\n")
    with pytest.raises(ValueError, match="first id with a title is '1', and the first item"):
        explorer_of(folder / "recommender", titles=tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text("movieId,genres\n1,Toy Story\n2,Jumanji\n")
    with pytest.raises(ValueError, match="no column of titles is called 'title'"):
        explorer_of(folder / "recommender", titles=tmp_path / "u.csv")
    with pytest.raises(FileNotFoundError):
        explorer_of(folder / "recommender", titles=tmp_path / "no.csv")


@pytest.mark.filterwarnings("ignore:.*still falling")
def test_an_encoder_with_a_custom_network_is_explored_from_python(folder, tmp_path):
    from torch import nn

    from simec import SimilarityEncoder

    X = np.load(folder / "points.npy").astype(np.float32)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    encoder = SimilarityEncoder(2, network=network, max_iter=3, random_state=0)
    encoder.fit(X, X @ X.T).save(tmp_path / "custom")
    data = folder / "points.npy"
    result = CliRunner().invoke(
        app, ["explore", str(tmp_path / "custom"), "--data", str(data), "--no-browser"]
    )
    assert result.exit_code == 1
    assert "custom network, which a command cannot pass" in result.stderr
    assert f"EncoderExplorer('{tmp_path / 'custom'}', '{data}', network=network)" in result.stderr
    explorer = EncoderExplorer(tmp_path / "custom", data, network=network)
    reply = explorer.ask("neighbors", {"point": "3"})
    expected = encoder.transform(X) @ encoder.transform(X)[3]
    best = int(np.argmax(np.where(np.arange(len(X)) == 3, -np.inf, expected)))
    assert reply["answer"]["neighbors"][0] == [str(best), pytest.approx(expected[best], abs=1e-5)]
    assert ", network=network)" in reply["code"]
