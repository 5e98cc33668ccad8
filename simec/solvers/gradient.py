"""Gradient descent: epochs over batches, the best weights kept, the rate halved on stalls."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from simec.data.inputs import Inputs, chunk_size
from simec.data.targets import SparseTargets, Targets
from simec.network import SimEcNetwork
from simec.solvers.objective import Objective

_PATIENCE = 3  # epochs without progress after which the rate is halved
_WARM_UP = 20, 100  # steps until the rate is what was asked for: a quarter of all, within limits
_FEW = 8  # steps in an epoch: up to so many, their mean says little of the weights at its end
_DIVERGED = 1e4  # times the loss at the start, or what would be lost by predicting nothing


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how fast.

    Attributes
    ----------
    batch_size : int
    max_iter : int
        Epochs at most.
    learning_rate : float
        Of Adam, at the start.
    tol : float
        An epoch is progress if it lowers the loss by more than this share.
    n_iter_no_change : int
        Training ends after so many epochs without progress.
    mixed_precision : bool
        Whether products are taken in bfloat16.
    progress : bool
        Whether to show a bar.
    """

    batch_size: int
    max_iter: int
    learning_rate: float
    tol: float
    n_iter_no_change: int
    mixed_precision: bool = False
    progress: bool = False


@dataclass
class History:
    """What came of it.

    Attributes
    ----------
    losses : list of float
        Mean of the objective in each epoch.
    validation : list of float
        Mean error on what was held out, after each epoch; empty if nothing was.
    best_loss : float
        The lowest: of `validation` if there is one, of `losses` otherwise. Infinite if no
        epoch was finished.
    learning_rate : float
        At the end.
    """

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    learning_rate: float = math.nan


