"""A demonstration on 300 news texts that are part of gensim: ``python -m conec.demo``.

It trains a model, shows the nearest neighbors of known words, of unknown words, and of one word
in two senses, saves and loads the model, and draws a map. It takes a few seconds and needs no
network.
"""

from __future__ import annotations

import errno
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import corpora
from conec import ContextEncoder
from conec.model import KIND
from conec.types import FloatArray
from corpora.cli.app import describe
from corpora.model_folder import check_writable

KNOWN = ("police", "israeli", "afghanistan", "minister", "cricket", "government")

# a small text needs many epochs and a high subsampling threshold
SETTINGS = {"vector_size": 64, "min_count": 3, "sample": 1e-3, "epochs": 25, "seed": 1}

AMBIGUOUS = "bank"
SENSES = {"land": ("west bank", 2), "money": ("australia bank", 1)}


def read(name: str) -> corpora.Corpus:
    """Open a file of news texts that gensim installs, in lower case and without punctuation."""
    from gensim.test.utils import datapath

    # the text contains a pound sign in this encoding
    return corpora.open(datapath(name), clean="lower", tokenize="regexp", encoding="latin-1")


def unseen_words(
    training: corpora.Corpus, new: corpora.Corpus, n: int = 6, *, min_count: int = 3
) -> dict[str, list[list[str]]]:
    """Select words that do not occur in the training text, with the new documents that have them.

    Parameters
    ----------
    training, new : Corpus
    n : int
        Number of words; the most frequent ones are selected.
    min_count : int
        Minimum number of occurrences.

    Returns
    -------
    dict of str to list of documents
        For each word, the documents that contain it.
    """
    seen = {token for document in training for token in document}
    counts = Counter(token for document in new for token in document)
    chosen = [
        word
        for word, count in counts.most_common()
        if word not in seen and count >= min_count and word.isalpha()
    ][:n]
    return {word: [document for document in new if word in document] for word in chosen}


def sentences_with(phrase: str, n: int) -> list[list[str]]:
    """Find the first `n` different sentences of the training text that contain a phrase."""
    from gensim.test.utils import datapath

    matches: list[list[str]] = []
    text = corpora.open(
        datapath("lee_background.cor"), clean="lower", tokenize="regexp", sentences=True
    )
    for sentence in text:
        if f" {phrase} " in f" {' '.join(sentence)} " and sentence not in matches:
            matches.append(sentence)
        if len(matches) == n:
            break
    return matches


def main(
    out: Annotated[Path, typer.Option("--out", help="Folder for the model and the map.")] = Path(
        "demo"
    ),
) -> None:
    """Train on 300 news texts, and show what a Context Encoder can do."""
    begin = time.perf_counter()
    folder, picture = prepare(out)
    training = read("lee_background.cor")

    print("1. Train on 300 news texts from Australia, 2000 and 2001")
    start = time.perf_counter()
    model = ContextEncoder(**SETTINGS).fit(training)  # type: ignore[arg-type]
    losses = model.loss_history_
    print(
        f"   {len(model):,} words, {len(losses)} epochs in {time.perf_counter() - start:.1f} s, "
        f"loss {losses[0]:.2f} -> {losses[-1]:.2f}"
    )

    print("\n2. Known words: nearest neighbors by word2vec vectors, and by context embeddings")
    for word in KNOWN:
        print(f"   {word}")
        print(f"      word2vec  {names(model.wv.most_similar(word, topn=6))}")
        print(f"      contexts  {names(model.most_similar(word, topn=6))}")

    print("\n3. Unknown words: the most frequent ones in 50 other news texts, each embedded from")
    print("   the texts that contain it")
    unseen: dict[str, FloatArray] = {}
    for word, documents in unseen_words(training, read("lee.cor")).items():
        unseen[word] = model.embed_word(word, documents)
        print(f"   {word:12} {names(model.most_similar(unseen[word], topn=6))}")
        print(f"   {'':12} as in: {excerpt(documents[0], word)}")

    print(f"\n4. One word in two senses: {AMBIGUOUS!r}; 1 - a is the weight of the sentence")
    for sense, (phrase, n) in SENSES.items():
        sentence = sentences_with(phrase, n)[-1]
        print(f"   {sense}: {excerpt(sentence, AMBIGUOUS)}")
        for a in (1.0, 0.6, 0.0):
            vector = model.embed(sentence, a)[sentence.index(AMBIGUOUS)]
            neighbors = [n for n in model.most_similar(vector, topn=7) if n[0] != AMBIGUOUS]
            print(f"      a = {a:.1f}  {names(neighbors[:6])}")

    print("\n5. Save, load, compare")
    model.save(folder)
    loaded = ContextEncoder.load(folder)
    check_equal(model, loaded)
    print(f"   {folder}: identical weights and words")

    print("\n6. A map")
    draw(loaded, unseen, picture)
    print(f"   {picture}")
    print(f"\n{time.perf_counter() - begin:.0f} s in total")


def prepare(out: Path) -> tuple[Path, Path]:
    """Create the output folder, and return the paths of the model and of the map.

    Raises
    ------
    OSError
        If the folder cannot be written, or holds files other than the results of an earlier run.
    """
    folder, picture = out / "model", out / "map.png"
    out.mkdir(parents=True, exist_ok=True)
    foreign = sorted(path.name for path in out.iterdir() if path not in (folder, picture))
    if foreign or (picture.exists() and not folder.exists()):
        name = foreign[0] if foreign else picture.name
        raise FileExistsError(
            errno.EEXIST, f"The folder holds {name}; choose a new folder with --out", str(out)
        )
    check_writable(folder, KIND)
    return folder, picture


def names(neighbors: Iterable[tuple[str, float]]) -> str:
    """Join the words of nearest neighbors."""
    return ", ".join(word for word, _ in neighbors)


def excerpt(tokens: list[str], word: str, around: int = 6) -> str:
    """Return the first occurrence of a word, marked, with the tokens around it."""
    position = tokens.index(word)
    first, last = max(0, position - around), position + around + 1
    middle = " ".join([*tokens[first:position], f"*{word}*", *tokens[position + 1 : last]])
    return f"{'... ' if first else ''}{middle}{' ...' if last < len(tokens) else ''}"


def check_equal(one: ContextEncoder, other: ContextEncoder) -> None:
    """Raise RuntimeError unless two models are bit-identical."""
    same = one.vocabulary.words == other.vocabulary.words and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("W1", "W2", "context_embeddings")
    )
    if not same:
        raise RuntimeError("the loaded model differs from the saved one")


def draw(model: ContextEncoder, unseen: dict[str, FloatArray], path: Path) -> None:
    """Draw known words, unknown words, and the neighbors of both."""
    from conec.plots import plot_map

    words = dict.fromkeys(KNOWN)
    for word in KNOWN:
        words |= dict.fromkeys(neighbor for neighbor, _ in model.most_similar(word, topn=6))
    for vector in unseen.values():
        words |= dict.fromkeys(neighbor for neighbor, _ in model.most_similar(vector, topn=4))
    plot_map(
        model.wv_context,
        list(words),
        path,
        unseen=unseen,
        title="Words of the news by their context embeddings (t-SNE)",
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except OSError as error:
        sys.exit(f"conec.demo: {describe(error)}")
