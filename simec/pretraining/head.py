"""The network of fine-tuning: a pre-trained network under a new head (Fig. 6.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from corpora.saved_data import check_saved_array
from simec.network import ACTIVATIONS, Pooling, PoolingMethod, map_parts, perceptron
from simec.types import Float64

__all__ = ["ALPHAS", "FineTuned", "RidgeHead"]

ALPHAS = np.logspace(-8, 4, 25)  # penalties of ridge regression


class FineTuned(nn.Module):
    """A pre-trained network, hidden layers of a head, pooling, and a constant.

    The hidden layers are applied to each part of a point (atom, token, patch) before pooling. The
    last value is the sum of a constant 1 over parts if `pooling` is "sum", that is the number of
    parts, and 1 otherwise. It gives the following linear layer a bias: for sums one for each
    part, as a layer before the sum has it (Fig. 6.6).

    Parameters
    ----------
    network : Module
        It is not copied.
    pooling : "sum", "mean", callable or None
        As in `simec.SimilarityEncoder`.
    head : sequence of int
        Sizes of the hidden layers of the head.
    activation : str
        Their activation, one of `simec.network.ACTIVATIONS`.
    width : int
        Length of the network's embeddings of parts, or of points if there is no pooling.
    generator : torch.Generator, optional
        For the initial weights of the head.

    Attributes
    ----------
    network : Module
    head : Sequential or None
    pooling : Pooling or None
    last : Linear or None
        The last layer, if it has initial weights; see `set_last`.
    """

    def __init__(
        self,
        network: nn.Module,
        pooling: PoolingMethod,
        head: Sequence[int],
        activation: str,
        *,
        width: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.pooling = None if pooling is None else Pooling(pooling)
        self.width = width
        self.last: nn.Linear | None = None
        self.head: nn.Module | None = None
        if len(head):
            layers = perceptron([width, *head], activation, generator=generator)
            self.head = nn.Sequential(*layers, ACTIVATIONS[activation]())

    @property
    def is_sum(self) -> bool:
        """Whether predictions are sums over parts."""
        return self.pooling is not None and self.pooling.method == "sum"

    def embed(self, x: Any) -> Tensor:
        """Return the pooled embeddings of the network, without the head, of shape (b, d)."""
        output = self.network(x)
        embedded: Tensor = output if self.pooling is None else self.pooling(output)
        return embedded

    def set_last(self, W: Float64) -> None:
        """Add a linear last layer, which is trained like the others, with initial weights.

        Parameters
        ----------
        W : float64 array of shape (d + 1, k)
        """
        weight = torch.from_numpy(W.T.astype(np.float32))
        self.last = nn.utils.skip_init(nn.Linear, *W.shape, bias=False)  # type: ignore[no-untyped-call]
        self.last.weight = nn.Parameter(weight.to(next(self.parameters(), weight).device))

    def pooled(self, x: Any) -> Tensor:
        """Return pooled outputs of the hidden layers and the constant, of shape (b, d + 1)."""
        output = self.network(x)
        if self.head is not None:
            output = map_parts(self.head, output)
        if self.pooling is None:
            return _with_constant(output)
        if self.is_sum:
            pooled: Tensor = self.pooling(map_parts(_with_constant, output))
            return pooled
        return _with_constant(self.pooling(output))

    def forward(self, x: Any) -> Tensor:
        """Return `pooled`, or values of shape (b, k) of the last layer if there is one."""
        y = self.pooled(x)
        return y if self.last is None else self.last(y)


def _with_constant(y: Tensor) -> Tensor:
    # sums of many ones are not exact in bfloat16
    return torch.cat([y.float(), y.new_ones(*y.shape[:-1], 1, dtype=torch.float32)], dim=-1)


@dataclass(frozen=True)
class RidgeHead:
    """A linear head on standardized embeddings, fitted in closed form.

    Attributes
    ----------
    mean, scale : float64 arrays of shape (d,)
        Of embeddings.
    coefficients : float64 array of shape (d, k)
    intercept : float64 array of shape (k,)
    """

    mean: Float64
    scale: Float64
    coefficients: Float64
    intercept: Float64

    @classmethod
    def fit(cls, Y: Float64, targets: Float64, *, alpha_per_target: bool) -> RidgeHead:
        """Fit a ridge regression, whose penalty is chosen by leave-one-out validation.

        Parameters
        ----------
        Y : float64 array of shape (m, d)
            Embeddings.
        targets : float64 array of shape (m, k)
        alpha_per_target : bool
            Whether each column of the targets has its own penalty.
        """
        scaler = StandardScaler().fit(Y)
        ridge = RidgeCV(ALPHAS, alpha_per_target=alpha_per_target)
        ridge.fit(scaler.transform(Y), targets)
        return cls(
            scaler.mean_,
            scaler.scale_,
            np.atleast_2d(ridge.coef_).T,
            np.atleast_1d(ridge.intercept_),
        )

    @classmethod
    def start(cls, Y: Float64, targets: Float64, *, classes: bool) -> Float64:
        """Return weights of a last layer without bias, for fine-tuning to start from.

        Parameters
        ----------
        Y : float64 array of shape (m, d)
            Embeddings of the training points.
        targets : float64 array of shape (m, k)
            Values, or probabilities of classes.
        classes : bool
            Whether values of the layer are logits of classes.

        Returns
        -------
        float64 array of shape (d, k)
            Of ridge regression; for classes, of logistic regression.
        """
        scale = np.sqrt(np.square(Y).mean(axis=0))
        scale[scale == 0] = 1
        W: Float64
        if classes:
            model = LogisticRegression(fit_intercept=False, max_iter=1000)
            W = model.fit(Y / scale, targets.argmax(axis=1)).coef_.T.copy()
            if W.shape[1] == 1:  # of two classes
                W = np.hstack([-W, W]) / 2
        else:
            ridge = RidgeCV(ALPHAS, fit_intercept=False, alpha_per_target=True)
            W = np.atleast_2d(ridge.fit(Y / scale, targets).coef_).T.copy()
        W /= scale[:, None]
        return W

    def predict(self, Y: Float64) -> Float64:
        """Return predictions of shape (m, k)."""
        predicted: Float64 = (Y - self.mean) / self.scale @ self.coefficients + self.intercept
        return predicted

    def arrays(self) -> dict[str, Float64]:
        """Return the arrays to save."""
        return {f"ridge.{name}": value for name, value in vars(self).items()}

    @classmethod
    def from_saved(cls, arrays: Mapping[str, npt.NDArray[Any]], k: int) -> RidgeHead:
        """Restore what `arrays` returned; ValueError if it does not fit k targets."""
        mean = check_saved_array("ridge.mean", arrays, "float64", (None,))
        scale = check_saved_array("ridge.scale", arrays, "float64", mean.shape)
        coefficients = check_saved_array("ridge.coefficients", arrays, "float64", (len(mean), k))
        return cls(
            mean, scale, coefficients,
            check_saved_array("ridge.intercept", arrays, "float64", (k,)),
        )  # fmt: skip
