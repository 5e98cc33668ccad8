"""The network for links: a Similarity Encoder with a tensor as last layer (thesis, Sec. 2.1, 4.1).

For an entity with embedding y and a relation with matrix M, the scores of all entities at the other
end of the link are ``y M Wᵀ``. W are the embeddings themselves, or separate weights.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy import sparse
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from corpora.errors import warn
from simec.data.inputs import DenseInputs, Inputs, SparseInputs
from simec.links.queries import Scorer
from simec.network import SparseLinear, perceptron

RELATION_MATRICES = ("complex", "diagonal", "full")


class _Grouped(torch.autograd.Function):
    """Rows times the matrix of their relation, with one product for each relation that occurs."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, relations: Tensor) -> Tensor:
        order = torch.argsort(relations)
        unique, counts = torch.unique_consecutive(relations[order], return_counts=True)
        groups = list(zip(unique.tolist(), torch.split(order, counts.tolist()), strict=True))
        out = torch.empty_like(y)
        for r, rows in groups:
            out[rows] = y[rows] @ weight[r]
        ctx.save_for_backward(y, weight)
        ctx.groups = groups
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        y, weight = ctx.saved_tensors
        by_y, by_weight = torch.empty_like(y), torch.zeros_like(weight)
        for r, rows in ctx.groups:
            by_y[rows] = gradient[rows] @ weight[r].T
            by_weight[r] = y[rows].T @ gradient[rows]
        return by_y, by_weight, None


