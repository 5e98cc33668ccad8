"""Measurements and arrays that are kept, so that an interrupted run continues where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.common import machine, versions
from corpora.array_file import encode_arrays
from corpora.files import atomic_path

if TYPE_CHECKING:
    from torch import nn

Measured = dict[str, Any]
Task = dict[str, Any]
Arrays = dict[str, npt.NDArray[Any]]
Network = TypeVar("Network", bound="nn.Module")


class Cache:
    """Measurements and arrays by task, settings, machine and versions.

    Measurements are in JSON lines next to the results, and arrays in a folder of safetensors
    files. They do not depend on the code: delete both after a change of it. Processes with
    different tasks can share them.

    Parameters
    ----------
    results : path, optional
        File of the results, the option ``--json``. None keeps nothing on disk.
    about : dict
        Data and settings that all tasks have in common, as JSON data.
    """

    def __init__(self, results: Path | None, about: dict[str, Any]) -> None:
        self._path = None if results is None else results.with_suffix(".jsonl")
        self._about = {**about, "machine": machine(), "versions": versions()}
        self._found: dict[str, Measured] = {}
        self._arrays: dict[str, Arrays] = {}  # without a file of results
        if self._path is not None and self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # truncated by an interruption
                    continue
                self._found[json.dumps(entry["of"], sort_keys=True)] = entry["found"]

    def _key(self, task: Task) -> str:
        return json.dumps({"task": task, **self._about}, sort_keys=True)

    def _file(self, task: Task, suffix: str) -> Path | None:
        """A path in the folder of arrays, which is made."""
        if self._path is None:
            return None
        folder = self._path.with_suffix(".arrays")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / (hashlib.sha256(self._key(task).encode()).hexdigest()[:16] + suffix)

    def get(self, task: Task) -> Measured | None:
        """A measurement, or None if it is not in the cache."""
        return self._found.get(self._key(task))

    def put(self, task: Task, figures: Measured) -> None:
        """Add a measurement."""
        key = self._key(task)
        self._found[key] = figures
        if self._path is not None:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"of": json.loads(key), "found": figures}) + "\n")

    def once(self, task: Task, measure: Callable[[], Measured]) -> Measured:
        """A measurement from the cache; if it is not there, it is made and added."""
        found = self.get(task)
        if found is None:
            found = measure()
            self.put(task, found)
        return found

    def arrays(self, task: Task, compute: Callable[[], Mapping[str, npt.ArrayLike]]) -> Arrays:
        """Arrays from the cache; if they are not there, they are computed and added."""
        from safetensors.numpy import load_file

        path = self._file(task, ".safetensors")
        if path is None:
            key = self._key(task)
            if key not in self._arrays:
                self._arrays[key] = _as_arrays(compute())
            return self._arrays[key]
        if not path.exists():
            arrays = _as_arrays(compute())
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                for block in encode_arrays(arrays):
                    file.write(block)
        return load_file(path)

    def network(self, task: Task, network: Network, train: Callable[[], nn.Module]) -> Network:
        """The weights of a trained network, which are kept as arrays.

        Parameters
        ----------
        task : dict
            What it was trained on.
        network : Module
            A module like the trained one.
        train : callable
            Returns the trained network, if no weights are found.

        Returns
        -------
        Module
            `network` with the trained weights.
        """
        import torch

        def compute() -> Arrays:
            weights = train().state_dict()
            return {name: value.cpu().numpy().copy() for name, value in weights.items()}

        weights = self.arrays(task, compute)
        network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
        return network

    @contextmanager
    def checkpoint(self, task: Task) -> Iterator[dict[str, Any]]:
        """Arguments of `fit` that save a checkpoint each epoch, and resume from an earlier one."""
        path = self._file(task, ".checkpoint")
        if path is None:
            yield {}
            return
        resumed = {"resume_from": path} if path.exists() else {}
        yield {"checkpoint": path, "checkpoint_epochs": 1, **resumed}
        shutil.rmtree(path, ignore_errors=True)


def _as_arrays(values: Mapping[str, npt.ArrayLike]) -> Arrays:
    return {name: np.asarray(value) for name, value in values.items()}
