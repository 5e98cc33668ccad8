"""The network for links: a Similarity Encoder with a tensor as last layer (2.1, 4.1).

Of an entity's embedding y, and a relation's middle matrix M, scores of all entities as the other
end of the link are ``y M Wᵀ``. W are the embeddings themselves, or weights of their own.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from simec.network import SparseLinear, perceptron

MIDDLES = ("complex", "diagonal", "full")


class _Grouped(torch.autograd.Function):
    """Rows times the matrix of their relation, a product for each relation that occurs."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, relations: Tensor) -> Tensor:
        order = torch.argsort(relations)
        found, counts = torch.unique_consecutive(relations[order], return_counts=True)
        parts = list(zip(found.tolist(), torch.split(order, counts.tolist()), strict=True))
        out = torch.empty_like(y)
        for r, rows in parts:
            out[rows] = y[rows] @ weight[r]
        ctx.save_for_backward(y, weight)
        ctx.parts = parts
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        y, weight = ctx.saved_tensors
        by_y, by_weight = torch.empty_like(y), torch.zeros_like(weight)
        for r, rows in ctx.parts:
            by_y[rows] = gradient[rows] @ weight[r].T
            by_weight[r] = y[rows].T @ gradient[rows]
        return by_y, by_weight, None


class Middle(nn.Module):
    """One middle matrix for each relation.

    Parameters
    ----------
    n_relations, n_components : int
    kind : {"complex", "diagonal", "full"}
        A full matrix (RESCAL), a diagonal (DistMult), or blocks of 2 × 2 that turn and scale,
        which is a diagonal of complex numbers (ComplEx). The first half of an embedding are
        real parts then, the second half imaginary ones.
    scale : float
        Standard deviation at the start. A full matrix starts with what keeps lengths as they are.

    Attributes
    ----------
    weight : Parameter of shape (k, d), or (k, d, d) if full
    """

    def __init__(self, n_relations: int, n_components: int, kind: str, scale: float = 1.0) -> None:
        super().__init__()
        self.kind = kind
        shape = (n_relations, n_components)
        if kind == "full":
            self.weight = nn.Parameter(torch.empty(*shape, n_components))
            nn.init.normal_(self.weight, std=1 / math.sqrt(n_components))
        else:
            self.weight = nn.Parameter(torch.empty(shape))
            nn.init.normal_(self.weight, std=scale)

    def forward(self, y: Tensor, relations: Tensor) -> Tensor:
        """Rows y times the matrices of their relations, shape (b, d)."""
        if self.kind == "full":
            product: Tensor = _Grouped.apply(y, self.weight, relations)  # type: ignore[no-untyped-call]
            return product
        m = self.weight[relations]
        if self.kind == "diagonal":
            return y * m
        (y1, y2), (m1, m2) = y.chunk(2, 1), m.chunk(2, 1)
        return torch.cat([y1 * m1 - y2 * m2, y1 * m2 + y2 * m1], 1)

    def cubes(self, y: Tensor) -> Tensor:
        """Sums of cubed moduli of embeddings, shape (b,), which N3 keeps small."""
        if self.kind == "complex":
            y1, y2 = y.chunk(2, 1)
            # a root has no derivative at 0
            y = (y1.square() + y2.square() + 1e-12).sqrt()
        return y.abs().pow(3).sum(1)

    def relation_cubes(self, relations: Tensor) -> Tensor:
        """The same of middle matrices, shape (b,)."""
        m = self.weight[relations]
        return m.abs().pow(3).sum((1, 2)) if self.kind == "full" else self.cubes(m)


class LinkNetwork(nn.Module):
    """Embedding network, middle matrices, and last layer.

    Parameters
    ----------
    n_entities, n_relations, n_components : int
    kind : str
        Of middle matrices.
    n_features : int, optional
        The network takes features of entities; if not given, rows of the identity.
    hidden_layers : tuple of int
    activation : str
    tied : bool
        Whether the last layer are the embeddings of entities.
    n_biases : int
        How many constants an entity's scores have: 0, one for all relations, or one for each.
    scale : float
        Standard deviation of weights at the start: of entities, and of relations unless full.

    Attributes
    ----------
    encoder : Module
        From features, or numbers of entities, to embeddings of shape (b, d).
    middle : Middle
    last : Parameter of shape (n, d), or None
        W, if it is not the embeddings.
    bias : Parameter of shape (n_biases, n), or None
    """

    def __init__(
        self,
        n_entities: int,
        n_relations: int,
        n_components: int,
        kind: str,
        *,
        n_features: int | None = None,
        hidden_layers: tuple[int, ...] = (),
        activation: str = "tanh",
        tied: bool = True,
        n_biases: int = 0,
        scale: float = 1e-3,
    ) -> None:
        super().__init__()
        self.encoder: nn.Module
        if n_features is None:
            self.encoder = SparseLinear(n_entities, n_components, bias=False)
            nn.init.normal_(self.encoder.weight, std=scale)
        else:
            sizes = (n_features, *hidden_layers, n_components)
            self.encoder = perceptron(sizes, activation, sparse=True)
        self.middle = Middle(n_relations, n_components, kind, scale)
        self.last = None if tied else nn.Parameter(torch.randn(n_entities, n_components) * scale)
        self.bias = nn.Parameter(torch.zeros(n_biases, n_entities)) if n_biases else None

    def biases(self, relations: Tensor) -> Tensor | None:
        """Constants of some relations, shape (b, n) or, where all have the same, (1, n)."""
        return self.bias if self.bias is None or len(self.bias) == 1 else self.bias[relations]
