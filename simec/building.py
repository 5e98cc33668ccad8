"""From parameters and the shapes of data to a network."""

from __future__ import annotations

import copy
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from simec.data.inputs import Inputs, SparseInputs
from simec.data.targets import Targets
from simec.network import LastLayer, SimEcNetwork, perceptron

if TYPE_CHECKING:
    from simec.encoder import SimilarityEncoder


@dataclass(frozen=True)
class Layout:
    """Shapes of what an encoder is fitted to.

    Attributes
    ----------
    inputs : {"dense", "sparse", "identity"}
    n_features : int
        D; of the identity, rows.
    targets : tuple of int
        Of a row of S: ``(n,)`` or ``(n, k)``.
    vector : bool
        Whether S was given as a vector.
    """

    inputs: Literal["dense", "sparse", "identity"]
    n_features: int
    targets: tuple[int, ...]
    vector: bool = False

    @classmethod
    def of(cls, inputs: Inputs | None, targets: Targets, S: Any) -> Layout:
        """That of some features, None for the identity, and targets."""
        plain = isinstance(S, (list, tuple))
        vector = (np.ndim(S) if plain else len(getattr(S, "shape", ()))) == 1
        vector = vector and not isinstance(S, Targets)  # whose shape is of a row
        if inputs is None:
            return cls("identity", len(targets), targets.shape, vector)
        kind: Literal["dense", "sparse"] = "sparse" if isinstance(inputs, SparseInputs) else "dense"
        n_features = int(np.prod(inputs.batch(torch.arange(1)).shape[1:]))
        return cls(kind, n_features, targets.shape, vector)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Layout:
        """From what `to_dict` gave and JSON kept."""
        found = cls(**{**plain, "targets": tuple(plain["targets"])})
        if found.inputs not in ("dense", "sparse", "identity"):
            raise ValueError(f"no encoder has inputs of the kind {found.inputs!r}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def build(encoder: SimilarityEncoder, layout: Layout, seed: int) -> SimEcNetwork:
    """Make the network that an encoder's parameters ask for, with random weights.

    Raises
    ------
    ValueError
        If a decoder is asked for that there cannot be.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        embedding, decoder = _embedding_and_decoder(encoder, layout)
        last = LastLayer(encoder.n_components, layout.targets, encoder.target_activation)
    return SimEcNetwork(embedding, last, decoder)


def _embedding_and_decoder(
    encoder: SimilarityEncoder, layout: Layout
) -> tuple[nn.Module, nn.Module | None]:
    if encoder.network is not None:
        if layout.inputs == "identity":
            raise ValueError("a network of one's own needs features, but X is None")
        if encoder.decoder:
            raise ValueError("a network of one's own has no mirrored decoder: decoder=False")
        return copy.deepcopy(encoder.network), None
    sizes = [layout.n_features, *encoder.hidden_layers, encoder.n_components]
    identity = layout.inputs == "identity"
    # rows of the identity have weights of their own: a bias would add nothing
    bias = bool(encoder.bias) and not (identity and len(sizes) == 2)
    embedding = perceptron(
        sizes, encoder.activation, bias=bias, sparse=layout.inputs in ("sparse", "identity")
    )
    if not encoder.decoder:
        return embedding, None
    if identity:
        raise ValueError("without features there is nothing to decode: decoder=False")
    return embedding, perceptron(sizes[::-1], encoder.activation, bias=bool(encoder.bias))


def warn_of_rank(encoder: SimilarityEncoder, layout: Layout, n_rows: int) -> None:
    """Warn if more components are asked for than predictions can have."""
    bounds = {"rows of S": n_rows, "targets": int(np.prod(layout.targets))}
    linear = encoder.network is None and not tuple(encoder.hidden_layers)
    if linear and layout.inputs != "identity":
        bounds["features, bias included" if encoder.bias else "features"] = (
            layout.n_features + bool(encoder.bias)
        )
    name = min(bounds, key=lambda key: bounds[key])
    if encoder.n_components > bounds[name]:
        warnings.warn(
            f"n_components={encoder.n_components}, but there are {bounds[name]} {name}: "
            "predictions have no higher rank, and more components add nothing",
            UserWarning,
            stacklevel=3,
        )
