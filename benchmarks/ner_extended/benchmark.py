"""Named entities of CoNLL-2003 with features of tokens as inputs (thesis, section 7.1).

All embeddings are trained on eng.train only; vector size 200. The inputs of a token to the
classifier are

- word2vec: its word's row of W1 (25 epochs as in the thesis); zero for words not in eng.train
- fasttext: its vector by gensim's FastText (CBOW), which unknown words have too
- conec: its embedding by the Context Encoder whose rows are used for word2vec, a = 0.6
- extended: its embedding by the extended Context Encoder, which has `FEATURES` among its inputs:
  they reach the classifier only through the 200 numbers of the embedding

and for the first three, ..._shape: nine features of the word's shape appended; ..._features: all of
`FEATURES` appended, one column per name (tens of thousands). "features" are these alone.
"extended_400" has vectors of size 400. Rows with feature names and this one are measured for the
first seed only. In ..._window the classifier also gets all inputs of the token before and of the
token after.

The classifier is one unweighted logistic regression for each of the five classes; C is 1 or 10,
whichever is better on testa, and 1 with columns of names. Adjacent tokens of a class are one
entity. F1 is conlleval's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import charts
from benchmarks.common import Result, Table, number, over_runs, parser, report
from benchmarks.material import require
from benchmarks.ner_conll2003 import QUICK_DOCUMENTS, SPLITS, Part, classes, entity_f1
from benchmarks.ner_extended.logistic import (
    Inputs,
    fit_classifier,
    one_hot,
    scores,
    with_neighbors,
)
from conec import features as f
from corpora import with_breaks

if TYPE_CHECKING:
    from conec import ContextEncoder, ExtendedContextEncoder
    from conec.presets import Preset

FEATURES: tuple[f.Feature, ...] = (
    f.Case(),
    f.Shape(),
    f.PartOfSpeech(),
    f.Affixes(),
    f.Position(2),
    f.Position(2, f.Case()),
    f.Position(1, f.PartOfSpeech()),
)
EMBEDDINGS = ("word2vec", "fasttext", "conec")
APPENDED = ("shape", "features")
KINDS = (
    *(kind for e in EMBEDDINGS for kind in (e, *(f"{e}_{a}" for a in APPENDED))),
    "features",
    "extended",
    "extended_400",
)
FIRST_SEED = tuple(kind for kind in KINDS if kind.endswith(("features", "400")))
RATES = tuple((5, 0.02 / 2**i, 0.02 / 2**i) for i in range(5))
COSTS = (1.0, 10.0)
SHARE = 0.6
BEFORE = {"word2vec_shape": 40.2, "conec_shape": 61.6, "conec_shape_window": 68.8}

Floats = npt.NDArray[np.float32]
Tagged = list[f.TokenRows]


class Text(NamedTuple):
    """A part of the task."""

    documents: list[Tagged]
    """Sentences of rows."""
    part: Part


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    texts = read(QUICK_DOCUMENTS if args.quick else None)
    labels = classes(texts["train"].part)
    found_f1: dict[str, list[float]] = {}
    n_few = sum(kind in FIRST_SEED for kind in args.kinds)
    n_runs = 2 * (args.seeds * (len(args.kinds) - n_few) + n_few)
    with tqdm(total=n_runs, desc="runs", unit="run") as bar:
        for seed in range(1, args.seeds + 1):
            bar.set_postfix_str(f"seed {seed}: training")
            # this many columns take minutes, and these rows are only for comparison
            kinds = [k for k in args.kinds if seed == 1 or k not in FIRST_SEED]
            for kind, inputs in all_inputs(texts, seed, kinds):
                bar.set_postfix_str(f"seed {seed}: {kind}")
                for suffix in ("", "_window"):
                    seen = inputs
                    if suffix:
                        seen = {s: with_neighbors(inputs[s], texts[s].part.tags) for s in SPLITS}
                    for split, f1 in evaluate(seen, texts, labels).items():
                        found_f1.setdefault(f"{split}.{kind}{suffix}", []).append(f1)
                    bar.update()
    results = [
        over_runs(
            name, values, "%", reference=BEFORE.get(name.removeprefix("testb.")),
            source="before" if name.removeprefix("testb.") in BEFORE else None,
        )
        for name, values in found_f1.items()
    ]  # fmt: skip
    by_name = {result.name: result for result in results}
    protocol = {
        **preset().parameters, "rates": str(RATES), "seeds": args.seeds, "quick": args.quick,
        "features": str(FEATURES), "feature_dropout": 0.85, "a": SHARE,
        "classifier": f"logistic regression, one against rest, C of {COSTS} by testa",
        "score": "F1 by conlleval's rules",
    }  # fmt: skip
    corpus = {
        "name": "CoNLL-2003 English, eng.train",
        "documents": len(texts["train"].documents),
        "tokens": sum(map(len, texts["train"].part.tags)),
    }
    report(
        "ner_extended", protocol, corpus, results, args.json, tables=[_table(by_name, args.kinds)],
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    p = parser(__doc__, corpus=False)
    p.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="rows (all)")
    args: argparse.Namespace = p.parse_args(argv)
    return args


# The task


def preset() -> Preset:
    """The thesis's preset, with five more epochs at half the rate, as features have to be learned
    too."""
    from conec.presets import thesis

    return replace(thesis, rates=RATES)


def read(n_documents: int | None = None) -> dict[str, Text]:
    """All parts, or their first documents."""
    from corpora import datasets

    require("conll2003")
    texts = {}
    for split in SPLITS:
        documents: list[Tagged] = list(datasets.load("conll2003", split=split).tagged())
        # the last column is the label
        tags = [[row[-1] for row in rows] for document in documents for rows in document]
        documents = [[[row[:-1] for row in rows] for rows in document] for document in documents]
        documents = documents[:n_documents]
        tags = tags[: sum(map(len, documents))]
        cleaned = [
            with_breaks(sentence.words for sentence in f.sentences(document, preset().clean))
            for document in documents
        ]
        texts[split] = Text(documents, Part(cleaned, tags))
    return texts


def train(part: Text, seed: int, **parameters: Any) -> ExtendedContextEncoder:
    """An extended Context Encoder, trained like the plain one."""
    from conec import ExtendedContextEncoder

    made = preset()
    model = ExtendedContextEncoder(
        FEATURES, clean=made.clean, **{**made.parameters, "seed": seed, **parameters}
    )
    model.build_vocab(part.documents)
    return made.train(model, model.encode_corpus(part.documents))


# Inputs of the classifier


def all_inputs(
    texts: dict[str, Text], seed: int, kinds: Sequence[str]
) -> Iterator[tuple[str, dict[str, Inputs]]]:
    """Train the models that `kinds` need, and yield the inputs of each."""
    names = shapes = None
    if any(kind.endswith("features") for kind in kinds):
        names = one_hot({split: sentences(texts[split]) for split in SPLITS}, FEATURES)
    if any(kind.endswith("shape") for kind in kinds):
        shapes = {split: shape_features(texts[split]) for split in SPLITS}
    model = None
    for base in (*EMBEDDINGS, "features", "extended", "extended_400"):
        own = (base, *(f"{base}_{name}" for name in APPENDED))
        wanted = [kind for kind in kinds if kind in own]
        if not wanted:
            continue
        if base == "fasttext":
            vectors = fasttext(texts, seed)
        elif base.startswith("extended"):
            size = 400 if base.endswith("400") else 200
            extended = train(texts["train"], seed, vector_size=size)
            vectors = {
                split: np.concatenate([extended.embed(d, SHARE) for d in texts[split].documents])
                for split in SPLITS
            }
        elif base == "features":
            n = {split: sum(map(len, texts[split].part.tags)) for split in SPLITS}
            vectors = {split: np.zeros((n[split], 0), np.float32) for split in SPLITS}
        else:
            model = model or preset().fit(texts["train"].part.documents, seed=seed)
            vectors = {split: embeddings(model, texts[split].part, base) for split in SPLITS}
        for kind in wanted:
            inputs = {split: Inputs(vectors[split]) for split in SPLITS}
            if kind.endswith("_shape") and shapes is not None:
                inputs = {s: Inputs(np.hstack([vectors[s], shapes[s]])) for s in SPLITS}
            elif kind.endswith("features") and names is not None:
                inputs = {s: Inputs(vectors[s], names[s]) for s in SPLITS}
            yield kind, inputs


def embeddings(model: ContextEncoder, part: Part, kind: str) -> Floats:
    """Embeddings of all tokens by word2vec or ConEc, shape (n, d)."""
    from benchmarks.ner_conll2003 import features

    return features(model, part.documents, kind if kind == "word2vec" else f"C.a{SHARE}")


def fasttext(texts: dict[str, Text], seed: int) -> dict[str, Floats]:
    """Vectors of all tokens by gensim's FastText, of unit length."""
    from gensim.models import FastText

    model = FastText(
        [s.words for s in sentences(texts["train"])],
        vector_size=200, window=5, negative=13, min_count=1, epochs=25, seed=seed, workers=1,
    )  # fmt: skip
    vectors = {}
    for split, text in texts.items():
        words = [word for s in sentences(text) for word in s.words]
        known = {word: i for i, word in enumerate(dict.fromkeys(words))}
        rows = np.stack([model.wv.get_vector(word, norm=True) for word in known])
        vectors[split] = rows[[known[word] for word in words]]
    return vectors


