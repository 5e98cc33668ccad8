"""Named entities of CoNLL-2003 from the embedding of the token alone: thesis, Fig. 7.3.

The embeddings are trained on eng.train, with the preset `conec.presets.thesis`. The only features
of a token are its embedding:

- word2vec: its word's row of W1; zero for words that are not in eng.train
- A: its word's global context vector times W1; zero for these words
- B: as A, but these words have the embedding of their contexts in the document
- C: as B, but a word's embedding is that of a mixture of its global and local contexts, with
  weight a for the global one

Tokens are classified as O, PER, ORG, LOC or MISC by one logistic regression per class (liblinear's
objective, C = 1), in which tokens of the class have weight n / (5 n_class) and all others 1.
Adjacent tokens of a class are one entity. F1 is conlleval's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import charts
from benchmarks.common import Result, Table, number, over_runs, parser, report
from benchmarks.material import require
from corpora import BREAK, with_breaks

if TYPE_CHECKING:
    from conec import ContextEncoder

SPLITS = ("train", "testa", "testb")
CLASSES = ("O", "PER", "ORG", "LOC", "MISC")
SHARES = tuple(round(i / 10, 1) for i in range(11))
QUICK_DOCUMENTS = 200
BEST = 0.6  # the thesis's share
THESIS = {"word2vec": 30.59, "A": 33.1, "B": 34.8, f"C.a{BEST}": 39.92}

Floats = npt.NDArray[np.float32]


class Part(NamedTuple):
    """A part of the task."""

    documents: list[list[str]]
    """Cleaned tokens, with a break between sentences."""
    tags: list[list[str]]
    """Those of each sentence."""


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    parts = read()
    if args.quick:
        parts["train"] = first(parts["train"], QUICK_DOCUMENTS)
    labels = classes(parts["train"])
    kinds = ["word2vec", "A", "B", *(f"C.a{a}" for a in args.shares)]
    scores: dict[str, list[float]] = {}
    with tqdm(total=args.seeds * (len(kinds) + 1), desc="runs", unit="run") as bar:
        for seed in range(1, args.seeds + 1):
            bar.set_postfix_str(f"seed {seed}: training")
            model = train(parts["train"], seed)
            bar.update()
            for kind in kinds:
                bar.set_postfix_str(f"seed {seed}: {kind}")
                for split, f1 in evaluate(model, parts, labels, kind).items():
                    scores.setdefault(f"{split}.{kind}", []).append(f1)
                bar.update()
    results = [
        over_runs(
            name, values, "%", reference=THESIS.get(name.removeprefix("testb.")),
            source="thesis" if name.removeprefix("testb.") in THESIS else None,
        )
        for name, values in scores.items()
    ]  # fmt: skip
    results += [
        over_runs(f"{split}.C", scores[f"{split}.C.a{BEST}"], "%")
        for split in SPLITS
        if BEST in args.shares
    ]
    results += gains(scores, args.shares)
    by_name = {result.name: result for result in results}
    from conec.presets import thesis

    protocol = {
        **thesis.parameters, "rates": str(thesis.rates), "seeds": args.seeds, "quick": args.quick,
        "classifier": "logistic regression, one against rest, positives weigh n / (5 n_class)",
        "score": "F1 by conlleval's rules",
    }  # fmt: skip
    corpus = {
        "name": "CoNLL-2003 English, eng.train",
        "documents": len(parts["train"].documents),
        "tokens": sum(map(len, parts["train"].tags)),
    }
    report(
        "ner_conll2003", protocol, corpus, results, args.json, tables=[_table(by_name, kinds)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__, corpus=False)
    p.add_argument(
        "--shares", type=float, nargs="+", help="weights a of the global context in C (from 0 to 1)"
    )
    args: argparse.Namespace = p.parse_args(argv)
    args.shares = args.shares or ([0.0, BEST, 1.0] if args.quick else list(SHARES))
    if not all(0 <= a <= 1 for a in args.shares):
        p.error("--shares must be from 0 to 1")
    return args


# The task


def read() -> dict[str, Part]:
    """All parts, cleaned as the thesis does."""
    from conec.presets import thesis
    from corpora import datasets

    assert thesis.clean is not None
    require("conll2003")
    parts = {}
    for split in SPLITS:
        part = Part([], [])
        for document in datasets.load("conll2003", split=split).tagged():
            # tokens that cleaning would empty stay as they are: an empty token is a break
            part.documents.append(
                with_breaks([thesis.clean(row[0]) or row[0] for row in s] for s in document)
            )
            part.tags.extend([row[-1] for row in sentence] for sentence in document)
        parts[split] = part
    return parts


def first(part: Part, n: int) -> Part:
    """The first documents of a part."""
    documents = part.documents[:n]
    return Part(documents, part.tags[: sum(tokens.count(BREAK) + 1 for tokens in documents)])


def train(part: Part, seed: int) -> ContextEncoder:
    """Train on a part's documents."""
    from conec.presets import thesis

    return thesis.fit(part.documents, seed=seed)


