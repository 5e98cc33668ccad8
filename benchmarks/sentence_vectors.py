"""Quality of vectors of sentences and documents, from models of several seeds.

- `titles`, `bodies`: stories of Reuters-21578 with one topic, of the 10 most frequent topics, in
  the parts of the ModLewis split. Accuracy of a logistic regression on the vectors.
- `newsgroups`: messages of 20 Newsgroups without their headers, split by date. The same.
- `raw-c`: two sentences with the same ambiguous word (Trott & Bergen 2021). Spearman's correlation
  of the cosine with how related people find the word's meanings.
- `scws`: two passages, each around a word (Huang et al. 2012). The same with the similarity of the
  two words. The word itself is one of the tokens.
- `chimeras`: 2, 4 or 6 sentences with a made-up word (Lazaridou, Marelli & Baroni 2017), without
  that word. Spearman's correlation of the cosines with up to 6 words with human ratings, averaged
  over trials.

`mean`, `sif` and `sif, component` are `ContextEncoder.encode`, the last with the component of the
texts of the training part (titles, bodies, newsgroups) or of the task. `wv` is gensim's
`get_mean_vector`. `model2vec` is the pooling of `model2vec.distill`: principal components of the
word vectors, and SIF weights from ranks. `tf-idf` is TF-IDF with a truncated SVD to the same number
of dimensions, fitted on the training part, or else on the corpus; it does not depend on the seed.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import charts
from benchmarks.common import QUICK_DOCUMENTS, Result, Table, number, over_runs, parser, report
from benchmarks.material import require, source
from benchmarks.senses.data import scws
from benchmarks.simec_data import newsgroups
from benchmarks.unseen_words.tasks import LENGTHS, MARK, PARTS, read_chimeras

if TYPE_CHECKING:
    from pathlib import Path

    from conec import ContextEncoder

SIZE, TOPICS, SIF = 200, 10, 1e-4
CORPUS_DOCUMENTS = 30_000  # articles that TF-IDF is fitted on
METHODS = ("wv", "mean", "sif", "sif, component", "model2vec", "tf-idf")
TASKS = ("titles", "bodies", "newsgroups", "raw-c", "scws", "chimeras")

Floats = npt.NDArray[Any]
Text = list[str]


class Stories(NamedTuple):
    """Texts with topics, in two parts."""

    texts: list[Text]
    topics: npt.NDArray[np.str_]
    is_training: npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """Pairs of texts with ratings."""

    one: list[Text]
    other: list[Text]
    ratings: list[float]


class Trial(NamedTuple):
    """A text, and words that were compared with it."""

    text: Text
    words: list[str]
    ratings: list[float]


Vectors = Callable[[Sequence[Text], Sequence[Text]], Floats]
"""Vectors of texts; the second argument has texts that the method may be fitted on."""


def main(argv: list[str] | None = None) -> None:
    args = parser(__doc__).parse_args(argv)
    require("reuters21578", "raw-c", "scws", "chimeras")
    tasks: dict[str, Any] = {
        "titles": stories("TITLE"), "bodies": stories("BODY"), "newsgroups": messages(args.quick),
        "raw-c": raw_c(), "scws": passages(), "chimeras": trials(),
    }  # fmt: skip
    corpus = source(args.corpus)
    documents = None
    if args.quick:
        corpus = [document for document, _ in zip(corpus, range(QUICK_DOCUMENTS), strict=False)]
    scores: dict[str, list[float]] = {}
    for seed in range(1, args.seeds + 1):
        model, documents = _trained(corpus, seed, args.quick)
        methods = _methods(model)
        if seed == 1:
            methods["tf-idf"] = Lsa(source(args.corpus), args.quick)
        for name, task in tasks.items():
            for method, vectors in methods.items():
                scores.setdefault(f"{name}.{method}", []).append(100 * score(task, vectors))
                print(f"seed {seed}: {name}, {method}: {scores[f'{name}.{method}'][-1]:.1f}")
    results = [over_runs(name, values, "%") for name, values in scores.items()]
    by_name = {result.name: result for result in results}
    protocol = {"vector_size": SIZE, "seeds": args.seeds, "quick": args.quick}
    report(
        "sentence_vectors", protocol, {"name": str(args.corpus), **documents}, results, args.json,
        tables=[_table(by_name)], chart=lambda path: _draw(by_name, path),
    )  # fmt: skip


def _trained(corpus: Any, seed: int, quick: bool) -> tuple[ContextEncoder, dict[str, Any]]:
    import conec

    model = conec.ContextEncoder(vector_size=SIZE, epochs=1 if quick else 5, seed=seed)
    model.fit(corpus, progress=True)
    return model, {"words": len(model)}


# Tasks


def _words(text: str) -> Text:
    from corpora.cleaning import ascii_fold, wikifil

    return wikifil(ascii_fold(text)).split()


def stories(part: str) -> Stories:
    """Titles or bodies of Reuters-21578."""
    from corpora import datasets

    found = []
    for path in datasets.paths("reuters21578"):
        with tarfile.open(path) as archive:
            for member in sorted(archive.getmembers(), key=lambda member: member.name):
                file = archive.extractfile(member) if member.name.endswith(".sgm") else None
                if file is not None:
                    found += _stories(file.read().decode("latin-1"), part)
    counts = Counter(topic for _, topic, _ in found)
    kept = {topic for topic, _ in counts.most_common(TOPICS)}
    found = [story for story in found if story[1] in kept]
    texts, topics, is_training = zip(*found, strict=True)
    return Stories(list(texts), np.array(topics), np.array(is_training))


def _stories(text: str, part: str) -> list[tuple[Text, str, bool]]:
    """Text, topic, and whether it is in the training part, of each story."""
    found = []
    for story in re.findall(r"<REUTERS .*?</REUTERS>", text, re.DOTALL):
        split = re.search(r'LEWISSPLIT="([A-Z-]*)"', story)
        topics = re.findall(r"<D>(.*?)</D>", story[: story.find("</TOPICS>")])
        body = re.search(rf"<{part}>(.*?)</{part}>", story, re.DOTALL)
        if split is None or split[1] not in ("TRAIN", "TEST") or len(topics) != 1 or body is None:
            continue
        words = _words(re.sub(r"&#?\w+;", " ", body[1]))
        if words:
            found.append((words, topics[0], split[1] == "TRAIN"))
    return found


def messages(quick: bool) -> Stories:
    """Messages of 20 Newsgroups; a tenth of them if `quick`."""
    step = 10 if quick else 1
    texts, groups = newsgroups("train")
    test_texts, test_groups = newsgroups("test")
    is_training = np.arange(len(texts) + len(test_texts)) < len(texts)
    words = [_words(text.partition("\n\n")[2]) for text in [*texts, *test_texts][::step]]
    kept = np.flatnonzero([len(text) for text in words])
    labels = np.array([*groups, *test_groups][::step])
    return Stories([words[i] for i in kept], labels[kept], is_training[::step][kept])


def raw_c() -> Pairs:
    """Sentences of RAW-C."""
    import csv

    from corpora import datasets

    with open(datasets.path("raw-c"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Pairs(
        [_words(row["sentence1"]) for row in rows],
        [_words(row["sentence2"]) for row in rows],
        [float(row["mean_relatedness"]) for row in rows],
    )


def passages() -> Pairs:
    """Passages of SCWS."""
    pairs = scws()
    one, other = ([pair.places[side].tokens for pair in pairs] for side in (0, 1))
    return Pairs(one, other, [pair.rating for pair in pairs])


def trials() -> list[Trial]:
    """Chimeras in 2, 4 and 6 sentences."""
    return [
        Trial([word for text in trial.texts for word in text if word != MARK], *trial[1:])
        for length in LENGTHS
        for part in PARTS
        for trial in read_chimeras(length, part)
    ]


def score(task: Stories | Pairs | list[Trial], vectors: Vectors) -> float:
    """Accuracy or correlation of a method."""
    if isinstance(task, Stories):
        return _accuracy(task, vectors)
    if isinstance(task, Pairs):
        both = vectors([*task.one, *task.other], [*task.one, *task.other])
        one, other = np.split(both, 2)
        return _correlation((one * other).sum(axis=1), task.ratings)
    texts = [trial.text for trial in task]
    words = [[word] for trial in task for word in trial.words]
    both = vectors([*texts, *words], texts)
    at, values = len(texts), []
    for trial, vector in zip(task, both, strict=False):
        cosines = both[at : at + len(trial.words)] @ vector
        at += len(trial.words)
        correlation = _correlation(cosines, trial.ratings)
        values.append(0.0 if np.isnan(correlation) else correlation)
    return float(np.mean(values))


def _correlation(values: Floats, ratings: Sequence[float]) -> float:
    from scipy.stats import spearmanr

    if len(set(values.tolist())) == 1:
        return 0.0
    return float(spearmanr(values, ratings).statistic)


def _accuracy(task: Stories, vectors: Vectors) -> float:
    from sklearn.linear_model import LogisticRegression

    training = [text for text, is_in in zip(task.texts, task.is_training, strict=True) if is_in]
    X = vectors(task.texts, training)
    X = (X - X[task.is_training].mean(axis=0)) / X[task.is_training].std()
    classifier = LogisticRegression(max_iter=300)
    classifier.fit(X[task.is_training], task.topics[task.is_training])
    return float(classifier.score(X[~task.is_training], task.topics[~task.is_training]))


# Methods


def _methods(model: ContextEncoder) -> dict[str, Vectors]:
    def with_component(texts: Sequence[Text], fitted: Sequence[Text]) -> Floats:
        return model.encode(texts, component=model.common_component(fitted))

    keyed = model.wv

    def wv(texts: Sequence[Text], _: Sequence[Text]) -> Floats:
        means = []
        for text in texts:
            known = [word for word in text if word in keyed]
            means.append(keyed.get_mean_vector(known) if known else np.zeros(SIZE, np.float32))
        return _unit(np.stack(means))

    return {
        "wv": wv,
        "mean": lambda texts, _: model.encode(texts, pooling="mean"),
        "sif": lambda texts, _: model.encode(texts),
        "sif, component": with_component,
        "model2vec": _model2vec(model),
    }


def _model2vec(model: ContextEncoder) -> Vectors:
    """The post-processing of `model2vec.distill`, and the mean of `StaticModel.encode`."""
    from sklearn.decomposition import PCA

    vectors = PCA(SIZE, svd_solver="full").fit_transform(model.W1)
    share = 1 / np.arange(2, len(model) + 2)  # Zipf's law
    share /= share.sum()
    weighted = vectors * (SIF / (SIF + share))[:, None]
    index = model.vocabulary.index

    def encode(texts: Sequence[Text], _: Sequence[Text]) -> Floats:
        means = np.zeros((len(texts), SIZE))
        for mean, text in zip(means, texts, strict=True):
            if ids := [index[word] for word in text if word in index]:
                mean[:] = weighted[ids].mean(axis=0)
        return _unit(means)

    return encode


class Lsa:
    """TF-IDF and a truncated SVD."""

    def __init__(self, corpus: Any, quick: bool) -> None:
        n = QUICK_DOCUMENTS if quick else CORPUS_DOCUMENTS
        articles = [list(document) for document, _ in zip(corpus, range(n), strict=False)]
        self._of_corpus = self._fitted(articles)

    def _fitted(self, texts: Sequence[Text]) -> Any:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline

        tfidf = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=2, dtype=np.float32)
        return make_pipeline(tfidf, TruncatedSVD(SIZE, random_state=0)).fit(texts)

    def __call__(self, texts: Sequence[Text], fitted: Sequence[Text]) -> Floats:
        is_split = len(fitted) < len(texts) and len(texts[-1]) > 1
        return _unit((self._fitted(fitted) if is_split else self._of_corpus).transform(texts))


def _unit(vectors: Floats) -> Floats:
    from conec.linalg import normalize

    return normalize(np.asarray(vectors, np.float32))


# Results


def _table(by_name: dict[str, Result]) -> Table:
    rows = [
        [method, *(number(by_name[f"{task}.{method}"], 1, 1) for task in TASKS)]
        for method in METHODS
    ]
    return Table(("vectors", *TASKS), rows)


def _draw(by_name: dict[str, Result], path: Path) -> None:
    figure, panels = charts.figure(1, len(TASKS), (16, 3.2))
    colors = [
        charts.BLUE if method in ("mean", "sif", "sif, component") else charts.GREY
        for method in METHODS
    ]
    for axes, task in zip(panels, TASKS, strict=True):
        charts.bars(axes, [by_name[f"{task}.{method}"] for method in METHODS], METHODS, colors)
        x = "accuracy in %" if task in ("titles", "bodies", "newsgroups") else "100 ρ"
        charts.style(axes, x, "", task, grid="x")
        if axes is not panels[0]:
            axes.set_yticklabels([])
    charts.save(figure, path)


if __name__ == "__main__":
    main()
