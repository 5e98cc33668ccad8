"""Data of the benchmarks: plain text, encoded text, data sets of quality."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from corpora import Corpus
    from corpora.encoding import TokenStream

QUALITY = {
    "analogies": "questions-words",
    "ws353": "wordsim353",
    "simlex": "simlex999",
    "men": "men",
}


def source(name: str) -> Corpus:
    """A data set, or a file of the user."""
    import corpora
    from corpora import datasets

    try:
        corpus: Corpus = corpora.open(name) if Path(name).exists() else datasets.load(name)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"--corpus {name}: {error}") from error
    return corpus


def require(*names: str) -> None:
    """Exit with instructions unless these data sets are available."""
    from corpora import datasets

    try:
        for name in names:
            datasets.paths(name)
    except datasets.DatasetNotFoundError as error:
        raise SystemExit(str(error)) from error


def plain_text(name: str, path: Path, documents: int | None = None) -> dict[str, Any]:
    """Unpack a corpus, or its first documents, into a plain file that all programs read."""
    from tqdm import tqdm

    n_documents = n_words = 0
    with (
        open(path, "w", encoding="utf-8") as file,
        tqdm(desc="unpacking", unit=" words", unit_scale=True) as bar,
    ):
        for document in source(name):
            file.write(" ".join(document) + "\n")
            n_documents += 1
            n_words += len(document)
            bar.update(len(document))
            if n_documents == documents:
                break
    return {"name": Path(name).name, "documents": n_documents, "tokens": n_words}


def encoded(text: Path, folder: Path, min_count: int) -> None:
    """Count and encode a plain file once, for many runs to `load`."""
    import corpora
    from corpora.counting import count, vocabulary_lines
    from corpora.encoding import TokenStream

    words = count(corpora.open(text), min_count=min_count, progress=True).most_common()
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(vocabulary_lines(words))
    (folder / "vocabulary.tsv").write_text(lines, encoding="utf-8", newline="")
    index = {word: i for i, word in enumerate(words)}
    TokenStream.encode(corpora.open(text), index, folder / "tokens", workers=None, progress=True)


def load(folder: str | Path) -> tuple[dict[str, int], TokenStream]:
    """Load the result of `encoded`: the counts of the words, and the text as their ids."""
    from corpora.counting import read_vocabulary
    from corpora.encoding import TokenStream

    folder = Path(folder)
    return read_vocabulary(folder / "vocabulary.tsv"), TokenStream.open(folder / "tokens")


def recut(stream: TokenStream, n: int, length: int | None = None) -> TokenStream:
    """The first `n` tokens, in their documents or in documents of `length` tokens.

    Words outside the vocabulary, which a stream lacks, are counted in proportion.
    """
    from corpora.encoding import TokenStream

    n = min(n, len(stream))
    if length is None:
        offsets = stream.offsets[: int(np.searchsorted(stream.offsets, n))]
    else:
        offsets = np.arange(0, n, length)
    offsets = np.append(offsets, n).astype(np.int64)
    return TokenStream(np.array(stream.ids[:n]), offsets, round(n * stream.n_raw / len(stream)))


def zipf(n_words: int, n_tokens: int, seed: int = 1) -> tuple[dict[str, int], TokenStream]:
    """Synthetic text: the word of rank r has a share proportional to 1 / r."""
    from corpora.encoding import TokenStream

    share = 1 / np.arange(1, n_words + 1)
    share /= share.sum()
    drawn = np.searchsorted(np.cumsum(share), np.random.default_rng(seed).random(n_tokens))
    ids = np.minimum(drawn, n_words - 1).astype(np.int32)
    # as if each word occurred: names in the order of counts
    counts = np.maximum(1, np.round(share / share[-1])).astype(int).tolist()
    offsets = np.append(np.arange(0, n_tokens, 1000), n_tokens).astype(np.int64)
    return {f"w{i:08}": n for i, n in enumerate(counts)}, TokenStream(ids, offsets, n_tokens)


def missing_quality() -> list[str]:
    """Data sets of quality that are missing on this machine, with a message."""
    from corpora import datasets

    missing = []
    for dataset in QUALITY.values():
        try:
            datasets.paths(dataset)
        except datasets.DatasetNotFoundError:
            missing.append(dataset)
    if missing:
        print(
            f"quality is not measured on {', '.join(missing)}: not in the folder that "
            "CORPORA_DATA names, nor fetched",
            file=sys.stderr,
        )
    return missing


def quality(vectors: Any) -> dict[str, float | None]:
    """Analogies among the 30,000 most frequent words, and Spearman's rank correlations.

    None if a data set is missing, or the vectors have too few of its words.
    """
    from conec.evaluation import analogies, word_similarity
    from corpora import datasets

    scores: dict[str, float | None] = {}
    for name, dataset in QUALITY.items():
        try:
            data = datasets.load(dataset)
        except datasets.DatasetNotFoundError:
            scores[name] = None
            continue
        if name == "analogies":
            value = analogies(vectors, data).accuracy
        else:
            value = word_similarity(vectors, data).spearman
        scores[name] = value if math.isfinite(value) else None
    return scores


def known(values: Iterable[float | None]) -> list[float]:
    """Values that are not None."""
    return [value for value in values if value is not None]
