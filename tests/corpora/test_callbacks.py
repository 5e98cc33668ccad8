"""Callbacks and checkpoints of training."""

from __future__ import annotations

import math
import time

import pytest

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
