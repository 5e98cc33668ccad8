"""Old public names, which work for one more release with a DeprecationWarning."""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

from corpora.errors import warn

__all__ = ["deprecated_modules", "deprecated_names", "renamed_parameters"]

Function = TypeVar("Function", bound=Callable[..., Any])


def deprecated_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module that has old names.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    names : mapping of str to str
        Old names, and where the objects are today, as ``"package.module.name"``.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name} is deprecated, use {names[name]}", DeprecationWarning)
        place, _, new = names[name].rpartition(".")
        return getattr(importlib.import_module(place), new)

    return find


def renamed_parameters(**names: str) -> Callable[[Function], Function]:
    """Decorate a function that took keyword arguments by other names, ``old="new"``."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"{new} was given twice, as {old} too")
                    warn(f"the parameter {old} is deprecated, use {new}", DeprecationWarning)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module that moved, by its old name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        new = self.names[spec.name]
        warn(f"the module {spec.name} is deprecated, use {new}", DeprecationWarning)
        module = ModuleType(spec.name, f"Deprecated: use `{new}`.")
        vars(module).update(
            {k: v for k, v in vars(importlib.import_module(new)).items() if not k.startswith("__")}
        )
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete."""


def deprecated_modules(names: Mapping[str, str]) -> None:
    """Let modules that moved be imported by their old names."""
    sys.meta_path.append(_Alias(names))
