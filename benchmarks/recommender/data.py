"""MovieLens ratings and features of movies and users, for the benchmark of recommenders."""

from __future__ import annotations

import csv
import json
import lzma
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks import simec_data

Ids = npt.NDArray[np.int32]
Movie = dict[str, Any]

_LEAST = {"genre": 1, "year": 1, "country": 3, "rated": 1, "director": 2, "actor": 2,
          "keyword": 3, "title": 3, "plot": 5}  # fmt: skip
_WORD = re.compile(r"[a-z]{3,}")
_BLOCKS = ("genre", "year", "country", "rated", "director", "actor", "keyword", "title", "plot")


def ml1m(data: str | Path | None = None) -> Any:
    """The 1,000,209 ratings of MovieLens 1M, as `simec.recommender.Ratings`."""
    from simec.recommender import as_ratings

    with np.load(simec_data.find("recsys/ml1m_ratings.npz", data)) as file:
        return as_ratings((file["user"], file["movie"], file["rating"].astype(np.float32)))


def some(ratings: Any, n_users: int, n_items: int, seed: int) -> Any:
    """Ratings of the most frequently rated items, by randomly drawn users."""
    from simec.recommender import Ids, Ratings

    items = np.argsort(-ratings.matrix.getnnz(axis=0), kind="stable")[:n_items]
    items = np.sort(items)
    rows = np.sort(np.random.default_rng(seed).permutation(len(ratings.users))[:n_users])
    return Ratings(
        ratings.matrix[rows][:, items],
        Ids(ratings.users.values[rows], "user"),
        Ids(ratings.items.values[items], "item"),
    )


def split(ratings: Any, task: str, seed: int, share: float = 0.3) -> tuple[Any, Any]:
    """Training and test ratings of a task of the thesis.

    Parameters
    ----------
    ratings : Ratings
    task : {"t1", "t2a", "t2b", "t3"}
        The test has some of the ratings; all ratings of some items; of some users; or those
        of such items by such users, while training has none of both.
    seed : int
    share : float
        Of ratings, items or users that are for the test.
    """
    if task != "t3":
        return ratings.split(
            share, seed, by={"t1": "ratings", "t2a": "items", "t2b": "users"}[task]
        )
    rng = np.random.default_rng(seed)
    new = [rng.random(n) < share for n in ratings.shape]
    entries = ratings.matrix.tocoo()
    user, item = new[0][entries.row], new[1][entries.col]
    return ratings.select(~user & ~item), ratings.select(user & item)


def movies(data: str | Path | None = None) -> dict[int, Movie]:
    """Data about 10,703 movies of MovieLens 1M and 10M, by their ids."""
    path = simec_data.find("recsys/movie_features.jsonl.xz", data)
    with lzma.open(path, "rt", encoding="utf-8") as file:
        rows = (json.loads(line) for line in file)
        return {int(row["movieId"]): row for row in rows}


def terms(movie: Movie) -> Iterator[tuple[str, str]]:
    """Kind and value of each feature: genres, people, keywords, words, year, and so on."""
    tmdb, imdb = movie.get("tmdb5000", {}), movie.get("imdb5000", {})
    by_kind = {
        "genre": _union(movie, "genres_ml1m", "genres_ml10m", "omdb_genres"),
        "director": _union(movie, "directors_hetrec", "omdb_directors")
        | _lower([imdb.get("director")]),
        "actor": _union(movie, "omdb_actors") | _lower(imdb.get("actors", ())),
        "keyword": _union(movie, "tmdb_keywords") | _lower(imdb.get("plot_keywords", ())),
        "country": _lower([movie.get("country_hetrec")]),
        "rated": _lower([movie.get("omdb_rated")]),
        "title": set(_WORD.findall(movie.get("title", "").lower())),
        "plot": set(
            _WORD.findall(f"{movie.get('omdb_plot', '')} {tmdb.get('overview', '')}".lower())
        ),
    }
    for kind, values in by_kind.items():
        for value in sorted(values):
            yield kind, value


