"""A demonstration on 300 news texts that come with gensim: ``python -m conec.demo``.

It trains a model, asks it for neighbours of words that it knows, of words that it has
never seen, and of one word in two senses; it saves and loads the model and draws a map.
It takes some seconds and needs no network.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import corpora
from conec import ContextEncoder
from conec.types import FloatArray

KNOWN = ("police", "israeli", "afghanistan", "minister", "cricket", "government")

# Settings for a text as small as this one: many passes, a mild threshold for frequent words.
SETTINGS = {"vector_size": 64, "min_count": 3, "sample": 1e-3, "epochs": 25, "seed": 1}

AMBIGUOUS = "bank"
SENSES = {"land": ("west bank", 2), "money": ("australia bank", 1)}


def read(name: str) -> corpora.Corpus:
    """Open one of the news texts of gensim's wheel, in lower case, without punctuation."""
    from gensim.test.utils import datapath

    # in this encoding there is a pound sign
    return corpora.open(datapath(name), clean="lower", tokenize="regexp", encoding="latin-1")


def unseen_words(
    training: corpora.Corpus, new: corpora.Corpus, n: int = 6, *, least: int = 3
) -> dict[str, list[list[str]]]:
    """Choose words that never occur in training, and the new documents they stand in.

    Parameters
    ----------
    training, new : Corpus
    n : int
        How many; the most frequent ones.
    least : int
        Occurrences that a word needs.

    Returns
    -------
    dict of str to list of documents
    """
    seen = {token for document in training for token in document}
    counts = Counter(token for document in new for token in document)
    chosen = [
        word
        for word, count in counts.most_common()
        if word not in seen and count >= least and word.isalpha()
    ][:n]
    return {word: [document for document in new if word in document] for word in chosen}


def sentences_with(phrase: str, n: int) -> list[list[str]]:
    """Find the first sentences of the training text that hold a phrase."""
    from gensim.test.utils import datapath

    found = []
    text = corpora.open(
        datapath("lee_background.cor"), clean="lower", tokenize="regexp", sentences=True
    )
    for sentence in text:
        if f" {phrase} " in f" {' '.join(sentence)} " and sentence not in found:
            found.append(sentence)
        if len(found) == n:
            break
    return found


def main(
    out: Annotated[Path, typer.Option("--out", help="Folder for the model and the map.")] = Path(
        "demo"
    ),
) -> None:
    """Train on 300 news texts, and show what a Context Encoder can do."""
    begin = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    training = read("lee_background.cor")

    print("1. Train on 300 news texts from Australia, 2000 and 2001")
    start = time.perf_counter()
    model = ContextEncoder(**SETTINGS).fit(training)  # type: ignore[arg-type]
    losses = model.loss_history_
    print(
        f"   {len(model):,} words, {len(losses)} epochs in {time.perf_counter() - start:.1f} s, "
        f"loss {losses[0]:.2f} -> {losses[-1]:.2f}"
    )

    print("\n2. Words that it knows: nearest by word2vec's vectors, and by their contexts")
    for word in KNOWN:
        print(f"   {word}")
        print(f"      word2vec  {names(model.wv.most_similar(word, topn=6))}")
        print(f"      contexts  {names(model.most_similar(word, topn=6))}")

    print("\n3. Words that it has never seen: the most frequent ones in 50 other news texts,")
    print("   each embedded from the texts it stands in")
    unseen: dict[str, FloatArray] = {}
    for word, documents in unseen_words(training, read("lee.cor")).items():
        unseen[word] = model.embed_word(word, documents)
        print(f"   {word:12} {names(model.most_similar(unseen[word], topn=6))}")
        print(f"   {'':12} as in: {excerpt(documents[0], word)}")

    print(f"\n4. One word in two senses: {AMBIGUOUS!r}, a share of its vector from the sentence")
    for sense, (phrase, n) in SENSES.items():
        sentence = sentences_with(phrase, n)[-1]
        print(f"   {sense}: {excerpt(sentence, AMBIGUOUS)}")
        for a in (1.0, 0.6, 0.0):
            vector = model.embed(sentence, a)[sentence.index(AMBIGUOUS)]
            near = [pair for pair in model.most_similar(vector, topn=7) if pair[0] != AMBIGUOUS]
            print(f"      a = {a:.1f}  {names(near[:6])}")

    print("\n5. Save, load, compare")
    folder = out / "model"
    model.save(folder)
    loaded = ContextEncoder.load(folder)
    check_equal(model, loaded)
    print(f"   {folder}: the same weights and words")

    print("\n6. A map")
    picture = out / "map.png"
    draw(loaded, unseen, picture)
    print(f"   {picture}")
    print(f"\n{time.perf_counter() - begin:.0f} s in all")


def names(near: Iterable[tuple[str, float]]) -> str:
    """Words in a row."""
    return ", ".join(word for word, _ in near)


def excerpt(tokens: list[str], word: str, around: int = 6) -> str:
    """A word with what is around its first occurrence."""
    at = tokens.index(word)
    first, last = max(0, at - around), at + around + 1
    middle = " ".join([*tokens[first:at], f"*{word}*", *tokens[at + 1 : last]])
    return f"{'... ' if first else ''}{middle}{' ...' if last < len(tokens) else ''}"


def check_equal(one: ContextEncoder, other: ContextEncoder) -> None:
    """Raise RuntimeError unless two models are the same, bit for bit."""
    same = one.vocabulary.words == other.vocabulary.words and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("W1", "W2", "context_embeddings")
    )
    if not same:
        raise RuntimeError("the model that was loaded differs from the one that was saved")


def draw(model: ContextEncoder, unseen: dict[str, FloatArray], path: Path) -> None:
    """Draw the words that were asked for, their neighbours, and the words never seen."""
    from conec.plots import plot_map

    words = dict.fromkeys(KNOWN)
    for word in KNOWN:
        words |= dict.fromkeys(near for near, _ in model.most_similar(word, topn=6))
    for vector in unseen.values():
        words |= dict.fromkeys(near for near, _ in model.most_similar(vector, topn=4))
    plot_map(
        model.wv_context,
        list(words),
        path,
        unseen=unseen,
        title="Words of the news by their contexts (t-SNE)",
    )


if __name__ == "__main__":
    typer.run(main)
