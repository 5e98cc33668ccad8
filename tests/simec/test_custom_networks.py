"""Custom networks: integers, structures of tensors, pooling, scale, rates, validation, decoders."""

import warnings
from collections import namedtuple

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from simec import MixedTargets, ModelError, SimilarityEncoder, SparseTargets
from simec.network import Pooling
from simec.solvers.gradient import Schedule
from simec.solvers.objective import LOSSES, error_rate

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5)).astype(np.float32)
S = (X[:, :2] @ X[:10, :2].T).astype(np.float32)
OPTIONS = {"max_iter": 3, "batch_size": 20, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:the loss was still falling")


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


class Tokens(nn.Module):
    """Embeddings of tokens, with a mask where ids are 0."""

    def __init__(self, d=4):
        super().__init__()
        self.lookup = nn.Embedding(30, d)

    def forward(self, ids):
        return self.lookup(ids), ids > 0


def tokens(n=60, length=6):
    ids = np.random.default_rng(1).integers(1, 30, (n, length))
    ids[np.arange(length) >= np.random.default_rng(2).integers(1, length + 1, n)[:, None]] = 0
    return ids


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.uint16])
@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_ids_of_tokens(dtype, pooling, tmp_path):
    ids = tokens().astype(dtype)
    encoder = SimilarityEncoder(4, network=Tokens(), pooling=pooling, **OPTIONS).fit(ids, S)
    Y = encoder.transform(ids)
    table = encoder.network_.lookup.weight.detach().numpy()
    for row, y in zip(ids, Y, strict=True):  # the plain definition
        parts = table[row[row > 0]]
        expected = parts.sum(0) if pooling == "sum" else parts.mean(0)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    assert encoder.score(ids, S) > -2
    encoder.save(tmp_path / "m")
    loaded = SimilarityEncoder.load(tmp_path / "m", network=Tokens())
    np.testing.assert_array_equal(loaded.transform(ids), Y)
    with pytest.raises(ValueError, match="X must contain integers"):
        loaded.transform(ids.astype(float))
    with pytest.raises(ValueError, match=r"the id -1: ids must be >= 0"):
        loaded.transform(ids.astype(int) - 1)


def test_ids_out_of_range():
    ids = tokens()
    ids[7, 0] = 99
    encoder = SimilarityEncoder(4, network=Tokens(), pooling="sum", **OPTIONS)
    with pytest.raises(ValueError, match="does not accept the id 99"):
        encoder.fit(ids, S)
    with pytest.raises(ValueError, match="increase num_embeddings"):
        encoder.fit(ids[7:], S[7:])  # the first row is refused
    encoder.fit(tokens(), S)
    with pytest.raises(ValueError, match="does not accept the id 99"):
        encoder.transform(ids)


class Patches(nn.Module):
    """Integers as pixels, and an embedding of positions."""

    def __init__(self):
        super().__init__()
        self.linear, self.position = nn.Linear(5, 4), nn.Embedding(3, 4)

    def forward(self, x):
        return self.linear(x)[:, None] + self.position(torch.arange(3))


def test_integer_images_become_floats():
    pixels = RNG.integers(0, 255, (60, 5), np.uint8)
    encoder = SimilarityEncoder(4, network=Patches(), pooling="mean", **OPTIONS).fit(pixels, S)
    assert encoder.layout_.inputs == "dense"
    assert encoder.transform(pixels).shape == (60, 4)


Graph = namedtuple("Graph", "nodes counts")


class Graphs(Dataset):
    """Items of various lengths, collated to a named tuple, a dict or an object."""

    def __init__(self, form="tuple"):
        self.items = [X[i : i + 1 + i % 3] for i in range(57)]
        self.form = form

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]

    def collate_fn(self, items):
        graph = Graph(torch.from_numpy(np.concatenate(items)), torch.tensor([*map(len, items)]))
        return graph._asdict() if self.form == "dict" else graph


class GraphNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 4)

    def forward(self, graph):
        nodes, counts = graph.values() if isinstance(graph, dict) else graph
        return self.linear(nodes).tanh(), counts


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_data_set_with_its_own_batches(form):
    data = Graphs(form)
    encoder = SimilarityEncoder(4, network=GraphNetwork(), pooling="sum", **OPTIONS)
    encoder.fit(data, S[:57], callbacks=lambda _: None)
    linear = encoder.network_.linear
    with torch.no_grad():
        expected = [linear(torch.from_numpy(item)).tanh().sum(0).numpy() for item in data.items]
    np.testing.assert_allclose(encoder.transform(data), expected, rtol=1e-5, atol=1e-6)
    data.items[3] = data.items[3] * np.nan
    with pytest.raises(ValueError, match="X contains NaN or infinity in a batch"):
        encoder.transform(data)


def test_molecules_are_a_data_set():
    from simec.molecules import Molecules, SchNet

    rng = np.random.default_rng(0)
    n = rng.integers(2, 6, 12)
    molecules = Molecules(rng.choice([1, 6, 8], n.sum()), 3 * rng.random((n.sum(), 3)),
                          np.concatenate([[0], np.cumsum(n)]))  # fmt: skip
    encoder = SimilarityEncoder(8, network=SchNet(8, 1), pooling="sum", **OPTIONS)
    encoder.fit(molecules, rng.random((12, 9)))
    one_by_one = [encoder.transform(molecule)[0] for molecule in molecules]
    np.testing.assert_allclose(encoder.transform(molecules), one_by_one, rtol=1e-4, atol=1e-5)


def test_parts_of_data_sets_keep_their_batches():
    data = Graphs()
    encoder = SimilarityEncoder(4, network=GraphNetwork(), pooling="sum", **OPTIONS)
    encoder.fit(Subset(data, range(40)), S[:40])
    expected = encoder.transform(data)
    np.testing.assert_allclose(encoder.transform(Subset(data, [5, 3])), expected[[5, 3]], atol=1e-6)
    joined = ConcatDataset([Subset(data, range(7)), data])
    np.testing.assert_allclose(encoder.transform(joined)[7:], expected, atol=1e-6)


def test_empty_data_set():
    data = Graphs()
    data.items = []
    with pytest.raises(ValueError, match="X is an empty data set"):
        SimilarityEncoder(4, network=GraphNetwork(), pooling="sum").fit(data, S)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.sampled_from(["sum", "mean"]))
@settings(max_examples=25)
def test_forms_of_parts_agree(counts, method):
    parts = torch.from_numpy(np.random.default_rng(0).standard_normal((sum(counts), 3)))
    pooling = Pooling(method)
    by_count = pooling((parts, torch.tensor(counts)))
    padded = torch.full((len(counts), max([*counts, 1]), 3), torch.nan, dtype=torch.float64)
    mask = torch.arange(padded.shape[1]) < torch.tensor(counts)[:, None]
    padded[mask] = parts
    torch.testing.assert_close(pooling((padded, mask)), by_count)
    total = [part.sum(0) for part in parts.split(counts)]
    if method == "mean":
        total = [t / max(c, 1) for t, c in zip(total, counts, strict=True)]
    torch.testing.assert_close(torch.stack(total), by_count)
    if len(set(counts)) == 1 and counts[0]:
        torch.testing.assert_close(pooling(padded), by_count)


@pytest.mark.parametrize("method", ["sum", "mean"])
def test_gradients_of_pooling(method):
    parts = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    counts = torch.tensor([3, 0, 2, 1])
    assert torch.autograd.gradcheck(lambda p: Pooling(method)((p, counts)), parts)
    grid = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert torch.autograd.gradcheck(lambda p: Pooling(method)((p, mask)), grid)


