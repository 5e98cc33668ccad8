"""Questions about encoders, recommenders and link predictors, for the explorer in the browser."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse

from corpora.checks import check_choice, check_integer
from corpora.errors import ModelError
from corpora.explorer.explorer import Answer, Explorer, WatchedModel
from corpora.explorer.names import Names
from corpora.explorer.point_map import PointMaps
from corpora.files import StrPath
from corpora.model_folder import read_kind

if TYPE_CHECKING:
    from simec.encoder import SimilarityEncoder
    from simec.links import LinkPredictor
    from simec.recommender import BaseRecommender

__all__ = ["EncoderExplorer", "LinkExplorer", "RecommenderExplorer", "explorer_of"]

_MOST = 100  # results
_LISTED = 200  # relations that the page lists


def explorer_of(
    path: StrPath, data: StrPath | None = None, titles: StrPath | None = None
) -> Explorer:
    """Create the explorer of a saved model.

    Parameters
    ----------
    path : path
        Folder of a SimilarityEncoder, a recommender or a LinkPredictor.
    data : path, optional
        Features of points, for a SimilarityEncoder; see `EncoderExplorer`.
    titles : path, optional
        Titles of items, entities or points; see `read_titles`.

    Raises
    ------
    FileNotFoundError
        If the folder or a file does not exist.
    ModelError
        If the model is damaged, of another kind, or has a custom network.
    ValueError
        If the data are missing or do not fit the encoder, the model takes none, or the titles are
        those of other ids.
    """
    kind = read_kind(path)
    explorers = {
        "simec.Recommender": (RecommenderExplorer, "item"),
        "simec.LinkPredictor": (LinkExplorer, "entity"),
    }
    if kind in explorers:
        if data is not None:
            raise ValueError("--data has the features of points for an encoder: leave it out here")
        explorer, what = explorers[kind]
        return explorer(path, read_titles(titles, what) if titles is not None else None)
    if kind not in (None, "simec.SimilarityEncoder"):
        raise ModelError(
            f"{path} holds a {kind}, expected a SimilarityEncoder, a recommender or a LinkPredictor"
            + (": use conec explore" if kind == "conec.ContextEncoder" else "")
        )
    from simec.encoder import CustomPartError

    named = None if titles is None else read_titles(titles, "point")
    try:
        return EncoderExplorer(path, data, named)
    except CustomPartError as error:
        raise ModelError(
            f"{path} was saved with a custom {error.part}, which a command cannot pass. Start the "
            f"explorer in Python: serve(EncoderExplorer({str(path)!r}, "
            f"{None if data is None else str(data)!r}, {error.part}={error.part})), with serve "
            "from corpora.explorer.server and EncoderExplorer from simec.explore"
        ) from error


def read_titles(path: StrPath, what: str) -> dict[str, str]:
    """Read the titles of items, entities or points from a table.

    Parameters
    ----------
    path : path
        A table with a column of ids, such as ``item`` or ``movieId``, and a column such as
        ``title``, ``name`` or ``label``; without a header, the first two columns. Other columns are
        ignored.
    what : {"item", "entity", "point"}
        What has the ids.

    Returns
    -------
    dict of str to str

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, or a row has another number of fields than the others.
    """
    from simec.data.columns import Layout, described_by
    from simec.data.tables import Table

    columns = {what: described_by(what).names[what], "title": ("title", "name", "label")}
    layout = Layout("titles", columns, 2, advice="rename one")
    table = Table(path, layout)
    of_id, of_title = table.format.columns.values()
    return {row[of_id]: row[of_title] for _, row in table if row[of_title]}


def _names(ids: Any, what: str, titles: Mapping[str, str] | None) -> Names:
    """Names of ids, some of which must have titles if there are any."""
    names = Names(ids, what, titles)
    if titles is not None and not any(str(name) in titles for name in names.ids):
        raise ValueError(
            f"the titles are those of other ids: the first id with a title is "
            f"{next(iter(titles), '')!r}, and the first {what} of the model is {names.ids[0]!r}"
        )
    return names


class _Points:
    """Embeddings of named points: neighbors and maps.

    Parameters
    ----------
    names : Names
    vectors : array of shape (n, d)
    code : str
        Python code that assigns the embeddings to ``vectors`` and the ids to ``ids``.
    cosine : bool
        Compare points by cosines instead of scalar products.
    """

    def __init__(self, names: Names, vectors: Any, code: str, *, cosine: bool) -> None:
        self.maps = PointMaps(lambda: self._vectors, len(vectors), code.removesuffix("\n"))
        self.names, self._code = names, f"import numpy as np\n{code}"
        self._vectors = np.asarray(vectors, np.float32)
        self._compared = self._vectors
        if cosine:
            self._code += (
                "lengths = np.linalg.norm(vectors, axis=1, keepdims=True)\n"
                "vectors = vectors / lengths.clip(1e-12)\n"
            )
            lengths = np.linalg.norm(self._vectors, axis=1, keepdims=True)
            self._compared = self._vectors / lengths.clip(1e-12)

    def neighbors(self, point: str, topn: int) -> Answer:
        """The points with the highest similarity to a point."""
        topn = check_integer("topn", topn, 1, _MOST)
        i = self.names.position(point)
        similarities = self._compared @ self._compared[i]
        similarities[i] = -np.inf
        k = min(topn, len(similarities) - 1)
        best = np.argpartition(-similarities, max(k - 1, 0))[:k]
        best = best[np.argsort(-similarities[best], kind="stable")]
        pairs = [[self.names.texts[j], float(similarities[j])] for j in best]
        code = (
            f"{self._code}i = ids.index({self.names.ids[i]!r})\n"
            "similarities = vectors @ vectors[i]\n"
            "order = np.argsort(-similarities, kind='stable')\n"
            f"[(ids[j], similarities[j]) for j in order if j != i][:{topn}]"
        )
        return Answer({"point": self.names.texts[i], "neighbors": pairs}, code)

    def map(self, method: str) -> Answer:
        """Coordinates of the points, or the state of their computation."""
        value = self.maps.get(method)
        done = value["state"] == "done"
        names = self.names.texts[: len(value["x"])] if done else []
        code = self.maps.code(method) if done else ""
        return Answer({**value, "names": names, "methods": self.maps.methods()}, code)


class EncoderExplorer(Explorer):
    """Answers questions about a SimilarityEncoder and the points that it embeds.

    Parameters
    ----------
    path : path
        Folder of the encoder.
    data : path, optional
        Features of the points: a table with ids and names of features, as for
        `simec.recommender.read_features`, an array (.npy) or a sparse matrix (.npz, as
        `scipy.sparse.save_npz` writes it). Not for an encoder without features, whose points are
        the rows of S.
    titles : mapping of str to str, optional
        Titles by ids.
    **parts
        Custom parts of the encoder, such as ``network``, as for `SimilarityEncoder.load`.
    """

    kind: ClassVar[str] = "encoder"

    def __init__(
        self,
        path: StrPath,
        data: StrPath | None = None,
        titles: Mapping[str, str] | None = None,
        **parts: Any,
    ) -> None:
        from simec.encoder import SimilarityEncoder

        def load(path: Path) -> SimilarityEncoder:
            # the weights of a newer version must not change those that are in use
            return SimilarityEncoder.load(path, **copy.deepcopy(parts))

        self._data, self._titles = None if data is None else Path(data), titles
        self._parts = "".join(f", {name}={name}" for name in parts)
        super().__init__([WatchedModel(path, load)])

    def loaded(self) -> None:
        """Embed the points."""
        encoder: SimilarityEncoder = self.models[0].model
        path = self.models[0].path
        features = encoder.layout_.inputs != "identity"
        if features and self._data is None:
            raise ValueError(
                f"{path} embeds points by their features: pass a file that has them with --data"
            )
        if not features and self._data is not None:
            raise ValueError(f"{path} was fitted without features: leave out --data")
        code = (
            "from simec import SimilarityEncoder\n{imports}\n"
            f"encoder = SimilarityEncoder.load({str(path)!r}{self._parts})\n{{data}}"
            "vectors = encoder.transform(X)\n"
        )
        self._X: Any = None
        self._feature_names: list[str] | None = None
        if self._data is None:
            n = encoder.layout_.n_features
            ids: list[Any] = list(range(n))
            code = code.format(imports="", data=f"ids, X = list(range({n})), None\n")
        else:
            ids, self._X, self._feature_names, imports, reading = _read_points(self._data, encoder)
            code = code.format(imports=imports, data=reading)
        self._code = code
        names = _names(ids, "point", self._titles)
        self._points = _Points(names, encoder.transform(self._X), code, cosine=False)

    def warm_up(self) -> None:
        """Compile, by asking questions."""
        first = self._points.names.texts[0]
        self.ask("complete", {"text": ""})
        self.ask("neighbors", {"point": first})
        if self._X is not None:
            self.ask("why", {"first": first, "second": first})

    def ask_about(self) -> Answer:
        """Sizes of the encoder, and a point to start with."""
        encoder = self.models[0].model
        names = self._points.names
        facts = [f"{len(names):,} points", f"{encoder.n_components} dimensions"]
        if self._X is not None:
            facts.insert(1, f"{int(np.prod(self._X.shape[1:])):,} features")
        more = {"sample": names.texts[0], "has_features": self._X is not None}
        return _about(self, facts, **more)

    def ask_complete(self, text: str, n: int = 8) -> Answer:
        """Points whose ids begin with a text."""
        return Answer({"names": self._points.names.complete(text, check_integer("n", n, 1, _MOST))})

    def ask_neighbors(self, point: str, topn: int = 15) -> Answer:
        """The points with the most similar embeddings."""
        return self._points.neighbors(point, topn)

    def ask_why(self, first: str, second: str, topn: int = 12) -> Answer:
        """Relevances of the features of two points for their similarity."""
        from simec.explain import explain_similarity

        topn = check_integer("topn", topn, 1, _MOST)
        names = self._points.names
        i, j = names.position(first), names.position(second)
        if self._X is None:
            raise ValueError("the encoder was fitted without features, so none can be relevant")
        both = explain_similarity(
            self.models[0].model, self._X[i : i + 1], self._X[j : j + 1], names=self._feature_names
        )
        value = {
            "similarity": both.value,
            "points": [
                {"point": name, "bias": part.bias, "relevances": _pairs(part.top(topn))}
                for name, part in ((names.texts[i], both.first), (names.texts[j], both.second))
            ],
        }
        code = (
            "from simec.explain import explain_similarity\n"
            f"{self._code}i, j = ids.index({names.ids[i]!r}), ids.index({names.ids[j]!r})\n"
            "both = explain_similarity(encoder, X[i : i + 1], X[j : j + 1], names=names)\n"
            f"(both.value, *both.top({topn}))"
        )
        return Answer(value, code)

    def ask_map(self, method: str = "pca") -> Answer:
        """Coordinates of points, or the state of their computation."""
        return self._points.map(method)


def _read_points(
    path: Path, encoder: SimilarityEncoder
) -> tuple[list[Any], Any, list[str] | None, str, str]:
    """Ids, features, names of features, and the imports and lines of code that read them."""
    wanted = getattr(encoder, "feature_names_in_", None)
    names = None if wanted is None else [str(name) for name in wanted]
    shown = repr(str(path))
    imports = ""
    if path.suffix in (".npy", ".npz"):
        try:
            is_dense = path.suffix == ".npy"
            X = np.load(path, allow_pickle=False) if is_dense else sparse.load_npz(path).tocsr()
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        lines = f"X = np.load({shown})\n" if is_dense else f"X = sparse.load_npz({shown}).tocsr()\n"
        imports = "import numpy as np\n" if is_dense else "from scipy import sparse\n"
    else:
        from simec.recommender import read_features

        features = read_features(path, "item", min_count=1)
        imports = "from simec.recommender import read_features\n"
        lines = f"points = read_features({shown}, 'item', min_count=1)\n"
        if names is not None:
            features = features.named(names)
            lines += "points = points.named(list(encoder.feature_names_in_))\n"
        X, names = features.matrix, features.names
        lines += "X, names, ids = points.matrix, points.names, points.ids.values.tolist()\n"
        if encoder.layout_.inputs == "dense" and sparse.issparse(X):
            X = X.toarray()
            lines += "X = X.toarray()\n"
        return features.ids.values.tolist(), X, names, imports, lines
    if X.ndim < 2 or not X.shape[0]:
        raise ValueError(f"{path} must have a row for each point, got shape {X.shape}")
    named = "list(encoder.feature_names_in_)" if names is not None else "None"
    lines += f"ids, names = list(range(X.shape[0])), {named}\n"
    return list(range(X.shape[0])), X, names, imports, lines


class RecommenderExplorer(Explorer):
    """Answers questions about a recommender.

    Parameters
    ----------
    path : path
        Folder of the recommender.
    titles : mapping of str to str, optional
        Titles of items by ids.
    """

    kind: ClassVar[str] = "recommender"

    def __init__(self, path: StrPath, titles: Mapping[str, str] | None = None) -> None:
        from simec.recommender import BaseRecommender

        self._titles = titles
        super().__init__([WatchedModel(path, BaseRecommender.load)])

    def loaded(self) -> None:
        """Prepare the completion of ids."""
        self._recommender: BaseRecommender = self.models[0].model
        ratings = self._recommender.ratings_
        # the users and items with the most ratings come first
        counts = {"user": ratings.matrix.getnnz(axis=1), "item": ratings.item_counts}
        ids = {"user": ratings.users, "item": ratings.items}
        titles = {"user": None, "item": self._titles}
        self._names = {
            kind: _names(
                ids[kind].names(np.argsort(-counts[kind], kind="stable")), kind, titles[kind]
            )
            for kind in ids
        }
        self._code = (
            "from simec.recommender import BaseRecommender\n\n"
            f"recommender = BaseRecommender.load({str(self.models[0].path)!r})\n"
        )
        vectors = getattr(self._recommender, "item_vectors_", None)
        self._points: _Points | None = None
        if vectors is not None:
            code = f"{self._code}vectors = recommender.item_vectors_\n"
            items = Names(ratings.items.values.tolist(), "item", self._titles)
            self._points = _Points(items, vectors, code, cosine=True)

    def warm_up(self) -> None:
        """Compile, by asking questions."""
        user, item = (self._names[kind].texts[0] for kind in ("user", "item"))
        self.ask("complete", {"text": ""})
        self.ask("recommend", {"user": user})
        self.ask("reasons", {"user": user, "item": item})

    def ask_about(self) -> Answer:
        """Sizes of the recommender, and a user and an item to start with."""
        ratings = self._recommender.ratings_
        facts = [
            type(self._recommender).__name__,
            f"{len(ratings.users):,} users",
            f"{len(ratings.items):,} items",
            f"{len(ratings):,} ratings",
        ]
        user, item = (self._names[kind].texts[0] for kind in ("user", "item"))
        return _about(self, facts, user=user, sample=item, has_map=self._points is not None)

    def ask_complete(self, text: str, what: str = "user", n: int = 8) -> Answer:
        """Users or items whose ids begin with a text."""
        check_choice("what", what, ("user", "item"))
        return Answer({"names": self._names[what].complete(text, check_integer("n", n, 1, _MOST))})

    def ask_recommend(self, user: str, seen: bool = False, topn: int = 15) -> Answer:
        """The items with the highest predicted ratings for a user, and the user's ratings."""
        topn = check_integer("topn", topn, 1, _MOST)
        known = self._names["user"].find(user)
        recommended = self._recommender.recommend(known, topn, exclude_seen=not seen)
        row = self._ratings_of(known)
        order = np.argsort(-row.data, kind="stable")[:topn]
        items = self._recommender.ratings_.items.names(row.indices[order])
        text = self._names["item"].text
        value = {
            "user": user,
            "items": [[text(item), score] for item, score in recommended],
            "rated": [
                [text(item), float(x)] for item, x in zip(items, row.data[order], strict=True)
            ],
            "n_rated": int(row.nnz),
        }
        code = f"recommender.recommend({known!r}, {topn}, exclude_seen={not seen})"
        return Answer(value, self._code + code)

    def ask_reasons(self, user: str, item: str, topn: int = 10) -> Answer:
        """Why an item is recommended: relevances of its features, and rated items like it."""
        topn = check_integer("topn", topn, 1, _MOST)
        u, i = self._names["user"].find(user), self._names["item"].find(item)
        recommender: Any = self._recommender
        row = self._ratings_of(u)
        rated = dict(
            zip(recommender.ratings_.items.names(row.indices), row.data.tolist(), strict=True)
        )
        similar = recommender.similar_items(i, len(recommender.ratings_.items))
        text = self._names["item"].text
        like = [[text(j), s, rated[j]] for j, s in similar if j in rated and s > 0][:topn]
        value: dict[str, Any] = {"user": user, "item": text(i), "similar": like}
        code = (
            f"{self._code}ratings = recommender.ratings_\n"
            f"row = ratings.matrix[ratings.users.find([{u!r}])[0]]\n"
            "rated = dict(zip(ratings.items.names(row.indices), row.data))\n"
            f"similar = recommender.similar_items({i!r}, {len(recommender.ratings_.items)})\n"
            f"similar = [(j, s, rated[j]) for j, s in similar if j in rated and s > 0][:{topn}]\n"
        )
        if hasattr(recommender, "explain") and recommender.item_features_ is not None:
            why = recommender.explain(u, i)
            value |= {"rating": why.value, "bias": why.bias, "relevances": _pairs(why.top(topn))}
            code += (
                f"why = recommender.explain({u!r}, {i!r})\n"
                f"(similar, why.value, why.bias, why.top({topn}))"
            )
        else:
            value["rating"] = float(recommender.predict(u, i)[0])
            code += f"(similar, recommender.predict({u!r}, {i!r})[0])"
        return Answer(value, code)

    def ask_similar(self, item: str, topn: int = 15) -> Answer:
        """The most similar items, by the ratings of users."""
        topn = check_integer("topn", topn, 1, _MOST)
        known = self._names["item"].find(item)
        text = self._names["item"].text
        similar = [[text(j), float(s)] for j, s in self._recommender.similar_items(known, topn)]
        code = f"{self._code}recommender.similar_items({known!r}, {topn})"
        return Answer({"item": text(known), "neighbors": similar}, code)

    def ask_map(self, method: str = "pca") -> Answer:
        """Coordinates of items, or the state of their computation."""
        if self._points is None:
            raise ValueError("this recommender has no embeddings of items, so they have no map")
        return self._points.map(method)

    def _ratings_of(self, user: Any) -> Any:
        ratings = self._recommender.ratings_
        return ratings.matrix[int(ratings.users.find([user])[0])]


