"""A quick run, and the surfaces it is about."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import manifolds


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("benchmark") / "x.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifolds, "QUICK_POINTS", {"s_curve": 300, "cut_sphere": 400})
        manifolds.main(["--quick", "--seeds", "1", "--json", str(path)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    return {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}


@pytest.mark.parametrize("name", manifolds.POINTS)
def test_encoders_learn_pca_and_isomap(found, name):
    for part in ("train", "test"):
        assert found[f"{name}.pca.simec.{part}.correlation"] > 0.99
        assert found[f"{name}.isomap.simec.{part}.correlation"] > 0.97
        # a linear map unfolds nothing
        linear = found[f"{name}.isomap.simec_linear.{part}.correlation"]
        assert linear < found[f"{name}.isomap.simec.{part}.correlation"] - 0.01
        assert found[f"{name}.isomap.ridge.{part}.correlation"] == pytest.approx(linear, abs=0.01)
    # as near to Isomap of all points as Isomap's own embedding of new points; of few points on
    # the sphere that is not always near, as its second and third eigenvalue are alike
    own = found[f"{name}.isomap.isomap.test_all.correlation"]
    assert found[f"{name}.isomap.simec.test_all.correlation"] == pytest.approx(own, abs=0.02)


@pytest.mark.parametrize("name", manifolds.POINTS)
def test_parts(name):
    X, along = manifolds.surface(name, 200, 3)
    points = manifolds.split_points(name, 200, 3, "test")
    assert points.train.shape == (160, 3)
    assert points.test.shape == (40, 3)
    assert np.isin(points.color, along).all()
    np.testing.assert_allclose(points.train.mean(axis=0), 0, atol=1e-12)
    # no point is in both, and validation looks at no test point
    apart = manifolds.split_points(name, 200, 3, "validation")
    assert len(apart.train) == 128
    every = np.r_[points.color, apart.color]
    assert len(np.unique(every)) == 72
    other = manifolds.surface(name, 200, 4)[0]
    assert not np.array_equal(X, other)


def test_the_sphere_is_cut():
    X, along = manifolds.surface("cut_sphere", 5000, 0)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1)
    assert np.abs(X[:, 2]).max() < np.cos(np.pi / 8)
    angles = np.arctan2(X[:, 1], X[:, 0]) % (2 * np.pi)
    np.testing.assert_allclose(angles, along)
    assert 5.7 < angles.max() < 2 * np.pi - manifolds.OPENING
    # the same area holds as many points everywhere
    low = (np.abs(X[:, 2]) < 0.45).mean()
    assert low == pytest.approx(0.45 / np.cos(np.pi / 8), abs=0.03)


def test_correlation_knows_no_rotation_and_no_scale():
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(30, 2))
    R = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert manifolds.correlation(Y, 3 * Y @ R + 1) == pytest.approx(1)
    assert manifolds.correlation(Y, rng.normal(size=(30, 2))) < 0.5
    mirrored = Y @ np.diag([1, -1]) @ R + 5
    train, test = manifolds.turned((mirrored[:20], mirrored[20:]), (Y[:20], Y[20:]))
    middle = Y[:20].mean(axis=0)
    np.testing.assert_allclose(train, Y[:20] - middle, atol=1e-12)
    np.testing.assert_allclose(test, Y[20:] - middle, atol=1e-12)
