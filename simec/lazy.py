"""Names that are imported when they are asked for, because they need PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def needing_torch(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package, what else it has doing without PyTorch.

    Parameters
    ----------
    package : str
        Its name.
    places : mapping from str to str
        Names, and the modules of the package that have them.

    Returns
    -------
    callable
        It raises an ImportError that says what to install where PyTorch is absent.
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{places[name]}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError(
                f"{name} needs PyTorch: pip install similarity-encoders[simec]"
            ) from error
        return getattr(module, name)

    return find
