"""Topological fingerprints of molecules (Sec. 6.2.1), as packed bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from corpora.callbacks import progress_bar
from corpora.checks import check_integer
from simec.lazy import import_package
from simec.molecules.molecules import Molecules
from simec.similarities.packed_bits import PackedBits

__all__ = ["fingerprints", "parse_smiles"]


def fingerprints(
    molecules: Molecules | Sequence[str],
    *,
    max_path: int = 7,
    n_bits: int = 2048,
    progress: bool = False,
) -> PackedBits:
    """Compute RDKit's topological fingerprints, the hashed paths of bonds in a molecule.

    They are compared with the coefficients of `simec.similarities`, for example
    ``rogot_goldberg(bits, bits[:1000])``, or as a function of rows for training,
    ``lambda rows: rogot_goldberg(bits[rows], targets)``. Hydrogens are left out, so methane,
    ammonia and water have empty fingerprints.

    Parameters
    ----------
    molecules : Molecules with SMILES, or sequence of str
        The strings are SMILES.
    max_path : int, default 7
        Most bonds in a path.
    n_bits : int, default 2048
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    PackedBits of shape (n, n_bits)

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If the molecules have no SMILES, or a SMILES cannot be parsed; the message names it.
    """
    check_integer("max_path", max_path, 1)
    check_integer("n_bits", n_bits, 1)
    generators = import_package("rdkit.Chem.rdFingerprintGenerator", "fingerprints", "molecules")
    as_bytes = import_package("rdkit.DataStructs", "fingerprints", "molecules").BitVectToBinaryText
    generator = generators.GetRDKitFPGenerator(maxPath=int(max_path), fpSize=int(n_bits))
    smiles = _smiles_of(molecules)
    packed = np.empty((len(smiles), -(-int(n_bits) // 8)), np.uint8)
    bar = progress_bar(
        parse_smiles(smiles),
        shown=progress, total=len(smiles), desc="Fingerprints", unit=" molecules",
    )  # fmt: skip
    for k, molecule in enumerate(bar):
        bits = as_bytes(generator.GetFingerprint(molecule))
        packed[k] = np.frombuffer(bits, np.uint8)
    return PackedBits(packed, int(n_bits))


def parse_smiles(molecules: Molecules | Sequence[str]) -> Iterator[Any]:
    """Yield molecules of RDKit, without coordinates and hydrogens.

    Parameters
    ----------
    molecules : Molecules with SMILES, or sequence of str
        The strings are SMILES.

    Raises
    ------
    ImportError
        If RDKit is missing.
    ValueError
        If the molecules have no SMILES, or a SMILES cannot be parsed; the message names it.
    """
    chem = import_package("rdkit.Chem", "SMILES", "molecules")
    block_logs = import_package("rdkit.rdBase", "SMILES", "molecules").BlockLogs
    for k, text in enumerate(_smiles_of(molecules)):
        with block_logs():
            molecule = chem.MolFromSmiles(text)
        if molecule is None:
            raise ValueError(
                f"molecule {k}: RDKit cannot parse the SMILES {text!r}; correct it or leave "
                "the molecule out"
            )
        yield molecule


def _smiles_of(molecules: Molecules | Sequence[str]) -> list[str]:
    if isinstance(molecules, str):
        raise ValueError(f"molecules must be a sequence of SMILES: pass [{molecules!r}]")
    listed: Any = molecules.smiles if isinstance(molecules, Molecules) else molecules
    if listed is None:
        raise ValueError(
            "fingerprints and groups of atoms need the SMILES of the molecules, which are unknown: "
            "set them with Molecules(..., smiles=...), or pass SMILES"
        )
    texts = list(listed)
    for k, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"molecule {k}: expected a SMILES, got {text!r}")
    return texts
