"""Missing targets and non-metric similarities: quick runs on real images, and their parts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import missing_targets, non_metric, simec_data


@pytest.fixture
def data(shared_data):
    if not (shared_data / "simec" / "images" / "mnist.npz").exists():
        pytest.skip("MNIST not found in the folder of data sets")
    return shared_data


def run(module, data, tmp_path, *arguments):
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.json"
    module.main(["--quick", "--seeds", "1", "--data", str(data), "--json", str(path), *arguments])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    return {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}


def test_missing_targets(data, tmp_path):
    rows = run(missing_targets, data, tmp_path, "--shares", "0", "90")
    best = rows["kernel_pca.train.mse"]
    # with all entries known there is nothing to fill in, and nothing is better
    assert rows["filled.train.mse.missing0"] == pytest.approx(best, rel=1e-3)
    assert rows["svd.train.mse.missing0"] == pytest.approx(best, rel=1e-3)
    assert best <= rows["simec.train.mse.missing0"] < 1.3 * best
    # features are what helps where few are known
    for part in ("train", "test"):
        assert rows[f"simec.{part}.mse.missing90"] < 0.7 * rows[f"filled.{part}.mse.missing90"]
    assert rows["simec.train.mse.missing90"] < rows["simec_free.train.mse.missing90"]
    assert rows["ratio.simec.train.missing90"] == pytest.approx(
        rows["simec.train.mse.missing90"] / best
    )


def test_pairs_are_missing_in_both_places():
    S = np.arange(40_000.0).reshape(200, 200)
    S = S + S.T
    unknown = np.isnan(missing_targets.missing(S, 60, seed=1))
    assert np.array_equal(unknown, unknown.T)
    assert unknown.mean() == pytest.approx(0.6, abs=0.02)
    known = missing_targets.missing(S, 60, seed=1)[~unknown]
    np.testing.assert_array_equal(known, S[~unknown].astype(np.float32))
    assert not np.isnan(missing_targets.missing(S, 0, seed=1)).any()


def test_non_metric(data, tmp_path, monkeypatch):
    monkeypatch.setattr(non_metric, "QUICK_SIZE", 300)
    rows = run(non_metric, data, tmp_path)
    assert 0.05 < rows["non_metricity"] < 0.3
    # eigenvectors of the largest size are the optimum on training points, and both encoders
    # come near to it where positive eigenvalues cannot
    best = rows["absolute.train.mse.d8"]
    assert best < rows["positive.train.mse.d8"]
    for method in ("simec_linear", "simec"):
        assert best * 0.999 <= rows[f"{method}.train.mse.d8"] < rows["positive.train.mse.d8"]
    for half in ("s1", "s2"):
        one, both = (rows[f"{half}.{m}.train.mse.d8"] for m in ("alone", "sum"))
        assert rows[f"{half}.tensor.train.mse.d8"] < both / 2
        assert rows[f"{half}.eigen.train.mse.d8"] * 0.99 <= one < both / 2
    # Fig. 3.9: classes, stroke weights, and both
    explained = {
        (what, kind): rows[f"explained.{what}.{kind}.test"]
        for what in ("class", "stroke")
        for kind in ("positive", "negative", "simec")
    }
    assert explained["class", "positive"] > 0.5 > explained["class", "negative"]
    assert explained["stroke", "negative"] > explained["stroke", "positive"]
    assert min(explained["class", "simec"], explained["stroke", "simec"]) > 0.5


def test_halves_are_the_positive_and_the_negative_part(data):
    digits = non_metric.digits_of(simec_data.mnist(data), 100, seed=1)
    parts = non_metric.parts_of(digits)
    factor = parts.values[-1] / -parts.values[0]
    for halves, S in ((parts.halves, digits.S), (parts.halves_test, digits.S_test)):
        np.testing.assert_allclose(halves[0] - halves[1] / factor, S, atol=1e-4)
    for half in parts.halves:
        values = np.linalg.eigvalsh(half)
        assert values[0] > -1e-3
        assert values[-1] == pytest.approx(parts.values[-1], rel=1e-3)


def test_without_data_it_says_what_is_missing(tmp_path):
    for module in (missing_targets, non_metric):
        with pytest.raises(SystemExit, match=r"mnist\.npz was not found.*--data"):
            module.main(["--quick", "--data", str(tmp_path)])
