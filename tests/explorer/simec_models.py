"""Small encoders, recommenders and link predictors to explore."""

from __future__ import annotations

from pathlib import Path

import numpy as np

POINTS = [f"point{i}" for i in range(12)]
FEATURES = ["color", "size", "<b>weight</b>"]


def table(path: Path) -> Path:
    """A table of points with features, and the array of the features."""
    X = np.random.default_rng(0).normal(size=(len(POINTS), len(FEATURES))).round(3)
    rows = [",".join(["id", *FEATURES])]
    rows += [",".join([point, *map(str, x)]) for point, x in zip(POINTS, X, strict=True)]
    path.write_text("\n".join(rows) + "\n")
    np.save(path.with_suffix(".npy"), X)
    return path


def encoder(path: Path, data: Path) -> Path:
    """An encoder of the points of a table, by scalar products of their features."""
    from simec import SimilarityEncoder

    X = np.load(data.with_suffix(".npy"))
    SimilarityEncoder(2, random_state=0).fit(X, X @ X.T).save(path)
    return path


def recommender(path: Path) -> Path:
    """A recommender of items with features, whose ids are strings."""
    from simec.recommender import Features, Ids, Recommender

    rng = np.random.default_rng(1)
    users, items = [f"user{i}" for i in range(9)], [f"item{i}" for i in range(8)]
    ratings = [(u, i, int(rng.integers(1, 6))) for u in users for i in items if rng.random() < 0.6]
    matrix = [[float(k % 2), float(k % 3)] for k in range(len(items))]
    features = Features(Ids(items, "item"), np.array(matrix), ["even", "third"])
    model = Recommender(2, random_state=0, verbose=False)
    model.fit(ratings, item_features=features).save(path)
    return path


def links(path: Path) -> Path:
    """A link predictor of cities and countries."""
    from simec.links import LinkPredictor

    pairs = [("paris", "france"), ("rome", "italy"), ("oslo", "norway"), ("bern", "switzerland")]
    triples = [(city, "capital_of", country) for city, country in pairs]
    triples += [(country, "has_capital", city) for city, country in pairs[:3]]
    predictor = LinkPredictor(4, max_iter=3, random_state=0, verbose=False, batch_size=8)
    predictor.fit(triples).save(path)
    return path
