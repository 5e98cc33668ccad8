"""Contrastive pre-training: views, the loss, and training with lightly's loss or a stand-in."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from simec.pretraining.contrastive import TwoViews, augment_images, pretrain_contrastive

RNG = np.random.default_rng(0)


def plain_loss(a, b, temperature):
    """NT-Xent of Chen et al. (2020), equation 1, by loops."""
    z = [F.normalize(v, dim=0) for v in (*a, *b)]
    n, total = len(a), 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [torch.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k != i]
        total -= torch.log(torch.exp(z[i] @ z[j] / temperature) / sum(others))
    return total / (2 * n)


class StandIn(nn.Module):
    """The same with matrices, with the signature of lightly's."""

    sizes: list = []  # noqa: RUF012

    def __init__(self, temperature=0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, a, b):
        StandIn.sizes.append(len(a))
        z = F.normalize(torch.cat([a, b]), dim=1)
        n = len(a)
        logits = (z @ z.T / self.temperature).fill_diagonal_(-torch.inf)
        return F.cross_entropy(logits, (torch.arange(2 * n) + n) % (2 * n))


def test_stand_in():
    a, b = torch.randn(2, 5, 3)
    assert float(StandIn(0.2)(a, b)) == pytest.approx(float(plain_loss(a, b, 0.2)), rel=1e-5)


def test_lightly_agrees():
    loss = pytest.importorskip("lightly.loss", exc_type=(ImportError, RuntimeError))
    a, b = torch.randn(2, 5, 3)
    assert float(loss.NTXentLoss(0.2)(a, b)) == pytest.approx(float(plain_loss(a, b, 0.2)), 1e-5)


@pytest.fixture
def stand_in(monkeypatch):
    StandIn.sizes = []
    module = ModuleType("lightly.loss")
    module.NTXentLoss = StandIn
    monkeypatch.setitem(sys.modules, "lightly", ModuleType("lightly"))
    monkeypatch.setitem(sys.modules, "lightly.loss", module)


def blobs(n):
    """Images of two kinds: bright on the left, or on the right; the background is random."""
    y = np.arange(n) % 2
    X = RNG.standard_normal((n, 1, 4, 4)).astype(np.float32)
    X[y == 0, :, :, :2] += 2
    X[y == 1, :, :, 2:] += 2
    return X, y


def noise(images):
    return images + 0.7 * torch.randn(images.shape)


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def test_training(stand_in):
    X, _ = blobs(150)
    network = small_network()
    before = [p.detach().clone() for p in network.parameters()]
    options = {"batch_size": 32, "max_iter": 15, "random_state": 0, "learning_rate": 1e-2}
    trained = pretrain_contrastive(network, TwoViews(X, noise), **options)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))
    assert type(trained) is nn.Sequential
    assert trained(torch.from_numpy(X)).shape == (150, 3)
    # validation and evaluation use batches of the same size
    assert max(StandIn.sizes) <= 33
    assert min(StandIn.sizes) > 1

    def spread(network):
        """Distances of views, divided by those of different images."""
        with torch.no_grad():
            a, b = (F.normalize(network(noise(torch.from_numpy(X))), dim=1) for _ in range(2))
        return float((a - b).norm(dim=1).mean() / (a - b.roll(1, 0)).norm(dim=1).mean())

    assert spread(trained) < 0.7 * spread(network)
    again = pretrain_contrastive(network, TwoViews(X, noise), **options)
    for p, q in zip(trained.parameters(), again.parameters(), strict=True):
        assert torch.equal(p, q)


def test_without_projection(stand_in):
    X, _ = blobs(20)
    trained = pretrain_contrastive(
        small_network(), TwoViews(X, noise), projection=(), max_iter=1, batch_size=8
    )
    assert trained(torch.from_numpy(X)).shape == (20, 3)


def test_views():
    X = np.arange(3 * 2 * 4 * 4, dtype=np.uint8).reshape(3, 2, 4, 4)
    views = TwoViews(X, lambda images: images + torch.rand(1))
    assert len(views) == 3
    assert views[2].shape == (2, 2, 4, 4)
    many = views.__getitems__([2, 0])
    assert many.shape == (2, 2, 2, 4, 4)
    assert many.dtype == torch.float32
    gaps = many - torch.from_numpy(X[[2, 0]]).float()[:, None]
    assert not torch.allclose(gaps[:, 0], gaps[:, 1])
    assert bool((gaps >= 0).all() & (gaps <= 1).all())
    assert views.collate_fn(many) is many
    assert torch.equal(views.collate_fn(list(many)), many)


def test_augmented_images():
    torch.manual_seed(0)
    images = torch.randn(64, 3, 8, 8)
    views = augment_images(images)
    assert views.shape == images.shape
    assert bool(views.isfinite().all())
    is_gray = (views == views[:, :1]).flatten(1).all(dim=1)
    assert 3 <= int(is_gray.sum()) <= 25
    same = augment_images(images, smallest=1, jitter=0, gray=0)
    ratios = [
        min(float((view - image).abs().max()), float((view - image.flip(2)).abs().max()))
        for view, image in zip(same, images, strict=True)
    ]
    assert np.isfinite(ratios).all()
    torch.manual_seed(1)
    first = augment_images(images)
    torch.manual_seed(1)
    assert torch.equal(first, augment_images(images))
    assert not torch.equal(first, views)


def test_missing_package(monkeypatch):
    for name in ("lightly", "lightly.loss"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"similarity-encoders\[contrastive\]"):
        pretrain_contrastive(small_network(), TwoViews(blobs(4)[0], noise))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": None}, "network must be a torch.nn.Module, got None"),
        ({"network": nn.Identity()}, r"network must return a tensor of shape \(b, d\)"),
        ({"views": np.zeros((3, 2, 1, 4, 4))}, "views must be a map-style data set"),
        ({"views": TensorDataset(torch.zeros(5, 4))}, r"items of views must be tensors of shape"),
        ({"views": TwoViews(np.zeros((1, 1, 4, 4)), noise)}, "at least 2 items, got 1"),
        ({"batch_size": 1}, "batch_size must be an integer >= 2, got 1"),
        ({"temperature": 0}, "temperature must be a finite number > 0"),
        ({"projection": 5}, "projection must be a sequence of sizes"),
    ],
)
def test_bad_input(stand_in, change, message):
    options = {"network": small_network(), "views": TwoViews(blobs(4)[0], noise), **change}
    with pytest.raises(ValueError, match=message):
        pretrain_contrastive(options.pop("network"), options.pop("views"), **options)


def test_bad_views():
    with pytest.raises(ValueError, match=r"X must have shape \(m, channels, h, w\), got \(3, 4\)"):
        TwoViews(np.zeros((3, 4)), noise)
    with pytest.raises(ValueError, match="augment must be a callable"):
        TwoViews(np.zeros((3, 1, 4, 4)), None)