class RelationMatrices(nn.Module):
    """One matrix for each relation.

    Parameters
    ----------
    n_relations, n_components : int
    kind : {"complex", "diagonal", "full"}
        A full matrix (RESCAL), a diagonal (DistMult), or blocks of 2 × 2 that rotate and scale,
        which is a diagonal of complex numbers (ComplEx). With the last, the first half of an
        embedding holds the real parts and the second half the imaginary parts.
    scale : float
        Initial standard deviation. Full matrices start with one that preserves lengths.
    generator : torch.Generator, optional
        For the initial weights; PyTorch's global one by default.

    Attributes
    ----------
    weight : Parameter of shape (k, d), or (k, d, d) if full
    """

    def __init__(
        self,
        n_relations: int,
        n_components: int,
        kind: str,
        scale: float = 1.0,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        shape = (n_relations, n_components)
        if kind == "full":
            self.weight = nn.Parameter(torch.empty(*shape, n_components))
            nn.init.normal_(self.weight, std=1 / math.sqrt(n_components), generator=generator)
        else:
            self.weight = nn.Parameter(torch.empty(shape))
            nn.init.normal_(self.weight, std=scale, generator=generator)

    def forward(self, y: Tensor, relations: Tensor) -> Tensor:
        """Multiply rows y by the matrices of their relations, shape (b, d)."""
        if self.kind == "full":
            product: Tensor = _Grouped.apply(y, self.weight, relations)  # type: ignore[no-untyped-call]
            return product
        m = self.weight[relations]
        if self.kind == "diagonal":
            return y * m
        (y1, y2), (m1, m2) = y.chunk(2, 1), m.chunk(2, 1)
        return torch.cat([y1 * m1 - y2 * m2, y1 * m2 + y2 * m1], 1)

    @torch.no_grad()
    def cubes(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of cubed moduli and their gradients, for the N3 penalty.

        Parameters
        ----------
        y : Tensor of shape (b, d), or (b, d, d)
            Embeddings, or relation matrices: rows of `weight`.

        Returns
        -------
        sums : Tensor of shape (b,)
        gradients : Tensor of the shape of y
        """
        if self.kind == "complex":
            y1, y2 = y.chunk(2, 1)
            squares = y1.square().addcmul_(y2, y2)
            moduli = squares.sqrt()
            return (squares * moduli).sum(1), torch.cat([y1 * moduli, y2 * moduli], 1).mul_(3)
        gradients = y.abs().mul_(y)
        return (gradients * y).abs_().flatten(1).sum(1), gradients.mul_(3)


class LinkNetwork(nn.Module):
    """Embedding network, relation matrices, and last layer.

    Parameters
    ----------
    n_entities, n_relations, n_components : int
    kind : {"complex", "diagonal", "full"}
        Form of the relation matrices.
    n_features : int, optional
        D, for a network that takes features of entities. By default it takes their numbers.
    hidden_layers : tuple of int
    activation : str
    tied : bool
        Whether the embeddings of entities are the last layer.
    n_biases : int
        Biases of an entity's scores: 0, one for all relations, or one for each relation.
    scale : float
        Initial standard deviation of the weights of entities, and of relations unless full.
    generator : torch.Generator, optional
        For the initial weights; PyTorch's global one by default.

    Attributes
    ----------
    encoder : Module
        From features, or numbers of entities, to embeddings of shape (b, d).
    relation_matrices : RelationMatrices
    last : Parameter of shape (n, d), or None
        W; None if the embeddings are the last layer.
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
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.encoder: nn.Module
        if n_features is None:
            self.encoder = SparseLinear(n_entities, n_components, bias=False, generator=generator)
            nn.init.normal_(self.encoder.weight, std=scale, generator=generator)
        else:
            sizes = (n_features, *hidden_layers, n_components)
            self.encoder = perceptron(sizes, activation, sparse=True, generator=generator)
        self.n_features = n_features
        self.relation_matrices = RelationMatrices(
            n_relations, n_components, kind, scale, generator=generator
        )
        self.last: nn.Parameter | None = None
        if not tied:
            weights = torch.randn(n_entities, n_components, generator=generator)
            self.last = nn.Parameter(weights * scale)
        self.bias = nn.Parameter(torch.zeros(n_biases, n_entities)) if n_biases else None

    @property
    def middle(self) -> RelationMatrices:
        """Deprecated name of `relation_matrices`."""
        warn("LinkNetwork.middle is deprecated, use relation_matrices", DeprecationWarning)
        return self.relation_matrices

    def embed(self, inputs: Inputs | None = None, entities: Tensor | None = None) -> Tensor:
        """Return the embeddings of all or the given entities, shape (c, d).

        Parameters
        ----------
        inputs : Inputs, optional
            Features, for a network with features; the embeddings are then part of the autograd
            graph. Without features, the weights themselves or a copy of rows is returned.
        entities : int64 Tensor of shape (c,), optional
            Numbers of entities; all by default.
        """
        if inputs is None:
            weight = self._entity_weights().detach()
            return weight if entities is None else weight[entities]
        rows = torch.arange(len(inputs)) if entities is None else entities.cpu()
        Y: Tensor = self.encoder(inputs.batch(rows))
        return Y

    def backward(self, Y: Tensor, entities: Tensor | None, gradient: Tensor) -> None:
        """Backpropagate the gradient of embeddings returned by the last call of `embed`.

        Parameters
        ----------
        Y, gradient : Tensor of shape (c, d)
        entities : int64 Tensor of shape (c,), ascending and unique; optional
            As passed to `embed`.
        """
        if self.n_features is not None:
            Y.backward(gradient)  # type: ignore[no-untyped-call]
            return
        weight = self._entity_weights()
        if entities is None:
            weight.grad = gradient
            return
        weight.grad = torch.sparse_coo_tensor(
            entities[None], gradient, weight.shape, is_coalesced=True, check_invariants=False
        )

    def _entity_weights(self) -> nn.Parameter:
        weight = self.encoder.weight
        assert isinstance(weight, nn.Parameter)
        return weight

    def biases(self, relations: Tensor) -> Tensor | None:
        """Return the biases of relations, shape (b, n), or (1, n) if all relations share them."""
        return self.bias if self.bias is None or len(self.bias) == 1 else self.bias[relations]

    def score_all(self, Y: Tensor, queries: Tensor, relations: Tensor) -> Tensor:
        """Scores of all entities, shape (b, n).

        Parameters
        ----------
        Y : Tensor of shape (n, d)
            Embeddings of all entities.
        queries : Tensor of shape (b, d)
            Embeddings times relation matrices.
        relations : int64 Tensor of shape (b,)
        """
        W = Y if self.last is None else self.last
        scores, biases = queries @ W.T, self.biases(relations.to(Y.device))
        return scores if biases is None else scores.add_(biases)

    def scorer(self, Y: Tensor) -> Scorer:
        """Return a function that maps entities and relations to the scores of all entities.

        Parameters
        ----------
        Y : Tensor of shape (n, d)
            Embeddings of all entities.
        """

        @torch.no_grad()
        def score(entities: Tensor, relations: Tensor) -> Tensor:
            q = self.relation_matrices(Y[entities.to(Y.device)], relations.to(Y.device))
            return self.score_all(Y, q, relations)

        return score

    @torch.no_grad()
    def score_links(self, Y: Tensor, h: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Scores of single links, shape (b,); h, r and t are int64 of shape (b,)."""
        W = Y if self.last is None else self.last
        scores: Tensor = (self.relation_matrices(Y[h], r) * W[t]).sum(1)
        if self.bias is None:
            return scores
        return scores + self.bias[r if len(self.bias) > 1 else torch.zeros_like(r), t]


def as_inputs(features: Any, device: torch.device) -> Inputs | None:
    """Convert features to inputs of the embedding network; None is returned for None.

    Parameters
    ----------
    features : float32 array or CSR matrix of shape (n, D), or None
    device : torch.device
    """
    if features is None:
        return None
    if sparse.issparse(features):
        return SparseInputs(features, device)
    return DenseInputs(torch.from_numpy(features), device)