class Trainer:
    """Trains a network; a second call of `fit` goes on where the first has stopped.

    Parameters
    ----------
    network : SimEcNetwork
        Trained in place.
    objective : Objective
    schedule : Schedule
    seed : int
        Of the order of rows.
    device : torch.device
    """

    def __init__(
        self,
        network: SimEcNetwork,
        objective: Objective,
        schedule: Schedule,
        seed: int,
        device: torch.device,
    ) -> None:
        self.network, self.objective, self.schedule = network, objective, schedule
        self.history = History()
        self._rate, self._steps = schedule.learning_rate, 0
        self._warm_up_steps = _WARM_UP[1]
        self._device = device
        self._random = torch.Generator().manual_seed(seed)
        trained = [p for p in network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.Adam(trained, lr=schedule.learning_rate, fused=True)

    def fit(
        self,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: tuple[Targets, Tensor] | None = None,
        *,
        started: bool = False,
        finish: Callable[[], object] | None = None,
        epochs: int | None = None,
    ) -> History:
        """Train on some rows until the loss falls no more; the best weights stay.

        Parameters
        ----------
        inputs, targets
        rows : int64 Tensor
        validation : (Targets, int64 Tensor), optional
            Targets and rows to measure on.
        started : bool
            Whether weights are good as they are: they stay unless training betters them.
        finish : callable, optional
            Betters the weights that training ends with. Not measured before and after where
            nothing is held out and no weight has a cost: then it cannot but lower the loss.
        epochs : int, optional
            Exactly so many, whatever the loss is.

        Warns
        -----
        ConvergenceWarning
            If the loss is still falling after `max_iter` epochs, or it diverges: training
            stops, and the best weights so far stay.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C; the best weights so far stay, and `history` is whole.
        """
        from tqdm import tqdm

        s = self.schedule
        self.history = history = History(learning_rate=s.learning_rate)
        begin = best = self._weights()
        start = self.evaluate(inputs, targets, rows)
        limit = _DIVERGED * max(start, self._nothing(targets, rows))
        few = epochs is None and validation is None and len(rows) <= _FEW * s.batch_size
        if validation is not None:
            start = self.evaluate(inputs, *validation, penalties=False)
        if started:
            history.best_loss = start
        stalled = 0
        if epochs is None:
            steps = s.max_iter * math.ceil(len(rows) / s.batch_size)
            self._warm_up_steps = min(max(_WARM_UP[0], steps // 4), _WARM_UP[1])
        bar = tqdm(
            total=(epochs or s.max_iter) * len(rows), desc="simec", unit=" rows",
            unit_scale=True, disable=not s.progress,
        )  # fmt: skip
        try:
            for _ in range(epochs or s.max_iter):
                with self._seeded():
                    loss = self._epoch(inputs, targets, rows, bar)
                if few and loss <= limit:
                    loss = self.evaluate(inputs, targets, rows)
                if not (math.isfinite(loss) and loss <= limit):
                    self._warn_diverged(loss)
                    break
                history.losses.append(loss)
                if validation is not None:
                    loss = self.evaluate(inputs, *validation, penalties=False)
                    history.validation.append(loss)
                bar.set_postfix(loss=f"{loss:.4g}")
                best_loss = history.best_loss
                progress = math.isinf(best_loss) or loss < best_loss - s.tol * abs(best_loss)
                if loss < best_loss or epochs is not None:
                    history.best_loss, best = min(loss, best_loss), self._weights()
                if epochs is not None:
                    continue
                # small steps, while the rate is raised, are no stall
                stalled = 0 if progress or self._steps < self._warm_up_steps else stalled + 1
                if stalled >= s.n_iter_no_change:
                    break
                if stalled and stalled % _PATIENCE == 0:
                    self._halve()
            else:
                if epochs is None and not stalled:
                    warnings.warn(
                        f"the loss was still falling after max_iter={s.max_iter} epochs: "
                        "raise max_iter or learning_rate",
                        ConvergenceWarning,
                        stacklevel=3,
                    )
            measured = few or validation is not None
            if finish is not None:
                if best is begin and math.isfinite(loss) and loss <= limit:
                    # only a mean over an epoch was above the start
                    best, measured = self._weights(), False
                before = history.best_loss if measured else math.inf
                if self.objective.l2 and not measured:
                    before = self._measure(best, inputs, targets, rows, validation)
                self.network.load_state_dict(best)
                finish()
                ended = self._weights()
                after = self._measure(ended, inputs, targets, rows, validation)
                best, history.best_loss = (ended, after) if after < before else (best, before)
            elif started and not measured and best is not begin:
                history.best_loss = self._measure(best, inputs, targets, rows, validation)
            if started and not history.best_loss <= start:
                history.best_loss, best = start, begin
        finally:
            bar.close()
            self.network.load_state_dict(best)
            history.learning_rate = self._rate
        return history

    def _measure(
        self,
        weights: dict[str, Tensor],
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: tuple[Targets, Tensor] | None,
    ) -> float:
        """What training goes by, with some weights."""
        self.network.load_state_dict(weights)
        if validation is None:
            return self.evaluate(inputs, targets, rows)
        return self.evaluate(inputs, *validation, penalties=False)

    def _epoch(self, inputs: Inputs, targets: Targets, rows: Tensor, bar: object) -> float:
        """Mean of the objective, by known targets."""
        self.network.train()
        order = rows[torch.randperm(len(rows), generator=self._random)]
        total, n = torch.zeros((2, 1), dtype=torch.float64, device=self._device)
        size = self.schedule.batch_size
        batches = list(torch.split(order, size))
        if len(batches) > 1 and len(batches[-1]) == 1 < size:
            # norms over a batch need more than one row
            batches[-2:] = [torch.cat(batches[-2:])]
        for some in batches:
            x = inputs.batch(some)
            values, known = targets.batch(some)
            with torch.autocast(
                self._device.type, torch.bfloat16, enabled=self.schedule.mixed_precision
            ):
                error, count = self.objective.error(self.network, x, values, known)
            error, count = targets.of_all(some, error, count)
            loss = error + self.objective.penalty(self.network, targets, size, self._random)
            self._warm_up()
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            # no look at the value: a GPU would have to wait
            total += loss.detach() * count
            n += count
            bar.update(len(some))  # type: ignore[attr-defined]
        return float(total / n.clamp(min=1))

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Have what a network draws at random, as in dropout, depend on the seed alone."""
        with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(int(torch.randint(1 << 62, (), generator=self._random)))
            yield

    @torch.no_grad()
    def evaluate(
        self, inputs: Inputs, targets: Targets, rows: Tensor, *, penalties: bool = True
    ) -> float:
        """Mean of the objective on some rows, as it is."""
        self.network.eval()
        total, n = 0.0, 0.0
        width = int(np.prod(targets.shape))
        if self.network.decoder is not None:
            width += int(np.prod(inputs.batch(rows[:1]).shape[1:]))
        by_entries = (
            isinstance(targets, SparseTargets)
            and self.network.decoder is None
            and self.objective.is_plain(self.network)
        )
        if by_entries:
            width = self.network.last.weight.shape[0]
        for some in torch.split(rows, chunk_size(width)):
            x = inputs.batch(some)
            if by_entries:
                Y, W_l = self.network.encoder(x), self.network.last.weight
                wrong, weight = targets.squared_error(some, Y, W_l)  # type: ignore[attr-defined]
                total, n = total + wrong, n + weight
                continue
            error, count = self.objective.error(self.network, x, *targets.batch(some))
            error, count = targets.of_all(some, error, count)
            total += float(error * count)
            n += float(count)
        found = total / max(n, 1)
        if penalties:
            random = torch.Generator().manual_seed(0)
            n_rows = chunk_size(targets.shape[0])
            found += float(self.objective.penalty(self.network, targets, n_rows, random))
        return found

    @torch.no_grad()
    def _nothing(self, targets: Targets, rows: Tensor) -> float:
        """Mean square of some targets: the scale of a loss."""
        values, known = targets.batch(rows[: chunk_size(int(np.prod(targets.shape)))])
        return float(values.square().sum() / (values.numel() if known is None else known.sum() + 1))

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def _warm_up(self) -> None:
        """Raise the rate step by step: Adam's first steps, of its full size, undo a good start."""
        if self._steps < self._warm_up_steps:
            self._steps += 1
            share = self._steps / self._warm_up_steps
            self._optimizer.param_groups[0]["lr"] = self._rate * share

    def _halve(self) -> None:
        self._rate /= 2
        self._optimizer.param_groups[0]["lr"] /= 2

    def _warn_diverged(self, loss: float) -> None:
        # its averages are as far off as the weights
        self._optimizer.state.clear()
        self._steps = 0
        warnings.warn(
            f"training diverged (loss {loss:.3g}): try learning_rate={self._rate / 10:.2g}, or "
            "scale X and S to about 1; the best weights so far are kept",
            ConvergenceWarning,
            stacklevel=4,
        )


def held_out(n: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on, and rows to measure on."""
    if n < 2:
        raise ValueError("one row cannot be split: use early_stopping=False")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    n_out = min(max(1, round(share * n)), n - 1)
    return order[n_out:].sort().values, order[:n_out].sort().values
