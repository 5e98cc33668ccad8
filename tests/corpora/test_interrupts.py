"""Signals that stop a program: saved, cleaned up, and the status of shells."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from corpora.interrupts import (
    STOPPED,
    Terminated,
    deferred_interrupt,
    exit_status,
    terminable,
)

ROOT = Path(__file__).parents[2]
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in NUMBERS]


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_signals_that_end_a_program_raise(number: signal.Signals) -> None:
    before = handlers()
    with pytest.raises(SystemExit) as caught, terminable():
        signal.raise_signal(number)
    assert isinstance(caught.value, Terminated)
    assert caught.value.code == exit_status(caught.value) == 128 + number
    assert str(caught.value) == f"terminated by {number.name}"
    assert handlers() == before


@pytest.mark.parametrize("number", NUMBERS)
def test_a_deferred_signal_is_raised_where_the_caller_says(number: signal.Signals) -> None:
    before = handlers()

    def receive(*numbers: signal.Signals) -> None:
        with terminable(), deferred_interrupt() as pending:
            for one in numbers:
                signal.raise_signal(one)
                received.append(one)
            assert pending.is_set()
            if check:
                pending.raise_if_set()
                raise AssertionError

    check, received = True, list[signal.Signals]()
    with pytest.raises(STOPPED) as caught:
        receive(number)
    assert exit_status(caught.value) == 128 + number
    # in time, or at the end; a second one at once
    check = False
    with pytest.raises(STOPPED):
        receive(number)
    received.clear()
    with pytest.raises(STOPPED):
        receive(signal.SIGINT, number)
    assert received == [signal.SIGINT]
    assert handlers() == before


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
@pytest.mark.parametrize("use", [terminable, deferred_interrupt])
def test_handlers_of_the_program_stay(
    handler: Callable[..., None], use: Callable[..., object]
) -> None:
    before = handlers()
    try:
        for number in NUMBERS:
            signal.signal(number, handler)
        with use():  # type: ignore[attr-defined]
            assert handlers() == [handler] * 3
            for number in NUMBERS:
                signal.raise_signal(number)
        assert handlers() == [handler] * 3
    finally:
        for number, earlier in zip(NUMBERS, before, strict=True):
            signal.signal(number, earlier)  # type: ignore[arg-type]


def test_a_handler_set_within_the_block_stays() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with terminable():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_change_nothing() -> None:
    seen = []

    def work() -> None:
        with terminable(), deferred_interrupt():
            seen.append(handlers())

    before = handlers()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def start(code: str, *args: object, **kwargs: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **kwargs,
    )  # type: ignore[call-overload]  # fmt: skip


TEMPORARIES = """
    import sys, time
    from corpora.files import atomic_path, temporary_folder
    from corpora.model_folder import write_folder
    folder = sys.argv[1]
    with (
        atomic_path(folder + "/file") as path, temporary_folder("tmp-", folder) as temporary,
        write_folder(folder + "/model", "tests", 1) as writer,
    ):
        path.write_text("half")
        (temporary / "more").write_text("half")
        writer.write_json("a.json", 1)
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", NUMBERS)
def test_temporaries_are_removed(number: signal.Signals, tmp_path: Path) -> None:
    process = start(TEMPORARIES, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert len(list(tmp_path.iterdir())) == 3
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == (-number if number == signal.SIGINT else 128 + number)
    assert not list(tmp_path.iterdir())


ENDLESS = {
    "conec": """
        import sys, conec
        documents = ["a b c d e f g h i j".split() * 20] * 50
        conec.ContextEncoder(vector_size=5, epochs=10**6, sample=0, min_count=1, workers=1).fit(
            documents, checkpoint=sys.argv[1], callbacks=lambda m: print("epoch", flush=True))
    """,
    "simec": """
        import sys, numpy as np, simec
        X = np.random.default_rng(0).normal(size=(50, 5))
        simec.SimilarityEncoder(2, hidden_layers=(4,), max_iter=10**6, n_iter_no_change=10**6).fit(
            X, X @ X.T, checkpoint=sys.argv[1], callbacks=lambda m: print("epoch", flush=True))
    """,
    "links": """
        import sys, simec.links
        triples = [(f"e{i}", "next", f"e{i + 1}") for i in range(50)]
        simec.links.LinkPredictor(4, max_iter=10**6).fit(
            triples, checkpoint=sys.argv[1], callbacks=lambda m: print("epoch", flush=True))
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "number"),
    [*((case, signal.SIGTERM) for case in ENDLESS), ("conec", signal.SIGHUP)],
)
def test_training_saves_a_checkpoint(case: str, number: signal.Signals, tmp_path: Path) -> None:
    from corpora.model_folder import MANIFEST

    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = start(ENDLESS[case], tmp_path / "m", env={**os.environ, "TMPDIR": str(temporary)})
    assert process.stdout is not None
    assert process.stdout.readline() == "epoch\n", process.communicate()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (128 + number, "")
    assert (tmp_path / "m" / MANIFEST).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "tmp"]
    # torch makes this cache when it is imported
    assert {path.name.split("_")[0] for path in temporary.iterdir()} <= {"torchinductor"}


@pytest.mark.slow
def test_a_closed_terminal_does_not_stop_the_checkpoint(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a b c d e f g h i j k l m\n" * 2000)
    out = tmp_path / "m"
    process, terminal = pty.fork()
    if not process:
        args = ["train", text, "--out", out, "--epochs", "1000000", "--vector-size", "4"]
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "conec.cli", *map(str, args)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    shown = b""
    end = time.monotonic() + 60
    while b"loss=" not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096)
    os.close(terminal)  # the session leader receives SIGHUP
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "text.txt"]
    import conec

    assert conec.load(out).training_state is not None


@pytest.mark.slow
def test_an_ignored_hangup_stays_ignored(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + textwrap.dedent(
        ENDLESS["conec"]
    )
    process = start(code, tmp_path / "m")
    assert process.stdout is not None
    assert process.stdout.readline() == "epoch\n"
    process.send_signal(signal.SIGHUP)
    for _ in range(20):
        assert process.stdout.readline() == "epoch\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


@pytest.mark.parametrize("stopped", [KeyboardInterrupt(), Terminated(15)])
def test_an_error_of_compiled_code_is_replaced_by_its_cause(stopped: BaseException) -> None:
    def call(cause: BaseException | None) -> None:
        with terminable():
            raise SystemError("returned a result with an exception set") from cause

    nested = SystemError("returned a result with an exception set")
    nested.__cause__ = stopped
    for cause in (stopped, nested):
        with pytest.raises(STOPPED) as caught:
            call(cause)
        assert caught.value is stopped
    with pytest.raises(SystemError):
        call(None)
