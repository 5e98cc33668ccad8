"""Which molecules are used for what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import simec_data
from simec.molecules import Molecules, read_qm9

PROPERTIES = ("u0", "homo", "lumo")
_COLUMNS = {"u0": "u0_atom", "homo": "homo", "lumo": "lumo"}  # errors of u0 and u0_atom are equal
CUTOFF = 5.0


@dataclass(frozen=True)
class Protocol:
    """Sizes and lengths of training. Training sets are drawn from molecules in no other set."""

    n_pretrain: int = 20_000
    n_targets: int = 1_000  # the first of those for pre-training
    n_landmarks: int = 300  # of FCHL18, likewise; 1,000 in the thesis
    n_validation: int = 500
    n_test: int = 10_000
    labels: tuple[int, ...] = (100, 500)
    curve: tuple[int, ...] = (100, 200, 500, 1_000, 2_000)  # of ridge regressions
    n_atomwise: int = 50
    n_components: int = 128
    n_interactions: int = 3
    n_gaussians: int = 25
    pretrain_epochs: int = 10
    property_epochs: int = 20
    distillation_epochs: int = 8
    epochs: tuple[int, ...] = (400, 200)  # of fine-tuning, for each number of labels
    n_pictured: int = 3_000  # molecules in t-SNE pictures


PROTOCOLS = {
    "quick": Protocol(
        n_pretrain=300, n_targets=50, n_landmarks=20, n_validation=50, n_test=100,
        labels=(20, 40), curve=(20, 40), n_atomwise=5, n_components=16, n_interactions=1,
        n_gaussians=10, pretrain_epochs=2, property_epochs=2, epochs=(4, 4), n_pictured=60,
    ),
    "default": Protocol(),
    # the thesis pre-trains on all 130k molecules, and tests on those that are not used otherwise
    "full": Protocol(
        n_pretrain=100_000, n_landmarks=1_000, n_validation=10_000, n_test=15_000,
        curve=(100, 200, 500, 1_000, 2_000, 5_000), pretrain_epochs=30, property_epochs=30,
        epochs=(1_000, 1_000), n_pictured=10_000,
    ),
}  # fmt: skip


class Data:
    """The molecules of each set, by one fixed permutation, and their properties in eV."""

    def __init__(self, molecules: Molecules, protocol: Protocol) -> None:
        rows = np.random.default_rng(2020).permutation(len(molecules))
        sizes = protocol.n_pretrain, protocol.n_validation, protocol.n_test
        stops = np.cumsum(sizes)
        if stops[-1] + max(protocol.curve) > len(rows):
            raise ValueError(f"{stops[-1] + max(protocol.curve)} molecules needed, got {len(rows)}")
        self.protocol = protocol
        self.pretrain = molecules[rows[: stops[0]]]
        self.validation = molecules[rows[stops[0] : stops[1]]]
        self.test = molecules[rows[stops[1] : stops[2]]]
        self._rest, self._molecules = rows[stops[2] :], molecules

    def train(self, seed: int) -> Molecules:
        """The training molecules of a seed; smaller training sets are the first of these."""
        rows = np.random.default_rng(seed).permutation(self._rest)[: max(self.protocol.curve)]
        return self._molecules[rows]


def load(folder: Path | None, protocol: Protocol) -> Data:
    """Read QM9."""
    path = simec_data.find("molecules/qm9.npz", folder)
    return Data(read_qm9(path, units="eV", cutoff=CUTOFF), protocol)


def target(molecules: Molecules, name: str) -> npt.NDArray[np.float64]:
    """A property of molecules in eV: u0 without the energies of single atoms, homo or lumo."""
    return molecules.properties[_COLUMNS[name]]
