"""Read molecules from files and from objects of other packages."""

from simec.molecules.reading.qm9 import read_qm9

__all__ = ["read_qm9"]
