"""Initial weights: the optimum where a closed form exists, spectral otherwise.

The spectral initialization takes the last layer from a decomposition of the targets (thesis,
Sec. 2.2), and the layer before it from a regression of the corresponding embeddings on its inputs.
"""

from __future__ import annotations

import math
import os
import threading
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import sparse
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from simec.data.inputs import CHUNK, Identity, Inputs, SparseInputs
from simec.data.targets import Targets
from simec.linalg.eigen import Part
from simec.linalg.factorization import balanced, padded, right_factor, truncated_svd
from simec.network import SimEcNetwork, is_linear, is_linear_layer, set_weights
from simec.solvers import closed_form
from simec.solvers.als import als, impute
from simec.solvers.objective import Objective
from simec.solvers.problem import MAX_GRAM, Problem, RowReader
from simec.solvers.variational import variational
from simec.types import Float64

_SAMPLE = 1 << 25  # number of targets that suffices for a spectral last layer
_SHRINKAGE = 0.1  # ridge penalty of a spectral last layer, divided by the mean eigenvalue
_MAX_ITER = 4, 10  # of alternating least squares for the last layer: initial weights; optimum
_DENSE = 1 << 20  # maximum number of targets for which sparse S is made dense
_EXACT = 40  # targets per component up to which eigenvectors are not approximated
_SCALE_ROWS = 512  # rows from which the scale of the last layer is computed
_SINGLE = 2000  # with more rows, initial weights use moments of hidden units in float32
_HIDDEN = 1 << 24  # maximum size of activations of hidden units that are kept in memory


def _balance(W1: Float64, W_l: Float64) -> Float64:
    """Factors that give components of both layers the same norm if those differ by far.

    A penalty can shrink W_l to almost nothing, and the bias, which has no penalty, makes up for it:
    the gradients of such weights overflow.
    """
    first, last = np.linalg.norm(W1, axis=0), np.linalg.norm(W_l, axis=1)
    far = (last > 0) & (first > 1e6 * last)
    scale = np.ones(len(W_l))
    scale[far] = np.sqrt(last[far] / first[far])
    return scale