def sentences(text: Text) -> list[f.Sentence]:
    """All sentences of a part, cleaned as the thesis does."""
    return [s for document in text.documents for s in f.sentences(document, preset().clean)]


def shape_features(text: Text) -> Floats:
    """Nine features of the shape of each token, shape (n, 9)."""
    tokens = [row[0] for document in text.documents for rows in document for row in rows]
    return np.array(
        [
            (
                t.isalnum(), t.isalpha(), t.isdigit(), t.islower(), t.istitle(), t.isupper(),
                len(t), "-" in t, any(c.isdigit() for c in t),
            )
            for t in tokens
        ],
        np.float32,
    )  # fmt: skip


# Scores


def evaluate(
    inputs: dict[str, Inputs], texts: dict[str, Text], labels: npt.NDArray[np.int64]
) -> dict[str, float]:
    """F1 in % on each part, for the classifier that is best on testa."""
    best: dict[str, float] = {}
    W = None
    for cost in COSTS if inputs["train"].names is None else COSTS[:1]:
        W = fit_classifier(inputs["train"], labels, cost, W)
        by_split = {
            split: entity_f1(text.part, scores(inputs[split], W)) for split, text in texts.items()
        }
        if not best or by_split["testa"] > best["testa"]:
            best = by_split
    return best


