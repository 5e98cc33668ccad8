"""Means of weights against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from simec.links import LinkPredictor
from simec.links.averaging import MeanWeights
from tests.simec.links.graph import PLACES, chain


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
