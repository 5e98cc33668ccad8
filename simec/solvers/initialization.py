"""The weights that training starts from: closed forms where there are, spectral ones else.

The last layer comes of a decomposition of the targets (2.2), and the layer before it of a
regression that brings embeddings to where that decomposition has them. Where embeddings are
linear in the features this is the optimum already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import torch
from scipy import sparse
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from simec.data.inputs import CHUNK, Identity, Inputs, SparseInputs
from simec.data.targets import Targets
from simec.linalg.eigen import Part
from simec.linalg.svd import truncated_svd
from simec.network import LastLayer, SimEcNetwork, SparseLinear
from simec.solvers.als import alternating, balanced, filling, first, relative_counts, total_weight
from simec.solvers.closed_form import (
    Array,
    LinearFit,
    Pieces,
    near_eigenvectors,
    top_eigenvectors,
    widened,
)
from simec.solvers.objective import Objective
from simec.solvers.variational import variational

P = ParamSpec("P")
T = TypeVar("T")

_SAMPLE = 1 << 25  # targets from which a last layer is found where no more is needed of them
_SHRINKAGE = 0.1  # of the mean eigenvalue that least squares for a last layer have
_ROUNDS = 4, 10  # of alternating least squares for a last layer: for a start, for an optimum
_DENSE = 1 << 20  # targets up to which sparse ones may be made dense
_EXACT = 40  # targets for each component, up to which eigenvectors are exact from the start
_MANY = 2000  # rows from which on moments of hidden units may be taken in float32
_HIDDEN = 1 << 24  # numbers of hidden units that are held, not computed each time
_STEPS = 10, 50  # of conjugate gradients for the layer before it, where targets are missing


def _alone(method: Callable[P, T]) -> Callable[P, T]:
    """Let NumPy use one thread: others, while they wait for work, keep PyTorch's from theirs."""

    @wraps(method)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with threadpool_limits(1, user_api="blas"):
            return method(*args, **kwargs)

    return limited


