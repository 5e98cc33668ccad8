"""Figures: names next to lines, numbers in names of results, figures drawn from stored results."""

from __future__ import annotations

import itertools
import shutil

import pytest

from benchmarks import charts, redraw
from benchmarks.common import Result, report


def test_numbers_in_names():
    by_name = dict.fromkeys(("a.d16.b", "a.d2.b", "a.d0.5.b", "a.dx.b", "a.d3"))
    assert charts.numbers(by_name, "a.d{}.b") == [0.5, 2, 16]


def test_names_of_lines_do_not_overlap_and_keep_their_order():
    pytest.importorskip("matplotlib")
    figure, (axes,) = charts.figure(1, 1, (5, 3))
    heights = {"low": 0.0, "middle": 0.001, "also": 0.002, "high": 1.0}
    for name, height in heights.items():
        axes.plot([0, 1], [0.5, height], label=name)
    charts.points(axes, [0, 1], [Result("x", 2, ""), None], "short", "black")
    charts.label_lines(axes)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    at = {text.get_text(): box.y0 for text, box in zip(axes.texts, boxes, strict=True)}
    assert sorted(at, key=at.__getitem__) == [*heights, "short"]
    assert axes.texts[0].get_color() == axes.lines[0].get_color()


def test_figures_are_drawn_from_stored_results(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    names = ("mnist.seconds", "mnist.test.mse")
    rows = [
        Result(f"{name}.{method}", 1.5, "")
        for name in names
        for method in ("ours", "loop", "kernel_pca", "svd")
    ]
    report("simec_speed", {}, {}, rows, tmp_path / "simec_speed.json")
    redraw.main(["simec_speed", "--folder", str(tmp_path)])
    assert (tmp_path / "simec_speed.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "simec_speed_growth.png").exists()
    with pytest.raises(SystemExit):
        redraw.main(["explain", "--folder", str(tmp_path)])
    assert "explain.json does not exist" in capsys.readouterr().err


STORED = [
    path.stem for path in sorted(redraw.RESULTS.glob("*.json")) if path.with_suffix(".png").exists()
]


@pytest.mark.parametrize("name", STORED)
def test_no_panel_of_a_stored_figure_is_empty(name, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    drawn = []

    def save(figure, path):  # without rendering, which takes most of the time
        drawn.append(figure)
        path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", save)
    shutil.copy(redraw.RESULTS / f"{name}.json", tmp_path)
    redraw.main([name, "--folder", str(tmp_path)])
    for figure in drawn:
        for axes in figure.axes:
            assert axes.has_data() or not axes.axison, axes.get_title(loc="left")
