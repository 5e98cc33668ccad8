"""Read molecules from files and from objects of other packages."""

from simec.molecules.reading.qm9 import read_qm9
from simec.molecules.reading.read import read_molecules

__all__ = ["read_molecules", "read_qm9"]
