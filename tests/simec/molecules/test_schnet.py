"""SchNet: equal to torch-geometric's, exact gradients through the table of filters."""

from __future__ import annotations

import copy
import pickle
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from corpora.errors import ModelError  # noqa: E402
from simec import SimilarityEncoder  # noqa: E402
from simec.molecules import MoleculeBatch, Molecules  # noqa: E402
from simec.molecules.filters import Convolution  # noqa: E402
from simec.molecules.schnet import PyGSchNet, SchNet  # noqa: E402


def made_up(n: int = 6, seed: int = 0, cutoff: float | None = None) -> Molecules:
    """Molecules whose atoms are at least 0.9 angstrom apart."""
    rng = np.random.default_rng(seed)
    Z, positions = [], []
    for _ in range(n):
        points: list[np.ndarray] = []
        size = rng.integers(1, 9)
        while len(points) < size:
            point = rng.uniform(-2.5, 2.5, 3)
            if all(np.linalg.norm(point - other) > 0.9 for other in points):
                points.append(point)
        Z.append(rng.choice([1, 6, 7, 8, 9], size))
        positions.append(np.array(points))
    return Molecules.from_lists(Z, positions, cutoff=cutoff)


def plain_convolution(batch, x, table, cutoff):
    """A slow oracle: cubic interpolation by scipy's Lagrange weights, pair by pair."""
    out = np.zeros_like(x)
    step = cutoff / (len(table) - 1)
    for i, j, d in zip(batch.i.tolist(), batch.j.tolist(), batch.distance.tolist(), strict=True):
        if d > cutoff:
            continue
        k = min(max(int(d / step) - 1, 0), len(table) - 4)
        points = np.arange(k, k + 4) * step
        for a in range(4):
            weight = np.prod([
                (d - points[b]) / (points[a] - points[b]) for b in range(4) if b != a
            ])  # fmt: skip
            out[i] += weight * table[k + a] * x[j]
    return out


@pytest.mark.parametrize("backend", ["compiled", "torch"])
@pytest.mark.parametrize("n_features", [1, 5, 32])
def test_convolution_is_that_of_a_plain_loop(backend, n_features):
    batch = made_up().batch()
    rng = np.random.default_rng(1)
    x = rng.standard_normal((len(batch.Z), n_features))
    table = rng.standard_normal((40, n_features))
    convolve = Convolution(
        batch.i, batch.j, batch.distance.double(), len(x), 4.0, 40, backend=backend
    )
    found = convolve(torch.from_numpy(x), torch.from_numpy(table))
    np.testing.assert_allclose(found.numpy(), plain_convolution(batch, x, table, 4.0), atol=1e-10)


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_gradients_are_those_of_finite_differences(backend):
    batch = made_up(3).batch()
    convolve = Convolution(
        batch.i, batch.j, batch.distance.double(), len(batch.Z), 4.0, 12, backend=backend
    )
    x = torch.randn(len(batch.Z), 3, dtype=torch.float64, requires_grad=True)
    table = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolve, (x, table))
    # a gradient that is not contiguous
    assert torch.autograd.gradcheck(lambda a, b: convolve(a, b).T[::2], (x, table))


def test_nan_stays_nan():
    batch = made_up(1, seed=5).batch()
    x, table = torch.ones(len(batch.Z), 16), torch.ones(12, 16)
    x[0, 3] = float("nan")
    y = Convolution(batch.i, batch.j, batch.distance, len(x), 9.0, 12)(x, table)
    assert y[1:, 3].isnan().all()
    assert y[:, :3].isfinite().all()


def test_distances_have_gradients_with_plain_operations():
    batch = made_up(2).batch()
    x = torch.randn(len(batch.Z), 3, dtype=torch.float64)
    table = torch.randn(12, 3, dtype=torch.float64)

    def summed(distance):
        return Convolution(batch.i, batch.j, distance, len(x), 9.0, 12)(x, table)

    distance = batch.distance.double().requires_grad_()
    assert torch.autograd.gradcheck(summed, (distance,))


