"""A small English model to try: ``make pretrained``.

Trains on all Wikipedia texts among the data sets, measures the model, and writes a folder with a
model card, and the same as a zip archive. Nothing is written to the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import conec
import corpora
from benchmarks.material import require
from benchmarks.senses.data import scws
from benchmarks.unseen_words.methods import of_model
from benchmarks.unseen_words.tasks import LENGTHS, chimera_score, read_chimeras
from conec.evaluation import analogies, word_similarity
from conec.pretrained import CARD
from corpora import datasets

TEXTS = ("enwiki2015_text8like", "enwiki2019_featured", "enwiki2019_good_sample")
LICENSE = "CC BY-SA 4.0, the license of its text"
MAX_WORDS = 65_000  # at most 30 MB in 8 bits


def main(argv: list[str] | None = None) -> None:
    """Train, measure and write the model."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=Path("pretrained/english-small"))
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--texts", type=Path, nargs="+", help="other files, for a quick try")
    given = arguments.parse_args(argv)
    if not given.texts:
        require(*TEXTS)
    paths = given.texts or [datasets.path(name) for name in TEXTS]
    corpus = corpora.open(paths, clean="lower", tokenize="regexp")
    started = time.process_time()
    model = conec.ContextEncoder(max_final_vocab=MAX_WORDS, workers=given.workers, seed=1)
    model.fit(corpus, progress=True)
    seconds = time.process_time() - started
    n_words = model.corpus_total_words or 0
    model = model.quantize("int8")

    given.out.parent.mkdir(parents=True, exist_ok=True)
    (given.out / CARD).unlink(missing_ok=True)  # of an earlier run
    model.save(given.out)
    text = f"{n_words:,} words of {'other files' if given.texts else ', '.join(TEXTS)}"
    card = model_card(model, given.out.name, text, seconds)
    (given.out / CARD).write_text(card, encoding="utf-8")
    archive = Path(shutil.make_archive(str(given.out), "zip", given.out))
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    print(card)
    print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB, sha256 {checksum}")


def model_card(model: conec.ContextEncoder, name: str, text: str, seconds: float) -> str:
    """The model card, with the quality measured on all data sets that are available."""
    return f"""# {name}

English word embeddings: a Context Encoder of the Python package similarity-encoders.

| | |
|---|---|
| words | {len(model):,}, in lower case |
| dimensions | {model.config.vector_size}, in 8 bits |
| text | {text} |
| license | {LICENSE} |
| training | {seconds:.0f} s of CPU time, {model.config.epochs} epochs |

## Use

```python
import conec

model = conec.load("{name}")
model.most_similar("hospital")
vector = model.embed_word("zorbing", ["we went zorbing down the hill"])
```

Texts have to be in lower case, split into words: `clean="lower", tokenize="regexp"`.

## Quality

Of the context embeddings (`wv_context`) and of word2vec's vectors (`wv`): correct analogies among
the 30,000 most frequent words, and Spearman's correlation with ratings of pairs, in percent.
Coverage is the share of questions or pairs whose words are in the vocabulary.

{quality(model)}

Of embeddings in context and of new words: Spearman's correlation with ratings, in percent.

{quality_in_context(model)}

## Limits

- Articles of an encyclopedia, in English only. Words of everyday speech are rare.
- Embeddings reproduce the stereotypes of their text: do not use them to judge people.
- It cannot be trained further, since 8-bit weights have no gradients.
"""


def quality(model: conec.ContextEncoder) -> str:
    """A table of the quality on each data set of analogies and pairs that is available."""
    rows = ["| data set | wv_context | wv | coverage |", "|---|---|---|---|"]
    for kind in ("analogies", "word-pairs"):
        for name in datasets.names(kind):
            try:
                content = datasets.load(name)
            except datasets.DatasetNotFoundError:
                continue
            results: list[tuple[float, float]] = []
            try:
                for vectors in (model.wv_context, model.wv):
                    if kind == "analogies":
                        found = analogies(vectors, content, restrict_vocab=30_000)
                        n, missing, score = found.total, found.n_skipped, found.accuracy
                    else:
                        pairs = word_similarity(vectors, content)
                        n, missing, score = pairs.n, pairs.n_oov, pairs.spearman
                    results.append((score, n / (n + missing)))
            except ValueError:  # hardly any word is known
                continue
            if not n:
                continue
            values = " | ".join(f"{100 * value:.1f}" for value, _ in results)
            rows.append(f"| {name} | {values} | {100 * results[0][1]:.0f} % |")
    return "\n".join(rows)


def quality_in_context(model: conec.ContextEncoder) -> str:
    """A table of the quality of `embed` and `embed_word` on the data sets that are available."""
    rows = ["| data set | embeddings | correlation |", "|---|---|---|"]
    if _is_available("scws"):
        pairs = scws()
        known = [all(word in model for word in pair.words) for pair in pairs]
        cosines = np.zeros(len(pairs))  # of pairs with an unknown word, too
        for i in np.flatnonzero(known):
            one, other = (model.embed(p.tokens)[p.position] for p in pairs[i].places)
            cosines[i] = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        value = spearmanr(cosines, [pair.rating for pair in pairs]).statistic
        rows.append(f"| SCWS | `embed` of words in two texts | {100 * value:.1f} |")
    if _is_available("chimeras"):
        method, vectors = of_model(model), np.asarray(model.W1)
        for length in LENGTHS:
            trials = read_chimeras(length, "test")
            made = method([trial.texts for trial in trials])
            value = chimera_score(made, trials, model.vocabulary.index, vectors)
            name = f"`embed_word` of a made-up word from {length.lstrip('lL')} sentences"
            rows.append(f"| Chimeras | {name} | {100 * value:.1f} |")
    return "\n".join(rows)


def _is_available(name: str) -> bool:
    try:
        return bool(datasets.paths(name))
    except datasets.DatasetNotFoundError:
        return False


if __name__ == "__main__":
    main()
