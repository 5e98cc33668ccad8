from __future__ import annotations

import io
import logging
import sys
import time

import pytest

from corpora import jit as module
from corpora.jit import announce_compilation


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "_loaded", set())


def test_slow_compilation_is_shown_on_a_terminal_and_logged(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.4)
    assert "compiling something for this processor, once: 00:00" in sys.stderr.getvalue()
    assert "compiling something" in caplog.text


def test_without_a_terminal_it_is_only_logged(capsys, caplog):
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.2)
    assert capsys.readouterr().err == ""
    assert "compiling something" in caplog.text


def test_fast_or_repeated_blocks_are_silent(monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        with announce_compilation("something"):
            pass
        with announce_compilation("something"):
            time.sleep(0.2)
    assert caplog.text == ""


def test_errors_propagate_and_do_not_count_as_loaded(caplog):
    with pytest.raises(ValueError, match="no"), announce_compilation("something"):
        raise ValueError("no")
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.2)
    assert "compiling something" in caplog.text
