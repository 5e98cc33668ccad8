"""Molecules per second of SchNet and of torch-geometric's: the same training run, one thread.

Both networks start from the same weights and see the same batches in the same order; rounds
alternate, so that other load on the machine slows both. The batches of torch-geometric are made
before the clock starts, those of Similarity Encoders within the time.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common import Result, over_runs, pairs
from benchmarks.runs import peak_mb
from simec.lazy import import_package
from simec.molecules import Molecules, SchNet
from simec.network import ShiftedSoftplus

BATCH = 100
LARGE_BATCH = 500  # for memory: a step with it needs more than the imports of torch
SIZES = {"": (3, 5.0, 25), "large.": (6, 10.0, 50)}  # interactions, cutoff, Gaussians


def measure(
    molecules: Molecules,
    energy: Any,
    *,
    n_train: int = 1000,
    n_test: int = 500,
    rounds: int = 8,
    seed: int = 0,
) -> list[Result]:
    """Train both networks on energies, and compare their speed, error and memory.

    Parameters
    ----------
    molecules : Molecules
        At least ``n_train + n_test``.
    energy : array of shape (n,)
        In eV.
    n_train, n_test : int
    rounds : int
        Epochs, at least 2: the first is not measured.
    seed : int

    Returns
    -------
    list of Result
        ``mols_per_s.ours``, ``mols_per_s.pyg`` for training, ``mols_per_s.ratio`` of the rounds,
        the same as ``mols_per_s.inference.*`` and, for six interactions within 10 angstrom,
        ``mols_per_s.large.*``; ``speed.mae.*`` after the run and ``speed.memory.*``.
    """
    rows = np.random.default_rng(seed).permutation(len(molecules))[: n_train + n_test]
    molecules, energy = molecules[rows], np.asarray(energy, np.float64)[rows]
    results: list[Result] = []
    with one_thread():
        for prefix, size in SIZES.items():
            n = n_train if not prefix else min(n_train, 2 * BATCH)
            runs = _Runs(molecules, energy, n, size, seed)
            for _ in range(rounds if not prefix else min(rounds, 3)):
                runs.round()
            results += runs.results(prefix)
    for name in ("ours", "pyg"):
        # a process of its own: the peak of a process never falls
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            megabytes = pool.submit(peak_memory, name, molecules[:LARGE_BATCH]).result()
        results.append(Result(f"speed.memory.{name}", megabytes, "MB"))
    return results


@contextmanager
def one_thread() -> Any:
    """Let PyTorch use one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def both(size: tuple[int, float, int], seed: int) -> dict[str, nn.Module]:
    """Create a network of each kind with the same weights, and the head of Fig. 6.6."""
    geometric = import_package("torch_geometric.nn", "comparisons of speed", "molecules")
    n_interactions, cutoff, n_gaussians = size
    torch.manual_seed(seed)
    pyg = geometric.SchNet(
        num_interactions=n_interactions, cutoff=cutoff, num_gaussians=n_gaussians,
        interaction_graph=lambda graph, _: graph,
    )  # fmt: skip
    ours = nn.Sequential(nn.Linear(128, 64), ShiftedSoftplus(), nn.Linear(64, 1))
    ours[0].load_state_dict(pyg.lin1.state_dict())
    ours[2].load_state_dict(pyg.lin2.state_dict())
    return {"ours": WithHead(SchNet.from_pyg(pyg), ours), "pyg": pyg}


class WithHead(nn.Module):
    """SchNet with a head, and the sum over the atoms of each molecule."""

    def __init__(self, network: SchNet, head: nn.Module) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, batch: Any) -> Tensor:
        embeddings, counts = self.network(batch)
        return torch.segment_reduce(self.head(embeddings), "sum", lengths=counts, axis=0)


