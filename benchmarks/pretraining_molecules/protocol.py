"""Which molecules are used for what, and a store of finished parts."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import simec_data
from corpora.files import atomic_path
from simec.molecules import Molecules, read_qm9

Arrays = dict[str, npt.NDArray[Any]]

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


class Store:
    """Keeps the results of finished parts, so that an interrupted benchmark continues.

    Parameters
    ----------
    folder : path, optional
        Has a folder for each protocol. None: results are kept in memory only.
    protocol : Protocol
    """

    def __init__(self, folder: Path | None, protocol: Protocol) -> None:
        text = json.dumps(asdict(protocol), sort_keys=True)
        self._kept: dict[str, Arrays] = {}
        self.folder = None
        if folder is not None:
            self.folder = Path(folder) / hashlib.sha256(text.encode()).hexdigest()[:12]
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.folder / "protocol.json") as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")

    def get(self, name: str, compute: Callable[[], Mapping[str, Any]]) -> Arrays:
        """The arrays of a part, computed once."""
        if name not in self._kept:
            self._kept[name] = self._read(name, compute)
        return self._kept[name]

    def __contains__(self, name: str) -> bool:
        """Whether a part is finished."""
        return name in self._kept or (self.folder is not None and self._path(name).exists())

    @contextmanager
    def checkpoint(self, name: str) -> Iterator[dict[str, Any]]:
        """Arguments of `fit` that save a checkpoint each epoch, and resume from an earlier one."""
        if self.folder is None:
            yield {}
            return
        path = self.folder / f"{name}.checkpoint"
        resumed = {"resume_from": path} if path.exists() else {}
        yield {"checkpoint": path, "checkpoint_epochs": 1, **resumed}
        shutil.rmtree(path, ignore_errors=True)

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.npz"

    def _read(self, name: str, compute: Callable[[], Mapping[str, Any]]) -> Arrays:
        if name in self:
            with np.load(self._path(name)) as file:
                return {key: file[key] for key in file.files}
        arrays = {key: np.asarray(value) for key, value in compute().items()}
        if self.folder is not None:
            with atomic_path(self._path(name)) as temporary, temporary.open("wb") as out:
                np.savez(out, **arrays)  # type: ignore[arg-type]
        return arrays
