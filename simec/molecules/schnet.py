"""SchNet: embeddings of the atoms of molecules from their elements and distances (Fig. 6.6).

Schütt, Kindermans, Sauceda, Chmiela, Tkatchenko & Müller, "SchNet: A continuous-filter
convolutional neural network for modeling quantum interactions", NIPS 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.checks import ParameterError, check_choice, check_instance, check_integer, check_number
from simec.lazy import import_package
from simec.molecules.elements import SYMBOLS
from simec.molecules.filters import Convolution
from simec.molecules.molecules import MoleculeBatch
from simec.network import ShiftedSoftplus

__all__ = ["PyGSchNet", "SchNet"]

_POINTS_PER_GAUSSIAN = 8  # relative error of interpolated filters about 2e-5


class SchNet(nn.Module):
    """Embeddings of atoms in molecules.

    The layers, their initial weights and their results are those of `torch_geometric.nn.SchNet`
    without its head; training is several times as fast, because filters are interpolated between
    the points of a table. Use it as ``SimilarityEncoder(n_features, network=SchNet(n_features),
    pooling="sum").fit(molecules, S)``.

    Parameters
    ----------
    n_features : int, default 128
        Length d of the embeddings of atoms, and number of filters.
    n_interactions : int, default 3
        Number of interaction blocks.
    cutoff : float, default 5.0
        Largest distance of two atoms that interact, in angstrom. Pairs of a batch beyond it are
        left out; a batch with a smaller cutoff is refused. It is saved with the weights, which a
        network with another cutoff does not load.
    n_gaussians : int, default 25
        Number of Gaussians, equally spaced from 0 to the cutoff, that describe a distance.
    embedding : torch.nn.Module, optional
        From atomic numbers, an int64 tensor of shape (n,), to initial embeddings of shape (n, d),
        such as a `PeriodGroupEmbedding`. An `torch.nn.Embedding` by default. It is called with
        the elements that occur in a batch.
    n_points : int or "auto" or None, default "auto"
        Number of distances for which filters are computed; "auto": 8 for each Gaussian. None
        computes the filters of all pairs, which is exact, and 10 times slower.

    Attributes
    ----------
    embedding : Module
    interactions : ModuleList of Interaction
    """

    def __init__(
        self,
        n_features: int = 128,
        n_interactions: int = 3,
        cutoff: float = 5.0,
        n_gaussians: int = 25,
        *,
        embedding: nn.Module | None = None,
        n_points: int | Literal["auto"] | None = "auto",
    ) -> None:
        super().__init__()
        self.n_features = check_integer("n_features", n_features, 1)
        self.cutoff = check_number("cutoff", cutoff, 0, above=True)
        n_gaussians = check_integer("n_gaussians", n_gaussians, 2)
        if isinstance(n_points, str):
            check_choice("n_points", n_points, ("auto",))
            n_points = _POINTS_PER_GAUSSIAN * (n_gaussians - 1) + 1
        self.n_points = None if n_points is None else check_integer("n_points", n_points, 4)
        if embedding is None:
            embedding = nn.Embedding(len(SYMBOLS), self.n_features, padding_idx=0)
        self.embedding: nn.Module = check_instance("embedding", embedding, nn.Module)
        self.interactions = nn.ModuleList(
            Interaction(self.n_features, n_gaussians)
            for _ in range(check_integer("n_interactions", n_interactions, 0))
        )
        self.centers: Tensor
        self.register_buffer("centers", torch.linspace(0, self.cutoff, n_gaussians))

    @classmethod
    def from_pyg(cls, network: nn.Module, **parameters: Any) -> SchNet:
        """Create a network with the layers and weights of a `torch_geometric.nn.SchNet`.

        Parameters
        ----------
        network : torch_geometric.nn.SchNet
            With as many filters as hidden channels. Its head is left out.
        **parameters
            `n_points`, as for the class.
        """
        _check_pyg(network)
        n_filters, n_features = network.num_filters, network.hidden_channels
        if n_filters != n_features:
            raise ValueError(
                f"network must have as many filters as hidden channels, got {n_filters} and "
                f"{n_features}"
            )
        new = cls(
            int(n_features),  # type: ignore[arg-type]
            int(network.num_interactions),  # type: ignore[arg-type]
            float(network.cutoff),  # type: ignore[arg-type]
            int(network.num_gaussians),  # type: ignore[arg-type]
            **parameters,
        )
        with torch.no_grad():
            weight = network.get_parameter("embedding.weight")
            new.embedding.weight[: len(weight)].copy_(weight)  # type: ignore[index]
            for k, interaction in enumerate(new.interactions):
                for name, parameter in interaction.named_parameters():
                    layer, _, part = name.rpartition(".")
                    other = f"interactions.{k}.{_PYG_LAYERS[layer]}.{part}"
                    parameter.copy_(network.get_parameter(other))
        return new.to(weight.device, weight.dtype)

    def forward(self, batch: MoleculeBatch) -> tuple[Tensor, Tensor]:
        """Compute embeddings of atoms.

        Parameters
        ----------
        batch : MoleculeBatch
            With N atoms in b molecules.

        Returns
        -------
        embeddings : float tensor of shape (N, d)
        counts : int64 tensor of shape (b,)
            Number of atoms of each molecule.

        Raises
        ------
        ValueError
            If the batch lacks pairs within the cutoff, or has invalid ones.
        """
        check_instance("batch", batch, MoleculeBatch)
        _check_cutoff(batch, self.cutoff)
        Z, i, j, distance, counts, _ = batch
        # a batch has few elements: what depends on these alone is computed once for each
        elements, element_of = torch.unique(Z, return_inverse=True)
        h = self.embedding(elements)
        if h.shape != (len(elements), self.n_features):
            raise ValueError(
                f"embedding must return a tensor of shape (n, {self.n_features}) for n atomic "
                f"numbers, got {tuple(h.shape)} for {len(elements)}"
            )
        distance = distance.to(torch.float64 if h.dtype == torch.float64 else torch.float32)
        if self.n_points is None:
            near = distance <= self.cutoff
            i, j, distance = i[near], j[near], distance[near]
            gaussians, envelope = self._describe(distance)
        else:
            convolution = Convolution(i, j, distance, len(Z), self.cutoff, self.n_points)
            points = torch.linspace(0, self.cutoff, self.n_points, dtype=h.dtype, device=h.device)
            gaussians, envelope = self._describe(points)
        for k, interaction in enumerate(cast(Iterable[Interaction], self.interactions)):
            filters = interaction.filters(gaussians) * envelope
            x = interaction.linear_in(h)
            if k == 0:
                h, x = F.embedding(element_of, h), F.embedding(element_of, x)
            if self.n_points is None:
                x = torch.zeros_like(x).index_add(0, i, x[j] * filters)
            else:
                x = convolution(x, filters)
            h = h + interaction.dense(interaction.activation(interaction.linear_out(x)))
        return (h if len(self.interactions) else F.embedding(element_of, h)), counts

    def _describe(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        """Return Gaussians of distances, shape (n, n_gaussians), and the cosine cutoff, (n, 1)."""
        width = self.cutoff / (len(self.centers) - 1)
        gaussians = torch.exp((distance[:, None] - self.centers).square() / (-2 * width**2))
        return gaussians, (torch.cos(distance * (math.pi / self.cutoff)) + 1)[:, None] / 2

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load weights; those of a network with another cutoff, of equal shapes, are refused."""
        self.complete_weights(state_dict, prefix)
        _check_saved_cutoff(state_dict[f"{prefix}centers"], self.cutoff)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def complete_weights(self, weights: dict[str, Any], prefix: str) -> None:
        """Add the centers to weights that were saved without them, by earlier versions."""
        weights.setdefault(f"{prefix}centers", self.centers)

    def extra_repr(self) -> str:
        """Return the parameters, for ``repr``."""
        return f"{self.n_features}, cutoff={self.cutoff:g}, n_points={self.n_points}"


