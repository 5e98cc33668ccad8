"""Callbacks, checkpoints and progress of training."""

from __future__ import annotations

import io
import logging
import math
import sys
import time

import pytest

from corpora import callbacks
from corpora.callbacks import CheckpointSchedule, as_callback


class Listener:
    def __init__(self, answer: object) -> None:
        self.models: list[object] = []
        self.answer = answer

    def on_epoch_end(self, model: object) -> object:
        self.models.append(model)
        return self.answer


def test_all_callbacks_are_called_and_only_true_stops() -> None:
    stop, other, calls = Listener(True), Listener(1), []
    assert as_callback([stop, calls.append, other])("model")
    assert stop.models == other.models == calls == ["model"]
    assert not as_callback([other, calls.append])("model")
    assert not as_callback(())("model")


def test_a_single_callback_needs_no_list() -> None:
    assert as_callback(lambda _: True)("model")
    assert as_callback(Listener(True))("model")


def test_what_can_not_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="a callback must be callable .* got 3"):
        as_callback([3])


def test_hooks_are_called_where_training_has_them() -> None:
    class Begin:
        def __init__(self) -> None:
            self.models: list[object] = []

        def on_train_begin(self, model: object) -> None:
            self.models.append(model)

    begin, listener = Begin(), Listener(True)
    both = as_callback([begin, listener], callbacks.HOOKS)
    both.report("on_train_begin", "model")
    both.report("on_train_end", "model")
    assert begin.models == ["model"]
    assert both("later")
    assert (begin.models, listener.models) == (["model"], ["later"])
    with pytest.raises(TypeError, match="must be callable or have a method on_epoch_end, got"):
        as_callback(begin)


def test_checkpoints_are_due_after_epochs_and_after_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    schedule = CheckpointSchedule(2, 3)
    assert [schedule.is_due(epoch) for epoch in range(1, 7)] == [False, False, True] * 2
    assert not schedule.is_due()
    now[0] += 120
    assert schedule.is_due()
    assert schedule.is_due(1)
    schedule.written()
    assert not schedule.is_due()
    now[0] += 1e9
    assert not CheckpointSchedule(math.inf, None).is_due(1)


@pytest.mark.parametrize("arguments", [(-1, None), (math.nan, None), ("1", None), (1, 0)])
def test_wrong_times_are_refused(arguments: tuple[float, int | None]) -> None:
    with pytest.raises(ValueError, match=r"checkpoint_(minutes|epochs) must be"):
        CheckpointSchedule(*arguments)


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def work(**options):
    with callbacks.progress_bar(total=4, desc="counting", unit=" words", **options) as bar:
        for _ in range(4):
            bar.update()


@pytest.mark.parametrize("always", [False, True])
def test_progress_is_a_bar_on_a_terminal_and_lines_in_a_log(always, monkeypatch, caplog):
    monkeypatch.setattr(callbacks, "LOG_SECONDS", 0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO):
        work(shown=True, always=always)
        assert "counting: 100%" in sys.stderr.getvalue()
        assert not caplog.messages

        monkeypatch.setattr(sys, "stderr", io.StringIO())
        work(shown=True, always=always)
        if always:  # as in a notebook
            assert "counting: 100%" in sys.stderr.getvalue()
            assert not caplog.messages
        lines = []
        with callbacks.progress_lines(lines.append):
            work(shown=True, always=always)
            work(shown=False, always=always)
    assert any(line.startswith("counting: 50 %, 2 of 4 words, 00:00 elapsed") for line in lines)
    assert all("\r" not in line and "\n" not in line for line in lines)
    assert caplog.messages[-len(lines) :] == lines
    assert "counting: 50 %" not in sys.stderr.getvalue()


def test_lines_are_not_written_for_short_work(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    lines = []
    with callbacks.progress_lines(lines.append):
        work(shown=True)
        assert list(callbacks.progress_bar(range(3), shown=True, desc="x", unit=" rows")) == [
            0, 1, 2,
        ]  # fmt: skip
    assert lines == []


def test_without_a_total_the_amount_is_reported(monkeypatch):
    monkeypatch.setattr(callbacks, "LOG_SECONDS", 0)
    lines = []
    with callbacks.progress_lines(lines.append):
        list(callbacks.progress_bar(iter("abc"), shown=True, desc="reading", unit=" documents"))
    assert lines[0].startswith("reading: 1 documents, 00:00 elapsed")


def test_a_bar_that_is_not_shown_has_no_effect(capsys):
    with callbacks.progress_bar([1, 2], total=2, desc="x", unit=" rows", shown=False) as bar:
        assert list(bar) == [1, 2]
        bar.update(3)
        bar.set_postfix(loss=1, refresh=False)
        bar.set_postfix_str("x")
        bar.refresh()
        assert bar.n == 0
        bar.close()
    assert list(callbacks.progress_bar(shown=False)) == []
    assert capsys.readouterr() == ("", "")
