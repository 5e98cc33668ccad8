"""The atomwise last layer: sums over pairs of atoms, and the functions of a plain last layer."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from simec import SimilarityEncoder  # noqa: E402
from simec.molecules import atomwise  # noqa: E402
from simec.molecules.schnet import SchNet  # noqa: E402
from tests.simec.molecules.test_schnet import made_up  # noqa: E402


@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_predictions_are_sums_or_means_over_pairs_of_atoms(pooling):
    torch.manual_seed(0)
    molecules, targets = made_up(5), made_up(3, seed=1)
    network, last_layer = atomwise(SchNet(8, 1), targets, pooling=pooling)
    predicted = network(molecules.batch()).detach().numpy() @ last_layer
    embeddings, counts = network.network(molecules.batch())
    parts = embeddings.split(counts.tolist())
    atoms = network.atoms.weight.split(targets.n_atoms.tolist())
    for i, of_input in enumerate(parts):
        for j, of_target in enumerate(atoms):
            expected = sum(float((a * b).sum().detach()) for a in of_input for b in of_target)
            if pooling == "mean":
                expected /= len(of_input) * len(of_target)
            assert predicted[i, j] == pytest.approx(expected, abs=1e-4)


def test_functions_and_gradients_are_those_of_a_plain_last_layer():
    torch.manual_seed(0)
    molecules, targets = made_up(5), made_up(3, seed=1)
    network, last_layer = atomwise(SchNet(8, 1), targets)
    indicator = torch.from_numpy(last_layer)
    plain = (network.atoms.weight.T @ indicator).detach().requires_grad_()
    pooled = network.pooling(network.network(molecules.batch()))
    predicted = network(molecules.batch()) @ indicator
    torch.testing.assert_close(predicted, pooled @ plain)
    predicted.square().sum().backward()
    (pooled @ plain).square().sum().backward()
    # each atom of a target has the gradient of the target's column
    expected = (plain.grad @ indicator.T).T
    torch.testing.assert_close(network.atoms.weight.grad, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("scale", "pooling"), [(1.0, "sum"), (20.0, "sum"), (20.0, "mean")])
def test_predictions_start_at_the_scale_of_the_targets(scale, pooling):
    torch.manual_seed(0)
    targets = made_up(50, seed=1)
    network, last_layer = atomwise(SchNet(64, 2), targets, pooling=pooling, scale=scale)
    predicted = network(made_up(50).batch()).detach().numpy() @ last_layer
    assert float(np.sqrt(np.mean(predicted**2))) == pytest.approx(scale, rel=0.5)


def test_training_with_a_fixed_last_layer():
    molecules, targets = made_up(60), made_up(5, seed=1)
    rng = np.random.default_rng(0)
    counts = np.array([[(m.Z == Z).sum() for Z in (1, 6, 7, 8, 9)] for m in molecules])
    S = (counts @ rng.standard_normal((5, 5))).astype(np.float32)
    torch.manual_seed(0)
    network, last_layer = atomwise(SchNet(16, 1), targets, scale=float(S.std()))
    encoder = SimilarityEncoder(
        len(targets.Z), network=network, max_iter=60, batch_size=20, learning_rate=3e-3,
        random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the loss was still falling")
        encoder.fit(molecules, S, last_layer=last_layer)
    assert encoder.score(molecules, S) > 0.9
    np.testing.assert_array_equal(encoder.module_.last.weight.detach().numpy(), last_layer)
    assert isinstance(encoder.network_.network, SchNet)


def test_bad_input():
    targets = made_up(2)
    with pytest.raises(ValueError, match="at least one molecule"):
        atomwise(SchNet(4), targets[:0])
    with pytest.raises((ValueError, TypeError), match="targets must be of the class Molecules"):
        atomwise(SchNet(4), "CCO")
    with pytest.raises((ValueError, TypeError), match="network must be"):
        atomwise(None, targets)
    with pytest.raises(ValueError, match="scale must be"):
        atomwise(SchNet(4), targets, scale=0)
    with pytest.raises(ValueError, match="pooling must be"):
        atomwise(SchNet(4), targets, pooling="max")
