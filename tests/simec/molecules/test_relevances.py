"""Relevances of atoms: exact shares of predictions and similarities, on the right atoms."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from simec import SimilarityEncoder  # noqa: E402
from simec.explain import explain_prediction, explain_similarity  # noqa: E402
from simec.molecules import Molecules  # noqa: E402
from simec.molecules.drawing import draw_relevances, to_rdkit  # noqa: E402
from simec.molecules.schnet import SchNet  # noqa: E402
from simec.pretraining import PretrainedClassifier, PretrainedRegressor  # noqa: E402
from tests.simec.molecules.test_schnet import made_up  # noqa: E402


@pytest.fixture(scope="module", params=["sum", "mean"])
def encoder(request):
    molecules = made_up(30)
    S = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    torch.manual_seed(0)
    network = SchNet(8, 2)
    return SimilarityEncoder(
        8, network=network, pooling=request.param, max_iter=2, tol=1, random_state=0
    ).fit(molecules, S)


@pytest.mark.filterwarnings("ignore:the loss was still falling")
def test_predictions_are_sums_over_atoms(encoder):
    molecules = made_up(4, seed=3)
    predicted = encoder.predict(molecules)
    for k in range(4):
        explanation = explain_prediction(encoder, molecules[k], 2)
        assert explanation.value == pytest.approx(predicted[k, 2], rel=1e-4, abs=1e-4)
        assert explanation.relevances.shape == molecules[k].Z.shape
        assert explanation.relevances.sum() == pytest.approx(explanation.value, rel=1e-4, abs=1e-4)
        # the share of each atom, from the network's embedding of it
        h = encoder.network_(molecules[k].batch())[0].detach().numpy()
        h = h / (len(h) if encoder.pooling == "mean" else 1)
        W = encoder.module_.last.weight.detach().numpy()
        np.testing.assert_allclose(explanation.relevances, h @ W[:, 2], rtol=1e-3, atol=1e-4)


def test_similarities_are_sums_over_atoms_of_each_molecule(encoder):
    one, two = made_up(2, seed=4)
    explanation = explain_similarity(encoder, one, two)
    expected = float(encoder.predict_similarity(one, two)[0, 0])
    for side, molecule in ((explanation.first, one), (explanation.second, two)):
        assert side.value == pytest.approx(expected, rel=1e-4)
        assert side.relevances.sum() == pytest.approx(expected, rel=1e-4)
        assert len(side.relevances) == len(molecule.Z)
        assert side.names == molecule.part_names
    assert not encoder.module_.encoder.pooling._forward_pre_hooks


@pytest.mark.filterwarnings("ignore:the loss was still falling")
def test_tokens_of_arrays_and_masks():
    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(10, 6)

        def forward(self, ids):
            return self.embedding(ids), ids > 0

    ids = np.random.default_rng(0).integers(1, 10, (20, 5))
    ids[3, 3:] = 0
    S = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    torch.manual_seed(0)
    encoder = SimilarityEncoder(
        6, network=Tokens(), pooling="mean", max_iter=2, tol=1, random_state=0
    ).fit(ids, S)
    explanation = explain_prediction(encoder, ids[3], 1)
    assert explanation.relevances.shape == (3,)
    assert explanation.value == pytest.approx(float(encoder.predict(ids[3:4])[0, 1]), rel=1e-5)
    assert explanation.relevances.sum() == pytest.approx(explanation.value, rel=1e-5)
    with pytest.raises(ValueError, match="x must be one row, got 20 rows"):
        explain_prediction(encoder, ids, 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the loss was still falling")
@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("head", [(8,), (), "ridge"])
def test_regressors(pooling, head):
    molecules = made_up(30)
    y = np.stack([10.0 + 5 * molecules.n_atoms, np.arange(30)], axis=1)
    torch.manual_seed(0)
    model = PretrainedRegressor(
        SchNet(8, 1), pooling=pooling, head=head, max_iter=3, random_state=0
    ).fit(molecules, y)
    for k in (0, 7):
        for target in (0, 1):
            explanation = explain_prediction(model, molecules[k], target)
            predicted = float(model.predict(molecules[k])[0, target])
            assert explanation.value == pytest.approx(predicted)
            total = explanation.relevances.sum() + explanation.bias
            assert total == pytest.approx(predicted, rel=1e-4)
            if pooling == "mean" or head != "ridge":
                assert explanation.bias == pytest.approx(0, abs=1e-3 * abs(predicted))
    with pytest.raises(ValueError, match="x must be one row, got 30 rows"):
        explain_prediction(model, molecules, 0)
    with pytest.raises(IndexError, match="target 2 is out of range"):
        explain_prediction(model, molecules[0], 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the loss was still falling")
def test_classifiers_are_explained_by_their_encoder():
    molecules = made_up(30)
    labels = np.where(molecules.n_atoms > 4, "large", "small")
    torch.manual_seed(0)
    model = PretrainedClassifier(
        SchNet(8, 1), pooling="mean", head=(8,), max_iter=3, random_state=0
    ).fit(molecules, labels)
    logits = model.encoder_.predict(molecules[:1])[0]
    np.testing.assert_allclose(
        model.predict_proba(molecules[:1])[0], np.exp(logits) / np.exp(logits).sum(), rtol=1e-4
    )
    for target in (0, 1):
        explanation = explain_prediction(model.encoder_, molecules[0], target)
        assert explanation.value == pytest.approx(logits[target], rel=1e-4)
        assert explanation.relevances.sum() == pytest.approx(logits[target], rel=1e-4)


def test_networks_without_an_encoder():
    from simec.network import PooledNetwork

    torch.manual_seed(0)
    network = PooledNetwork(SchNet(8, 1), "sum")
    one, two = made_up(2, seed=4)
    explanation = explain_similarity(network, one, two)
    expected = float((network(one.batch()) @ network(two.batch()).T).detach())
    assert explanation.value == pytest.approx(expected, rel=1e-5)
    assert explanation.first.relevances.sum() == pytest.approx(expected, rel=1e-5)


SMILES = [
    "CCO", "CC(=O)O", "C1=CC=CC=C1", "C#CC=C", "C[N+](=O)[O-]", "FC(F)=CN", "OC1CC2CC12",
    "[O-]C(=O)C[NH3+]", "O", "N#CC1CN1", "CC1(C)CC1=NO", "[H][H]", "C",
]  # fmt: skip


def shuffled(smiles: str, seed: int) -> tuple[Molecules, list[int]]:
    """A molecule whose atoms are in another order than those of its SMILES."""
    pytest.importorskip("rdkit")
    from rdkit import Chem
    from rdkit.Chem import AllChem

    graph = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(graph, randomSeed=seed) == 0
    AllChem.UFFOptimizeMolecule(graph)
    order = np.random.default_rng(seed).permutation(graph.GetNumAtoms())
    Z = np.array([atom.GetAtomicNum() for atom in graph.GetAtoms()])[order]
    positions = graph.GetConformer().GetPositions()[order]
    return Molecules(Z, positions, [0, len(Z)], smiles=[smiles]), order.tolist()


@pytest.mark.parametrize("smiles", SMILES)
@pytest.mark.parametrize("known", [True, False])
def test_atoms_keep_their_order(smiles, known):
    molecule, _ = shuffled(smiles, 1)
    from rdkit import Chem

    if not known:
        molecule.smiles = None
    graph = to_rdkit(molecule)
    assert [atom.GetAtomicNum() for atom in graph.GetAtoms()] == molecule.Z.tolist()
    np.testing.assert_allclose(graph.GetConformer().GetPositions(), molecule.positions)
    radius = {1: 0.31, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57}
    for bond in graph.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        length = np.linalg.norm(molecule.positions[a] - molecule.positions[b])
        assert length < 1.3 * (radius[int(molecule.Z[a])] + radius[int(molecule.Z[b])])
    if known:

        def canonical(graph):
            return Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(graph), isomericSmiles=False))

        assert canonical(graph) == canonical(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("near", [1, 2])
def test_double_bonds_are_where_atoms_are_near(near):
    """The oxygen atoms of formate differ in nothing but their distance from the carbon atom."""
    pytest.importorskip("rdkit")
    lengths = [1.2 if k == near else 1.36 for k in (1, 2)]
    positions = [[0, 0, 0], [lengths[0], 0, 0], [-0.6, lengths[1], 0], [-0.6, -0.9, 0]]
    molecule = Molecules([6, 8, 8, 1], positions, [0, 4], smiles=["[O-]C=O"])
    graph = to_rdkit(molecule)
    assert graph.GetBondBetweenAtoms(0, near).GetBondTypeAsDouble() == 2
    assert graph.GetBondBetweenAtoms(0, 3 - near).GetBondTypeAsDouble() == 1


def colored(svg: str) -> dict[int, str]:
    """Fill colors of the discs of atoms."""
    found = re.findall(r"<ellipse [^>]*class='atom-(\d+)'\s+style='fill:(#[0-9A-F]{6})", svg)
    return {int(atom): color for atom, color in found}


def test_colors_are_those_of_the_atoms():
    molecule, _ = shuffled("CCO", 3)
    R = np.zeros(len(molecule.Z))
    oxygen = int(np.flatnonzero(molecule.Z == 8)[0])
    R[oxygen] = 2.0
    carbon = int(np.flatnonzero(molecule.Z == 6)[0])
    R[carbon] = -2.0
    svg = draw_relevances(molecule, R, title="höher")
    ElementTree.fromstring(svg.encode())
    colors = colored(svg)
    assert len(colors) == len(R)
    assert colors[oxygen] == "#C53027"
    assert colors[carbon] == "#2D68AA"
    assert {color for k, color in colors.items() if k not in (oxygen, carbon)} == {"#FFFFFF"}


def test_relevances_of_hydrogens_are_added():
    molecule, _ = shuffled("CO", 3)
    is_hydrogen = molecule.Z == 1
    R = np.where(is_hydrogen, 1.0, 0.0)
    svg = draw_relevances(molecule, R, hydrogens=False, values=True)
    assert len(colored(svg)) == 2
    assert to_rdkit(molecule).GetNumAtoms() == 6


def test_an_explanation_is_drawn(encoder):
    pytest.importorskip("rdkit")
    molecule, _ = shuffled("CCO", 3)
    explanation = explain_prediction(encoder, molecule, 0)
    ElementTree.fromstring(draw_relevances(molecule, explanation).encode())


def test_bad_input():
    molecule, _ = shuffled("CCO", 3)
    with pytest.raises(ValueError, match=r"relevances must have shape \(9,\)"):
        draw_relevances(molecule, np.zeros(8))
    with pytest.raises(ValueError, match="relevances contain NaN"):
        draw_relevances(molecule, np.full(9, np.nan))
    with pytest.raises(ValueError, match="must be one molecule, got 2"):
        draw_relevances(made_up(2), np.zeros(3))
    wrong = Molecules(molecule.Z, molecule.positions, molecule.offsets, smiles=["CCN"])
    with pytest.raises(ValueError, match="has other atoms than the geometry"):
        to_rdkit(wrong)
    wrong = Molecules(molecule.Z, molecule.positions, molecule.offsets, smiles=["C(C"])
    with pytest.raises(ValueError, match="cannot parse the SMILES 'C"):
        to_rdkit(wrong)


@pytest.mark.filterwarnings("ignore:the loss was still falling")
def test_what_is_not_explained():
    molecules = made_up(30)
    torch.manual_seed(0)
    labels = np.where(molecules.n_atoms > 4, "large", "small")
    model = PretrainedClassifier(SchNet(8, 1), pooling="mean", max_iter=1).fit(molecules, labels)
    with pytest.raises(TypeError, match="got PretrainedClassifier: pass its attribute encoder_"):
        explain_prediction(model, molecules[0], 0)

    def largest(output):
        return torch.segment_reduce(output[0], "max", lengths=output[1], axis=0)

    S = np.random.default_rng(0).standard_normal((30, 4))
    encoder = SimilarityEncoder(8, network=SchNet(8, 1), pooling=largest, max_iter=1)
    encoder.fit(molecules, S)
    for explained in (encoder, encoder.module_.encoder):
        with pytest.raises(ValueError, match="batch of MoleculeBatch .* pooling='sum' or 'mean'"):
            explain_prediction(explained, molecules[0], 0)


@pytest.mark.filterwarnings("ignore:the loss was still falling")
def test_an_item_of_a_data_set_of_tensors():
    from torch.utils.data import Subset, TensorDataset

    X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    data = TensorDataset(torch.from_numpy(X))
    encoder = SimilarityEncoder(2, hidden_layers=(4,), max_iter=1).fit(data, X @ X.T)
    expected = explain_prediction(encoder, X[3], 1)
    explained = explain_prediction(encoder, Subset(data, [3]), 1)
    np.testing.assert_allclose(explained.relevances, expected.relevances)
