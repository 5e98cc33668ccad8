"""Tasks for senses and contexts: SCWS, WiC, SemEval-2010 task 14, analogies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.senses.data import Induced, Judged, Place, Rated

if TYPE_CHECKING:
    from conec import ContextEncoder
    from corpora.encoding import TokenStream

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Scores = dict[str, float]

SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
RESTRICT = 30_000  # candidate answers of analogies


def contexts(model: ContextEncoder, places: Sequence[Place]) -> Floats:
    """Mapped contexts of words, shape (n, d)."""
    return np.stack([model.embed(p.tokens, 0, senses="soft")[p.position] for p in places])


def in_context(
    model: ContextEncoder, words: Sequence[str], local: Floats, a: float, *, senses: bool = True
) -> Floats:
    """Embeddings by `embed` of words in contexts, shape (n, d); or with one vector per word."""
    made = model.sense_inventory
    assert made is not None
    if not senses:
        made = replace(
            made, starts=np.zeros_like(made.starts), centers=made.centers[:0],
            shares=made.shares[:0], examples=made.examples[:0],
        )  # fmt: skip
    ids = [model.vocabulary.index.get(word, -1) for word in words]
    return made.mix(ids, model.centered_W1, local, a, hard=False)


# SCWS


def similarity(model: ContextEncoder, stream: TokenStream, pairs: Sequence[Rated]) -> Scores:
    """Spearman's correlation times 100, by part and kind of embedding; and the chosen weights.

    The model's `context_embeddings` become those of `learn_map`.
    """
    ids = np.array([[model.vocabulary.index.get(w, -1) for w in p.words] for p in pairs])
    known = (ids >= 0).all(axis=1)
    sides = [[pair.places[side] for pair in pairs] for side in (0, 1)]
    local = [contexts(model, places) for places in sides]
    cosines: dict[str, npt.NDArray[Any]] = {}
    vectors = {
        "wv": model.wv.get_normed_vectors(), "conec": model.wv_context.get_normed_vectors(),
        "mapped": model.learn_map(stream).wv_context.get_normed_vectors(),
        "word": model.centered_W1,
    }  # fmt: skip
    for kind, matrix in vectors.items():
        # pairs with a word without a vector count as similarity 0
        cosines[kind] = np.where(known, (matrix[ids[:, 0]] * matrix[ids[:, 1]]).sum(axis=1), 0)
    cosines |= _over_senses(model, ids, local)
    parts = {
        "dev": np.array([pair.dev for pair in pairs]), "all": np.ones(len(pairs), np.bool_),
        "test": np.array([not pair.dev for pair in pairs]),
    }  # fmt: skip
    rating = np.array([pair.rating for pair in pairs])
    scores: Scores = {}
    for kind, senses in (("in_context", False), ("in_sense", True)):
        by_share = {}
        for a in SHARES:
            one, other = (
                in_context(
                    model, [p.words[side] for p in pairs], local[side], a, senses=senses
                )
                for side in (0, 1)
            )  # fmt: skip
            by_share[a] = (one * other).sum(axis=1)
        best = max(SHARES, key=lambda a: _spearman(by_share[a], rating, parts["dev"]))
        scores[f"share.{kind}"] = best
        cosines[kind] = by_share[best]
    for kind, values in cosines.items():
        for part, member in parts.items():
            scores[f"{part}.{kind}"] = _spearman(values, rating, member)
            scores[f"{part}_known.{kind}"] = _spearman(values, rating, member & known)
    return scores


def _spearman(values: npt.NDArray[Any], rating: Doubles, member: npt.NDArray[np.bool_]) -> float:
    from scipy.stats import spearmanr

    return 100 * float(spearmanr(values[member], rating[member]).statistic)


def _over_senses(
    model: ContextEncoder, ids: npt.NDArray[np.int64], local: Sequence[Floats]
) -> dict[str, Doubles]:
    """Similarities of senses: the mean, the weighted mean, and that of the best-fitting ones."""
    similarities = {kind: np.zeros(len(ids)) for kind in ("avgsim", "avgsimc", "maxsimc")}
    for i, pair in enumerate(ids):
        one, other = (
            _senses(model, int(word), local[side][i]) for side, word in enumerate(pair)
        )  # fmt: skip
        cosine = one[0] @ other[0].T
        similarities["avgsim"][i] = cosine.mean()
        similarities["avgsimc"][i] = one[1] @ cosine @ other[1]
        similarities["maxsimc"][i] = cosine[one[1].argmax(), other[1].argmax()]
    return similarities


def _senses(model: ContextEncoder, word: int, local: Floats) -> tuple[Floats, Floats]:
    """Embeddings of a word's senses, and how well they fit; a single one if it has none."""
    inventory = model.sense_inventory
    assert inventory is not None
    if word < 0:
        return local[None], np.ones(1, np.float32)
    vector = model.centered_W1[word]
    if inventory.of(word).start == inventory.of(word).stop:
        return vector[None], np.ones(1, np.float32)
    return inventory.embeddings(word, vector), inventory.choose(word, local)


