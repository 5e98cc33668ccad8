"""Training of link networks: all relations jointly, or fine-tuned one by one (thesis, Sec. 4.1).

Epochs run over batches of queries; the weights with the best validation MRR are kept.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from corpora.callbacks import progress_bar
from corpora.checks import check_integer
from corpora.errors import warn
from corpora.saved_data import saved_numbers
from simec.data.inputs import Inputs
from simec.links.evaluation import measures, ranks
from simec.links.losses import LOSSES, Gradients, Positives
from simec.links.network import LinkNetwork
from simec.links.queries import Queries, both_ways
from simec.network import check_optimizer, check_tensors
from simec.types import IntArray

logger = logging.getLogger(__name__)

Validation = Callable[[], float]
Build = Callable[[int, torch.Generator], LinkNetwork]

# multiple of the learning rate: a score has d terms with trained weights, but only one bias
_BIAS_RATE = 30
_VALIDATED = 3000  # maximum number of validation links that are ranked after an epoch
_UPDATES = 10  # maximum number of updates of the averaged weights per epoch


@dataclass(frozen=True)
class LinkSchedule:
    """Settings of training.

    Attributes
    ----------
    loss : {"softmax", "bce"}
    targets : {"1vsall", "kvsall"}
        With softmax: whether all links have equal weight, or all queries.
    optimizer : {"adagrad", "adam"}
    learning_rate : float
    n3 : float
        Weight of the cubed moduli of a link's embeddings and relation matrix.
    dropout : float
        Dropout rate of embeddings and of queries.
    n_negatives : int or None
        Negative entities sampled per batch, in addition to those in the batch. None: score all
        entities.
    batch_size : int
        Queries in a batch.
    max_iter : int
        Maximum number of epochs.
    n_iter_no_change : int
        Stop after this number of epochs without a better validation score.
    average : bool
        Whether to validate and keep moving averages of the weights over about one epoch.
    progress : bool
        Whether to show a progress bar.
    """

    loss: str
    targets: str
    optimizer: str
    learning_rate: float
    n3: float
    dropout: float
    n_negatives: int | None
    batch_size: int
    max_iter: int
    n_iter_no_change: int
    average: bool = False
    progress: bool = False


@dataclass
class LinkHistory:
    """Mean loss and validation MRR of each epoch, and the best MRR and its epoch."""

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0


@dataclass
class Snapshot:
    """State of an unfinished run.

    Attributes
    ----------
    values : dict
        Plain values for JSON.
    tensors : dict of str to Tensor
        On the CPU.
    checking : callable
        Returns a context manager that converts errors of damaged content, for a state that was
        read from a folder.
    """

    values: dict[str, Any]
    tensors: dict[str, Tensor]
    checking: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass
class Hooks:
    """Functions that training calls.

    Attributes
    ----------
    on_epoch : callable
        Called after each epoch, while the network has the weights that were validated; in
        fine-tuning, after each relation. Returns whether to stop.
    on_step : callable
        Called between batches with False, and with True after each epoch (in fine-tuning, after
        each relation): the state of the run is consistent then, and may be saved.
    """

    on_epoch: Callable[[], bool] = lambda: False
    on_step: Callable[[bool], None] = lambda _: None


def dropout(x: Tensor, rate: float, random: torch.Generator) -> Tensor:
    """Set random values to zero and scale the others, as `torch.nn.functional.dropout` does.

    That function draws from PyTorch's global generator, which other threads use too.
    """
    if not rate:
        return x
    kept = torch.empty_like(x).bernoulli_(1 - rate, generator=random)
    return x * kept.div_(1 - rate)


class MeanWeights:
    """Exponential moving averages of parameters (Polyak and Juditsky, 1992).

    With a constant step size, the weights keep moving around the optimum; their mean is closer to
    it. The weights of one epoch ago have a relative weight of about 1/e. If an epoch is one step,
    the mean equals the last weights.

    Parameters
    ----------
    parameters : iterable of Parameter
    n_steps : int
        Steps in an epoch.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], n_steps: int) -> None:
        self._parameters = list(parameters)
        self.sums = [torch.zeros_like(p) for p in self._parameters]
        self._every = max(1, n_steps // _UPDATES)
        self._decay = 1 - 1 / max(1, min(_UPDATES, n_steps))
        self.n_steps, self.weight = 0, 0.0

    @torch.no_grad()
    def update(self) -> None:
        """Update the averages; call it after each step. Weights are only added every few steps."""
        self.n_steps += 1
        if self.n_steps % self._every:
            return
        self.weight = self._decay * self.weight + 1
        for total, parameter in zip(self.sums, self._parameters, strict=True):
            total.mul_(self._decay).add_(parameter)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Set the parameters to their means within a ``with`` block, and restore them after it."""
        if not self.weight:
            yield
            return
        with _restored(self._parameters):
            with torch.no_grad():
                for parameter, total in zip(self._parameters, self.sums, strict=True):
                    torch.div(total, self.weight, out=parameter.data)
            yield


@contextmanager
def _restored(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Restore parameters after a ``with`` block."""
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, old in zip(parameters, before, strict=True):
                parameter.copy_(old)


class _Epoch:
    """Position in an epoch: the order of queries, how many are done, and their loss.

    `random` draws the dropout of the epoch.
    """

    def __init__(self, order: Tensor, random: torch.Generator, device: torch.device) -> None:
        self.order, self.random = order, random
        self.done = 0
        self.total = torch.zeros((), device=device)


class LinkTrainer:
    """Trains a network in place.

    Parameters
    ----------
    network : LinkNetwork
    inputs : Inputs of n entities, or None
        Features, if the network takes them.
    n_entities : int
    schedule : LinkSchedule
    seed : int
        Of the order of queries, of negatives and of dropout.
    device : torch.device

    Attributes
    ----------
    history : LinkHistory
    stopped : bool
        Whether a hook stopped training.
    log_level : int
        Level of log messages about epochs.
    """

    def __init__(
        self,
        network: LinkNetwork,
        inputs: Inputs | None,
        n_entities: int,
        schedule: LinkSchedule,
        seed: int,
        device: torch.device,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.history = LinkHistory()
        self.stopped = False
        self.log_level = logging.INFO
        self._n, self._device, self._inputs = n_entities, device, inputs
        self._gradients = Gradients()
        self._mean: MeanWeights | None = None
        self._best: dict[str, Tensor] | None = None
        self._epoch_state: _Epoch | None = None
        self._random = torch.Generator().manual_seed(seed)
        self._learns_entities = next(network.encoder.parameters()).requires_grad
        trained = [
            {"params": [p], "lr": schedule.learning_rate * (_BIAS_RATE if name == "bias" else 1)}
            for name, p in self._trained()
        ]
        self._optimizer: torch.optim.Optimizer
        if schedule.optimizer == "adam":
            self._optimizer = torch.optim.Adam(trained, lr=schedule.learning_rate, fused=True)
        else:
            # with negatives, gradients of entity weights are sparse, which fused code doesn't take
            is_dense = schedule.n_negatives is None or inputs is not None
            fused = device.type == "cpu" and is_dense
            self._optimizer = torch.optim.Adagrad(trained, lr=schedule.learning_rate, fused=fused)

    def fit(
        self,
        queries: Queries,
        validation: Validation | None = None,
        *,
        started: bool = False,
        hooks: Hooks | None = None,
        snapshot: Snapshot | None = None,
    ) -> LinkHistory:
        """Train until the validation score stops improving, and keep the best weights.

        Parameters
        ----------
        queries : Queries
        validation : callable, optional
            Returns the validation MRR. Without it, training takes `max_iter` epochs and the last
            weights are kept.
        started : bool
            Whether the initial weights are already trained. If so, they are kept unless training
            improves them.
        hooks : Hooks, optional
        snapshot : Snapshot, optional
            State of an interrupted run to continue, as returned by `snapshot`.

        Raises
        ------
        ValueError
            If training diverges in the first epoch.
        KeyboardInterrupt
            On Ctrl-C; the best weights so far are kept.
        """
        s, history = self.schedule, self.history
        hooks = hooks or Hooks()
        if s.average:
            parameters = (p for _, p in self._trained())
            self._mean = MeanWeights(parameters, math.ceil(len(queries) / s.batch_size))
        if snapshot is not None:
            with snapshot.checking():
                self._resume(snapshot, len(queries))
        elif started:
            self._best = self._weights()
            history.best = history.best if validation is None else validation()
        bar = progress_bar(
            total=s.max_iter * len(queries), initial=len(history.losses) * len(queries),
            desc="links", unit=" queries", unit_scale=True, shown=s.progress, always=True,
        )  # fmt: skip
        try:
            while self._goes_on(validation is not None):
                start = time.perf_counter()
                loss = self._epoch(queries, bar, hooks)
                epoch = len(history.losses) + 1
                if not (math.isfinite(loss) and self._is_finite()):
                    if self._best is None:
                        raise ValueError(
                            "training diverged in the first epoch, so there are no weights to "
                            f"keep: try learning_rate={s.learning_rate / 10:.2g}, a smaller n3 or "
                            "init_scale, or scale features to about 1"
                        )
                    warn(
                        f"training diverged in epoch {epoch}: try "
                        f"learning_rate={s.learning_rate / 10:.2g}",
                        ConvergenceWarning,
                    )
                    break
                trained = time.perf_counter()
                history.losses.append(loss)
                with self._mean.in_place() if self._mean else nullcontext():
                    if validation is None:
                        self._best = self._weights()
                    else:
                        self._validate(validation, epoch)
                        bar.set_postfix(loss=f"{loss:.4g}", mrr=f"{history.validation[-1]:.4f}")
                    self._log(epoch, trained - start, time.perf_counter() - trained)
                    self.network.eval()
                    self.stopped = hooks.on_epoch()
                hooks.on_step(True)
        finally:
            bar.close()
            if self._best is not None:
                self.network.load_state_dict(self._best, strict=False)
            self.network.eval()
        return history

    def _goes_on(self, has_validation: bool) -> bool:
        epoch = len(self.history.losses)
        if self.stopped or epoch >= self.schedule.max_iter:
            return False
        return not has_validation or (
            epoch - self.history.best_epoch < self.schedule.n_iter_no_change
        )

    def _validate(self, validation: Validation, epoch: int) -> None:
        self.network.eval()
        mrr = validation()
        self.history.validation.append(mrr)
        if mrr > self.history.best:
            self.history.best, self.history.best_epoch = mrr, epoch
            self._best = self._weights()

    def _log(self, epoch: int, seconds: float, validating: float) -> None:
        curve = self.history.validation
        logger.log(
            self.log_level, "epoch %d: loss %.4g%s, %.1f s of training, %.1f s of validation",
            epoch, self.history.losses[-1], f", validation MRR {curve[-1]:.4f}" if curve else "",
            seconds, validating,
        )  # fmt: skip

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, p) for name, p in self.network.named_parameters() if p.requires_grad)

    @torch.no_grad()
    def _is_finite(self) -> bool:
        """Whether all weights are finite; the loss is that of the weights before the last step."""
        return all(bool(p.isfinite().all()) for _, p in self._trained())

    def _weights(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self._trained()}

    @contextmanager
    def best_in_place(self) -> Iterator[None]:
        """Set the weights to the best so far, if an epoch was finished; then undo it."""
        with _restored([p for _, p in self._trained()]):
            if self._best is not None:
                self.network.load_state_dict(self._best, strict=False)
            yield

    def snapshot(self) -> Snapshot:
        """Everything that training needs to continue with the same bits."""
        h, epoch, mean = self.history, self._epoch_state, self._mean
        values: dict[str, Any] = {
            "losses": h.losses, "validation": h.validation, "best_epoch": h.best_epoch,
            "best": h.best if math.isfinite(h.best) else None,
        }  # fmt: skip
        tensors = {"random": self._random.get_state(), **_named("weights", self._weights())}
        if self._best is not None:
            tensors |= _named("best", self._best)
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors |= _named(f"optimizer.{number}", state)
        if mean is not None:
            values["mean"] = [mean.n_steps, mean.weight]
            tensors |= {f"mean.{i}": total for i, total in enumerate(mean.sums)}
        if epoch is not None:
            values["done"] = epoch.done
            tensors["order"], tensors["total"] = epoch.order, epoch.total
            tensors["dropout"] = epoch.random.get_state()
        return Snapshot(values, {name: value.cpu().clone() for name, value in tensors.items()})

    def _resume(self, snapshot: Snapshot, n: int) -> None:
        """Restore the state of a run that has n queries.

        Raises
        ------
        ValueError, TypeError, RuntimeError, KeyError
            If it is damaged, or belongs to another run.
        """
        values, tensors = snapshot.values, snapshot.tensors
        weights, best = self._weights(), _under("best", tensors)
        random = {"": self._random.get_state()}
        check_tensors("random", {"": tensors["random"]}, random)
        check_tensors("weights", _under("weights", tensors), weights)
        if best:
            check_tensors("best", best, weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer", tensors).items():
            number, _, key = name.partition(".")
            # a copy: PyTorch would train in place on the snapshot's tensors
            state.setdefault(int(number), {})[key] = value.clone()
        is_adam = self.schedule.optimizer == "adam"
        names = ("exp_avg", "exp_avg_sq") if is_adam else ("sum",)
        parameters = [p for _, p in self._trained()]
        check_optimizer(state, parameters, {"step": False, **dict.fromkeys(names, True)})
        history = self.history
        history.losses = saved_numbers("losses", values["losses"])
        history.validation = saved_numbers("validation", values["validation"])
        is_new = values["best"] is None
        history.best = -math.inf if is_new else saved_numbers("best", [values["best"]])[0]
        history.best_epoch = check_integer(
            "best_epoch", values["best_epoch"], 0, len(history.losses)
        )
        self._random.set_state(tensors["random"])
        self.network.load_state_dict(_under("weights", tensors), strict=False)
        self._best = {name: value.to(self._device) for name, value in best.items()} or None
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})
        if self._mean is not None:
            n_steps, weight = saved_numbers("mean", values["mean"])
            self._mean.n_steps, self._mean.weight = int(n_steps), weight
            sums = {str(i): total for i, total in enumerate(self._mean.sums)}
            check_tensors("mean", _under("mean", tensors), sums)
            for i, total in sums.items():
                total.copy_(tensors[f"mean.{i}"])
        if "done" in values:
            order = tensors["order"]
            check_tensors("order", {"": order}, {"": torch.arange(n)})
            if not torch.equal(order.sort().values, torch.arange(n)):
                raise ValueError(f"order must have each number from 0 to {n - 1} once")
            check_tensors("total", {"": tensors["total"]}, {"": torch.zeros(())})
            dropout = torch.Generator(self._device)
            check_tensors("dropout", {"": tensors["dropout"]}, {"": dropout.get_state()})
            dropout.set_state(tensors["dropout"])
            self._epoch_state = _Epoch(order, dropout, self._device)
            self._epoch_state.done = check_integer("done", values["done"], 0, n)
            self._epoch_state.total.copy_(tensors["total"])

    def _start_epoch(self, n: int) -> _Epoch:
        order = torch.randperm(n, generator=self._random)
        seed = int(torch.randint(1 << 62, (), generator=self._random))
        return _Epoch(order, torch.Generator(self._device).manual_seed(seed), self._device)

    def _epoch(self, queries: Queries, bar: Any, hooks: Hooks) -> float:
        """Train for an epoch, or for the rest of one; return its mean loss."""
        self.network.train()
        if self._epoch_state is None:
            self._epoch_state = self._start_epoch(len(queries))
        epoch = self._epoch_state
        order = epoch.order.numpy()
        bar.update(epoch.done)
        while epoch.done < len(order):
            batch = order[epoch.done : epoch.done + self.schedule.batch_size]
            epoch.total += self._step(queries, batch, epoch.random) * len(batch)
            epoch.done += len(batch)
            bar.update(len(batch))
            if epoch.done < len(order):
                hooks.on_step(False)
        self._epoch_state = None
        return float(epoch.total) / max(len(order), 1)

    def _step(self, queries: Queries, batch: IntArray, random: torch.Generator) -> Tensor:
        """Train on one batch; return its mean loss."""
        s, network = self.schedule, self.network
        rows, columns = (torch.from_numpy(a) for a in queries.take(batch))
        h = torch.from_numpy(queries.entities[batch])
        r = torch.from_numpy(queries.relations[batch]).to(self._device)
        entities, h, columns, offset = self._candidates(h, columns)
        h, rows, columns = h.to(self._device), rows.to(self._device), columns.to(self._device)
        n_answers = len(queries.answers) / len(queries) * len(batch)
        positives = self._positives(rows, columns, len(batch), n_answers)
        Y = network.embed(self._inputs, entities)
        W = Y.detach() if network.last is None else network.last.detach()
        y = Y.detach()[h].requires_grad_(self._learns_entities)
        q = network.relation_matrices(dropout(y, s.dropout, random), r)
        q = dropout(q, s.dropout, random)
        if network.bias is not None:
            offset = network.bias.detach()[0]
        loss, by_q, by_W, by_offset = self._gradients.compute(
            LOSSES[s.loss], q.detach(), W, positives, offset=offset, fixed=not self._learns_entities
        )
        self._optimizer.zero_grad()
        q.backward(by_q)  # type: ignore[no-untyped-call]
        by_Y = by_W
        if by_W is not None:
            assert y.grad is not None
            if network.last is not None:
                network.last.grad = by_W
                by_Y = self._gradients.buffer("Y", tuple(Y.shape), Y).zero_()
            assert by_Y is not None
            by_Y.index_add_(0, h, y.grad)
        if s.n3:
            loss = loss + self._add_n3(Y, by_Y, by_W, h, r, positives)
        if by_Y is not None:
            network.backward(Y, entities, by_Y)
        if network.bias is not None:
            network.bias.grad = by_offset[None]
        self._optimizer.step()
        if self._mean:
            self._mean.update()
        return loss

    @torch.no_grad()
    def _add_n3(
        self,
        Y: Tensor,
        by_Y: Tensor | None,
        by_W: Tensor | None,
        h: Tensor,
        r: Tensor,
        positives: Positives,
    ) -> Tensor:
        """Add the gradients of the N3 penalty to those of Y, W and the relation matrices.

        Returns the penalty: weighted cubed moduli of heads, relation matrices and tails. Those of
        an entity that occurs several times are computed once.
        """
        n3, network = self.schedule.n3, self.network
        M = network.relation_matrices.weight
        W = Y if network.last is None else network.last
        of_heads, of_tails = Y.new_zeros(len(Y)), Y.new_zeros(len(W))
        of_heads.index_add_(0, h, positives.row_weights)
        of_tails.index_add_(0, positives.columns, positives.weights)
        of_relations = M.new_zeros(len(M)).index_add_(0, r, positives.row_weights)
        terms: list[tuple[Tensor, Tensor, Tensor | None]]
        terms = [(M, of_relations, M.grad), (W, of_tails, by_W), (Y, of_heads, by_Y)]
        if network.last is None:
            terms[1:] = [(Y, of_heads.add_(of_tails), by_Y)]
        penalty = Y.new_zeros(())
        for values, weights, gradient in terms:
            rows = weights.nonzero()[:, 0]
            weights = n3 * weights[rows]
            cubes, by_values = network.relation_matrices.cubes(values.detach()[rows])
            penalty += weights @ cubes
            if gradient is not None:
                by_values.mul_(weights.view(-1, *[1] * (by_values.ndim - 1)))
                gradient.index_add_(0, rows, by_values)
        return penalty

    def _positives(self, rows: Tensor, columns: Tensor, n: int, n_answers: float) -> Positives:
        """Compute the weights of the positives of n queries.

        `n_answers` is the mean number of answers of n queries. Dividing by the number in the batch
        would reduce the weight of links in batches with a query that has thousands of answers.
        """
        s = self.schedule
        counts = torch.bincount(rows, minlength=n)
        ones = torch.ones(n, device=rows.device)
        if s.loss == "softmax" and s.targets == "1vsall":
            return Positives(
                rows, columns, torch.full_like(rows, 1, dtype=ones.dtype) / n_answers,
                counts / n_answers,
            )  # fmt: skip
        share = 1 / counts[rows] if s.loss == "softmax" else torch.ones_like(rows, dtype=ones.dtype)
        return Positives(rows, columns, share / n, ones / n)

    def _candidates(
        self, h: Tensor, columns: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor | None]:
        """Sample the entities that a batch is scored against.

        Returns
        -------
        entities : int64 Tensor of shape (c,), ascending, or None for all
            Entities in the batch, and sampled negatives.
        h, columns : int64 Tensor
            Positions in `entities`.
        offset : Tensor of shape (c,), or None
            Added to scores, so that sampled negatives also represent those that were not sampled.
        """
        if self.schedule.n_negatives is None or self.schedule.n_negatives >= self._n:
            return None, h, columns, None
        in_batch = torch.unique(torch.cat([h, columns]))
        sampled = torch.randint(self._n, (self.schedule.n_negatives,), generator=self._random)
        position = torch.full((self._n,), -1)
        position[sampled] = 0
        position[in_batch] = -1
        sampled = torch.nonzero(position == 0)[:, 0]
        entities = torch.cat([in_batch, sampled])
        position[entities] = torch.arange(len(entities))
        offset = torch.zeros(len(entities))
        if len(sampled):
            offset[len(in_batch) :] = math.log((self._n - len(in_batch)) / len(sampled))
        device = self._device
        return entities.to(device), position[h], position[columns], offset.to(device)


