"""Word vectors for spaCy and for TensorBoard's embedding projector."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conec.interop.checks import check_vectors, require_writable
from corpora.files import atomic_path

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

StrPath = str | os.PathLike[str]


def save_projector(vectors: KeyedVectors, folder: StrPath) -> None:
    """Write word vectors for the embedding projector of TensorBoard.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        The vectors; cut them first if there are more than a browser shows (some 10,000).
    folder : path
        Where ``vectors.tsv`` and ``metadata.tsv`` go; made if it is not there. With the attribute
        ``"count"`` the metadata have a header and two columns, otherwise only the words.

    Raises
    ------
    ValueError
        If `check_vectors` finds fault, or a word is empty or holds a tab or line end.

    Notes
    -----
    Load both files at https://projector.tensorflow.org.
    """
    check_vectors(vectors)
    words: list[str] = vectors.index_to_key
    require_writable(words, forbidden="\t\r\n")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    values = "\t".join(["%.9g"] * vectors.vectors.shape[1]) + "\n"
    with atomic_path(target / "vectors.tsv") as temporary, open(temporary, "wb") as out:
        for row in vectors.vectors:
            out.write((values % tuple(row.tolist())).encode())
    counts = vectors.expandos.get("count")
    with atomic_path(target / "metadata.tsv") as temporary, open(temporary, "wb") as out:
        if counts is None:
            out.writelines(f"{word}\n".encode() for word in words)
        else:
            out.write(b"word\tcount\n")
            out.writelines(
                f"{word}\t{count}\n".encode() for word, count in zip(words, counts, strict=True)
            )


def to_spacy(vectors: KeyedVectors, lang: str = "xx") -> Any:
    """Make a spaCy pipeline that has these word vectors.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        The vectors.
    lang : str, default="xx"
        Code of the language, which decides the tokenizer; ``"xx"`` is for any.

    Returns
    -------
    spacy.language.Language
        A blank pipeline. ``nlp.to_disk(folder)`` writes it, ``spacy.load(folder)`` reads it.

    Raises
    ------
    ValueError
        If `check_vectors` finds fault.
    ImportError
        If spaCy is not installed.
    """
    try:
        import spacy
        from spacy.vectors import Vectors
    except ImportError as error:
        raise ImportError("to_spacy needs spaCy: pip install similarity-encoders[spacy]") from error

    check_vectors(vectors)
    nlp = spacy.blank(lang)
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings,
        data=vectors.vectors.astype(np.float32),
        keys=vectors.index_to_key,
        name=f"{lang}_vectors",
    )
    return nlp