class Interaction(nn.Module):
    """The layers of an interaction block.

    Attributes
    ----------
    filters : Sequential
        From Gaussians of distances, shape (n, n_gaussians), to filters, (n, d).
    linear_in, linear_out : Linear
        Before and after the convolution.
    dense : Linear
        After the activation; its result is added to the embeddings of atoms.
    """

    def __init__(self, n_features: int, n_gaussians: int) -> None:
        super().__init__()
        self.filters = nn.Sequential(
            _linear(n_gaussians, n_features), ShiftedSoftplus(), _linear(n_features, n_features)
        )
        self.linear_in = _linear(n_features, n_features, bias=False)
        self.linear_out = _linear(n_features, n_features)
        self.activation = ShiftedSoftplus()
        self.dense = _linear(n_features, n_features)


def _check_cutoff(batch: MoleculeBatch, cutoff: float) -> None:
    """Raise ValueError if a batch lacks pairs of atoms within a cutoff."""
    if batch.cutoff < cutoff:
        raise ValueError(
            f"the molecules have pairs of atoms within {batch.cutoff:g} angstrom, but the network "
            f"needs those within {cutoff:g}: use molecules.with_cutoff({cutoff:g})"
        )


def _check_saved_cutoff(centers: Tensor | None, cutoff: float) -> None:
    """Raise ValueError if saved centers of Gaussians, from 0 to a cutoff, have another one."""
    if centers is None:
        return
    saved = float(centers[-1])
    if not math.isclose(saved, cutoff, rel_tol=4e-3):  # centers are rounded in bfloat16
        raise ValueError(
            f"the weights are those of a network with cutoff={saved:g}, but this network has "
            f"cutoff={cutoff:g}: create it with cutoff={saved:g}"
        )


