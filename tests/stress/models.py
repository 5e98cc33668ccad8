"""Change saved models, seal their manifests again, load and use them.

``python -m tests.stress.models --inputs 20000`` changes values of JSON files and arrays (types,
ranges, shapes, headers) of models of every kind and format, and of checkpoints. Each must be
refused by a ModelError that names the folder, or be loaded, used and saved without an error.
It prints a row for each model, and exits with status 1 if there was

other
    another error, from loading or from using the model
crash
    a process that ended by a signal
hang
    an input that took longer than 10 s
memory
    an input that needed more than 1 GB
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import itertools
import json
import math
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from corpora.errors import ModelError
from corpora.manifest import MANIFEST, to_json
from tests.golden import EXPECTED
from tests.golden import FOLDER as GOLDEN
from tests.model_folders import reseal
from tests.stress.kinds import KINDS, SMALL, Save, documents
from tests.stress.table import Table

FAILURES = ("other", "crash", "hang", "memory")
SECONDS = 10
MEMORY = 1 << 30

# Changes of JSON

DEEP: list[Any] = []
for _ in range(400):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    None, True, False, "", "x", "auto", "1", "\ud800", "a\0b", "word" * 20000,
    0, 1, 2, 3, 5, 7, 100, -1, -2, 2**16, 2**31 - 1, 2**31, 10**9, 2**53, 2**63 - 1, 2**63, 10**30,
    10**400, -(2**63), 0.5, -0.5, 1e-320, 1e30, 1e308, -1e308, math.nan, math.inf, -math.inf,
    [], {}, [[]], [1], [1, 2], [0.5], ["a"], [None], ["a", 1], [10**9], [10**9, 10**9], [1e308],
    [math.nan], {"a": 1}, {"": None}, {"array": "x"}, {"list": []}, {"encoder": "x"},
    {"encoder": "../x"}, {"custom": "x"}, {"ids": [], "what": "user"}, DEEP,
)  # fmt: skip


def places(data: Any) -> list[tuple[Any, Any]]:
    """Pairs of a container and a key; few of each long list."""
    found: list[tuple[Any, Any]] = []
    stack = [data] if isinstance(data, (dict, list)) else []
    while stack:
        part = stack.pop()
        keys = list(part) if isinstance(part, dict) else [*range(len(part))]
        if len(keys) > 40:
            keys = [*keys[:2], *keys[-2:]]
        for key in keys:
            found.append((part, key))
            if isinstance(part[key], (dict, list)):
                stack.append(part[key])
    return found


def near(value: Any, rng: random.Random) -> Any:
    """A value that is close to another one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        number = float(value) if abs(value) < 1e308 else 0.5
        same: list[Any] = [number, str(value), [value]]
        return rng.choice([value + 1, value - 1, -value, value * 2, *same])
    if isinstance(value, str):
        return rng.choice([value + "s", value.upper(), value[1:], [value], {value: value}])
    if isinstance(value, list):
        cut = rng.randrange(len(value) + 1)
        other = copy.deepcopy(value)
        rng.shuffle(other)
        return rng.choice([
            value[:cut], value + value, value + value[-1:], [*value, None], [value], other,
            value[::-1], dict(enumerate(map(str, value[:9]))), [*value[:cut], 1, *value[cut:]],
        ])  # fmt: skip
    if isinstance(value, dict):
        return rng.choice([list(value), list(value.values()), {**value, "more": 1}, {}])
    return rng.choice([0, 1, "", []])


def change_data(data: Any, rng: random.Random, others: list[Any]) -> Any:
    """Change one value, add or remove one."""
    found = places(data) if isinstance(data, (dict, list)) else []
    if not found or rng.random() < 0.02:
        return rng.choice(VALUES)
    part, key = rng.choice(found)
    how = rng.random()
    if how < 0.5:
        part[key] = copy.deepcopy(rng.choice(VALUES))
    elif how < 0.8:
        part[key] = near(part[key], rng)
    elif how < 0.85:
        part[key] = copy.deepcopy(rng.choice(others))
    elif how < 0.95:
        del part[key]
    elif isinstance(part, dict):
        part[str(rng.choice([key + "_", "x", "class", "format_version"]))] = rng.choice(VALUES)
    else:
        part.insert(key, copy.deepcopy(rng.choice(VALUES)))
    return data


