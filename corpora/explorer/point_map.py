"""Maps of embeddings in two dimensions, computed in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from corpora.checks import check_choice

__all__ = ["PointMaps"]

_SIZE = 1 << 16  # coordinates are integers below this
_FEWEST = 8  # points, for methods other than PCA
_METHODS = {  # label, module of the class of the same name, most points
    "pca": ("PCA", "sklearn.decomposition", 100_000),
    "tsne": ("TSNE", "sklearn.manifold", 5_000),
    "umap": ("UMAP", "umap", 20_000),
}
_LABELS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


class PointMaps:
    """Maps of embeddings by several methods; each is computed once, in a thread.

    Parameters
    ----------
    vectors : callable
        Returns the embeddings, of shape (n, d), the most important ones first.
    n : int
        Number of embeddings.
    code : str
        Python code that assigns the embeddings to ``vectors``.
    """

    def __init__(self, vectors: Callable[[], Any], n: int, code: str) -> None:
        self._vectors, self._n, self._code = vectors, n, code
        self._lock = threading.Lock()
        self._maps: dict[str, dict[str, Any]] = {}

    def methods(self) -> list[dict[str, str]]:
        """Names and labels of the methods that can be used."""
        names = ["pca"]
        if self._n >= _FEWEST:
            names += ["tsne"] + ["umap"] * (find_spec("umap") is not None)
        labels = []
        for name in names:
            most = _METHODS[name][2]
            label = _LABELS[name] + (f", the first {most:,}" if self._n > most else "")
            labels.append({"name": name, "label": label})
        return labels

    def code(self, method: str) -> str:
        """Python code that computes the coordinates."""
        name, module, most = _METHODS[method]
        estimator = " ".join(repr(self._estimator(method)).split())
        return (
            f"import numpy as np\nfrom {module} import {name}\n{self._code}\n"
            f"vectors = vectors[:{most}]\n"
            "vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)\n"
            f"{estimator}.fit_transform(vectors)"
        )

    def get(self, method: str) -> dict[str, Any]:
        """A map, or its state.

        Returns
        -------
        dict
            "state": "computing", "done" or "failed"; then "x" and "y" (lists of integers from 0
            to 65535, with the same scale) or "error".

        Raises
        ------
        ValueError
            If there is no such method.
        """
        check_choice("method", method, [known["name"] for known in self.methods()])
        with self._lock:
            if method not in self._maps:
                self._maps[method] = {"state": "computing"}
                threading.Thread(target=self._compute, args=[method], daemon=True).start()
            return self._maps[method]

    def _compute(self, method: str) -> None:
        made: dict[str, Any]
        try:
            vectors = np.asarray(self._vectors()[: _METHODS[method][2]], np.float32)
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
            x, y = _scaled(self._estimator(method).fit_transform(vectors))
            made = {"state": "done", "x": x, "y": y}
        except Exception as error:
            made = {"state": "failed", "error": f"this map cannot be computed: {error}"}
        with self._lock:
            self._maps[method] = made

    def _estimator(self, method: str) -> Any:
        name, module, most = _METHODS[method]
        n = min(self._n, most)
        parameters: dict[str, dict[str, Any]] = {
            "pca": {"n_components": 2, "svd_solver": "covariance_eigh"},
            "tsne": {"perplexity": min(30, n // 3), "random_state": 0},
            "umap": {"n_neighbors": min(15, n - 1), "random_state": 0},
        }
        return getattr(import_module(module), name)(**parameters[method])


def _scaled(coordinates: npt.NDArray[Any]) -> Any:
    """Lists of integer coordinates, with the same scale on both axes."""
    coordinates = coordinates.astype(np.float64)
    coordinates -= coordinates.min(axis=0)
    span = float(coordinates.max()) or 1.0
    return np.rint(coordinates / span * (_SIZE - 1)).astype(np.int64).T.tolist()
