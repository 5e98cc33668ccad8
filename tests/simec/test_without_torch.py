"""Similarities and spectral methods need no PyTorch, and the rest says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Hidden())
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", HIDE + code], capture_output=True, text=True, check=False
    )


def test_names_that_need_torch_say_so():
    done = run(
        "import simec, simec.pretraining\n"
        "for package in (simec, simec.pretraining):\n"
        "    for name in package.__all__:\n"
        "        try:\n            getattr(package, name)\n"
        "        except ImportError as error:\n            print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name in ("SimilarityEncoder", "SimEcNetwork", "SparseTargets", "PretrainedRegressor"):
        assert f"{name} needs PyTorch: pip install similarity-encoders[simec]" in lines
    assert all("needs PyTorch" in line for line in lines)


@pytest.mark.slow
def test_similarities_and_spectral_methods_work():
    done = run(
        "import numpy as np\n"
        "import simec.similarities, simec.spectral\n"
        "R = np.arange(12.0).reshape(4, 3) % 5\n"
        "W1, W2 = simec.spectral.svd(R, 3)\n"
        "assert np.allclose(W1 @ W2, R)\n"
        "assert np.isfinite(simec.spectral.svd_missing(np.where(R == 2, np.nan, R), 1)[0]).all()\n"
        "from simec import ModelError\n"
        "assert 'torch' not in sys.modules\n"
    )
    assert done.returncode == 0, done.stderr


def test_unknown_names():
    import simec

    with pytest.raises(AttributeError, match="has no attribute 'Encoder'"):
        _ = simec.Encoder
    with pytest.raises(ImportError):
        exec("from simec import Encoder")
    assert set(simec.__all__) == {
        "MixedTargets", "ModelError", "PairwiseSimilarities", "SimEcNetwork", "SimilarityEncoder",
        "SparseTargets", "Targets",
    }  # fmt: skip
    for name in simec.__all__:
        assert getattr(simec, name).__name__ == name
