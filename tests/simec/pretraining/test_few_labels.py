"""Pre-training on similarities of all points and classes of the few labelled ones."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier
from torch import nn

from simec import MixedTargets, SimilarityEncoder
from simec.similarities import class_labels


def test_classes_of_the_labelled_points():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    X = rng.standard_normal((300, 20)).astype(np.float32)
    X[:, 0] += 3 * y  # the classes differ in one direction, others vary more
    X[:, 1:6] *= 4
    labelled = np.arange(40)
    names = np.full(300, None, object)
    names[labelled] = np.array(["left", "right"])[y[labelled]]
    linear = X @ X[:100].T / 100
    classes = class_labels(names, names[labelled], missing=True)
    assert np.isnan(classes[40:]).all()

    def accuracy(S):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(20, 2))
        encoder = SimilarityEncoder(
            2, network=network, max_iter=30, batch_size=50, learning_rate=1e-2, random_state=0
        ).fit(X, S)
        Y = encoder.transform(X)
        return RidgeClassifier().fit(Y[:40], y[:40]).score(Y[40:], y[40:])

    mixed = MixedTargets({"linear": linear, "classes": classes}, {"linear": 0.1, "classes": 0.9})
    assert accuracy(mixed) > 0.85
    assert accuracy(linear) < 0.7