def test_backends_agree_on_a_network(monkeypatch):
    torch.manual_seed(0)
    network, batch = SchNet(24, 2), made_up(20).batch()
    results = []
    for backend in ("compiled", "torch"):
        monkeypatch.setattr(
            "simec.molecules.schnet.Convolution",
            lambda *args, backend=backend: Convolution(*args, backend=backend),
        )
        network.zero_grad()
        embeddings, counts = network(batch)
        embeddings.square().sum().backward()
        assert counts.tolist() == batch.counts.tolist()
        results.append([embeddings, *(p.grad for p in network.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def pyg():
    geometric = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    return geometric.SchNet(
        hidden_channels=32, num_filters=32, num_interactions=3, num_gaussians=25, cutoff=5.0
    )


@pytest.mark.parametrize(("n_points", "atol"), [(None, 1e-5), ("auto", 1e-4), (1000, 1e-5)])
def test_equals_torch_geometric(pyg, n_points, atol):
    batch = made_up(10, cutoff=5.0).batch()
    at = torch.repeat_interleave(torch.arange(len(batch.counts)), batch.counts)
    # its own forward pass, with the head left out
    whole = copy.deepcopy(pyg)
    whole.lin1 = whole.act = whole.lin2 = torch.nn.Identity()
    del whole.interaction_graph
    whole.interaction_graph = lambda *_: (torch.stack([batch.j, batch.i]), batch.distance)
    expected = whole(batch.Z, torch.zeros(len(at), 3), at)
    embeddings, counts = SchNet.from_pyg(pyg, n_points=n_points)(batch)
    found = torch.zeros_like(expected).index_add(0, at, embeddings)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=10 * atol)
    wrapped, also = PyGSchNet(pyg)(batch)
    torch.testing.assert_close(embeddings, wrapped, rtol=1e-4, atol=atol)
    assert counts.tolist() == also.tolist() == batch.counts.tolist()


def test_initial_weights_are_distributed_as_those_of_torch_geometric(pyg):
    ours = SchNet(32, 3)
    theirs = SchNet.from_pyg(pyg)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if name.endswith("bias"):
            assert not one.any()
            assert not other.any()
        else:
            assert float((one.std() / other.std()).detach()) == pytest.approx(1, abs=0.15), name


def test_pairs_beyond_the_cutoff_have_no_effect():
    torch.manual_seed(0)
    near, far = made_up(5, cutoff=2.5), made_up(5)
    for n_points in (None, 50):
        network = SchNet(8, 2, cutoff=2.5, n_points=n_points)
        torch.testing.assert_close(network(near.batch())[0], network(far.batch())[0])


def test_molecules_with_a_smaller_cutoff_than_the_network_are_refused(pyg):
    message = (
        r"molecules have pairs of atoms within 3 angstrom, but the network needs those within 5: "
        r"use molecules.with_cutoff\(5\)"
    )
    near, far = made_up(5, cutoff=3), made_up(5)
    for network in (SchNet(8, 1), PyGSchNet(pyg)):
        with pytest.raises(ValueError, match=message):
            network(near.batch())
        network(near.with_cutoff(5).batch())
    encoder = SimilarityEncoder(8, network=SchNet(8, 1), pooling="sum", max_iter=1, batch_size=5)
    with pytest.raises(ValueError, match=message):
        encoder.fit(near, np.eye(5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder.fit(far, np.eye(5))
    with pytest.raises(ValueError, match=message):
        encoder.transform(near)


def test_weights_of_a_network_with_another_cutoff_are_refused(pyg, tmp_path):
    network = SchNet(8, 1, cutoff=6)
    message = "weights are those of a network with cutoff=6, but this network has cutoff=5"
    with pytest.raises(ValueError, match=message):
        SchNet(8, 1).load_state_dict(network.state_dict())
    SchNet(8, 1, cutoff=6).load_state_dict(network.bfloat16().state_dict())
    encoder = SimilarityEncoder(8, network=network.float(), pooling="sum", max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder.fit(made_up(5), np.eye(5)).save(tmp_path / "model")
    with pytest.raises(ModelError, match=message):
        SimilarityEncoder.load(tmp_path / "model", network=SchNet(8, 1))
    SimilarityEncoder.load(tmp_path / "model", network=SchNet(8, 1, cutoff=6))
    earlier = {name: x for name, x in network.state_dict().items() if name != "centers"}
    SchNet(8, 1, cutoff=6).load_state_dict(earlier)  # saved before the centers were
    far = copy.deepcopy(pyg)
    far.distance_expansion.offset *= 2
    with pytest.raises(ValueError, match="cutoff=10, but this network has cutoff=5"):
        PyGSchNet(pyg).load_state_dict(PyGSchNet(far).state_dict())


def test_a_molecule_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    molecules, network = made_up(6), SchNet(16, 2)
    together, counts = network(molecules.batch())
    for k, part in enumerate(together.split(counts.tolist())):
        torch.testing.assert_close(network(molecules.batch([k]))[0], part)


def test_rotations_and_the_order_of_atoms_do_not_matter():
    torch.manual_seed(0)
    network, molecules = SchNet(16, 2), made_up(1, seed=5)
    order = np.random.default_rng(0).permutation(len(molecules.Z))
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    turned = Molecules(molecules.Z[order], molecules.positions[order] @ Q, molecules.offsets)
    torch.testing.assert_close(
        network(turned.batch())[0], network(molecules.batch())[0][order], rtol=1e-4, atol=1e-5
    )


def test_single_atoms_and_no_interactions():
    atoms = Molecules([1, 8], [[0, 0, 0], [9, 9, 9]], [0, 1, 2])
    network = SchNet(8, 2)
    embeddings, counts = network(atoms.batch())
    assert embeddings.isfinite().all()
    assert counts.tolist() == [1, 1]
    network = SchNet(8, 0)
    torch.testing.assert_close(network(atoms.batch())[0], network.embedding.weight[[1, 8]])


def test_mixed_precision_and_double():
    torch.manual_seed(0)
    network, batch = SchNet(16, 2), made_up(4).batch()
    exact, _ = copy.deepcopy(network).double()(batch)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(network(batch)[0].double(), exact, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = network(batch)
        mixed.square().sum().backward()
    torch.testing.assert_close(mixed.double(), exact, rtol=0.1, atol=0.1)


def test_copies_and_pickles_are_equal():
    network, batch = SchNet(8, 2), made_up(2).batch()
    expected = network(batch)[0]
    for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        torch.testing.assert_close(copied(batch)[0], expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the loss was still falling")
def test_an_encoder_of_molecules(tmp_path):
    molecules = made_up(40)
    counts = np.stack([np.add.reduceat(molecules.Z == Z, molecules.offsets[:-1]) for Z in (1, 6)])
    S = (counts.T @ counts / 10).astype(np.float32)
    torch.manual_seed(0)
    encoder = SimilarityEncoder(
        16, network=SchNet(16, 1), pooling="sum", max_iter=40, batch_size=10, random_state=0
    ).fit(molecules, S)
    assert encoder.score(molecules, S) > 0.8
    encoder.save(tmp_path / "model")
    again = SimilarityEncoder.load(tmp_path / "model", network=SchNet(16, 1))
    np.testing.assert_array_equal(again.transform(molecules), encoder.transform(molecules))
    trained = encoder.network_
    assert isinstance(trained, SchNet)
    parts = trained(molecules.batch())[0].detach().numpy()
    found = np.add.reduceat(parts, molecules.offsets[:-1])
    np.testing.assert_allclose(found, encoder.transform(molecules), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"i": [0, 3]}, "i and j must be two different atoms from 0 to 2, got pair 1: 3 and 0"),
        ({"i": [0, -1]}, "different atoms"),
        ({"j": [0, 0]}, "different atoms"),
        ({"distance": [float("nan"), 1]}, "distance must be numbers >= 0, got nan for pair 0"),
        ({"distance": [-1.0, 1]}, "got -1.0 for pair 0"),
        ({"i": [0, 0], "j": [1, 1]}, "each pair of atoms in both directions"),
        ({"i": [1, 1], "j": [0, 0]}, "each pair of atoms in both directions"),
    ],
)
def test_bad_batches_are_refused(change, message):
    fields = {"Z": [1, 1, 1], "i": [0, 1], "j": [1, 0], "distance": [1.0, 1.0], "counts": [3]}
    batch = MoleculeBatch(**{k: torch.tensor(v) for k, v in {**fields, **change}.items()})
    with pytest.raises(ValueError, match=message):
        SchNet(4)(batch)


def test_bad_parameters_are_refused():
    for parameters, message in [
        ({"n_features": 0}, "n_features must be"),
        ({"cutoff": 0}, "cutoff must be"),
        ({"n_gaussians": 1}, "n_gaussians must be"),
        ({"n_points": 3}, "n_points must be"),
        ({"n_points": "many"}, "n_points must be"),
        ({"embedding": "Z"}, "embedding must be"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            SchNet(**parameters)
    with pytest.raises((ValueError, TypeError), match="batch must be of the class MoleculeBatch"):
        SchNet(4)(torch.zeros(3))
    with pytest.raises(ValueError, match=r"embedding must return a tensor of shape \(n, 4\)"):
        SchNet(4, embedding=torch.nn.Embedding(10, 3))(made_up(1).batch())


def test_only_a_schnet_of_torch_geometric_is_taken(monkeypatch):
    for wrong in (SchNet.from_pyg, PyGSchNet):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "torch_geometric", None)
            without.delitem(sys.modules, "torch_geometric.nn", raising=False)
            with pytest.raises(ImportError, match=r"need torch_geometric: .*\[molecules\]"):
                wrong(torch.nn.Linear(2, 2))
        pytest.importorskip("torch_geometric")
        with pytest.raises((ValueError, TypeError), match="must be a torch_geometric.nn.SchNet"):
            wrong(torch.nn.Linear(2, 2))
