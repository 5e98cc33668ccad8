"""Checks of what is read from a saved model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.array_file import read_places
from corpora.errors import ModelError
from corpora.files import is_desktop_file
from corpora.manifest import MANIFEST, parse_manifest
from corpora.model_folder import open_folder, write_folder
from corpora.saved_data import (
    check_saved_array,
    check_saved_object,
    checked_indptr,
    describe_error,
    parse_json,
    saved_numbers,
    saved_seed,
    saved_strings,
)
from tests.model_folders import reseal

KIND = "test.Model"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[NaN]", "numbers must be finite, got NaN"),
        (b'{"a": -Infinity}', "numbers must be finite"),
        (b"1e999", "numbers must be finite, got 1e999"),
        (b"[" + b"[]," * 500_000 + b"1]", "too many lists"),
        (b"9" * 10_000, "digits"),
        (b"\xff\xfe", "decode|Expecting"),
        (b"", "Expecting"),
    ],
)
def test_json_that_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        parse_json(content)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False,
                  allow_infinity=False), st.text()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8,
    )
)  # fmt: skip
@settings(max_examples=40)
def test_other_json_is_parsed_as_usual(data):
    assert parse_json(json.dumps(data).encode("utf-8", "surrogatepass")) == data


def test_long_lists_of_words_with_brackets_are_parsed():
    words = [f"[{i}]" for i in range(150_000)]
    assert parse_json(json.dumps(words).encode()) == words


@pytest.mark.parametrize(
    "value", [None, 1, "a", ["a"], [None], [True], ["1"], [1, None], {"a": 1}, [10**400]]
)
def test_numbers(value):
    with pytest.raises(ValueError, match="losses"):
        saved_numbers("losses", value)


def test_numbers_with_gaps():
    first, second = saved_numbers("losses", [1, None], nan=True)
    assert first == 1
    assert np.isnan(second)


@pytest.mark.parametrize("value", [None, "ab", ["a", 1], {"a": "b"}, ["a", None]])
def test_strings(value):
    with pytest.raises(ValueError, match="names must"):
        saved_strings("names", value)
    with pytest.raises(ValueError, match="names must have 3 entries, got 2"):
        saved_strings("names", ["a", "b"], 3)


def test_objects_and_seeds():
    with pytest.raises(ValueError, match="config must be an object"):
        check_saved_object("config", [])
    with pytest.raises(ValueError, match="'b' is missing in config"):
        check_saved_object("config", {"a": 1}, ("a", "b"))
    assert saved_seed(None) is None
    for bad in (-1, 2**32, "1", True, 1.5, [1]):
        with pytest.raises(ValueError, match="random_state"):
            saved_seed(bad)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 2)), np.zeros((2, 3), np.float32), np.zeros(3, np.float32),
        np.zeros((3, 2), np.int32), np.zeros((3, 2), bool), np.full((3, 2), np.nan, np.float32),
        np.full((3, 2), np.inf, np.float32), np.zeros((3, 2, 1), np.float32),
    ],
)  # fmt: skip
def test_arrays(array):
    with pytest.raises(ValueError, match="W"):
        check_saved_array("W", {"W": array}, "float32", (3, 2))
    with pytest.raises(ValueError, match="the array V is missing"):
        check_saved_array("V", {"W": array}, "float32", (3, 2))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), st.integers(0, 5))
@settings(max_examples=60)
def test_row_pointers_rise_from_zero_to_the_size(values, size):
    indptr = np.array(values, np.int64)
    valid = len(values) > 0 and values == sorted(values) and values[0] == 0 and values[-1] == size
    if valid:
        checked_indptr("indptr", indptr, len(values) - 1, size)
    else:
        with pytest.raises(ValueError, match="indptr must"):
            checked_indptr("indptr", indptr, len(values) - 1, size)


def test_missing_keys_are_named():
    assert describe_error(KeyError("a")) == "'a' is missing"


# Headers that claim more than the file has


_REFUSED = "not valid|follow one another|bytes, expected"


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
        {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [0, 2**40], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [1] * 100, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]},
        {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    ],
)
def test_headers_are_compared_with_the_file(tmp_path, entry):
    header = json.dumps({"a": entry}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with open(path, "rb") as file, pytest.raises(ValueError, match=_REFUSED):
        read_places(file, path.stat().st_size)


def saved(folder, **arrays):
    with write_folder(folder, KIND, 3) as writer:
        writer.write_json("a.json", {"a": 1})
        writer.write_arrays("w.safetensors", arrays)
    return folder


def test_booleans_other_than_0_and_1(tmp_path):
    folder = saved(tmp_path / "m", mask=np.array([True, False, True]))
    path = folder / "w.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    reseal(folder)
    with open_folder(folder, KIND, 3) as reader, pytest.raises(ModelError, match="mask has bool"):
        reader.read_arrays("w.safetensors")


def test_errors_in_a_block_name_the_file(tmp_path):
    folder = saved(tmp_path / "m", a=np.zeros(2))
    with open_folder(folder, KIND, 3) as reader:
        for error in (KeyError("a"), OverflowError("b"), RecursionError(), RuntimeError("c")):
            with (
                pytest.raises(ModelError, match=r"m/a\.json is damaged"),
                reader.checking("a.json"),
            ):
                raise error
        assert len(str(reader.damaged("x" * 10_000))) < 600 + len(str(folder))
        with pytest.raises(ModelError, match="it has 9 bytes, expected at most 2"):
            reader.read_json("a.json", limit=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "nested too deeply"), (b"null", "does not name a kind"),
        (b'{"kind": "test.Model", "format_version": true}', "does not name a kind"),
        (b" " * (1 << 25), "manifest.json has 33554432 bytes, more than"),
    ],
)  # fmt: skip
def test_manifests(tmp_path, content, message):
    folder = saved(tmp_path / "m", a=np.zeros(2))
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError, match=message), open_folder(folder, KIND, 3):
        pass


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300, "../a", "/a", "a//b", "C:a", "a\\b"])
def test_names_of_files_in_manifests(name):
    from corpora.manifest import is_inside

    assert not is_inside(name)


def test_a_manifest_that_is_nested_almost_too_deeply():
    for depth in range(100, 1100, 100):
        nested: object = 1
        for _ in range(depth):
            nested = [nested]
        content = b'{"kind": "a", "format_version": 3, "files": {}, "x": '
        content += b"[" * depth + b"]" * depth + b"}"
        try:
            assert parse_manifest(content).files is None
        except ValueError as error:
            assert "nested" in str(error)  # noqa: PT017


# Files of the operating system


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._weights", "Icon\r"])
@pytest.mark.parametrize("exchange", [True, False])
def test_files_of_the_desktop_stay_in_a_folder_that_is_replaced(
    tmp_path, monkeypatch, name, exchange
):
    if not exchange:
        monkeypatch.setattr("corpora.files.exchange", lambda *_: False)
    folder = saved(tmp_path / "m", a=np.zeros(2))
    (folder / name).write_text("kept")
    saved(folder, a=np.ones(3))
    assert (folder / name).read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    with open_folder(folder, KIND, 3) as reader:
        assert reader.names == {"a.json", "w.safetensors"}
        assert len(reader.read_arrays("w.safetensors")["a"]) == 3


def test_a_folder_with_nothing_else_is_empty(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / ".DS_Store").write_text("kept")
    saved(folder, a=np.zeros(2))
    assert (folder / ".DS_Store").read_text() == "kept"


@pytest.mark.parametrize("name", [".hidden", "notes.txt", "._", "DS_Store", ".git"])
def test_other_files_still_prevent_a_save(tmp_path, name):
    assert not is_desktop_file(name)
    folder = saved(tmp_path / "m", a=np.zeros(2))
    (folder / name).write_text("mine")
    with pytest.raises(FileExistsError, match="holds other files"):
        saved(folder, a=np.ones(3))
    assert (folder / name).read_text() == "mine"
