"""FCHL kernels of molecules with their geometries (Sec. 6.2.1).

A kernel compares the environments of atoms, by Gaussians of the distances of their
representations, and sums over the atoms of both molecules. Faber, Christensen, Huang & von
Lilienfeld, "Alchemical and structural distribution based representation for universal quantum
machine learning", J. Chem. Phys. 148 (2018), is FCHL18, the thesis's; Christensen, Bratholm, Faber
& von Lilienfeld, "FCHL revisited", J. Chem. Phys. 152 (2020), is FCHL19, which is hundreds of times
faster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.callbacks import progress_bar
from corpora.checks import check_flag, check_instance, check_number
from simec.lazy import import_package
from simec.molecules.molecules import Molecules
from simec.types import Float64, FloatArray, IntArray

__all__ = ["FCHL18", "FCHL19"]

_HEAVIEST = 100  # atomic number that qmllib's tables go up to


class _Kernel(ABC):
    """A kernel between molecules and landmarks.

    Parameters
    ----------
    landmarks : Molecules
    sigma : float
    normalize : bool
    """

    _block: int  # molecules at a time

    def __init__(self, landmarks: Molecules, sigma: float, normalize: bool) -> None:
        self.landmarks = check_instance("landmarks", landmarks, Molecules)
        self.sigma = check_number("sigma", sigma, 0, above=True)
        self.normalize = check_flag("normalize", normalize)
        if not len(landmarks):
            raise ValueError("landmarks must have at least one molecule")
        _check(landmarks)

    def __call__(self, molecules: Molecules, *, progress: bool = False) -> Float64:
        """Compute the kernel of molecules and landmarks.

        Parameters
        ----------
        molecules : Molecules
            Of length m.
        progress : bool, default False
            Show a progress bar.

        Returns
        -------
        float64 array of shape (m, n)
        """
        _check(check_instance("molecules", molecules, Molecules))
        kernel = np.empty((len(molecules), len(self.landmarks)))
        with progress_bar(
            shown=progress, total=len(molecules), desc=type(self).__name__, unit=" molecules"
        ) as bar:
            for start in range(0, len(molecules), self._block):
                part = molecules[start : start + self._block]
                kernel[start : start + len(part)] = self._compute(part)
                bar.update(len(part))
        if self.normalize:
            kernel /= molecules.n_atoms[:, None] * self.landmarks.n_atoms
        return kernel

    @abstractmethod
    def _compute(self, molecules: Molecules) -> Float64:
        """Return the sums over pairs of atoms."""


class FCHL18(_Kernel):
    """The kernel of the thesis, by qmllib; 0.3 ms for a pair of molecules of QM9, 2 with alchemy.

    ``FCHL18(landmarks)(molecules)`` is an array of shape (m, n), and
    ``lambda rows: kernel(molecules[rows])`` is a function of rows for training.

    Parameters
    ----------
    landmarks : Molecules
        Of length n.
    sigma : float, default 10.0
        Width of the Gaussian.
    normalize : bool, default False
        Divide by the numbers of atoms of both molecules (nFCHL). Without it the kernel is nearly
        the product of these numbers, and has to be centered.
    alchemy : bool, default False
        Whether elements of near groups and periods are similar, or different elements are not.
    cutoff : float, default 5.0
        Radius of an environment in angstrom.
    """

    _block = 64

    def __init__(
        self,
        landmarks: Molecules,
        sigma: float = 10.0,
        *,
        normalize: bool = False,
        alchemy: bool = False,
        cutoff: float = 5.0,
    ) -> None:
        super().__init__(landmarks, sigma, normalize)
        self.alchemy = check_flag("alchemy", alchemy)
        self.cutoff = check_number("cutoff", cutoff, 0, above=True)
        self._represented: tuple[int, Float64] | None = None

    def _compute(self, molecules: Molecules) -> Float64:
        fchl = import_package("qmllib.representations.fchl", "FCHL kernels", "molecules")
        # both need the same padding
        size = int(max(molecules.n_atoms.max(), self.landmarks.n_atoms.max()))
        if self._represented is None or self._represented[0] < size:
            self._represented = size, self._represent(self.landmarks, size)
        size, targets = self._represented
        alchemy = "periodic-table" if self.alchemy else "off"
        kernel: Float64 = fchl.get_local_kernels(
            self._represent(molecules, size), targets, cut_distance=self.cutoff, alchemy=alchemy,
            kernel_args={"sigma": [self.sigma]},
        )[0]  # fmt: skip
        return kernel

    def _represent(self, molecules: Molecules, size: int) -> Float64:
        """Return an array of shape (n, size, 5, size)."""
        fchl = import_package("qmllib.representations.fchl", "FCHL kernels", "molecules")
        return np.stack(
            [
                fchl.generate_fchl18(
                    Z, positions, max_size=size, neighbors=size, cut_distance=self.cutoff
                )
                for Z, positions in _atoms(molecules)
            ]
        )


class FCHL19(_Kernel):
    """The faster kernel: representations by qmllib, sums of Gaussians by matrix products.

    A pair of molecules of QM9 takes 3 to 6 microseconds on one core. Environments of different
    elements are not similar. It is used as `FCHL18`.

    Parameters
    ----------
    landmarks : Molecules
        Of length n.
    sigma : float, default 20.0
        Width of the Gaussian.
    normalize : bool, default False
        Divide by the numbers of atoms of both molecules. Without it the kernel is nearly the
        product of these numbers, and has to be centered.
    cutoff : float, default 8.0
        Radius of an environment in angstrom.
    """

    _block = 256

    def __init__(
        self,
        landmarks: Molecules,
        sigma: float = 20.0,
        *,
        normalize: bool = False,
        cutoff: float = 8.0,
    ) -> None:
        super().__init__(landmarks, sigma, normalize)
        self.cutoff = check_number("cutoff", cutoff, 0, above=True)
        self._represented: tuple[list[int], FloatArray] | None = None

    def _compute(self, molecules: Molecules) -> Float64:
        needed = {*self.landmarks.elements.tolist(), *molecules.elements.tolist()}
        if self._represented is None or not needed <= set(self._represented[0]):
            # a further element adds columns to all representations
            known = set() if self._represented is None else set(self._represented[0])
            order = sorted(needed | known)
            self._represented = order, self._represent(self.landmarks, order)
        order, targets = self._represented
        features = self._represent(molecules, order)
        kernel = np.zeros((len(molecules), len(self.landmarks)))
        for element in np.intersect1d(molecules.elements, self.landmarks.elements):
            rows, row_starts, x = _of_element(molecules, features, int(element))
            columns, column_starts, y = _of_element(self.landmarks, targets, int(element))
            # distances do not change if the mean is subtracted, and are more precise
            mean = y.mean(axis=0)
            similarity = _gaussians(x - mean, y - mean, self.sigma)
            similarity = np.add.reduceat(similarity, row_starts, axis=0)
            kernel[np.ix_(rows, columns)] += np.add.reduceat(similarity, column_starts, axis=1)
        return kernel

    def _represent(self, molecules: Molecules, elements: list[int]) -> FloatArray:
        """Return an array of shape (N, D), one row an atom."""
        name = "qmllib.representations"
        generate = import_package(name, "FCHL kernels", "molecules").generate_fchl19
        parts = [
            np.asarray(
                generate(Z, positions, elements=elements, rcut=self.cutoff, acut=self.cutoff),
                np.float32,
            )
            for Z, positions in _atoms(molecules)
        ]
        return np.concatenate(parts)


def _gaussians(x: FloatArray, y: FloatArray, sigma: float) -> FloatArray:
    """Return exp(-‖x - y‖² / 2 sigma²) for all rows of x and y."""
    squares = x @ y.T
    squares *= -2
    squares += np.einsum("ij,ij->i", x, x)[:, None]
    squares += np.einsum("ij,ij->i", y, y)
    np.maximum(squares, 0, out=squares)
    squares *= np.float32(-0.5 / sigma**2)
    similarities: FloatArray = np.exp(squares, out=squares)
    return similarities


def _of_element(
    molecules: Molecules, features: FloatArray, element: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the molecules with an element, where each of them begins, and rows of its atoms."""
    atoms = np.flatnonzero(element == molecules.Z)
    molecule_of = np.repeat(np.arange(len(molecules)), molecules.n_atoms)[atoms]
    rows, starts = np.unique(molecule_of, return_index=True)
    return rows.astype(np.int64), starts.astype(np.int64), features[atoms]


def _atoms(molecules: Molecules) -> Iterator[tuple[npt.NDArray[Any], Float64]]:
    """Yield atomic numbers and positions of each molecule."""
    for start, stop in zip(molecules.offsets[:-1], molecules.offsets[1:], strict=True):
        yield molecules.Z[start:stop].astype(np.int64), molecules.positions[start:stop]


def _check(molecules: Molecules) -> None:
    """Raise ValueError for heavy elements and overlapping atoms."""
    heavy = molecules.elements[molecules.elements > _HEAVIEST]
    if len(heavy):
        raise ValueError(
            f"FCHL kernels support elements up to {_HEAVIEST}, got the atomic number {heavy[0]}"
        )
    molecules.check_distances()
