"""Reading the data sets of simec's benchmarks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import simec_data


@pytest.fixture
def data(shared_data):
    if not (shared_data / "simec").is_dir():
        pytest.skip(f"{shared_data} has no data sets of simec")
    return shared_data


def made_up(n=40):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (n, 28, 28), dtype=np.uint8)
    return simec_data.ImageData(x, np.arange(n), x[:2], np.arange(2))


def test_missing_data_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPORA_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(simec_data, "_BESIDE", tmp_path / "beside")
    with pytest.raises(SystemExit, match=r"simec/images/mnist\.npz .*nowhere.* or .*beside"):
        simec_data.mnist()
    with pytest.raises(SystemExit, match="given.*--data.*CORPORA_DATA"):
        simec_data.newsgroups("train", data=tmp_path / "given")


def test_the_folder_given_comes_first(tmp_path, monkeypatch):
    for name in ("given", "set"):
        (tmp_path / name / "simec" / "kg").mkdir(parents=True)
    monkeypatch.setenv("CORPORA_DATA", str(tmp_path / "set"))
    assert simec_data.find("kg").is_relative_to(tmp_path / "set")
    assert simec_data.find("kg", tmp_path / "given").is_relative_to(tmp_path / "given")


def test_a_subset_has_no_point_twice_and_depends_on_the_seed():
    chosen = simec_data.subset(50, 20, 1)
    assert len(set(chosen.tolist())) == 20
    assert set(chosen.tolist()) <= set(range(50))
    np.testing.assert_array_equal(chosen, simec_data.subset(50, 20, 1))
    assert (chosen != simec_data.subset(50, 20, 2)).any()
    with pytest.raises(ValueError, match="from 1 to 50"):
        simec_data.subset(50, 51, 1)


def test_points_are_centred_by_the_training_points_alone():
    images = made_up()
    found = simec_data.points(images, 40, 1)
    assert found.x_train.shape == (32, 784)
    assert found.x_test.shape == (8, 784)
    np.testing.assert_allclose(found.x_train.mean(axis=0), 0, atol=1e-6)
    assert np.abs(found.x_test.mean(axis=0)).max() > 0.01
    assert set(found.y_train) | set(found.y_test) == set(range(40))
    # pixels remain with their labels, up to the scale and the mean
    raw = images.x_train[found.y_train].reshape(32, -1) / images.x_train.max()
    np.testing.assert_allclose(found.x_train, raw - raw.mean(axis=0), atol=1e-6)


def test_images(data):
    images = simec_data.mnist(data)
    assert images.x_train.shape == (60000, 28, 28)
    assert images.x_test.shape == (10000, 28, 28)
    assert images.x_train.dtype == np.uint8
    assert images.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(images.y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


def test_newsgroups(data):
    texts, labels = simec_data.newsgroups("test", data=data)
    assert len(texts) == len(labels) == 7532
    assert len(set(labels)) == 20
    assert all("\n" in text for text in texts)
    few = simec_data.newsgroups("test", ("sci.space",), data)
    assert set(few[1]) == {"sci.space"}
    assert len(few[0]) == labels.count("sci.space")
    with pytest.raises(ValueError, match="sci.nothing"):
        simec_data.newsgroups("test", ("sci.nothing",), data)
    with pytest.raises(ValueError, match="train or test"):
        simec_data.newsgroups("dev", data=data)