class _Runs:
    """The same training run of both networks."""

    def __init__(
        self, molecules: Molecules, energy: Any, n: int, size: tuple[int, float, int], seed: int
    ) -> None:
        self.networks = both(size, seed)
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
            for name, network in self.networks.items()
        }
        self.molecules = molecules.with_cutoff(size[1])
        self.molecules.pairs()
        self.n, self.random = n, np.random.default_rng(seed)
        # what the numbers of atoms of each element do not explain
        at = np.repeat(np.arange(len(molecules)), molecules.n_atoms)
        counts = np.zeros((len(molecules), 120))
        np.add.at(counts, (at, molecules.Z), 1)
        used = counts[:, counts.any(axis=0)]
        rest = energy - used @ np.linalg.lstsq(used[:n], energy[:n], rcond=None)[0]
        self.scale = rest[:n].std()
        self.y = torch.from_numpy(rest / self.scale).float()[:, None]
        self.seconds: dict[tuple[str, str], list[float]] = {}

    def inputs(self, name: str, rows: Any) -> tuple[Any, ...]:
        """Make a batch in the form that a network takes."""
        batch = self.molecules.batch(rows)
        if name == "ours":
            return (batch,)
        edges = torch.stack([batch.j, batch.i])
        at = torch.repeat_interleave(torch.arange(len(rows)), batch.counts)
        return batch.Z, (edges, batch.distance), at

    def round(self) -> None:
        """Train each network for one epoch, and apply it to the test set."""
        train = np.split(self.random.permutation(self.n), range(BATCH, self.n, BATCH))
        test = np.arange(self.n, len(self.y))
        for name, network in self.networks.items():
            ready = [self.inputs(name, rows) for rows in train] if name == "pyg" else []
            began = time.perf_counter()
            for k, rows in enumerate(train):
                self.optimizers[name].zero_grad()
                predicted = network(*(ready[k] if ready else self.inputs(name, rows)))
                (predicted - self.y[rows]).square().mean().backward()
                self.optimizers[name].step()
            self._add(name, "train", (time.perf_counter() - began) / self.n)
            inputs = self.inputs(name, test)
            began = time.perf_counter()
            with torch.inference_mode():
                predicted = network(*inputs)
            self._add(name, "test", (time.perf_counter() - began) / len(test))
            error = (predicted - self.y[test]).abs().mean() * self.scale
            self._add(name, "mae", float(error))

    def _add(self, name: str, what: str, value: float) -> None:
        self.seconds.setdefault((what, name), []).append(value)

    def results(self, prefix: str) -> list[Result]:
        """Medians of the rounds after the first, which compiles."""
        results = []
        for what, part in (("train", ""), ("test", "inference.")):
            times = {name: self.seconds[what, name][1:] for name in self.networks}
            for name, seconds in times.items():
                speeds = [1 / each for each in seconds]
                label = f"mols_per_s.{prefix}{part}{name}"
                results.append(over_runs(label, speeds, "molecules/s", middle=True))
            ratio = pairs(times["pyg"], times["ours"])
            label = f"mols_per_s.{prefix}{part}ratio"
            results.append(over_runs(label, ratio, "x", middle=True))
        if not prefix:
            for name in self.networks:
                mae = self.seconds["mae", name][-1]
                results.append(Result(f"speed.mae.{name}", mae, "eV"))
        return results


def peak_memory(name: str, molecules: Molecules) -> float:
    """Return by how many MB a training step with all molecules raises the peak of this process."""
    torch.set_num_threads(1)
    runs = _Runs(molecules, np.arange(len(molecules), dtype=float), BATCH, SIZES[""], 0)
    network, inputs = runs.networks[name], runs.inputs(name, np.arange(len(molecules)))
    small = runs.inputs(name, np.arange(2))
    peaks = []
    for each in (small, inputs, inputs):
        runs.optimizers[name].zero_grad()
        network(*each).square().mean().backward()
        runs.optimizers[name].step()
        peaks.append(peak_mb())
    return peaks[-1] - peaks[0]


def summary(results: list[Result]) -> str:
    """One line for people."""
    values = {result.name: result.value for result in results}
    return (
        f"{values['mols_per_s.ours']:,.0f} molecules/s in training, and "
        f"{values['mols_per_s.pyg']:,.0f} of torch-geometric "
        f"({values['mols_per_s.ratio']:.1f} times as fast)"
    )
