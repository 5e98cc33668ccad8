"""What an encoder does between parameters and a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from simec import building
from simec.building import Layout
from simec.data import validation as data
from simec.data.inputs import FloatArray, Inputs, chunks
from simec.data.targets import Targets
from simec.network import SimEcNetwork
from simec.solvers.gradient import Schedule, Trainer, held_out
from simec.solvers.initialization import Start, is_linear
from simec.solvers.objective import Objective
from simec.solvers.projection import find_basis


class Fitting(BaseEstimator):  # type: ignore[misc]
    """Steps that methods of `simec.SimilarityEncoder` are made of."""

    if TYPE_CHECKING:
        # parameters and attributes, which the estimator tells of
        def __getattr__(self, name: str) -> Any: ...

    def _read(
        self, X: Any, S: Any, mask: Any, *, reset: bool
    ) -> tuple[int, Inputs | None, Targets]:
        """The seed, features (None for the identity) and targets."""
        seed = int(check_random_state(self.random_state).randint(1 << 31))
        self._device_ = data.choose_device(self.device)
        inputs = (None if X is None else self._features(X, reset=True)) if reset else self._known(X)
        targets = data.read_targets(S, inputs, self.n_targets, mask, self._device_)
        data.check_range(targets, self.loss)
        return seed, inputs, targets

    def _known(self, X: Any) -> Inputs:
        """Features, or rows of the identity, as in `fit`."""
        if self._layout.inputs == "identity":
            return self._identity(X)
        return self._features(X, reset=False)

    def _features(self, X: Any, *, reset: bool) -> Inputs:
        images = self.network is not None
        return data.read_inputs(self, X, self._device_, reset=reset, images=images)

    def _held_out(
        self, targets: Targets, seed: int, *, entries: bool
    ) -> tuple[Targets, Tensor, tuple[Targets, Tensor] | None]:
        """Targets and rows to learn from, and those to measure on."""
        rows = torch.arange(len(targets))
        if not self.early_stopping:
            return targets, rows, None
        if entries:
            random = np.random.default_rng(seed)
            kept, out = targets.hold_out(
                self.validation_fraction, random, symmetric=bool(self.symmetric)
            )
            return kept, rows, (out, rows)
        kept_rows, out_rows = held_out(len(targets), self.validation_fraction, seed)
        return targets, kept_rows, (targets, out_rows)

    def _build(self, layout: Layout, seed: int) -> None:
        """A new network, without a history."""
        self._layout = layout
        self.n_features_in_ = layout.n_features
        self.module_ = building.build(self, layout, seed).to(self._device_)
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        self.best_loss_, self.n_iter_ = math.inf, 0
        self.__dict__.pop("_trainer", None)

    def _check_same(self, layout: Layout) -> None:
        """Raise the ValueError of data that a network cannot go on with."""
        old = self._layout
        size = tuple(self.module_.last.weight.shape)
        needed = (self.n_components, *layout.targets)
        for name, there, here in (
            ("features", old.n_features, layout.n_features),
            ("kind of features", old.inputs == "identity", layout.inputs == "identity"),
            ("components and targets", size, needed),
        ):
            if there != here:
                raise ValueError(
                    f"warm_start=True goes on with the network that there is, but its {name} "
                    f"were {there}, and now are {here}: use warm_start=False"
                )

    def _check_network(self, inputs: Inputs) -> None:
        """Raise the ValueError of a network of one's own that gives something else."""
        self.module_.eval()
        with torch.no_grad():
            found = tuple(self.module_.encoder(inputs.batch(torch.arange(1))).shape)
        if found != (1, self.n_components):
            raise ValueError(
                f"network gives an array of shape {found} for one row; embeddings of shape "
                f"(1, {self.n_components}) are needed: set n_components"
            )

    def _check_targets(self, targets: Targets) -> None:
        if targets.shape != self._layout.targets:
            raise ValueError(
                f"rows of S have shape {targets.shape}; in fit it was {self._layout.targets}"
            )

    def _fix(self, last_layer: Any) -> None:
        weight = self.module_.last.weight
        W_l = torch.as_tensor(np.asarray(last_layer, np.float32))
        if W_l.shape != weight.shape:
            raise ValueError(
                f"last_layer has shape {tuple(W_l.shape)}; {tuple(weight.shape)} is needed: "
                "n_components by targets"
            )
        with torch.no_grad():
            weight.copy_(W_l)
        weight.requires_grad_(False)

    def _start(self, inputs: Inputs, targets: Targets, rows: Tensor, *, fixed: bool) -> bool:
        """Set weights to start from; whether they are good already."""
        start = Start(
            self.module_, inputs, targets, rows, self._objective(), fixed=fixed, tol=self.tol
        )
        if self.solver != "adam" and is_linear(self.module_.encoder):
            if self.solver == "variational":
                start.variational(progress=bool(self.verbose))
            else:
                start.closed_form()
            if start.gaps and self.solver == "exact":
                raise ValueError(
                    "some targets are unknown, and solver='exact' needs those in memory then: give "
                    "an array or a sparse matrix, or use solver='auto'"
                )
            return True
        return self.init == "spectral" and start.spectral()

    def _train(
        self,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: tuple[Targets, Tensor] | None,
        seed: int,
        *,
        go_on: bool,
    ) -> None:
        """Train from a start, or from the weights that there are, and finish by least squares."""
        last, objective = self.module_.last, self._objective()
        fixed = not last.weight.requires_grad
        # "adam" is Adam alone, and a closed form is an optimum already
        helped = self.solver == "auto" and not is_linear(self.module_.encoder)
        basis = find_basis(targets, rows, last, objective) if helped else None
        small = targets if basis is None else basis.coordinates(targets, self._device_)
        if validation is not None and validation[0] is targets:
            validation = small, validation[1]
        start = Start(self.module_, inputs, small, rows, objective, fixed=fixed)
        with nullcontext() if basis is None else basis.in_place(last):
            started = go_on or self._start(inputs, small, rows, fixed=fixed)
            self._trainer = trainer = self._new_trainer(seed)
            try:
                finish = start.last_layers if helped and start.has_last_layers else None
                trainer.fit(inputs, small, rows, validation, started=started, finish=finish)
            finally:
                history = trainer.history
                self.loss_curve_, self.validation_curve_ = history.losses, history.validation
                self.best_loss_, self.n_iter_ = history.best_loss, max(1, len(history.losses))
        if basis is not None:
            # its optimizer knows of another last layer
            del self._trainer

    def _objective(self) -> Objective:
        return Objective(
            self.loss, float(self.symmetric), float(self.orthogonal), float(self.l2),
            float(self.decoder), float(self.l2_by_count),
        )  # fmt: skip

    def _new_trainer(self, seed: int) -> Trainer:
        mixed = self.mixed_precision
        schedule = Schedule(
            self.batch_size, self.max_iter, self.learning_rate, self.tol, self.n_iter_no_change,
            self._device_.type == "cuda" if mixed == "auto" else bool(mixed), bool(self.verbose),
        )  # fmt: skip
        return Trainer(self.module_, self._objective(), schedule, seed, self._device_)

    def _module(self) -> SimEcNetwork:
        check_is_fitted(self, "module_")
        return self.module_

    def _embed(self, X: Any) -> FloatArray:
        return self._apply(X, self._module().encoder)

    def _identity(self, X: Any) -> Inputs:
        return data.read_identity(X, self._layout.n_features, self._device_)

    def _apply(self, X: Any, network: Callable[[Tensor], Tensor]) -> FloatArray:
        inputs = self._known(X)
        self.module_.eval()
        with torch.inference_mode():
            parts = [network(inputs.batch(rows)).float().cpu() for rows in chunks(len(inputs))]
        return np.asarray(torch.cat(parts).numpy())
