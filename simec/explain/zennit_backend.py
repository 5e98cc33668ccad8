"""Import of zennit, which implements the rules of layer-wise relevance propagation (LRP)."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any


@cache
def zennit() -> Any:
    """Import zennit.

    zennit imports two layer classes of torchvision, which are not used here. If torchvision is
    missing, or was built for another version of PyTorch, they are replaced by empty classes while
    zennit is imported.

    Raises
    ------
    ImportError
        If zennit is not installed, with an installation hint.
    """
    stubs = {} if _torchvision_works() else _stubs()
    kept = {name: sys.modules[name] for name in stubs if name in sys.modules}
    sys.modules.update(stubs)
    try:
        return importlib.import_module("zennit")
    except ModuleNotFoundError as error:
        if error.name != "zennit":
            raise
        raise ImportError(
            "relevance propagation needs zennit: pip install similarity-encoders[simec], or use "
            "composite='gradient_x_input'"
        ) from error
    finally:
        for name in stubs:
            del sys.modules[name]
        sys.modules.update(kept)


def _torchvision_works() -> bool:
    try:
        importlib.import_module("torchvision.models.resnet")
    except Exception:
        # a build for another PyTorch raises RuntimeError, OSError or AttributeError
        return False
    return True


def _stubs() -> dict[str, ModuleType]:
    names = ("torchvision", "torchvision.models", "torchvision.models.resnet")
    stubs = {name: ModuleType(name) for name in names}
    for name in ("Bottleneck", "BasicBlock"):
        setattr(stubs["torchvision.models.resnet"], name, type(name, (), {}))
    return stubs
