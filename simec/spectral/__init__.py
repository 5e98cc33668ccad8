"""Embeddings in closed form: what Similarity Encoders are compared to.

Eigenvectors of similarities (`eigen_embedding`), a regression from features to them
(`SpectralRegression`), factors of any matrix (`svd`), with unknown entries too
(`svd_missing`); and scikit-learn's `KernelPCA`, for kernels of known points and new ones.
"""

from sklearn.decomposition import KernelPCA

from simec.linalg.svd import svd
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
