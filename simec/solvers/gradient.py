"""Gradient descent on batches of rows, with early stopping and learning rate decay on stalls."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from corpora.callbacks import progress_bar
from corpora.checks import check_flag, check_integer, closest
from corpora.errors import warn
from corpora.saved_data import saved_numbers
from simec.data.inputs import Inputs, as_array, chunk_size
from simec.data.targets import Targets
from simec.network import SimEcNetwork, check_optimizer, check_tensors, has_finite_weights
from simec.solvers.objective import Loss, Objective

logger = logging.getLogger(__name__)

# epochs without progress after which the learning rate is halved: the minimum, and the divisor of
# those after which training stops
_PATIENCE = 3, 4
_WARM_UP = 20, 100  # warm-up lasts a quarter of all steps, within these limits
_FEW = 8  # steps per epoch up to which the loss is measured after it, not averaged over it
_DIVERGED = 1e4  # divergence: multiple of the initial loss, or of the loss of predicting zeros


_generator_lock = threading.RLock()  # held while PyTorch's global generator is seeded for a fit


def _renew_lock() -> None:
    global _generator_lock
    _generator_lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # a thread of the parent may hold the lock
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass(frozen=True)
class Schedule:
    """Duration and learning rate of training.

    Attributes
    ----------
    batch_size : int
    max_iter : int
        Maximum number of epochs.
    learning_rate : float
        Initial learning rate of Adam; the largest one if parts of the network have their own.
    tol : float
        An epoch makes progress if it lowers the loss by more than this fraction.
    n_iter_no_change : int
        Stop after this number of epochs without progress.
    mixed_precision : bool
        Whether matrix products are computed in bfloat16.
    progress : bool
        Whether to show a progress bar.
    factors : tuple of (str, float)
        Prefixes of the names of parameters, and factors of their learning rates. The longest
        prefix that fits applies. Parameters with factor 0 are not trained.
    decay : {"plateau", "cosine"}
        Halve the learning rate when the loss stalls, or let it fall to 0 over `max_iter` epochs
        along half a period of a cosine.
    validation_interval : int
        Number of epochs between validations.
    """

    batch_size: int
    max_iter: int
    learning_rate: float
    tol: float
    n_iter_no_change: int
    mixed_precision: bool = False
    progress: bool = False
    factors: tuple[tuple[str, float], ...] = ()
    decay: str = "plateau"
    validation_interval: int = 1

    def factor(self, name: str) -> float:
        """Return the factor of the learning rate of a parameter."""
        fitting = [
            (len(prefix), factor) for prefix, factor in self.factors
            if not prefix or name == prefix or name.startswith(f"{prefix}.")
        ]  # fmt: skip
        return max(fitting)[1] if fitting else 1.0

    def check(self, network: nn.Module) -> None:
        """Raise ValueError if a prefix is that of no parameter, or nothing is trained."""
        named = dict(network.named_parameters())
        for prefix, _ in self.factors:
            if prefix and not any(
                name == prefix or name.startswith(f"{prefix}.") for name in named
            ):
                modules = [
                    name for name, module in network.named_modules()
                    if name and any(True for _ in module.parameters())
                ]  # fmt: skip
                similar = closest(prefix, modules) or [name for name in modules if "." not in name]
                raise ValueError(
                    f"learning_rate has the part {prefix!r}, which no parameter belongs to: use "
                    f"the name of a part of module_, such as {' or '.join(map(repr, similar))}"
                )
        if not any(p.requires_grad and self.factor(name) for name, p in named.items()):
            raise ValueError("nothing is trained: all learning rates are 0")

    @contextmanager
    def frozen(self, network: nn.Module) -> Iterator[None]:
        """Exclude the parameters with factor 0 from gradients for the time of a fit."""
        parameters = [
            p for name, p in network.named_parameters() if p.requires_grad and not self.factor(name)
        ]
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)


@dataclass(frozen=True)
class Validation:
    """Data that training may stop early by.

    Attributes
    ----------
    inputs : Inputs
    targets : Targets
    rows : int64 Tensor
    loss : str or callable, optional
        Error to use; that of training by default.
    """

    inputs: Inputs
    targets: Targets
    rows: Tensor
    loss: Loss | None = None


@dataclass
class History:
    """Losses of a training run.

    Attributes
    ----------
    losses : list of float
        Training objective of each epoch.
    validation : list of float
        Validation error after each epoch; empty if nothing was held out.
    best_loss : float
        Loss of the best weights: validation error, or training objective if nothing was held
        out. Infinite before the first epoch.
    learning_rate : float
        Final learning rate.
    """

    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    learning_rate: float = math.nan


@dataclass
class _Run:
    """State of a training run, in addition to its history."""

    started: bool  # whether the initial weights approximate the targets
    start: float  # loss of the initial weights
    limit: float  # a higher loss counts as divergence
    first: dict[str, Tensor]  # initial weights
    best: dict[str, Tensor]
    improved: bool = False  # whether the best weights differ from the initial ones
    stalled: int = 0  # epochs since the last progress
    halvings: int = 0  # of the learning rate since then
    loss: float = math.nan  # of the last epoch


class Trainer:
    """Trains a network; repeated calls to `fit` continue with the optimizer's state.

    Parameters
    ----------
    network : SimEcNetwork
        Trained in place.
    objective : Objective
    schedule : Schedule
    seed : int
        Determines the order of rows.
    device : torch.device
    custom : bool
        Whether the network or loss is custom and may use PyTorch's global generator, as dropout
        does. If so, the generator is seeded for each epoch and restored afterwards, and fits in
        other threads wait.
    """

    def __init__(
        self,
        network: SimEcNetwork,
        objective: Objective,
        schedule: Schedule,
        seed: int,
        device: torch.device,
        *,
        custom: bool = False,
    ) -> None:
        self.network, self.objective, self.schedule = network, objective, schedule
        self.history = History()
        self._rate, self._steps = schedule.learning_rate, 0
        self._warm_up_steps = _WARM_UP[1]
        self._device, self._custom = device, custom
        self._random = torch.Generator().manual_seed(seed)
        self._run: _Run | None = None
        self._decays = False  # by a cosine
        self._total_steps = 1
        self._frozen: list[str] = []  # prefixes
        self._optimizer = torch.optim.Adam(self._groups(), lr=schedule.learning_rate, fused=True)

    def _groups(self) -> list[dict[str, Any]]:
        """Group parameters by their learning rates."""
        s = self.schedule
        groups: dict[float, list[Tensor]] = {}
        for name, parameter in self.network.named_parameters():
            factor = s.factor(name)
            if factor and parameter.requires_grad:
                groups.setdefault(factor, []).append(parameter)
        modules = dict(self.network.named_modules())
        self._frozen = [p for p, factor in s.factors if not factor and p in modules]
        return [{"params": params, "factor": factor} for factor, params in groups.items()]

    def fit(
        self,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: Validation | None = None,
        *,
        started: bool = False,
        finish: Callable[[], object] | None = None,
        epochs: int | None = None,
        on_start: Callable[[], object] | None = None,
        on_epoch: Callable[[], bool] | None = None,
        resume: bool = False,
    ) -> History:
        """Train until the loss stops falling; the best weights are kept.

        Parameters
        ----------
        inputs : Inputs
        targets : Targets
        rows : int64 Tensor
            Training rows.
        validation : Validation, optional
        started : bool
            Whether the initial weights approximate the targets. If so, they are kept unless
            training improves them.
        finish : callable, optional
            Improves the weights after training. If nothing is held out and weights are not
            penalized, its result is kept without comparing losses, because the loss cannot rise.
        epochs : int, optional
            Train for exactly this number of epochs, regardless of the loss.
        on_start : callable, optional
            Called before the first epoch; `state` is available from then on.
        on_epoch : callable, optional
            Called after each epoch; training stops if it returns True.
        resume : bool
            Continue from the state set by `restore`.

        Warns
        -----
        ConvergenceWarning
            If the loss is still falling after `max_iter` epochs, or training diverges. The best
            weights so far are kept.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C; the network has the best weights so far, and `history` is up to date.
        """
        s = self.schedule
        few = epochs is None and validation is None and len(rows) <= _FEW * s.batch_size
        if resume and self._run is not None:
            run, history = self._run, self.history
        else:
            self.history = history = History(learning_rate=s.learning_rate)
            self._run = run = self._new_run(inputs, targets, rows, validation, started)
        if epochs is None:
            steps = s.max_iter * math.ceil(len(rows) / s.batch_size)
            self._warm_up_steps = min(max(_WARM_UP[0], steps // 4), _WARM_UP[1])
            self._total_steps = steps
        self._decays = epochs is None and s.decay == "cosine"
        epoch, n_epochs = len(history.losses), epochs or s.max_iter
        bar = progress_bar(
            total=n_epochs * len(rows), initial=epoch * len(rows), desc="simec", unit=" rows",
            unit_scale=True, shown=s.progress, always=True,
        )  # fmt: skip
        began = time.perf_counter()
        try:
            if on_start is not None:
                on_start()
            while run.stalled < s.n_iter_no_change:
                if epoch >= n_epochs:
                    # a cosine ends here by design
                    if epochs is None and not run.stalled and not self._decays:
                        warn(
                            f"the loss was still falling after max_iter={s.max_iter} epochs: "
                            "increase max_iter or learning_rate",
                            ConvergenceWarning,
                        )
                    break
                with self._seeded():
                    run.loss = self._epoch(inputs, targets, rows, bar)
                if few and run.loss <= run.limit:
                    run.loss = self.objective.evaluate(self.network, inputs, targets, rows)
                diverged = not (math.isfinite(run.loss) and run.loss <= run.limit)
                if diverged or not self.is_finite():
                    self._warn_diverged(run.loss)
                    break
                epoch += 1
                history.losses.append(run.loss)
                validated = epoch % s.validation_interval == 0 or epoch == n_epochs
                if validation is not None and validated:
                    run.loss = self._validate(validation)
                    history.validation.append(run.loss)
                logger.info(
                    "epoch %d/%d: loss %.6g%s, learning rate %.2g, %.1f s", epoch, n_epochs,
                    history.losses[-1],
                    f", validation {run.loss:.6g}" if validation is not None and validated else "",
                    self._rate, time.perf_counter() - began,
                )  # fmt: skip
                bar.set_postfix(loss=f"{run.loss:.4g}", refresh=False)
                if validation is None or validated:
                    self._keep_best(run, always=epochs is not None, held_out=validation is not None)
                if on_epoch is not None and on_epoch():
                    break
            self._finish(run, inputs, targets, rows, validation, finish, few=few)
        finally:
            bar.close()
            self.network.load_state_dict(run.best)
            history.learning_rate = self._rate
            self._run = None
        return history

    def _new_run(
        self,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: Validation | None,
        started: bool,
    ) -> _Run:
        weights = self._weights()
        start = self.objective.evaluate(self.network, inputs, targets, rows)
        limit = _DIVERGED * max(start, self._mean_square(targets, rows))
        if validation is not None:
            start = self._validate(validation)
        if started:
            self.history.best_loss = start
        return _Run(started, start, limit, weights, weights)

    def _keep_best(self, run: _Run, *, always: bool, held_out: bool) -> None:
        """Keep the weights if they are the best so far; halve the learning rate on a stall."""
        history, s = self.history, self.schedule
        best_loss = history.best_loss
        if run.loss < best_loss or always:
            history.best_loss = min(run.loss, best_loss)
            run.best, run.improved = self._weights(), True
        if always:
            return
        progress = math.isinf(best_loss) or run.loss < best_loss - s.tol * abs(best_loss)
        # little progress is expected during warm-up
        stalled = not progress and self._steps >= self._warm_up_steps
        run.stalled = run.stalled + (s.validation_interval if held_out else 1) if stalled else 0
        patience = max(_PATIENCE[0], s.n_iter_no_change // _PATIENCE[1])
        halvings = run.stalled // patience
        if run.halvings < halvings and run.stalled < s.n_iter_no_change and not self._decays:
            self._rate /= 2
        run.halvings = halvings

    def _finish(
        self,
        run: _Run,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: Validation | None,
        finish: Callable[[], object] | None,
        *,
        few: bool,
    ) -> None:
        """Improve the final weights, and evaluate the best ones if that has not been done yet."""
        history = self.history
        measured = few or validation is not None
        if finish is not None:
            if not run.improved and math.isfinite(run.loss) and run.loss <= run.limit:
                # the mean loss of the epoch is above the initial loss, but not the final weights'
                run.best, run.improved, measured = self._weights(), True, False
            before = history.best_loss if measured else math.inf
            if self.objective.l2 and not measured:
                before = self._measure(run.best, inputs, targets, rows, validation)
            self.network.load_state_dict(run.best)
            finish()
            final = self._weights()
            after = self._measure(final, inputs, targets, rows, validation)
            logger.debug("last layers by least squares: loss %.6g, was %.6g", after, before)
            if after < before:
                run.best, run.improved, history.best_loss = final, True, after
            else:
                history.best_loss = before
        elif run.started and not measured and run.improved:
            history.best_loss = self._measure(run.best, inputs, targets, rows, validation)
        if run.started and not history.best_loss <= run.start:
            history.best_loss, run.best = run.start, run.first

    def _measure(
        self,
        weights: dict[str, Tensor],
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: Validation | None,
    ) -> float:
        """Return the loss by which weights are compared: validation error or objective."""
        self.network.load_state_dict(weights)
        if validation is None:
            return self.objective.evaluate(self.network, inputs, targets, rows)
        return self._validate(validation)

    def _validate(self, v: Validation) -> float:
        objective = self.objective if v.loss is None else replace(self.objective, loss=v.loss)
        return objective.evaluate(self.network, v.inputs, v.targets, v.rows, penalties=False)

    def _epoch(self, inputs: Inputs, targets: Targets, rows: Tensor, bar: Any) -> float:
        """Train on all rows; return the mean of the objective, weighted by observed targets."""
        self.network.train()
        for prefix in self._frozen:
            self.network.get_submodule(prefix).eval()
        order = rows[torch.randperm(len(rows), generator=self._random)]
        total, n = torch.zeros((2, 1), dtype=torch.float64, device=self._device)
        size = self.schedule.batch_size
        batches = list(torch.split(order, size))
        if len(batches) > 1 and len(batches[-1]) == 1 < size:
            # batch normalization needs more than one row
            batches[-2:] = [torch.cat(batches[-2:])]
        for batch in batches:
            x = inputs.batch(batch)
            values, observed = targets.batch(batch)
            with torch.autocast(
                self._device.type, torch.bfloat16, enabled=self.schedule.mixed_precision
            ):
                error, count = self.objective.error(self.network, x, values, observed)
            error, count = targets.full_error(batch, error, count)
            loss = error + self.objective.penalty(self.network, targets, size, self._random)
            self._set_rate()
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            # kept on the device: reading the value would wait for the GPU
            total += loss.detach() * count
            n += count
            bar.update(len(batch))
        return float(total / n.clamp(min=1))

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Make random numbers drawn by a custom network or loss depend only on the seed."""
        seed = int(torch.randint(1 << 62, (), generator=self._random))
        if not self._custom:
            yield
            return
        devices = [self._device] if self._device.type == "cuda" else []
        with _generator_lock, torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield

    @torch.no_grad()
    def _mean_square(self, targets: Targets, rows: Tensor) -> float:
        """Return the mean square of a sample of targets, which is the loss of predicting zeros."""
        values, observed = targets.batch(rows[: chunk_size(int(np.prod(targets.shape)))])
        n = max(1, values.numel()) if observed is None else observed.sum() + 1
        return float(values.square().sum() / n)

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether all weights are finite; a loss is that of the weights before the last step."""
        return has_finite_weights(self.network)

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def _set_rate(self) -> None:
        """Set the learning rates of a step: full first steps would undo good initial weights."""
        self._steps += 1
        rate = self._rate * min(1.0, self._steps / self._warm_up_steps)
        if self._decays:
            done = min(1.0, (self._steps - 1) / self._total_steps)
            rate *= (1 + math.cos(math.pi * done)) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]

    def _warn_diverged(self, loss: float) -> None:
        # discard the moving averages, which are useless after divergence
        self._optimizer.state.clear()
        self._steps = 0
        warn(
            f"training diverged (loss {loss:.3g}): try learning_rate={self._rate / 10:.2g}, or "
            "scale X and S to about 1; the best weights so far are kept",
            ConvergenceWarning,
        )

    # Checkpoints

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Copy the state of the current run, for `restore`.

        It is available in `on_start` and `on_epoch`.

        Returns
        -------
        numbers : dict
            Plain data for JSON.
        arrays : dict of str to array
        """
        run = self._run
        assert run is not None, "only during fit"
        numbers = {
            "losses": list(self.history.losses), "validation": list(self.history.validation),
            "best_loss": self.history.best_loss if math.isfinite(self.history.best_loss) else None,
            "started": run.started, "start": run.start, "limit": run.limit,
            "improved": run.improved, "stalled": run.stalled,
            "loss": run.loss if math.isfinite(run.loss) else None,
            "halvings": run.halvings, "rate": self._rate, "steps": self._steps,
        }  # fmt: skip
        # best and first weights are never changed in place, so they are not copied
        tensors = {f"current.{name}": value for name, value in self._weights().items()}
        tensors |= {f"best.{name}": value for name, value in run.best.items()}
        tensors |= {f"first.{name}": value for name, value in run.first.items()}
        for i, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": value.clone() for name, value in values.items()}
        tensors["generator"] = self._random.get_state()
        return numbers, {name: as_array(value) for name, value in tensors.items()}

    def restore(self, numbers: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Restore a state, so that ``fit(..., resume=True)`` continues the run.

        Raises
        ------
        LookupError, TypeError, ValueError, RuntimeError
            If the state is damaged or belongs to another network.
        """
        parts: dict[str, dict[str, Tensor]] = {}
        for key, value in arrays.items():
            part, _, name = key.partition(".")
            parts.setdefault(part, {})[name] = torch.from_numpy(value)
        for part in ("first", "best", "current"):
            check_tensors(part, parts.get(part, {}), self.network.state_dict())
        check_tensors("generator", parts.get("generator", {}), {"": self._random.get_state()})
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in parts.get("optimizer", {}).items():
            index, _, name = key.partition(".")
            states.setdefault(int(index), {})[name] = value
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        check_optimizer(states, parameters, {"step": False, "exp_avg": True, "exp_avg_sq": True})
        losses, validation = (saved_numbers(name, numbers[name]) for name in _CURVES)
        best_loss, loss = (numbers[name] for name in ("best_loss", "loss"))
        names = "start", "limit", "rate"
        start, limit, rate = saved_numbers(", ".join(names), [numbers[name] for name in names])
        stalled, steps = (check_integer(name, numbers[name], 0) for name in ("stalled", "steps"))
        # checkpoints of earlier versions halved the rate every three epochs
        halvings = check_integer("halvings", numbers.get("halvings", stalled // _PATIENCE[0]), 0)
        self.history = History(
            losses, validation,
            math.inf if best_loss is None else saved_numbers("best_loss", [best_loss])[0], rate,
        )  # fmt: skip
        self.network.load_state_dict(parts["first"])
        first = self._weights()
        self.network.load_state_dict(parts["best"])
        best = self._weights()
        self.network.load_state_dict(parts["current"])
        self._run = _Run(
            check_flag("started", numbers["started"]), start, limit, first, best,
            check_flag("improved", numbers["improved"]), stalled, halvings,
            saved_numbers("loss", [loss], nan=True)[0],
        )  # fmt: skip
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": states, "param_groups": groups})
        self._rate, self._steps = rate, steps
        self._random.set_state(parts["generator"][""])


_CURVES = "losses", "validation"


def split_rows(n: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split row numbers at random into training rows and validation rows.

    Parameters
    ----------
    n : int
        Number of rows, at least 2.
    fraction : float
        Fraction of validation rows.
    seed : int

    Returns
    -------
    training, validation : int64 Tensors
        Sorted row numbers.
    """
    if n < 2:
        raise ValueError("S has one row, which cannot be split: use early_stopping=False")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    n_validation = min(max(1, round(fraction * n)), n - 1)
    return order[n_validation:].sort().values, order[:n_validation].sort().values
