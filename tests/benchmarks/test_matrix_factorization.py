"""A quick run, and what its parts measure."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import matrix_factorization as benchmark


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("benchmark") / "x.json"
    benchmark.main(["--quick", "--seeds", "1", "--json", str(path)])
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    return {row["name"]: row["value"] for row in json.loads(path.read_text())["results"]}


def test_no_encoder_is_better_than_the_optimum_nor_much_worse(found):
    excess = {name: value for name, value in found.items() if ".excess." in name}
    assert len(excess) == 2 * 5 * 3 + 3
    assert all(-1e-3 < value < 1 for value in excess.values())


def test_what_is_symmetric_cannot_be_as_good_where_eigenvalues_are_negative(found):
    for d in benchmark.QUICK.dimensions:
        output = found[f"indefinite.output.optimum.mse.d{d}"]
        assert found[f"indefinite.symmetric.optimum.mse.d{d}"] > 1.001 * output
        same = found[f"psd.output.optimum.mse.d{d}"]
        assert found[f"psd.symmetric.optimum.mse.d{d}"] == pytest.approx(same)


def test_the_term_makes_rows_orthogonal(found):
    assert found["orthogonal.adam.cosine.d10"] > 0.1
    assert found["orthogonal.adam_term.cosine.d10"] < 0.01


def test_hidden_entries_are_found(found):
    for solver in benchmark.SOLVERS:
        assert found[f"missing.simec_{solver}.test.gain.50"] > 5
        error = found[f"missing.simec_{solver}.test.mse.50"]
        assert error > found["missing.svd_all.test.mse.50"]
        assert error > found[f"missing.simec_{solver}.train.mse.50"]


def test_matrices_are_what_they_are_called():
    given = benchmark.matrices(benchmark.QUICK, np.random.default_rng(0))
    assert given["rectangular"].shape == (60, 40)
    assert np.linalg.eigvalsh(given["psd"]).min() > 0
    np.testing.assert_array_equal(given["indefinite"], given["indefinite"].T)
    negative = (np.linalg.eigvalsh(given["indefinite"]) < 0).sum()
    assert 20 < negative < 40
