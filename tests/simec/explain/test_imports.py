"""What needs PyTorch, zennit or matplotlib says so, and the rest does without."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def run(code, *hidden):
    code = f"HIDDEN = {hidden!r}\n{HIDE}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_similarities_pages_and_words_need_no_torch():
    out = run(
        "from simec.explain import color_words, decompose, page\n"
        "found = decompose([1, 0], [1, 1], 'simpson')\n"
        "assert 'feature 0' in page([found, color_words('a b', {'a': 1.0})])\n"
        "try:\n    from simec.explain import explain_similarity\n"
        "except ImportError as error:\n    print(error)\n",
        "torch", "zennit", "matplotlib",
    )  # fmt: skip
    assert out == "explain_similarity needs PyTorch: pip install similarity-encoders[simec]\n"


NETWORK = (
    "import torch\n"
    "from simec.explain import relevances\n"
    "network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())\n"
)


def test_without_zennit(monkeypatch):
    torch = pytest.importorskip("torch")
    from simec.explain import relevances
    from simec.explain import zennit_backend as backend

    for name in [name for name in sys.modules if name.split(".")[0] == "zennit"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zennit", None)
    backend.zennit.cache_clear()
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())
    try:
        relevances(network, torch.ones(1, 3), composite="gradient_x_input")
        relevances(network[0], torch.ones(1, 3))  # in closed form
        with pytest.raises(ImportError, match=r"encoders\[simec\].*gradient_x_input"):
            relevances(network, torch.ones(1, 3))
    finally:
        backend.zennit.cache_clear()


@pytest.mark.slow
def test_torchvision_is_not_needed():
    pytest.importorskip("torch")
    out = run(
        f"{NETWORK}"
        "print(relevances(network, torch.ones(1, 3)).shape)\n"
        "assert 'torchvision' not in sys.modules\n",
        "torchvision",
    )
    assert out == "(1, 3)\n"


@pytest.mark.slow
def test_a_torchvision_that_works_is_left_alone():
    pytest.importorskip("torch")
    out = run(
        "from types import ModuleType\n"
        "for name in ('torchvision', 'torchvision.models', 'torchvision.models.resnet'):\n"
        "    sys.modules[name] = ModuleType(name)\n"
        "for name in ('Bottleneck', 'BasicBlock'):\n"
        "    setattr(sys.modules['torchvision.models.resnet'], name, type(name, (), {}))\n"
        "own = sys.modules['torchvision.models.resnet'].Bottleneck\n"
        "from simec.explain.zennit_backend import zennit\n"
        "assert zennit().torchvision.ResNetBottleneck is own\n"
        "assert sys.modules['torchvision.models.resnet'].Bottleneck is own\n"
        "print('own')\n"
    )
    assert out == "own\n"


def test_names():
    import simec.explain

    with pytest.raises(AttributeError, match="has no attribute 'explain'"):
        _ = simec.explain.explain
    pytest.importorskip("torch")
    for name in simec.explain.__all__:
        assert getattr(simec.explain, name) is not None
