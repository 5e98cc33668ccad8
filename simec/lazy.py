"""Lazy import of names that need PyTorch, and of optional packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def needing_torch(
    package: str, modules: Mapping[str, str], extra: str = "simec"
) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package that can be imported without PyTorch.

    Parameters
    ----------
    package : str
        Name of the package.
    modules : mapping from str to str
        Maps each lazy name to the module, relative to the package, that defines it.
    extra : str
        The extra that installs PyTorch and what else the package needs.

    Returns
    -------
    callable
        Raises ImportError with an installation hint if PyTorch is missing.
    """

    def getattr_lazily(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{modules[name]}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError(
                f"{name} needs PyTorch: pip install similarity-encoders[{extra}]"
            ) from error
        return getattr(module, name)

    return getattr_lazily


def import_package(name: str, what: str, extra: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    name : str
        Full name of the module, such as "rdkit.Chem".
    what : str
        The feature that needs it, as the plural subject of the message, such as "fingerprints".
    extra : str
        The extra that installs it.

    Raises
    ------
    ImportError
        If the package is missing; the message says how to install it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.split(".")[0]
        if error.name is None or error.name.split(".")[0] != package:
            raise
        raise ImportError(
            f"{what} need {package}: pip install similarity-encoders[{extra}]"
        ) from error
