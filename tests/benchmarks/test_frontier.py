"""The frontier: which configurations lead."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.common import Result
from benchmarks.frontier import benchmark as frontier
from benchmarks.frontier.chart import draw, pareto, points_of


def test_pareto_front_by_comparison_of_all():
    points = [tuple(p) for p in np.random.default_rng(0).integers(0, 8, (40, 2)).tolist()]
    points = list(dict.fromkeys(points))
    better = {
        a for a in points for b in points if b != a and b[0] >= a[0] and b[1] >= a[1]
    }  # fmt: skip
    front = [points[i] for i in pareto(points)]
    assert sorted(front) == front == sorted(set(points) - better)
    assert pareto([]) == []


def scores(value, **more):
    return {**dict.fromkeys(("analogies", "ws353", "simlex", "men"), value), **more}


def test_quality_is_relative_to_gensim_and_divergence_is_a_row(tmp_path):
    speed = {"words": 100, "epochs": 1, "train_s": 1.0}
    config = {"shared": 16, "batch_size": 64}
    tasks = [
        {"what": "speed", "seed": 1, **config},
        {"what": "quality", "seed": 1, **config, "alpha": 0.1},
        {"what": "quality", "seed": 1, **config, "alpha": 9.0},
    ]
    found = {
        "gensim-speed.file": [{**speed, "train_s": 4.0}],
        "gensim-speed.lists": [{**speed, "train_s": 2.0}],
        "gensim-quality": [scores(0.5)],
        "speed.K16.B64": [speed],
        "quality.K16.B64.a0.1": [scores(0.6)],
        "quality.K16.B64.a9.0": [{"diverged": "the loss is NaN"}],
    }
    results = {row.name: row for row in frontier._results(tasks, found)}
    assert results["words_per_s.gensim"].value == 50
    assert results["quality.gensim"].value == 1
    assert results["quality.K16.B64.a0.1"].value == pytest.approx(1.2)
    assert results["quality.K16.B64.a9.0"].value is None
    assert results["diverged.K16.B64.a9.0"].value == 1
    assert points_of(results, "quality") == {
        "gensim": (50, 1), "K16.B64.a0.1": (100, pytest.approx(1.2))
    }  # fmt: skip
    pytest.importorskip("matplotlib")
    draw(results, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_of_runs_that_all_diverged(tmp_path):
    pytest.importorskip("matplotlib")
    draw({"quality.K16.B64.a9.0": Result("quality.K16.B64.a9.0", None, "")}, tmp_path / "x.png")
    assert (tmp_path / "x.png").is_file()
