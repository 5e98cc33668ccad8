"""Explanations by named features: plants, words of messages, movies (thesis, Sec. 5.2)."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import flowerpots, simec_data
from benchmarks.explain.removal import curve, orders
from benchmarks.runs import Measured
from benchmarks.simec_methods import unfinished

Array = npt.NDArray[np.float64]

FEATURES = ("stem", "leaf", "noise 1", "noise 2", "noise 3")  # of plants
GROUPS = (
    "comp.graphics", "rec.autos", "rec.sport.baseball", "sci.med", "sci.space",
    "soc.religion.christian", "talk.politics.guns",
)  # fmt: skip
WORDS: dict[str, Any] = {
    "n_components": 20, "hidden_layers": (100,), "symmetric": 1.0,
    "max_iter": 10, "l2": 1e-6,
}  # fmt: skip
WORD_METHODS = ("epsilon", "gamma", "alpha_beta", "gradient_x_input", "gradient", "random")
N_MESSAGES, QUICK_MESSAGES = 100, 20  # number of pairs
# the penalty that predicts the ratings of a fifth of the movies best from the others
MOVIES: dict[str, Any] = {"n_components": 20, "l2": 3e-4, "solver": "exact"}
RATINGS_OF_USER, MOVIES_OF_FEATURE = 400, 5  # at least
RESIDUAL = 1.0  # minimum of both users' residual ratings of the movie


# Plants


def plants(data: Path | None, seed: int) -> Measured:
    """Shares of stem and leaf in the relevances for the similarities of all pairs of plants."""
    from simec.explain import decompose

    D, X = flowerpots.judgements("size", data), flowerpots.features(seed)
    split = flowerpots.Split(D, flowerpots.TEST)
    encoder = plants_encoder(split, X, seed)
    figures: Measured = {}
    for part, chosen in (
        ("train", list(combinations(split.train, 2))),
        ("test", [(i, j) for i in split.test for j in split.train]),
    ):
        of_simec = [pair_relevances(encoder, X[i], X[j]) for i, j in chosen]
        of_product = [decompose(X[i], X[j], "linear").relevances for i, j in chosen]
        for name, rows in (("simec", of_simec), ("product", of_product)):
            sizes = np.abs(rows).sum(axis=0)
            figures[f"flowerpots.{part}.{name}"] = float(sizes[:2].sum() / sizes.sum())
    return figures


def plants_encoder(split: flowerpots.Split, X: Array, seed: int) -> Any:
    """A linear encoder of people's judgments of the training plants."""
    from simec import SimilarityEncoder

    encoder = SimilarityEncoder(2, random_state=seed, **flowerpots.SIMEC)
    return encoder.fit(X[split.train], split.S)


def pair_relevances(encoder: Any, x1: Array, x2: Array) -> Array:
    """Mean relevances of the features of two plants for their similarity."""
    from simec.explain import explain_similarity

    both = explain_similarity(encoder, x1, x2)
    return np.asarray((both.first.relevances + both.second.relevances) / 2, np.float64)


# Messages