class Start:
    """Finds weights for a network.

    Parameters
    ----------
    network : SimEcNetwork
        Its weights are set in place.
    inputs, targets
    rows : int64 Tensor
        Those to learn from.
    objective : Objective
    fixed : bool
        Whether the last layer stays as it is.
    tol : float
        Of solutions by rounds: see `alternating`.

    Attributes
    ----------
    gaps : bool
        Whether unknown targets were taken for zeros, as they are not in memory.
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
        self.size = int(np.prod(targets.shape))
        self.d = int(network.last.weight.shape[0])
        self.gaps = False
        self._thorough = False

    def closed_form(self) -> None:
        """Set both layers of a linear network to the optimum of the squared error.

        A weight of the symmetric term above 0 asks for S ≈ Y Yᵀ.
        """
        self._thorough = True
        layer = _only_layer(self.network.encoder)
        assert layer is not None
        fit = self._fit(layer)
        if self._fixed:
            W_l = self._last()
            W1 = self._towards(fit, W_l)
        elif self.objective.symmetric:
            W1, W_l = self._symmetric(fit, layer)
        elif self._held is not None:
            S, known = (M[self.rows.numpy()] for M in self._held)
            W1, W_l = alternating(
                fit, S, known, self._spectral_last(), self.objective.l2,
                absent=self.targets.absent, by_count=self.objective.by_count, tol=self._tol,
            )  # fmt: skip
        else:
            W1, W_l = fit.reduced_rank(self._some, self.size, self.d)
        self._set_last(W_l)
        _set_layer(layer, W1)

    def variational(self, *, progress: bool) -> None:
        """Set both layers, for the identity, by variational Bayes.

        Raises a ValueError if there are features, or no gaps, or something else is asked for, too.
        """
        other = self._fixed or self.objective.symmetric or self.objective.orthogonal
        S, known = cast(Any, self._held or (None, None))
        plain = S is not None and not self.targets.absent and known.max() == 1
        if not (isinstance(self.inputs, Identity) and plain) or other:
            raise ValueError(
                "solver='variational' is for X=None and targets in memory of which some are "
                "unknown, without weights, symmetric, orthogonal or last_layer: use solver='exact'"
            )
        self._thorough = True
        if not sparse.issparse(S):
            S = sparse.csr_matrix((S[np.nonzero(known)], np.nonzero(known)), S.shape)
        found = None
        try:
            for found in variational(S, self._spectral_last(), progress=progress):  # noqa: B007
                pass
        finally:  # after Ctrl-C, too
            if found is not None:
                Y, W_l = balanced(found[0], *found)
                self._set_last(W_l)
                _set_layer(self.network.encoder[0], Y)  # type: ignore[index]

    @_alone
    def spectral(self) -> bool:
        """Set the last layer by a decomposition of the targets, the one before by regression.

        Returns
        -------
        bool
            Whether embeddings are near to their targets now: not with a network of another kind
            than `simec.network.perceptron` makes.
        """
        if not self._fixed:
            self._set_last(self._spectral_last())
        layers = self.network.encoder
        if not isinstance(layers, nn.Sequential) or not _is_linear(layers[-1]):
            return False
        # a regression needs some rows for each weight, and no more
        n_some = max(4096, 8 * int(layers[-1].in_features))  # type: ignore[arg-type]
        every, self.rows = self.rows, self._spread(n_some)
        _set_layer(layers[-1], self._towards(self._fit(layers[-1]), self._last()))
        self.rows = every
        return True

    @_alone
    def last_layers(self) -> None:
        """Set the last two layers to the optimum for hidden units as they are."""
        layer = self.network.encoder[-1]  # type: ignore[index]
        W1, W_l = self._fit(layer).reduced_rank(self._some, self.size, self.d)
        self._set_last(W_l)
        _set_layer(layer, W1)

    @property
    def has_last_layers(self) -> bool:
        """Whether `last_layers` finds an optimum: of squared errors alone, nothing missing."""
        layers, o = self.network.encoder, self.objective
        plain = o.loss == "mse" and self.network.last.is_linear and self.targets.complete
        penalties = o.symmetric or o.orthogonal or o.decoder
        end_linear = isinstance(layers, nn.Sequential) and _is_linear(layers[-1])
        return plain and end_linear and not (penalties or self._fixed)

    def _spread(self, n: int) -> Tensor:
        """So many of the rows, spread evenly; or all."""
        n = min(n, len(self.rows))
        return self.rows[torch.linspace(0, len(self.rows) - 1, n, dtype=torch.float64).long()]

    # Parts

    def _last(self) -> Array:
        weight = self.network.last.weight.detach().flatten(1).cpu().numpy()
        return weight.astype(np.float64)

    def _set_last(self, W_l: Array) -> None:
        with torch.no_grad():
            weight = self.network.last.weight
            weight.copy_(torch.from_numpy(W_l).reshape(weight.shape))

    def _columns(self) -> Tensor:
        return torch.arange(self.targets.shape[0])

    def _symmetric(self, fit: LinearFit, layer: nn.Module) -> tuple[Array, Array]:
        """Both layers, such that S ≈ Y Yᵀ."""
        project = self._square and fit.factor is not None
        if project:
            first_rows = self._features(layer)(self._columns())
            same = torch.equal(self.rows, self._columns())
        if self._held is None and project:
            return fit.symmetric(self._some, first_rows, self.d, same=same)
        W_l = self._spectral_last()
        W1 = self._towards(fit, W_l)
        if self._held is None or not project:
            return W1, W_l
        S, known = (M[self.rows.numpy()] for M in self._held)
        return filling(
            lambda pieces: fit.symmetric(pieces, first_rows, self.d, same=same),
            fit, S, known, W1, W_l,
        )  # fmt: skip

    @property
    def _square(self) -> bool:
        """Whether the first rows may be what the columns stand for."""
        n, *kinds = self.targets.shape
        return kinds in ([], [1]) and n <= len(self.targets)

    def _fit(self, layer: nn.Module) -> LinearFit:
        bias = layer.bias is not None
        n_features = int(layer.in_features) + bias  # type: ignore[arg-type]
        one_layer = _only_layer(self.network.encoder) is not None
        # deep features are many and alike: some penalty always
        ridge = self.objective.l2 * self.size + (0 if one_layer else 1e-4)
        if isinstance(self.inputs, Identity) and one_layer:
            return LinearFit(
                None, len(self.rows), n_features, ridge, bias=False, width=self.size
            )  # fmt: skip
        features = self._features(layer)
        if isinstance(self.inputs, SparseInputs) and one_layer:
            matrix = sparse.vstack(
                [features(rows) for rows in torch.split(self.rows, CHUNK)], "csr"
            )

            def pieces(rows: Tensor) -> Any:
                return matrix[int(rows[0]) : int(rows[-1]) + 1]

        elif one_layer or len(self.rows) * n_features > _HIDDEN:

            def pieces(rows: Tensor) -> Any:
                return features(self.rows[rows])

        else:
            hidden = np.concatenate([features(rows) for rows in torch.split(self.rows, CHUNK)])

            def pieces(rows: Tensor) -> Any:
                return hidden[rows.numpy()]

        return LinearFit(
            pieces,
            len(self.rows), n_features, ridge, bias=bias, width=self.size,
        )  # fmt: skip

    def _features(self, layer: nn.Module) -> Pieces:
        """What a layer takes, with a column of ones for its bias."""
        encoder = self.network.encoder
        assert isinstance(encoder, nn.Sequential)
        before, bias = encoder[:-1], layer.bias is not None
        single = len(self.rows) > _MANY and not self._thorough
        dtype = np.float32 if single else np.float64

        def features(rows: Tensor) -> Any:
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

        return features

    def _some(self, rows: Tensor) -> Array:
        """Targets of some of the rows to learn from, before the activation; 0 where unknown."""
        return self._all(self.rows[rows])

    def _all(self, rows: Tensor) -> Array:
        values, known = self.targets.batch(rows)
        values = self.network.last.deactivate(values)
        if known is not None:
            self.gaps = self.gaps or self._held is None
            values = values * (known != 0)
        found: Array = values.flatten(1).cpu().numpy()
        # float32, as targets are, is enough to start from
        return found.astype(np.float64) if self._thorough else found

    @cached_property
    def _held(self) -> tuple[Any, Any] | None:
        """Targets with gaps, before the activation, and what is known; None if not in memory."""
        matrices = None if self.targets.complete else self.targets.matrices()
        if matrices is None:
            return None
        S, known = matrices
        last: LastLayer = self.network.last
        values = last.deactivate(torch.from_numpy(S.data if sparse.issparse(S) else S)).numpy()
        if sparse.issparse(S):
            return sparse.csr_matrix((values, S.indices, S.indptr), S.shape), known
        return values * known, known

    def _towards(self, fit: LinearFit, W_l: Array) -> Array:
        if self._held is None:
            return fit.towards(self._some, W_l)
        S, known = (M[self.rows.numpy()].astype(np.float64) for M in self._held)
        absent, by_count = self.targets.absent, self.objective.by_count
        weight = total_weight(known, absent)
        share = weight / (known.shape[0] * known.shape[1])
        least = max(1e-6 * share * float((W_l**2).sum(axis=1).mean()), 1e-300)
        l2: Any = self.objective.l2 * weight
        if fit.features is None:
            l2 = l2 * relative_counts(known, 1, by_count)[:, None]
        penalty = np.maximum(l2, least * fit.squares) * fit.costs
        return first(fit, S, known, W_l, penalty, steps=_STEPS[self._thorough], absent=absent)

    def _spectral_last(self) -> Array:
        """A last layer from the targets of some rows."""
        n, rounds = self.targets.shape[0], _ROUNDS[self._thorough]
        # the targets themselves, if they are among the rows
        if self._square and n * n <= 4 * _SAMPLE:
            if self.targets.complete:
                S = np.vstack([self._all(rows) for rows in torch.split(self._columns(), CHUNK)])
                if float(np.abs(S - S.T).max()) <= 1e-4 * float(np.abs(S).max()):
                    part: Part = "positive" if self.objective.symmetric else "absolute"
                    return self._eigen(S, part)[1]
            elif self._held is not None and self.objective.symmetric:
                return self._positive(*(M[:n] for M in self._held))
        held, many = self._held, len(self.rows) * n > _DENSE
        if self._thorough and many and held is not None and sparse.issparse(held[0]):
            S = held[0][self.rows.numpy()].astype(np.float64)
            _, sizes, V = truncated_svd(S, max(1, min(self.d, *(size - 1 for size in S.shape))))
            return widened(V.T * np.sqrt(sizes), self.d).T
        n_some = max(1, min(len(self.rows), max(2 * n, 4096), _SAMPLE // max(n, 1)))
        some = self._spread(n_some)
        plain = LinearFit(None, n_some, n_some, 0, bias=False)
        _, W_l = plain.reduced_rank(lambda rows: self._all(some[rows]), self.size, self.d)
        if self._held is not None:
            S, known = (M[some.numpy()] for M in self._held)
            # a small share of what embeddings explain: S may be of any scale
            ridge = _SHRINKAGE * float((W_l**2).sum(axis=1).mean()) / float(known.sum())
            _, W_l = alternating(plain, S, known, W_l, max(self.objective.l2, ridge), rounds)
        # for all rows, targets are as long as for some
        return np.asarray(W_l * (len(self.rows) / n_some) ** 0.25)

    def _eigen(self, S: Array, part: Part) -> tuple[Array, Array]:
        """The best S ≈ Y W_l for a symmetric S, with W_l = Yᵀ but for signs."""
        if self._thorough or len(S) <= _EXACT * self.d:
            values, vectors = top_eigenvectors((S + S.T).astype(np.float64) / 2, self.d, part)
        else:
            values, vectors = near_eigenvectors(np.asarray(S, np.float32), self.d, part)
        if part == "positive":
            values = np.maximum(values, 0)
        Y = vectors * np.sqrt(np.abs(values))
        return Y, (Y * np.where(values < 0, -1, 1)).T

    def _positive(self, S: Any, known: Any) -> Array:
        """A last layer with S ≈ W_lᵀ W_l where S is known, for shape (n, n)."""
        plain = LinearFit(None, len(self._columns()), len(self._columns()), 0, bias=False)

        def solve(pieces: Pieces) -> tuple[Array, Array]:
            return self._eigen(np.vstack([pieces(rows) for rows in plain.chunks()]), "positive")

        _, W_l = plain.reduced_rank(lambda rows: self._all(rows), self.size, self.d)
        rounds = _ROUNDS[self._thorough]
        Y, W_l = alternating(plain, S, known, W_l, max(self.objective.l2, 1e-4), rounds)
        Y, W_l = solve(lambda rows: Y[rows] @ W_l)
        return filling(solve, plain, S, known, Y, W_l)[1]


def _is_linear(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.Linear, SparseLinear))


def _only_layer(encoder: nn.Module) -> nn.Module | None:
    """The layer of a linear embedding network; None if it is another."""
    if isinstance(encoder, nn.Sequential) and len(encoder) == 1 and _is_linear(encoder[0]):
        return encoder[0]
    return None


def is_linear(encoder: nn.Module) -> bool:
    """Whether embeddings are a linear function of the features."""
    return _only_layer(encoder) is not None


def _set_layer(layer: Any, W: Array) -> None:
    """Set weights, and biases if there are, from a matrix of shape (p, d)."""
    with torch.no_grad():
        weights = torch.from_numpy(W)
        if layer.bias is not None:
            layer.bias.copy_(weights[-1])
            weights = weights[:-1]
        layer.weight.copy_(weights if isinstance(layer, SparseLinear) else weights.T)
