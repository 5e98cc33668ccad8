"""Baselines: embeddings in closed form.

Eigenvectors of similarities (`eigen_embedding`), a regression from features to them
(`SpectralRegression`), the SVD of a matrix (`svd`), also with missing entries (`svd_missing`), and
scikit-learn's `KernelPCA`.
"""

from sklearn.decomposition import KernelPCA

from simec.linalg.factorization import svd
from simec.spectral.completion import svd_missing
from simec.spectral.eigenvectors import SpectralRegression, eigen_embedding, optimal_mse

__all__ = [
    "KernelPCA",
    "SpectralRegression",
    "eigen_embedding",
    "optimal_mse",
    "svd",
    "svd_missing",
]
