"""Questions about Context Encoders, for the explorer in the browser."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from conec.model import ContextEncoder
from corpora.checks import check_choice, check_integer, check_number
from corpora.explorer.explorer import Answer, Explorer, WatchedModel
from corpora.explorer.names import Names
from corpora.explorer.point_map import PointMaps

if TYPE_CHECKING:
    from pathlib import Path

    from gensim.models import KeyedVectors

__all__ = ["WordExplorer"]

_MOST_NEIGHBORS = 100
_MOST_TOKENS = 60
_PUNCTUATION = ".,;:!?\"'()[]{}…„“”‘’«»"

Neighbors = list[tuple[str, float]]


class WordExplorer(Explorer):
    """Answers questions about one or two models of words.

    Parameters
    ----------
    paths : sequence of paths
        Folders of models; the second one is compared with the first.
    load : callable
        Loads a model from a path, such as `conec.load`.
    """

    kind: ClassVar[str] = "words"

    def __init__(self, paths: Sequence[str | os.PathLike[str]], load: Any) -> None:
        super().__init__([WatchedModel(path, load) for path in paths])

    def loaded(self) -> None:
        """Prepare the completion of words, and maps."""
        self._models = [_Model(watched.path, watched.model) for watched in self.models]

    def warm_up(self) -> None:
        """Compute lengths of vectors, and compile."""
        for number in range(len(self._models)):
            self.ask("complete", {"text": "", "model": number})
            about = self.ask("about", {})["answer"]
            sample = about["models"][number]["sample"]
            for space in about["models"][number]["spaces"]:
                self.ask("neighbors", {"word": sample, "space": space, "model": number})
            if "context" in about["models"][number]["spaces"]:
                text = about["models"][number]["sentence"]
                self.ask("sentence", {"text": text, "model": number})
                if len(text.split()) > 1:
                    why = {"text": text, "position": 0, "other": sample, "model": number}
                    self.ask("why", why)

    def ask_about(self) -> Answer:
        """Sizes and parts of the models."""
        return Answer(
            {
                "kind": self.kind,
                "title": " and ".join(model.title for model in self._models),
                "models": [model.about() for model in self._models],
            }
        )

    def ask_complete(self, text: str, model: int = 0, n: int = 8) -> Answer:
        """Words that begin with a text, the most frequent ones first."""
        n = check_integer("n", n, 1, _MOST_NEIGHBORS)
        return Answer({"names": self._model(model).names.complete(text, n)})

    def ask_neighbors(
        self, word: str, space: str = "context", topn: int = 10, model: int = 0
    ) -> Answer:
        """The most similar words."""
        m, topn = self._model(model), _topn(topn)
        m.check_word(word)
        vectors, code = m.vectors(space)
        if space == "context":
            neighbors = m.model.most_similar(word, topn)
            call = f"model.most_similar({word!r}, topn={topn})"
        else:
            neighbors = vectors.most_similar(word, topn=topn)
            call = f"{code}.most_similar({word!r}, topn={topn})"
        value = {"word": word, "count": m.count(word), "neighbors": _pairs(neighbors)}
        return Answer(value, f"{m.code}{call}")

    def ask_senses(self, word: str, topn: int = 8, model: int = 0) -> Answer:
        """The senses of a word, with their neighbors."""
        m, topn = self._model(model), _topn(topn)
        m.check_word(word)
        senses = []
        for sense in m.model.senses(word):
            similar = m.model.wv.similar_by_vector(sense.embedding, topn=topn + 1)
            senses.append(
                {
                    "share": sense.share,
                    "examples": [list(words) for words in sense.examples],
                    "neighbors": _pairs(_without(word, similar, topn)),
                }
            )
        code = (
            f"{m.code}senses = model.senses({word!r})  # with share, examples and embedding\n"
            f"n = {topn}\n"
            "similar = [model.wv.similar_by_vector(s.embedding, topn=n + 1) for s in senses]\n"
            f"[[pair for pair in pairs if pair[0] != {word!r}][:n] for pairs in similar]"
        )
        return Answer({"word": word, "count": m.count(word), "senses": senses}, code)

    def ask_sentence(
        self, text: str, a: float = 0.8, senses: str = "auto", topn: int = 5, model: int = 0
    ) -> Answer:
        """The neighbors of each token of a sentence, in this sentence.

        If the model has an index of neighbors, it is searched: a slider asks often.
        """
        m, topn = self._model(model), _topn(topn)
        approximate = m.model.neighbor_index is not None
        m.vectors("context")
        tokens = m.tokens(text)
        check_number("a", a, 0, 1)
        vectors, found = m.model.embed(
            tokens, a, senses=senses, per_occurrence=True, return_found=True  # type: ignore[call-overload]
        )  # fmt: skip
        similar = iter(
            m.model.most_similar_batch(vectors[found], topn + 1, approximate=approximate)
        )
        values = [
            {
                "token": token,
                "known": token in m.model,
                "neighbors": _pairs(_without(token, next(similar), topn)) if has_vector else [],
            }
            for token, has_vector in zip(tokens, found.tolist(), strict=True)
        ]
        code = (
            f"{m.code}tokens = {tokens!r}\n"
            f"vectors, found = model.embed(\n    tokens, a={a!r}, senses={senses!r}, "
            "per_occurrence=True, return_found=True\n)\n"
            f"similar = iter(model.most_similar_batch(\n    vectors[found], topn={topn + 1}"
            f"{', approximate=True' * approximate}\n))\n"
            "[\n"
            f"    [pair for pair in next(similar) if pair[0] != token][:{topn}] if ok else []\n"
            "    for token, ok in zip(tokens, found)\n"
            "]"
        )
        return Answer({"tokens": values}, code)

    def ask_why(
        self, text: str, position: int, other: str, a: float = 0.8, model: int = 0
    ) -> Answer:
        """Why a token of a sentence and another word are similar: relevances of context words."""
        m = self._model(model)
        m.vectors("context")
        tokens = m.tokens(text)
        position = check_integer("position", position, 0, len(tokens) - 1)
        word = tokens[position]
        m.check_word(other)
        check_number("a", a, 0, 1)
        explanation = m.model.explain_similarity(word, other, [tokens], a)
        relevances = explanation.top(None)
        of_word = dict(relevances)
        value = {
            "word": word,
            "known": word in m.model,
            "other": other,
            "similarity": explanation.value,
            "bias": explanation.bias,
            "tokens": [
                {
                    "token": token,
                    "known": token in m.model,
                    "relevance": None if token == word else of_word.get(token, 0.0),
                }
                for token in tokens
            ],
            "relevances": _pairs(relevances[:_MOST_NEIGHBORS]),
        }
        code = (
            f"{m.code}text = {tokens!r}\n"
            f"why = model.explain_similarity({word!r}, {other!r}, [text], a={a!r})\n"
            f"(why.value, why.bias, why.top(None))"
        )
        return Answer(value, code)

    def ask_analogy(
        self, first: str, second: str, third: str, space: str = "context", topn: int = 10,
        model: int = 0,
    ) -> Answer:  # fmt: skip
        """The word to which the third word is as the second one is to the first."""
        m, topn = self._model(model), _topn(topn)
        for word in (first, second, third):
            m.check_word(word)
        vectors, code = m.vectors(space)
        similar = vectors.most_similar(positive=[second, third], negative=[first], topn=topn)
        call = (
            f"{code}.most_similar(\n    positive=[{second!r}, {third!r}], negative=[{first!r}], "
            f"topn={topn}\n)"
        )
        return Answer({"neighbors": _pairs(similar)}, f"{m.code}{call}")

    def ask_map(self, method: str = "pca", space: str = "context", model: int = 0) -> Answer:
        """Coordinates of words, or the state of their computation."""
        m = self._model(model)
        m.vectors(space)
        value = m.maps[space].get(method)
        done = value["state"] == "done"
        names = m.names.texts[: len(value["x"])] if done else []
        code = f"{m.code}{m.maps[space].code(method)}" if done else ""
        return Answer({**value, "names": names, "methods": m.maps[space].methods()}, code)

    def ask_compare(self, word: str, space: str = "context", topn: int = 15) -> Answer:
        """The neighbors of a word in both models."""
        topn = _topn(topn)
        if len(self._models) < 2:
            raise ValueError("to compare two models, start the explorer with both")
        lists: list[dict[str, Any]] = []
        code = "import conec\n\nsimilar = []\n"
        for m in self._models:
            vectors, call = m.vectors(space)
            known = word in m.model
            similar = vectors.most_similar(word, topn=topn) if known else []
            lists.append({"known": known, "count": m.count(word), "neighbors": _pairs(similar)})
            code += f"model = conec.load({str(m.path)!r})\n"
            code += f"similar.append({call}.most_similar({word!r}, topn={topn}))\n" if known else (
                "similar.append([])  # this model does not know the word\n"
            )  # fmt: skip
        if not any(part["known"] for part in lists):
            self._models[0].check_word(word)
        words = [{name for name, _ in part["neighbors"]} for part in lists]
        shared = words[0] & words[1]
        value = {
            "word": word,
            "lists": lists,
            "shared": sorted(shared),
            "overlap": len(shared) / topn if all(words) else None,
        }
        return Answer(value, f"{code}similar")

    def _model(self, number: int) -> _Model:
        return self._models[check_integer("model", number, 0, len(self._models) - 1)]


class _Model:
    """A model with its words and maps."""

    def __init__(self, path: Path, model: ContextEncoder) -> None:
        if not len(model):
            raise ValueError(f"{path} has no words yet: train the model first")
        self.path, self.model = path, model
        self.title = path.resolve().name
        self.names = Names(model.vocabulary.words, "word")
        self.code = f"import conec\n\nmodel = conec.load({str(path)!r})\n"
        self.spaces = ["context"] * (model.stored("context_embeddings") is not None) + ["word2vec"]
        self.maps = {
            space: PointMaps(
                lambda space=space: self.vectors(space)[0].vectors,  # type: ignore[misc]
                len(model),
                f"vectors = {self.vectors(space)[1]}.vectors",
            )
            for space in self.spaces
        }

    def about(self) -> dict[str, Any]:
        """Facts about the model, and a word to start with."""
        model, counts = self.model, self.model.vocabulary.counts
        return {
            "title": self.title,
            "path": str(self.path),
            "facts": [
                f"{len(model):,} words",
                f"{model.config.vector_size} dimensions",
                f"{int(counts.sum()):,} words of text",
            ],
            "spaces": self.spaces,
            "has_senses": model.sense_inventory is not None,
            "sample": self._sample,
            "sentence": " ".join(self._example),
        }

    @cached_property
    def _sample(self) -> str:
        """A word to start with: neither a function word nor a rare one."""
        words = self.model.vocabulary.words
        start = min(len(words) // 10, 400)
        inventory = self.model.sense_inventory
        candidates = words[start : start + 200]
        if inventory is not None:  # the word with the most even senses
            return max(candidates, key=lambda word: _entropy(inventory.shares[inventory.of(
                self.model.vocabulary.index[word])]))  # fmt: skip
        return next((word for word in candidates if len(word) > 5), words[start])

    @cached_property
    def _example(self) -> list[str]:
        """A text to start with: an occurrence of the sample word, or its neighbors."""
        if self.model.sense_inventory is not None:
            for sense in self.model.senses(self._sample):
                if sense.examples:
                    return list(sense.examples[0])
        vectors, _ = self.vectors(self.spaces[0])
        if not vectors[self._sample].any():
            return [self._sample]
        return [self._sample, *(word for word, _ in vectors.most_similar(self._sample, topn=4))]

    def vectors(self, space: str) -> tuple[KeyedVectors, str]:
        """Vectors of the words, and the expression that returns them."""
        check_choice("space", space, ("context", "word2vec"))
        if space == "word2vec":
            return self.model.wv, "model.wv"
        return self.model.wv_context, "model.wv_context"

    def count(self, word: str) -> int:
        """How often a word occurs in the text of the model; 0 for unknown words."""
        index = self.model.vocabulary.index
        return int(self.model.vocabulary.counts[index[word]]) if word in index else 0

    def check_word(self, word: str) -> None:
        """Raise UnknownName, with the closest words, if the model does not know a word."""
        if word not in self.model:
            self.names.position(word)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, written as in the vocabulary where it knows them.

        A word that is unknown as it is written loses its punctuation, and becomes lower-case if
        that makes it a known word, or if all words of the model are lower-case.
        """
        index = self.model.vocabulary.index
        tokens = []
        for token in text.split():
            bare = token.strip(_PUNCTUATION) or token
            forms = [token, bare, bare.lower()]
            lower = bare.lower() if self._is_lower else bare
            tokens.append(next((form for form in forms if form in index), lower))
        if not tokens:
            raise ValueError("the text has no words: type a sentence")
        if len(tokens) > _MOST_TOKENS:
            raise ValueError(
                f"the text has {len(tokens)} words, and at most {_MOST_TOKENS} are shown: shorten "
                "it to the sentence that matters"
            )
        return tokens

    @cached_property
    def _is_lower(self) -> bool:
        return all(word == word.lower() for word in self.model.vocabulary.words[:2000])


def _topn(value: int) -> int:
    return check_integer("topn", value, 1, _MOST_NEIGHBORS)


def _without(word: str, neighbors: Iterable[tuple[str, float]], n: int) -> Neighbors:
    return [pair for pair in neighbors if pair[0] != word][:n]


def _pairs(neighbors: Iterable[tuple[str, float]]) -> list[list[Any]]:
    return [[word, float(score)] for word, score in neighbors if math.isfinite(score)]


def _entropy(shares: Iterable[float]) -> float:
    return -sum(share * math.log(share) for share in map(float, shares) if share > 0)
