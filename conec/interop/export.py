"""Export of word vectors in any format, of the most frequent words and in a smaller type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conec.interop.exported import check_export_folder
from conec.interop.model2vec import save_model2vec
from conec.interop.tables import check_pyarrow, save_table
from conec.interop.viewers import check_projector, save_projector, save_spacy
from conec.interop.word2vec import save_word2vec
from conec.quantization import compact
from conec.types import StrPath
from corpora.checks import check_choice, check_integer
from corpora.files import check_output
from corpora.output import check_suffix

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["Format", "Precision", "check_export", "export"]

Format = Literal[
    "word2vec", "word2vec-binary", "arrow", "parquet", "projector", "spacy", "model2vec"
]
_TABLES = "arrow", "parquet"
_AVERAGING = {"spacy": "spaCy", "model2vec": "model2vec"}  # programs that average vectors
Precision = Literal["float32", "float16", "int8"]
# significant digits of a number in a text; five identify a float16, nine a float32
_DIGITS = {"float32": 9, "float16": 5, "int8": 3}


def export(
    vectors: KeyedVectors,
    path: StrPath,
    to: Format = "word2vec",
    *,
    top: int | None = None,
    dtype: Precision = "float32",
    lang: str = "xx",
) -> int:
    """Write word vectors for another program.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        For example `ContextEncoder.wv_context`.
    path : path
        A file; for "projector", "spacy" and "model2vec", a folder.
    to : {"word2vec", "word2vec-binary", "arrow", "parquet", "projector", "spacy", "model2vec"}
        As `save_word2vec` (with ``binary=True``), `save_table` (with ``parquet=True``),
        `save_projector`, `save_spacy` and `save_model2vec` write them.
    top : int, optional
        Number of words that are written, the first ones, which are the most frequent words of a
        model; by default all words.
    dtype : {"float32", "float16", "int8"}
        Precision of the values. All formats stay readable for the same programs. "float16": values
        are rounded to float16, which takes half the digits in a text, and half the size in "arrow",
        "parquet", "spacy" and "model2vec". "int8": each vector is scaled to integers from -127 to
        127, so that cosine similarities stay, but lengths do not; not for "spacy" and "model2vec",
        which average vectors. In "word2vec-binary", which holds float32 only, both take less space
        once compressed.
    lang : str
        Language code of the spaCy pipeline, or of the model card of model2vec.

    Returns
    -------
    int
        Number of words that were written.

    Raises
    ------
    ValueError
        If a parameter is invalid, a value too large for `dtype`, or as the functions above.
    OSError, ImportError
        As the functions above.
    """
    check_choice("to", to, Format)
    check_choice("dtype", dtype, Precision)
    if dtype == "int8" and to in _AVERAGING:
        raise ValueError(
            f"{_AVERAGING[to]} averages vectors, whose lengths int8 does not keep: use "
            "dtype='float16'"
        )
    check_export(path, to)
    smaller = _rounded(_first(vectors, top), dtype)
    if to == "projector":
        save_projector(smaller, path, digits=_DIGITS[dtype])
    elif to in _TABLES:
        save_table(smaller, path, parquet=to == "parquet")
    elif to == "spacy":
        save_spacy(smaller, path, lang)
    elif to == "model2vec":
        save_model2vec(smaller, path, lang)
    else:
        save_word2vec(smaller, path, binary=to == "word2vec-binary", digits=_DIGITS[dtype])
    return len(smaller)


def check_export(path: StrPath, to: Format) -> None:
    """Raise the error of `export` for a path that cannot be written, before any work is done."""
    if to == "projector":
        check_projector(path)
    elif to in _AVERAGING:
        check_export_folder(path)
    else:
        if to in _TABLES:
            check_pyarrow()
        check_suffix(path)
        check_output(path)


def _first(vectors: KeyedVectors, top: int | None) -> KeyedVectors:
    """The first words, with their counts."""
    from conec.interop.conversion import to_keyed_vectors

    if top is None or check_integer("top", top, 1) >= len(vectors):
        return vectors
    counts = vectors.expandos.get("count")
    return to_keyed_vectors(
        vectors.index_to_key[:top],
        vectors.vectors[:top],
        None if counts is None else np.asarray(counts)[:top],
    )


def _rounded(vectors: KeyedVectors, dtype: Precision) -> KeyedVectors:
    """Vectors of a lower precision."""
    from gensim.models import KeyedVectors

    if dtype == "float32":
        return vectors
    matrix: Any = compact("vectors", vectors.vectors, dtype).codes
    result = KeyedVectors(matrix.shape[1], dtype=matrix.dtype)
    result.index_to_key, result.key_to_index = vectors.index_to_key, vectors.key_to_index
    result.vectors, result.expandos = matrix, vectors.expandos
    return result
