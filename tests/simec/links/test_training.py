"""Training: means of weights against sums written out, callbacks, checkpoints."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from torch import nn

from simec.links import LinkPredictor
from simec.links.training import LinkTrainer, MeanWeights
from tests.simec.links.graph import PLACES, chain, features


@pytest.mark.parametrize(
    ("n_steps", "every", "decay"), [(1, 1, 0.0), (4, 1, 0.75), (10, 1, 0.9), (35, 3, 0.9)]
)
def test_means(n_steps, every, decay):
    parameter = nn.Parameter(torch.zeros(2, 3))
    mean = MeanWeights([parameter], n_steps)
    rng, seen = np.random.default_rng(0), []
    with mean.in_place():
        pass  # nothing is there yet
    for step in range(1, 60):
        values = rng.normal(size=(2, 3)).astype(np.float32)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
        mean.update()
        if step % every == 0:
            seen.append(values)
    weights = decay ** np.arange(len(seen))[::-1].astype(float)
    expected = np.tensordot(weights / weights.sum(), np.array(seen), 1)
    with mean.in_place():
        np.testing.assert_allclose(parameter.detach(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(parameter.detach(), values)


@pytest.mark.slow
def test_training_goes_on_from_its_own_weights():
    train, test = chain()
    given = {"n_components": 6, "batch_size": 4, "max_iter": 5, "random_state": 0}
    plain, mean, unseen = (
        LinkPredictor(**given, average=average).fit(train, valid, entities=PLACES)
        for average, valid in ((False, test), (True, test), (True, None))
    )
    assert plain.loss_curve_ == mean.loss_curve_ == unseen.loss_curve_
    assert not torch.equal(plain.embeddings_, mean.embeddings_)
    assert mean.best_score_ == pytest.approx(mean.evaluate(test).measures()["mrr"])


def test_an_epoch_of_one_step_has_no_mean():
    train, _ = chain()
    given = {"n_components": 6, "batch_size": 1000, "max_iter": 5, "random_state": 0}
    plain, mean = (LinkPredictor(**given, average=average).fit(train) for average in (False, True))
    torch.testing.assert_close(plain.embeddings_, mean.embeddings_)


# Callbacks and checkpoints


def forms():
    small = {"n_components": 6, "batch_size": 4, "max_iter": 4, "random_state": 3}
    features_ = {"features": features()}
    return {
        "plain": (LinkPredictor(**small), {}),
        "negatives": (LinkPredictor(**small, n_negatives=9, dropout=0.2), {}),
        "adam": (LinkPredictor(**small, optimizer="adam", average=False), {}),
        "features": (LinkPredictor(**small, hidden_layers=(5,), dropout=0.2), features_),
        "bce": (LinkPredictor(**small, loss="bce", n3=0.0, tied=False), {}),
        "thesis": (LinkPredictor.thesis(**{**small, "batch_size": 16, "max_iter": 3}), {}),
    }


def assert_same(first, second):
    for name, values in first.network_.state_dict().items():
        assert torch.equal(values, second.network_.state_dict()[name]), name
    assert torch.equal(first.embeddings_, second.embeddings_)
    assert first.loss_curve_ == second.loss_curve_
    assert first.validation_curve_ == second.validation_curve_
    assert first.n_iter_ == second.n_iter_


class Interrupts:
    """Presses Ctrl-C in a step of training."""

    def __init__(self, monkeypatch, step):
        self.left, self.steps = step, 0
        one_step = LinkTrainer._step

        def interrupted(trainer, *args):
            self.steps += 1
            if self.steps == self.left:
                signal.raise_signal(signal.SIGINT)
            return one_step(trainer, *args)

        monkeypatch.setattr(LinkTrainer, "_step", interrupted)


@pytest.mark.parametrize(
    ("form", "with_valid"),
    [*((form, True) for form in forms()), ("plain", False), ("thesis", False)],
)
@pytest.mark.slow
def test_an_interrupted_run_continues_to_the_same_bits(form, with_valid, tmp_path, monkeypatch):
    train, test = chain()
    valid = test if with_valid else None
    whole, data = forms()[form]
    with monkeypatch.context() as patch:
        n_steps = Interrupts(patch, 0)
        whole.fit(train, valid, entities=PLACES, **data)
    last = n_steps.steps - 1
    for step in (1, last // 2, last) if form == "plain" else (last // 2,):
        predictor, _ = forms()[form]
        folder = tmp_path / str(step)
        with monkeypatch.context() as patch:
            Interrupts(patch, step)
            with pytest.raises(KeyboardInterrupt):
                predictor.fit(train, valid, entities=PLACES, checkpoint=folder, **data)
        found = LinkPredictor.load(folder)
        assert_same(found, predictor)  # the best weights so far
        assert len(found.predict("p03", "next")) == 10
        # parameters are those of the checkpoint
        again = LinkPredictor(99, relation_matrix="diagonal", random_state=8)
        again.fit(train, valid, entities=PLACES, resume_from=folder, checkpoint=folder, **data)
        assert_same(again, whole)
        assert_same(LinkPredictor.load(folder), whole)
        with pytest.raises(ValueError, match="is a finished predictor, not a checkpoint"):
            again.fit(train, valid, entities=PLACES, resume_from=folder, **data)


def test_checkpoints_come_when_they_are_due(tmp_path, monkeypatch):
    train, _ = chain()
    written = []
    write = LinkPredictor._write

    def note(predictor, path, training=None):
        written.append(None if training is None else len(training.values["losses"]))
        write(predictor, path, training)

    monkeypatch.setattr(LinkPredictor, "_write", note)
    small = {"n_components": 4, "batch_size": 100, "max_iter": 5, "random_state": 0}
    LinkPredictor(**small).fit(train, checkpoint=tmp_path / "m", checkpoint_epochs=2)
    assert written == [2, 4, None]
    written.clear()
    LinkPredictor(**small).fit(train, checkpoint=tmp_path / "m", checkpoint_minutes=0)
    # two batches in each epoch
    assert written == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, None]
    plain = LinkPredictor(**small).fit(train)
    assert_same(plain, LinkPredictor.load(tmp_path / "m"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError):
        LinkPredictor(**small).fit(train, checkpoint=tmp_path / "other")
    with pytest.raises(ValueError, match="checkpoint_minutes must be"):
        LinkPredictor(**small).fit(train, checkpoint=tmp_path / "m", checkpoint_minutes=-1)


def test_a_checkpoint_is_for_the_same_data(tmp_path, monkeypatch):
    train, test = chain()
    folder = tmp_path / "m"
    Interrupts(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        LinkPredictor(4, batch_size=8).fit(train, test, entities=PLACES, checkpoint=folder)
    for triples, valid in ((train[1:], test), (train, test[1:]), (train[::-1], test)):
        predictor = LinkPredictor(6)
        with pytest.raises(ValueError, match="of a run on other triples, entities or features"):
            predictor.fit(triples, valid, entities=PLACES, resume_from=folder)
        assert predictor.n_components == 6
        assert not hasattr(predictor, "embeddings_")


@pytest.mark.parametrize("form", ["plain", "thesis"])
@pytest.mark.slow
def test_callbacks_see_the_predictor_and_may_stop_training(form):
    train, test = chain()
    seen = []

    class Listener:
        def on_epoch_end(self, predictor):
            seen.append((predictor.n_iter_, predictor.evaluate(test).measures()["mrr"]))

    plain, _ = forms()[form]
    plain.fit(train, test, entities=PLACES)
    heard, _ = forms()[form]
    heard.fit(
        train, test, entities=PLACES, callbacks=[Listener(), lambda p: p.predict("p03", "next")]
    )
    assert_same(plain, heard)
    curve = plain.validation_curve_
    assert [n for n, _ in seen[: len(curve)]] == list(range(1, len(curve) + 1))
    if form == "plain":
        assert [mrr for _, mrr in seen] == pytest.approx(curve)
    else:
        assert len(seen) == len(curve) + 4  # fine-tuned relations, and their reciprocal ones
    stopped, _ = forms()[form]
    stopped.fit(train, test, entities=PLACES, callbacks=lambda p: p.n_iter_ == 2)
    assert stopped.n_iter_ == 2
    with pytest.raises(TypeError, match="a callback must be callable"):
        stopped.fit(train, callbacks=[7])


def test_epochs_are_logged(caplog):
    train, test = chain()
    with caplog.at_level("INFO", "simec.links"):
        LinkPredictor(4, max_iter=2).fit(train, test)
    text = caplog.text
    assert "epoch 1: loss" in text
    assert ", validation MRR 0." in text
    assert "trained 2 epochs in" in text