class Initializer:
    """Chooses a solver, formulates its matrix problem, and sets the weights of a network.

    Parameters
    ----------
    network : SimEcNetwork
        Its weights are set in place.
    inputs : Inputs
    targets : Targets
    rows : int64 Tensor
        Training rows.
    objective : Objective
    fixed : bool
        Whether the last layer is fixed.
    tol : float
        Tolerance of iterative solvers, as in `simec.solvers.als.als`.

    Attributes
    ----------
    ignored_missing : bool
        Whether missing targets were treated as zeros because targets are not in memory.
    """

    def __init__(
        self,
        network: SimEcNetwork,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        objective: Objective,
        *,
        fixed: bool = False,
        tol: float = 1e-4,
    ) -> None:
        self.network, self.inputs, self.targets = network, inputs, targets
        self.rows, self.objective, self._fixed, self._tol = rows, objective, fixed, tol
        self._n_targets = int(np.prod(targets.shape))
        self._d = int(network.last.weight.shape[0])
        self.ignored_missing = False

    # Choice of solver

    def set_optimum(self) -> None:
        """Set both layers of a linear network to the minimum of the squared error.

        If the objective has a symmetric term, the error is that of S ≈ Y Yᵀ.
        """
        layer = self.network.encoder[0]  # type: ignore[index]
        problem = self._problem(layer, self.rows, thorough=True)
        if self._fixed:
            W_l = self._last_layer()
            W1 = closed_form.first_layer(problem, W_l)
        elif self.objective.symmetric:
            W1, W_l = self._symmetric(problem)
        elif problem.S is not None:
            W1, W_l = als(problem, self._spectral_last(thorough=True), tol=self._tol)
        else:
            W1, W_l = closed_form.reduced_rank(problem)
        self._set_last_layer(W_l)
        set_weights(layer, W1)

    def set_variational(self, *, progress: bool) -> None:
        """Set both layers of a network without features by variational Bayes.

        Parameters
        ----------
        progress : bool
            Show a progress bar.

        Raises
        ------
        ValueError
            If there are features, no target is missing, or an option is not supported.
        KeyboardInterrupt
            On Ctrl-C; the weights are those of the last iteration.
        """
        layer = self.network.encoder[0]  # type: ignore[index]
        unsupported = self._fixed or self.objective.symmetric or self.objective.orthogonal
        S, weights = self._observed or (None, None)
        unweighted = weights is not None and not self.targets.absent and weights.max() == 1
        if not (isinstance(self.inputs, Identity) and unweighted) or unsupported:
            raise ValueError(
                "solver='variational' needs X=None and targets in memory with missing entries, "
                "and does not support weights, symmetric, orthogonal or last_layer: use "
                "solver='exact'"
            )
        # all rows are training rows
        problem = Problem(
            len(self.rows), len(self.rows), self._n_targets, self._d, S=S, weights=weights
        )
        factors: tuple[Float64, Float64] | None = None
        try:
            start = self._spectral_last(thorough=True)
            for factors in variational(problem, start, progress=progress):  # noqa: B007
                pass
        finally:  # also on Ctrl-C
            if factors is not None:
                Y, W_l = balanced(factors[0], *factors)
                self._set_last_layer(W_l)
                set_weights(layer, Y)

    def set_spectral(self) -> bool:
        """Set the last layer from a decomposition of the targets, and the one before by regression.

        Returns
        -------
        bool
            Whether predictions now approximate the targets. False for networks whose encoder does
            not end with a linear layer; only the last layer is set then.
        """
        with _single_thread:
            if not self._fixed:
                self._set_last_layer(self._spectral_last())
            layer = self._linear_layer
            if layer is None:
                self.scale_last_layer()
                return False
            # several rows for each weight suffice for a regression
            rows = self._spread(max(4096, 8 * int(layer.in_features)))  # type: ignore[arg-type]
            problem = self._problem(layer, rows)
            W_l = self._last_layer()
            W1 = closed_form.first_layer(problem, W_l, thorough=False)
            if not self._fixed and self.network.last.is_linear:
                scale = _balance(W1, W_l)
                W1, W_l = W1 * scale, W_l / scale[:, None]
                self._set_last_layer(W_l)
            set_weights(layer, W1)
            return True

    def scale_last_layer(self) -> None:
        """Scale the last layer so that predictions are at most as large as the targets.

        The embeddings of custom networks may have any scale: they are large if they are sums over
        many atoms. For small ones, as of a new network that ends with tanh, weights are not larger
        than those of a random last layer: training increases the embeddings instead. Large weights
        would make large steps of the embeddings, which then shrink.
        """
        if self._fixed:
            return
        network = self.network
        network.eval()
        predicted = squares = 0.0
        with torch.no_grad():
            for rows in torch.split(self._spread(_SCALE_ROWS), self.inputs.chunk):
                values, observed = self.targets.batch(rows)
                values = network.last.deactivate(values)
                outputs = network.last.linear(network.encoder(self.inputs.batch(rows)))
                weights = torch.ones_like(values) if observed is None else observed
                predicted += float((weights * outputs.square()).sum())
                squares += float((weights * values.square()).sum())
            size = float(network.last.weight.norm())
            if predicted > 0 and squares > 0 and math.isfinite(predicted) and size > 0:
                # a random last layer has a standard deviation of 1 / sqrt(d)
                largest = math.sqrt(self._n_targets) / size
                network.last.weight.mul_(min(math.sqrt(squares / predicted), largest))

    def set_last_layers(self) -> None:
        """Set the last two layers to their joint optimum, with all other layers fixed."""
        with _single_thread:
            layer = self.network.encoder[-1]  # type: ignore[index]
            W1, W_l = closed_form.reduced_rank(self._problem(layer, self.rows))
            self._set_last_layer(W_l)
            set_weights(layer, W1)

    @property
    def has_optimal_last_layers(self) -> bool:
        """Whether `set_last_layers` applies: squared errors, complete targets, only l2 penalty."""
        o = self.objective
        least_squares = o.loss == "mse" and self.network.last.is_linear and self.targets.complete
        penalties = o.symmetric or o.orthogonal or o.decoder
        has_layer = self._linear_layer is not None
        return least_squares and has_layer and not (penalties or self._fixed)

    @property
    def is_linear(self) -> bool:
        """Whether the embedding network is a single linear layer, which is trained."""
        return is_linear(self.network.encoder) and self._linear_layer is not None

    @property
    def _linear_layer(self) -> nn.Module | None:
        """The last layer of the embedding network if it is linear and trained."""
        layers = self.network.encoder
        if not isinstance(layers, nn.Sequential) or not len(layers):
            return None
        layer = layers[-1]
        trained = all(p.requires_grad for p in layer.parameters())
        return layer if is_linear_layer(layer) and trained else None

    def _symmetric(self, problem: Problem) -> tuple[Float64, Float64]:
        """Solve S ≈ Y Yᵀ for both layers."""
        projectable = problem.column_features is not None
        if projectable and problem.S is None:
            return closed_form.symmetric(problem)
        W_l = self._spectral_last(thorough=True)
        W1 = closed_form.first_layer(problem, W_l)
        if not projectable:
            return W1, W_l
        return closed_form.symmetric_observed(problem, W1, W_l)

    # Matrices of the problem

    def _problem(self, layer: nn.Module, rows: Tensor, *, thorough: bool = False) -> Problem:
        """Formulate the least squares problem for the last two layers, on the given rows.

        Parameters
        ----------
        layer : Module
            The layer before the last one.
        rows : int64 Tensor
        thorough : bool
            Whether an optimum is needed instead of initial weights: use float64, and include the
            features of the points that the columns represent.
        """
        linear = is_linear(self.network.encoder)
        bias = layer.bias is not None
        n_features = int(layer.in_features) + bias  # type: ignore[arg-type]
        features: RowReader | None = None
        columns: Any = None
        if not (linear and isinstance(self.inputs, Identity)):
            read = self._feature_reader(layer, rows, thorough=thorough)
            features = self._held(read, rows, n_features)
            if thorough and self.objective.symmetric and n_features <= MAX_GRAM and self._is_square:
                columns = read(self._columns())
        S, weights = self._observed_rows(rows) or (None, None)
        return Problem(
            len(rows), n_features, self._n_targets, self._d,
            features=features, bias=bias,
            targets=lambda numbers: self._read_targets(rows[numbers], thorough=thorough),
            S=S, weights=weights, absent=self.targets.absent,
            # hidden units are correlated, so the regression on them always needs a penalty
            ridge=self.objective.l2 * self._n_targets + (0 if linear else 1e-4),
            l2=self.objective.l2, l2_by_count=self.objective.l2_by_count,
            column_features=columns, same_points=torch.equal(rows, self._columns()),
        )  # fmt: skip

    def _feature_reader(self, layer: nn.Module, rows: Tensor, *, thorough: bool) -> RowReader:
        """Return a reader of the inputs of a layer, with a column of ones for its bias.

        It takes row numbers of the data.
        """
        encoder = self.network.encoder
        assert isinstance(encoder, nn.Sequential)
        before, bias = encoder[:-1], layer.bias is not None
        dtype = np.float32 if len(rows) > _SINGLE and not thorough else np.float64

        def read(rows: Tensor) -> Any:
            with torch.no_grad():
                x = before(self.inputs.batch(rows))
            if x.layout == torch.sparse_csr:
                parts = (x.values(), x.col_indices(), x.crow_indices())
                H: Any = sparse.csr_matrix(
                    tuple(part.cpu().numpy() for part in parts), x.shape, dtype=np.float64
                )
                return sparse.hstack([H, np.ones((len(rows), 1))], "csr") if bias else H
            H = x.cpu().numpy().astype(dtype)
            return np.hstack([H, np.ones((len(H), 1), dtype)]) if bias else H

        return read

    def _held(self, read: RowReader, rows: Tensor, n_features: int) -> RowReader:
        """Return a reader of inputs that takes positions in `rows`.

        Inputs that are small enough, or sparse, are kept in memory; others are computed each time.
        """
        linear = is_linear(self.network.encoder)
        if linear and isinstance(self.inputs, SparseInputs):
            matrix = sparse.vstack([read(part) for part in torch.split(rows, CHUNK)], "csr")
        elif linear or len(rows) * n_features > _HIDDEN:
            return lambda numbers: read(rows[numbers])
        else:
            matrix = np.concatenate([read(part) for part in torch.split(rows, CHUNK)])
        return lambda numbers: matrix[int(numbers[0]) : int(numbers[-1]) + 1]

    def _read_targets(self, rows: Tensor, *, thorough: bool) -> Any:
        """Read targets before the activation, of shape (b, n k), with zeros for missing ones."""
        values, observed = self.targets.batch(rows)
        values = self.network.last.deactivate(values)
        if observed is not None:
            self.ignored_missing = self.ignored_missing or self._observed is None
            values = values * (observed != 0)
        array = values.flatten(1).cpu().numpy()
        # float32, the precision of the targets, suffices for initial weights
        return array.astype(np.float64) if thorough else array

    @cached_property
    def _observed(self) -> tuple[Any, Any] | None:
        """Targets before the activation and their weights; None if complete or not in memory."""
        matrices = None if self.targets.complete else self.targets.matrices()
        if matrices is None:
            return None
        S, weights = matrices
        last = self.network.last
        values = last.deactivate(torch.from_numpy(S.data if sparse.issparse(S) else S)).numpy()
        if sparse.issparse(S):
            return sparse.csr_matrix((values, S.indices, S.indptr), S.shape), weights
        return values * weights, weights

    def _observed_rows(self, rows: Tensor) -> tuple[Any, Any] | None:
        if self._observed is None:
            return None
        S, weights = self._observed
        return S[rows.numpy()], weights[rows.numpy()]

    @property
    def _is_square(self) -> bool:
        """Whether the columns may represent the same points as the first rows."""
        n, *relations = self.targets.shape
        return relations in ([], [1]) and n <= len(self.targets)

    def _columns(self) -> Tensor:
        """Numbers of the rows that may represent the same points as the columns."""
        return torch.arange(self.targets.shape[0])

    def _spread(self, n: int) -> Tensor:
        """Choose n evenly spaced training rows, or all if there are fewer."""
        n = min(n, len(self.rows))
        return self.rows[torch.linspace(0, len(self.rows) - 1, n, dtype=torch.float64).long()]

    def _last_layer(self) -> Float64:
        weight = self.network.last.weight.detach().flatten(1).cpu().numpy()
        return np.asarray(weight, np.float64)

    def _set_last_layer(self, W_l: Float64) -> None:
        with torch.no_grad():
            weight = self.network.last.weight
            weight.copy_(torch.from_numpy(W_l).reshape(weight.shape))

    # The spectral last layer

    def _spectral_last(self, *, thorough: bool = False) -> Float64:
        """Compute a last layer, of shape (d, n k), from a decomposition of the targets."""
        n = self.targets.shape[0]
        # an eigendecomposition, if rows and columns represent the same points
        if self._is_square and n * n <= 4 * _SAMPLE:
            if self.targets.complete:
                S = self._stack_targets(self._columns(), thorough)
                if float(np.abs(S - S.T).max()) <= 1e-4 * float(np.abs(S).max()):
                    part: Part = "positive" if self.objective.symmetric else "absolute"
                    return self._eigenvectors(S, part, thorough)[1]
            elif self._observed is not None and self.objective.symmetric:
                return self._positive_last(thorough)
        large = len(self.rows) * n > _DENSE
        if thorough and large and self._observed is not None and sparse.issparse(self._observed[0]):
            S = self._observed[0][self.rows.numpy()].astype(np.float64)
            k = max(1, min(self._d, *(size - 1 for size in S.shape)))
            _, values, Vt = truncated_svd(S, k)
            return padded(Vt.T * np.sqrt(values), self._d).T
        n_rows = max(1, min(len(self.rows), max(2 * n, 4096), _SAMPLE // max(n, 1)))
        rows = self._spread(n_rows)
        W_l = self._right_factor(self._stack_targets(rows, thorough))
        observed = self._observed_rows(rows)
        if observed is not None:
            # relative to the explained variance, because S may have any scale
            ridge = _SHRINKAGE * float((W_l**2).sum(axis=1).mean())
            ridge /= max(float(observed[1].sum()), 1e-300)
            W_l = self._als_last(*observed, W_l, ridge, thorough)[1]
        # scaled to all rows, so that the norms of Y and W_l stay balanced
        return np.asarray(W_l * (len(self.rows) / n_rows) ** 0.25)

    def _positive_last(self, thorough: bool) -> Float64:
        """Compute a last layer with S ≈ W_lᵀ W_l, for S of shape (n, n) with missing entries."""
        columns = self._columns()
        observed = self._observed_rows(columns)
        assert observed is not None
        W_l = self._right_factor(self._stack_targets(columns, thorough))
        Y, W_l = self._als_last(*observed, W_l, 1e-4, thorough)
        Y, W_l = self._eigenvectors(Y @ W_l, "positive", thorough)
        n = len(columns)
        problem = Problem(n, n, n, self._d, S=observed[0], weights=observed[1])

        def solve(targets: RowReader) -> tuple[Float64, Float64]:
            S = np.vstack([targets(rows) for rows in torch.split(torch.arange(n), CHUNK)])
            return self._eigenvectors(S, "positive", thorough)

        return impute(solve, problem, Y, W_l)[1]

    def _stack_targets(self, rows: Tensor, thorough: bool) -> Any:
        """Read the targets of many rows, of shape (m, n k)."""
        blocks = [self._read_targets(r, thorough=thorough) for r in torch.split(rows, CHUNK)]
        return np.vstack(blocks)

    def _right_factor(self, S: Any) -> Float64:
        """Compute W_l of the best S ≈ Y W_l, with balanced factors."""
        S = S.astype(np.float64, copy=False)
        values, V = right_factor(S, min(self._d, *S.shape))
        return padded(V * np.sqrt(values), self._d).T

    def _als_last(
        self, S: Any, weights: Any, W_l: Float64, ridge: float, thorough: bool
    ) -> tuple[Float64, Float64]:
        """Factorize S with missing entries, without features."""
        n_rows = S.shape[0]
        l2 = max(self.objective.l2, ridge)
        problem = Problem(n_rows, n_rows, self._n_targets, self._d, S=S, weights=weights, l2=l2)
        return als(problem, W_l, max_iter=_MAX_ITER[thorough])

    def _eigenvectors(self, S: Any, part: Part, thorough: bool) -> tuple[Float64, Float64]:
        """Compute the best S ≈ Y W_l for a symmetric S; W_l equals Yᵀ up to signs."""
        if thorough or len(S) <= _EXACT * self._d:
            M = (S + S.T).astype(np.float64) / 2
            values, vectors = closed_form.top_eigenvectors(M, self._d, part)
        else:
            M = np.asarray(S, np.float32)
            values, vectors = closed_form.approximate_eigenvectors(M, self._d, part)
        if part == "positive":
            values = np.maximum(values, 0)
        Y = vectors * np.sqrt(np.abs(values))
        return Y, (Y * np.where(values < 0, -1, 1)).T


class _SingleThread:
    """Limits BLAS to one thread: its idle threads spin and slow down those of PyTorch.

    The limit applies to the whole process and is shared by fits in several threads: the first
    one sets it and the last one lifts it.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):  # another thread may hold the lock
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._n_users = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_users:
                self._limit = threadpool_limits(1, user_api="blas")
            self._n_users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_users -= 1
            if not self._n_users:
                self._limit.restore_original_limits()


_single_thread = _SingleThread()
