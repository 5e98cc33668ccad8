"""Baselines: embeddings with a closed form.

Eigenvectors of similarities (`eigen_embedding`), a regression that predicts them from features
(`SpectralRegression`), the SVD of complete matrices (`svd`) and of matrices with missing entries
(`svd_missing`), and scikit-learn's `KernelPCA`.
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