class Messages:
    """An encoder of messages' groups, and pairs of test messages of the same group.

    Parameters
    ----------
    data : path, optional
    seed : int
    n_pairs : int
    """

    def __init__(self, data: Path | None, seed: int, n_pairs: int) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        from simec import SimilarityEncoder
        from simec.similarities import center, class_labels

        texts, y = simec_data.newsgroups("train", GROUPS, data)
        self.texts, labels = simec_data.newsgroups("test", GROUPS, data)
        bodies = [[text.partition("\n\n")[2] for text in some] for some in (texts, self.texts)]
        self.texts = bodies[1]
        self.vectorizer = TfidfVectorizer(min_df=3, sublinear_tf=True, stop_words="english")
        X = self.vectorizer.fit_transform(bodies[0]).astype(np.float32)
        self.X = self.vectorizer.transform(self.texts).astype(np.float32).tocsr()
        self.encoder = SimilarityEncoder(**WORDS, random_state=seed, device="cpu")
        with unfinished():
            self.encoder.fit(X, center(class_labels(y)).astype(np.float32))
        Y = self.encoder.transform(self.X)
        labels = np.array(labels)
        same = class_labels(labels)
        self.correlation = float(np.corrcoef((Y @ Y.T).ravel(), same.ravel())[0, 1])
        random, pairs = np.random.default_rng(seed), []
        long_enough = np.diff(self.X.indptr) >= 20  # so that there are words to remove
        while len(pairs) < n_pairs:
            i, j = random.integers(len(labels), size=2)
            if i != j and labels[i] == labels[j] and long_enough[[i, j]].all() and Y[i] @ Y[j] > 0:
                pairs.append((int(i), int(j)))
        self.pairs = pairs

    def curves(self, seed: int) -> dict[str, Array]:
        """Similarities of pairs while words of the first message are removed, by method."""
        from scipy import sparse

        from simec.explain import explain_similarity

        random = np.random.default_rng(seed)
        curves: dict[str, list[Array]] = {method: [] for method in WORD_METHODS}
        for i, j in self.pairs:
            row, other = self.X[[i]], self.X[[j]]
            Y2 = self.encoder.transform(other)[0].astype(np.float64)
            values, columns = row.toarray()[:, row.indices], row.indices

            def value(x: Any, columns: Any = columns, Y2: Array = Y2) -> Array:
                full = sparse.csr_matrix(
                    (x[0], (np.zeros_like(columns), columns)), (1, self.X.shape[1])
                )
                return np.asarray(self.encoder.transform(full).astype(np.float64) @ Y2)

            for method in WORD_METHODS:
                if method == "random":
                    score = random.random(values.shape)
                else:
                    first = explain_similarity(self.encoder, row, other, composite=method).first
                    score = np.asarray(first.relevances.toarray()[:, columns], np.float64)
                curves[method].append(curve(value, values, orders(score, values != 0)))
        return {method: np.hstack(parts) for method, parts in curves.items()}


# Movies