def write_json(path: Path, data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False)
    path.write_bytes(text.encode("utf-8", "surrogatepass" if len(text) % 2 else "backslashreplace"))


def change_json(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    if rng.random() < 0.1:
        path.write_bytes(change_bytes(content, rng))
        return
    try:
        data = json.loads(content)
        others = [part[key] for part, key in places(data)] if data else [0]
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            data = change_data(data, rng, others or [0])
        write_json(path, data)
    except (ValueError, RecursionError):  # changed before
        path.write_bytes(change_bytes(content, rng))


def change_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, insert or repeat bytes; or something else altogether."""
    how, data = rng.random(), bytearray(content)
    at = rng.randrange(len(data) + 1)
    if how < 0.3 and data:
        for _ in range(rng.choice([1, 1, 2, 8])):
            bit = rng.randrange(8 * len(data))
            data[bit // 8] ^= 1 << bit % 8
    elif how < 0.5:
        del data[at:]
    elif how < 0.65:
        data[at:at] = rng.randbytes(rng.choice([1, 2, 8, 64]))
    elif how < 0.75:
        del data[at : at + rng.choice([1, 4, 8])]
    elif how < 0.8:
        data = bytearray(b"")
    elif how < 0.9:
        data[at:at] = rng.choice([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"1e999999"])
    else:
        others = [b"[" * 200_000, b"null", b"{}", b"[]", b"0", b'"x"', b"\xff\xfe", b"[[]," * 10**6]
        data = bytearray(rng.choice(others))
    return bytes(data)


# Changes of arrays

TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4",
    "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(code): name for name, code in TYPES.items()}


def read_arrays(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = content[8 + length + begin : 8 + length + end]
        arrays[name] = np.frombuffer(data, TYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
    return arrays


def write_arrays(path: Path, arrays: dict[str, Any], rng: random.Random | None = None) -> None:
    header: dict[str, Any] = {}
    parts, end = [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        entry = {"dtype": NAMES[array.dtype], "shape": list(array.shape),
                 "data_offsets": [end, end + len(data)]}  # fmt: skip
        header[name], end = entry, end + len(data)
        parts.append(data)
    if rng is not None and rng.random() < 0.1:
        header = change_data(header, rng, list(VALUES))
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    length = len(text)
    if rng is not None and rng.random() < 0.02:
        length = rng.choice([0, 1, length - 1, length + 1, 2**32, 2**62, 2**64 - 1])
    path.write_bytes(length.to_bytes(8, "little") + text + b"".join(parts))


def change_values(array: Any, rng: random.Random) -> Any:
    """Change some values of an array."""
    array = array.copy()
    flat = array.reshape(-1)
    if not flat.size:
        return array
    kind = array.dtype.kind
    values: list[Any] = [0, 1, 2, 3, 7, 100]
    if kind in "iu":
        largest = int(flat.max())
        lowest, highest = int(np.iinfo(array.dtype).min), int(np.iinfo(array.dtype).max)
        values += [lowest, highest, largest, largest + 1, -1, -2]
        values = [value for value in values if lowest <= value <= highest]
    elif kind == "f":
        largest = float(np.finfo(array.dtype).max)
        values += [math.nan, math.inf, -math.inf, largest, -largest, 1e-40, -1, -0.0, 0.5]
    how = rng.random()
    with np.errstate(over="ignore"):
        if how < 0.6:
            for _ in range(rng.choice([1, 1, 2, 5])):
                value = np.asarray(rng.choice(values)).astype(array.dtype)
                flat[rng.choice([0, -1, rng.randrange(flat.size)])] = value
        elif how < 0.75:
            flat[:] = np.asarray(rng.choice(values)).astype(array.dtype)
        elif how < 0.85:
            np.random.default_rng(rng.randrange(1 << 30)).shuffle(flat)
        elif how < 0.9:
            flat.sort()
        elif how < 0.95:
            flat[:] = flat[::-1].copy()
        else:
            flat[:] = (
                np.frombuffer(rng.randbytes(array.nbytes), np.uint8).view(
                    array.dtype if kind != "b" else np.uint8
                )[: flat.size]
                if kind != "b"
                else False
            )
    return array


def change_shape(array: Any, rng: random.Random) -> Any:
    """Change the shape or the type of an array."""
    rows = array if array.ndim else array.reshape(1)
    options: list[Callable[[], Any]] = [
        lambda: rows[:-1], lambda: rows[1:], lambda: np.concatenate([rows, rows[-1:]]),
        lambda: np.concatenate([rows, rows]), lambda: rows[:0], lambda: rows[None], lambda: rows.T,
        lambda: rows.reshape(-1), lambda: rows.reshape(-1, 1), lambda: rows[..., :-1],
        lambda: rows.reshape(1, -1), lambda: np.asarray(rows.sum(dtype=rows.dtype)),
        lambda: rows[..., None], lambda: np.concatenate([rows, rows], -1),
        lambda: np.zeros((0, 2**31), rows.dtype), lambda: np.zeros((2**31, 0), rows.dtype),
    ]  # fmt: skip
    if rng.random() < 0.5:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return array.astype(TYPES[rng.choice(list(TYPES))])
    return rng.choice(options)()


def change_arrays(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    if rng.random() < 0.15:
        path.write_bytes(change_bytes(content, rng))
        return
    try:
        arrays = read_arrays(content)
    except Exception:  # changed before
        path.write_bytes(change_bytes(content, rng))
        return
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if not arrays:
            break
        name, how = rng.choice(list(arrays)), rng.random()
        if how < 0.5:
            arrays[name] = change_values(arrays[name], rng)
        elif how < 0.8:
            arrays[name] = change_shape(arrays[name], rng)
        elif how < 0.85:
            del arrays[name]
        elif how < 0.9:
            arrays[rng.choice([f"{name}2", "", "x", "W3"])] = arrays[name]
        else:
            other = rng.choice(list(arrays))
            arrays[name], arrays[other] = arrays[other], arrays[name]
    write_arrays(path, arrays, rng)


def change_numbers(path: Path, rng: random.Random) -> None:
    """Change a raw array: ``ids.int32`` or ``offsets.int64``."""
    content = path.read_bytes()
    dtype = np.dtype({".int32": "<i4", ".int64": "<i8"}[path.suffix])
    if rng.random() < 0.2 or len(content) % dtype.itemsize:
        path.write_bytes(change_bytes(content, rng))
        return
    array = np.frombuffer(content, dtype)
    array = change_values(array, rng) if rng.random() < 0.7 else change_shape(array, rng)
    path.write_bytes(np.ascontiguousarray(array, dtype).tobytes())


def change_content(path: Path, rng: random.Random) -> None:
    """Change the bytes of a file of another format."""
    path.write_bytes(change_bytes(path.read_bytes(), rng))


def change_manifest(path: Path, rng: random.Random) -> None:
    """Change a manifest, sealed again or not."""
    try:
        data = json.loads(path.read_bytes())
        data = change_data(data, rng, list(VALUES))
        if rng.random() < 0.7 and isinstance(data, dict):
            data.pop("generation", None)
            generation = hashlib.sha256(to_json(data)).hexdigest()
            path.write_bytes(to_json({"generation": generation, **data}, indent=1))
        else:
            write_json(path, data)
    except (ValueError, RecursionError):
        path.write_bytes(change_bytes(path.read_bytes(), rng))


CHANGES: dict[str, Callable[[Path, random.Random], None]] = {
    ".json": change_json, ".safetensors": change_arrays,
    ".int32": change_numbers, ".int64": change_numbers, ".crfsuite": change_content,
}  # fmt: skip


def change_folder(folder: Path, rng: random.Random) -> None:
    """Change one or two files of a model, and write manifests that agree."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in CHANGES]
    models = [path for path in files if path.name != MANIFEST]
    for _ in range(rng.choice([1, 1, 1, 2])):
        path = rng.choice(models)
        if rng.random() < 0.02:
            path.unlink(missing_ok=True)
        elif path.exists():
            CHANGES[path.suffix](path, rng)
    manifests = [path for path in files if path.name == MANIFEST]
    if manifests and rng.random() < 0.97:
        reseal(folder)
    if manifests and rng.random() < 0.1:
        change_manifest(rng.choice(manifests), rng)


# Use of the models


def check(*results: Any) -> None:
    """Raise ArithmeticError if a result has NaN; the harness allows it for enormous weights."""
    for result in results:
        array = result.toarray() if hasattr(result, "toarray") else np.asarray(result)
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ArithmeticError("the result has NaN")


def use_context_encoder(path: Path, rng: random.Random) -> None:
    import conec

    model = conec.load(path, verify=rng.random() < 0.5)
    words = model.vocabulary.words[:4]
    if words:
        text = [*words, "zorb", "", *words[:2]]
        has_features = isinstance(model, conec.ExtendedContextEncoder)
        tokens = [[(word, "NN", "I") for word in text if word]] if has_features else text
        can_embed = model.context_embeddings is not None
        check(model.embed(tokens, 0.5 if can_embed else 0))
        check(model.embed_word("zorb", [text]))
        check([score for _, score in model.wv.most_similar(words[0], topn=3)])
        if can_embed:
            vector = np.ones(model.config.vector_size)
            check([score for _, score in model.most_similar(vector, topn=3)])
        if model.sense_inventory is not None:
            for word in model.vocabulary.words[:20]:
                for sense in model.senses(word):
                    check(sense.embedding, sense.share)
            check(model.embed(tokens, 0.5, senses="hard"))
        model.vocabulary.noise(model.config.ns_exponent)
        check(model.vocabulary.keep_probability(model.config.sample))
    save(model, path, rng)


def save(model: Any, path: Path, rng: random.Random) -> None:
    if rng.random() < 0.3:
        model.save(path.parent / "again")
        type(model).load(path.parent / "again")
        model.save(path)


def use_tagger(path: Path, rng: random.Random) -> None:
    from conec.ner import Tagger

    tagger = Tagger.load(path, verify=rng.random() < 0.5)
    row = ("Rome", "NN", "I-NP")[: tagger.n_columns_]
    tagger.predict([[[row, ("old", *row[1:])]], [[("zorb", *row[1:])]]])
    save(tagger, path, rng)


def use_token_stream(path: Path, rng: random.Random) -> None:
    import conec
    from corpora.encoding import TokenStream

    stream = TokenStream.open(path, verify=rng.random() < 0.5)
    stream.fingerprint()
    model = conec.ContextEncoder(vector_size=2, window=2, min_count=1, workers=1)
    model.build_vocab_from_freq({"a": 3, "b": 2, "c": 1})
    try:
        stream = model.encode_corpus(stream)
    except ValueError:
        return  # says that ids are out of range
    check(model.global_contexts(stream))


def use_similarity_encoder(path: Path, rng: random.Random) -> None:
    from simec import SimilarityEncoder

    encoder = SimilarityEncoder.load(path, device="cpu" if rng.random() < 0.5 else None)
    n = encoder.layout_.n_features
    X = None if encoder.layout_.inputs == "identity" else np.ones((2, n), np.float32)
    check(encoder.transform(X))
    encoder.predict(X)
    if encoder.module_.decoder is not None:
        encoder.inverse_transform(encoder.transform(X))
    encoder.get_feature_names_out()
    save(encoder, path, rng)


def use_link_predictor(path: Path, rng: random.Random) -> None:
    from simec.links import LinkPredictor

    predictor = LinkPredictor.load(path, device="cpu" if rng.random() < 0.5 else None)
    # earlier versions accepted empty ids
    entities, relations = ([x for x in ids if x != ""]
                           for ids in (predictor.entities_, predictor.relations_))  # fmt: skip
    if entities and relations:
        triples = [(entities[0], relations[0], entities[-1])]
        check(predictor.score(triples), predictor.transform(entities[:2]))
        predictor.predict(entities[0], relations[0])
        predictor.predict_head(relations[-1], entities[-1])
        predictor.evaluate(triples)
    save(predictor, path, rng)


def use_recommender(path: Path, rng: random.Random) -> None:
    from simec.recommender import BaseRecommender

    recommender = BaseRecommender.load(path, device="cpu" if rng.random() < 0.5 else None)
    users = recommender.ratings_.users.values[:5].tolist()
    items = recommender.ratings_.items.values[:5].tolist()
    if users and items:
        n = min(len(users), len(items))
        check(recommender.predict(users[:n], items[:n]))
        check([score for _, score in recommender.recommend(users[0], 3)])
        recommender.recommend(users, 3, exclude_seen=False)
        with suppress(NotImplementedError):
            check([score for _, score in recommender.similar_items(items[0], 3)])
        new: Any = "new" if isinstance(items[0], str) else 10**6
        options: dict[str, Any] = {"unknown": "average"}
        if recommender.item_features_ is not None and recommender.item_features_.n_features < 1e6:
            X = np.ones((1, recommender.item_features_.n_features), np.float32)
            options["item_features"] = ([new], X)
        check(recommender.predict(users[:1], [new], **options))
        recommender.ratings_.triples()
    save(recommender, path, rng)


def resume_context_encoder(path: Path, rng: random.Random) -> None:
    import conec

    conec.load(path)
    model = conec.ContextEncoder(**SMALL)
    model.train(EXPECTED["checkpoint"]["docs"], resume_from=path)


def resume_similarity_encoder(path: Path, rng: random.Random) -> None:
    from simec import SimilarityEncoder

    X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    SimilarityEncoder(device="cpu").fit(X, X @ X.T, resume_from=path)


def resume_link_predictor(path: Path, rng: random.Random) -> None:
    from simec.links import LinkPredictor

    people = [f"p{i}" for i in range(7)]
    triples = [(a, "next", b) for a, b in zip(people, people[1:], strict=False)]
    LinkPredictor(device="cpu").fit(triples, resume_from=path)


USES: dict[str, Callable[[Path, random.Random], None]] = {
    "context_encoder": use_context_encoder, "extended": use_context_encoder,
    "checkpoint": resume_context_encoder, "tagger": use_tagger, "token_stream": use_token_stream,
    "similarity_encoder": use_similarity_encoder, "link_predictor": use_link_predictor,
    "recommender": use_recommender, "baseline": use_recommender,
    "resumed_similarity": resume_similarity_encoder, "resumed_link": resume_link_predictor,
}  # fmt: skip
# Errors of results that overflow, for weights beyond 1e8
OVERFLOWS = "overflow", "NaN", "too large", "too high"
# Errors that say which argument is missing or does not fit: of a model that refers to custom
# functions, or a checkpoint of another run.
ASKS = (
    "pass network=", "pass loss=", "pass it to load", "is a finished", "but not a checkpoint",
    "not a checkpoint", "not the one that", "resume_from", "differ", "was requested",
)  # fmt: skip


def interrupted(fit: Callable[..., Any], *data: Any, checkpoint: Path) -> None:
    """Train until the end of the second epoch, as if Ctrl-C was pressed."""
    epochs = itertools.count(1)

    def callback(*_: Any) -> None:
        if next(epochs) == 2:
            signal.raise_signal(signal.SIGINT)

    with suppress(KeyboardInterrupt):
        fit(*data, checkpoint=checkpoint, callbacks=callback)


def checkpoint_of_context_encoder(path: Path) -> None:
    import conec

    model = conec.ContextEncoder(vector_size=3, seed=1, **{**SMALL, "epochs": 3})
    interrupted(model.fit, documents(1), checkpoint=path)


def checkpoint_of_similarity_encoder(path: Path) -> None:
    from simec import SimilarityEncoder

    X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    encoder = SimilarityEncoder(
        2, hidden_layers=(3,), max_iter=3, random_state=1, early_stopping=True, device="cpu"
    )
    interrupted(encoder.fit, X, X @ X.T, checkpoint=path)


def checkpoint_of_link_predictor(path: Path) -> None:
    from simec.links import LinkPredictor

    people = [f"p{i}" for i in range(7)]
    triples = [(a, "next", b) for a, b in zip(people, people[1:], strict=False)]
    predictor = LinkPredictor(4, max_iter=3, batch_size=8, random_state=1, device="cpu")
    interrupted(predictor.fit, triples, checkpoint=path)


def in_present_format(name: str) -> Save:
    """Load a model that an earlier version wrote, and save it."""

    def save(path: Path) -> None:
        if name.startswith("context"):
            import conec

            conec.load(GOLDEN / name).save(path)
        else:
            from simec.recommender import BaseRecommender

            BaseRecommender.load(GOLDEN / name).save(path)

    return save


def sources() -> dict[str, Save]:
    """Functions that write models of all kinds, in earlier formats and in the present one."""
    found: dict[str, Save] = {}
    for name, kind in KINDS.items():
        found[f"{name}_new"] = lambda path, kind=kind: kind.make(1)(path)  # type: ignore[misc]
    for name in ("cold_start", "svd_ridge", "text_ids", "content_linear", "implicit"):
        found[f"recommender_{name}_new"] = in_present_format(f"recommender_{name}")
    found["context_encoder_map_new"] = in_present_format("context_encoder_map")
    found["checkpoint_new"] = checkpoint_of_context_encoder
    found["resumed_similarity"] = checkpoint_of_similarity_encoder
    found["resumed_link"] = checkpoint_of_link_predictor
    for path in GOLDEN.iterdir():
        if path.is_dir() and not path.name.startswith("__"):
            found[path.name] = lambda to, path=path: shutil.copytree(path, to)  # type: ignore[misc]
    return dict(sorted(found.items()))


def in_child(function: Callable[[], Any]) -> None:
    """Run a function in another process, so that this one starts no threads of PyTorch."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("models could not be made")


def has_enormous(folder: Path) -> bool:
    """Whether a model has finite numbers whose products overflow."""
    for path in folder.rglob("*.json"):
        if re.search(rb"[0-9]e\+?[0-9]{2}|[0-9]{10}", path.read_bytes()) and path.name != MANIFEST:
            return True
    for path in folder.rglob("*.safetensors"):
        with suppress(Exception):
            for array in read_arrays(path.read_bytes()).values():
                if array.dtype.kind == "f" and float(np.abs(array).max(initial=0)) > 1e8:
                    return True
    return False


# Processes


def try_input(source: Path, number: int, seed: int, folder: Path) -> tuple[str, str]:
    """Change a model and use it; return the outcome and its details."""
    name = source.name
    rng = random.Random(f"{seed} {name} {number}")
    place = folder / "model"
    for path in (place, folder / "again"):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(source, place)
    change_folder(place, rng)
    use = next(use for start, use in USES.items() if name.startswith(start))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            use(place, rng)
    except ModelError as error:
        if str(folder) not in str(error):
            return "other", f"does not name the folder: {error}"
        if "allocate" in str(error):
            return "memory", str(error)
        return "refused", str(error)
    except MemoryError:
        return "memory", traceback.format_exc()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        overflows = any(text in str(error) for text in OVERFLOWS)
        is_named = isinstance(error, (ArithmeticError, ValueError))
        if overflows and is_named and has_enormous(place):
            return "refused", str(error)
        if isinstance(error, ValueError) and any(text in str(error).lower() for text in ASKS):
            return "refused", str(error)
        return "other", traceback.format_exc()
    return "used", ""


def work(source: Path, numbers: range, seed: int, folder: Path, out: int) -> None:
    """Try inputs in this process, and report each to a pipe."""
    import torch

    torch.set_num_threads(1)
    use = next(use for start, use in USES.items() if source.name.startswith(start))
    shutil.copytree(source, folder / "model", dirs_exist_ok=True)
    try:  # loads all modules, before memory is limited
        use(folder / "model", random.Random(0))
    except Exception:
        traceback.print_exc()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        os.write(out, f"{number}\n".encode())
        what, detail = try_input(source, number, seed, folder)
        os.write(out, (json.dumps([number, what, detail[-2500:]]) + "\n").encode())


class Results:
    """Outcomes of the inputs of a model."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.messages: list[tuple[int, str, str]] = []
        self.refusals: Counter[str] = Counter()

    def add(self, number: int, what: str, detail: str) -> None:
        self.counts[what] += 1
        if what in FAILURES:
            self.messages.append((number, what, detail))
        elif what == "refused":
            self.refusals[detail] += 1


def run_source(source: Path, first: int, n: int, seed: int, folder: Path) -> Results:
    """Try the inputs of one model, in processes that are replaced after a crash or hang."""
    results, number, end = Results(), first, first + n
    while number < end:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receive)
            try:
                work(source, range(number, end), seed, folder, send)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(send)
        number = listen(receive, number, results)
        os.kill(child, signal.SIGKILL) if number < end else None
        os.waitpid(child, 0)
        os.close(receive)
    return results