@pytest.mark.parametrize(("output", "message"), [
    (torch.zeros(2, 3), r"got shape \(2, 3\)"),
    ((torch.zeros(4, 3), torch.tensor([1, 2])), "add up to N"),
    ((torch.zeros(4, 3), torch.tensor([1.0, 3.0])), "add up to N"),
    ((torch.zeros(2, 4, 3), torch.ones(2, 3, dtype=torch.bool)), "a bool mask"),
    ("text", "got str"),
])  # fmt: skip
def test_outputs_that_cannot_be_pooled(output, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Pooling("sum")(output)


def last_token(output):
    parts, _ = output
    return parts[:, 0]


def test_custom_pooling(tmp_path):
    ids = tokens()
    encoder = SimilarityEncoder(4, network=Tokens(), pooling=last_token, **OPTIONS).fit(ids, S)
    table = encoder.network_.lookup.weight.detach().numpy()
    np.testing.assert_array_equal(encoder.transform(ids), table[ids[:, 0]])
    encoder.save(tmp_path / "m")
    with pytest.raises(ModelError, match="custom pooling: pass pooling="):
        SimilarityEncoder.load(tmp_path / "m", network=Tokens())
    loaded = SimilarityEncoder.load(tmp_path / "m", network=Tokens(), pooling=last_token)
    np.testing.assert_array_equal(loaded.transform(ids), encoder.transform(ids))


@pytest.mark.parametrize(("parameters", "message"), [
    ({"pooling": "sum"}, "pooling needs a custom network"),
    ({"network": Tokens(), "pooling": "max"}, "pooling must be .*'max'"),
    ({"network": Tokens(5), "pooling": "sum"}, r"shape \(1, 4\) for one row, got shape \(1, 5\)"),
    ({"network": Tokens()}, "got tuple: set pooling"),
    ({"network": nn.Linear(6, 4), "pooling": "sum"}, "a network with pooling must return"),
])  # fmt: skip
def test_bad_pooling(parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SimilarityEncoder(4, **parameters, **OPTIONS).fit(tokens().astype(
            float if isinstance(parameters.get("network"), nn.Linear) else int), S)  # fmt: skip


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.linear, self.factor = nn.Linear(5, 4), factor

    def forward(self, x):
        return self.factor * self.linear(x).tanh()


@pytest.mark.parametrize("init", ["spectral", "random"])
@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_last_layer_starts_at_the_scale_of_embeddings(init, factor):
    first = []
    encoder = SimilarityEncoder(4, network=Scaled(factor), init=init, learning_rate=1e-9, **OPTIONS)
    encoder.fit(X, S, callbacks=lambda e: first.append(e.loss_curve_[0]))
    assert first[0] < 5 * np.mean(S**2)


def test_the_network_comes_back_as_plain_torch(tmp_path):
    network = Tokens()
    before = network.lookup.weight.detach().clone()
    encoder = SimilarityEncoder(4, network=network, pooling="sum", **OPTIONS).fit(tokens(), S)
    assert torch.equal(network.lookup.weight, before)
    assert type(encoder.network_) is Tokens
    encoder.save_network(tmp_path / "net.safetensors")
    network.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    assert torch.equal(network.lookup.weight, encoder.network_.lookup.weight)
    with pytest.raises(AttributeError, match="after fit"):
        SimilarityEncoder().network_  # noqa: B018


def test_rates_by_part():
    options = {**OPTIONS, "hidden_layers": (6,), "solver": "adam"}
    frozen = SimilarityEncoder(4, learning_rate={"encoder.0": 0, "": 1e-2}, **options).fit(X, S)
    free = SimilarityEncoder(4, learning_rate=1e-2, **options).fit(X, S)
    same = SimilarityEncoder(4, learning_rate={"": 1e-2}, **options).fit(X, S)
    start = SimilarityEncoder(4, learning_rate=1e-12, **options).fit(X, S)
    first = [e.module_.encoder[0].weight.detach() for e in (start, frozen, free, same)]
    torch.testing.assert_close(first[0], first[1])
    assert not torch.allclose(first[0], first[2], atol=1e-4)
    assert torch.equal(first[2], first[3])
    with pytest.raises(ValueError, match="at least one part"):
        SimilarityEncoder(4, learning_rate={"encoder": 0}, **options).fit(X, S)
    with pytest.raises(ValueError, match="nothing is trained"):
        SimilarityEncoder(4, learning_rate={"encoder": 0, "last": 0, "": 1}, **options).fit(X, S)
    with pytest.raises(ValueError, match=r"the part 'encodr', .* such as 'encoder'"):
        SimilarityEncoder(4, learning_rate={"encodr": 0, "": 1}, **options).fit(X, S)


def test_the_longest_prefix_applies():
    schedule = Schedule(1, 1, 1.0, 0.0, 1, factors=(("", 0.1), ("encoder", 0.2), ("encoder.1", 0)))
    names = "last.weight", "encoder.0.weight", "encoder.1.weight", "encoder.10.weight"
    assert [schedule.factor(name) for name in names] == [0.1, 0.2, 0, 0.2]
    assert Schedule(1, 1, 1.0, 0.0, 1).factor("last.weight") == 1


def test_a_frozen_part_stays_in_evaluation_mode():
    network = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 4))
    encoder = SimilarityEncoder(
        4, network=network, learning_rate={"encoder": 0, "": 1e-2}, **OPTIONS
    )
    encoder.set_params(solver="adam", init="random").fit(X + 3, S)
    assert float(encoder.network_[0].running_mean.abs().max()) == 0


