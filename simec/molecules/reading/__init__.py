"""Read molecules from files and from objects of other packages."""

from simec.molecules.reading.qm9 import read_qm9
from simec.molecules.reading.read import read_molecules
from simec.molecules.reading.tables import add_properties

__all__ = ["add_properties", "read_molecules", "read_qm9"]
