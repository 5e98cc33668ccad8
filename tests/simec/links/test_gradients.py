"""Errors against plain ones, and derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simec.links.losses import LOSSES, Gradients, Positives
from simec.links.network import LinkNetwork, RelationMatrices
from simec.links.training import LinkSchedule, LinkTrainer
from tests.simec.links.oracle import bce_error, complex_product, softmax_error


def batch(seed=0, b=4, n=7, d=6):
    random = torch.Generator().manual_seed(seed)
    q = torch.randn(b, d, generator=random, dtype=torch.float64)
    W = torch.randn(n, d, generator=random, dtype=torch.float64)
    offset = torch.randn(n, generator=random, dtype=torch.float64)
    rows, columns = torch.tensor([0, 0, 1, 2, 3]), torch.tensor([1, 4, 4, 0, 6])
    weights = torch.tensor([0.5, 0.25, 1, 2, 0.125], dtype=torch.float64)
    row_weights = torch.zeros(b, dtype=torch.float64).index_add_(0, rows, weights)
    return q, W, offset, Positives(rows, columns, weights, row_weights)


def plain(loss, q, W, offset, p):
    scores = (q @ W.T + (0 if offset is None else offset)).tolist()
    positives = list(zip(p.rows.tolist(), p.columns.tolist(), p.weights.tolist(), strict=True))
    if loss == "softmax":
        return softmax_error(scores, positives)
    return bce_error(scores, positives, p.row_weights.tolist())


@pytest.mark.parametrize("with_offset", [False, True])
@pytest.mark.parametrize("loss", list(LOSSES))
def test_errors_and_their_derivatives(loss, with_offset):
    q, W, offset, p = batch()
    offset = offset if with_offset else None
    error, by_q, by_W, by_offset = Gradients().compute(LOSSES[loss], q, W, p, offset=offset)
    assert float(error) == pytest.approx(plain(loss, q, W, offset, p), rel=1e-12)
    for values, derivatives in ((q, by_q), (W, by_W), (offset, by_offset)):
        if values is None:
            continue
        for at in np.ndindex(*values.shape):
            before, step = float(values[at]), 1e-6
            values[at] = before + step
            more = plain(loss, q, W, offset, p)
            values[at] = before - step
            less = plain(loss, q, W, offset, p)
            values[at] = before
            assert float(derivatives[at]) == pytest.approx((more - less) / (2 * step), abs=1e-7)


def test_memory_is_used_again_and_results_stay_right():
    gradients = Gradients()
    for seed, b in ((0, 4), (1, 4), (2, 4)):
        q, W, offset, p = batch(seed, b)
        ours = gradients.compute(LOSSES["softmax"], q, W, p, offset=offset)
        alone = Gradients().compute(LOSSES["softmax"], q, W, p, offset=offset)
        for a, c in zip(ours, alone, strict=True):
            torch.testing.assert_close(a, c)


def test_a_fixed_last_layer_has_no_derivatives():
    q, W, _, p = batch()
    ours, alone = (
        Gradients().compute(LOSSES["bce"], q, W, p, fixed=fixed) for fixed in (True, False)
    )
    assert ours[2] is None
    torch.testing.assert_close(ours[1], alone[1])


def test_a_probability_of_0_is_no_infinite_error():
    q = torch.tensor([[1000.0]])
    W = torch.tensor([[1.0], [-1.0]])
    one = torch.ones(1)
    p = Positives(torch.tensor([0]), torch.tensor([1]), one, one)
    error, by_q, _, _ = Gradients().compute(LOSSES["softmax"], q, W, p)
    assert torch.isfinite(error)
    assert torch.isfinite(by_q).all()


@pytest.mark.parametrize("kind", ["complex", "diagonal", "full"])
def test_relation_matrices(kind):
    torch.manual_seed(0)
    matrices = RelationMatrices(3, 4, kind).double()
    y = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    r = torch.tensor([2, 0, 2, 2, 0])
    found = matrices(y, r)
    for i in range(5):
        one, m = y[i].detach().numpy(), matrices.weight[r[i]].detach().numpy()
        expected = (
            one @ m if kind == "full" else one * m if kind == "diagonal"
            else complex_product(one, m)
        )  # fmt: skip
        np.testing.assert_allclose(found[i].detach().numpy(), expected)
    assert torch.autograd.gradcheck(
        lambda y, w: torch.func.functional_call(matrices, {"weight": w}, (y, r)),
        (y, matrices.weight),
    )


def test_complex_matrices_are_blocks_of_a_full_one():
    torch.manual_seed(0)
    matrices, full = RelationMatrices(1, 6, "complex"), RelationMatrices(1, 6, "full")
    a, b = matrices.weight.detach()[0].chunk(2)
    with torch.no_grad():
        full.weight[0] = torch.cat(
            [torch.cat([a.diag(), b.diag()], 1), torch.cat([-b.diag(), a.diag()], 1)]
        )
    y, r = torch.randn(4, 6), torch.zeros(4, dtype=torch.int64)
    torch.testing.assert_close(matrices(y, r), full(y, r))


@pytest.mark.parametrize("kind", ["complex", "diagonal", "full"])
def test_cubes(kind):
    torch.manual_seed(0)
    matrices = RelationMatrices(2, 4, kind).double()
    y = torch.randn(3, 4, dtype=torch.float64)
    moduli = torch.complex(y[:, :2], y[:, 2:]).abs() if kind == "complex" else y.abs()
    torch.testing.assert_close(matrices.cubes(y)[0], moduli.pow(3).sum(1))
    m = matrices.weight.detach()
    moduli = torch.complex(m[:, :2], m[:, 2:]).abs() if kind == "complex" else m.abs()
    torch.testing.assert_close(matrices.cubes(m)[0], moduli.pow(3).flatten(1).sum(1))
    for values in (y, m):
        _, gradients = matrices.cubes(values)
        for at in np.ndindex(*values.shape):
            before, step = float(values[at]), 1e-5
            values[at] = before + step
            more = float(matrices.cubes(values)[0].sum())
            values[at] = before - step
            less = float(matrices.cubes(values)[0].sum())
            values[at] = before
            assert float(gradients[at]) == pytest.approx((more - less) / (2 * step), abs=1e-7)
    assert not matrices.cubes(torch.zeros(1, 4))[1].any()  # a root has no derivative at 0


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n_features", [None, 5])
def test_networks(tied, n_features):
    network = LinkNetwork(9, 4, 6, "full", n_features=n_features, tied=tied, n_biases=int(not tied))
    names = set(dict(network.named_parameters()))
    assert ("last" in names) is ("bias" in names) is (not tied)
    assert network.encoder(torch.eye(9)[:, : n_features or 9]).shape == (9, 6)


def test_entities_that_are_drawn_stand_for_all():
    n = 60
    network = LinkNetwork(n, 2, 4, "diagonal")
    schedule = LinkSchedule("softmax", "1vsall", "adagrad", 0.1, 0.0, 0.0, 15, 8, 1, 1)
    trainer = LinkTrainer(network, None, n, schedule, 0, torch.device("cpu"))
    scores = torch.randn(n, generator=torch.Generator().manual_seed(0))
    h, columns = torch.tensor([3, 5, 3]), torch.tensor([5, 7, 50, 0])
    found = []
    for _ in range(3000):
        numbers, at_h, at_columns, offset = trainer._candidates(h, columns)
        assert len(set(numbers.tolist())) == len(numbers) < n
        assert torch.equal(numbers[at_h], h)
        assert torch.equal(numbers[at_columns], columns)
        assert not offset[torch.cat([at_h, at_columns])].any()
        found.append(float((scores[numbers] + offset).exp().sum()))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - float(scores.exp().sum())) < 4 * error
