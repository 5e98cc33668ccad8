"""Similarities of images by the small patches that they consist of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from corpora.checks import ParameterError, check_integer, check_number
from simec.linalg.checks import LARGEST, check_magnitude
from simec.similarities.kernels import linear
from simec.types import FloatArray

_CHUNK = 1 << 21  # numbers in the largest temporary array: it stays in the cache
_CONTRAST = 0.01  # variance added to that of each patch, as a share of their mean variance
_WHITENING = 0.1  # variance added to that of each direction of normalized patches
_SMALLEST = 1e-6  # variance of a principal component, as a share of the largest


class Patches(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Describe images by how much of typical small patches each of their regions has.

    The features of Coates, Lee & Ng (2011): all patches of an image are normalized in contrast,
    whitened, and compared with cluster centers of such patches. The activation of a center is by
    how much it is closer than the average center, or 0; activations are averaged over the regions
    of a grid. Here, the square roots of these averages are then standardized and replaced by their
    first principal components, whose variances are evened out. Scalar products of the result
    (`simec.similarities.linear`) are a similarity of images that needs no labels, and a network
    that is trained to reproduce it learns to recognize textures and shapes.

    Parameters
    ----------
    n_components : int
        Number of principal components, i.e. of features; at most ``n_centers · grid²``.
    n_centers : int
        Number of cluster centers.
    patch_size : int
        Height and width of a patch in pixels.
    grid : int
        Activations are averaged over ``grid × grid`` regions.
    whitening : float
        From 0 to 1: a principal component of variance v gets the variance ``v ** (1 - whitening)``,
        so that with 1 all are equally important.
    n_patches : int
        Number of random patches that are whitened and clustered.
    random_state : int, RandomState or None
        Seed of the random patches and of the initial centers.

    Attributes
    ----------
    centers_ : float32 array of shape (n_centers, channels · patch_size²)
        Cluster centers, in coordinates of whitened patches.
    image_shape_ : (int, int, int)
        Channels, height and width.

    References
    ----------
    A. Coates, H. Lee & A. Ng (2011). An analysis of single-layer networks in unsupervised feature
    learning. AISTATS.

    Examples
    --------
    >>> import numpy as np
    >>> from simec.similarities import Patches, linear
    >>> images = np.random.default_rng(0).integers(0, 256, (30, 3, 16, 16), np.uint8)
    >>> features = Patches(25, n_centers=20, random_state=0).fit_transform(images)
    >>> features.shape, linear(features, features[:10]).shape
    ((30, 25), (30, 10))
    """

    def __init__(
        self,
        n_components: int = 150,
        *,
        n_centers: int = 400,
        patch_size: int = 6,
        grid: int = 2,
        whitening: float = 1.0,
        n_patches: int = 60_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_centers = n_centers
        self.patch_size = patch_size
        self.grid = grid
        self.whitening = whitening
        self.n_patches = n_patches
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: object = None) -> Patches:
        """Find the cluster centers and principal components of images.

        Parameters
        ----------
        X : array of shape (m, channels, height, width) or (m, height, width)
            At least two images. The scale of the pixels does not matter.
        y
            Ignored.

        Raises
        ------
        ValueError
            If parameters are out of range, images are smaller than patches or have another
            number of axes, pixels are NaN or infinite, or all images are constant.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> FloatArray:  # noqa: ARG002
        """Compute the features of images while fitting to them. See `fit`.

        Returns
        -------
        float32 array of shape (m, n_components)
        """
        self._check_parameters()
        images = _as_images(X)
        if len(images) < 2:
            raise ValueError(f"X must have at least two images, got {len(images)}")
        size = self.patch_size
        if min(images.shape[2:]) < size + self.grid - 1:
            raise ValueError(
                f"images of {images.shape[2]} × {images.shape[3]} pixels are too small for "
                f"patches of {size} × {size} in a grid of {self.grid} × {self.grid}. X must have "
                "shape (m, channels, height, width)"
            )
        self._fit_patches(images, check_random_state(self.random_state))
        self.image_shape_: tuple[int, ...] = images.shape[1:]
        features = self._activations(images)
        self._mean = features.mean(axis=0)
        features -= self._mean
        deviations = features.std(axis=0)
        self._components = self._principal_components(features, deviations)
        self._n_features_out = self._components.shape[1]
        projected: FloatArray = features @ self._components
        return projected

    def transform(self, X: npt.ArrayLike) -> FloatArray:
        """Compute the features of images.

        Parameters
        ----------
        X : array of shape (m, channels, height, width) or (m, height, width)
            Images of the shape of those passed to `fit`.

        Returns
        -------
        float32 array of shape (m, n_components)
        """
        check_is_fitted(self, "image_shape_")
        images = _as_images(X)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"X must have images of shape {self.image_shape_}, as those passed to fit, got "
                f"{images.shape[1:]}"
            )
        features = self._activations(images)
        features -= self._mean
        projected: FloatArray = features @ self._components
        return projected

    def _check_parameters(self) -> None:
        check_integer("n_centers", self.n_centers, 2)
        check_integer("patch_size", self.patch_size, 2)
        check_integer("grid", self.grid, 1)
        check_integer("n_components", self.n_components, 1, self.n_centers * self.grid**2)
        check_integer("n_patches", self.n_patches, self.n_centers)
        check_number("whitening", self.whitening, 0, 1)

    def _fit_patches(self, images: npt.NDArray[Any], random: np.random.RandomState) -> None:
        """Whiten and cluster random patches."""
        from sklearn.cluster import MiniBatchKMeans

        size = self.patch_size
        corners = [random.randint(n - size + 1, size=self.n_patches) for n in images.shape[2:]]
        chosen = random.randint(len(images), size=self.n_patches)
        windows = sliding_window_view(images, (size, size), axis=(2, 3))
        patches = windows[chosen, :, corners[0], corners[1]].reshape(self.n_patches, -1)
        patches = patches.astype(np.float64)
        patches -= patches.mean(axis=1, keepdims=True)
        variance = float(np.square(patches).mean())
        if not variance:
            raise ValueError("X must have images with different pixels: all patches are constant")
        self._contrast = _CONTRAST * variance
        patches /= np.sqrt(np.square(patches).mean(axis=1, keepdims=True) + self._contrast)
        mean = patches.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(patches, rowvar=False))
        whiten = directions / np.sqrt(np.maximum(variances, 0) + _WHITENING)
        self._whiten: FloatArray = whiten.astype(np.float32)
        self._shift: FloatArray = (mean @ whiten).astype(np.float32)
        clusters = MiniBatchKMeans(
            self.n_centers, batch_size=4096, n_init=1, max_iter=30, random_state=random
        )
        clusters.fit(((patches - mean) @ whiten).astype(np.float32))
        self.centers_: FloatArray = clusters.cluster_centers_.astype(np.float32)

    def _activations(self, images: npt.NDArray[Any]) -> FloatArray:
        """Square roots of the mean activations of each center in each region."""
        size, grid, n_centers = self.patch_size, self.grid, self.n_centers
        rows, columns = (n - size + 1 for n in images.shape[2:])
        edges = [np.linspace(0, n, grid + 1).round().astype(int).tolist() for n in (rows, columns)]
        features = np.empty((len(images), grid, grid, n_centers), np.float32)
        doubled = 2 * self.centers_.T
        squares = np.square(self.centers_).sum(axis=1)
        step = max(1, _CHUNK // (rows * columns * n_centers))
        for start in range(0, len(images), step):
            part = images[start : start + step].astype(np.float32)
            windows = sliding_window_view(part, (size, size), axis=(2, 3))
            patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, len(self._whiten))
            patches -= patches.mean(axis=1, keepdims=True)
            scales = np.einsum("ij,ij->i", patches, patches) / patches.shape[1] + self._contrast
            patches /= np.sqrt(scales)[:, None]
            whitened = patches @ self._whiten
            whitened -= self._shift
            distances = whitened @ doubled
            np.subtract(squares, distances, out=distances)
            distances += np.einsum("ij,ij->i", whitened, whitened)[:, None]
            np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
            np.subtract(distances.mean(axis=1, keepdims=True), distances, out=distances)
            np.maximum(distances, 0, out=distances)
            activations = distances.reshape(len(part), rows, columns, n_centers)
            for i in range(grid):
                for j in range(grid):
                    top, bottom = edges[0][i : i + 2]
                    left, right = edges[1][j : j + 2]
                    region = activations[:, top:bottom, left:right]
                    features[start : start + step, i, j] = region.mean(axis=(1, 2))
        return np.sqrt(features.reshape(len(images), -1))

    def _principal_components(self, centered: FloatArray, deviations: FloatArray) -> FloatArray:
        """The matrix from centered features to scaled principal components."""
        # a center that is never active has no deviation, and no effect
        weights = np.divide(1, deviations, out=np.zeros_like(deviations), where=deviations > 0)
        correlations = (centered.T @ centered).astype(np.float64) / len(centered)
        correlations *= weights[:, None] * weights.astype(np.float64)
        variances, directions = np.linalg.eigh(correlations)
        variances, directions = variances[::-1], directions[:, ::-1]
        kept = np.flatnonzero(variances > _SMALLEST * variances[0])[: self.n_components]
        scales = variances[kept] ** (-self.whitening / 2)
        components: FloatArray = (weights[:, None] * directions[:, kept] * scales).astype(
            np.float32
        )
        return components

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags


def patches(
    X: npt.ArrayLike, Y: npt.ArrayLike | None = None, **parameters: Any
) -> npt.NDArray[np.floating[Any]]:
    """Compute similarities of images: scalar products of their `Patches` features.

    Parameters
    ----------
    X : array of shape (m, channels, height, width) or (m, height, width)
        Images, from which the cluster centers are found.
    Y : array of shape (n, channels, height, width) or (n, height, width), optional
        By default X.
    **parameters
        Parameters of `Patches`.

    Returns
    -------
    float32 array of shape (m, n)
    """
    model = Patches(**parameters)
    features = model.fit_transform(X)
    return linear(features, features if Y is None else model.transform(Y))


def _as_images(X: npt.ArrayLike) -> npt.NDArray[Any]:
    images = np.asarray(X)
    if images.dtype.kind not in "biuf":
        raise ParameterError(f"X must be an array of numbers, got {images.dtype}")
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4:
        raise ValueError(
            "X must have shape (m, channels, height, width) or (m, height, width), got shape "
            f"{np.shape(X)}"
        )
    if images.dtype.kind == "f":
        check_magnitude("X", images, LARGEST)
        if not np.isfinite(images).all():
            raise ValueError("X must have finite pixels, got NaN")
    return images
