"""LinkPredictor: learns which relations hold between entities, and tells what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from simec.data.inputs import choose_device
from simec.links import persistence
from simec.links.answering import Answering
from simec.links.checks import check_parameters, read_features
from simec.links.fitting import Fit, embed
from simec.links.network import LinkNetwork
from simec.links.queries import IntArray
from simec.links.training import Schedule
from simec.links.triples import Id, Ids, as_triples, encode, plain_id, without_duplicates


class LinkPredictor(Answering, BaseEstimator):  # type: ignore[misc]
    """A Similarity Encoder for links: triples of head, relation and tail (4.1).

    An entity's embedding y times a middle matrix M of the relation, times the last layer W, gives
    scores of all entities as tails, ``y M Wᵀ``. Heads are found in the same way, by a reciprocal
    relation with its own middle matrix.

    Parameters
    ----------
    n_components : int
        Dimensions d of embeddings.
    middle : {"complex", "diagonal", "full"}
        Form of middle matrices: blocks of 2 × 2 (ComplEx; d has to be even), diagonal
        (DistMult), or any (RESCAL).
    tied : bool
        Whether embeddings are the last layer, W = Y. If not, it has weights of its own.
    hidden_layers : sequence of int
        Hidden units of the embedding network; with features only.
    activation : str
        Of hidden units.
    loss : {"softmax", "bce"}
        Cross-entropy of the softmax over all entities, or of a sigmoid for each.
    targets : {"1vsall", "kvsall"}
        With softmax: whether each triple counts the same, or each pair of an entity and a
        relation, whatever the number of its answers.
    n3 : float
        Weight of the sum of cubed moduli of what a triple's score is made of.
    dropout : float
        Share of an embedding, and of its product with M, that is left out in training.
    n_negatives : int, optional
        Entities drawn for each batch that answers are told from, beside those that occur in it.
        None: all that there are. With softmax only.
    fine_tune : bool
        Whether one middle matrix is trained for all relations at first, and then each
        relation's from there, with early stopping of its own; and, with sigmoids, a constant for
        each entity as its answer.
    optimizer : {"adagrad", "adam"}
    learning_rate : float
    init_scale : float
        Standard deviation at the start: of embeddings (without features), of W, and of middle
        matrices unless they are full.
    batch_size : int
        Pairs of an entity and a relation, with all their answers.
    max_iter : int
        Epochs at most.
    n_iter_no_change : int
        With validation, training ends after so many epochs without a better MRR.
    average : bool
        Whether the weights that are validated, and stay, are means over about the last epoch.
    device : str
        Of PyTorch; "auto" is a GPU where there is one.
    random_state : int, RandomState or None
    verbose : bool
        Show a bar.

    Attributes
    ----------
    entities_, relations_ : list of id
        Ids by number.
    network_ : LinkNetwork
        ``network_.encoder``, ``network_.middle``, ``network_.last``.
    embeddings_ : Tensor of shape (n, d)
        Of all entities.
    loss_curve_, validation_curve_ : list of float
        Mean error in each epoch; filtered MRR of (at most 3,000) links of validation after it.
    best_score_ : float
        The best MRR, or NaN without validation.
    n_iter_ : int
        Epochs.
    n_duplicates_ : int
        Triples that were there more than once.

    References
    ----------
    F. Horn (2020). Similarity Encoders. Section 4.1.
    T. Lacroix, N. Usunier, G. Obozinski (2018). Canonical Tensor Decomposition for Knowledge Base
    Completion. (Reciprocal relations, N3.)
    D. Ruffinelli, S. Broscheit, R. Gemulla (2020). You CAN Teach an Old Dog New Tricks! (1vsAll,
    KvsAll.)

    Examples
    --------
    >>> from simec.links import LinkPredictor
    >>> people = [f"p{i}" for i in range(20)]
    >>> triples = [(a, "next", b) for a, b in zip(people, people[1:])]
    >>> triples += [(b, "before", a) for a, _, b in triples[1:]]
    >>> predictor = LinkPredictor(20, random_state=0, max_iter=100).fit(triples)
    >>> predictor.predict("p0", "next", n=1, exclude_known=False)[0].entity
    'p1'
    """

    def __init__(
        self,
        n_components: int = 200,
        *,
        middle: Literal["complex", "diagonal", "full"] = "complex",
        tied: bool = True,
        hidden_layers: Sequence[int] = (),
        activation: str = "tanh",
        loss: Literal["softmax", "bce"] = "softmax",
        targets: Literal["1vsall", "kvsall"] = "1vsall",
        n3: float = 0.05,
        dropout: float = 0.0,
        n_negatives: int | None = None,
        fine_tune: bool = False,
        optimizer: Literal["adagrad", "adam"] = "adagrad",
        learning_rate: float = 0.1,
        init_scale: float = 1e-3,
        batch_size: int = 500,
        max_iter: int = 50,
        n_iter_no_change: int = 5,
        average: bool = True,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.middle = middle
        self.tied = tied
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.loss = loss
        self.targets = targets
        self.n3 = n3
        self.dropout = dropout
        self.n_negatives = n_negatives
        self.fine_tune = fine_tune
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.init_scale = init_scale
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.average = average
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def thesis(cls, n_components: int = 100, **parameters: Any) -> LinkPredictor:
        """The predictor of the thesis: entities → d → d × d → entities, sigmoid, fine-tuned (4.1).

        Parameters
        ----------
        n_components : int
        **parameters
            Others than the preset's.
        """
        preset: dict[str, Any] = {
            "middle": "full", "tied": False, "loss": "bce", "n3": 0.0, "fine_tune": True,
            "optimizer": "adagrad", "learning_rate": 0.1, "init_scale": 0.1, "batch_size": 100,
            "max_iter": 300, "n_iter_no_change": 5,
            "average": False,
        }  # fmt: skip
        return cls(n_components, **{**preset, **parameters})

    # Learning

    def fit(
        self,
        triples: Any,
        valid: Any = None,
        *,
        entities: Iterable[Id] | None = None,
        features: Any = None,
    ) -> LinkPredictor:
        """Learn from triples that hold.

        Parameters
        ----------
        triples : path, frame, array of shape (m, 3), or iterable of (head, relation, tail)
            See `simec.links.as_triples`.
        valid : the same, optional
            Triples that training is stopped by.
        entities : iterable of id, optional
            All entities that answers are ranked among. Those of triples and of validation if it
            is not given. With features, the ids of their rows.
        features : array or CSR matrix of shape (n, D), or frame with ids as its index; optional
            What the network takes in place of rows of the identity.

        Raises
        ------
        TripleError
            If triples cannot be read, or ids are of mixed types.
        ValueError
            If parameters are out of range; if an entity has no features, or validation has a
            relation that no triple of training has.
        KeyboardInterrupt
            After Ctrl-C; the predictor has the best weights so far.

        Warns
        -----
        UserWarning
            If triples occur more than once.
        """
        check_parameters(self)
        train = as_triples(triples)
        held = [] if valid is None else as_triples(valid)
        if not train:
            raise ValueError("there are no triples to learn from")
        entities, X = read_features(entities, features)
        relations = Ids.of((r for _, r, _ in train), "relation")
        known: list[Id] = [] if entities is None else [plain_id(e, "entities") for e in entities]
        if features is None:
            ends = [end for h, _, t in (*train, *held) for end in (h, t)]
            ids = Ids.of([*known, *ends], "entity")
            # the order that was asked for, before others
            ids = Ids([*known, *ids.ids], "entity") if known else ids
        else:
            ids = Ids(known, "entity")
            self._check_have_features(ids, train, held)
        numbers, self.n_duplicates_ = without_duplicates(encode(train, ids, relations))
        valid_numbers = np.unique(encode(held, ids, relations), axis=0)
        self._entities, self._relations = ids, relations
        self._known = np.unique(np.concatenate([numbers, valid_numbers]), axis=0)
        self._n_features = None if X is None else int(X.shape[1])
        self._n_trained = len(ids)
        self._learn(numbers, valid_numbers, X)
        return self

    def _check_have_features(self, ids: Ids, *parts: list[tuple[Id, Id, Id]]) -> None:
        ends = (end for part in parts for h, _, t in part for end in (h, t))
        missing = [end for end in dict.fromkeys(ends) if end not in ids]
        if missing:
            raise ValueError(
                f"{len(missing):,} entities of triples have no features, such as {missing[0]!r}: "
                "give features of them, or leave their triples out"
            )

    def _learn(self, train: IntArray, valid: IntArray, X: Any) -> None:
        device = choose_device(self.device)
        seed = int(check_random_state(self.random_state).randint(1 << 31))
        n, k = len(self._entities), len(self._relations)
        schedule = Schedule(
            self.loss, self.targets, self.optimizer, self.learning_rate, self.n3, self.dropout,
            self.n_negatives, self.batch_size, self.max_iter, self.n_iter_no_change,
            bool(self.average), bool(self.verbose),
        )  # fmt: skip
        fit = Fit(train, valid, (n, k), X, schedule, seed, device)
        base_rate = len(train) / (n * n * (1 if self.fine_tune else k))
        fit_network = fit.one_by_one if self.fine_tune else fit.together
        self.network_ = self._build(2 * k)
        try:
            self.network_ = fit_network(lambda relations: self._build(relations, base_rate))
        finally:
            history = fit.history
            self.network_ = (fit.network or self.network_).to(device)
            self.network_.eval()
            self.embeddings_ = embed(self.network_, X, device)
            self._keep(history.losses, history.validation)

    def _keep(self, losses: list[float], validation: list[float]) -> None:
        self.loss_curve_, self.validation_curve_ = losses, validation
        self.n_iter_ = len(losses)
        self.best_score_ = max(validation, default=float("nan"))

    def _build(self, n_relations: int, base_rate: float = 0.5) -> LinkNetwork:
        network = LinkNetwork(
            self._n_trained, n_relations, self.n_components, self.middle,
            n_features=self._n_features, hidden_layers=tuple(self.hidden_layers),
            activation=self.activation, tied=self.tied,
            n_biases=0 if self.loss != "bce" else n_relations if self.fine_tune else 1,
            scale=self.init_scale,
        )  # fmt: skip
        if network.bias is not None:
            # most links do not hold
            torch.nn.init.constant_(network.bias, float(np.log(base_rate / (1 - base_rate))))
        return network

    # On disk

    def save(self, path: Any) -> None:
        """Write a folder of safetensors and JSON, whole or not at all.

        Parameters
        ----------
        path : str or path
            What is there is replaced if it is such a folder.
        """
        self._check_fitted()
        persistence.save(self, path)

    @classmethod
    def load(cls, path: Any, *, device: str | None = None) -> LinkPredictor:
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ModelError
            If it holds no predictor, or a damaged one, or one of a newer version.
        """
        return persistence.load(cls, path, device=device)
