"""Small models of every kind that the store holds, in two versions each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.model_folder import MANIFEST
from tests.golden import EXPECTED, FOLDER

Save = Callable[[Path], None]


class Kind(NamedTuple):
    """How models of one kind are made, written and read.

    Attributes
    ----------
    make : callable
        From 1 or 2 to a function that saves a model. The two differ in every file.
    load : callable
        From a folder, and whether to verify, to the content that was read, as one string.
    """

    make: Callable[[int], Save]
    load: Callable[[Path, bool], str]


def content(model: Any) -> str:
    """All that a model would write: the checksum of its folder's content."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "m")
        return str(json.loads((Path(folder) / "m" / MANIFEST).read_bytes())["generation"])


def documents(version: int) -> list[list[str]]:
    texts: list[list[str]] = EXPECTED["checkpoint"]["docs"]
    return texts if version == 1 else [[*text, f"w{i % 3}"] for i, text in enumerate(texts[:50])]


def tags(version: int) -> list[list[str]]:
    towns = {"rome", "oslo", "lima"}
    return [["B-LOC" if word in towns else "O" for word in text] for text in documents(version)]


def token_stream(version: int) -> Save:
    import corpora
    from corpora.encoding import TokenStream

    texts = documents(version)
    index = {word: i for i, word in enumerate(sorted({w for text in texts for w in text}))}

    def save(path: Path) -> None:
        TokenStream.encode(corpora.open(texts), index, path)

    return save


def load_token_stream(path: Path, verify: bool) -> str:
    from corpora.encoding import TokenStream

    stream = TokenStream.open(path, verify=verify)
    return str((stream.fingerprint(), stream.n_raw, stream.skipped))


SMALL = {"min_count": 1, "epochs": 1, "window": 2, "negative": 2, "workers": 1, "sample": 0}


def context_encoder(version: int) -> Save:
    import conec

    # Not trained here: that takes compiled code, which takes seconds to load.
    name = "context_encoder_senses" if version == 1 else "context_encoder_map"
    model = conec.load(FOLDER / name)
    model.W1, model.W2 = version * model.W1, version * model.W2
    model.loss_history_ = [float(version)]
    return model.save


def extended_context_encoder(version: int) -> Save:
    import conec
    from conec.features import Affixes, Case

    model = conec.ExtendedContextEncoder(
        vector_size=3 + version, seed=version, features=[Case(), Affixes()], **SMALL
    )
    return model.fit(documents(version)).save


def load_context_encoder(path: Path, verify: bool) -> str:
    import conec

    return content(conec.load(path, verify=verify))


def tagger(version: int) -> Save:
    import conec
    from conec.ner import ContextFeatures, Tagger

    texts = documents(version)
    model = conec.ContextEncoder(vector_size=3 + version, seed=version, **SMALL).fit(texts)
    features = ContextFeatures(model, clusters=(2, 2 + version), sparse=True)
    return Tagger(features, window=0, affix=0, max_iterations=5).fit(texts, tags(version)).save


def load_tagger(path: Path, verify: bool) -> str:
    from conec.ner import Tagger

    return content(Tagger.load(path, verify=verify))


def similarity_encoder(version: int) -> Save:
    from simec import SimilarityEncoder

    X = np.random.default_rng(version).normal(size=(20, 3 + version))
    encoder = SimilarityEncoder(2, hidden_layers=(3,), max_iter=2, random_state=version, decoder=1)
    return encoder.fit(X, X @ X.T).save


def load_similarity_encoder(path: Path, verify: bool) -> str:
    from simec import SimilarityEncoder

    return content(SimilarityEncoder.load(path, verify=verify))


def link_predictor(version: int) -> Save:
    from simec.links import LinkPredictor

    people = [f"p{i}" for i in range(6 + version)]
    triples = [(a, "next", b) for a, b in zip(people, people[1:], strict=False)]
    features = np.eye(len(people))[:, :4] + 0.1
    predictor = LinkPredictor(
        n_components=4, hidden_layers=(3,), max_iter=2, batch_size=8, random_state=version
    )
    return predictor.fit(triples, features=features, entities=people).save


def load_link_predictor(path: Path, verify: bool) -> str:
    from simec.links import LinkPredictor

    return content(LinkPredictor.load(path, verify=verify))


def ratings(version: int) -> tuple[Any, Any, Any]:
    users, items = np.divmod(np.arange(8 * 6), 6)
    values = np.where((users + items) % 2 == 0, 5.0, 1.0)
    observed = np.random.default_rng(version).random(48) < 0.8
    observed[(items - users) % 6 < 2] = True
    return users[observed] + 100 * version, items[observed] + 1000, values[observed]


def recommender(version: int) -> Save:
    from simec.recommender import Recommender

    flags = np.stack([np.arange(6) % 2 == 0, np.arange(6) < 2 + version], 1).astype(float)
    model = Recommender(2, l2=0.1 * version)
    return model.fit(ratings(version), item_features=(np.arange(6) + 1000, flags)).save


def baseline_recommender(version: int) -> Save:
    from simec.recommender import ItemKNN

    return ItemKNN().fit(ratings(version)).save


def load_recommender(path: Path, verify: bool) -> str:
    from simec.recommender import BaseRecommender

    return content(BaseRecommender.load(path, verify=verify))


KINDS = {
    "token_stream": Kind(token_stream, load_token_stream),
    "context_encoder": Kind(context_encoder, load_context_encoder),
    "extended_context_encoder": Kind(extended_context_encoder, load_context_encoder),
    "tagger": Kind(tagger, load_tagger),
    "similarity_encoder": Kind(similarity_encoder, load_similarity_encoder),
    "link_predictor": Kind(link_predictor, load_link_predictor),
    "recommender": Kind(recommender, load_recommender),
    "baseline_recommender": Kind(baseline_recommender, load_recommender),
}
