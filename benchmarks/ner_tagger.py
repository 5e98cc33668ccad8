"""Named entities of CoNLL-2003 by a conditional random field, without and with a Context Encoder.

All taggers have standard features: words, affixes, shapes, parts of speech and chunks, of the token
and of two tokens on each side. The rows add

- occurrences: features from the other occurrences of a token's word in its document
- words: also clusters of similar words (rows of W1), which word2vec would provide as well
- with: also clusters of similar tokens (their embeddings in the document, also for words that the
  Context Encoder has never seen)

The Context Encoder is trained on unlabeled text: eng.train, Reuters-21578 and Wikipedia articles of
2019. All taggers are trained on eng.train. Parameters were chosen on testa; testb was scored only
with these. F1 is conlleval's; `unseen` is F1 of entities with a word that is not in eng.train.

The rows `own` are a task with little text: eng.train cut to its words, and every fourth, eighth and
sixteenth document of it. The Context Encoder of "own" is trained on the same text as the tagger.

CPU time is that of `Tagger.fit`, in this process; the Context Encoder is trained before.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import charts
from benchmarks.cache import Cache, Measured
from benchmarks.common import Result, Table, number, over_runs, parser, report
from benchmarks.material import require

if TYPE_CHECKING:
    from conec import ContextEncoder
    from conec.ner import Tagger
    from corpora.encoding import TokenStream

SPLITS = ("train", "testa", "testb")
TESTS = SPLITS[1:]
UNLABELLED = ("reuters21578", "enwiki2019_featured", "enwiki2019_good_sample")
TARGETS = {"testb.crf_with": 86.0, "gain": 1.5, "cpu.ratio": 2.0, "size": 40.0}
KINDS = ("without", "occurrences", "words", "with")
OWN_KINDS = ("without", "occurrences", "own")
SPACES = {"words": ("word",), "with": ("word", "document"), "own": ("word", "document")}
PARTS = {"full": 1, "4": 4, "8": 8, "16": 16}  # every n-th document
OWN_GAIN, GAIN_OVER = 1.0, "without"
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
OWN_ENCODER = {**ENCODER, "min_count": 2, "epochs": 20}
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

    def words_only(self) -> Part:
        """The part without parts of speech and chunks."""
        documents = [[[row[:1] for row in s] for s in document] for document in self.documents]
        return Part(documents, self.tags)

    def every(self, n: int) -> Part:
        """Every n-th document."""
        return Part(self.documents[::n], self.tags[::n])


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    from tqdm import tqdm

    args = _arguments(argv)
    groups, parameters = dict(GROUPS), dict(TAGGER)
    parts = read(QUICK_DOCUMENTS if args.quick else None)
    if args.quick:
        groups["clusters"], parameters["max_iterations"] = (32, 128), 20
    protocol = {
        "quick": args.quick, "workers": 1, **ENCODER, **groups, **parameters,
        "own_encoder": OWN_ENCODER, "tags": "BIOES in training", "clean": CLEAN,
        "token": {"pattern": TOKEN}, "score": "F1 by conlleval's rules", "chosen_on": "testa",
    }  # fmt: skip
    with ExitStack() as stack:
        folder = args.json and args.json.with_suffix(".models")
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        cache = Cache(args.json, {"protocol": protocol})
        models = Models(folder, parts["train"], args.quick)
        corpus = cache.once({"text": "unlabeled"}, models.write)
        tasks = [*_tasks(args)]
        measured: dict[tuple[str, str], list[Measured]] = {}
        for task in tqdm(tasks, desc="taggers", unit="tagger"):
            measure = _measurement(task, models, parts, groups, parameters)
            found = cache.once(task, measure)
            measured.setdefault((task["part"], task["kind"]), []).append(found)
    results = _results(measured)
    by_name = {result.name: result for result in results}
    report(
        "ner_tagger", {"seeds": args.seeds, **protocol}, corpus, results, args.json,
        tables=_tables(by_name), chart=draw,
    )  # fmt: skip


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    from conec.ner import crf

    p = parser(__doc__, corpus=False)
    p.add_argument(
        "--kinds", nargs="+", choices=(*KINDS, "own"), default=(*KINDS, "own"), help="rows (all)"
    )
    p.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=tuple(PARTS),
                   help="parts of eng.train for the rows own (all)")  # fmt: skip
    args: argparse.Namespace = p.parse_args(argv)
    try:
        crf.require_crfsuite()
    except ImportError as error:
        p.error(str(error))
    return args


def _tasks(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Taggers to train; without a Context Encoder nothing is random."""
    for kind in KINDS:
        seeds = range(1, args.seeds + 1) if kind in SPACES else (0,)
        if kind in args.kinds:
            yield from ({"part": "", "kind": kind, "seed": seed} for seed in seeds)
    parts = args.parts[:1] if args.quick else args.parts
    for part in parts if "own" in args.kinds else ():
        for kind in OWN_KINDS:
            seeds = range(1, args.seeds + 1) if kind in SPACES else (0,)
            yield from ({"part": part, "kind": kind, "seed": seed} for seed in seeds)


