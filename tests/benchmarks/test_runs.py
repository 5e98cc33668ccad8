"""Processes: what comes back, what fails, in which order."""

from __future__ import annotations

import os
import stat

import pytest

from benchmarks.runs import RunFailed, apart, external, peak_mb, rounds


def double(task):
    return {"twice": 2 * task["x"], "pid": os.getpid(), "peak_mb": peak_mb()}


def fail(task):
    raise ValueError(f"no {task['x']} here")


HERE = "tests.benchmarks.test_runs"


def test_a_run_is_a_process_of_its_own():
    found = apart(f"{HERE}:double", {"x": 3}, watch=True)
    assert found["twice"] == 6
    assert found["pid"] != os.getpid()
    assert 1 < found["peak_mb"] < 2000
    assert found["tree_mb"] is None or found["tree_mb"] < 2000


def test_a_failed_run_says_why():
    with pytest.raises(RunFailed, match="no apple here"):
        apart(f"{HERE}:fail", {"x": "apple"})


def test_rounds_alternate_and_rotate():
    order = []

    def run(name):
        return lambda seed: order.append((name, seed)) or {"seed": seed}

    found = rounds(3, {name: run(name) for name in "abc"})
    assert order == [
        ("a", 1), ("b", 1), ("c", 1), ("b", 2), ("c", 2), ("a", 2), ("c", 3), ("a", 3), ("b", 3),
    ]  # fmt: skip
    assert found == {name: [{"seed": i} for i in (1, 2, 3)] for name in "abc"}


def test_another_program_that_fails(tmp_path):
    program = tmp_path / "bad"
    program.write_text("#!/bin/sh\necho out of words >&2\nexit 3\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(RunFailed, match="ended with 3:\nout of words"):
        external([str(program), "-x"])
