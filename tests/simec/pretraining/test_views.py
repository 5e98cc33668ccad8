"""Random views of images in training."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from simec import SimilarityEncoder
from simec.pretraining import RandomViews, shift_images


def test_views_are_shifted_and_mirrored_images():
    torch.manual_seed(0)
    images = torch.arange(2 * 5 * 6, dtype=torch.float32).reshape(1, 2, 5, 6).expand(300, 2, 5, 6)
    views = shift_images(images, pixels=1)
    padded = np.pad(images[0].numpy(), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    possible = []
    for i in range(3):
        for j in range(3):
            view = padded[:, i : i + 5, j : j + 6]
            mirrored = np.pad(
                images[0].numpy()[..., ::-1], ((0, 0), (1, 1), (1, 1)), mode="reflect"
            )
            possible += [view, mirrored[:, i : i + 5, j : j + 6]]
    found = {
        next(k for k, view in enumerate(possible) if np.array_equal(view, v)) for v in views.numpy()
    }
    assert found == set(range(18))


def test_without_changes():
    images = torch.randn(4, 1, 3, 3)
    assert torch.equal(shift_images(images, pixels=0, mirror=False), images)


def test_views_are_those_of_training_alone():
    network = RandomViews(nn.Flatten(), partial(shift_images, pixels=2))
    images = torch.randn(8, 1, 6, 6)
    assert torch.equal(network.eval()(images), images.flatten(1))
    assert not torch.equal(network.train()(images), images.flatten(1))


def test_training_is_reproducible_and_ignores_shifts_afterwards():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 1, 8, 8)).astype(np.float32)
    S = rng.standard_normal((40, 5)).astype(np.float32)
    network = RandomViews(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), shift_images)

    def fitted():
        encoder = SimilarityEncoder(
            4, network=network, solver="adam", init="random", max_iter=3, random_state=0
        )
        return encoder.fit(X, S)

    with pytest.warns(UserWarning, match="max_iter"):
        first, second = fitted(), fitted()
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    plain = first.network_.network(torch.from_numpy(X)).detach()
    np.testing.assert_allclose(plain, first.transform(X), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RandomViews("net", shift_images), "network must be a torch.nn.Module, got"),
        (lambda: RandomViews(nn.Flatten(), 2), "augment must be a callable, got"),
        (
            lambda: shift_images(torch.zeros(3, 4, 4)),
            r"shape \(b, channels, h, w\), got \(3, 4, 4\)",
        ),
        (
            lambda: shift_images(torch.zeros(1, 3, 4, 4), pixels=4),
            "pixels must be an integer from 0 to 3",
        ),
        (lambda: shift_images(torch.zeros(1, 3, 4, 4), mirror=2), "mirror must be True or False"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
