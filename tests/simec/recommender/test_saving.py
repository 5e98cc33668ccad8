"""Recommenders in folders: what is saved, what is refused, and what is found to be damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import sparse

from corpora.errors import ModelError
from simec.recommender import (
    BaseRecommender,
    BiasBaseline,
    ColdStartRecommender,
    ContentLinear,
    FactorRecommender,
    Features,
    ItemKNN,
    ResidualSVD,
    SVDRidge,
)
from simec.recommender.base import training_rows
from tests.golden import EXPECTED, golden

TRIPLES = [(u, i, float((u * i + u) % 5)) for u in range(6) for i in range(5) if (u + i) % 4]
FEATURES = {"item_features": (range(5), np.random.default_rng(0).normal(size=(5, 3)))}


class Favorites(FactorRecommender):
    """A custom recommender, as docs/how-to/recommender.md describes."""

    def __init__(self, scale=1.0, kernel=None, layers=()):
        super().__init__()
        self.scale = scale
        self.kernel = kernel
        self.layers = layers

    def _fit(self, residuals, users, items):
        self.user_vectors_ = self.scale * np.eye(len(users), 3)
        self.item_vectors_ = self.scale * np.eye(len(items), 3)
        self.counts_ = [np.int64(residuals.nnz), len(users)]
        self.pattern_ = residuals

    def _embed_users(self, users):
        return training_rows(self.user_vectors_, users)

    def _embed_items(self, items):
        return training_rows(self.item_vectors_, items)


def test_custom_recommenders(tmp_path):
    fitted = Favorites(np.float32(0.5), layers=np.array([3, 4])).fit(TRIPLES)
    fitted.save(tmp_path / "m")
    for cls in (Favorites, FactorRecommender, BaseRecommender):
        again = cls.load(tmp_path / "m", verify=True)
        assert type(again) is Favorites
        assert again.scale == 0.5
        assert again.layers == (3, 4)
        assert again.counts_ == (len(TRIPLES), 6)
        assert (again.pattern_ != fitted.pattern_).nnz == 0
        np.testing.assert_array_equal(again.predict(1, range(5)), fitted.predict(1, range(5)))
    with pytest.raises(ModelError, match="class Favorites, not BiasBaseline"):
        BiasBaseline.load(tmp_path / "m")


def test_custom_recommenders_that_are_not_imported(tmp_path):
    text = """class Unseen(BaseRecommender):
        def _fit(self, residuals, users, items): pass
        def _residuals(self, users, items): return np.zeros((len(users), len(items)))
    """
    names = {"BaseRecommender": BaseRecommender, "np": np}
    exec(text, names)
    names["Unseen"]().fit(TRIPLES).save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["class"] == "Unseen"
    assert type(BaseRecommender.load(tmp_path / "m")) is names["Unseen"]
    _rename_class(tmp_path / "m", "Elsewhere")
    with pytest.raises(ModelError, match="class Elsewhere, which is not imported.*Elsewhere.load"):
        BaseRecommender.load(tmp_path / "m")


def test_a_custom_class_with_the_name_of_another(tmp_path):
    custom = type(BiasBaseline.__name__, (BiasBaseline,), {"__module__": "mine", "extra": 1})
    custom().fit(TRIPLES).save(tmp_path / "mine")
    BiasBaseline().fit(TRIPLES).save(tmp_path / "theirs")
    assert BaseRecommender.load(tmp_path / "mine").extra == 1
    assert type(BaseRecommender.load(tmp_path / "theirs")) is BiasBaseline


def _rename_class(folder, name):
    from tests.model_folders import reseal

    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"class": name}))
    reseal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: setattr(r, "kernel", lambda x: x), "kernel.*function"),
        (lambda r: setattr(r, "scale", np.nan), "scale is nan"),
        (lambda r: setattr(r, "map_", {"a": 1}), "map_ cannot be saved.*got dict"),
        (lambda r: setattr(r, "call_", len), "call_ cannot be saved.*got builtin"),
        (lambda r: setattr(r, "names_", np.array(["a"])), "names_ cannot be saved"),
        (lambda r: r.user_vectors_.fill(np.inf), "user_vectors_ has NaN or infinite"),
    ],
)
def test_values_that_cannot_be_saved_change_nothing(tmp_path, change, message):
    recommender = Favorites().fit(TRIPLES)
    recommender.save(tmp_path / "m")
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    change(recommender)
    with pytest.raises((TypeError, ValueError), match=message):
        recommender.save(tmp_path / "m")
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("entry", ["README.md", "runs", ".git"])
def test_other_entries_of_a_folder_are_left_alone(tmp_path, entry):
    folder = tmp_path / "m"
    fitted = BiasBaseline().fit(TRIPLES)
    fitted.save(folder)
    other = folder / entry
    if "." in entry[1:]:
        other.write_text("mine")
    else:
        other.mkdir()
        (other / "first").write_text("mine")
    with pytest.raises(FileExistsError, match=entry):
        fitted.save(folder)
    assert (other if other.is_file() else other / "first").read_text() == "mine"
    assert BiasBaseline.load(folder).range_ == fitted.range_


# Folders of earlier versions


RECOMMENDERS = [name for name in EXPECTED if name.startswith("recommender")]


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_recommenders_of_an_earlier_version(tmp_path, name):
    expected = EXPECTED[name]
    if expected["class"] == "Recommender":
        pytest.importorskip("torch")
    folder = golden(name, tmp_path)
    recommender = BaseRecommender.load(folder, verify=True)
    new_names = {"Averages": "BiasBaseline", "Neighbourhood": "ItemKNN"}
    assert type(recommender).__name__ == new_names.get(expected["class"], expected["class"])
    for _ in range(2):
        users, items = expected["users"], expected["items"]
        found = recommender.predict(users, items)
        np.testing.assert_allclose(found, expected["predict"], rtol=1e-6)
        if "recommend" in expected:
            best = expected["recommend"]
            found = recommender.recommend(102, len(best), exclude_seen=False)
            assert [item for item, _ in found] == [item for item, _ in best]
            np.testing.assert_allclose([s for _, s in found], [s for _, s in best], rtol=1e-5)
        recommender.save(folder)  # replaces the folder of the earlier format
        assert (folder / "manifest.json").exists()
        recommender = type(recommender).load(folder, verify=True)


# Damaged folders


def damaged(folder, changes):
    """Change arrays of a folder without checksums."""
    path = folder / "arrays.safetensors"
    arrays = load_file(path)
    for name, change in changes.items():
        arrays[name] = np.ascontiguousarray(change(arrays[name]))
    save_file(arrays, path)


def with_entry(value, at=0):
    def change(array):
        array = array.copy()
        array[at] = value
        return array

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratings_.matrix.indices": with_entry(99)}, "column indices must be from 0 to"),
        ({"ratings_.matrix.indices": with_entry(-1)}, "column indices must be from 0 to"),
        ({"ratings_.matrix.indptr": with_entry(1)}, "row pointers"),
        ({"ratings_.matrix.indptr": with_entry(1 << 30, 2)}, "row pointers"),
        ({"ratings_.matrix.indptr": with_entry(1 << 30, -1)}, "row pointers"),
        ({"ratings_.matrix.indptr": lambda a: a[:-1]}, "row pointers must be 9 integers"),
        ({"ratings_.matrix.indices": lambda a: a[:-1]}, "do not fit a sparse matrix"),
        ({"ratings_.matrix.indices": lambda a: a.astype(np.float64)}, "must be integers"),
        ({"ratings_.matrix.data": with_entry(np.nan)}, "NaN or infinite"),
        ({"biases_.users": with_entry(np.nan)}, "NaN or infinite"),
        ({"biases_.items": lambda a: a[:-1]}, "biases of items must have shape"),
        ({"ratings_.users.ids": with_entry(101)}, "occurs twice"),
        ({"ratings_.items.ids": lambda a: a[:-1]}, "ratings_.matrix must have shape"),
    ],
)
def test_damaged_ratings(tmp_path, changes, message):
    folder = golden("recommender_averages", tmp_path)
    damaged(folder, changes)
    with pytest.raises(ModelError, match=f"is damaged: .*{message}"):
        BaseRecommender.load(folder)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("recommender_residual_svd", "user_vectors_"),
        ("recommender_residual_svd", "item_vectors_"),
        ("recommender_svd_ridge", "known_items_"),
        ("recommender_svd_ridge", "item_map_.0"),
        ("recommender_item_knn", "similarity_"),
        ("recommender_content_linear", "bias_map_.0"),
        ("recommender_content_linear", "duals_.indptr"),
        ("recommender_cold_start", "left_out_"),
        ("recommender_cold_start", "map_.1"),
        ("recommender", "first_known_"),
        ("recommender", "item_vectors_"),
    ],
)
def test_damaged_arrays_of_each_class(tmp_path, name, array):
    pytest.importorskip("torch")
    folder = golden(name, tmp_path)
    damaged(folder, {array: lambda a: a[:-1]})
    with pytest.raises(ModelError, match="is damaged"):
        BaseRecommender.load(folder)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_flipped_bits_without_checksums(tmp_path, name):
    """A folder of an earlier version loads and predicts numbers, or is damaged by name."""
    pytest.importorskip("torch")
    folder = golden(name, tmp_path)
    rng = np.random.default_rng(0)
    path = folder / "arrays.safetensors"
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    n_damaged = 0
    for _ in range(40):
        flipped = bytearray(content)
        flipped[rng.integers(start, len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            recommender = BaseRecommender.load(folder)
        except ModelError:
            n_damaged += 1
            continue
        users, items = recommender.ratings_.users.values, recommender.ratings_.items.values
        scores = recommender.predict(np.repeat(users, len(items)), np.tile(items, len(users)))
        assert np.isfinite(scores).all()
        assert len(recommender.recommend(users[0], len(items), exclude_seen=False)) == len(items)
    assert n_damaged < 40


def test_flipped_bits_are_found(tmp_path):
    fitted = ItemKNN(3).fit(TRIPLES)
    fitted.save(tmp_path / "m")
    rng = np.random.default_rng(0)
    for path in sorted((tmp_path / "m").iterdir()):
        content = path.read_bytes()
        for _ in range(20):
            flipped = bytearray(content)
            flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            with pytest.raises(ModelError):
                ItemKNN.load(tmp_path / "m")
        path.write_bytes(content)
    assert ItemKNN.load(tmp_path / "m", verify=True).recommend(1, 3) == fitted.recommend(1, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("learned"),
        lambda c: c.pop("class"),
        lambda c: c.pop("parameters"),
        lambda c: c["learned"].pop("biases_"),
        lambda c: c["learned"].update(ratings_=3),
        lambda c: c["learned"]["biases_"].update(mean="high"),
        lambda c: c["learned"].update(range_={"list": [5.0, 1.0]}),
        lambda c: c["learned"]["ratings_"].pop("users"),
        lambda c: c["learned"].update(item_features_={"what": 1}),
        lambda c: c.update(parameters=[]),
    ],
)
def test_damaged_configurations(tmp_path, change):
    folder = golden("recommender_averages", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is damaged"):
        BaseRecommender.load(folder)


@pytest.mark.parametrize("part", ["", "encoder_"])
def test_an_invalid_device_in_a_folder(tmp_path, part):
    pytest.importorskip("torch")
    folder = golden("recommender", tmp_path)
    file = folder / part / "config.json"
    config = json.loads(file.read_text())
    config["parameters"]["device"] = "abacus"
    file.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is damaged: .*device must be 'auto' or a PyTorch device"):
        BaseRecommender.load(folder)
    assert BaseRecommender.load(folder, device="cpu").device == "cpu"


def test_arrays_of_features_agree(tmp_path):
    X = sparse.csr_matrix(FEATURES["item_features"][1])
    for make in (ContentLinear, lambda: SVDRidge(2), lambda: ColdStartRecommender(2)):
        fitted = make().fit(TRIPLES, item_features=(range(5), X, ["a", "b", "c"]))
        fitted.save(tmp_path / "m")
        again = BaseRecommender.load(tmp_path / "m")
        assert again.item_features_.names == ["a", "b", "c"]
        fewer = fitted.item_features_.matrix[:, :2]
        fitted.item_features_ = Features(fitted.item_features_.ids, fewer)
        fitted.save(tmp_path / "m")
        with pytest.raises(ModelError, match=r"must have shape \(2,"):
            BaseRecommender.load(tmp_path / "m")


def test_duplicates_are_counted_after_loading(tmp_path):
    with pytest.warns(UserWarning, match="the last one counts"):
        fitted = ResidualSVD(1).fit([*TRIPLES, (1, 1, 5.0)])
    fitted.save(tmp_path / "m")
    again = ResidualSVD.load(tmp_path / "m")
    assert again.ratings_.n_duplicates == fitted.ratings_.n_duplicates == 1
