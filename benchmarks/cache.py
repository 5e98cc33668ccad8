"""Measurements that are kept, so that an interrupted run continues where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import machine, versions

if TYPE_CHECKING:
    from torch import nn

Measured = dict[str, Any]
Task = dict[str, Any]


class Cache:
    """Measurements by task, settings, machine and versions, in JSON lines next to the results.

    They do not depend on the code: delete the file after a change of it.

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
        if self._path is not None and self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # truncated by an interruption
                    continue
                self._found[json.dumps(entry["of"], sort_keys=True)] = entry["found"]

    def _key(self, task: Task) -> str:
        return json.dumps({"task": task, **self._about}, sort_keys=True)

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

    def network(self, task: Task, network: nn.Module, train: Callable[[], nn.Module]) -> nn.Module:
        """A trained network; its weights are kept in a folder next to the results.

        Parameters
        ----------
        task : dict
            What it was trained on.
        network : Module
            A module like the trained one, which gets the weights that are found.
        train : callable
            Returns the trained network if no weights are found.
        """
        from safetensors.torch import load_file

        from simec.network import save_weights

        if self._path is None:
            return train()
        name = hashlib.sha256(self._key(task).encode()).hexdigest()[:16]
        path = self._path.with_suffix(".networks") / f"{name}.safetensors"
        if path.exists():
            network.load_state_dict(load_file(path))
            return network
        trained = train()
        path.parent.mkdir(exist_ok=True)
        save_weights(trained, path)
        return trained
