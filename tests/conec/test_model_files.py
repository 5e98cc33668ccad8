from __future__ import annotations

import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import conec
from conec import ModelError
from conec.contexts.mapping import MapConfig
from conec.features import Affixes, Case, CharNgrams, Shape
from conec.model import KIND
from conec.senses import SenseSettings
from corpora.model_folder import MANIFEST, FolderWriter, check_writable
from tests.model_folders import reseal

FILES = CONFIG, VOCABULARY, WEIGHTS = "config.json", "vocabulary.json", "weights.safetensors"


def make_model(n_words=6, size=4, seed=0):
    model = conec.ContextEncoder(vector_size=size, min_count=1, window=3, seed=seed)
    model.build_vocab_from_freq({f"w{i}": n_words - i for i in range(n_words)})
    rng = np.random.default_rng(seed)
    model.W1, model.W2, model.context_embeddings = rng.normal(size=(3, n_words, size)).astype("f4")
    model.loss_history_ = [3.5, 2.25]
    return model


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model"
    make_model().save(path)
    return path


def assert_same_model(one, other):
    assert one.config == other.config
    assert one.vocabulary.words == other.vocabulary.words
    np.testing.assert_array_equal(one.vocabulary.counts, other.vocabulary.counts)
    assert one.loss_history_ == other.loss_history_
    for name in ("W1", "W2", "context_embeddings"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype == np.float32
            assert a.shape == b.shape
            assert a.tobytes() == b.tobytes()


# Round trip


@pytest.mark.parametrize("with_contexts", [True, False])
def test_round_trip(tmp_path, with_contexts):
    model = make_model()
    if not with_contexts:
        model.context_embeddings = None
    model.W1[0] = [np.float32(1e-45), -0.0, np.finfo("f4").max, 1 / 3]
    model.save(tmp_path / "model")
    assert_same_model(conec.load(tmp_path / "model"), model)
    assert_same_model(conec.load(str(tmp_path / "model")), model)
    assert sorted(os.listdir(tmp_path)) == ["model"]


def test_an_untrained_model_without_words(tmp_path):
    conec.ContextEncoder(vector_size=7).save(tmp_path / "model")
    loaded = conec.load(tmp_path / "model")
    assert len(loaded) == 0
    assert loaded.W1.shape == (0, 7)
    assert loaded.config.vector_size == 7


@pytest.mark.parametrize(
    "word", ["日本", "a b", '"', "\\u0041", "\n", "é", "😀", "\ud83d", "\udc80x"]
)
def test_any_word_can_be_saved(tmp_path, word):
    model = conec.ContextEncoder(vector_size=2, min_count=1).build_vocab_from_freq({word: 3})
    model.save(tmp_path / "model")
    assert conec.load(tmp_path / "model").vocabulary.words == [word]
    (tmp_path / "model" / VOCABULARY).read_text(encoding="utf-8")  # is UTF-8


def test_weights_of_any_layout_and_type(tmp_path):
    model = make_model()
    expected = model.W1.copy()
    model.W1, model.W2 = np.asfortranarray(model.W1), model.W2.astype(np.float64)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(conec.load(tmp_path / "model").W1, expected)
    assert conec.load(tmp_path / "model").W2.dtype == np.float32


def test_the_weights_are_mapped_and_private(saved):
    before = (saved / WEIGHTS).read_bytes()
    loaded = conec.load(saved)
    for name in ("W1", "W2", "context_embeddings"):
        array = getattr(loaded, name)
        assert isinstance(array, np.memmap)
        array[:] = 0
    assert (saved / WEIGHTS).read_bytes() == before
    assert_same_model(conec.load(saved), make_model())


def test_a_mapped_model_can_be_saved_over_itself(saved):
    loaded = conec.load(saved)
    loaded.save(saved)
    assert_same_model(loaded, make_model())
    assert_same_model(conec.load(saved), make_model())


def test_safetensors_reads_the_same_bits(saved):
    arrays = safetensors.numpy.load_file(saved / WEIGHTS)
    model = make_model()
    assert set(arrays) == {"W1", "W2", "context_embeddings"}
    for name, array in arrays.items():
        assert array.tobytes() == getattr(model, name).tobytes()


def test_no_pickle(saved):
    assert sorted(os.listdir(saved)) == sorted([*FILES, MANIFEST])
    for name in (CONFIG, VOCABULARY, MANIFEST):
        json.loads((saved / name).read_text(encoding="utf-8"))
    data = (saved / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert {entry["dtype"] for key, entry in header.items() if key != "__metadata__"} == {"F32"}
    about = json.loads((saved / MANIFEST).read_text())
    assert about["kind"] == "conec.ContextEncoder"
    assert about["format_version"] == 3


def test_it_loads_where_pickle_is_forbidden(saved):
    code = (
        "import pickle, sys, conec\n"
        "def no(*a, **k): raise SystemExit('pickle!')\n"
        "pickle.load = pickle.loads = no\n"
        "assert len(conec.load(sys.argv[1])) == 6\n"
    )
    subprocess.run([sys.executable, "-c", code, str(saved)], check=True)


# Damage


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelError, match=f"it has no {re.escape(name)}"):
        conec.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file(saved, name):
    (saved / name).unlink()
    (saved / name).mkdir()
    with pytest.raises(ModelError):
        conec.load(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_anywhere(saved, name):
    whole = (saved / name).read_bytes()
    lengths = sorted({*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1})
    for length in lengths:
        (saved / name).write_bytes(whole[:length])
        with pytest.raises(ModelError):
            conec.load(saved)
        reseal(saved)
        # JSON that lacks its last line feed is complete
        if length < len(whole.rstrip()):
            with pytest.raises(ModelError):
                conec.load(saved)
        (saved / name).write_bytes(whole)
        reseal(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"null",
        b"[]",
        b"3",
        b"{}",
        b'{"W1": 3}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"\x80\x04K\x01.",
    ],
    ids=range(10),
)
def test_wrong_content(saved, name, content):
    if name == WEIGHTS:
        contents = [content, struct.pack("<Q", len(content)) + content]
    else:
        contents = [content]
    for one in contents:
        (saved / name).write_bytes(one)
        with pytest.raises(ModelError):
            conec.load(saved)
        reseal(saved)
        with pytest.raises(ModelError):
            conec.load(saved)


WRONG = [None, -1, 2.5, "x", "", [], [[]], {}, {"a": 1}, [1, "x"], [None], 10**30, 1e400, True]


def write_json(folder, name, data):
    (folder / name).write_text(json.dumps(data))
    reseal(folder)


def places(data, path=()):
    """Every place in a JSON object."""
    for key, value in data.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def replaced(data, path, value):
    data = json.loads(json.dumps(data))
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return data


@pytest.mark.slow
def test_any_value_of_the_configuration_may_be_wrong(saved):
    """It is refused, or it is a value that is in order: nothing else ever comes out."""
    about = json.loads((saved / CONFIG).read_text())
    about["training"] = {
        "epochs": 3,
        "start_alpha": 0.1,
        "end_alpha": 0.01,
        "fingerprint": 123,
        "run": 1,
        "epoch": 1,
        "next_chunk": 2,
        "losses": [1.0, 2.0],
        "positions": [3, 4],
    }
    write_json(saved, CONFIG, about)
    assert conec.load(saved).training_state is not None
    refused = 0
    for path in places(about):
        for value in WRONG:
            write_json(saved, CONFIG, replaced(about, path, value))
            try:
                model = conec.load(saved)
            except ModelError:
                refused += 1
                continue
            # what was taken is in order, so it can be written and read again
            model.save(saved.with_name("again"))
            again = conec.load(saved.with_name("again"))
            assert again.config == model.config
            assert again.training_state == model.training_state
            assert all(isinstance(loss, float) for loss in model.loss_history_)
        removed = replaced(about, path, None)
        at = removed
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
        write_json(saved, CONFIG, removed)
        try:
            conec.load(saved)
        except ModelError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("name", ["words", "counts"])
@pytest.mark.parametrize("value", WRONG)
def test_any_value_of_the_vocabulary_may_be_wrong(saved, name, value):
    data = json.loads((saved / VOCABULARY).read_text())
    for damaged in (
        {**data, name: value},
        {**data, name: [value] * 6},
        {**data, name: [*data[name][:5], value]},
    ):
        if name == "counts" and value is True:
            continue
        if name == "words" and damaged[name] in ([*data[name][:5], "x"], [*data[name][:5], ""]):
            continue
        write_json(saved, VOCABULARY, damaged)
        with pytest.raises(ModelError):
            conec.load(saved)


def header_of(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_weights(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    reseal(path.parent)


@pytest.mark.parametrize("key", ["dtype", "shape", "data_offsets"])
@pytest.mark.parametrize(
    "value",
    [*WRONG, [6], [4, 6], [-6, -4], [24.0, 1], [6, 4, 1], [0, 95], [96, 0], [1000, 1096], "F16"],
)
def test_any_value_of_the_header_may_be_wrong(saved, key, value):
    header, data = header_of(saved / WEIGHTS)
    header["W1"][key] = value
    write_weights(saved / WEIGHTS, header, data)
    with pytest.raises(ModelError):
        conec.load(saved)


@pytest.mark.parametrize("length", [0, 1, 2**63, 2**64 - 1, 10**6])
def test_a_wrong_length_of_the_header(saved, length):
    data = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(struct.pack("<Q", length) + data[8:])
    reseal(saved)
    with pytest.raises(ModelError, match="damaged"):
        conec.load(saved)


def test_weights_of_another_model(saved, tmp_path):
    for other in (make_model(n_words=5), make_model(size=3)):
        other.save(tmp_path / "other")
        shutil.copy(tmp_path / "other" / WEIGHTS, saved / WEIGHTS)
        reseal(saved)
        with pytest.raises(ModelError, match="damaged"):
            conec.load(saved)


def test_a_newer_version(saved):
    reseal(saved, version=5)
    with pytest.raises(ModelError, match=r"format version 5.*reads up to 4: update"):
        conec.load(saved)


def test_a_foreign_folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="is not a Context Encoder"):
        conec.load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"is not a Context Encoder: it has no manifest\.json"):
        conec.load(tmp_path / "empty")


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Context Encoder not found.*none"):
        conec.load(tmp_path / "none")


def test_a_file(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"abc")
    with pytest.raises(ModelError, match="it is a file, and should be a folder"):
        conec.load(tmp_path / "model.bin")


# Replacing


@pytest.mark.parametrize("stage", ["write_json", "write_arrays"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_an_error_while_saving_leaves_the_old_model(saved, monkeypatch, stage, error):
    def fail(*args, **kwargs):
        raise error("in the middle")

    monkeypatch.setattr(FolderWriter, stage, fail)
    with pytest.raises(error, match="in the middle"):
        make_model(seed=1).save(saved)
    assert os.listdir(saved.parent) == ["model"]
    assert_same_model(conec.load(saved), make_model())


def test_a_new_model_replaces_an_old_one(saved):
    make_model(n_words=3, seed=1).save(saved)
    assert_same_model(conec.load(saved), make_model(n_words=3, seed=1))
    assert os.listdir(saved.parent) == ["model"]


@pytest.mark.parametrize("name", ["notes.txt", "model.safetensors", "sub"])
@pytest.mark.parametrize("beside_a_model", [True, False])
def test_what_is_not_of_a_model_is_not_replaced(tmp_path, name, beside_a_model):
    path = tmp_path / "folder"
    if beside_a_model:
        make_model().save(path)
    else:
        path.mkdir()
    if name == "sub":
        (path / name).mkdir()
    else:
        (path / name).write_text("mine")
    for attempt in (make_model(seed=1).save, partial(check_writable, kind=KIND)):
        with pytest.raises(FileExistsError, match=f"holds .*{name}"):
            attempt(path)
    assert (path / name).exists()
    if beside_a_model:
        assert_same_model(conec.load(path), make_model())


def test_other_config_files_are_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / CONFIG).write_text("mine")
    with pytest.raises(FileExistsError):
        make_model().save(tmp_path / "folder")
    assert (tmp_path / "folder" / CONFIG).read_text() == "mine"


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "folder").mkdir()
    make_model().save(tmp_path / "folder")
    assert_same_model(conec.load(tmp_path / "folder"), make_model())


@pytest.mark.parametrize(
    "attempt", [lambda path: make_model().save(path), partial(check_writable, kind=KIND)]
)
def test_what_cannot_be_written(tmp_path, attempt):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        attempt(tmp_path / "file")
    with pytest.raises(OSError, match=r"does not exist|Not a directory|not a folder"):
        attempt(tmp_path / "file" / "model")
    with pytest.raises(FileNotFoundError):
        attempt(tmp_path / "none" / "model")
    assert (tmp_path / "file").read_text() == "mine"
    assert os.listdir(tmp_path) == ["file"]


def test_check_writable_changes_nothing(saved, tmp_path):
    check_writable(saved, KIND)
    assert_same_model(conec.load(saved), make_model())
    check_writable(tmp_path / "new", KIND)
    assert os.listdir(tmp_path) == ["model"]


def test_a_full_disk(saved, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(FolderWriter, "write_arrays", full)
    with pytest.raises(OSError, match=r"No space left.*unchanged") as info:
        make_model(seed=1).save(saved)
    assert info.value.errno == errno.ENOSPC
    assert info.value.filename == str(saved)
    assert_same_model(conec.load(saved), make_model())
    assert os.listdir(saved.parent) == ["model"]


LIMITED = """
import resource, signal, sys
import conec
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = conec.ContextEncoder(vector_size=100, min_count=1)
model.build_vocab_from_freq({str(i): 1 for i in range(int(sys.argv[2]))})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    model.save(sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
@pytest.mark.parametrize("n_words", [200, 20_000])
def test_files_that_may_not_grow(saved, n_words):
    """A real error of the system, in the weights or already in the vocabulary."""
    out = subprocess.run(
        [sys.executable, "-c", LIMITED, str(saved), str(n_words)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "File too large" in out
    assert "unchanged" in out
    assert_same_model(conec.load(saved), make_model())
    assert os.listdir(saved.parent) == ["model"]


def test_a_relative_path_and_a_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_model().save("model")
    Path("link").symlink_to("model")
    make_model(seed=1).save("link")
    assert Path("link").is_symlink()
    assert_same_model(conec.load("model"), make_model(seed=1))


def test_all_files_have_the_same_mode(tmp_path):
    conec.ContextEncoder(min_count=1, vector_size=4, epochs=1, sample=0).fit([["a", "b"]] * 5).save(
        tmp_path / "m"
    )
    assert len({file.stat().st_mode for file in (tmp_path / "m").iterdir()}) == 1


# Checksums, and what cannot be saved


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits_are_found(saved, name):
    content = (saved / name).read_bytes()
    for place in np.random.default_rng(0).integers(len(content), size=20).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        (saved / name).write_bytes(flipped)
        with pytest.raises(ModelError, match="damaged"):
            conec.load(saved, verify=True)
        if name != WEIGHTS:  # these are always verified
            with pytest.raises(ModelError, match="damaged"):
                conec.load(saved)
    (saved / name).write_bytes(content)
    assert_same_model(conec.load(saved, verify=True), make_model())


def test_a_model_that_is_replaced_all_the_time_is_never_mixed(tmp_path):
    models = [make_model(seed=seed, n_words=4 + seed) for seed in (0, 1)]
    models[0].save(tmp_path / "m")
    stop = threading.Event()

    def save():
        turn = 0
        while not stop.is_set():
            turn += 1
            models[turn % 2].save(tmp_path / "m")

    writer = threading.Thread(target=save)
    writer.start()
    try:
        for _ in range(150):
            loaded = conec.load(tmp_path / "m")
            assert_same_model(loaded, models[len(loaded) - 4])
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("words", [{1: 3, 2: 2}, {"a": 3, None: 2}, {("a", "b"): 1}, {b"a": 1}])
def test_words_that_are_not_strings_are_refused_before_training(words):
    model = conec.ContextEncoder(min_count=1)
    with pytest.raises(ValueError, match=r"words must be strings, got .*str\(\)"):
        model.build_vocab_from_freq(words)
    with pytest.raises(TypeError, match="words must be strings"):
        conec.Vocabulary(words, list(words.values()))


@pytest.mark.parametrize("name", ["W1", "W2", "context_embeddings"])
def test_weights_of_another_shape_are_refused_by_save(saved, name):
    model = make_model(seed=1)
    setattr(model, name, np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match=rf"{name} must have shape \(6, 4\).*got \(3, 4\)"):
        model.save(saved)
    assert_same_model(conec.load(saved), make_model())


def test_values_of_numpy_can_be_saved(tmp_path):
    model = conec.ContextEncoder(
        vector_size=np.int64(3), min_count=np.int32(1), sample=np.float32(0.5),
        init=np.str_("glorot"), cbow_mean=np.bool_(True),
    )  # fmt: skip
    model.build_vocab_from_freq({np.str_("a"): np.int64(3), "b": np.int32(2)})
    model.save(tmp_path / "m")
    loaded = conec.load(tmp_path / "m")
    assert loaded.config == model.config
    assert loaded.vocabulary.words == ["a", "b"]
    assert type(loaded.vocabulary.words[0]) is str
    extended = conec.ExtendedContextEncoder(
        [Affixes((np.int64(1),)), Shape(np.int32(2)), CharNgrams(2, np.int64(3)), Case(np.True_)],
        feature_dropout=np.float32(0.5), feature_min_count=np.int64(1), vector_size=3, min_count=1,
        epochs=1, sample=0,
    ).fit([["a", "b", "Ab"]] * 5)  # fmt: skip
    extended.build_senses([["a", "b", "Ab"]] * 5, SenseSettings(min_occurrences=np.int64(2)))
    extended.learn_map([["a", "b", "Ab"]] * 5, MapConfig(near=np.int64(2), ridge=np.float32(0.1)))
    extended.save(tmp_path / "e")
    assert conec.load(tmp_path / "e").features == extended.features


def test_another_kind_of_model_and_hidden_files_are_not_replaced(saved):
    (saved / ".git").mkdir()
    with pytest.raises(FileExistsError, match=r"\.git"):
        make_model(seed=1).save(saved)
    (saved / ".git").rmdir()
    reseal(saved, kind="simec.LinkPredictor")
    with pytest.raises(FileExistsError, match=r"simec\.LinkPredictor"):
        make_model(seed=1).save(saved)
    with pytest.raises(ModelError, match=r"is not a Context Encoder: .*simec\.LinkPredictor"):
        conec.load(saved)


def test_a_checkpoint_with_a_flipped_bit_is_not_resumed(tmp_path):
    text = [["a", "b", "c"]] * 50

    def stop(model):
        raise KeyboardInterrupt

    model = conec.ContextEncoder(vector_size=4, min_count=1, epochs=3, sample=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(text, checkpoint=tmp_path / "c", callbacks=stop)
    content = bytearray((tmp_path / "c" / WEIGHTS).read_bytes())
    content[-5] ^= 4
    (tmp_path / "c" / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        conec.ContextEncoder().train(text, resume_from=tmp_path / "c")


def test_queries_of_a_loaded_model_make_no_copy_of_its_weights(tmp_path):
    import tracemalloc

    from scipy import sparse

    n, d = 20_000, 64
    made = conec.ContextEncoder(vector_size=d, min_count=1)
    made.build_vocab_from_freq({f"w{i}": n - i for i in range(n)})
    made.W1 = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    made.W1[5] = 0
    made.context_embeddings = made.W1 + 1
    made.save(tmp_path / "m")
    model = conec.load(tmp_path / "m")
    text = ["w1", "w5", "zorb", "w700"]
    made.embed(text)  # imports modules
    tracemalloc.start()
    model.embed(text)
    model.embed_word("zorb", [text])
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 1 << 18  # the lengths of the rows; W1 has 5 MB
    assert peak < model.W1.nbytes // 2
    rows = np.array([3, 5, 700])
    np.testing.assert_array_equal(model.unit_rows(rows), model.normalized_W1[rows])
    np.testing.assert_allclose(model.centered_rows(rows), model.centered_W1[rows], atol=1e-6)
    matrix = sparse.random(4, n, 0.01, "csr", np.float32, random_state=0)
    before = matrix.copy()
    np.testing.assert_allclose(
        model.times_unit_rows(matrix), matrix @ model.normalized_W1, atol=1e-5
    )
    np.testing.assert_array_equal(matrix.data, before.data)
    for keyed in (model.wv, model.wv_context):
        assert np.shares_memory(keyed.vectors, model.W1) or np.shares_memory(
            keyed.vectors, model.context_embeddings
        )
