"""Models from elsewhere: values that no model has are refused before they are used.

Folders of the first formats have no checksums, so that only checks of values find these.
`tests.stress.models` changes models at random.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import conec
from corpora.errors import ModelError
from tests.golden import golden
from tests.model_folders import reseal
from tests.stress.models import read_arrays, write_arrays

pytest.importorskip("torch")

HUGE = 10**9
HAVE_DEFAULTS = ("parameters", "settings", "config", "training")
UNPICKLES = re.compile(r"torch\.load\(|pickle\.loads?\(|joblib\.load|allow_pickle=True")


def load(path: Path) -> Any:
    name = path.name
    if name.startswith(("context", "extended", "checkpoint")):
        return conec.load(path)
    if name.startswith("tagger"):
        from conec.ner import Tagger

        return Tagger.load(path)
    if name.startswith("similarity"):
        from simec import SimilarityEncoder

        return SimilarityEncoder.load(path, device="cpu")
    if name.startswith("link"):
        from simec.links import LinkPredictor

        return LinkPredictor.load(path, device="cpu")
    from simec.recommender import BaseRecommender

    return BaseRecommender.load(path, device="cpu")


def change(data: Any, keys: str, value: Any) -> Any:
    """Replace the entry of nested data that keys lead to."""
    *outer, last = keys.split("/")
    part = data
    for key in outer:
        part = part[int(key) if isinstance(part, list) else key]
    part[int(last) if isinstance(part, list) else last] = value
    return data


# model, file, entry, values
JSON: list[tuple[str, str, str, tuple[Any, ...]]] = [
    ("similarity_encoder_deep", "config.json", "parameters/n_components", (HUGE, 0, "2", None)),
    ("similarity_encoder_deep", "config.json", "parameters/hidden_layers",
     ([HUGE], [HUGE, HUGE], [1] * 100_000, 5, [0], ["3"])),
    ("similarity_encoder_deep", "config.json", "parameters/random_state", (-1, "x", 2**40)),
    ("similarity_encoder_deep", "config.json", "layout/n_features", (HUGE, -4, 4.5, None)),
    ("similarity_encoder_deep", "config.json", "layout/targets",
     ([HUGE], [HUGE, HUGE], [], [1, 2, 3], 6, None)),
    ("similarity_encoder_deep", "config.json", "layout/inputs", (None, "dense ", ["dense"])),
    ("similarity_encoder_deep", "config.json", "losses", (None, ["a"], [[1]], {"a": 1})),
    ("similarity_encoder_deep", "config.json", "n_iter", (None, -1, "3", [1])),
    ("similarity_encoder_deep", "config.json", "best_loss", ("a", [1], {})),
    ("similarity_encoder_deep", "config.json", "feature_names", (["a"], [1, 2, 3, 4], "abcd")),
    ("similarity_encoder_decoder", "config.json", "parameters/decoder", (-1, "a", None)),
    ("similarity_encoder_linear", "config.json", "parameters", (None, [], {"new": 1})),
    ("link_predictor_features", "config.json", "parameters/n_components", (HUGE, 2.5)),
    ("link_predictor_features", "config.json", "parameters/hidden_layers", ([HUGE], 3, None)),
    ("link_predictor_features", "config.json", "parameters/dropout", (1, -1, "0", 10**400)),
    ("link_predictor_features", "config.json", "n_features", (HUGE, 0, "4")),
    ("link_predictor_full", "config.json", "entities", ([], None, "abc", [1, "a"], [["a"]], {})),
    ("link_predictor_full", "config.json", "entities/0", ("p1", None, 1.5, {"a": 1})),
    ("link_predictor_full", "config.json", "n_trained", (0, HUGE, -1, None)),
    ("link_predictor_complex", "config.json", "validation", ("a", [None], {})),
    ("recommender_item_knn", "config.json", "learned", (None, [], {}, {"fit": 1}, {"__x__": 1})),
    ("recommender_item_knn", "config.json", "learned/ratings_", (None, 5, "a", [], {"list": []})),
    ("recommender_item_knn", "config.json", "learned/ratings_/users", (None, {"ids": ["a"]})),
    ("recommender_item_knn", "config.json", "learned/ratings_/users/what", (None, "item", 5)),
    ("recommender_item_knn", "config.json", "learned/ratings_/ratings/shape",
     ([8, HUGE], [HUGE, 6], [8], 5, [-8, 6], ["8", 6], [8, 2**62])),
    ("recommender_item_knn", "config.json", "learned/ratings_/ratings/csr", (None, "x", ["a"])),
    ("recommender_item_knn", "config.json", "learned/range_",
     (5, {"list": [1]}, {"list": ["a", "b"]}, {"list": [5, 1]}, {"list": 5})),
    ("recommender_item_knn", "config.json", "learned/item_features_", (5, False, "a")),
    ("recommender_item_knn", "config.json", "learned/biases_/mean", (None, "3", True, [1])),
    ("recommender_item_knn", "config.json", "learned/similarity_", (None, 1.0, {"array": "x"})),
    ("recommender_item_knn", "config.json", "class", (None, 5, [], "Ids", "as_ratings", "")),
    ("recommender_item_knn", "config.json", "parameters/shrinkage", (None, -1, "5", 10**400)),
    ("recommender_item_knn", "config.json", "parameters/shrinkage_users", (None, -1, "5")),
    ("recommender_cold_start", "config.json", "learned/map_", (None, 5, {"list": []})),
    ("recommender_cold_start", "config.json", "learned/item_features_/names", (["a"], 5, [1, 2])),
    ("recommender", "config.json", "learned/encoder_", (None, {"encoder": "../x"}, {"encoder": 5})),
    ("recommender", "config.json", "learned/embeds_users_", (None, 1, "yes", True)),
    ("recommender", "config.json", "learned/second_encoder_", (None, {"encoder": "encoder_"})),
    ("recommender", "config.json", "parameters/hidden_layers", (5, [-1], ["a"])),
    ("recommender", "config.json", "parameters/learning_rate", (0, "a", None)),
    ("context_encoder_senses", "config.json", "config/vector_size", (HUGE, 0, 3, "4", None, True)),
    ("context_encoder_senses", "config.json", "config/workers", (HUGE, 0)),
    ("context_encoder_senses", "config.json", "loss_history", (None, "ab", [[1]], [10**400])),
    ("context_encoder_senses", "config.json", "runs", (None, -1, "1", [])),
    ("context_encoder_senses", "config.json", "training", (5, [], {}, {"epochs": 1})),
    ("context_encoder_senses", "vocabulary.json", "words", ([], None, "abc", [1])),
    ("context_encoder_senses", "vocabulary.json", "words/0", (None, 5, "old", ["a"])),
    ("context_encoder_senses", "vocabulary.json", "counts/0", (-1, 2**63, 1.5, None, 2**63 - 1)),
    ("context_encoder_senses", "map.json", "near", (HUGE, 0, None, "5")),
    ("context_encoder_senses", "senses.json", "settings", (None, [], {"new": 1})),
    ("context_encoder_senses", "senses.json", "settings/window", (0, "5", None, HUGE)),
    ("extended_context_encoder", "features.json", "features", (None, 5, [5], [{"kind": "new"}])),
    ("extended_context_encoder", "features.json", "features/0", (None, {"kind": ["Case"]}, {})),
    ("extended_context_encoder", "features.json", "names", (None, [1], [])),
    ("extended_context_encoder", "features.json", "counts/0", (-1, None, 2**63)),
    ("extended_context_encoder", "features.json", "dropout", (None, 2, "a")),
    ("tagger_with_model", "tagger.json", "parameters", (None, [], {"new": 1})),
    ("tagger_with_model", "tagger.json", "parameters/window", (HUGE, -1, None)),
    ("tagger_with_model", "tagger.json", "n_columns", (0, HUGE, None)),
    ("tagger_with_model", "tagger.json", "features", (5, [], {})),
    ("tagger_with_model", "tagger.json", "features/clusters", (None, [HUGE, 1, 2, 3], "ab")),
    ("tagger_with_model", "tagger.json", "features/spaces", (None, ["x"], 5)),
    ("tagger_with_model", "words.json", "0", (None, 5, ["a"])),
    ("checkpoint", "config.json", "training/losses", (None, [None], [1, 2, 3], "a")),
    ("checkpoint", "config.json", "training/next_range", (HUGE, -1, None)),
    ("checkpoint", "config.json", "training/epoch", (HUGE, -1, None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "keys", "values"), JSON, ids=[f"{case[0]}-{case[2]}" for case in JSON]
)
def test_values_in_json(tmp_path, name, file, keys, values):
    folder = golden(name, tmp_path)
    load(folder)
    data = json.loads((folder / file).read_bytes())
    for value in values:
        (folder / file).write_text(json.dumps(change(copy.deepcopy(data), keys, value)))
        with pytest.raises(ModelError) as info:
            load(folder)
        assert str(folder) in str(info.value)
        assert "allocate" not in str(info.value)
        assert len(str(info.value)) < 1000
    outer, _, last = keys.rpartition("/")
    if not last.isdigit() and (
        not outer or outer.split("/")[-1] not in ("parameters", "settings", "config", "training")
    ):
        changed = copy.deepcopy(data)
        part = changed
        for key in outer.split("/") if outer else []:
            part = part[int(key) if isinstance(part, list) else key]
        if part.pop(last) is not None and last not in ("duplicates", "names", "near"):
            (folder / file).write_text(json.dumps(changed))
            with pytest.raises(ModelError, match="is damaged|is not a"):
                load(folder)


def entry(value: Any, at: Any = 0) -> Callable[[Any], Any]:
    def changed(array: Any) -> Any:
        array = array.copy()
        array[at] = value
        return array

    return changed


NAN, FEWER = entry(np.nan), lambda array: array[:-1]
ARRAYS: list[tuple[str, str, str, tuple[Callable[[Any], Any], ...]]] = [
    ("context_encoder_senses", "senses.safetensors", "starts",
     (entry(5), entry(-1, -1), FEWER, lambda a: a.astype(np.int32), lambda a: a[::-1])),
    ("context_encoder_senses", "senses.safetensors", "shares",
     (NAN, FEWER, entry(0), entry(-1), entry(7))),
    ("context_encoder_senses", "senses.safetensors", "examples",
     (entry(10**6), entry(-5), FEWER, lambda a: a[0])),
    ("context_encoder_senses", "senses.safetensors", "centres", (NAN, FEWER, lambda a: a[:, :-1])),
    ("context_encoder_senses", "map.safetensors", "weights",
     (NAN, FEWER, lambda a: a.astype(np.float64), lambda a: a > 0)),
    ("context_encoder_senses", "weights.safetensors", "W1",
     (FEWER, lambda a: a.astype(np.float16), lambda a: a.T, lambda a: a[None])),
    ("extended_context_encoder", "features.safetensors", "F1", (NAN, FEWER)),
    ("tagger_with_model", "groups.safetensors", "document.parents",
     (entry(10**6), entry(-1), FEWER, lambda a: a.astype(np.int64))),
    ("tagger_with_model", "groups.safetensors", "document.centres", (NAN, FEWER, lambda a: a[:0])),
    ("recommender_item_knn", "arrays.safetensors", "residuals_.indices",
     (entry(99), entry(-1), entry(2**31 - 1), FEWER, lambda a: np.zeros_like(a))),
    ("recommender_item_knn", "arrays.safetensors", "residuals_.indptr",
     (entry(1), entry(2**31 - 1, 3), entry(-9, 3), FEWER, lambda a: a[::-1])),
    ("recommender_item_knn", "arrays.safetensors", "residuals_.data",
     (NAN, FEWER, lambda a: a.astype(np.float16), lambda a: a > 0, lambda a: a.astype(np.int32))),
    ("recommender_item_knn", "arrays.safetensors", "ratings_.matrix.indices",
     (entry(99), lambda a: np.zeros_like(a), lambda a: a[::-1])),
    ("recommender_item_knn", "arrays.safetensors", "similarity_",
     (NAN, FEWER, lambda a: a.astype(np.float16), lambda a: a.astype(np.int64))),
    ("recommender_item_knn", "arrays.safetensors", "biases_.users",
     (NAN, FEWER, lambda a: a > 0, lambda a: a.astype(np.uint8))),
    ("recommender_cold_start", "arrays.safetensors", "map_.0", (NAN, FEWER)),
    ("recommender_svd_ridge", "arrays.safetensors", "item_map_.1", (NAN, FEWER)),
    ("recommender", "arrays.safetensors", "embedded_", (FEWER, lambda a: a.astype(np.int64))),
    ("similarity_encoder_deep", "weights.safetensors", "last.weight",
     (NAN, FEWER, lambda a: a.astype(np.float64), lambda a: a.T)),
    ("similarity_encoder_deep", "weights.safetensors", "encoder.0.bias",
     (NAN, FEWER, lambda a: a.astype(np.int32))),
    ("link_predictor_full", "weights.safetensors", "known",
     (entry(99), entry(-1), lambda a: a.astype(np.int64), lambda a: a[0],
      lambda a: np.concatenate([a, a]))),
    ("link_predictor_full", "weights.safetensors", "embeddings", (NAN, FEWER)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "key", "changes"), ARRAYS, ids=[f"{case[0]}-{case[2]}" for case in ARRAYS]
)
def test_values_in_arrays(tmp_path, name, file, key, changes):
    folder = golden(name, tmp_path)
    arrays = read_arrays((folder / file).read_bytes())
    if key not in arrays:  # a name of an earlier version
        key = {"embedded_": "first_known_", "similarity_": "similarities_"}.get(key, key)
    assert key in arrays, sorted(arrays)
    for function in changes:
        write_arrays(folder / file, {**arrays, key: function(arrays[key])})
        with pytest.raises(ModelError) as info:
            load(folder)
        assert str(folder) in str(info.value)
    del arrays[key]
    write_arrays(folder / file, arrays)
    with pytest.raises(ModelError):
        load(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("name", ["W1", "context_embeddings"])
def test_mapped_weights_are_checked_when_they_are_used(tmp_path, name, value):
    folder = golden("context_encoder_map", tmp_path)
    path = folder / "weights.safetensors"
    arrays = read_arrays(path.read_bytes())
    write_arrays(path, {**arrays, name: entry(value)(arrays[name])})
    model = conec.load(folder)
    first = model.vocabulary.words[0]
    vectors = "wv" if name == "W1" else "wv_context"
    for use in (lambda: getattr(model, vectors), lambda: model.embed([first, "zorb", first])):
        with pytest.raises(ModelError, match=r"weights\.safetensors is damaged: "):
            use()


def test_a_vocabulary_without_words_has_no_weights(tmp_path):
    folder = golden("context_encoder_map", tmp_path)
    (folder / "vocabulary.json").write_text('{"words": [], "counts": []}')
    with pytest.raises(ModelError, match="W1 must be an array of float32 of shape"):
        conec.load(folder)


@pytest.mark.parametrize("name", ["ids", "offsets"])
def test_token_streams(tmp_path, name):
    from corpora.encoding import TokenStream

    folder = golden("token_stream", tmp_path)
    model = conec.ContextEncoder(min_count=1, vector_size=2)
    model.build_vocab_from_freq({"a": 3, "b": 2, "c": 1})
    model.encode_corpus(TokenStream.open(folder))
    if name == "ids":
        path = folder / "ids.int32"
        for value, message in ((-2, "has the word id -2"), (99, "word ids up to 99")):
            entry(value)(np.fromfile(path, "<i4")).tofile(path)
            with pytest.raises(ValueError, match=message):
                model.encode_corpus(TokenStream.open(folder))
        return
    path = folder / "offsets.int64"
    offsets = np.fromfile(path, "<i8")
    for changed in (entry(-(2**62), 1)(offsets), entry(2**62, 1)(offsets), offsets[:-1]):
        changed.tofile(path)
        with pytest.raises(ModelError, match="offsets"):
            TokenStream.open(folder)


@pytest.mark.slow
def test_checkpoints(tmp_path):
    from simec import SimilarityEncoder
    from simec.links import LinkPredictor
    from tests.stress.models import checkpoint_of_link_predictor, checkpoint_of_similarity_encoder

    X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    people = [f"p{i}" for i in range(7)]
    triples = [(a, "next", b) for a, b in zip(people, people[1:], strict=False)]

    def resume_encoder(path: Path) -> None:
        SimilarityEncoder(device="cpu").fit(X, X @ X.T, resume_from=path)

    def resume_links(path: Path) -> None:
        LinkPredictor(device="cpu").fit(triples, resume_from=path)

    for make, resume, arrays in (
        (checkpoint_of_similarity_encoder, resume_encoder,
         ("current.last.weight", "generator.", "optimizer.0.exp_avg", "optimizer.0.step")),
        (checkpoint_of_link_predictor, resume_links,
         ("weights.encoder.weight", "random", "optimizer.0.sum", "optimizer.0.step", "mean.0")),
    ):  # fmt: skip
        path = tmp_path / make.__name__
        make(path)
        state = json.loads((path / "training.json").read_bytes())
        saved = read_arrays((path / "training.safetensors").read_bytes())
        for key in state:
            for value in (None, -1):
                if key == "relation" or (key, value) in (("best", None), ("best", -1)):
                    continue  # only fine-tuning reads the relation; no validation, no best score
                # another fingerprint is that of other data
                (path / "training.json").write_text(json.dumps({**state, key: value}))
                reseal(path)
                with pytest.raises(ValueError, match=r"damaged|data|checkpoint") as info:
                    resume(path)
                assert str(path) in str(info.value) or "resume_from" in str(info.value)
        (path / "training.json").write_text(json.dumps(state))
        for key in arrays:
            name = key if key in saved else key.rstrip(".")
            for function in (lambda a: a[None], lambda a: a > 0):
                changed = {**saved, name: function(saved[name])}
                write_arrays(path / "training.safetensors", changed)
                reseal(path)
                with pytest.raises(ModelError, match="is damaged"):
                    resume(path)
        write_arrays(path / "training.safetensors", saved)
        reseal(path)
        resume(path)


def test_nothing_is_unpickled(tmp_path):
    root = Path(__file__).parent.parent
    for package in ("corpora", "conec", "simec"):
        for path in (root / package).rglob("*.py"):
            if path.name == "ray_engine.py":  # messages of a cluster's nodes, as Ray's own
                continue
            text = path.read_text(encoding="utf-8")
            found = re.search(
                r"torch\.load\(|pickle\.loads?\(|joblib\.load|allow_pickle=True", text
            )
            assert found is None, (path, found)


@pytest.mark.parametrize("value", [np.finfo(float).max, 5e-324])
def test_the_largest_and_smallest_floats(tmp_path, value):
    folder = golden("recommender_residual_svd", tmp_path)
    path = folder / "arrays.safetensors"
    arrays = read_arrays(path.read_bytes())
    item_vectors = entry(value)(arrays["item_vectors_"])
    write_arrays(path, {**arrays, "item_vectors_": item_vectors})
    similar = load(folder).similar_items(1000, 3)
    assert all(abs(score) <= 1.001 for _, score in similar)