# WiC


def same_sense(model: ContextEncoder, parts: dict[str, Sequence[Judged]]) -> Scores:
    """Accuracy in %: a threshold of the cosine in context, learned on train.

    The weight of the sense is chosen on dev.
    """
    scores: Scores = {}
    same = {part: np.array([task.same for task in tasks]) for part, tasks in parts.items()}
    words = {
        part: [[t.places[side].tokens[t.places[side].position] for t in tasks] for side in (0, 1)]
        for part, tasks in parts.items()
    }
    local = {
        part: [contexts(model, [task.places[side] for task in tasks]) for side in (0, 1)]
        for part, tasks in parts.items()
    }
    best = -1.0
    for a in (0.0, 0.3, *SHARES):
        cosine = {}
        for part in parts:
            one, other = (
                in_context(model, words[part][side], local[part][side], a) for side in (0, 1)
            )  # fmt: skip
            cosine[part] = (one * other).sum(axis=1)
        threshold = _threshold(cosine["train"], same["train"])
        right = {p: 100 * float(((c > threshold) == same[p]).mean()) for p, c in cosine.items()}
        if a == SHARES[-1]:
            scores |= {f"{part}.sense_alone": value for part, value in right.items()}
        if right["dev"] > best:
            best = right["dev"]
            scores |= {f"{part}.cosine": value for part, value in right.items()}
            scores["share"] = a
    return scores


