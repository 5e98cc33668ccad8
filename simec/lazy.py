"""Names that are imported on first use, because they need PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def needing_torch(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package that can be imported without PyTorch.

    Parameters
    ----------
    package : str
        Its name.
    modules : mapping from str to str
        Names, and the modules of the package that define them.

    Returns
    -------
    callable
        It raises an ImportError that says what to install if PyTorch is missing.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{modules[name]}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError(
                f"{name} needs PyTorch: pip install similarity-encoders[simec]"
            ) from error
        return getattr(module, name)

    return find