def listen(receive: int, number: int, results: Results) -> int:
    """Take reports of a process until it ends or hangs; return the number of the next input."""
    rest, started, begun = b"", time.monotonic(), False
    while True:
        wait = SECONDS + (0 if begun else 60)
        ready, _, _ = select.select([receive], [], [], max(0.1, started + wait - time.monotonic()))
        if not ready:
            results.add(number, "hang", f"more than {SECONDS} s")
            return number + 1
        content = os.read(receive, 1 << 16)
        if not content:
            if begun:
                results.add(number, "crash", "the process ended")
                return number + 1
            return number
        *lines, rest = (rest + content).split(b"\n")
        for line in lines:
            report = json.loads(line)
            if isinstance(report, int):
                number, started, begun = report, time.monotonic(), True
            else:
                results.add(*report)
                number, begun = number + 1, False


def run(
    inputs: int,
    names: tuple[str, ...] = ("",),
    seed: int = 0,
    first: int = 0,
    report: Callable[[str, Results], None] = lambda *_: None,
) -> dict[str, Results]:
    """Try `inputs` changed models in total, and return the results by model."""
    results = {}
    chosen = {name: save for name, save in sources().items() if name.startswith(names)}
    with tempfile.TemporaryDirectory() as root:
        for name, save in chosen.items():
            source = Path(root, name)
            in_child(lambda save=save, source=source: save(source))  # type: ignore[misc]
            n = -(-inputs // len(chosen))
            results[name] = run_source(source, first, n, seed, Path(root, "place"))
            report(name, results[name])
    return results


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument(
        "--models", nargs="+", default=[""], metavar="NAME", help="beginnings of names"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--refusals", action="store_true", help="print the messages of errors")
    arguments = parser.parse_args()
    table = Table(("used", "refused", *FAILURES), indent=36, width=9)

    def report(name: str, result: Results) -> None:
        table.add(name, result.counts)
        shown = set()
        for number, what, detail in result.messages:
            kind = what, detail.strip().split("\n")[-1][:60]
            if kind not in shown and len(shown) < 12:
                print(f"    input {number}, {what}: {detail}", flush=True)
                shown.add(kind)
        if arguments.refusals:
            for message, n in result.refusals.most_common():
                print(f"    {n} {message[:300]}")

    results = run(
        arguments.inputs, tuple(arguments.models), arguments.seed, arguments.first, report
    )
    total = Counter[str]()
    for result in results.values():
        total += result.counts
    table.add("total", total)
    return int(any(total[name] for name in FAILURES))


if __name__ == "__main__":
    sys.exit(main())
