"""Training on queries: epochs over batches, the weights that rank validation best kept."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn import functional as F

from simec.data.inputs import DenseInputs, SparseInputs, quiet_about_sparse
from simec.links.averaging import MeanWeights
from simec.links.losses import ERRORS, Gradients, Positives
from simec.links.network import LinkNetwork
from simec.links.queries import IntArray, Queries

Validation = Callable[[], float]

# times the learning rate: scores have d terms of weights that move, and one constant
_BIAS_RATE = 30


@dataclass(frozen=True)
class Schedule:
    """How to train.

    Attributes
    ----------
    loss : {"softmax", "bce"}
    targets : {"1vsall", "kvsall"}
        With softmax: whether each link counts the same, or each query.
    optimizer : {"adagrad", "adam"}
    learning_rate : float
    n3 : float
        Weight of the cubed moduli of embeddings and middle matrices of a link.
    dropout : float
        Share of numbers that are set to 0, in embeddings and in queries.
    n_negatives : int or None
        Entities drawn for each batch beside those that occur in it; None: all there are.
    batch_size : int
        Queries.
    max_iter : int
        Epochs at most.
    n_iter_no_change : int
        Training ends after so many epochs without progress on validation.
    average : bool
        Whether weights that are validated and stay are means over the last epoch or so.
    progress : bool
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
class History:
    """What came of it: mean error of each epoch, MRR on validation, the best of them."""

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: float = -math.inf
    best_epoch: int = 0


class Entities:
    """Embeddings of all entities or of some, and the way back for their gradients.

    Parameters
    ----------
    network : LinkNetwork
    features : CSR matrix of shape (n, D), or None
        None stands for the identity.
    n : int
        How many there are.
    """

    def __init__(self, network: LinkNetwork, features: Any, n: int, device: torch.device) -> None:
        self._network, self._n = network, n
        self._inputs: SparseInputs | DenseInputs | None = None
        if features is not None:
            as_sparse = sparse.issparse(features)
            self._inputs = (
                SparseInputs(features, device)
                if as_sparse
                else DenseInputs(torch.from_numpy(features), device)
            )

    def embed(self, numbers: Tensor | None = None) -> Tensor:
        """Shape (c, d); with a graph where there are features."""
        if self._inputs is None:
            weight = _weight(self._network)
            return weight.detach() if numbers is None else weight.detach()[numbers]
        rows = torch.arange(self._n) if numbers is None else numbers.cpu()
        found: Tensor = self._network.encoder(self._inputs.batch(rows))
        return found

    def backward(self, Y: Tensor, numbers: Tensor | None, gradient: Tensor) -> None:
        """Hand on the gradient of what `embed` gave; it may be memory that is used again."""
        if self._inputs is not None:
            Y.backward(gradient)  # type: ignore[no-untyped-call]
            return
        weight = _weight(self._network)
        if numbers is None:
            weight.grad = gradient
            return
        weight.grad = torch.sparse_coo_tensor(
            numbers[None], gradient, weight.shape, is_coalesced=True, check_invariants=False
        )


def _weight(network: LinkNetwork) -> nn.Parameter:
    weight = network.encoder.weight
    assert isinstance(weight, nn.Parameter)
    return weight


