"""LinkPredictor: learns relations between entities and predicts missing links."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from numbers import Integral
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array, check_random_state

from corpora.callbacks import CheckpointSchedule, as_callback
from corpora.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_sizes,
    shorten,
)
from corpora.deprecated import renamed_parameters
from corpora.errors import ModelError, warn
from corpora.hub import HubModel
from corpora.interrupts import STOPPED, deferred_interrupt
from corpora.model_folder import FolderReader, check_writable, open_folder, write_folder
from corpora.saved_data import (
    check_saved_array,
    check_saved_object,
    saved_numbers,
    saved_seed,
    saved_strings,
)
from simec.data.columns import described_by, recognized
from simec.data.frames import as_frame
from simec.data.inputs import Inputs, check_device, choose_device
from simec.linalg.checks import QUIET, check_magnitude
from simec.linalg.factorization import finite
from simec.links.defaults import CHOSEN, GraphSize, choose, describe, is_auto
from simec.links.evaluation import Evaluation, rank_both_ways
from simec.links.losses import LOSSES
from simec.links.network import RELATION_MATRICES, LinkNetwork, as_inputs
from simec.links.queries import both_ways
from simec.links.training import Hooks, LinkSchedule, Snapshot, Training
from simec.links.triples import Id, Ids, as_id_list, as_triples, encode, without_duplicates
from simec.network import ACTIVATIONS, check_tensors
from simec.types import FloatArray, IntArray

logger = logging.getLogger(__name__)

KIND = "simec.LinkPredictor"
_ENTITIES = described_by("entity")
VERSION = 4
CONFIG, WEIGHTS = "config.json", "weights.safetensors"
TRAINING, TRAINING_ARRAYS = "training.json", "training.safetensors"  # of checkpoints
_NETWORK = "network."  # before the names of its weights

Self = TypeVar("Self", bound="LinkPredictor")


class Link(NamedTuple):
    """An entity at the other end of a link, and its score; higher scores are more likely."""

    entity: Id
    score: float


class LinkPredictor(HubModel, BaseEstimator):  # type: ignore[misc]
    """A Similarity Encoder for links: triples of head, relation and tail (thesis, Sec. 4.1).

    For an entity with embedding y, a relation with matrix M and a last layer W, the scores of all
    entities as tails are ``y M Wᵀ``. Heads are predicted in the same way: each relation has a
    reciprocal relation with its own matrix.

    Parameters
    ----------
    n_components : int or "auto"
        Dimension d of embeddings. "auto", here and below, is a value chosen from the size and
        density of the graph when the predictor is fitted, see `parameters_`.
    relation_matrix : {"complex", "diagonal", "full"}
        Form of the relation matrices: blocks of 2 × 2 (ComplEx; d must be even), diagonal
        (DistMult), or full (RESCAL).
    tied : bool
        Whether the embeddings are used as the last layer, W = Y. If not, W has separate weights.
    hidden_layers : sequence of int
        Sizes of the hidden layers of the embedding network; only used with features.
    activation : str
        Activation function of the hidden layers.
    loss : {"softmax", "bce"}
        Cross-entropy of the softmax over all entities, or of a sigmoid for each entity.
    targets : {"1vsall", "kvsall"}
        Weights in the softmax loss: "1vsall" weights all triples equally, "kvsall" all queries
        (pairs of an entity and a relation), regardless of their number of answers.
    n3 : float or "auto"
        Weight of the N3 penalty: the cubed moduli of a triple's embeddings and relation matrix.
    dropout : float or "auto"
        Dropout rate of embeddings and of their products with M.
    n_negatives : int, None or "auto"
        Negative entities sampled per batch, in addition to those in the batch. None: score all
        entities. With softmax only.
    fine_tune : bool
        Whether to train one matrix for all relations first, and then fine-tune it for each
        relation with early stopping; with loss "bce", so is a bias of each entity.
    optimizer : {"adagrad", "adam"}
        Optimizer.
    learning_rate : float
        Learning rate of the optimizer.
    init_scale : float
        Initial standard deviation of embeddings (without features), of W, and of relation
        matrices unless they are full.
    batch_size : int or "auto"
        Number of queries in a batch: pairs of an entity and a relation, with all their answers.
    max_iter : int or "auto"
        Maximum number of epochs.
    n_iter_no_change : int or "auto"
        With validation triples, stop after this number of epochs without a better MRR.
    average : bool
        Whether to validate and keep moving averages of the weights, over about one epoch.
    device : str or torch.device
        "auto" selects the GPU if there is one.
    random_state : int, RandomState or None
        Seed of the initial weights, batches, dropout and sampled entities. As in
        `simec.SimilarityEncoder`, the last bits also depend on the number of threads.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    entities_, relations_ : list of id
        Ids by number.
    parameters_ : dict
        All parameters, with the values that were chosen for those that are "auto".
    network_ : LinkNetwork
        ``network_.encoder``, ``network_.relation_matrices``, ``network_.last``.
    embeddings_ : Tensor of shape (n, d)
        Embeddings of all entities.
    loss_curve_, validation_curve_ : list of float
        Mean training loss of each epoch, and filtered MRR after it, on at most 3,000 validation
        links.
    best_score_ : float
        The best validation MRR; NaN without validation triples.
    n_iter_ : int
        Number of epochs.
    n_duplicates_ : int
        Number of duplicate triples, which were ignored.

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
    >>> predictor.predict("p0", "next", topn=1, exclude_known=False)[0].entity
    'p1'
    """

    parameters_: dict[str, Any]

    @renamed_parameters(middle="relation_matrix")
    def __init__(
        self,
        n_components: int | Literal["auto"] = "auto",
        *,
        relation_matrix: Literal["complex", "diagonal", "full"] = "complex",
        tied: bool = True,
        hidden_layers: Sequence[int] = (),
        activation: str = "tanh",
        loss: Literal["softmax", "bce"] = "softmax",
        targets: Literal["1vsall", "kvsall"] = "1vsall",
        n3: float | Literal["auto"] = "auto",
        dropout: float | Literal["auto"] = "auto",
        n_negatives: int | Literal["auto"] | None = "auto",
        fine_tune: bool = False,
        optimizer: Literal["adagrad", "adam"] = "adagrad",
        learning_rate: float = 0.1,
        init_scale: float = 1e-3,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int | Literal["auto"] = "auto",
        n_iter_no_change: int | Literal["auto"] = "auto",
        average: bool = True,
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.relation_matrix = relation_matrix
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
    @renamed_parameters(middle="relation_matrix")
    def thesis(cls, n_components: int = 100, **parameters: Any) -> LinkPredictor:
        """Create the predictor of the thesis (Sec. 4.1): full relation matrices, fine-tuned.

        Parameters
        ----------
        n_components : int
            Dimension d of embeddings.
        **parameters
            Parameters that override those of the preset.
        """
        preset: dict[str, Any] = {
            "relation_matrix": "full", "tied": False, "loss": "bce", "n3": 0.0, "dropout": 0.0,
            "n_negatives": None, "fine_tune": True,
            "optimizer": "adagrad", "learning_rate": 0.1, "init_scale": 0.1, "batch_size": 100,
            "max_iter": 300, "n_iter_no_change": 5, "average": False,
        }  # fmt: skip
        return cls(n_components, **{**preset, **parameters})

    @renamed_parameters(middle="relation_matrix")
    def set_params(self: Self, **parameters: Any) -> Self:
        """Set parameters, as in all estimators of scikit-learn."""
        super().set_params(**parameters)
        return self

    # Training

    def fit(
        self: Self,
        triples: Any,
        valid: Any = None,
        *,
        known: Any = None,
        entities: Iterable[Id] | None = None,
        features: Any = None,
        callbacks: Any = (),
        checkpoint: Any = None,
        checkpoint_minutes: float = 10,
        checkpoint_epochs: int | None = None,
        resume_from: Any = None,
    ) -> Self:
        """Fit the predictor to true triples.

        Parameters
        ----------
        triples : path, frame, array of shape (m, 3), or iterable of (head, relation, tail)
            See `simec.links.as_triples`.
        valid : path, frame, array or iterable, optional
            Validation triples for early stopping.
        known : path, frame, array or iterable, optional
            More true triples, such as those of the test: they are not trained on, but the filtered
            ranks of validation leave them out, in addition to training and validation triples.
            Without them, validation MRRs are lower than those of `evaluate` on test triples where
            queries have many answers.
        entities : iterable of id, optional
            The candidate entities for answers; by default those of the training and validation
            triples. With features, the ids of their rows.
        features : array or CSR matrix of shape (n, D), or frame; optional
            Features of the entities, the input of the embedding network. Without features, each
            entity has its own embedding weights. The ids of the rows are `entities`; those of a
            frame its index, or a column with a name such as ``entity`` or ``id``. The features of
            later frames are found by the names of their columns.
        callbacks : callable, object with hooks, or iterable of these
            Called with the predictor after each epoch; in fine-tuning, after each relation.
            Training stops if a callback returns True. Of an object, ``on_epoch_end`` is called
            instead, and before training ``on_train_begin``, when `parameters_` are chosen.
        checkpoint : path, optional
            Folder to save the predictor to: periodically during training, when it is interrupted
            (Ctrl-C), and at the end. It can be loaded like any saved predictor, and has the best
            weights so far.
        checkpoint_minutes : float
            Minutes between checkpoints.
        checkpoint_epochs : int, optional
            Number of epochs (in fine-tuning: relations) between checkpoints, in addition to those
            by time.
        resume_from : path, optional
            Continue an interrupted run from its checkpoint, on the same data. Its parameters
            replace those of this predictor, except `device` and `verbose`. On the same CPU,
            the result is bit-identical to that of an uninterrupted run.

        Raises
        ------
        TripleError
            If triples cannot be read, or ids have mixed types.
        ValueError
            If a parameter is invalid; if an entity has no features; if `resume_from` is not a
            checkpoint of a run on this data; if training diverges in the first epoch.
        OSError
            If `checkpoint` cannot be written.
        KeyboardInterrupt, SystemExit
            On Ctrl-C, or on SIGTERM or SIGHUP; the predictor then has the best weights so far.

        Warns
        -----
        UserWarning
            If triples occur more than once; if a relation occurs only in validation triples, since
            its matrix is not trained.
        ConvergenceWarning
            If training diverges.
        """
        source, snapshot = self, None
        if resume_from is not None:
            source, snapshot = self._read_checkpoint(resume_from)
        check_parameters(source)
        device = choose_device(source.device)
        notify = as_callback(callbacks, ("on_train_begin", "on_epoch_end")) if callbacks else None
        checkpoints = _Checkpoints(checkpoint, checkpoint_minutes, checkpoint_epochs)
        data = _Data.read(triples, valid, known, entities, features)
        fingerprint = None
        if snapshot is not None or checkpoint is not None:
            fingerprint = data.fingerprint()
        if snapshot is None:
            seed = int(check_random_state(self.random_state).randint(1 << 31))
            self._choose_parameters(data)
        else:
            seed = snapshot.values["seed"]
            checkpoints.n_epochs = snapshot.values["n_epochs"]
            if snapshot.values["fingerprint"] != fingerprint:
                raise ValueError(
                    f"{resume_from} is a checkpoint of a run on other triples, entities or "
                    "features: pass the same data, or train without resume_from"
                )
            self.set_params(**source.get_params(deep=False))
            self.parameters_ = source.parameters_
        checkpoints.identity = {"fingerprint": fingerprint, "seed": seed}
        self._entities, self._relations = data.entities, data.relations
        self._known = np.unique(np.concatenate([data.train, data.valid]), axis=0)
        self._n_features = None if data.features is None else int(data.features.shape[1])
        self._feature_names = data.feature_names
        self._n_trained = len(data.entities)
        self.n_duplicates_ = data.n_duplicates
        if notify is not None:
            notify.report("on_train_begin", self)
        self._train(data, seed, device, notify, checkpoints, snapshot)
        if checkpoint is not None:
            self.save(checkpoint)
        return self

    def _choose_parameters(self, data: _Data) -> None:
        """Set `parameters_`."""
        size = GraphSize.of(data.train, len(data.entities), len(data.relations))
        parameters = self._model_parameters()
        chosen = choose(parameters, size, validates=len(data.valid) > 0)
        self.parameters_ = {**parameters, **chosen}
        logger.info("%s", size)
        if chosen:
            logger.info("chosen for this graph: %s", describe(chosen))

    def _model_parameters(self) -> dict[str, Any]:
        """Return the parameters that a predictor's weights depend on."""
        others = ("device", "random_state", "verbose")
        return {k: v for k, v in self.get_params(deep=False).items() if k not in others}

    def _train(
        self,
        data: _Data,
        seed: int,
        device: torch.device,
        notify: Callable[[Any], bool] | None,
        checkpoints: _Checkpoints,
        snapshot: Snapshot | None,
    ) -> None:
        inputs = as_inputs(data.features, device)
        n, k = len(data.entities), len(data.relations)

        def on_epoch() -> bool:
            if notify is None:
                return False
            run.spread()
            self._publish(run, inputs)
            return notify(self)

        def on_step(epoch_done: bool) -> None:
            if checkpoints.due(epoch_done, interrupted.is_set()):
                # the state of training, before the weights are set to the best ones
                state = run.snapshot()
                state.values |= {**checkpoints.identity, "n_epochs": checkpoints.n_epochs}
                with checkpoints.saving(), run.best_in_place():
                    self._publish(run, inputs)
                    self._write(checkpoints.path, state)
            interrupted.raise_if_set()

        run = Training(
            data.train, data.valid, (n, k), inputs, self._schedule(), seed, device,
            Hooks(on_epoch, on_step), known=data.known,
        )  # fmt: skip
        base_rate = _base_rate(data.train, n * n * (1 if self.fine_tune else k))
        train = run.train_each_relation if self.fine_tune else run.train_jointly
        start = time.perf_counter()
        try:
            with deferred_interrupt() as interrupted:
                train(lambda k, random: self._build(k, random, base_rate), snapshot)
        except STOPPED:
            # not at a safe point: training cannot be resumed from here, but the weights are saved
            if run.history.losses and checkpoints.is_first and snapshot is None:
                self._publish(run, inputs)
                self.save(checkpoints.path)
            raise
        finally:
            if run.network is not None:
                self._publish(run, inputs)
                if not bool(self.embeddings_.isfinite().all()):  # training has diverged
                    del self.network_, self.embeddings_
        if not hasattr(self, "embeddings_"):
            raise ValueError(
                "embeddings of entities are not finite: scale features to about 1, or use a "
                "smaller learning_rate"
            )
        logger.info(
            "trained %d epochs in %.1f s, of which checkpoints took %.1f s", self.n_iter_,
            time.perf_counter() - start, checkpoints.seconds,
        )  # fmt: skip

    def _schedule(self) -> LinkSchedule:
        p = self.parameters_
        return LinkSchedule(
            p["loss"], p["targets"], p["optimizer"], float(p["learning_rate"]), float(p["n3"]),
            float(p["dropout"]), None if p["n_negatives"] is None else int(p["n_negatives"]),
            int(p["batch_size"]), int(p["max_iter"]), int(p["n_iter_no_change"]),
            bool(p["average"]), bool(self.verbose),
        )  # fmt: skip

    def _publish(self, run: Training, inputs: Inputs | None) -> None:
        """Set the fitted attributes from a run."""
        assert run.network is not None
        self.network_ = run.network.eval()
        with torch.no_grad():
            self.embeddings_ = self.network_.embed(inputs).clone()
        self._set_history([*run.history.losses], [*run.history.validation])

    def _set_history(self, losses: list[float], validation: list[float]) -> None:
        self.loss_curve_, self.validation_curve_ = losses, validation
        self.n_iter_ = len(losses)
        self.best_score_ = max(validation, default=float("nan"))

    def _n_biases(self, n_relations: int) -> int:
        return 0 if self.loss != "bce" else n_relations if self.fine_tune else 1

    def _build(
        self, n_relations: int, random: torch.Generator, base_rate: float = 0.5
    ) -> LinkNetwork:
        network = LinkNetwork(
            self._n_trained, n_relations, int(self.parameters_["n_components"]),
            self.relation_matrix,
            n_features=self._n_features, hidden_layers=tuple(map(int, self.hidden_layers)),
            activation=self.activation, tied=bool(self.tied),
            n_biases=self._n_biases(n_relations),
            scale=float(self.init_scale), generator=random,
        )  # fmt: skip
        if network.bias is not None:
            # most links are not true
            torch.nn.init.constant_(network.bias, float(np.log(base_rate / (1 - base_rate))))
        return network

    # Prediction

    @renamed_parameters(n="topn")
    def predict(
        self,
        head: Any,
        relation: Any,
        topn: int = 10,
        *,
        exclude_known: bool = True,
        features: Any = None,
    ) -> list[Link]:
        """Predict the most likely tails.

        Parameters
        ----------
        head : id, or None with `features`
        relation : id
        topn : int
            Number of tails.
        exclude_known : bool
            Whether to leave out tails of training and validation triples.
        features : array or sparse matrix of shape (1, D), optional
            Features of a head that was not in the training data, with ``head=None``.

        Returns
        -------
        list of Link
            (entity, score), the most likely first.

        Raises
        ------
        ValueError
            If the head or the relation is unknown; the message has the closest matches.
        """
        self._check_fitted()
        number = self._relations.number(relation)
        return self._answers(head, number, topn, exclude_known, features)

    @renamed_parameters(n="topn")
    def predict_head(
        self,
        relation: Any,
        tail: Any,
        topn: int = 10,
        *,
        exclude_known: bool = True,
        features: Any = None,
    ) -> list[Link]:
        """Predict the most likely heads; parameters and result are as in `predict`."""
        self._check_fitted()
        number = self._relations.number(relation) + len(self._relations)
        return self._answers(tail, number, topn, exclude_known, features)

    def _answers(
        self, entity: Any, relation: int, topn: int, exclude_known: bool, features: Any
    ) -> list[Link]:
        topn = check_integer("topn", topn, 0)
        if (entity is None) == (features is None):
            raise ValueError("pass either the id of an entity or features=, and None for the other")
        if features is None:
            number = self._entities.number(entity)
            y = self.embeddings_[number][None]
        else:
            number, y = -1, self._embed(features)
            if len(y) != 1:
                raise ValueError(f"features must be of one entity, shape (1, D), got {len(y)} rows")
        with torch.no_grad():
            r = torch.tensor([relation], device=y.device)
            q = self.network_.relation_matrices(y, r)
            scores = finite("scores", self.network_.score_all(self.embeddings_, q, r)[0])
        n_left = len(scores)
        if exclude_known and number >= 0:
            links = both_ways(self._known, len(self._relations))
            known = links[(links[:, :2] == (number, relation)).all(1), 2]
            scores[torch.from_numpy(known).to(y.device)] = -torch.inf
            n_left -= len(known)
        best = scores.topk(min(topn, n_left))
        return [
            Link(self._entities.ids[i], score)
            for i, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def score(self, triples: Any) -> FloatArray:
        """Score triples by the mean of both directions; higher scores are more likely.

        With loss "bce", scores are log-odds. With "softmax", only scores of triples with the same
        entity and relation are comparable.

        Parameters
        ----------
        triples : path, frame, array or iterable
            As for `fit`.

        Returns
        -------
        float32 array of shape (m,)

        Raises
        ------
        ValueError
            If an entity or relation is unknown.
        """
        self._check_fitted()
        numbers = encode(as_triples(triples), self._entities, self._relations)
        h, r, t = torch.from_numpy(numbers).to(self.embeddings_.device).T
        k, Y = len(self._relations), self.embeddings_
        as_tail = self.network_.score_links(Y, h, r, t)
        as_head = self.network_.score_links(Y, t, r + k, h)
        scores: FloatArray = finite("scores", (as_tail + as_head) / 2).cpu().numpy()
        return scores

    def evaluate(self, triples: Any, *, known: Any = None) -> Evaluation:
        """Rank triples among all entities, in both directions.

        Parameters
        ----------
        triples : path, frame, array or iterable
            As for `fit`. Duplicates count once.
        known : path, frame, array or iterable, optional
            More true triples: filtered ranks leave out these triples and those of training,
            validation and `triples`.

        Returns
        -------
        Evaluation
            Triples with an entity or relation that the predictor does not know are included, see
            `Evaluation`.

        Raises
        ------
        TripleError
            If triples cannot be read, or their ids are integers where the predictor's are text.
        """
        self._check_fitted()
        given = as_triples(triples)
        more = as_triples(() if known is None else known)
        # entities and relations without weights get numbers after those of all others
        ends = dict.fromkeys(end for h, _, t in (*given, *more) for end in (h, t))
        entities = Ids([*self._entities.ids, *ends], "entity")
        relations = Ids([*self._relations.ids, *(r for _, r, _ in (*given, *more))], "relation")
        numbers, _ = without_duplicates(encode(given, entities, relations))
        others = encode(more, entities, relations)
        n, k = len(self._entities), len(self._relations)
        raw, filtered = rank_both_ways(
            self.network_.scorer(self.embeddings_), numbers,
            np.concatenate([self._known, numbers, others]), n, k,
        )  # fmt: skip
        n_unknown = int((numbers >= (n, k, n)).any(1).sum())
        return Evaluation(relations.ids, numbers, raw, filtered, n_unknown)

    def transform(self, entities: Any = None, *, features: Any = None) -> FloatArray:
        """Return embeddings of entities.

        Parameters
        ----------
        entities : sequence of id, optional
            Ids; by default all entities, in the order of `entities_`.
        features : array or sparse matrix of shape (m, D), optional
            Features to embed, instead of ids; also of entities that were not in the training data.

        Returns
        -------
        float32 array of shape (m, d)
        """
        self._check_fitted()
        if features is not None:
            Y = self._embed(features)
        elif entities is not None:
            numbers = [self._entities.number(e) for e in as_id_list(entities, "entities")]
            Y = self.embeddings_[torch.tensor(numbers, dtype=torch.int64)]
        else:
            Y = self.embeddings_
        embeddings: FloatArray = Y.cpu().numpy().copy()
        return embeddings

    def add_entities(self: Self, ids: Iterable[Id], features: Any) -> Self:
        """Add entities that were not in the training data, by their features.

        They can then be used, and predicted, like all other entities.

        Parameters
        ----------
        ids : sequence of id
            Ids of the new entities.
        features : array or sparse matrix of shape (m, D)
            Their features.

        Raises
        ------
        ValueError
            If the predictor was fitted without features, has weights for each entity in its last
            layer (``tied=False``) or biases (``loss="bce"``), or has an entity with one of these
            ids.
        """
        self._check_fitted()
        new = as_id_list(ids, "ids")
        if not self.tied:
            raise ValueError(
                "with tied=False an entity needs weights in the last layer: fit again with it"
            )
        if self.network_.bias is not None:
            raise ValueError(
                "with loss='bce' an entity needs a bias: include the entity in the training data"
            )
        Y = self._embed(features)
        if len(Y) != len(new):
            raise ValueError(f"got {len(new)} ids, but features of {len(Y)} entities")
        for entity in new:
            if entity in self._entities:
                raise ValueError(f"entity {entity!r} exists already")
        if len(set(new)) != len(new):
            raise ValueError("ids must be unique, got one more than once")
        self._entities = Ids([*self._entities.ids, *new], "entity")
        self.embeddings_ = torch.cat([self.embeddings_, Y])
        return self

    def _embed(self, features: Any) -> torch.Tensor:
        if self._n_features is None:
            raise ValueError(
                "this predictor was fitted without features, so entities that training has not "
                "seen have no embeddings"
            )
        X = _check_features(features, self._n_features, self._feature_names)
        with torch.no_grad():
            return finite("embeddings", self.network_.embed(as_inputs(X, self.embeddings_.device)))

    @property
    def entities_(self) -> list[Id]:
        """Ids of entities, by number."""
        return list(self._entities.ids)

    @property
    def relations_(self) -> list[Id]:
        """Ids of relations, by number."""
        return list(self._relations.ids)

    @property
    def middle(self) -> str:
        """Deprecated name of `relation_matrix`."""
        warn("LinkPredictor.middle is deprecated, use relation_matrix", DeprecationWarning)
        return self.relation_matrix

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but triples
        return tags

    def _check_fitted(self) -> None:
        if not hasattr(self, "embeddings_"):
            raise NotFittedError("this LinkPredictor is not fitted yet: call fit(triples)")

    # On disk

    def save(self, path: Any) -> None:
        """Save the predictor to a folder (safetensors and JSON), completely or not at all.

        Parameters
        ----------
        path : str or path
            Folder. A predictor that was saved there is replaced.

        Raises
        ------
        NotFittedError
            If the predictor was not fitted.
        OSError
            If `path` cannot be written, or contains anything other than a predictor.
        """
        self._check_fitted()
        self._write(path)

    def _write(self, path: Any, training: Snapshot | None = None) -> None:
        with write_folder(path, KIND, VERSION) as folder:
            folder.write_json(CONFIG, self._config())
            folder.write_arrays(WEIGHTS, self._arrays())
            if training is not None:
                arrays = {name: value.numpy() for name, value in training.tensors.items()}
                folder.write_json(TRAINING, training.values)
                folder.write_arrays(TRAINING_ARRAYS, arrays)

    def _config(self) -> dict[str, Any]:
        """Return parameters, ids and training history as plain data for JSON."""
        parameters = self.get_params(deep=False)
        if not isinstance(self.random_state, Integral):
            parameters["random_state"] = None
        return {
            "parameters": parameters,
            "fitted_parameters": self.parameters_,
            "entities": self._entities.ids,
            "n_trained": self._n_trained,
            "relations": self._relations.ids,
            "n_features": self._n_features,
            "feature_names": self._feature_names,
            "n_duplicates": self.n_duplicates_,
            "losses": self.loss_curve_,
            "validation": self.validation_curve_,
        }

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return weights, embeddings of all entities, and the numbers of known triples."""
        tensors = {_NETWORK + name: value for name, value in self.network_.state_dict().items()}
        tensors["embeddings"] = self.embeddings_
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        return {**arrays, "known": self._known.astype(np.int32)}

    @classmethod
    def load(cls, path: Any, *, device: str | None = None, verify: bool = False) -> LinkPredictor:
        """Load a predictor from a folder written by `save` or as a checkpoint.

        Parameters
        ----------
        path : str or path
        device : str, optional
            Replaces the device parameter of the saved predictor.
        verify : bool
            Accepted for all models: the checksums of a predictor are always verified.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder is not a saved predictor, is damaged, or was saved by a newer version.
        """
        with open_folder(path, KIND, VERSION, verify=verify, what="link predictor") as folder:
            return cls._read(folder, device)

    @classmethod
    def _read(cls, folder: FolderReader, device: Any) -> LinkPredictor:
        if device is not None:
            check_device(device)
        config = folder.read_json(CONFIG, limit=None)  # it has the ids of entities
        arrays = folder.read_arrays(WEIGHTS)
        with folder.checking(CONFIG):
            predictor = cls._from_config(config, device)
        with folder.checking(WEIGHTS):
            predictor._set_arrays(arrays)
        on_device = choose_device(predictor.device)
        predictor.embeddings_ = predictor.embeddings_.to(on_device)
        predictor.network_ = predictor.network_.to(on_device)
        return predictor

    @classmethod
    def _from_config(cls, config: Any, device: Any) -> LinkPredictor:
        """Build a predictor without weights from the saved configuration.

        Raises
        ------
        TypeError, ValueError
            If something is missing or invalid.
        """
        config = check_saved_object("the configuration", config, _SAVED)
        parameters = {**check_saved_object("parameters", config["parameters"])}
        if "middle" in parameters:  # its name up to format version 2
            parameters["relation_matrix"] = parameters.pop("middle")
        parameters["hidden_layers"] = check_sizes(
            "hidden_layers", parameters.get("hidden_layers", [])
        )
        parameters["random_state"] = saved_seed(parameters.get("random_state"))
        if device is not None:
            parameters["device"] = device
        predictor = cls(**parameters)
        check_parameters(predictor)
        predictor.parameters_ = _saved_parameters(predictor, config.get("fitted_parameters"))
        predictor._entities = Ids(_saved_ids("entities", config["entities"]), "entity")
        predictor._relations = Ids(_saved_ids("relations", config["relations"]), "relation")
        n = len(predictor._entities)
        predictor._n_trained = check_integer("n_trained", config["n_trained"], 0, n)
        if config["n_features"] is not None:
            check_integer("n_features", config["n_features"], 1)
        elif predictor._n_trained < n:
            raise ValueError("n_features is missing, but there are entities without weights")
        if predictor._n_trained < n and (not predictor.tied or predictor.loss == "bce"):
            raise ValueError("there are entities without weights in the last layer")
        predictor._n_features = config["n_features"]
        names = config.get("feature_names")  # since version 3
        if names is not None:
            names = saved_strings("feature_names", names, config["n_features"] or 0)
        predictor._feature_names = names
        predictor.n_duplicates_ = check_integer("n_duplicates", config["n_duplicates"], 0)
        predictor._set_history(
            *(saved_numbers(name, config[name]) for name in ("losses", "validation"))
        )
        return predictor

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Set embeddings, network and known triples from saved arrays.

        Raises
        ------
        ValueError, RuntimeError
            If they do not match one another, or the configuration.
        """
        n, k = len(self._entities), len(self._relations)
        known = check_saved_array("known", arrays, "int32", (None, 3))
        if len(known) and ((known < 0).any() or (known.max(axis=0) >= (n, k, n)).any()):
            raise ValueError("known has numbers that are not those of entities or relations")
        if not _ascend(known) and len(np.unique(known, axis=0)) < len(known):
            raise ValueError("known has a triple twice")
        self._known = known.astype(np.int64)
        Y = check_saved_array(
            "embeddings", arrays, "float32", (n, self.parameters_["n_components"])
        )
        # Arrays from the folder are aligned to 64 bytes, as PyTorch's tensors are: the order in
        # which MKL adds up a product depends on the alignment, and so do the last bits.
        self.embeddings_ = torch.from_numpy(Y)
        saved = {
            name.removeprefix(_NETWORK).replace("middle.", "relation_matrices."):
                torch.from_numpy(values)
            for name, values in arrays.items() if name.startswith(_NETWORK)
        }  # fmt: skip
        n_weights, total = self._n_weights(2 * k), sum(x.numel() for x in saved.values())
        n_layers = 0 if self._n_features is None else len(self.hidden_layers)
        if n_weights != total or n_layers > len(saved):
            raise ValueError(f"the network has {n_weights} weights, got {total}")
        network = self._build(2 * k, torch.Generator())
        check_tensors("network", saved, network.state_dict())
        network.load_state_dict(saved)
        self.network_ = network.eval()

    def _n_weights(self, n_relations: int) -> int:
        """Number of weights that `_build` makes."""
        n, d = self._n_trained, int(self.parameters_["n_components"])
        total = n_relations * d * (d if self.relation_matrix == "full" else 1)
        if self._n_features is None:
            total += n * d
        else:
            sizes = [self._n_features, *map(int, self.hidden_layers), d]
            total += sum((a + 1) * b for a, b in pairwise(sizes))
        return total + (0 if self.tied else n * d) + self._n_biases(n_relations) * n

    def _read_checkpoint(self, path: Any) -> tuple[LinkPredictor, Snapshot]:
        """Read a checkpoint to continue from: its parameters, and the state of training."""
        with open_folder(path, KIND, VERSION, what="link predictor") as folder:
            predictor = self._read(folder, self.device)
            if TRAINING not in folder.names:
                raise ValueError(
                    f"{path} is a finished predictor, not a checkpoint of an interrupted run: "
                    "there is nothing to resume"
                )
            arrays, state = folder.read_arrays(TRAINING_ARRAYS), folder.read_json(TRAINING)
            tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
            with folder.checking(TRAINING):
                state = check_saved_object("the state", state, ("seed", "n_epochs", "fingerprint"))
                check_integer("seed", state["seed"], 0, 2**31 - 1)
                check_integer("n_epochs", state["n_epochs"], 0)
                if not isinstance(state["fingerprint"], str):
                    raise ValueError("fingerprint must be a string")
            snapshot = Snapshot(state, tensors, partial(folder.checking, TRAINING_ARRAYS))
        predictor.device, predictor.verbose = self.device, self.verbose
        return predictor, snapshot


def _saved_parameters(predictor: LinkPredictor, saved: Any) -> dict[str, Any]:
    """Check the parameters that a predictor was fitted with; up to version 3 none was "auto"."""
    parameters = predictor._model_parameters()
    if saved is not None:
        saved = check_saved_object("fitted_parameters", saved, CHOSEN)
        parameters |= {name: saved[name] for name in CHOSEN}
    check_parameters(LinkPredictor(**parameters))
    for name in CHOSEN:
        if is_auto(parameters[name]):
            raise ValueError(f"fitted_parameters must have a value for {name}")
    return parameters


def _saved_ids(name: str, ids: Any) -> list[Id]:
    if not isinstance(ids, list) or not {*map(type, ids)} <= {int, str}:
        raise ValueError(f"{name} must be a list of ids, strings or integers")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{name} has an id twice")
    return ids


@dataclass
class _Data:
    """Triples of training and validation as numbers, and features of the entities."""

    entities: Ids
    relations: Ids
    train: IntArray
    valid: IntArray
    known: IntArray
    features: Any
    n_duplicates: int
    feature_names: list[str] | None

    @classmethod
    def read(cls, triples: Any, valid: Any, known: Any, entities: Any, features: Any) -> _Data:
        """Check and number what was passed to `LinkPredictor.fit`."""
        train = as_triples(triples)
        held_out = [] if valid is None else as_triples(valid)
        if not train:
            raise ValueError("triples are empty: pass at least one training triple")
        ids, X, names = _read_features(entities, features)
        given = ids or []
        if X is None:
            ends = [end for h, _, t in (*train, *held_out) for end in (h, t)]
            # those that were passed keep their order, and come before all others
            numbering = Ids([*given, *Ids.of([*given, *ends], "entity").ids], "entity")
        else:
            numbering = Ids(given, "entity")
            _check_have_features(numbering, train, held_out)
        relations = Ids.of((r for _, r, _ in (*train, *held_out)), "relation")
        numbers, n_duplicates = without_duplicates(encode(train, numbering, relations))
        untrained = len(relations) - len(np.unique(numbers[:, 1]))
        if untrained:
            warn(
                f"{untrained:,} of {len(relations):,} relations occur only in validation triples: "
                "their matrices are not trained"
            )
        valid_numbers = np.unique(encode(held_out, numbering, relations), axis=0)
        others = [
            triple for triple in as_triples(() if known is None else known)
            if triple[0] in numbering and triple[1] in relations and triple[2] in numbering
        ]  # fmt: skip
        known_numbers = np.unique(encode(others, numbering, relations), axis=0)
        return cls(
            numbering, relations, numbers, valid_numbers, known_numbers, X, n_duplicates, names
        )

    def fingerprint(self) -> str:
        """Return a checksum of the data."""
        ids = json.dumps([self.entities.ids, self.relations.ids]).encode()
        digest = hashlib.sha256(ids)
        arrays = [self.train, self.valid, *([self.known] if len(self.known) else [])]
        if sparse.issparse(self.features):
            arrays += [self.features.indptr, self.features.indices, self.features.data]
        elif self.features is not None:
            arrays.append(self.features)
        for array in arrays:
            digest.update(f"{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _ascend(triples: IntArray) -> bool:
    """Whether triples are in ascending order without repetitions, as `np.unique` returns them."""
    (h, r, t), (h2, r2, t2) = triples[:-1].T, triples[1:].T
    return bool(((h < h2) | ((h == h2) & ((r < r2) | ((r == r2) & (t < t2))))).all())


def is_checkpoint(path: Any) -> bool:
    """Whether a folder is the checkpoint of an interrupted `LinkPredictor.fit`."""
    try:
        with open_folder(path, KIND, VERSION) as folder:
            return TRAINING in folder.names
    except (OSError, ModelError):
        return False


class _Checkpoints:
    """When checkpoints are written, and how long that takes."""

    def __init__(self, path: Any, minutes: float, epochs: int | None) -> None:
        self.path = path
        self._schedule = CheckpointSchedule(minutes, epochs)
        if path is not None:
            check_writable(path, KIND)
        self.n_epochs, self.seconds = 0, 0.0
        self.identity: dict[str, Any] = {}
        self.is_first = path is not None

    def due(self, epoch_done: bool, interrupted: bool) -> bool:
        """Whether to write one now; call it between batches and after each epoch."""
        self.n_epochs += epoch_done
        if self.path is None:
            return False
        return interrupted or self._schedule.is_due(self.n_epochs if epoch_done else None)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure the time of writing one."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.seconds += seconds
        self.is_first = False
        self._schedule.written()
        logger.info("saved a checkpoint to %s in %.1f s", self.path, seconds)


# entries of a saved configuration
_SAVED = (
    "parameters", "entities", "n_trained", "relations", "n_features", "n_duplicates", "losses",
    "validation",
)  # fmt: skip

_CHOICES = {
    "relation_matrix": RELATION_MATRICES,
    "loss": tuple(LOSSES),
    "targets": ("1vsall", "kvsall"),
    "optimizer": ("adagrad", "adam"),
    "activation": tuple(ACTIVATIONS),
}


def check_parameters(predictor: LinkPredictor) -> None:
    """Raise a ValueError or TypeError that names an invalid parameter."""
    p = predictor
    for name in ("n_components", "batch_size", "max_iter", "n_iter_no_change"):
        if not is_auto(getattr(p, name)):
            check_integer(name, getattr(p, name), 1)
    if not is_auto(p.n3):
        check_number("n3", p.n3, 0)
    if not is_auto(p.dropout) and check_number("dropout", p.dropout, 0) >= 1:
        raise ValueError(f"dropout must be a number >= 0 and < 1, got {p.dropout!r}")
    for name in ("learning_rate", "init_scale"):
        check_number(name, getattr(p, name), 0, above=True)
    for name, choices in _CHOICES.items():
        check_choice(name, getattr(p, name), choices)
    check_sizes("hidden_layers", p.hidden_layers)
    for name in ("tied", "fine_tune", "average"):
        check_flag(name, getattr(p, name))
    check_device(p.device)
    check_random_state(p.random_state)
    if p.relation_matrix == "complex" and not is_auto(p.n_components) and p.n_components % 2:
        raise ValueError(
            f"n_components must be even with relation_matrix='complex', got {p.n_components}"
        )
    if p.n_negatives is not None and not is_auto(p.n_negatives):
        check_integer("n_negatives", p.n_negatives, 1)
        for name, needed in (("loss", "softmax"), ("optimizer", "adagrad"), ("tied", True)):
            if getattr(p, name) != needed:
                raise ValueError(
                    f"n_negatives requires {name}={needed!r}, got {getattr(p, name)!r}: "
                    "use n_negatives=None"
                )


def _base_rate(train: IntArray, n_possible: int) -> float:
    """Fraction of links that are true, from above 0 to below 1: it is used as log-odds.

    In dense graphs several relations may hold between the same entities, so that there are more
    triples than pairs of entities.
    """
    least = 0.5 / n_possible
    return min(max(len(train) / n_possible, least), 1 - least)


def _read_features(entities: Any, features: Any) -> tuple[list[Id] | None, Any, list[str] | None]:
    """Ids of entities, their features in this order, and names of the features of a frame."""
    ids = None if entities is None else as_id_list(entities, "entities")
    if features is None:
        return ids, None, None
    frame = None if sparse.issparse(features) else as_frame(features)
    names = None
    if frame is None:
        if ids is None:
            raise ValueError(
                "features need the ids of their rows: pass entities=, or a frame with ids as index"
            )
    elif ids is None or frame.index is not None or recognized(_ENTITIES, frame.names):
        found, features, names = frame.features(_ENTITIES, "entity")
        given = as_id_list(found, "ids of features")
        _check_unique(given)
        if ids is None:
            ids = given
        rows = {entity: row for row, entity in enumerate(given)}
        missing = [entity for entity in ids if entity not in rows]
        if missing:
            raise ValueError(f"entity {shorten(missing[0])} has no features in the frame")
        features = features[[rows[entity] for entity in ids]]
    else:
        features, names = frame.matrix("entity"), [str(name) for name in frame.names]
    assert ids is not None
    X = _check_features(features)
    if X.shape[0] != len(ids):
        raise ValueError(f"got {len(ids)} entities, but features of {X.shape[0]}")
    _check_unique(ids)
    return ids, X, names


def _check_unique(ids: list[Id]) -> None:
    seen: set[Id] = set()
    for entity in ids:
        if entity in seen:
            raise ValueError(f"entity {shorten(entity)} has features more than once")
        seen.add(entity)


def _check_features(
    features: Any, n_features: int | None = None, names: list[str] | None = None
) -> Any:
    """Features as a float32 array or CSR matrix with as many columns as in training.

    Columns of a frame are found by the names that they had in training.
    """
    frame = None if sparse.issparse(features) else as_frame(features)
    if frame is not None:
        if names is not None:
            given = [str(name) for name in frame.names]
            missing = [name for name in names if name not in given]
            if missing:
                raise ValueError(
                    f"the frame has no column {missing[0]!r}, a feature of the training data"
                )
            frame = frame.select([given.index(name) for name in names])
        elif n_features is not None:
            warn(
                "features have names, but those of the training data have none: they are read by "
                "position"
            )
        features = frame.matrix("entity")
    with np.errstate(**QUIET):  # values beyond float32 are an error
        X = check_array(features, accept_sparse="csr", dtype=np.float32, input_name="features")
    check_magnitude("features", X.data if sparse.issparse(X) else X)
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"got {X.shape[1]} features, but training had {n_features}")
    # PyTorch can't mark tensors as read-only
    return X if sparse.issparse(X) or X.flags.writeable else X.copy()


def _check_have_features(ids: Ids, *triples: list[tuple[Id, Id, Id]]) -> None:
    ends = (end for part in triples for h, _, t in part for end in (h, t))
    missing = [end for end in dict.fromkeys(ends) if end not in ids]
    if missing:
        raise ValueError(
            f"{len(missing):,} entities of triples have no features, such as {missing[0]!r}: "
            "add their features, or leave out their triples"
        )
