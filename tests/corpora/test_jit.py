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


def test_what_takes_long_is_told_on_a_terminal_and_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.4)
    assert "compiling something for this processor, once: 00:00" in sys.stderr.getvalue()
    assert "compiling something" in caplog.text


def test_elsewhere_only_in_the_log(capsys, caplog):
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.2)
    assert capsys.readouterr().err == ""
    assert "compiling something" in caplog.text


def test_what_is_fast_or_was_done_before_is_not_told(monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        with announce_compilation("something"):
            pass
        with announce_compilation("something"):
            time.sleep(0.2)
    assert caplog.text == ""


def test_an_error_comes_through_and_does_not_count_as_done(caplog):
    with pytest.raises(ValueError, match="no"), announce_compilation("something"):
        raise ValueError("no")
    with caplog.at_level(logging.INFO), announce_compilation("something"):
        time.sleep(0.2)
    assert "compiling something" in caplog.text