@pytest.mark.parametrize("layers", [1, 2])
def test_closed_forms_leave_frozen_layers(layers):
    network = nn.Sequential(*[nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)][-1:] if layers == 1 else
                            [nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)])  # fmt: skip
    features = X if layers == 2 else np.hstack([X, X[:, :1]])
    before = network[-1].weight.detach().clone()
    rates = {"encoder": 0, "": 1e-2}
    encoder = SimilarityEncoder(4, network=network, learning_rate=rates, **OPTIONS)
    assert torch.equal(encoder.fit(features, S).network_[-1].weight, before)
    assert not torch.equal(encoder.set_params(learning_rate=1e-2).fit(features, S)
                           .network_[-1].weight, before)  # fmt: skip
    network.requires_grad_(False)  # frozen by hand
    encoder.fit(features, S)
    assert torch.equal(encoder.network_[-1].weight, before)
    assert not encoder.network_[-1].weight.requires_grad


def test_a_frozen_part_can_be_trained_later():
    encoder = SimilarityEncoder(4, network=Tokens(), pooling="sum", **OPTIONS)
    encoder.set_params(learning_rate={"encoder": 0, "": 1e-2}).fit(tokens(), S)
    assert encoder.network_.lookup.weight.requires_grad
    before = encoder.network_.lookup.weight.detach().clone()
    encoder.partial_fit(tokens(), S)
    assert torch.equal(encoder.network_.lookup.weight, before)
    encoder.set_params(learning_rate=1e-2, warm_start=True, tol=0).fit(tokens(), S)
    assert not torch.equal(encoder.network_.lookup.weight, before)


