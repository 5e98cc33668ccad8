"""Named entities of CoNLL-2003 by a conditional random field, without and with a Context Encoder.

Both taggers have the standard features: words, affixes, shapes, parts of speech and chunks, of the
token and of two tokens on each side. The second one also has clusters, at several granularities, of
similar words (rows of W1) and of similar tokens (their embeddings in the document, also for words
that the Context Encoder has never seen), from a Context Encoder trained on unlabeled text:
eng.train, Reuters-21578 and Wikipedia articles of 2019. A third one, for comparison, has only the
clusters of words, which word2vec would provide as well.

All are trained on eng.train. Parameters were chosen on testa; testb was scored only with these. F1
is conlleval's; `unseen` is F1 of entities with a word that is not in eng.train.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import charts
from benchmarks.common import Result, Table, number, over_runs, parser, report
from benchmarks.material import require

if TYPE_CHECKING:
    from conec import ContextEncoder
    from conec.ner import NoveltyScores, Tagger
    from corpora.encoding import TokenStream

SPLITS = ("train", "testa", "testb")
TESTS = SPLITS[1:]
UNLABELLED = ("reuters21578", "enwiki2019_featured", "enwiki2019_good_sample")
TARGETS = {"testb.crf_with": 86.0, "gain": 1.5}
KINDS = {"without": (), "words": ("word",), "with": ("word", "document")}
CLEAN = ("lower", "digits")
# Tokenization as in CoNLL-2003: clitics, abbreviations and numbers with their periods, words
# with hyphens; all other characters are separate tokens.
TOKEN = (
    r"(?:[A-Za-z]\.){2,}"
    r"|(?:Mr|Mrs|Ms|Dr|St|Sen|Gen|Gov|Rep|Lt|Col|Sgt|Prof|Jr|Sr|Inc|Corp|Co|Ltd|Bros|vs)\.(?=\s|,)"
    r"|\w+(?=n't\b)|n't\b|'(?:s|re|ve|d|ll|m)\b|\d+(?:[.,:/]\d+)+|\w+(?:[-&/.]\w+)*"
    r"|\.\.\.|--|[^\w\s]"
)
ENCODER = {"vector_size": 100, "window": 2, "min_count": 5, "epochs": 5}
GROUPS = {"a": 0.8, "clusters": (64, 256, 1024)}
TAGGER = {"c1": 0.1, "c2": 0.1, "max_iterations": 100}
QUICK_DOCUMENTS = 60  # documents of each part, and all of Reuters-21578


class Part(NamedTuple):
    """A part of the task: documents of sentences."""

    documents: list[list[list[tuple[str, ...]]]]
    tags: list[list[list[str]]]

    def words(self) -> list[list[str]]:
        """The words of each sentence."""
        return [[row[0] for row in s] for document in self.documents for s in document]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    groups, parameters = dict(GROUPS), dict(TAGGER)
    parts = read(QUICK_DOCUMENTS if args.quick else None)
    if args.quick:
        groups["clusters"], parameters["max_iterations"] = (32, 128), 20
    runs: dict[str, list[dict[str, NoveltyScores]]] = {kind: [] for kind in KINDS}
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=1 + 3 * args.seeds, desc="runs", unit="run") as bar,
    ):
        bar.set_postfix_str("standard features")
        runs["without"].append(evaluate(tagger(None, parameters), parts))
        bar.update()
        bar.set_postfix_str("text without tags")
        text = Path(folder) / "text.txt"
        corpus = write_text(text, parts["train"], args.quick)
        counts, stream = encode(text)
        for seed in range(1, args.seeds + 1):
            bar.set_postfix_str(f"seed {seed}: Context Encoder")
            model = train(counts, stream, seed)
            bar.update()
            for kind in ("words", "with"):
                bar.set_postfix_str(f"seed {seed}: {kind}")
                features = {"spaces": KINDS[kind], "random_state": seed, **groups}
                runs[kind].append(evaluate(tagger(model, parameters, features), parts))
                bar.update()
    results = _results(runs)
    by_name = {result.name: result for result in results}
    protocol = {
        "seeds": args.seeds, "quick": args.quick, "workers": 1, **ENCODER, **groups, **parameters,
        "tags": "BIOES in training", "clean": CLEAN, "token": {"pattern": TOKEN},
        "score": "F1 by conlleval's rules", "chosen_on": "testa",
    }  # fmt: skip
    report(
        "ner_tagger", protocol, corpus, results, args.json, tables=_tables(by_name),
        chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    from conec.ner import crf

    p = parser(__doc__, corpus=False)
    args: argparse.Namespace = p.parse_args(argv)
    try:
        crf.require_crfsuite()
    except ImportError as error:
        p.error(str(error))
    return args


# The task


def read(documents: int | None = None) -> dict[str, Part]:
    """All parts, or their first documents: tokens with part of speech and chunk, and tags."""
    from corpora import datasets

    require("conll2003")
    parts = {}
    for split in SPLITS:
        part = Part([], [])
        for document in datasets.load("conll2003", split=split).tagged():
            part.documents.append([[row[:3] for row in sentence] for sentence in document])
            part.tags.append([[row[3] for row in sentence] for sentence in document])
        parts[split] = Part(part.documents[:documents], part.tags[:documents])
    return parts


def write_text(path: Path, train: Part, quick: bool) -> dict[str, Any]:
    """Write all unlabeled text, one document per line; return a description."""
    n_documents = n_tokens = 0
    with open(path, "w", encoding="utf-8") as file:
        for tokens in _unlabelled(train, quick):
            file.write(" ".join(tokens) + "\n")
            n_documents += 1
            n_tokens += len(tokens)
    names = "CoNLL-2003 eng.train" + (" and Reuters-21578" if quick else "")
    return {
        "name": names if quick else ", ".join((names, *UNLABELLED)),
        "documents": n_documents,
        "tokens": n_tokens,
        "tagged": {"documents": len(train.documents), "tokens": sum(map(len, train.words()))},
    }


def _unlabelled(train: Part, quick: bool) -> Iterator[list[str]]:
    from corpora import datasets
    from corpora.tokenizers import tokenizer

    for document in train.documents:
        yield [row[0] for sentence in document for row in sentence]
    cut = tokenizer("regexp", pattern=TOKEN)
    for name in UNLABELLED[:1] if quick else UNLABELLED:
        require(name)
        yield from datasets.load(name, tokenize=cut)


# The Context Encoder


def encode(text: Path) -> tuple[dict[str, int], TokenStream]:
    """Counts of the words, and the text as their ids."""
    import corpora
    from conec.vocabulary import Vocabulary
    from corpora.counting import count
    from corpora.encoding import TokenStream

    corpus = corpora.open(text, "text", clean=CLEAN)
    counts = count(corpus, min_count=ENCODER["min_count"], workers=1).words
    vocabulary = Vocabulary.from_counts(counts, min_count=ENCODER["min_count"])
    return counts, TokenStream.encode(corpus, vocabulary.index, workers=1)


def train(counts: dict[str, int], stream: TokenStream, seed: int) -> ContextEncoder:
    """Train on the text."""
    from conec import ContextEncoder

    model = ContextEncoder(**ENCODER, seed=seed)
    model.build_vocab_from_freq(counts).train(stream, learn_map=False)
    return model.build_contexts(stream)


# The taggers


def tagger(
    model: ContextEncoder | None, parameters: dict[str, Any], groups: dict[str, Any] | None = None
) -> Tagger:
    """A tagger that is not trained yet."""
    from conec.ner import ContextFeatures, Tagger

    features = None
    if model is not None:
        features = ContextFeatures(model, sparse=True, clean=CLEAN, **(groups or {}))
    return Tagger(features, **parameters)


def evaluate(new: Tagger, parts: dict[str, Part]) -> dict[str, NoveltyScores]:
    """Train a tagger and score it on both tests."""
    from conec.ner import novelty_scores

    new.fit(*parts["train"])
    scores = {}
    for split in TESTS:
        part = parts[split]
        true, predicted = (
            [sentence for document in tags for sentence in document]
            for tags in (part.tags, new.predict(part.documents))
        )
        scores[split] = novelty_scores(part.words(), true, predicted, new.words_)
    return scores


# Results


def _results(runs: dict[str, list[dict[str, NoveltyScores]]]) -> list[Result]:
    results = []
    for kind, several in runs.items():
        for split in TESTS:
            name, scores = f"{split}.crf_{kind}", [run[split] for run in several]
            results.append(_result(name, [s.all.f1 for s in scores]))
            for entity in scores[0].all.by_type:
                values = [s.all.by_type[entity].f1 for s in scores]
                results.append(_result(f"{name}.{entity}", values))
            for which in ("unseen", "seen"):
                own = [getattr(s, which) for s in scores]
                results.append(_result(f"{name}.{which}.f1", [s.f1 for s in own]))
                results.append(_result(f"{name}.{which}.recall", [s.recall for s in own]))
    for kind in ("words", "with"):
        for split in TESTS:
            for which in ("all", "unseen"):
                [base] = [getattr(run[split], which).f1 for run in runs["without"]]
                values = [getattr(run[split], which).f1 - base for run in runs[kind]]
                parts = ["gain", *([split] * (split != "testb")), *([which] * (which != "all"))]
                name = ".".join([*parts, *([kind] * (kind != "with"))])
                results.append(_result(name, values, "points"))
    return results


def _result(name: str, shares: list[float], unit: str = "%") -> Result:
    target = TARGETS.get(name)
    source = None if target is None else "target"
    return over_runs(name, [100 * v for v in shares], unit, reference=target, source=source)


_LABELS = {
    "without": "standard features", "words": "+ clusters of words",
    "with": "+ clusters of tokens in context",
}  # fmt: skip


def _tables(by_name: dict[str, Result]) -> list[Table]:
    kinds = sorted(
        name.rpartition(".")[2] for name in by_name if name.startswith("testb.crf_with.")
    )
    types = [kind for kind in kinds if kind.isupper()]
    tables = []
    for split in TESTS:
        columns = ["", *(f".{kind}" for kind in types), ".unseen.f1", ".unseen.recall"]
        rows = [
            (label, *(number(by_name.get(f"{split}.crf_{kind}{c}"), digits=2) for c in columns))
            for kind, label in _LABELS.items()
        ]
        head = (f"{split}, F1 in %", "all", *types, "unseen", "unseen, recall")
        tables.append(Table(head, rows))
    return tables


def draw(by_name: dict[str, Result], path: Path) -> None:
    """F1 on testb of the three taggers: all entities, and those with an unseen word."""
    figure, panels = charts.figure(1, 2, (11, 3))
    titles = {"": "testb: all entities", ".unseen.f1": "testb: with a word unseen in training"}
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        rows = [by_name[f"testb.crf_{kind}{column}"] for kind in _LABELS]
        tones = [charts.GREY, charts.ORANGE, charts.BLUE]
        charts.bars(axes, rows, list(_LABELS.values()), tones)
        charts.style(axes, "F1, %", "", title, grid="x")
    charts.save(figure, path)


if __name__ == "__main__":
    main()
