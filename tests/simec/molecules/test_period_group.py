"""Embeddings of elements by period and group, also of elements that training never saw."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from simec.molecules import Molecules  # noqa: E402
from simec.molecules.elements import SYMBOLS, atomic_number  # noqa: E402
from simec.molecules.period_group import PeriodGroupEmbedding, period_and_group  # noqa: E402
from simec.molecules.schnet import SchNet  # noqa: E402


@pytest.mark.parametrize(
    ("symbol", "place"),
    [
        ("H", (1, 1)), ("He", (1, 18)), ("Li", (2, 1)), ("Be", (2, 2)), ("B", (2, 13)),
        ("C", (2, 14)), ("N", (2, 15)), ("O", (2, 16)), ("F", (2, 17)), ("Ne", (2, 18)),
        ("Mg", (3, 2)), ("Al", (3, 13)), ("Sc", (4, 3)), ("Fe", (4, 8)), ("Zn", (4, 12)),
        ("Br", (4, 17)), ("Ag", (5, 11)), ("La", (6, 3)), ("Lu", (6, 3)), ("Hf", (6, 4)),
        ("Pb", (6, 14)), ("Ac", (7, 3)), ("U", (7, 3)), ("Rf", (7, 4)), ("Og", (7, 18)),
    ],
)  # fmt: skip
def test_places_in_the_periodic_table(symbol, place):
    assert period_and_group(atomic_number(symbol)) == place


def test_places_are_those_of_rdkit():
    table = pytest.importorskip("rdkit.Chem").GetPeriodicTable()
    for Z in range(1, len(SYMBOLS)):
        assert period_and_group(Z)[0] == table.GetRow(Z)


def test_only_lanthanides_and_actinides_share_a_place():
    places = [period_and_group(Z) for Z in range(1, len(SYMBOLS))]
    shared = {SYMBOLS[k + 1] for k, place in enumerate(places) if places.count(place) > 1}
    assert len(shared) == 30
    assert {"La", "Lu", "Ac", "Lr"} <= shared


def test_embeddings_are_concatenated():
    embedding = PeriodGroupEmbedding(5, 2)
    C, Si, N = embedding(torch.tensor([6, 14, 7]))
    assert C.shape == (5,)
    assert torch.equal(C[2:], Si[2:])
    assert torch.equal(C[:2], N[:2])
    assert not torch.equal(C, N)
    assert not embedding(torch.tensor([0])).any()


def test_bad_parameters():
    for parameters in ({"n_features": 1}, {"n_features": 4, "n_period": 4}, {"n_period": 0}):
        with pytest.raises(ValueError, match="n_"):
            PeriodGroupEmbedding(**parameters)
    with pytest.raises(ValueError, match="Z must be"):
        period_and_group(119)


def of_elements(elements: list[int], n: int, seed: int) -> Molecules:
    """Molecules of three atoms in random triangles."""
    rng = np.random.default_rng(seed)
    Z = rng.choice(elements, (n, 3))
    positions = np.array([[0, 0, 0], [1.5, 0, 0], [0, 1.5, 0]]) + rng.uniform(-0.2, 0.2, (n, 3, 3))
    return Molecules.from_lists(list(Z), list(positions))


@pytest.mark.slow
def test_an_element_that_training_never_saw():
    """Targets depend on periods and groups: sulfur is period 3, as Si and P, and group 16, as O."""
    seen, unseen = [6, 7, 8, 14, 15], 16
    train, test = of_elements(seen, 100, 0), of_elements([unseen], 20, 1)

    def target(molecules):
        places = torch.tensor([period_and_group(int(Z)) for Z in molecules.Z]).double()
        values = (places[:, 0] - 2.4) + 0.5 * (places[:, 1] - 14.8)
        return values.reshape(-1, 3).sum(1).float()

    errors = {}
    for name in ("period_group", "element"):
        torch.manual_seed(0)
        embedding = PeriodGroupEmbedding(16) if name == "period_group" else None
        network = SchNet(16, 1, embedding=embedding)
        head = torch.nn.Linear(16, 1)
        optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], 1e-2)

        def predict(molecules, network=network, head=head):
            return head(network(molecules.batch())[0]).reshape(-1, 3).sum(1)

        for _ in range(60):
            optimizer.zero_grad()
            loss = (predict(train) - target(train)).square().mean()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            predicted = predict(test)
        assert predicted.isfinite().all()
        assert float(loss.detach()) < 0.05
        errors[name] = float((predicted - target(test)).abs().mean())
    # predicting the mean of the training set would be off by 3.6
    assert errors["period_group"] < 0.8
    assert errors["period_group"] < errors["element"] / 2