class Masked(nn.Module):
    """A network with an infinite buffer, as masks of attention are."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 4)
        self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))

    def forward(self, x):
        return self.linear(x)


def test_infinite_buffers(tmp_path):
    encoder = SimilarityEncoder(4, network=Masked(), **OPTIONS)
    encoder.fit(X, S, checkpoint=tmp_path / "m", checkpoint_epochs=1)
    assert encoder.n_iter_ == 3
    loaded = SimilarityEncoder.load(tmp_path / "m", network=Masked())
    np.testing.assert_array_equal(loaded.transform(X), encoder.transform(X))


def test_names_of_features():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    encoder = SimilarityEncoder(4, network=nn.Linear(5, 4), **OPTIONS).fit(frame, S)
    assert list(encoder.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        encoder.transform(frame[list("edcba")])
    assert not hasattr(encoder.fit(X, S), "feature_names_in_")


class Objects(Dataset):
    def __len__(self):
        return 60

    def __getitem__(self, row):
        return object()


class Ragged(Objects):
    def __getitem__(self, row):
        return torch.zeros(5 + row % 2)


@pytest.mark.parametrize(("features", "message"), [
    (DataLoader(TensorDataset(torch.from_numpy(X))), "DataLoader: pass its data set, X.dataset"),
    ({"x": X}, "whose batches have this form"),
    ((row for row in X), "got generator: pass a list"),
    ([TensorDataset(torch.from_numpy(X)) for _ in range(2)], "one data set instead of"),
    (["CCO", "CC"], "convert texts to numbers"),
    (Objects(), "items of the data set cannot be combined .* collate_fn"),
    (Ragged(), "items of the data set cannot be combined .* collate_fn"),
])  # fmt: skip
def test_other_forms_of_features_are_refused(features, message):
    encoder = SimilarityEncoder(4, network=nn.Linear(5, 4), **OPTIONS)
    with pytest.raises((TypeError, ValueError), match=message):
        encoder.fit(features, S)


class Converted(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.linear = nn.Linear(5, 4).to(dtype)

    def forward(self, x):
        return self.linear(x.to(self.linear.weight.dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_are_refused(dtype):
    with pytest.raises(ValueError, match=f"must return float32 embeddings, got {dtype}"):
        SimilarityEncoder(4, network=Converted(dtype), **OPTIONS).fit(X, S)


@pytest.mark.parametrize("network", [None, nn.Linear(5, 3)])
def test_score_of_auto_encoders(network):
    decoder = True if network is None else nn.Linear(3, 5)
    encoder = SimilarityEncoder(3, network=network, decoder=decoder, **OPTIONS).fit(X)
    again = encoder.inverse_transform(encoder.transform(X))
    expected = 1 - ((again - X) ** 2).mean() / X.var()
    assert encoder.score(X) == pytest.approx(expected, rel=1e-4)


def test_a_decoder_of_weight_zero_is_saved(tmp_path):
    encoder = SimilarityEncoder(4, decoder=0.0, **OPTIONS).fit(X, S)
    encoder.save(tmp_path / "m")
    loaded = SimilarityEncoder.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.transform(X), encoder.transform(X))


def test_cosine_decay():
    rates = []
    options = {**OPTIONS, "max_iter": 4, "hidden_layers": (6,), "solver": "adam"}

    def remember(encoder):
        rates.append(encoder._trainer._optimizer.param_groups[0]["lr"])

    encoder = SimilarityEncoder(4, decay="cosine", learning_rate=1.0, **options)
    encoder.fit(X * 1e-3, S * 1e-3, callbacks=remember)
    steps = np.arange(3, 13, 3)  # 12 steps of 4 epochs, of which warm-up takes more than all
    expected = (1 + np.cos(np.pi * (steps - 1) / 12)) / 2 * steps / 20
    np.testing.assert_allclose(rates, expected)


def test_given_validation_data():
    validated = SimilarityEncoder(4, hidden_layers=(6,), early_stopping=True, **OPTIONS)
    validated.fit(X[:40], S[:40], validation=(X[40:], S[40:]))
    error = np.mean((validated.predict(X[40:]) - S[40:]) ** 2)
    assert validated.best_loss_ == pytest.approx(error, rel=1e-4)
    assert len(validated.validation_curve_) == validated.n_iter_
    for data, message in [
        ((X[40:], S[40:, :3]), r"validation targets must have shape \(10,\)"),
        ((X[40:, :2], S[40:]), "X has 2 features"),
        ((X[40:], S[:40]), "S must have one row for each row"),
        (X[40:], "must be a pair"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            validated.fit(X[:40], S[:40], validation=data)
    with pytest.raises(ValueError, match="only used with early_stopping"):
        SimilarityEncoder(4, **OPTIONS).fit(X, S, validation=(X, S))


@pytest.mark.parametrize("name", ["mae", "huber", "error_rate"])
def test_validation_by_another_error(name):
    S2 = np.repeat(S, 30, axis=1)  # so wide that targets are projected for training otherwise
    encoder = SimilarityEncoder(4, hidden_layers=(6,), early_stopping=name, **OPTIONS)
    encoder.fit(X[:40], S2[:40], validation=(X[40:], S2[40:]))
    predicted = torch.from_numpy(encoder.predict(X[40:]))
    function = error_rate if name == "error_rate" else LOSSES[name]
    expected = function(predicted, torch.from_numpy(S2[40:])).mean()
    assert encoder.best_loss_ == pytest.approx(float(expected), rel=1e-4)


def test_validation_interval():
    options = {**OPTIONS, "hidden_layers": (6,), "max_iter": 7, "validation_interval": 3}
    encoder = SimilarityEncoder(4, early_stopping=True, n_iter_no_change=100, **options).fit(X, S)
    assert (len(encoder.loss_curve_), len(encoder.validation_curve_)) == (7, 3)


def test_cross_entropy():
    logits, target = torch.randn(6, 4), torch.eye(4)[torch.tensor([0, 1, 2, 3, 0, 1])]
    expected = nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(LOSSES["cross_entropy"](logits, target).mean(), expected)
    y = (X[:, 0] > 0).astype(int)
    encoder = SimilarityEncoder(2, hidden_layers=(8,), loss="cross_entropy", max_iter=60,
                                learning_rate=1e-2, random_state=0)  # fmt: skip
    encoder.fit(X, np.eye(2)[y])
    assert np.mean(encoder.predict(X).argmax(1) == y) > 0.9


def test_plain_auto_encoders(tmp_path):
    low = X[:, :2] @ RNG.standard_normal((2, 5)).astype(np.float32)
    options = {"max_iter": 300, "learning_rate": 1e-2, "random_state": 0}
    encoder = SimilarityEncoder(2, decoder=True, **options).fit(low)
    assert np.mean((encoder.inverse_transform(encoder.transform(low)) - low) ** 2) < 0.05
    assert encoder.predict(low).shape == (60, 0)
    images = low.reshape(60, 1, 5)
    parts = {"network": nn.Sequential(nn.Flatten(), nn.Linear(5, 2)),
             "decoder": nn.Sequential(nn.Linear(2, 5), nn.Unflatten(1, (1, 5)))}  # fmt: skip
    custom = SimilarityEncoder(2, **parts, **options).fit(images)
    Y = custom.transform(images)
    assert np.mean((custom.inverse_transform(Y) - images) ** 2) < 0.05
    custom.save(tmp_path / "m")
    with pytest.raises(ModelError, match="custom decoder: pass decoder="):
        SimilarityEncoder.load(tmp_path / "m", network=parts["network"])
    loaded = SimilarityEncoder.load(tmp_path / "m", **parts)
    np.testing.assert_array_equal(loaded.inverse_transform(Y), custom.inverse_transform(Y))
    with pytest.raises(ValueError, match=r"decoder must return \(1, 1, 5\) for one row, got"):
        SimilarityEncoder(2, network=parts["network"], decoder=nn.Linear(2, 5)).fit(images)
    with pytest.raises(ValueError, match="decoder does not accept embeddings"):
        SimilarityEncoder(2, network=parts["network"], decoder=nn.Linear(3, 5)).fit(images)
    with pytest.raises(ValueError, match="a custom decoder needs a custom network"):
        SimilarityEncoder(2, decoder=nn.Linear(2, 5)).fit(low)


def test_checkpoints_of_custom_networks(tmp_path):
    ids = tokens()
    options = {**OPTIONS, "max_iter": 6, "network": Tokens(), "pooling": "sum",
               "learning_rate": {"encoder": 1e-3, "": 1e-2}, "early_stopping": "mae",
               "validation_interval": 2, "decay": "cosine"}  # fmt: skip
    whole = SimilarityEncoder(4, **options).fit(ids, S)

    def interrupt(encoder):
        if len(encoder.loss_curve_) == 3:
            raise KeyboardInterrupt

    part = SimilarityEncoder(4, **options)
    with pytest.raises(KeyboardInterrupt):
        part.fit(ids, S, callbacks=interrupt, checkpoint=tmp_path / "m", checkpoint_epochs=1)
    resumed = SimilarityEncoder(4, network=Tokens()).fit(ids, S, resume_from=tmp_path / "m")
    assert resumed.loss_curve_ == whole.loss_curve_
    assert resumed.validation_curve_ == whole.validation_curve_
    np.testing.assert_array_equal(resumed.transform(ids), whole.transform(ids))


# Mixed targets


def class_part():
    """Similarities of labels of the first 20 rows."""
    y = np.arange(60) % 3
    C = (y[:, None] == y[:20]).astype(np.float32)
    C[20:] = np.nan
    return C


@pytest.mark.parametrize("rows", [60, 30])
def test_shares_of_the_loss(rows):
    C = class_part()
    targets = MixedTargets({"s": S, "c": C, "f": lambda r: S[r, :2]}, {"s": 2, "c": 1, "f": 1})
    assert targets.shape == (32,)
    assert targets.columns == {"s": slice(0, 10), "c": slice(10, 30), "f": slice(30, 32)}
    predictor = SimilarityEncoder(4, hidden_layers=(6,), **OPTIONS).fit(X, targets)
    predicted = predictor.predict(X)
    parts = [np.mean((predicted[:, :10] - S) ** 2),
             np.nanmean((predicted[:, 10:30] - C) ** 2),
             np.mean((predicted[:, 30:] - S[:, :2]) ** 2)]  # fmt: skip
    expected = 0.5 * parts[0] + 0.25 * parts[1] + 0.25 * parts[2]
    values, weights = targets.batch(torch.arange(60))
    residuals = torch.from_numpy(predicted) - values
    error = (weights * residuals.square()).sum() / 60
    assert float(error) == pytest.approx(expected, rel=1e-4)
    objective = predictor._objective()
    inputs = predictor.inputs(X)
    measured = objective.evaluate(predictor.module_, inputs, targets, torch.arange(60))
    assert measured == pytest.approx(expected, rel=1e-4)
    halves = [objective.evaluate(predictor.module_, inputs, targets, part)
              for part in (torch.arange(30), torch.arange(30, 60))]  # fmt: skip
    assert np.mean(halves) == pytest.approx(expected, rel=1e-4)
    del rows


def test_a_part_without_observed_entries_and_equal_weights():
    targets = MixedTargets([S, S[:, :1]])
    values, weights = targets.batch(torch.tensor([3, 1]))
    np.testing.assert_array_equal(values, np.hstack([S, S[:, :1]])[[3, 1]])
    np.testing.assert_allclose(weights[0], [0.05] * 10 + [0.5])
    assert list(targets.columns) == ["0", "1"]


def test_shares_of_weighted_targets():
    sparse_part = SparseTargets(sparse.csr_matrix(S), weights=np.full(S.size, 7.0))
    _, weights = MixedTargets([S, sparse_part]).batch(torch.arange(60))
    np.testing.assert_allclose(weights[:, :10].sum(), weights[:, 10:].sum(), rtol=1e-5)


def test_mixed_targets_with_a_symmetric_penalty():
    K = X @ X.T
    options = {"symmetric": 1.0, "hidden_layers": (6,), **OPTIONS}
    SimilarityEncoder(4, **options).fit(X, MixedTargets([K]))
    with pytest.raises(ValueError, match=r"S\[\d+, \d+\] and"):
        SimilarityEncoder(4, **options).fit(X, MixedTargets([K + np.arange(60)]))


@pytest.mark.parametrize(("arguments", "message"), [
    (([],), "parts is empty"),
    (([S, S[:5]],), "the same number of rows, got 0: 60, 1: 5"),
    (([S], [1, 2]), "one entry for each part"),
    (({"a": S, "b": S}, [1, 2]), r"a number for each part \(a, b\), got list"),
    (([S], [0]), "weights are all 0"),
    (([S], [-1]), r"weights\['0'\] must be"),
    (([lambda r: S[r]],), "all parts are callables: pass n_rows"),
    (([np.arange(24.0).reshape(4, 3, 2)],), r"must have shape \(m, n\)"),
    ((S,), "must be a mapping or a sequence"),
])  # fmt: skip
def test_bad_mixed_targets(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        MixedTargets(*arguments)


@pytest.mark.parametrize("init", ["random", "spectral"])
@pytest.mark.parametrize(("scale", "grows"), [(1e-3, False), (1.0, False), (1e3, True)])
def test_last_layer_is_scaled_down_but_not_up(init, scale, grows):
    rng = np.random.default_rng(0)
    X, S = rng.standard_normal((60, 4)).astype(np.float32), rng.standard_normal((60, 30))

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 16)

        def forward(self, x):
            return scale * torch.tanh(self.linear(x))

    encoder = SimilarityEncoder(
        16, network=Scaled(), init=init, solver="adam", max_iter=1, learning_rate=1e-9
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder.fit(X, S)
    assert encoder.module_.last.weight.std() < 1.1 / 4
    assert np.sqrt(np.mean(encoder.predict(X) ** 2)) < 1.1
    assert grows == (encoder.module_.last.weight.std() < 0.01)
