"""Decoders with the layers of a network in reverse order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from simec import SimilarityEncoder
from simec.pretraining.autoencoder import mirrored


def names(network):
    return [type(layer).__name__ for layer in network]


def paper_network():
    """The network of Fig. 6.4."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 8, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(288, 512), nn.Tanh(), nn.Linear(512, 64),
    )  # fmt: skip


def test_paper():
    network = paper_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(3, 3, 32, 32)
    decoder = mirrored(network, x.numpy())
    assert names(decoder) == [
        "Linear", "Tanh", "Linear", "Unflatten", "Upsample", "ReLU", "ConvTranspose2d", "Upsample",
        "ReLU", "ConvTranspose2d",
    ]  # fmt: skip
    assert decoder(network(x)).shape == x.shape
    assert decoder[0].weight.shape == (512, 64)
    assert {name for name, p in decoder.named_parameters() if not p.requires_grad} == set()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 2)], (7,)),
        ([nn.Conv1d(2, 4, 4, 3, 1), nn.ELU(), nn.Flatten(), nn.LazyLinear(3)], (2, 17)),
        ([nn.Conv2d(2, 4, (3, 5), (2, 3), 0, (2, 1), bias=False), nn.Flatten()], (2, 19, 23)),
        ([nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), nn.Flatten()], (4, 9, 8)),
        ([nn.Conv2d(1, 4, 3, padding="same"), nn.AvgPool2d(3, 2), nn.Flatten()], (1, 10, 11)),
        ([nn.Conv2d(1, 4, 3, padding="valid", padding_mode="reflect"), nn.Flatten()], (1, 10, 11)),
        ([nn.Conv3d(1, 2, 2), nn.AdaptiveAvgPool3d(1), nn.Flatten()], (1, 4, 5, 6)),
        ([nn.Unflatten(1, (2, 9)), nn.Conv1d(2, 3, 3), nn.MaxPool1d(2), nn.Flatten()], (18,)),
        ([nn.Flatten(2), nn.Conv1d(2, 3, 3), nn.Flatten()], (2, 4, 5)),
        ([nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), nn.PReLU(4), nn.Linear(4, 2)], (3, 4)),
        ([nn.Identity(), nn.Linear(4, 2)], (4,)),
    ],
)  # fmt: skip
def test_shapes(layers, shape):
    network = nn.Sequential(*layers)
    x = torch.randn(4, *shape)
    decoder = mirrored(network, x)
    decoded = decoder(network(x))
    assert decoded.shape == x.shape
    weighted = [p for p in network.parameters() if p.ndim > 1]
    assert len([p for p in decoder.parameters() if p.ndim > 1]) == len(weighted)


def test_normalization_and_dropout():
    network = nn.Sequential(
        nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2),
        nn.Flatten(), nn.Linear(8 * 36, 16), nn.LayerNorm(16), nn.Tanh(), nn.Dropout(0.1),
        nn.Linear(16, 4), nn.Tanh(),
    )  # fmt: skip
    x = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        network[2].weight.fill_(3.0)
    state = network[0].running_mean.clone()
    decoder = mirrored(network, x)
    assert names(decoder) == [
        "Linear", "Dropout", "Tanh", "LayerNorm", "Linear", "Unflatten", "Dropout2d", "ReLU",
        "BatchNorm2d", "ConvTranspose2d",
    ]  # fmt: skip
    assert torch.equal(network[0].running_mean, state)
    assert network.training
    assert torch.equal(decoder[8].weight.detach(), torch.ones(8))
    assert decoder(network(x)).shape == x.shape


def test_linear_networks_are_mirrored_as_in_the_default_network():
    from simec.network import perceptron

    network = perceptron([6, 5, 2], "relu")
    expected = perceptron([2, 5, 6], "relu")
    decoder = mirrored(network, np.zeros((1, 6)))
    assert names(decoder) == names(expected)
    assert [p.shape for p in decoder.parameters()] == [p.shape for p in expected.parameters()]


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (nn.Linear(3, 2), (1, 3), "network must be a torch.nn.Sequential, got Linear"),
        (nn.Sequential(nn.Embedding(5, 3), nn.Flatten()), (2, 3), r"network\[0\] \(Embedding\)"),
        (
            nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.Bilinear(2, 2, 2))),
            (1, 3),
            r"network\[0\]\[1\] \(Bilinear\) rejects features",
        ),
        (nn.Sequential(nn.Softmax(1)), (1, 3), r"network\[0\] \(Softmax\) has no counterpart"),
        (
            nn.Sequential(nn.Conv1d(1, 1, 4, padding="same")),
            (1, 1, 9),
            r"padding='same' with an even kernel_size",
        ),
        (
            nn.Sequential(nn.MaxPool1d(2, return_indices=True)),
            (1, 1, 9),
            r"network\[0\] \(MaxPool1d\) has no counterpart",
        ),
        (nn.Sequential(nn.MaxPool1d(2)), (2, 9), "needs features with channels"),
        (nn.Sequential(nn.Linear(3, 2)), (2, 4), r"rejects features of shape \(2, 4\)"),
        (nn.Sequential(nn.Linear(3, 2)), (3,), r"x must be some rows of features"),
        (nn.Sequential(nn.Linear(3, 2)), (0, 3), r"x must be some rows of features"),
    ],
)  # fmt: skip
def test_bad_input(network, shape, message):
    with pytest.raises(ValueError, match=message):
        mirrored(network, torch.zeros(shape))


def planes(n):
    """Images on a line: a picture times a random number."""
    rng = np.random.default_rng(0)
    picture = rng.standard_normal((2, 6, 6))
    return (rng.standard_normal((n, 1, 1, 1)) * picture).astype(np.float32)


def test_training_of_both():
    X = planes(60)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    options = {"batch_size": 16, "max_iter": 40, "learning_rate": 1e-2, "random_state": 0}
    encoder = SimilarityEncoder(3, network=network, decoder=mirrored(network, X[:2]), **options)
    encoder.fit(X)
    assert encoder.loss_curve_[-1] < 0.5 * encoder.loss_curve_[0]
    decoded = encoder.module_.decoder(torch.from_numpy(encoder.transform(X)))
    assert decoded.shape == X.shape
    assert float((decoded.detach() - torch.from_numpy(X)).square().mean()) < 0.7 * X.var()

    flat = X.reshape(len(X), -1)
    linear = SimilarityEncoder(3, network=network, **options).fit(X, flat)
    assert np.square(linear.predict(X) - flat).mean() < 0.7 * X.var()