class LinkExplorer(Explorer):
    """Answers questions about a link predictor.

    Parameters
    ----------
    path : path
        Folder of the link predictor.
    titles : mapping of str to str, optional
        Titles of entities by ids.
    """

    kind: ClassVar[str] = "links"

    def __init__(self, path: StrPath, titles: Mapping[str, str] | None = None) -> None:
        from simec.links import LinkPredictor

        self._titles = titles
        super().__init__([WatchedModel(path, LinkPredictor.load)])

    def loaded(self) -> None:
        """Prepare the completion of ids, and embeddings."""
        self._predictor: LinkPredictor = self.models[0].model
        path = self.models[0].path
        self._names = {
            "entity": _names(self._predictor.entities_, "entity", self._titles),
            "relation": Names(self._predictor.relations_, "relation"),
        }
        self._code = (
            "from simec.links import LinkPredictor\n\n"
            f"predictor = LinkPredictor.load({str(path)!r})\n"
        )
        code = f"{self._code}ids, vectors = predictor.entities_, predictor.transform()\n"
        self._points = _Points(
            self._names["entity"], self._predictor.transform(), code, cosine=True
        )

    def warm_up(self) -> None:
        """Compile, by asking questions."""
        entity, relation = (self._names[kind].texts[0] for kind in ("entity", "relation"))
        self.ask("complete", {"text": ""})
        self.ask("predict", {"entity": entity, "relation": relation})

    def ask_about(self) -> Answer:
        """Sizes of the predictor, and an entity and a relation to start with."""
        predictor = self._predictor
        facts = [
            f"{len(predictor.entities_):,} entities",
            f"{len(predictor.relations_):,} relations",
            f"{predictor.embeddings_.shape[1]} dimensions",
        ]
        relations = self._names["relation"].texts
        sample = self._names["entity"].texts[0]
        return _about(self, facts, sample=sample, relations=relations[:_LISTED])

    def ask_complete(self, text: str, what: str = "entity", n: int = 8) -> Answer:
        """Entities or relations whose ids begin with a text."""
        check_choice("what", what, ("entity", "relation"))
        return Answer({"names": self._names[what].complete(text, check_integer("n", n, 1, _MOST))})

    def ask_predict(
        self, entity: str, relation: str, direction: str = "tail", topn: int = 15
    ) -> Answer:
        """The most likely entities at the other end of a link, with ranks."""
        topn = check_integer("topn", topn, 1, _MOST)
        check_choice("direction", direction, ("tail", "head"))
        e, r = self._names["entity"].find(entity), self._names["relation"].find(relation)
        predictor = self._predictor
        if direction == "tail":
            links = predictor.predict(e, r, topn, exclude_known=False)
            unknown = predictor.predict(e, r, topn)
            call = f"predictor.predict({e!r}, {r!r}, {topn}, exclude_known=False)"
        else:
            links = predictor.predict_head(r, e, topn, exclude_known=False)
            unknown = predictor.predict_head(r, e, topn)
            call = f"predictor.predict_head({r!r}, {e!r}, {topn}, exclude_known=False)"
        new = {link.entity for link in unknown}
        text = self._names["entity"].text
        value = {
            "links": [
                {
                    "rank": rank,
                    "entity": text(link.entity),
                    "score": link.score,
                    "known": link.entity not in new,
                }
                for rank, link in enumerate(links, 1)
            ]
        }
        return Answer(value, self._code + call)

    def ask_neighbors(self, point: str, topn: int = 15) -> Answer:
        """The entities with the most similar embeddings."""
        return self._points.neighbors(point, topn)

    def ask_map(self, method: str = "pca") -> Answer:
        """Coordinates of entities, or the state of their computation."""
        return self._points.map(method)


def _about(explorer: Explorer, facts: list[str], **more: Any) -> Answer:
    path = explorer.models[0].path
    title = path.resolve().name
    model = {"title": title, "path": str(path), "facts": facts, **more}
    return Answer({"kind": explorer.kind, "title": title, "models": [model]})


def _pairs(pairs: Any) -> list[list[Any]]:
    return [[str(name), float(value)] for name, value in pairs]