def _measurement(
    task: dict[str, Any],
    models: Models,
    parts: dict[str, Part],
    groups: dict[str, Any],
    parameters: dict[str, Any],
) -> Callable[[], Measured]:
    """Train and score the tagger of a task."""

    def measure() -> Measured:
        part, kind, seed = task["part"], task["kind"], task["seed"]
        data = parts
        if part:
            data = {name: p.words_only() for name, p in parts.items()}
            data["train"] = data["train"].every(PARTS[part])
        model = features = None
        if kind in SPACES:
            model = train_own(data["train"], seed) if kind == "own" else models.load(seed)
            features = {"spaces": SPACES[kind], "random_state": seed, **groups}
        return evaluate(
            tagger(model, {**parameters, "occurrences": kind != "without"}, features), data
        )

    return measure


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


class Models:
    """Context Encoders of all unlabeled text, trained when they are needed and kept in a folder."""

    def __init__(self, folder: Path, part: Part, quick: bool) -> None:
        self.folder, self.part, self.quick = folder, part, quick

    def write(self) -> dict[str, Any]:
        """Write the text to the folder; return a description."""
        return write_text(self.folder / "text.txt", self.part, self.quick)

    @cached_property
    def encoded(self) -> tuple[dict[str, int], TokenStream]:
        """Counts of its words, and the text as their ids."""
        if not (self.folder / "text.txt").exists():
            self.write()
        return encode(self.folder / "text.txt")

    def load(self, seed: int) -> ContextEncoder:
        """The model of a seed."""
        import conec

        path = self.folder / f"{seed}.model"
        if not path.exists():
            train(*self.encoded, seed).save(path)
        return conec.load(path)


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


def train_own(part: Part, seed: int) -> ContextEncoder:
    """Train on the tagger's own text."""
    from conec import ContextEncoder
    from corpora import with_breaks
    from corpora.cleaning import Pipeline

    clean = Pipeline(CLEAN)
    text = [
        with_breaks([clean(row[0]) for row in sentence] for sentence in document)
        for document in part.documents
    ]
    model = ContextEncoder(**OWN_ENCODER, seed=seed).build_vocab(text)
    stream = model.encode_corpus(text)
    return model.train(stream, learn_map=False).build_contexts(stream)


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


def evaluate(new: Tagger, parts: dict[str, Part]) -> Measured:
    """Train a tagger and score it on both tests; also its CPU time and size on disk."""
    from conec.ner import novelty_scores

    begin = time.process_time()
    new.fit(*parts["train"])
    figures: Measured = {"cpu": time.process_time() - begin}
    with tempfile.TemporaryDirectory() as folder:
        new.save(Path(folder) / "tagger")
        files = (Path(folder) / "tagger").rglob("*")
        figures["bytes"] = sum(path.stat().st_size for path in files if path.is_file())
    for split in TESTS:
        part = parts[split]
        true, predicted = (
            [sentence for document in tags for sentence in document]
            for tags in (part.tags, new.predict(part.documents))
        )
        figures[split] = novelty_scores(part.words(), true, predicted, new.words_).to_dict()
    return figures


# Results