class Trainer:
    """Trains a network in place.

    Parameters
    ----------
    network : LinkNetwork
    features : CSR matrix of shape (n, D), or None
    n_entities : int
    schedule : Schedule
    seed : int
        Of the order of queries, of negatives and of dropout.
    device : torch.device
    """

    def __init__(
        self,
        network: LinkNetwork,
        features: Any,
        n_entities: int,
        schedule: Schedule,
        seed: int,
        device: torch.device,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.history = History()
        self._n, self._device = n_entities, device
        self._entities = Entities(network, features, n_entities, device)
        self._gradients = Gradients()
        self._mean: MeanWeights | None = None
        self._random = torch.Generator().manual_seed(seed)
        self._learns_entities = next(network.encoder.parameters()).requires_grad
        trained = [
            {"params": [p], "lr": schedule.learning_rate * (_BIAS_RATE if name == "bias" else 1)}
            for name, p in network.named_parameters()
            if p.requires_grad
        ]
        self._optimizer: torch.optim.Optimizer
        if schedule.optimizer == "adam":
            self._optimizer = torch.optim.Adam(trained, lr=schedule.learning_rate, fused=True)
        else:
            # gradients of some rows of the identity are sparse, which fused code does not take
            is_dense = schedule.n_negatives is None or features is not None
            fused = device.type == "cpu" and is_dense
            self._optimizer = torch.optim.Adagrad(trained, lr=schedule.learning_rate, fused=fused)

    def fit(
        self, queries: Queries, validation: Validation | None = None, *, started: bool = False
    ) -> History:
        """Train until validation is ranked better no more; the best weights stay.

        Parameters
        ----------
        queries : Queries
        validation : callable, optional
            Gives the MRR on validation. Without it there are `max_iter` epochs, and the last
            weights stay.
        started : bool
            Whether weights are good as they are: they stay unless training betters them.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; the best weights so far stay.
        """
        from tqdm import tqdm

        s, history = self.schedule, self.history
        best = None
        if s.average:
            trained = (p for p in self.network.parameters() if p.requires_grad)
            self._mean = MeanWeights(trained, math.ceil(len(queries) / s.batch_size))
        if started and validation is not None:
            history.best, best = validation(), self._weights()
        bar = tqdm(
            total=s.max_iter * len(queries), desc="links", unit=" queries", unit_scale=True,
            disable=not s.progress,
        )  # fmt: skip
        try:
            for epoch in range(1, s.max_iter + 1):
                loss = self._epoch(queries, bar)
                if not math.isfinite(loss):
                    warnings.warn(
                        f"training diverged in epoch {epoch}: try "
                        f"learning_rate={s.learning_rate / 10:.2g}",
                        ConvergenceWarning,
                        stacklevel=3,
                    )
                    break
                history.losses.append(loss)
                with self._mean.in_place() if self._mean else nullcontext():
                    if validation is None:
                        best = self._weights()
                        continue
                    self.network.eval()
                    mrr = validation()
                    history.validation.append(mrr)
                    bar.set_postfix(loss=f"{loss:.4g}", mrr=f"{mrr:.4f}")
                    if mrr > history.best:
                        history.best, history.best_epoch, best = mrr, epoch, self._weights()
                if epoch - history.best_epoch >= s.n_iter_no_change:
                    break
        finally:
            bar.close()
            if best is not None:
                self.network.load_state_dict(best, strict=False)
            self.network.eval()
        return history

    def _weights(self) -> dict[str, Tensor]:
        trained = ((name, p) for name, p in self.network.named_parameters() if p.requires_grad)
        return {name: p.detach().clone() for name, p in trained}

    def _epoch(self, queries: Queries, bar: Any) -> float:
        self.network.train()
        order = torch.randperm(len(queries), generator=self._random).numpy()
        total, weight = torch.zeros((), device=self._device), 0
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(int(torch.randint(1 << 62, (), generator=self._random)))
            for start in range(0, len(order), self.schedule.batch_size):
                chosen = order[start : start + self.schedule.batch_size]
                total += self._step(queries, chosen) * len(chosen)
                weight += len(chosen)
                bar.update(len(chosen))
        return float(total) / max(weight, 1)

    def _step(self, queries: Queries, chosen: IntArray) -> Tensor:
        """One batch: the mean error."""
        s, network = self.schedule, self.network
        rows, columns = (torch.from_numpy(a) for a in queries.take(chosen))
        h = torch.from_numpy(queries.entities[chosen])
        r = torch.from_numpy(queries.relations[chosen]).to(self._device)
        numbers, h, columns, offset = self._candidates(h, columns)
        h, rows, columns = h.to(self._device), rows.to(self._device), columns.to(self._device)
        n_answers = len(queries.answers) / len(queries) * len(chosen)
        positives = self._positives(rows, columns, len(chosen), n_answers)
        Y = self._entities.embed(numbers)
        W = Y.detach() if network.last is None else network.last.detach()
        y = Y.detach()[h].requires_grad_(self._learns_entities)
        q = F.dropout(network.middle(F.dropout(y, s.dropout), r), s.dropout)
        if network.bias is not None:
            offset = network.bias.detach()[0]
        error, by_q, by_W, by_offset = self._gradients.of(
            ERRORS[s.loss], q.detach(), W, positives, offset=offset, fixed=not self._learns_entities
        )
        self._optimizer.zero_grad()
        ends, by_ends = [q], [by_q]
        t = None
        if s.n3:
            t = W[columns].requires_grad_()
            cubes = network.middle.cubes(y) + network.middle.relation_cubes(r)
            of_t = network.middle.cubes(t) @ positives.weights
            penalty = s.n3 * (cubes @ positives.row_weights + of_t)
            error = error + penalty.detach()
            ends, by_ends = [q, penalty], [by_q, torch.ones_like(penalty)]
        torch.autograd.backward(ends, by_ends)
        if by_W is not None:
            assert y.grad is not None
            if t is not None and t.grad is not None:
                by_W.index_add_(0, columns, t.grad)
            by_Y = by_W
            if network.last is not None:
                network.last.grad = by_W
                by_Y = self._gradients.memory("Y", tuple(Y.shape), Y).zero_()
            by_Y.index_add_(0, h, y.grad)
            self._entities.backward(Y, numbers, by_Y)
        if network.bias is not None:
            network.bias.grad = by_offset[None]
        with quiet_about_sparse():
            self._optimizer.step()
        if self._mean:
            self._mean.update()
        return error

    def _positives(self, rows: Tensor, columns: Tensor, n: int, n_answers: float) -> Positives:
        """Weights of positives of n queries, which have `n_answers` on average.

        With the number that they have, links would count less in batches with a query of
        thousands of answers.
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
        """Entities to choose among, numbers among them, and what makes up for those left out."""
        if self.schedule.n_negatives is None or self.schedule.n_negatives >= self._n:
            return None, h, columns, None
        there = torch.unique(torch.cat([h, columns]))
        drawn = torch.randint(self._n, (self.schedule.n_negatives,), generator=self._random)
        place = torch.full((self._n,), -1)
        place[drawn] = 0
        place[there] = -1
        drawn = torch.nonzero(place == 0)[:, 0]
        numbers = torch.cat([there, drawn])
        place[numbers] = torch.arange(len(numbers))
        offset = torch.zeros(len(numbers))
        if len(drawn):
            # each one drawn stands for several
            offset[len(there) :] = math.log((self._n - len(there)) / len(drawn))
        device = self._device
        return numbers.to(device), place[h], place[columns], offset.to(device)