def _union(movie: Movie, *keys: str) -> set[str]:
    return {value for key in keys for value in _lower(movie.get(key, ()))}


def _lower(values: Iterable[str | None]) -> set[str]:
    return {value.lower() for value in values if value and value != "N/A"}


def movie_features(
    catalogue: dict[int, Movie], ids: Sequence[int] | Ids, blocks: Sequence[str] = _BLOCKS
) -> tuple[Any, list[str]]:
    """A sparse matrix of features, weighted by how rare they are.

    Rarity is counted over the whole catalogue, which says nothing of ratings. Each kind of
    feature has rows of length 1 (years and genres too), so that kinds weigh the same.

    Parameters
    ----------
    catalogue : dict
        What `movies` gives.
    ids : sequence of int
        Of the rows; a movie that the catalogue has not gets a row of zeros.
    blocks : sequence of str
        Kinds of features to take.

    Returns
    -------
    X : float32 CSR matrix of shape (len(ids), D)
    names : list of str
        Such as "director: alfred hitchcock".
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    terms_of: dict[int, dict[str, list[str]]] = {}
    for movie, row in catalogue.items():
        terms_of[movie] = {block: [] for block in _BLOCKS}
        for kind, value in terms(row):
            if kind not in ("title", "plot") or value not in ENGLISH_STOP_WORDS:
                terms_of[movie][kind].append(value)
    parts, names = [], []
    empty: dict[str, list[str]] = {block: [] for block in _BLOCKS}
    for block in blocks:
        if block == "year":
            parts.append(_years([catalogue.get(int(i), {}).get("year") for i in ids]))
            names += [f"year: {year}" for year in _YEARS]
            continue
        weights = TfidfVectorizer(
            analyzer=list, min_df=_LEAST[block], use_idf=block not in ("genre", "rated"),
            dtype=np.float32,
        ).fit(row[block] for row in terms_of.values())  # fmt: skip
        parts.append(weights.transform(terms_of.get(int(i), empty)[block] for i in ids))
        names += [f"{block}: {name}" for name in weights.get_feature_names_out()]
    return sparse.hstack(parts, format="csr", dtype=np.float32), names


_YEARS = tuple(range(1920, 2011, 5))


def _years(years: Sequence[int | None]) -> Any:
    """Proximity of a year to each fifth year; rows sum to 1, or are 0 if the year is unknown."""
    rows = np.array([np.nan if year is None else year for year in years], np.float32)
    rows = rows.clip(_YEARS[0], _YEARS[-1])
    near = np.maximum(1 - np.abs(rows[:, None] - np.array(_YEARS)) / 5, 0)
    return sparse.csr_matrix(np.nan_to_num(near), dtype=np.float32)


# Features of users


def user_features(
    ids: Sequence[int] | Ids, data: str | Path | None = None
) -> tuple[Any, list[str]]:
    """Gender, age group, occupation and region (first digits of the zip code) of users of ML-1M.

    Returns
    -------
    X : float32 CSR matrix of shape (len(ids), P)
    names : list of str
    """
    from sklearn.feature_extraction import DictVectorizer

    with lzma.open(simec_data.find("recsys/ml1m_users.csv.xz", data), "rt") as file:
        rows = {int(row["userId"]): row for row in csv.DictReader(file)}
    vectorizer = DictVectorizer(dtype=np.float32)
    X = vectorizer.fit_transform([_person(rows[int(i)]) for i in ids])
    return X.tocsr(), [str(name) for name in vectorizer.get_feature_names_out()]


def _person(row: dict[str, str]) -> dict[str, Any]:
    # of pairs too: tastes by age differ between women and men
    return {
        "gender": row["gender"],
        "age": row["age"],
        "occupation": row["occupation"],
        "region": row["zip"][:1],
        "area": row["zip"][:2],
        "gender and age": f"{row['gender']} {row['age']}",
        "gender and occupation": f"{row['gender']} {row['occupation']}",
    }
