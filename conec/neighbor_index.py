"""An approximate index of word vectors: a graph of neighbors (HNSW), through usearch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from conec.quantization import Rows
from conec.types import FloatArray
from corpora.checks import check_choice, check_integer
from corpora.saved_data import check_saved_object

if TYPE_CHECKING:
    from corpora.model_folder import FolderReader, FolderWriter

__all__ = ["IndexSettings", "NeighborIndex"]

_JSON, _GRAPH = "index.json", "index.usearch"
_DTYPES = {"float32": "f32", "float16": "f16", "int8": "i8"}
_ROWS = 1 << 13  # vectors that are added at a time
_BLOCK = 1 << 20


class IndexSettings(NamedTuple):
    """Parameters of an index; see `ContextEncoder.build_index`."""

    connectivity: int
    expansion_add: int
    expansion_search: int
    dtype: str

    @classmethod
    def checked(cls, settings: Mapping[str, Any]) -> IndexSettings:
        """Check parameters.

        Raises
        ------
        ValueError, TypeError
            If one is invalid.
        """
        check_choice("dtype", settings["dtype"], tuple(_DTYPES))
        return cls(
            check_integer("connectivity", settings["connectivity"], 2, 1 << 10),
            check_integer("expansion_add", settings["expansion_add"], 1, 1 << 16),
            check_integer("expansion_search", settings["expansion_search"], 1, 1 << 16),
            settings["dtype"],
        )

    def empty(self, size: int) -> Any:
        """Create an empty index of usearch.

        Raises
        ------
        ImportError
            If usearch is not installed.
        """
        try:
            from usearch.index import Index
        except ImportError as error:
            raise ImportError(
                "an index of neighbors needs usearch: pip install similarity-encoders[index]"
            ) from error
        return Index(
            ndim=size,
            metric="cos",
            dtype=_DTYPES[self.dtype],
            connectivity=self.connectivity,
            expansion_add=self.expansion_add,
            expansion_search=self.expansion_search,
            enable_key_lookups=False,
        )


class NeighborIndex:
    """A graph that leads from any word vector to its neighbors without comparing all vectors.

    Parameters
    ----------
    vectors : float32 array or CompactRows of shape (V, d)
        The vectors that are indexed. The index is out of date once the model has others.
    settings : IndexSettings
    graph : usearch.index.Index, optional
    saved : uint8 array, optional
        Content of a saved index, which is memory-mapped and used in place of `graph`.
    sha256 : str, optional
        Checksum of `saved`, which is verified before the first search: a damaged graph could
        lead anywhere in memory.
    source : str
        File that `saved` is from, for errors.
    """

    def __init__(
        self,
        vectors: Rows,
        settings: IndexSettings,
        graph: Any = None,
        *,
        saved: npt.NDArray[np.uint8] | None = None,
        sha256: str = "",
        source: str = "",
    ) -> None:
        self.vectors, self.settings = vectors, settings
        self._graph, self._saved, self._sha256, self._source = graph, saved, sha256, source

    @classmethod
    def build(
        cls, vectors: Rows, settings: IndexSettings, *, workers: int = 1, progress: bool = False
    ) -> NeighborIndex:
        """Add all vectors, except those of zeros, to a new index."""
        from tqdm import tqdm

        n, size = vectors.shape
        graph = settings.empty(size)
        # the same graph each time with one worker: vectors are added in the order of ids
        with tqdm(total=n, desc="index", unit="word", disable=None if progress else True) as bar:
            for start in range(0, n, _ROWS):
                rows = np.asarray(vectors[start : start + _ROWS], np.float32)
                nonzero = np.flatnonzero(rows.any(axis=1))
                if len(nonzero):
                    keys = (start + nonzero).astype(np.uint64)
                    graph.add(keys, np.ascontiguousarray(rows[nonzero]), threads=workers)
                bar.update(len(rows))
        return cls(vectors, settings, graph)

    @property
    def nbytes(self) -> int:
        """Size of the graph in bytes."""
        if self._saved is not None:
            return self._saved.nbytes
        return int(self._graph.serialized_length)

    def candidates(self, queries: FloatArray, k: int, *, workers: int = 1) -> npt.NDArray[np.int64]:
        """Ids of words near each query, in no order.

        Parameters
        ----------
        queries : float32 array of shape (n, d)
        k : int
            Number of words.

        Returns
        -------
        int64 array of shape (n, k)
            -1 where fewer are found.

        Raises
        ------
        ValueError
            If the saved index is damaged.
        """
        graph = self._opened()
        result = np.full((len(queries), k), -1, np.int64)
        k = min(k, len(graph))
        if not k or not len(queries):
            return result
        # a search visits at least as many words as it returns
        graph.expansion_search = max(self.settings.expansion_search, k)
        found = graph.search(queries, k, threads=workers)
        keys = np.asarray(found.keys).reshape(len(queries), -1).astype(np.int64)
        counts = np.atleast_1d(np.asarray(getattr(found, "counts", keys.shape[1])))
        keys[np.arange(keys.shape[1]) >= counts[:, None]] = -1
        keys[(keys < 0) | (keys >= len(self.vectors))] = -1
        result[:, : keys.shape[1]] = keys
        return result

    def _opened(self) -> Any:
        if self._graph is None:
            assert self._saved is not None
            graph = self.settings.empty(self.vectors.shape[1])
            digest = hashlib.sha256()
            for start in range(0, len(self._saved), _BLOCK):
                digest.update(self._saved[start : start + _BLOCK].data)
            problem = "it was changed after it was saved (its checksum differs)"
            if digest.hexdigest() == self._sha256:
                try:
                    graph.view(self._saved.data)
                    problem = self._problem(graph)
                except (RuntimeError, ValueError) as error:
                    problem = str(error)
            if problem:
                raise ValueError(f"{self._source} is damaged: {problem}")
            self._graph = graph
        return self._graph

    def _problem(self, graph: Any) -> str:
        """Why an opened graph does not belong to the vectors; empty if it does."""
        n, size = self.vectors.shape
        dtype = _DTYPES[self.settings.dtype]
        if graph.ndim != size or len(graph) > n or graph.dtype.name.lower() != dtype:
            return (
                f"it must have up to {n} vectors of size {size} in {dtype}, got {len(graph)} of "
                f"size {graph.ndim} in {graph.dtype.name.lower()}"
            )
        return ""

    # Files

    def write_to(self, folder: FolderWriter) -> None:
        """Write the index to an open model folder."""
        path = folder.file(_GRAPH)
        if self._saved is not None:
            self._saved.tofile(path)
        else:
            self._graph.save(os.fspath(path))
        digest, size = hashlib.sha256(), path.stat().st_size
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        data = {**self.settings._asdict(), "size": size, "sha256": digest.hexdigest()}
        folder.write_json(_JSON, data)

    @classmethod
    def read_from(cls, folder: FolderReader, vectors: Rows) -> NeighborIndex | None:
        """Map the index of an open model folder into memory; None if it has none.

        Raises
        ------
        ModelError
            If it is damaged. Its content is verified by the first search.
        """
        if folder.names.isdisjoint({_JSON, _GRAPH}):
            return None
        data = folder.read_json(_JSON)
        with folder.checking(_JSON):
            data = check_saved_object("the index", data, (*IndexSettings._fields, "size", "sha256"))
            settings = IndexSettings.checked(data)
            size = check_integer("size", data["size"], 1)
            digest = str(data["sha256"])
        saved = folder.map_file(_GRAPH, np.uint8, size)
        return cls(vectors, settings, saved=saved, sha256=digest, source=str(folder.path / _GRAPH))

    def __getstate__(self) -> dict[str, Any]:
        saved = self._saved
        if saved is None:
            saved = np.frombuffer(self._graph.save(), np.uint8)
        digest = self._sha256 or hashlib.sha256(saved.data).hexdigest()
        return {**self.__dict__, "_graph": None, "_saved": saved, "_sha256": digest}
