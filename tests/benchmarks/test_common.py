"""Results: statistics, tables, JSON, arguments."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks import common
from benchmarks.common import (
    Result,
    Table,
    number,
    over_runs,
    pairs,
    parser,
    read_results,
    report,
)


def test_statistics_over_runs():
    assert over_runs("a", [1, 2, 6], "s") == Result("a", 3, "s", pytest.approx(7**0.5), 3)
    assert over_runs("a", [1, 2, 6], "s", middle=True).value == 2
    assert over_runs("a", [4], "s").sd is None


def test_pairs_are_ratios_within_rounds():
    assert pairs([2, 9], [1, 3]) == [2, 3]
    with pytest.raises(ValueError, match="zip"):
        pairs([1, 2], [1])


def test_numbers_in_tables():
    assert number(Result("a", 1234.5, "words/s", 10.0), 1e-3, 1) == "1.2 ± 0.0"
    assert number(None) == number(Result("a", math.nan, "")) == number(Result("a", None, "")) == "-"
    assert str(Table(("a", "b"), [("long", "1")])).splitlines() == ["a     b", "long  1"]


def test_json_has_the_form_of_all_benchmarks(tmp_path, capsys):
    path = tmp_path / "x.json"
    drawn = []
    rows = [Result("a.b", 1.5, "times", 0.5, 3, 10.0, "paper"), Result("c", math.nan, "share")]
    report(
        "x", {"quick": True}, {"name": "t"}, rows, path,
        chart=lambda by_name, file: drawn.append((by_name, file)),
    )  # fmt: skip
    data = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert list(data) == ["benchmark", "protocol", "machine", "versions", "corpus", "results"]
    assert data["results"][0] == {
        "name": "a.b", "value": 1.5, "unit": "times", "sd": 0.5, "n": 3, "reference": 10.0,
        "source": "paper",
    }  # fmt: skip
    assert data["results"][1]["value"] is None
    assert {"gensim", "numpy", "python"} <= set(data["versions"])
    assert data["machine"]["cores"] >= 1
    assert drawn == [({"a.b": rows[0], "c": rows[1]}, tmp_path / "x.png")]
    assert read_results(path) == {"a.b": rows[0], "c": Result("c", None, "share")}
    assert "paper: 10" in capsys.readouterr().out


def test_figures_are_asked_for_before_anything_runs(tmp_path, capsys, monkeypatch):
    def absent():
        raise ImportError("figures need matplotlib: pip install similarity-encoders[plots]")

    monkeypatch.setattr(common, "require_matplotlib", absent)
    with pytest.raises(SystemExit):
        parser("x").parse_args(["--json", str(tmp_path / "x.json")])
    assert "similarity-encoders[plots]" in capsys.readouterr().err
    assert parser("x").parse_args([]).json is None


@pytest.mark.parametrize(
    ("args", "message"), [(["--json", "x.txt"], ".json"), (["--seeds", "0"], ">= 1")]
)
def test_bad_arguments(args, message, capsys):
    pytest.importorskip("matplotlib")
    with pytest.raises(SystemExit):
        parser("x").parse_args(args)
    assert message in capsys.readouterr().err