class Movies:
    """A linear encoder from features of movies to residual ratings of users.

    Features are genres, keywords and directors, 1 where a movie has one. Targets are ratings less
    the means of movies and users, for users with many ratings (Sec. 5.2).
    """

    def __init__(self, data: Path | None) -> None:
        from scipy import sparse

        with np.load(simec_data.find("recsys/ml1m_ratings.npz", data)) as file:
            user, movie = file["user"].astype(np.int64), file["movie"].astype(np.int64)
            rating = file["rating"].astype(np.float64)
        residual = residuals(user, movie, rating)
        users = np.flatnonzero(np.bincount(user) >= RATINGS_OF_USER)
        rated = np.unique(movie[np.isin(user, users)])
        self.titles, lists = _described(rated, data)
        counts = Counter(name for names in lists for name in set(names))
        self.names = sorted(name for name, n in counts.items() if n >= MOVIES_OF_FEATURE)
        place = {name: i for i, name in enumerate(self.names)}
        self.X = np.zeros((len(rated), len(self.names)), np.float32)
        for row, names in zip(self.X, lists, strict=True):
            row[[place[name] for name in names if name in place]] = 1
        chosen = np.isin(user, users)
        where = np.searchsorted(rated, movie[chosen]), np.searchsorted(users, user[chosen])
        self.S = sparse.csr_matrix((residual[chosen], where), (len(rated), len(users)))
        self.ratings = sparse.csr_matrix((rating[chosen], where), self.S.shape)
        self.users, self.rated = users, rated
        self.encoder = self._fitted(np.ones(len(rated), bool))

    def _fitted(self, rows: Any) -> Any:
        from scipy import sparse

        from simec import SimilarityEncoder

        X, S = sparse.csr_matrix(self.X[rows]), self.S[rows].astype(np.float32)
        with unfinished():
            return SimilarityEncoder(**MOVIES, random_state=0, device="cpu").fit(X, S)

    def figures(self) -> Measured:
        """How well the encoder predicts ratings, and in which features pairs of users differ."""
        new = np.random.default_rng(0).random(len(self.X)) < 0.2
        predicted = self.encoder.predict(self.X)
        figures: Measured = {
            "movies.r2.train": _r2(self.S, predicted),
            "movies.r2.new": _r2(self.S[new], self._fitted(~new).predict(self.X[new])),
        }
        W1 = self.encoder.module_.encoder[0].weight.detach().numpy()
        W_l = self.encoder.module_.last.weight.detach().numpy()
        weights = (W1 if W1.shape[0] == len(self.names) else W1.T) @ W_l
        alike = []
        for i, j, k in self.pairs(predicted):
            nonzero = self.X[i] > 0
            if nonzero.sum() > 5:
                alike.append(float(np.corrcoef(weights[nonzero, j], weights[nonzero, k])[0, 1]))
        figures["movies.pairs"] = len(alike)
        figures["movies.correlation"] = float(np.mean(alike))
        figures["movies.opposed"] = float((np.array(alike) < 0).mean())
        return figures

    def pairs(self, predicted: Any, most: int = 2000) -> list[tuple[int, int, int]]:
        """Movies and pairs of users that both loved them, by the encoder's predictions."""
        loved = (self.ratings.toarray() == 5) & (self.S.toarray() > RESIDUAL) & (predicted > 0.3)
        candidates = [
            (int(i), int(j), int(k))
            for i in np.flatnonzero(loved.sum(axis=1) >= 2)
            for j, k in combinations(np.flatnonzero(loved[i]), 2)
        ]
        order = np.random.default_rng(0).permutation(len(candidates))[:most]
        return [candidates[i] for i in order]

    def most_divided(self) -> tuple[int, int, int]:
        """A movie and two users that loved it for the most different features."""
        from simec.explain import explain_prediction

        best, least = (0, 0, 0), 2.0
        for i, j, k in self.pairs(self.encoder.predict(self.X), most=300):
            if not 8 <= self.X[i].sum() <= 25:
                continue
            a, b = (
                explain_prediction(self.encoder, self.X[i], user).relevances[self.X[i] > 0]
                for user in (j, k)
            )
            if (r := float(np.corrcoef(a, b)[0, 1])) < least:
                best, least = (i, j, k), r
        return best


def residuals(user: Any, movie: Any, rating: Array) -> Array:
    """Ratings less the overall mean and the shrunken deviations of movies, then of users."""
    residual = rating - rating.mean()
    for numbers in (movie, user):
        counts = np.bincount(numbers)
        residual = residual - (np.bincount(numbers, residual) / (counts + 10))[numbers]
    return residual


def _r2(S: Any, predicted: Any) -> float:
    known = S.tocoo()
    wrong = known.data - predicted[known.row, known.col]
    return float(1 - (wrong**2).sum() / (known.data**2).sum())


def _described(rated: Any, data: Path | None) -> tuple[list[str], list[list[str]]]:
    """Titles and features of movies."""
    titles, lists = [str(movie) for movie in rated], [[] for _ in rated]
    place = {int(movie): i for i, movie in enumerate(rated)}
    path = simec_data.find("recsys/movie_features.jsonl.xz", data)
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            about: dict[str, Any] = json.loads(line)
            if (i := place.get(about["movieId"])) is None:
                continue
            titles[i] = about["title"]
            directors = about.get("directors_hetrec") or about.get("omdb_directors") or []
            lists[i] = [
                *(f"genre: {name}" for name in about.get("genres_ml1m", [])),
                *about.get("tmdb_keywords", []),
                *(f"by {name}" for name in directors),
            ]
    return titles, lists
