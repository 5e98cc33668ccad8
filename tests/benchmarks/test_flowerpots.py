"""A quick run on the real judgements, and what its parts measure."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import flowerpots


@pytest.fixture(scope="module")
def found(shared_data, tmp_path_factory):
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("benchmark") / "x.json"
    flowerpots.main(["--quick", "--seeds", "1", "--json", str(path), "--data", str(shared_data)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    return {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}


@pytest.mark.parametrize("name", flowerpots.EXPERIMENTS)
@pytest.mark.parametrize("part", ["thesis", "pairs"])
def test_plants_land_where_people_see_them(found, name, part):
    def of(method, figure):
        return found[f"{name}.{part}.{method}.test.{figure}"]

    methods = ("simec_exact", "simec", "simec_adam") if part == "thesis" else ("simec_exact",)
    for simec in methods:
        assert of(simec, "correlation") > max(of("kpca", "correlation") + 0.1, 0.65)
        assert of(simec, "spearman") > of("kpca", "spearman") + 0.2
        assert of(simec, "rank") < 4 < of("kpca", "rank")
        assert of(simec, "distance") < 0.5 * of("kpca", "distance")
    assert of("full", "distance") == pytest.approx(0, abs=1e-9)


def test_features_are_the_steps_of_both_and_noise():
    X = flowerpots.features(1)
    assert X.shape == (16, 5)
    np.testing.assert_allclose(X[:, :2].std(axis=0), 1)
    # plants 5 and 6 differ in the second feature alone, 5 and 9 in the first
    assert X[4, 0] == X[5, 0]
    assert X[4, 1] == X[8, 1]
    assert X[4, 1] < X[5, 1]
    assert X[4, 0] < X[8, 0]
    np.testing.assert_array_equal(X[:, :2], flowerpots.features(2)[:, :2])
    assert not np.allclose(X[:, 2:], flowerpots.features(2)[:, 2:])


@pytest.fixture
def grid():
    """Dissimilarities of plants in a plane, and where they are."""
    places = np.stack([np.arange(16) // 4, np.arange(16) % 4], axis=1).astype(float)
    D = np.linalg.norm(places[:, None] - places, axis=2)
    return 20 * D / D.max(), places


def test_held_out_plants_are_not_trained_on(grid):
    D, _ = grid
    split = flowerpots.Split(D, (5, 15))
    assert split.test.tolist() == [4, 14]
    assert split.S.shape == (14, 14)
    changed = D.copy()
    changed[[4, 14]] = changed[:, [4, 14]] = 7
    np.testing.assert_array_equal(flowerpots.Split(changed, (5, 15)).S, split.S)


def test_figures_do_not_change_with_rotation_and_scale(grid):
    D, _ = grid
    split = flowerpots.Split(D, (5, 15))
    same = split.figures(split.full, None)
    assert same["test.distance"] == pytest.approx(0, abs=1e-9)
    R = np.array([[0.6, -0.8], [0.8, 0.6]])
    Y, Y_test = split.full
    turned = split.figures((3 * Y @ R, 3 * Y_test @ R), None)
    for name, value in same.items():
        # in a grid many distances are the same but for rounding, and have any order
        tolerance = 1e-3 if name == "test.spearman" else 1e-9
        assert turned[name] == pytest.approx(value, abs=tolerance), name
    # a plant that is put in the place of another is seen to be wrong
    wrong = split.figures((Y, Y_test[::-1]), None)
    assert wrong["test.distance"] > 1
    assert wrong["test.rank"] > 5
    assert wrong["test.spearman"] < 0


def test_without_data_the_message_says_what_is_missing(tmp_path):
    with pytest.raises(SystemExit, match=r"flowerpots_elongation_size\.csv.*CORPORA_DATA"):
        flowerpots.judgements("size", tmp_path)


@pytest.mark.parametrize("name", flowerpots.EXPERIMENTS)
def test_numbers_run_through_one_factor_for_each_step_of_the_other(shared_data, name):
    from simec.similarities import center, from_dissimilarities
    from simec.spectral import eigen_embedding

    D = flowerpots.judgements(name, shared_data)
    Y, _ = eigen_embedding(center(from_dissimilarities(D, flowerpots.SCALE)), 2)
    steps = flowerpots.features(1)[:, :2]
    # the first axis of what people see is the fast one, the second the slow one
    strength = np.abs(np.corrcoef(steps.T, Y.T)[:2, 2:])
    assert strength[1, 0] > 0.9
    assert strength[0, 1] > 0.9
    assert strength[0, 0] < 0.3
    assert strength[1, 1] < 0.3