class Training:
    """A run of training of one predictor.

    Parameters
    ----------
    train, valid : int64 array of shape (m, 3)
        Triples as numbers.
    sizes : (n, k)
        Number of entities and of relations.
    inputs : Inputs of n entities, or None
    schedule : LinkSchedule
    seed : int
    device : torch.device
    hooks : Hooks, optional
    known : int64 array of shape (p, 3), optional
        More true triples, which the ranks of validation links leave out.

    Attributes
    ----------
    network : LinkNetwork or None
        The network of all relations, once training has started; it has the best weights at the
        end.
    history : LinkHistory
        History of joint training; fine-tuning of single relations is not included.
    """

    def __init__(
        self,
        train: IntArray,
        valid: IntArray,
        sizes: tuple[int, int],
        inputs: Inputs | None,
        schedule: LinkSchedule,
        seed: int,
        device: torch.device,
        hooks: Hooks | None = None,
        *,
        known: IntArray | None = None,
    ) -> None:
        self._n, self._k = sizes
        self._inputs, self._schedule = inputs, schedule
        self._seed, self._device = seed, device
        self._links, self._valid = both_ways(train, self._k), both_ways(valid, self._k)
        others = np.empty((0, 3), np.int64) if known is None else known
        self._known = both_ways(np.concatenate([train, valid, others]), self._k)
        self._hooks = hooks or Hooks()
        self._trainer: LinkTrainer | None = None
        self._shared: LinkNetwork | None = None
        self._relation: int | None = None
        self.history = LinkHistory()
        self.network: LinkNetwork | None = None

    def train_jointly(self, build: Build, snapshot: Snapshot | None = None) -> LinkNetwork:
        """Train all relations jointly, each with its own matrix.

        Parameters
        ----------
        build : callable
            Takes a number of relations and a random generator; returns a new network.
        snapshot : Snapshot, optional
            State of an interrupted run to continue, as returned by `snapshot`.
        """
        self.network = self._new(build, 2 * self._k)
        self._fit(
            self.network, self._links, self._valid, self._known, self._schedule,
            hooks=self._hooks, snapshot=snapshot,
        )  # fmt: skip
        return self.network

    def train_each_relation(self, build: Build, snapshot: Snapshot | None = None) -> LinkNetwork:
        """Train one matrix for all relations, then fine-tune it for each relation (4.1).

        First, the target of two entities is 1 if any relation holds between them. Then the matrix
        and the biases of entities are fine-tuned for each relation and direction, until the ranks
        of its validation links stop improving. Embeddings and the last layer are not fine-tuned:
        copies for each relation would need k times the memory, and biases have most of the effect.
        A relation without validation links is trained for `n_iter_no_change` epochs.

        Parameters
        ----------
        build, snapshot
            As for `train_jointly`.
        """
        self.network, self._shared = self._new(build, 2 * self._k), self._new(build, 1)
        shared = self._shared
        self.network.encoder, self.network.last = shared.encoder, shared.last
        first = None
        if snapshot is not None and snapshot.values.get("relation") is not None:
            with snapshot.checking():
                first = check_integer("relation", snapshot.values["relation"], 0, 2 * self._k)
        if first is None:
            together = [_any_relation(a) for a in (self._links, self._valid, self._known)]
            try:
                self._fit(
                    shared, together[0], together[1], together[2], self._schedule,
                    hooks=self._hooks, snapshot=snapshot,
                )  # fmt: skip
            finally:
                self.spread()
            if self._trainer is not None and self._trainer.stopped:
                return self.network
            first, snapshot = 0, None
        else:
            assert snapshot is not None
            with snapshot.checking():
                saved = _under("network", snapshot.tensors)
                check_tensors("network", saved, self.network.state_dict())
                losses, validation = snapshot.values["history"]
                self.history = LinkHistory(
                    saved_numbers("losses", losses), saved_numbers("validation", validation)
                )
            self.network.load_state_dict(saved)
        tuned = self._tuned()
        for parameter in shared.parameters():
            parameter.requires_grad_(any(parameter is one for one, _ in tuned))
        hooks = Hooks(on_step=lambda _: self._hooks.on_step(False))
        schedule = replace(self._schedule, progress=False)
        start = time.perf_counter()
        for r in progress_bar(
            range(first, 2 * self._k), initial=first, total=2 * self._k, desc="relations",
            unit=" relations", shown=self._schedule.progress, always=True,
        ):  # fmt: skip
            self._relation = r
            links, valid, known = (
                _any_relation(a[a[:, 1] == r]) for a in (self._links, self._valid, self._known)
            )
            with torch.no_grad():
                for one, every in tuned:  # rows of relations to come are still those of all
                    one[0] = every[r]
            of_one = schedule
            if not len(valid):
                n_epochs = min(schedule.max_iter, schedule.n_iter_no_change)
                of_one = replace(schedule, max_iter=n_epochs)
            if snapshot is not None and "random" not in snapshot.tensors:
                snapshot = None  # the run was interrupted between two relations
            if len(links):  # if not, the relation keeps the matrix that is trained for all
                self._fit(
                    shared, links, valid, known, of_one, started=True, hooks=hooks,
                    snapshot=snapshot,
                )  # fmt: skip
            with torch.no_grad():
                for one, every in tuned:
                    every[r] = one[0]
            snapshot, self._trainer, self._relation = None, None, r + 1
            logger.debug("fine-tuned relation %d of %d", r + 1, 2 * self._k)
            if self._hooks.on_epoch():
                break
            self._hooks.on_step(True)
        logger.info("fine-tuning took %.1f s", time.perf_counter() - start)
        for parameter in self.network.parameters():
            parameter.requires_grad_(True)
        return self.network

    def snapshot(self) -> Snapshot:
        """Everything that the run needs to continue with the same bits."""
        state = Snapshot({}, {}) if self._trainer is None else self._trainer.snapshot()
        state.values["relation"] = self._relation
        if self._relation is not None:
            assert self.network is not None
            state.values["history"] = [self.history.losses, self.history.validation]
            state.tensors |= _named("network", self.network.state_dict())
        return state

    @contextmanager
    def best_in_place(self) -> Iterator[None]:
        """Set the best weights so far within a ``with`` block, and restore the network after it."""
        if self._trainer is None or self._relation is not None:
            yield
            return
        with self._trainer.best_in_place():
            self.spread()
            yield

    @torch.no_grad()
    def spread(self) -> None:
        """Copy the matrix that is trained for all relations to each of them."""
        if self._relation is None:
            for one, every in self._tuned():
                every.copy_(one.expand_as(every))

    def _tuned(self) -> list[tuple[nn.Parameter, nn.Parameter]]:
        """Parameters that are fine-tuned: of the shared network, and of all relations."""
        shared, network = self._shared, self.network
        if shared is None or network is None:
            return []
        tuned = [(shared.relation_matrices.weight, network.relation_matrices.weight)]
        if shared.bias is not None and network.bias is not None:
            tuned.append((shared.bias, network.bias))
        return tuned

    def _new(self, build: Build, n_relations: int) -> LinkNetwork:
        return build(n_relations, torch.Generator().manual_seed(self._seed)).to(self._device)

    def _fit(
        self,
        network: LinkNetwork,
        links: IntArray,
        valid: IntArray,
        known: IntArray,
        schedule: LinkSchedule,
        *,
        started: bool = False,
        hooks: Hooks,
        snapshot: Snapshot | None,
    ) -> None:
        trainer = LinkTrainer(network, self._inputs, self._n, schedule, self._seed, self._device)
        self._trainer = trainer
        if self._relation is None:
            self.history = trainer.history
        else:
            trainer.log_level = logging.DEBUG
        validation = self._validation(network, valid, known) if len(valid) else None
        trainer.fit(Queries.of(links), validation, started=started, hooks=hooks, snapshot=snapshot)

    def _validation(self, network: LinkNetwork, valid: IntArray, known: IntArray) -> Validation:
        true_links = Queries.of(known)
        order = np.random.default_rng(self._seed).permutation(len(valid))
        chosen = valid[np.sort(order[:_VALIDATED])]

        def mrr() -> float:
            with torch.no_grad():
                Y = network.embed(self._inputs)
            _, filtered = ranks(network.scorer(Y), chosen, self._n, true_links)
            assert filtered is not None
            return measures(filtered)["mrr"]

        return mrr


def _any_relation(links: IntArray) -> IntArray:
    links = links.copy()
    links[:, 1] = 0
    return links


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whose names start with a prefix, without it."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)
    }