def _results(measured: dict[tuple[str, str], list[Measured]]) -> list[Result]:
    results = []
    for (part, kind), runs in measured.items():
        if part:
            continue
        for split in TESTS:
            name, scores = f"{split}.crf_{kind}", [run[split] for run in runs]
            results.append(_result(name, [s["all"]["f1"] for s in scores]))
            for entity in scores[0]["all"]["by_type"]:
                values = [s["all"]["by_type"][entity]["f1"] for s in scores]
                results.append(_result(f"{name}.{entity}", values))
            for which in ("unseen", "seen"):
                for score in ("f1", "recall"):
                    values = [s[which][score] for s in scores]
                    results.append(_result(f"{name}.{which}.{score}", values))
        results.append(over_runs(f"cpu.{kind}", [run["cpu"] for run in runs], "s"))
    results += _gains(measured)
    for part in PARTS:
        for kind in OWN_KINDS:
            if runs := measured.get((part, kind)):
                for split in TESTS:
                    prefix = "own." if split == "testb" else f"{split}.own."
                    suffix = "" if kind == "own" else f".{kind}"
                    values = [run[split]["all"]["f1"] for run in runs]
                    results.append(_result(f"{prefix}{part}{suffix}", values))
        if own := measured.get((part, "own")):
            for base in OWN_KINDS[:-1]:
                [other] = measured[part, base]
                gains = [100 * (r["testb"]["all"]["f1"] - other["testb"]["all"]["f1"]) for r in own]
                reference = {"reference": OWN_GAIN, "source": "target"} if base == GAIN_OVER else {}
                results.append(over_runs(f"own.{part}.gain.{base}", gains, "points", **reference))
    return results


def _gains(measured: dict[tuple[str, str], list[Measured]]) -> Iterator[Result]:
    """What the Context Encoder and the occurrences add, and what they cost."""
    if ("", "without") not in measured:
        return
    [base] = measured["", "without"]
    for kind in KINDS[1:]:
        runs = measured.get(("", kind), [])
        for split in TESTS if runs else ():
            for which in ("all", "unseen"):
                values = [run[split][which]["f1"] - base[split][which]["f1"] for run in runs]
                parts = ["gain", *([split] * (split != "testb")), *([which] * (which != "all"))]
                name = ".".join([*parts, *([kind] * (kind != "with"))])
                yield _result(name, values, "points")
    if runs := measured.get(("", "with"), []):
        yield _figure("size", [run["bytes"] / 1e6 for run in runs], "MB")
        if plain := measured.get(("", "occurrences")):
            yield _figure("cpu.ratio", [run["cpu"] / plain[0]["cpu"] for run in runs], "")
        yield _figure("cpu.ratio.without", [run["cpu"] / base["cpu"] for run in runs], "")


def _result(name: str, shares: list[float], unit: str = "%") -> Result:
    return _figure(name, [100 * v for v in shares], unit)


def _figure(name: str, values: list[float], unit: str) -> Result:
    target = TARGETS.get(name)
    return over_runs(
        name, values, unit, reference=target, source=None if target is None else "target"
    )


_LABELS = {
    "without": "standard features", "occurrences": "+ other occurrences",
    "words": "+ clusters of words", "with": "+ clusters of tokens in context",
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
    tables.append(
        Table(
            ("CPU time of training, s", *KINDS),
            [("", *(number(by_name.get(f"cpu.{kind}"), digits=0) for kind in KINDS))],
        )
    )
    columns = [".without", ".occurrences", "", *(f".gain.{base}" for base in OWN_KINDS[:-1])]
    rows = [
        (part, *(number(by_name.get(f"own.{part}{c}"), digits=2) for c in columns))
        for part in PARTS
    ]
    head = ("words only, testb", "standard", "+ occurrences", "+ own text", *OWN_KINDS[:-1])
    tables.append(Table(head, rows))
    return tables


_TONES = {
    "without": charts.GREY, "occurrences": charts.GREEN, "words": charts.ORANGE,
    "with": charts.BLUE,
}  # fmt: skip


def draw(by_name: dict[str, Result], path: Path) -> None:
    """F1 on testb of all taggers: all entities, and those with an unseen word."""
    figure, panels = charts.figure(1, 2, (11, 3))
    titles = {"": "testb: all entities", ".unseen.f1": "testb: with a word unseen in training"}
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        kinds = [kind for kind in _LABELS if f"testb.crf_{kind}" in by_name]
        rows = [by_name[f"testb.crf_{kind}{column}"] for kind in kinds]
        tones = [_TONES[kind] for kind in kinds]
        charts.bars(axes, rows, [_LABELS[kind] for kind in kinds], tones)
        charts.style(axes, "F1, %", "", title, grid="x")
    charts.save(figure, path)


if __name__ == "__main__":
    main()