# Results


def _table(by_name: dict[str, Result], kinds: Sequence[str]) -> Table:
    rows = []
    for kind in kinds:
        row = [
            number(by_name[f"{split}.{kind}{suffix}"], digits=1)
            for suffix in ("", "_window")
            for split in SPLITS[1:]
        ]
        rows.append((kind, *row))
    header = ("inputs", "testa", "testb", "testa, window", "testb, window")
    return Table(header, rows)


def _label(kind: str) -> str:
    return "extended, size 400" if kind == "extended_400" else kind.replace("_", " + ")


def draw(by_name: dict[str, Result], path: Path) -> None:
    """F1 on testb by the inputs of the classifier, for the token alone and with its neighbors."""
    kinds = [kind for kind in KINDS if f"testb.{kind}" in by_name]
    figure, panels = charts.figure(1, 2, (11, 0.4 * len(kinds) + 1.4))
    titles = ("The token alone", "With the tokens before and after")
    for axes, suffix, title in zip(panels, ("", "_window"), titles, strict=True):
        rows = [by_name[f"testb.{kind}{suffix}"] for kind in kinds]
        tones = {"word2vec": charts.ORANGE, "fasttext": charts.GREEN, "conec": charts.BLUE,
                 "extended": charts.PURPLE}  # fmt: skip
        colors = [tones.get(kind.partition("_")[0], charts.GREY) for kind in kinds]
        charts.bars(axes, rows, [_label(kind) for kind in kinds], colors)
        charts.style(axes, "F1 on testb, %", "", title, grid="x")
    panels[1].set_yticklabels([])
    charts.save(figure, path)
