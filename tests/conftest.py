"""Fixtures that several packages share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# One thread of BLAS and PyTorch in each process, before NumPy and PyTorch read it: tests run in
# several processes, and threads that wait for one another slow a busy machine down many times.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# No test cuts the power, so that nothing has to wait for the disk.
os.fsync = lambda _: None

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# Shells and nohup start commands that ignore signals, and so would the processes that tests start
# and stop.
for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        is_interrupt = _number == signal.SIGINT
        signal.signal(_number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)

# the time of an example depends on what else the machine does
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets; the test is skipped where it is absent."""
    for folder in (os.environ.get("CORPORA_DATA"), ROOT.parent / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder).resolve()
    pytest.skip("real data sets not found: set CORPORA_DATA to their folder")
