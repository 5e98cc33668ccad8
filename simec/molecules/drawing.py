"""Drawings of molecules with the relevances of their atoms, as SVG by RDKit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import check_flag, check_instance, check_integer
from simec.explain.explanation import Explanation
from simec.explain.plotting import colors
from simec.lazy import import_package
from simec.molecules.molecules import Molecules

__all__ = ["draw_relevances", "side_by_side", "to_rdkit"]

_WHAT, _EXTRA = "drawings of molecules", "molecules"
_RADIUS = 0.45  # of the colored disc of an atom, in lengths of a bond
_MATCHES = 1000  # at most, of symmetric molecules


def draw_relevances(
    molecule: Molecules,
    relevances: Explanation | npt.ArrayLike,
    *,
    hydrogens: bool = True,
    values: bool = False,
    size: tuple[int, int] = (400, 320),
    title: str | None = None,
) -> str:
    """Draw a molecule with its atoms colored by relevance: red raises the value, blue lowers it.

    Parameters
    ----------
    molecule : Molecules
        Of length 1, as ``molecules[k]``.
    relevances : Explanation or array of shape (N,)
        Of its atoms, such as ``simec.explain.explain_prediction(encoder, molecules[k], target)``,
        or one side of a `SimilarityExplanation`.
    hydrogens : bool, default True
        Whether hydrogen atoms are drawn. If not, their relevances are added to those of the atoms
        that they are bound to.
    values : bool, default False
        Whether to write the relevances next to the atoms.
    size : (int, int), default (400, 320)
        Width and height in pixels.
    title : str, optional
        Text below the molecule; by default that of the explanation.

    Returns
    -------
    str
        An SVG image, which `IPython.display.SVG` shows, and browsers do from a file.

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If there is not one relevance for each atom, or SMILES and geometry of the molecule differ.
    """
    rdkit = import_package("rdkit.Chem", _WHAT, _EXTRA)
    drawing = import_package("rdkit.Chem.Draw.rdMolDraw2D", _WHAT, _EXTRA)
    check_flag("hydrogens", hydrogens)
    check_flag("values", values)
    width, height = (check_integer("size", n, 1) for n in size)
    graph = to_rdkit(molecule)
    if isinstance(relevances, Explanation):
        title = relevances.title if title is None else title
        relevances = relevances.relevances
    R = np.asarray(relevances, np.float64)
    if R.shape != (len(molecule.Z),):
        raise ValueError(
            f"relevances must have shape ({len(molecule.Z)},), one for each atom of the molecule, "
            f"got {R.shape}"
        )
    if not np.isfinite(R).all():
        raise ValueError("relevances contain NaN or infinity")
    if not hydrogens:
        graph, R = _without_hydrogens(rdkit, graph, R)
    for atom, value in zip(graph.GetAtoms(), R, strict=True):
        if values:
            atom.SetProp("atomNote", f"{value:.2g}")
    import_package("rdkit.Chem.rdDepictor", _WHAT, _EXTRA).Compute2DCoords(
        graph, useRingTemplates=True
    )
    canvas = drawing.MolDraw2DSVG(width, height)
    options = canvas.drawOptions()
    options.prepareMolsBeforeDrawing = False
    options.highlightRadius = _RADIUS
    options.flagCloseContactsDist = -1  # no marks where hydrogens are drawn near other atoms
    canvas.DrawMolecule(
        drawing.PrepareMolForDrawing(graph, kekulize=True, addChiralHs=False),
        legend=title or "",
        highlightAtoms=list(range(len(R))),
        highlightAtomColors={k: tuple(rgb / 255) for k, rgb in enumerate(colors(R))},
        highlightBonds=[],
    )
    canvas.FinishDrawing()
    # files are written as UTF-8
    text: str = canvas.GetDrawingText().replace("iso-8859-1", "utf-8", 1)
    return text


def side_by_side(drawings: Sequence[str]) -> str:
    """Join SVG images of `draw_relevances` to one, from left to right."""
    if len(drawings) == 1:
        return drawings[0]
    parts, x, height = [], 0, 0
    for drawing in drawings:
        start = drawing.index("<svg")
        size = re.search(r"width='(\d+)px' height='(\d+)px'", drawing)
        assert size is not None
        parts.append(drawing[start:].replace("<svg", f"<svg x='{x}px'", 1))
        x, height = x + int(size[1]), max(height, int(size[2]))
    declaration = "<?xml version='1.0' encoding='utf-8'?>"
    frame = f"<svg xmlns='http://www.w3.org/2000/svg' width='{x}px' height='{height}px'>"
    return "\n".join([declaration, frame, *parts, "</svg>\n"])


def _without_hydrogens(rdkit: Any, graph: Any, R: Any) -> tuple[Any, Any]:
    """Add the relevances of hydrogens to those of their neighbors, and remove them."""
    R = R.copy()
    removed = []
    for atom in graph.GetAtoms():
        neighbors = [other for other in atom.GetNeighbors() if other.GetAtomicNum() > 1]
        if atom.GetAtomicNum() == 1 and len(neighbors) == 1 and atom.GetDegree() == 1:
            R[neighbors[0].GetIdx()] += R[atom.GetIdx()]
            removed.append(atom.GetIdx())
    editable = rdkit.RWMol(graph)
    for k in reversed(removed):
        bound = editable.GetAtomWithIdx(k).GetNeighbors()[0]
        bound.SetNumExplicitHs(bound.GetNumExplicitHs() + 1)
        editable.RemoveAtom(k)
    graph = editable.GetMol()
    graph.UpdatePropertyCache(strict=False)
    return graph, np.delete(R, removed)


def to_rdkit(molecule: Molecules) -> Any:
    """Create an RDKit molecule with the same atoms in the same order, hydrogens included.

    Its bonds are those of the SMILES, if it is known: the SMILES is matched to the geometry, so
    that the order of its atoms does not matter. Otherwise, bonds are determined from the geometry
    of the neutral molecule; if that fails, from distances, as single bonds.

    Parameters
    ----------
    molecule : Molecules
        Of length 1.

    Returns
    -------
    rdkit.Chem.Mol
        With its geometry as a conformer.

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If the SMILES cannot be parsed, or has other atoms than the geometry.
    """
    rdkit = import_package("rdkit.Chem", _WHAT, _EXTRA)
    bonds = import_package("rdkit.Chem.rdDetermineBonds", _WHAT, _EXTRA)
    check_instance("molecule", molecule, Molecules)
    if len(molecule) != 1:
        raise ValueError(f"molecule must be one molecule, got {len(molecule)}: draw one at a time")
    conformer = rdkit.Conformer(len(molecule.Z))
    for k, position in enumerate(molecule.positions):
        conformer.SetAtomPosition(k, [float(x) for x in position])
    with import_package("rdkit.rdBase", _WHAT, _EXTRA).BlockLogs():
        near = _atoms(rdkit, molecule.Z, conformer)
        bonds.DetermineConnectivity(near)
        if molecule.smiles is not None:
            graph = _from_smiles(rdkit, molecule, near)
            if graph is not None:
                graph.RemoveAllConformers()
                graph.AddConformer(conformer)
                return graph
        try:
            graph = rdkit.RWMol(near)
            bonds.DetermineBonds(graph, charge=0)
            rdkit.SanitizeMol(graph)
        except (ValueError, RuntimeError):  # ions, radicals, unusual valences
            graph = near
            graph.UpdatePropertyCache(strict=False)
    return graph


def _atoms(rdkit: Any, Z: Sequence[int] | npt.NDArray[Any], conformer: Any) -> Any:
    molecule = rdkit.RWMol()
    for number in Z:
        atom = rdkit.Atom(int(number))
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    molecule.AddConformer(conformer)
    return molecule


def _from_smiles(rdkit: Any, molecule: Molecules, near: Any) -> Any:
    """Return the molecule of the SMILES in the order of the geometry; None if no bonds match."""
    assert molecule.smiles is not None
    smiles = molecule.smiles[0]
    graph = rdkit.MolFromSmiles(smiles)
    if graph is None:
        raise ValueError(f"RDKit cannot parse the SMILES {smiles!r}: correct it")
    graph = rdkit.AddHs(graph)
    if sorted(atom.GetAtomicNum() for atom in graph.GetAtoms()) != sorted(molecule.Z.tolist()):
        raise ValueError(
            f"the SMILES {smiles!r} has other atoms than the geometry: correct it, or use "
            "Molecules without SMILES"
        )
    pattern, atoms = _skeleton(rdkit, graph)
    skeleton, places = _skeleton(rdkit, near)
    # near atoms of small rings are taken for bound ones: bonds may be left over
    matches = skeleton.GetSubstructMatches(pattern, uniquify=False, maxMatches=_MATCHES)
    if not matches:
        return None
    position = molecule.positions

    def length(match: Sequence[int]) -> float:
        """Sum of the lengths of bonds, weighted by their order: double bonds are short."""
        place = {atom: places[k] for atom, k in zip(atoms, match, strict=True)}
        total = 0.0
        for bond in graph.GetBonds():
            a, b = place.get(bond.GetBeginAtomIdx()), place.get(bond.GetEndAtomIdx())
            if a is not None and b is not None:
                distance = float(np.linalg.norm(position[a] - position[b]))
                total += float(bond.GetBondTypeAsDouble()) * distance
        return total

    best = min(matches, key=length)
    place = {atom: places[k] for atom, k in zip(atoms, best, strict=True)}
    for atom in list(place):
        pairs = zip(
            _hydrogens(graph.GetAtomWithIdx(atom)), _hydrogens(near.GetAtomWithIdx(place[atom])),
            strict=True,
        )  # fmt: skip
        place.update(pairs)
    order = sorted(place, key=lambda atom: place[atom])
    return rdkit.RenumberAtoms(graph, order)


def _hydrogens(atom: Any) -> list[int]:
    """Return the hydrogens that are bound to an atom, unless it is one itself."""
    if atom.GetAtomicNum() == 1:
        return []
    return [other.GetIdx() for other in atom.GetNeighbors() if other.GetAtomicNum() == 1]


def _skeleton(rdkit: Any, molecule: Any) -> tuple[Any, list[int]]:
    """Return the heavy atoms with single bonds, and which atoms they are.

    Numbers of hydrogens are stored as isotopes: matching many hydrogens would take too long.
    """
    skeleton, new = rdkit.RWMol(), {}
    for atom in molecule.GetAtoms():
        is_heavy = atom.GetAtomicNum() > 1
        if is_heavy or not any(other.GetAtomicNum() > 1 for other in atom.GetNeighbors()):
            one = rdkit.Atom(atom.GetAtomicNum())
            one.SetNoImplicit(True)
            one.SetIsotope(1 + len(_hydrogens(atom)))
            new[atom.GetIdx()] = skeleton.AddAtom(one)
    for bond in molecule.GetBonds():
        a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if a in new and b in new:
            skeleton.AddBond(new[a], new[b], rdkit.BondType.SINGLE)
    return skeleton, list(new)
