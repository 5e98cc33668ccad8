"""The container of molecules, its pairs and batches, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from simec.molecules import MoleculeBatch, Molecules


def random_molecules(n: int = 20, seed: int = 0, **fields) -> Molecules:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, n)
    sizes[:2] = 1, 8
    Z = [rng.choice([1, 6, 7, 8], size) for size in sizes]
    # points of a grid do not overlap
    xyz = [rng.permutation(27)[:size] for size in sizes]
    xyz = [
        np.stack([p // 9, p // 3 % 3, p % 3], 1) * 1.7 + rng.normal(0, 0.1, (len(p), 3))
        for p in xyz
    ]
    fields.setdefault("ids", [f"m{k}" for k in range(n)])
    fields.setdefault("properties", {"energy": rng.normal(size=n)})
    return Molecules.from_lists(Z, xyz, **fields)


def slow_batch(molecules: Molecules, rows) -> list[list]:
    Z, i, j, distance, counts = [], [], [], [], []
    cutoff = np.inf if molecules.cutoff is None else molecules.cutoff
    for row in rows:
        a, b = molecules.offsets[row : row + 2]
        xyz = molecules.positions[a:b]
        first = len(Z)
        Z += molecules.Z[a:b].tolist()
        counts.append(b - a)
        for p in range(b - a):
            for q in range(b - a):
                d = np.linalg.norm(xyz[p] - xyz[q])
                if p != q and d <= cutoff:
                    i.append(first + p)
                    j.append(first + q)
                    distance.append(d)
    return [Z, i, j, distance, counts]


def assert_equals(batch: MoleculeBatch, expected: list[list]) -> None:
    *tensors, cutoff = batch
    assert isinstance(cutoff, float)
    assert [part.dtype for part in tensors] == [batch.Z.dtype] * 3 + [
        batch.distance.dtype,
        batch.Z.dtype,
    ]
    for part, values in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(part.numpy(), values, rtol=1e-6)


@pytest.mark.parametrize("cutoff", [None, 2.5])
def test_batches_equal_a_loop(cutoff, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("simec.molecules.pairs._CHUNK", 100)
    molecules = random_molecules(cutoff=cutoff)
    rows = [3, 0, 3, 19, 1]
    expected = slow_batch(molecules, rows)
    batch = molecules.batch(rows)
    assert batch.Z.dtype == torch.int64
    assert batch.distance.dtype == torch.float32
    assert batch.cutoff == batch.to("cpu").cutoff == (cutoff or np.inf)
    assert_equals(batch, expected)
    assert_equals(molecules.__getitems__(rows), expected)
    assert molecules.collate_fn(batch) is batch
    assert_equals(molecules.collate_fn([molecules[k] for k in rows]), expected)
    assert_equals(molecules[rows].batch(), expected)
    fresh = random_molecules(cutoff=cutoff)[rows]  # finds its pairs alone
    assert_equals(fresh.batch(), expected)
    assert_equals(batch.to("cpu"), expected)
    assert_equals(molecules.batch(), slow_batch(molecules, range(20)))
    assert len(molecules.batch([]).Z) == 0


def test_it_is_a_data_set_for_loaders():
    data = pytest.importorskip("torch.utils.data")
    molecules = random_molecules()
    loader = data.DataLoader(molecules, batch_size=8, collate_fn=molecules.collate_fn)
    batches = list(loader)
    assert [len(batch.counts) for batch in batches] == [8, 8, 4]
    assert_equals(batches[1], slow_batch(molecules, range(8, 16)))


def test_subsets():
    molecules = random_molecules()
    mask = np.zeros(20, bool)
    mask[[2, 5]] = True
    for rows in ([2, 5], np.array([2, -15]), slice(2, 6, 3), mask):
        part = molecules[rows]
        assert len(part) == 2
        assert part.ids.tolist() == ["m2", "m5"]
        np.testing.assert_array_equal(
            part.properties["energy"], molecules.properties["energy"][[2, 5]]
        )
        for k, row in enumerate((2, 5)):
            np.testing.assert_array_equal(part[k].positions, molecules[row].positions)
            np.testing.assert_array_equal(part[k].Z, molecules[row].Z)
    assert len(molecules[[]]) == 0
    assert len(list(molecules)) == molecules.shape[0] == 20
    train, test = train_test_split(molecules, test_size=5, random_state=0)
    assert (len(train), len(test)) == (15, 5)
    assert not set(train.ids) & set(test.ids)


def test_subsets_share_pairs():
    molecules = random_molecules()
    assert molecules[[1, 2]]._pairs is None
    pairs = molecules.pairs()
    assert molecules.pairs() is pairs
    assert molecules[[1, 2]]._pairs is not None
    assert molecules.with_cutoff(None).pairs() is pairs
    near = molecules.with_cutoff(2.0)
    assert near.positions is molecules.positions
    assert 0 < len(near.pairs().i) < len(pairs.i)


@pytest.mark.parametrize("found", [False, True])
def test_concatenation(found):
    pytest.importorskip("torch")
    one = random_molecules(4, 1)
    two = random_molecules(5, 2, ids=None, properties={"energy": np.zeros(5), "other": np.ones(5)})
    if found:
        one.pairs(), two.pairs()
    both = Molecules.concatenate([one, two])
    assert (both._pairs is not None) == found
    assert len(both) == 9
    assert both.ids is None
    assert list(both.properties) == ["energy"]
    assert_equals(both.batch(), slow_batch(both, range(9)))
    np.testing.assert_array_equal(both[4:].positions, two.positions)
    with pytest.raises(ValueError, match="same cutoff"):
        Molecules.concatenate([one, two.with_cutoff(3)])
    with pytest.raises(ValueError, match="at least one"):
        Molecules.concatenate([])


def test_formulas_and_labels():
    line = np.arange(27.0).reshape(9, 3)
    ethanol = Molecules.from_lists([[8, 6, 6, 1, 1, 1, 1, 1, 1]], [line])
    assert ethanol.formula(0) == "C2H6O"
    assert ethanol.label(0) == "molecule 0"
    assert ethanol.elements.tolist() == [1, 6, 8]
    assert "1 with 9 atoms" in repr(ethanol)


XYZ = np.arange(9.0).reshape(3, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 6], XYZ, [0, 3]), r"Z must be 3 integers.*shape \(2,\)"),
        (([1.0, 6, 1], XYZ, [0, 3]), "Z must be 3 integers.*float64"),
        (([1, 0, 1], XYZ, [0, 1, 3]), "molecule 1: atom 0 has the atomic number 0, expected 1"),
        (([1, 119, 1], XYZ, [0, 3]), "molecule 0: atom 1 has the atomic number 119"),
        (([1, 6, 1], XYZ[:2], [0, 3]), r"shape \(3, 3\).*\(2, 3\)"),
        (([1, 6, 1], XYZ * [1, np.nan, 1], [0, 2, 3]), "molecule 0: the coordinates of atom 0"),
        (([1, 6, 1], [["a", "b", "c"]] * 3, [0, 3]), "positions must be numbers"),
        (([1, 6, 1], XYZ, [0, 3, 3]), "molecule 1 has no atoms"),
        (([1, 6, 1], XYZ, [1, 3]), "offsets must be n . 1 integers that begin with 0"),
    ],
)
def test_bad_arrays(arguments, message):
    with pytest.raises(ValueError, match=message):
        Molecules(*arguments)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ids": ["a", "b"]}, "ids must be 1 strings"),
        ({"smiles": "C"}, "smiles must be 1 strings"),
        ({"properties": {"gap": [1, 2]}}, "'gap' must have 1 values"),
        ({"properties": {"gap": ["x"]}}, "'gap' must be numbers"),
        ({"cutoff": 0}, "cutoff must be a finite number > 0"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        Molecules([1, 6, 1], XYZ, [0, 3], **fields)


def test_overlapping_atoms_are_named():
    xyz = XYZ.copy()
    xyz[2] = xyz[1] + [0, 0, 0.05]
    molecules = Molecules([1, 1, 1], xyz, [0, 1, 3], ids=["a", "b"])
    with pytest.raises(ValueError, match=r"molecule 1 \(b\): atoms 0 and 1 overlap.*0.05"):
        molecules.pairs()


def test_bad_rows():
    molecules = random_molecules(3)
    with pytest.raises(IndexError, match="molecule 3 is out of range: there are 3"):
        molecules[3]
    with pytest.raises(IndexError, match="mask must have 3 values"):
        molecules[np.ones(2, bool)]
    with pytest.raises(ValueError, match="selected by"):
        molecules[[0.5]]
    with pytest.raises(ValueError, match="same length"):
        Molecules.from_lists([[1]], [])
    with pytest.raises(ValueError, match="molecule 0: Z must have"):
        Molecules.from_lists([[1]], [[[1.0, 2]]])
