"""What a fitted LinkPredictor is asked: likeliest ends, scores, ranks; and new entities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from sklearn.exceptions import NotFittedError

from simec.links.checks import check_features
from simec.links.evaluation import Evaluation, rank_both_ways
from simec.links.fitting import embed, score_all, scorer
from simec.links.network import LinkNetwork
from simec.links.queries import IntArray, both_ways
from simec.links.triples import Id, Ids, as_triples, encode, plain_id, without_duplicates

FloatArray = npt.NDArray[np.float32]
Self = TypeVar("Self", bound="Answering")


class Link(NamedTuple):
    """An entity at the other end, and its score: higher is likelier."""

    entity: Id
    score: float


class Answering:
    """The part of `LinkPredictor` that comes after `fit`."""

    tied: bool
    network_: LinkNetwork
    embeddings_: torch.Tensor
    _entities: Ids
    _relations: Ids
    _known: IntArray
    _n_features: int | None

    def predict(
        self,
        head: Any,
        relation: Any,
        n: int = 10,
        *,
        exclude_known: bool = True,
        features: Any = None,
    ) -> list[Link]:
        """Likeliest tails.

        Parameters
        ----------
        head : id, or None with `features`
        relation : id
        n : int
            How many.
        exclude_known : bool
            Whether to leave out those that training or validation had.
        features : array or sparse matrix of shape (1, D), optional
            Of a head never seen.

        Returns
        -------
        list of Link
            (entity, score), the likeliest first.

        Raises
        ------
        ValueError
            If the head or the relation is unknown; with what is near it.
        """
        self._check_fitted()
        return self._ends(head, self._relations.number(relation), n, exclude_known, features)

    def predict_head(
        self,
        relation: Any,
        tail: Any,
        n: int = 10,
        *,
        exclude_known: bool = True,
        features: Any = None,
    ) -> list[Link]:
        """Likeliest heads; see `predict`."""
        self._check_fitted()
        r = self._relations.number(relation) + len(self._relations)
        return self._ends(tail, r, n, exclude_known, features)

    def _ends(
        self, entity: Any, relation: int, n: int, exclude_known: bool, features: Any
    ) -> list[Link]:
        if (entity is None) == (features is None):
            raise ValueError("give an entity's id, or its features=")
        if features is None:
            number = self._entities.number(entity)
            y = self.embeddings_[number][None]
        else:
            number, y = -1, self._embed(features)
            if len(y) != 1:
                raise ValueError(f"features are of one entity, shape (1, D), not of {len(y)}")
        with torch.no_grad():
            r = torch.tensor([relation], device=y.device)
            q = self.network_.middle(y, r)
            scores = score_all(self.network_, self.embeddings_, q, r)[0]
        n_left = len(scores)
        if exclude_known and number >= 0:
            links = both_ways(self._known, len(self._relations))
            there = links[(links[:, :2] == (number, relation)).all(1), 2]
            scores[torch.from_numpy(there).to(y.device)] = -torch.inf
            n_left -= len(there)
        best = scores.topk(min(n, n_left))
        return [
            Link(self._entities.ids[i], score)
            for i, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def score(self, triples: Any) -> FloatArray:
        """Scores of triples, higher for likelier ones: the mean of both directions.

        With loss "bce" they are log-odds. Else they compare triples of the same query.

        Returns
        -------
        float32 array of shape (m,)
        """
        self._check_fitted()
        numbers = encode(as_triples(triples), self._entities, self._relations)
        h, r, t = torch.from_numpy(numbers).to(self.embeddings_.device).T
        k = len(self._relations)
        one, other = self._score_pairs(h, r, t), self._score_pairs(t, r + k, h)
        found: FloatArray = ((one + other) / 2).cpu().numpy()
        return found

    @torch.no_grad()
    def _score_pairs(self, h: torch.Tensor, r: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        network, Y = self.network_, self.embeddings_
        W = Y if network.last is None else network.last
        found: torch.Tensor = (network.middle(Y[h], r) * W[t]).sum(1)
        biases = network.bias
        if biases is None:
            return found
        return found + biases[r if len(biases) > 1 else torch.zeros_like(r), t]

    def evaluate(self, triples: Any, *, known: Any = None) -> Evaluation:
        """Ranks of triples among all entities, in both directions.

        Parameters
        ----------
        triples : as for `fit`
            What is there twice counts once.
        known : as for `fit`, optional
            Triples that hold, beside these and those of training and validation: filtered ranks
            leave them out.

        Returns
        -------
        Evaluation

        Raises
        ------
        ValueError
            If training had no triple of a relation.
        """
        self._check_fitted()
        given = as_triples(triples)
        more = [triple for triple in as_triples(() if known is None else known)
                if triple[1] in self._relations]  # fmt: skip
        # entities without embeddings get the numbers after all others
        ends = dict.fromkeys(end for h, _, t in (*given, *more) for end in (h, t))
        ids = Ids([*self._entities.ids, *ends], "entity")
        numbers = without_duplicates(encode(given, ids, self._relations))[0]
        others = encode(more, ids, self._relations)
        n = len(self._entities)
        raw, filtered = rank_both_ways(
            scorer(self.network_, self.embeddings_), numbers,
            np.concatenate([self._known, numbers, others]), n, len(self._relations),
        )  # fmt: skip
        n_unknown = int((numbers[:, [0, 2]] >= n).any(1).sum())
        return Evaluation(self._relations.ids, numbers, raw, filtered, n_unknown)

    def transform(self, entities: Any = None, *, features: Any = None) -> FloatArray:
        """Embeddings.

        Parameters
        ----------
        entities : sequence of id, optional
            All of them, in the order of `entities_`, if neither is given.
        features : array or sparse matrix of shape (m, D), optional
            Of entities that training need not have seen.

        Returns
        -------
        float32 array of shape (m, d)
        """
        self._check_fitted()
        if features is not None:
            Y = self._embed(features)
        elif entities is not None:
            numbers = [self._entities.number(entity) for entity in entities]
            Y = self.embeddings_[torch.tensor(numbers, dtype=torch.int64)]
        else:
            Y = self.embeddings_
        found: FloatArray = Y.cpu().numpy().copy()
        return found

    def add_entities(self: Self, ids: Iterable[Id], features: Any) -> Self:
        """Let entities that training has not seen take part, by their features.

        From then on they are heads, tails and answers as others are.

        Parameters
        ----------
        ids : sequence of id
        features : array or sparse matrix of shape (m, D)

        Raises
        ------
        ValueError
            If the predictor was fitted without features, has last-layer weights for each entity
            (``tied=False``), or has an entity of this id.
        """
        self._check_fitted()
        new = [plain_id(entity, "ids") for entity in ids]
        if not self.tied:
            raise ValueError("with tied=False an entity needs weights in the last layer: fit anew")
        Y = self._embed(features)
        if len(Y) != len(new):
            raise ValueError(f"there are {len(new)} ids, but features of {len(Y)} entities")
        for entity in new:
            if entity in self._entities:
                raise ValueError(f"there is an entity {entity!r} already")
        if len(set(new)) != len(new):
            raise ValueError("an id occurs more than once among the new ones")
        self._entities = Ids([*self._entities.ids, *new], "entity")
        self.embeddings_ = torch.cat([self.embeddings_, Y])
        return self

    def _embed(self, features: Any) -> torch.Tensor:
        if self._n_features is None:
            raise ValueError(
                "this predictor was fitted without features: entities that training has not seen "
                "have no embeddings"
            )
        X = check_features(features, self._n_features)
        return embed(self.network_, X, self.embeddings_.device)

    @property
    def entities_(self) -> list[Id]:
        """Ids of entities, by number."""
        return list(self._entities.ids)

    @property
    def relations_(self) -> list[Id]:
        """Ids of relations, by number."""
        return list(self._relations.ids)

    def _check_fitted(self) -> None:
        if not hasattr(self, "embeddings_"):
            raise NotFittedError("this LinkPredictor is not fitted yet: call fit(triples)")
