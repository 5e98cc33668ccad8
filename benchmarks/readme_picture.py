"""The picture in README: `python -m benchmarks.readme_picture` draws it from unseen_words.json."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.charts import BLUE, GREY, ORANGE, figure, style
from corpora.files import atomic_path

RESULTS = Path(__file__).parent / "results" / "unseen_words.json"
PICTURE = Path(__file__).parent.parent / "docs" / "getting-started" / "unseen-words.svg"
N_TEXTS = [1, 2, 4, 8, 16, 32, 64]


def main() -> None:
    """Draw the quality of vectors of rare words against the number of texts."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["results"]
    values = {result["name"]: result["value"] for result in results}
    drawn, (axes,) = figure(1, 1, (7, 3.6))
    for name, color, text in (
        ("conec_map", BLUE, "Context Encoder: its texts"),
        ("additive", GREY, "sum of context vectors"),
        ("fasttext", ORANGE, "fastText: its spelling"),
    ):
        heights = [values[f"crw.{n}.{name}"] for n in N_TEXTS]
        axes.plot(N_TEXTS, heights, color=color, marker="o", markersize=4, linewidth=2)
        axes.annotate(
            text, (64, heights[-1]), (8, 0), textcoords="offset points", color=color, va="center"
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(N_TEXTS, [str(n) for n in N_TEXTS])
    axes.set_xlim(0.9, 420)
    axes.set_ylim(0.15, 0.46)
    style(
        axes,
        "texts that contain the word",
        "agreement with people (Spearman)",
        "Similarity of words that training never saw",
        grid="y",
    )
    axes.xaxis.set_label_coords(0.34, -0.13)
    with atomic_path(PICTURE) as path:
        drawn.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
