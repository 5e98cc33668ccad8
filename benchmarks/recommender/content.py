"""Similarity of movies by content, before and after a map is learned: thesis, Fig. 4.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import charts
from benchmarks.common import Result

MIN_RATINGS = 100
HELD_OUT = 0.2  # share of the movies
DRAWN = 4000  # pairs
LABELS = {
    "averages": "averages", "svd": "SVD", "svd_ridge": "SVD, ridge from features",
    "neighbourhood": "similar movies", "content_linear": "ridge for each user",
    "simec_plain": "SimEc, plain", "simec_identity": "SimEc without features",
    "simec": "SimEc with features",
}  # fmt: skip
Pairs = dict[str, npt.NDArray[np.floating[Any]]]


def similarities(data: Any, seed: int) -> tuple[dict[str, float], Pairs]:
    """Correlations of similarities by ratings with those by content, for held-out movies.

    Parameters
    ----------
    data : benchmarks.recommender.benchmark.Data
    seed : int

    Returns
    -------
    correlations : dict
        Correlations of held-out movies among themselves, and with those of training.
    pairs : dict of arrays
        Some of the former, for the figure.
    """
    from simec.recommender import Ids, Ratings
    from simec.recommender.content_embedding import ContentEmbedding, residual_similarity

    ratings = data.ratings
    movies, X, _ = data.features["item"]
    some = np.flatnonzero(ratings.matrix.getnnz(axis=0) >= MIN_RATINGS)
    rng = np.random.default_rng(seed)
    some = some[rng.permutation(len(some))]
    n = max(2, round(HELD_OUT * len(some)))
    held, train = np.sort(some[:n]), np.sort(some[n:])
    S = residual_similarity(ratings)
    # of a matrix without the columns of held-out movies
    known = ratings.matrix.tocsc()[:, train].tocsr()
    part = Ratings(known, ratings.users, Ids(movies[train], "item"))
    embedding = ContentEmbedding(min_ratings=MIN_RATINGS, device="cpu", random_state=seed)
    embedding.fit(part, item_features=(movies[train], X[train]))
    upper = np.triu_indices(len(held), 1)
    among, across = S[held[:, None], held][upper], S[held[:, None], train].ravel()
    before = _cosine(X[held], X[held])[upper], _cosine(X[held], X[train]).ravel()
    after = (
        embedding.similarity(X[held])[upper],
        embedding.similarity(X[held], X[train]).ravel(),
    )
    correlations = {}
    for name, values in (("before", before), ("after", after)):
        correlations[f"content.correlation.{name}"] = _correlation(among, values[0])
        correlations[f"content.correlation_to_train.{name}"] = _correlation(across, values[1])
    few = rng.permutation(len(among))[:DRAWN]
    return correlations, {"ratings": among[few], "before": before[0][few], "after": after[0][few]}


def _cosine(X: Any, X2: Any) -> Any:
    from sklearn.metrics.pairwise import cosine_similarity

    return cosine_similarity(X, X2)


def _correlation(a: Any, b: Any) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Errors by task and method."""
    figure, panels = charts.figure(1, 2, (13, 3.6))
    titles = {
        "t1": "Missing ratings: SimEc without features is best",
        "t2a": "New movies: SimEc with features is best",
    }
    for axes, (task, title) in zip(panels, titles.items(), strict=True):
        rows = {name: by_name[f"{task}.rmse.{name}"] for name in LABELS
                if f"{task}.rmse.{name}" in by_name}  # fmt: skip
        values = [row.value or 0 for row in rows.values()]
        colors = [charts.BLUE if name.startswith("simec") else charts.GREY for name in rows]
        places = range(len(rows))
        axes.errorbar(
            values, places, xerr=[row.sd or 0 for row in rows.values()], fmt="none", **charts.ERROR
        )
        axes.scatter(values, places, color=colors, zorder=3)
        axes.set_yticks(list(places), [LABELS[name] for name in rows])
        axes.invert_yaxis()
        axes.margins(x=0.15, y=0.15)
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{value:.3f}", (value, place), xytext=(0, 6), textcoords="offset points",
                ha="center", fontsize=9,
            )  # fmt: skip
        x = "error of ratings, stars (RMSE; lower is better)"
        charts.style(axes, x, "", title, grid="x")
    charts.save(figure, path)


def draw_similarities(by_name: dict[str, Result], pairs: Pairs, path: Path) -> None:
    """Fig. 4.2: similarities of held-out movies by ratings and by content."""
    figure, panels = charts.figure(1, 2, (11, 4.2))
    titles = {"before": "Features", "after": "Embeddings"}
    for axes, (which, title) in zip(panels, titles.items(), strict=True):
        axes.scatter(
            pairs["ratings"], pairs[which], s=3, alpha=0.25, color=charts.BLUE, linewidths=0
        )
        row = by_name[f"content.correlation.{which}"]
        charts.style(
            axes, "similarity of two new movies by their ratings", "by their content",
            f"{title} of movies: correlation {row.value:.2f}",
        )  # fmt: skip
    charts.save(figure, path)
