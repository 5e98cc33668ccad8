"""Pre-training with a last layer for the atoms of the targets (Fig. 6.26)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from corpora.checks import check_choice, check_instance, check_integer, check_number
from simec.molecules.molecules import Molecules
from simec.network import PooledNetwork
from simec.types import FloatArray

__all__ = ["AtomwiseNetwork", "atomwise"]

_MANY = 256  # target molecules from which the scale of embeddings is computed


class AtomwiseNetwork(nn.Module):
    """Similarities of molecules to the atoms of other molecules, the targets.

    Attributes
    ----------
    network : Module
        From a `MoleculeBatch` to embeddings of atoms, to be used after pre-training.
    pooling : Pooling
        The sum or the mean over the atoms of the input.
    atoms : Linear
        Its weight, of shape (N, d), has an embedding for each of the N atoms of the targets.
    """

    def __init__(
        self, network: nn.Module, n_features: int, n_atoms: int, pooling: Literal["sum", "mean"]
    ) -> None:
        super().__init__()
        pooled = PooledNetwork(network, pooling)
        self.network, self.pooling = pooled.network, pooled.pooling
        self.atoms = nn.Linear(n_features, n_atoms, bias=False)

    def forward(self, batch: object) -> Tensor:
        """Return similarities of b molecules to N atoms, shape (b, N)."""
        # the atoms of the input are pooled first, which is the same and faster
        similarities: Tensor = self.atoms(self.pooling(self.network(batch)))
        return similarities


def atomwise(
    network: nn.Module,
    targets: Molecules,
    *,
    pooling: Literal["sum", "mean"] = "sum",
    scale: float = 1.0,
    seed: int = 0,
) -> tuple[AtomwiseNetwork, FloatArray]:
    """Prepare pre-training with one embedding for each atom of the target molecules.

    The similarity of a molecule to a target molecule is the sum over all pairs of their atoms:
    products of embeddings of the input's atoms, by the network, and of the target's atoms, which
    are weights of the last layer::

        network, last_layer = atomwise(SchNet(), targets)
        encoder = SimilarityEncoder(len(targets.Z), network=network)
        encoder.fit(molecules, FCHL19(targets)(molecules), last_layer=last_layer)
        pretrained = encoder.network_.network

    With ``pooling="mean"`` it is the mean over all pairs instead. The sum suits similarities and
    properties that grow with the number of atoms, such as energies, and the mean suits others,
    such as normalized kernels and energies of orbitals.

    The sum (or mean) of the embeddings of a target's atoms acts as the column of a plain last
    layer, so both represent the same functions. They differ in training: the embeddings of the n
    atoms of a target have equal gradients, so a step of Adam moves their sum n times as far as a
    column of a plain last layer; and the sums start larger for larger molecules unless they are
    scaled, as they are here.

    Parameters
    ----------
    network : torch.nn.Module
        From a `MoleculeBatch` to embeddings of atoms and the number of atoms of each molecule,
        such as `SchNet`. It is not copied here, but by the encoder.
    targets : Molecules
        The columns of S, of length n and with N atoms.
    pooling : {"sum", "mean"}, default "sum"
        Of the atoms of both molecules.
    scale : float, default 1.0
        Root mean square of the predictions before training, about that of S.
    seed : int, default 0
        For the initial embeddings of the target's atoms.

    Returns
    -------
    network : AtomwiseNetwork
        From a `MoleculeBatch` to N values: `n_components` of the encoder.
    last_layer : float32 array of shape (N, n)
        1 for the atoms of a target, or 1 / number of its atoms for ``pooling="mean"``, and 0
        elsewhere.
    """
    check_instance("network", network, nn.Module)
    check_instance("targets", targets, Molecules)
    check_choice("pooling", pooling, ("sum", "mean"))
    scale = check_number("scale", scale, 0, above=True)
    if not len(targets):
        raise ValueError("targets must have at least one molecule")
    pooled = PooledNetwork(network, pooling)
    example = next(network.parameters())
    with torch.no_grad():
        embeddings = pooled(targets.batch(slice(_MANY)).to(example.device))
    size = float(embeddings.square().mean().sqrt())
    new = AtomwiseNetwork(network, embeddings.shape[1], len(targets.Z), pooling)
    n_atoms = np.repeat(targets.n_atoms, targets.n_atoms)  # of the target of each atom
    share = 1 / n_atoms if pooling == "mean" else np.ones(len(n_atoms))
    generator = torch.Generator().manual_seed(check_integer("seed", seed, 0))
    with torch.no_grad():
        new.atoms.weight.normal_(generator=generator)
        new.atoms.weight *= scale / max(size, 1e-6) / math.sqrt(embeddings.shape[1])
        # so that the columns of all targets have the same size
        new.atoms.weight /= torch.from_numpy(share * np.sqrt(n_atoms)).float()[:, None]
    last_layer = np.zeros((len(targets.Z), len(targets)), np.float32)
    at = np.repeat(np.arange(len(targets)), targets.n_atoms)
    last_layer[np.arange(len(at)), at] = share
    return new.to(example.device, example.dtype), last_layer