def _threshold(values: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> float:
    """The cosine that best separates pairs of the same sense from others."""
    order = np.argsort(values, kind="stable")
    right = np.cumsum(np.where(same[order], -1, 1))
    at = int(right.argmax())
    return float(values[order[at]]) if right[at] > 0 else -2.0


# SemEval-2010 task 14


def induction(model: ContextEncoder, tasks: Sequence[Induced], seed: int) -> Scores:
    """V-measure, paired F and adjusted Rand index in %, and senses per word; means over words."""
    from conec.senses.clustering import cluster

    inventory = model.sense_inventory
    assert inventory is not None
    settings = inventory.settings
    rng = np.random.default_rng(seed)
    sums: dict[str, list[float]] = {}
    for task in tasks:
        local = contexts(model, [_other(place) for place in task.places])
        word = model.vocabulary.index.get(task.word, -1)
        n = len(local)
        own = np.zeros(n, np.int64)
        if word >= 0 and inventory.of(word).stop > inventory.of(word).start:
            own = np.array([inventory.choose(word, z, hard=True).argmax() for z in local])
        labels_of = {
            "corpus": own,
            "contexts": cluster(
                local, rng, most=settings.most, threshold=settings.threshold,
                smallest=settings.smallest,
            ),
            "one": np.zeros(n, np.int64), "instances": np.arange(n),
            "random": rng.integers(4, size=n),
        }  # fmt: skip
        for kind, labels in labels_of.items():
            for name, value in clustering_scores(task.senses, labels).items():
                sums.setdefault(f"{kind}.{name}", []).append(value)
        sums.setdefault("gold.senses", []).append(len(set(task.senses)))
    return {name: float(np.mean(values)) for name, values in sums.items()}


def _other(place: Place) -> Place:
    """The same context with an unknown word in its place: other occurrences are context."""
    tokens = list(place.tokens)
    tokens[place.position] = "_"
    return Place(tokens, place.position)


def clustering_scores(gold: Sequence[str], labels: npt.NDArray[Any]) -> Scores:
    """Agreement of clusters with senses, in %, and the number of clusters."""
    from sklearn.metrics import adjusted_rand_score, v_measure_score
    from sklearn.metrics.cluster import pair_confusion_matrix

    (_, wrong), (missed, both) = pair_confusion_matrix(list(gold), labels)
    return {
        "v": 100 * float(v_measure_score(list(gold), labels)),
        "f": 200 * float(both) / max(1.0, float(2 * both + wrong + missed)),
        "ari": 100 * float(adjusted_rand_score(list(gold), labels)),
        "senses": float(len(np.unique(labels))),
    }


# Analogies

Questions = Sequence[Sequence[str]]


def analogies_by_sense(
    model: ContextEncoder, stream: TokenStream, questions: dict[str, Questions]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Correct answers and questions by kind and category.

    A word's sense is the one whose center is nearest to the mean vector of the other words of the
    category; this applies to all candidate answers too. "by_role": of the other words in the same
    role, so that a word has one sense as a or c, and one as b or answer.
    """
    from conec.linalg import normalize
    from conec.senses.induction import induce

    inventory = model.sense_inventory
    assert inventory is not None
    n = min(RESTRICT, len(model))
    words = model.centered_W1
    # the same occurrences and the same map, and one sense per word
    single = induce(
        stream, model.W1, model.vocabulary, replace(inventory.settings, most=1),
        seed=model.config.seed, workers=model.config.workers, progress=True,
    )  # fmt: skip
    contexts = words[:n].copy()
    one = np.diff(single.starts[: n + 1]) > 0
    contexts[one] = single.centers[: np.count_nonzero(one)]
    has = np.flatnonzero(np.diff(inventory.starts[: n + 1]) > 0)
    owner = np.repeat(np.arange(n), np.diff(inventory.starts[: n + 1]))
    centres = inventory.centers[: len(owner)]
    # the text is lowercase, the questions are not; gensim's score ignores case too
    index = {word: i for i, word in enumerate(model.vocabulary.words[:n])}
    rows = {
        name: np.array([[index.get(w.lower(), -1) for w in q] for q in asked]).reshape(-1, 4)
        for name, asked in questions.items()
    }

    def nearest(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sense of each of `has` that fits the given words, except itself."""
        members = np.unique(ids[ids >= 0])
        fit = centres @ words[members].sum(axis=0)
        mine = np.isin(owner, members)
        fit[mine] -= (centres[mine] * words[owner[mine]]).sum(axis=1)
        order = np.lexsort((-fit, owner))
        return order[np.searchsorted(owner[order], has)]

    def vectors(share: float, ids: npt.NDArray[np.int64] | None = None) -> Floats:
        part = contexts.copy()
        if ids is not None:
            part[has] = centres[nearest(ids)]
        return normalize(np.float32(share) * words[:n] + np.float32(1 - share) * part)

    by_kind: dict[str, dict[str, tuple[int, int]]] = {}
    plain = {"wv": normalize(np.array(model.W1[:n]))}
    shares = {"contexts": 0.0, "word_and_contexts": inventory.settings.word_share}
    plain |= {kind: vectors(share) for kind, share in shares.items()}
    for name, ids in rows.items():
        asked = ids[(ids >= 0).all(axis=1)]
        for kind, matrix in plain.items():
            by_kind.setdefault(kind, {})[name] = answered(matrix, matrix, asked)
        for kind, share in shares.items():
            whole = vectors(share, asked)
            first, second = (vectors(share, asked[:, side::2]) for side in (0, 1))
            by_kind.setdefault(f"{kind}_by_sense", {})[name] = answered(whole, whole, asked)
            by_kind.setdefault(f"{kind}_by_role", {})[name] = answered(first, second, asked)
    return by_kind


def answered(first: Floats, second: Floats, asked: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Correct answers by 3CosAdd, and questions.

    Parameters
    ----------
    first, second : float32 arrays of shape (n, d)
        Unit vectors of words as a or c, and as b or answer.
    asked : int array of shape (m, 4)
    """
    right = 0
    for start in range(0, len(asked), 1000):
        a, b, c, d = asked[start : start + 1000].T
        scores = (second[b] - first[a] + first[c]) @ second.T
        np.put_along_axis(scores, np.stack([a, b, c], axis=1), -np.inf, axis=1)
        right += int((scores.argmax(axis=1) == d).sum())
    return right, len(asked)
