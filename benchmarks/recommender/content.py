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


def draw(by_name: dict[str, Result], pairs: Pairs, path: Path) -> None:
    """Errors by task and method; and Fig. 4.2."""
    figure, panels = charts.figure(2, 2, (11, 8))
    _errors(panels[0], by_name, "t1", "Missing ratings (T1)")
    _errors(panels[1], by_name, "t2a", "New movies (T2a)")
    titles = {"before": "features as they are", "after": "embeddings"}
    for axes, which in zip(panels[2:], ("before", "after"), strict=True):
        axes.scatter(
            pairs["ratings"], pairs[which], s=3, alpha=0.25, color=charts.BLUE, linewidths=0
        )
        row = by_name[f"content.correlation.{which}"]
        title = f"Similarity of held-out movies by {titles[which]}: r = {row.value:.2f}"
        charts.style(axes, "by ratings", "by content", title)
    charts.save(figure, path)


def _errors(axes: Any, by_name: dict[str, Result], task: str, title: str) -> None:
    prefix = f"{task}.rmse."
    rows = [row for name, row in by_name.items() if name.startswith(prefix)]
    names = [row.name.removeprefix(prefix) for row in rows]
    ours = [name.startswith("simec") for name in names]
    places = range(len(rows))
    values = [row.value or 0 for row in rows]
    axes.errorbar(values, places, xerr=[row.sd or 0 for row in rows], fmt="none", **charts.ERROR)
    axes.scatter(
        values, places, color=[charts.BLUE if of else charts.GREY for of in ours], zorder=3
    )
    axes.set_yticks(list(places), names)
    axes.invert_yaxis()
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.4f}", (value, place), xytext=(6, 4), textcoords="offset points", fontsize=8
        )
    charts.style(axes, "root mean squared error, stars", "", title, grid="x")