def _linear(n_in: int, n_out: int, *, bias: bool = True) -> nn.Linear:
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


# names of the same layers in a block of torch-geometric
_PYG_LAYERS = {
    "filters.0": "mlp.0",
    "filters.2": "mlp.2",
    "linear_in": "conv.lin1",
    "linear_out": "conv.lin2",
    "dense": "lin",
}


def _check_pyg(network: nn.Module) -> None:
    """Raise ParameterError unless a network is a SchNet of torch-geometric."""
    geometric = import_package("torch_geometric.nn", "SchNets of torch-geometric", "molecules")
    if not isinstance(network, geometric.SchNet):
        raise ParameterError(
            f"network must be a torch_geometric.nn.SchNet, got {type(network).__name__}"
        )


class PyGSchNet(nn.Module):
    """The SchNet of torch-geometric, with the same inputs and outputs as `SchNet`.

    Parameters
    ----------
    network : torch_geometric.nn.SchNet
        Its head is not used, nor trained.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        _check_pyg(network)
        self.embedding = network.embedding
        self.distance_expansion = network.distance_expansion
        self.interactions = network.interactions
        self.cutoff = float(network.cutoff)  # type: ignore[arg-type]

    def forward(self, batch: MoleculeBatch) -> tuple[Tensor, Tensor]:
        """Compute embeddings of atoms, as `SchNet.forward`."""
        _check_cutoff(batch, self.cutoff)
        near = batch.distance <= self.cutoff
        distance = batch.distance[near]
        edges = torch.stack([batch.j[near], batch.i[near]])
        h: Tensor = self.embedding(batch.Z)  # type: ignore[operator]
        gaussians = self.distance_expansion(distance)  # type: ignore[operator]
        for interaction in self.interactions:  # type: ignore[union-attr]
            h = h + interaction(h, edges, distance, gaussians)
        return h, batch.counts

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Load weights, as `SchNet`."""
        _check_saved_cutoff(state_dict.get(f"{prefix}distance_expansion.offset"), self.cutoff)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