def features(model: ContextEncoder, documents: Sequence[list[str]], kind: str) -> Floats:
    """Embeddings of all tokens, without sentence breaks; shape (n, d)."""
    embedded = []
    words = model.wv.get_normed_vectors() if kind == "word2vec" else None
    index = model.vocabulary.index
    for document in documents:
        tokens = np.array([token != BREAK for token in document])
        known = np.array([index.get(token, -1) for token in document])
        if words is not None:
            rows = np.where((known >= 0)[:, None], words[known], np.float32(0))
        else:
            rows = model.embed(document, a=float(kind[3:]) if kind.startswith("C.a") else 1.0)
            if kind == "A":
                rows[known < 0] = 0
        embedded.append(rows[tokens])
    return np.concatenate(embedded)


def evaluate(
    model: ContextEncoder, parts: dict[str, Part], labels: npt.NDArray[np.int64], kind: str
) -> dict[str, float]:
    """F1 in % on each part, for a classifier trained on the first part and its `labels`."""
    matrices = {split: features(model, part.documents, kind) for split, part in parts.items()}
    W = fit_classifier(matrices["train"], labels)
    by_split = {}
    for split, part in parts.items():
        by_split[split] = entity_f1(part, _with_one(matrices[split]) @ W)
    return by_split


def entity_f1(part: Part, scores: Floats) -> float:
    """F1 in % when each token gets the class with its highest score."""
    from conec.evaluation import entity_scores

    tags = iter("O" if k == 0 else f"I-{CLASSES[k]}" for k in scores.argmax(axis=1))
    predicted = [[next(tags) for _ in sentence] for sentence in part.tags]
    return 100 * entity_scores(part.tags, predicted).f1


def classes(part: Part) -> npt.NDArray[np.int64]:
    """The class of each token."""
    tags = (tag for sentence in part.tags for tag in sentence)
    return np.array([CLASSES.index(tag.partition("-")[2] or "O") for tag in tags])


def _with_one(X: Floats) -> Floats:
    """A column of ones: liblinear's intercept is a weight like any other."""
    return np.hstack([X, np.ones((len(X), 1), np.float32)])


def fit_classifier(X: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """Weights of the five logistic regressions, shape (d + 1, 5)."""
    from sklearn.linear_model import LogisticRegression

    X = _with_one(X)
    columns = []
    for k in range(len(CLASSES)):
        own = labels == k
        weight = np.where(own, len(own) / (len(CLASSES) * max(own.sum(), 1)), 1.0)
        model = LogisticRegression(
            C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-4, max_iter=100
        )
        columns.append(model.fit(X, own, weight).coef_[0])
    return np.stack(columns, axis=1).astype(np.float32)


# Results


def gains(scores: dict[str, list[float]], shares: Sequence[float]) -> list[Result]:
    """Gain of each step on testb, in points, within seeds."""
    steps = [("gain.A", "A", "word2vec"), ("gain.B", "B", "A")]
    if BEST in shares:
        steps += [("gain.C", f"C.a{BEST}", "B"), ("gain.all", f"C.a{BEST}", "word2vec")]
    thesis = {"gain.A": 2.5, "gain.B": 1.7, "gain.C": 5.1, "gain.all": 9.33}
    results = []
    for name, better, base in steps:
        pairs = zip(scores[f"testb.{better}"], scores[f"testb.{base}"], strict=True)
        values = [a - b for a, b in pairs]
        results.append(over_runs(name, values, "points", reference=thesis[name], source="thesis"))
    return results


def _table(by_name: dict[str, Result], kinds: list[str]) -> Table:
    rows = []
    for kind in kinds:
        row = [number(by_name[f"{split}.{kind}"], digits=1) for split in SPLITS]
        rows.append((kind, *row, f"{THESIS[kind]:g}" if kind in THESIS else ""))
    return Table(("features", *SPLITS, "thesis, testb"), rows)


def draw(by_name: dict[str, Result], path: Path) -> None:
    """Fig. 7.3: F1 by the share of the global context, and the steps on testb."""
    figure, (left, right) = charts.figure(1, 2, (11, 4.5))
    shares = charts.numbers(by_name, "testb.C.a{}")
    colors = dict(zip(SPLITS, (charts.GREY, charts.ORANGE, charts.BLUE), strict=True))
    for split in SPLITS:
        rows = [by_name[f"{split}.C.a{a}"] for a in shares]
        charts.points(left, shares, rows, split, colors[split])
        left.axhline(by_name[f"{split}.word2vec"].value, color=colors[split], linestyle="--")
    charts.style(
        left, "share a of the global context", "F1 of entities, %",
        "Local contexts add to global ones (dashed: word2vec)",
    )  # fmt: skip
    charts.label_lines(left)
    steps = {
        "word2vec": "word2vec", "A": "A: global contexts", "B": "B: and local ones of unseen words",
    }  # fmt: skip
    if BEST in shares:
        steps[f"C.a{BEST}"] = f"C: and of all words, a = {BEST}"
    rows = [by_name[f"testb.{kind}"] for kind in steps]
    tones = [charts.ORANGE, *[charts.BLUE] * (len(rows) - 1)]
    charts.bars(right, rows, list(steps.values()), tones)
    charts.style(right, "F1 on testb, %", "", "Each step on the test part", grid="x")
    charts.save(figure, path)


if __name__ == "__main__":
    main()
