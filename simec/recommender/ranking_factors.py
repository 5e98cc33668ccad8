"""Embeddings of users and items that are trained to rank, on implicit feedback."""

from __future__ import annotations

import logging
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_random_state

from corpora.callbacks import progress_bar
from corpora.checks import check_choice, check_integer, check_number
from corpora.interrupts import STOPPED
from simec.recommender.base import Entities, FactorRecommender, check_vectors, training_rows
from simec.recommender.ranking import occurrences
from simec.recommender.ranking_kernels import BPR, SOFTMAX, WARP, run_epoch
from simec.recommender.state import check_attribute
from simec.types import FloatArray

logger = logging.getLogger(__name__)

_LOSSES = {"softmax": SOFTMAX, "bpr": BPR, "warp": WARP}
_SAMPLED = {"softmax": 32, "bpr": 1, "warp": 32}


class RankingRecommender(FactorRecommender):
    """Embeddings of users and items that are trained to rank the items of a user first.

    For clicks, purchases, plays or liked items: only which pairs occur matters, not their values.
    Training draws items that the user does not have, and moves embeddings such that those of the
    user score higher, by stochastic gradient descent (Adagrad). Scores only rank.

    Parameters
    ----------
    n_components : int
        Length d of embeddings; one component is the item's bias.
    loss : {"softmax", "warp", "bpr"}
        "softmax": cross entropy of the item among sampled ones. "warp": a hinge loss for the first
        sampled item that scores too high, weighted by the logarithm of its estimated rank (Weston
        et al., 2011). "bpr": the logistic loss of one sampled item (Rendle et al., 2009).
    n_sampled : int or "auto"
        Items drawn for each pair. "auto": 32, or 1 for "bpr".
    l2 : float
        Penalty on squared embeddings.
    learning_rate : float
    max_iter : int
        Number of epochs.
    random_state : int or None
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    ratings_, biases_, item_features_, user_features_, range_
        As in `BaseRecommender`; biases are zeros, and features are not used.
    user_vectors_ : float32 array of shape (n_users, d)
        The last component is 1.
    item_vectors_ : float32 array of shape (n_items, d)
    loss_curve_ : tuple of float
        Mean loss of each epoch.

    References
    ----------
    S. Rendle et al. (2009). BPR: Bayesian Personalized Ranking from Implicit Feedback. UAI.
    J. Weston, S. Bengio, N. Usunier (2011). WSABIE: Scaling Up To Large Vocabulary Image
    Annotation. IJCAI.
    """

    _uses_biases = False

    def __init__(
        self,
        n_components: int = 64,
        *,
        loss: Literal["softmax", "warp", "bpr"] = "softmax",
        n_sampled: int | Literal["auto"] = "auto",
        l2: float = 0.01,
        learning_rate: float = 0.05,
        max_iter: int = 20,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__()
        self.n_components = n_components
        self.loss = loss
        self.n_sampled = n_sampled
        self.l2 = l2
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose

    def _check(self) -> None:
        super()._check()
        check_choice("loss", self.loss, tuple(_LOSSES))
        check_integer("n_components", self.n_components, 2)
        check_integer("max_iter", self.max_iter, 1)
        if not isinstance(self.n_sampled, str) or self.n_sampled != "auto":
            check_integer("n_sampled", self.n_sampled, 1)
        check_number("l2", self.l2, 0)
        check_number("learning_rate", self.learning_rate, 0, above=True)

    def _fit(self, residuals: Any, users: Entities, items: Entities) -> None:
        del users, items
        X = occurrences(residuals)
        random = check_random_state(self.random_state)
        n_users, n_items = X.shape
        d = int(self.n_components)
        scale = 1 / np.sqrt(d)
        U = (random.normal(size=(n_users, d)) * scale).astype(np.float32)
        V = (random.normal(size=(n_items, d)) * scale).astype(np.float32)
        U[:, -1], V[:, -1] = 1, 0
        rows = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(X.indptr))
        n_sampled = _SAMPLED[self.loss] if isinstance(self.n_sampled, str) else int(self.n_sampled)
        squares = np.zeros(n_users), np.zeros(n_items)
        losses: list[float] = []
        stopped: BaseException | None = None
        epochs = range(int(self.max_iter))
        with progress_bar(epochs, shown=self.verbose, desc="ranking", unit="epoch") as bar:
            try:
                for _ in bar:
                    mean = run_epoch(
                        random.permutation(X.nnz), rows, X.indptr, X.indices, U, V, *squares,
                        _LOSSES[self.loss], 1 if self.loss == "bpr" else n_sampled,
                        float(self.learning_rate), float(self.l2), int(random.randint(1 << 30)),
                    )  # fmt: skip
                    losses.append(float(mean))
                    logger.info("epoch %d: loss %.4f", len(losses), mean)
            except STOPPED as error:
                if not losses:
                    raise
                stopped = error  # keep what was learned so far
        U[np.diff(X.indptr) == 0] = 0
        V[X.getnnz(axis=0) == 0] = 0
        self.user_vectors_: FloatArray = U
        self.item_vectors_: FloatArray = V
        self.loss_curve_ = tuple(losses)
        if stopped is not None:
            raise stopped

    def _embed_users(self, users: Entities) -> Any:
        return training_rows(self.user_vectors_, users)

    def _embed_items(self, items: Entities) -> Any:
        return training_rows(self.item_vectors_, items)

    def _item_vectors(self, items: Entities) -> Any:
        return self._embed_items(items)[:, :-1]  # without the bias

    def _check_state(self) -> None:
        super()._check_state()
        check_vectors(self)
        check_attribute("loss_curve_", self.loss_curve_, tuple)
