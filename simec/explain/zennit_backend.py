"""zennit, which has the rules of layer-wise relevance propagation."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any


@cache
def zennit() -> Any:
    """The package.

    It imports torchvision for the sake of two classes of layers. Where torchvision is absent, or
    was built for another PyTorch and fails, empty classes take their place while zennit is
    imported; nothing that is used here needs them.

    Raises
    ------
    ImportError
        If zennit is not installed; it says how to.
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
            "relevance propagation needs zennit: pip install similarity-encoders[simec], or take "
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
        # of another build it raises RuntimeError, OSError or AttributeError
        return False
    return True


def _stubs() -> dict[str, ModuleType]:
    names = ("torchvision", "torchvision.models", "torchvision.models.resnet")
    stubs = {name: ModuleType(name) for name in names}
    for name in ("Bottleneck", "BasicBlock"):
        setattr(stubs["torchvision.models.resnet"], name, type(name, (), {}))
    return stubs
