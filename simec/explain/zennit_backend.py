"""Import of zennit, which implements the rules of layer-wise relevance propagation."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any


@cache
def zennit() -> Any:
    """Import zennit.

    It imports torchvision for two classes of layers. If torchvision is missing, or was built for
    another PyTorch and fails, empty classes replace them while zennit is imported; nothing used
    here needs them.

    Raises
    ------
    ImportError
        If zennit is not installed; the message says how to install it.
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
        # another build raises RuntimeError, OSError or AttributeError
        return False
    return True


def _stubs() -> dict[str, ModuleType]:
    names = ("torchvision", "torchvision.models", "torchvision.models.resnet")
    stubs = {name: ModuleType(name) for name in names}
    for name in ("Bottleneck", "BasicBlock"):
        setattr(stubs["torchvision.models.resnet"], name, type(name, (), {}))
    return stubs
