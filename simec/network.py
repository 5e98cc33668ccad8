"""The network: embedding network, last layer, and a decoder if one is wanted (Fig. 2.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
}

TargetActivation = str | tuple[float, float] | None


class SparseLinear(nn.Module):
    """A linear layer for sparse rows, or rows of the identity, which works on what is there.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool

    Attributes
    ----------
    weight : Parameter of shape (in_features, out_features)
        The other way round than in `torch.nn.Linear`, so that rows lie together in memory.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        bound = math.sqrt(3 / in_features)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Of a dense or CSR matrix, shape (b, in_features), or of row numbers, shape (b,)."""
        if x.dtype == torch.int64:
            y = F.embedding(x, self.weight)
        elif x.layout == torch.sparse_csr:
            y = F.embedding_bag(
                x.col_indices(),
                self.weight,
                x.crow_indices()[:-1],
                mode="sum",
                per_sample_weights=x.values().to(self.weight.dtype),
            )
        else:
            y = x @ self.weight
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class LastLayer(nn.Module):
    """Embeddings times W_l, and an activation that keeps predictions in a range.

    Parameters
    ----------
    n_components : int
        d
    targets : sequence of int
        ``(n,)``; or ``(n, k)`` for k relations.
    activation : "sigmoid", (low, high) or None

    Attributes
    ----------
    weight : Parameter of shape (d, n) or (d, n, k)
        W_l.
    """

    def __init__(
        self, n_components: int, targets: Sequence[int], activation: TargetActivation = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_components, *targets))
        nn.init.normal_(self.weight, std=1 / math.sqrt(n_components))
        self.low, self.high = (
            (0.0, 1.0)
            if activation == "sigmoid"
            else (-math.inf, math.inf)
            if activation is None
            else (float(activation[0]), float(activation[1]))
        )

    @property
    def is_linear(self) -> bool:
        """Whether there is no activation."""
        return not math.isfinite(self.low)

    def linear(self, y: Tensor) -> Tensor:
        """What comes before the activation, shape (b, n) or (b, n, k)."""
        d, *targets = self.weight.shape
        return (y @ self.weight.reshape(d, -1)).reshape(len(y), *targets)

    def forward(self, y: Tensor) -> Tensor:
        """Predictions for embeddings of shape (b, d)."""
        return self.activate(self.linear(y))

    def activate(self, values: Tensor) -> Tensor:
        """From anywhere to the range of targets."""
        if self.is_linear:
            return values
        return self.low + (self.high - self.low) * torch.sigmoid(values)

    def deactivate(self, targets: Tensor) -> Tensor:
        """What would give these targets, or ones within the range if they lie at its ends."""
        if self.is_linear:
            return targets
        share = (targets - self.low) / (self.high - self.low)
        return torch.logit(share.clamp(0.02, 0.98))


class SimEcNetwork(nn.Module):
    """The full network, from features to predictions.

    Attributes
    ----------
    encoder : Module
        From features to embeddings of shape (b, d).
    last : LastLayer
    decoder : Module or None
        From embeddings back to features of shape (b, D).
    """

    def __init__(
        self, encoder: nn.Module, last: LastLayer, decoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.last = last
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        """Predictions of shape (b, n) or (b, n, k)."""
        predicted: Tensor = self.last(self.encoder(x))
        return predicted


def perceptron(
    sizes: Sequence[int], activation: str, *, bias: bool = True, sparse: bool = False
) -> nn.Sequential:
    """Linear layers with activations between them, and none at the end.

    Parameters
    ----------
    sizes : sequence of int
        Features, hidden units of each layer, embedding.
    activation : str
        One of `ACTIVATIONS`.
    bias : bool
        Whether layers have one.
    sparse : bool
        Whether the first layer takes sparse rows.
    """
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        if layers:
            layers.append(ACTIVATIONS[activation]())
        kind = SparseLinear if sparse and i == 0 else nn.Linear
        layers.append(kind(n_in, n_out, bias=bias))
    return nn.Sequential(*layers)
