"""Aliases for old public names, which issue a DeprecationWarning and stay for one release."""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

from corpora.errors import warn

__all__ = ["deprecated_modules", "deprecated_names", "renamed_parameters"]

Function = TypeVar("Function", bound=Callable[..., Any])


def deprecated_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Create the ``__getattr__`` of a module with old names.

    Parameters
    ----------
    module : str
        ``__name__`` of the module.
    names : mapping of str to str
        Old names, and the current ones as ``"package.module.name"``.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name} is deprecated, use {names[name]}", DeprecationWarning)
        place, _, new = names[name].rpartition(".")
        return getattr(importlib.import_module(place), new)

    return find


def renamed_parameters(**names: str) -> Callable[[Function], Function]:
    """Accept keyword arguments by their old names, ``old="new"``; a decorator."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise TypeError(f"got both {new} and its old name {old}; pass {new} only")
                    warn(f"the parameter {old} is deprecated, use {new}", DeprecationWarning)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


class _Alias:  # importlib.abc is slow to import, and its base classes are not required
    """Finds a moved module by its old name."""

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
        return importlib.machinery.ModuleSpec(fullname, self)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        new = self.names[spec.name]
        warn(f"the module {spec.name} is deprecated, use {new}", DeprecationWarning)
        module = ModuleType(spec.name, f"Deprecated: use `{new}`.")
        vars(module).update(
            {k: v for k, v in vars(importlib.import_module(new)).items() if not k.startswith("__")}
        )
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: create_module has filled the module."""


def deprecated_modules(names: Mapping[str, str]) -> None:
    """Make moved modules importable by their old names, as a mapping from old to new."""
    sys.meta_path.append(_Alias(names))
