"""The store of models: folders that are complete, checked, and replaced in one step."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from corpora import files, model_folder
from corpora.errors import ModelError
from corpora.model_folder import (
    MANIFEST,
    FolderReader,
    check_writable,
    open_folder,
    read_kind,
    verify_folder,
    write_folder,
)
from tests.model_folders import reseal

KIND = "test.Model"
ARRAYS = {
    "W1": np.arange(12, dtype=np.float32).reshape(4, 3),
    "ids": np.arange(5, dtype=np.int64),
    "mask": np.array([True, False, True]),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(2.5),
}


def save(path: Path, value: int = 1, kind: str = KIND, version: int = 3) -> None:
    with write_folder(path, kind, version) as folder:
        folder.write_json("config.json", {"value": value})
        folder.write_arrays("weights.safetensors", {"W": np.full((50, 4), value, np.float32)})
        np.full(10, value, "<i4").tofile(folder.file("ids.int32"))
        nested = folder.folder("model", "test.Nested", 1)
        nested.write_json("config.json", {"nested": value})


def load(path: Path, **options: Any) -> set[int]:
    """All values in a folder: more than one if it is a mixture."""
    with open_folder(path, KIND, 3, **options) as folder:
        weights = folder.map_arrays("weights.safetensors")["W"]
        ids = folder.map_file("ids.int32", "<i4", 10)
        return {
            folder.read_json("config.json")["value"],
            folder.folder("model").read_json("config.json")["nested"],
            *(int(w) for w in weights.ravel()),
            *ids.tolist(),
        }


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*")
            if p.is_file()}  # fmt: skip


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture(params=["exchange", "renames"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system that can exchange two names, and one that cannot."""
    if request.param == "renames":
        monkeypatch.setattr(files, "exchange", lambda *_: False)
    elif not files.exchange.__module__ or files._exchange_function() is None:
        pytest.skip("this system cannot exchange names")
    return str(request.param)


@pytest.mark.parametrize("links", [True, False])
def test_complete_files_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    source = tmp_path / "source"
    source.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    with write_folder(tmp_path / "m", KIND, 3) as folder:
        folder.add("part", source, digest)
    assert [check.problem for check in verify_folder(tmp_path / "m")] == [None]
    assert (tmp_path / "m" / "part").read_bytes() == b"content"
    assert source.exists() == links


class TestContent:
    def test_what_was_written_is_read(self, saved: Path) -> None:
        assert names(saved) == [
            "config.json", "ids.int32", MANIFEST, "model", "model/config.json",
            f"model/{MANIFEST}", "weights.safetensors",
        ]  # fmt: skip
        with open_folder(saved, KIND, 3) as folder:
            assert (folder.kind, folder.version, folder.path) == (KIND, 3, saved)
            assert folder.names == {"config.json", "ids.int32", "weights.safetensors"}
            assert folder.folders == {"model"}
            assert folder.folder("model").kind == "test.Nested"
        assert load(saved) == load(saved, verify=True) == {1}
        assert load(saved / ".." / "m") == {1}

    def test_the_same_content_gives_the_same_bytes(self, tmp_path: Path) -> None:
        for name in ("a", "b", "c"):
            save(tmp_path / name, 1 if name < "c" else 2)
        assert contents(tmp_path / "a") == contents(tmp_path / "b")
        assert contents(tmp_path / "a")[MANIFEST] != contents(tmp_path / "c")[MANIFEST]

    def test_arrays(self, tmp_path: Path) -> None:
        with write_folder(tmp_path / "m", KIND, 3) as folder:
            folder.write_arrays("a.safetensors", ARRAYS)
            folder.write_arrays("none.safetensors", {})
        with open_folder(tmp_path / "m", KIND, 3) as folder:
            read, mapped = folder.read_arrays("a.safetensors"), folder.map_arrays("a.safetensors")
            assert folder.read_arrays("none.safetensors") == {}
        library = safetensors.numpy.load_file(tmp_path / "m" / "a.safetensors")
        assert set(read) == set(mapped) == set(library) == set(ARRAYS)
        for name, array in ARRAYS.items():
            for got in (read[name], mapped[name], library[name]):
                np.testing.assert_array_equal(got, array)
                assert (got.dtype, got.shape) == (array.dtype, array.shape)
            assert array.size == 0 or read[name].ctypes.data % 64 == 0
            assert mapped[name].flags.aligned
            read[name][...] = 0
            mapped[name][...] = 0  # copy-on-write
        assert load_back(tmp_path / "m") == ARRAYS["ids"].tolist()
        assert mapped["ids"].ctypes.data % 64 == 0  # the first in the file

    def test_layouts_of_arrays(self, tmp_path: Path) -> None:
        layouts = {
            "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "reversed": np.arange(5)[::-1],
            "big": np.arange(3, dtype=">f4"),
        }
        with write_folder(tmp_path / "m", KIND, 3) as folder:
            folder.write_arrays("a", layouts)
        with open_folder(tmp_path / "m", KIND, 3) as folder:
            for name, array in folder.read_arrays("a").items():
                np.testing.assert_array_equal(array, layouts[name])

    @pytest.mark.parametrize("array", [np.array(["a"]), np.array([1j]), np.array([None])])
    def test_arrays_that_cannot_be_saved(self, saved: Path, array: Any) -> None:
        before = contents(saved)
        with (
            pytest.raises(TypeError, match=r"^bad is an array of .*cannot be saved"),
            write_folder(saved, KIND, 3) as folder,
        ):
            folder.write_arrays("a", {"bad": array})
        assert contents(saved) == before

    def test_earlier_files_of_safetensors(self, tmp_path: Path) -> None:
        save(tmp_path / "m")
        safetensors.numpy.save_file(
            ARRAYS, tmp_path / "m" / "weights.safetensors", {"made by": "the library"}
        )
        reseal(tmp_path / "m")
        with open_folder(tmp_path / "m", KIND, 3) as folder:
            for read in (folder.read_arrays, folder.map_arrays):
                for name, array in read("weights.safetensors").items():
                    np.testing.assert_array_equal(array, ARRAYS[name])


def load_back(path: Path) -> list[int]:
    with open_folder(path, KIND, 3, verify=True) as folder:
        return [int(i) for i in folder.read_arrays("a.safetensors")["ids"]]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20,
)  # fmt: skip
NUMBERS = arrays_of.arrays(
    st.sampled_from(["?", "u1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"]),
    arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


class TestJson:
    @pytest.mark.slow
    @given(JSON_VALUES)
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
        path = tmp_path_factory.mktemp("json") / "m"
        with write_folder(path, KIND, 3) as folder:
            folder.write_json("a.json", data)
        with open_folder(path, KIND, 3) as folder:
            assert folder.read_json("a.json") == data

    @pytest.mark.slow
    @given(st.dictionaries(st.text(st.characters(codec="utf-8")), NUMBERS, max_size=4))
    def test_arrays_round_trip(
        self, tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
    ) -> None:
        data.pop("__metadata__", None)
        path = tmp_path_factory.mktemp("arrays") / "m"
        with write_folder(path, KIND, 3) as folder:
            folder.write_arrays("a", data)
        library = safetensors.numpy.load_file(path / "a")
        with open_folder(path, KIND, 3) as folder:
            for arrays in (folder.read_arrays("a"), folder.map_arrays("a"), library):
                assert set(arrays) == set(data)
                for name, array in data.items():
                    assert arrays[name].dtype == array.dtype
                    assert arrays[name].tobytes() == array.tobytes()
                    assert arrays[name].shape == array.shape

    def test_values_of_numpy_and_others_are_converted(self) -> None:
        import torch

        data = {
            "a": np.float32(0.5), "b": np.int64(3), "c": np.arange(3), "d": (1, (2, "x")),
            "e": Path("a") / "b", "f": torch.device("cpu"), "g": np.bool_(True),
            "h": np.str_("word"), "i": np.array(["u", "v"]),
            "j": [np.float64(1), {"k": (np.int8(1),)}],
        }  # fmt: skip
        plain = model_folder.plain(data, "config.json")
        assert plain == {
            "a": 0.5, "b": 3, "c": [0, 1, 2], "d": [1, [2, "x"]], "e": os.path.join("a", "b"),
            "f": "cpu", "g": True, "h": "word", "i": ["u", "v"], "j": [1.0, {"k": [1]}],
        }  # fmt: skip
        assert json.loads(json.dumps(plain)) == plain

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"a": {"b": [1, float("nan")]}}, r"config\.json\.a\.b\[1\] is nan"),
            ({"a": np.array([np.inf])}, r"config\.json\.a\[0\] is inf"),
            ({"a": {1: 2}}, r"config\.json\.a has the key 1; keys must be strings"),
            ({"a": object()}, r"config\.json\.a is of type object"),
            ({"a": {1, 2}}, r"config\.json\.a is of type set"),
            ({"a": np.array([1j])}, r"config\.json\.a is an array of complex128"),
            ({"a": b"x"}, r"config\.json\.a is of type bytes"),
        ],
    )
    def test_values_that_cannot_be_saved(self, saved: Path, data: Any, message: str) -> None:
        before = contents(saved)
        with (
            pytest.raises((TypeError, ValueError), match=message),
            write_folder(saved, KIND, 3) as folder,
        ):
            folder.write_json("config.json", data)
        assert contents(saved) == before

    def test_half_of_a_surrogate_pair(self, tmp_path: Path) -> None:
        with write_folder(tmp_path / "m", KIND, 3) as folder:
            folder.write_json("a.json", ["caf\udce9", "é"])
        assert "é".encode() in (tmp_path / "m" / "a.json").read_bytes()
        with open_folder(tmp_path / "m", KIND, 3) as folder:
            assert folder.read_json("a.json") == ["caf\udce9", "é"]


class TestReplacement:
    def test_one_step(self, saved: Path, system: str) -> None:
        save(saved, 2)
        assert load(saved, verify=True) == {2}
        assert names(saved.parent)[0] == "m"
        assert os.listdir(saved.parent) == ["m"]

    def test_a_file_that_is_no_longer_written_goes(self, saved: Path, system: str) -> None:
        with write_folder(saved, KIND, 3) as folder:
            folder.write_json("config.json", {})
        assert names(saved) == ["config.json", MANIFEST]

    @pytest.mark.parametrize("entry", [
        "README.md", ".git/config", "runs/1/log", ".hidden", "model/notes.txt", "empty/",
        "model/empty/", ".tmp-12345678-m",
    ])  # fmt: skip
    def test_foreign_files_are_refused_and_named(
        self, saved: Path, system: str, entry: str
    ) -> None:
        path = saved / entry
        if entry.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("mine")
        before = contents(saved)
        first = (
            entry.split("/")[0] if not (saved / entry.split("/")[0] / MANIFEST).exists() else entry
        )
        for write in (save, lambda path: check_writable(path, KIND)):
            with pytest.raises(FileExistsError, match=f"other files as well .{first}") as caught:
                write(saved)
            assert caught.value.filename == str(saved)
        assert contents(saved) == before
        assert path.exists()
        assert os.listdir(saved.parent) == ["m"]

    def test_a_link_is_foreign(self, saved: Path) -> None:
        (saved / "link").symlink_to(saved.parent, target_is_directory=True)
        with pytest.raises(FileExistsError, match="link"):
            save(saved)
        assert (saved / "link").is_symlink()

    def test_another_kind_is_refused(self, saved: Path) -> None:
        for write in (
            lambda: save(saved, kind="test.Other"),
            lambda: check_writable(saved, "test.Other"),
        ):
            with pytest.raises(FileExistsError, match=r"another kind of model, test\.Model"):
                write()
        assert load(saved) == {1}

    def test_what_is_not_a_model_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "thesis.txt").write_text("mine")
        with pytest.raises(FileExistsError, match=r"is not a model and holds thesis\.txt"):
            save(tmp_path / "home")
        (tmp_path / "file").write_text("mine")
        with pytest.raises(NotADirectoryError):
            save(tmp_path / "file")
        with pytest.raises(FileNotFoundError, match="folder to write to does not exist"):
            save(tmp_path / "no" / "m")
        assert names(tmp_path) == ["file", "home", "home/thesis.txt"]
        (tmp_path / "empty").mkdir()
        save(tmp_path / "empty")
        assert load(tmp_path / "empty") == {1}

    def test_a_damaged_manifest_is_refused(self, saved: Path) -> None:
        (saved / MANIFEST).write_bytes(b"{}")
        with pytest.raises(FileExistsError, match=r"manifest\.json is damaged"):
            save(saved)

    def test_a_file_that_appears_while_a_model_is_saved_stays(
        self, saved: Path, system: str
    ) -> None:
        with (
            pytest.raises(FileExistsError, match=r"notes\.txt"),
            write_folder(saved, KIND, 3),
        ):
            (saved / "notes.txt").write_text("mine")
        (saved / "notes.txt").unlink()
        assert load(saved) == {1}

    def test_a_file_that_appears_at_the_last_moment_stays(
        self, saved: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = files.exchange
        calls = []

        def late(first: Path, second: Path) -> bool:
            calls.append(first)
            if len(calls) == 1:
                (second / "notes.txt").write_text("mine")
            return exchange(first, second)

        monkeypatch.setattr(files, "exchange", late)
        with pytest.raises(FileExistsError, match=r"notes\.txt"):
            save(saved, 2)
        assert (saved / "notes.txt").read_text() == "mine"
        assert os.listdir(saved.parent) == ["m"]

    @pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
    def test_the_old_one_stays_on_any_error(
        self, saved: Path, system: str, error: BaseException
    ) -> None:
        before = contents(saved)

        def fail() -> None:
            with write_folder(saved, KIND, 3) as folder:
                folder.write_json("config.json", {"value": 2})
                raise error

        with pytest.raises(type(error)):
            fail()
        assert contents(saved) == before
        assert os.listdir(saved.parent) == ["m"]

    def test_full_disk(self, saved: Path) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        with (
            mock.patch.object(files, "sync", side_effect=full),
            pytest.raises(
                OSError, match=r"No space left.*earlier content is unchanged.*m'"
            ) as caught,
        ):
            save(saved, 2)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(saved))
        assert load(saved) == {1}
        assert os.listdir(saved.parent) == ["m"]

    def test_errors_of_other_files_are_not_reworded(self, saved: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught, write_folder(saved, KIND, 3):
            (saved.parent / "input.txt").read_text()
        assert caught.value.filename == str(saved.parent / "input.txt")

    def test_modes_are_kept(self, saved: Path, system: str) -> None:
        (saved / "config.json").chmod(0o600)
        (saved / "ids.int32").chmod(0o640)
        (saved / MANIFEST).chmod(0o604)
        (saved / "model").chmod(0o710)
        saved.chmod(0o700)
        save(saved, 2)
        modes = {
            name: stat.S_IMODE((saved / name).stat().st_mode)
            for name in ("", "config.json", "ids.int32", MANIFEST, "model")
        }
        assert list(modes.values()) == [0o700, 0o600, 0o640, 0o604, 0o710]

    def test_new_files_follow_the_umask(self, tmp_path: Path) -> None:
        old = os.umask(0o027)
        try:
            save(tmp_path / "m")
        finally:
            os.umask(old)
        modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "m").rglob("*") if p.is_file()}
        assert modes == {0o640}
        assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o750

    def test_a_link_to_a_model_stays(self, saved: Path, tmp_path: Path, system: str) -> None:
        link = tmp_path / "latest"
        link.symlink_to(saved)
        save(link, 2)
        assert link.is_symlink()
        assert load(link) == load(saved) == {2}

    @pytest.mark.parametrize("name", ["a/b", "..", "", MANIFEST, "config.json", "model", "a\\b"])
    def test_names_of_files(self, tmp_path: Path, name: str) -> None:
        with write_folder(tmp_path / "m", KIND, 3) as folder:
            folder.write_json("config.json", {})
            folder.folder("model", "test.Nested", 1)
            with pytest.raises(ValueError, match="is not a valid name|is written twice"):
                folder.write_json(name, {})

    def test_files_that_are_not_announced(self, saved: Path) -> None:
        with (
            pytest.raises(RuntimeError, match="part-1"),
            write_folder(saved, KIND, 3) as folder,
        ):
            (folder.file("a").parent / "part-1").touch()
        assert load(saved) == {1}

    def test_check_writable_leaves_nothing(self, saved: Path, tmp_path: Path) -> None:
        before = contents(saved)
        check_writable(saved, KIND)
        check_writable(tmp_path / "new", KIND)
        assert contents(saved) == before
        assert os.listdir(tmp_path) == ["m"]


class TestDamage:
    @pytest.mark.slow
    @settings(max_examples=150)
    @given(st.data())
    def test_any_flipped_bit_is_a_model_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("flip") / "m"
        save(path)
        name = data.draw(st.sampled_from(sorted(contents(path))))
        content = bytearray((path / name).read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
        (path / name).write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load(path, verify=True)
        assert name in str(caught.value) or name == MANIFEST
        assert str(path) in str(caught.value)
        try:
            problems = {check.name for check in verify_folder(path) if check.problem}
        except ModelError:
            assert name == MANIFEST
        else:
            assert problems == {name}

    @pytest.mark.parametrize("name", ["config.json", "ids.int32", "weights.safetensors", MANIFEST,
                                      "model/config.json", f"model/{MANIFEST}"])  # fmt: skip
    def test_cut_missing_or_other_things(self, saved: Path, name: str) -> None:
        whole = (saved / name).read_bytes()
        for content in (whole[:-1], whole + b" ", b"", b"[" * 100_000, b"null", b"[]"):
            (saved / name).write_bytes(content)
            with pytest.raises(ModelError, match=name.split("/")[-1]):
                load(saved)
        (saved / name).unlink()
        with pytest.raises(ModelError, match=name.split("/")[-1]):
            load(saved)
        (saved / name).mkdir()
        with pytest.raises(ModelError, match=name.split("/")[-1]):
            load(saved)
        (saved / name).rmdir()
        os.mkfifo(saved / name)
        with pytest.raises(ModelError, match=name.split("/")[-1]):
            load(saved)

    def test_mapped_content_is_checked_on_request(self, saved: Path) -> None:
        content = bytearray((saved / "weights.safetensors").read_bytes())
        content[-1] ^= 1
        (saved / "weights.safetensors").write_bytes(content)
        with open_folder(saved, KIND, 3) as folder:
            folder.map_arrays("weights.safetensors")
            with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
                folder.read_arrays("weights.safetensors")
        content[-1] ^= 1
        content[content.index(b'"W"') + 1] ^= 1  # in the header, which is checked always
        (saved / "weights.safetensors").write_bytes(content)
        with open_folder(saved, KIND, 3) as folder:
            for read in (folder.map_arrays, folder.read_arrays):
                with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
                    read("weights.safetensors")
        with (
            pytest.raises(ModelError, match="changed after it was saved"),
            open_folder(saved, KIND, 3, verify=True),
        ):
            pytest.fail("not reached")

    @pytest.mark.parametrize(
        "header",
        [
            b"{", b"[]", b'{"W": 1}', b'{"W":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
            b'{"W":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}',
            b'{"W":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
            b'{"W":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
            b'{"W":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
            b'{"W":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}',
            b'{"A":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
            b'"B":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            b'{"W":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,399999999996]}}',
        ],
    )  # fmt: skip
    def test_headers_of_arrays(self, saved: Path, header: bytes) -> None:
        content = len(header).to_bytes(8, "little") + header + bytes(4)
        (saved / "weights.safetensors").write_bytes(content)
        reseal(saved)
        with open_folder(saved, KIND, 3) as folder:
            for read in (folder.read_arrays, folder.map_arrays):
                with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
                    read("weights.safetensors")

    def test_another_kind_or_version(self, saved: Path) -> None:
        with (
            pytest.raises(ModelError, match=r"not a link predictor: it holds a test\.Model"),
            open_folder(saved, "test.Other", 3, what="link predictor"),
        ):
            pytest.fail("not reached")
        with open_folder(saved, {"test.Other", KIND}, 3) as folder:
            assert folder.kind == KIND
        with (
            pytest.raises(ModelError, match=r"format version 3.*reads up to 2: update"),
            open_folder(saved, KIND, 2),
        ):
            pytest.fail("not reached")
        with open_folder(saved, KIND, 3) as folder:
            assert folder.folder("model", "test.Nested", 1).version == 1
            with pytest.raises(ModelError, match="damaged"):
                folder.folder("model", "test.Other", 1)
            with pytest.raises(ModelError, match="update"):
                folder.folder("model", "test.Nested", 0)
            with pytest.raises(ModelError, match="it has no nothing/"):
                folder.folder("nothing")
        manifest = json.loads((saved / MANIFEST).read_bytes())
        manifest |= {"format_version": 9, "future": {}}
        (saved / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(ModelError, match=r"format version 9.*update"):
            load(saved)

    def test_no_model(self, saved: Path, tmp_path: Path) -> None:
        with (
            pytest.raises(FileNotFoundError, match="Tagger not found") as caught,
            open_folder(tmp_path / "no", KIND, 3, what="tagger"),
        ):
            pytest.fail("not reached")
        assert caught.value.filename == str(tmp_path / "no")
        for path in (tmp_path, saved / "config.json"):
            with (
                pytest.raises(ModelError, match="is not an encoder"),
                open_folder(path, KIND, 3, what="encoder"),
            ):
                pytest.fail("not reached")
        assert read_kind(saved) == KIND
        assert read_kind(saved / "model") == "test.Nested"
        for path in (tmp_path, tmp_path / "no", saved / "config.json"):
            assert read_kind(path) is None
        with pytest.raises(FileNotFoundError):
            verify_folder(tmp_path / "no")
        with pytest.raises(ModelError, match="not a model"):
            verify_folder(tmp_path)

    def test_verify_folder(self, saved: Path) -> None:
        checks = verify_folder(saved)
        assert [check.name for check in checks] == sorted(
            name for name in contents(saved) if name != MANIFEST
        )
        assert all(check.problem is None and len(str(check.sha256)) == 64 for check in checks)
        (saved / "config.json").unlink()
        (saved / "ids.int32").write_bytes(b"")
        (saved / "model" / "config.json").unlink()
        (saved / "model" / "config.json").mkdir()
        problems = {check.name: check.problem for check in verify_folder(saved) if check.problem}
        assert problems["config.json"] == "missing"
        assert problems["ids.int32"] == "0 bytes, expected 40"
        assert "not a file" in str(problems["model/config.json"])


class TestEarlierFormats:
    """Folders of formats 1 and 2, without a manifest."""

    @pytest.fixture
    def encoder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "old"
        folder.mkdir()
        about = {"format": "conec.ContextEncoder", "format_version": 2}
        (folder / "config.json").write_text(json.dumps(about))
        safetensors.numpy.save_file({"W1": ARRAYS["W1"]}, folder / "weights.safetensors")
        return folder

    def test_read(self, encoder: Path) -> None:
        with open_folder(encoder, "conec.ContextEncoder", 3, verify=True) as folder:
            assert (folder.version, folder.names) == (2, {"config.json", "weights.safetensors"})
            np.testing.assert_array_equal(
                folder.map_arrays("weights.safetensors")["W1"], ARRAYS["W1"]
            )
            with pytest.raises(ModelError, match=r"no vocabulary\.json"):
                folder.read_json("vocabulary.json")
        assert read_kind(encoder) == "conec.ContextEncoder"
        assert [check.sha256 for check in verify_folder(encoder)] == [None, None]

    def test_nested(self, encoder: Path, tmp_path: Path) -> None:
        tagger = tmp_path / "tagger"
        tagger.mkdir()
        about = {"format": "conec.ner.Tagger", "format_version": 1}
        (tagger / "tagger.json").write_text(json.dumps(about))
        encoder.rename(tagger / "model")
        with open_folder(tagger, "conec.ner.Tagger", 3) as folder:
            inner = folder.folder("model", "conec.ContextEncoder", 3)
            assert inner.version == 2
            assert inner.read_json("config.json")["format_version"] == 2
        with write_folder(tagger, "conec.ner.Tagger", 3) as writer:
            writer.write_json("tagger.json", {})
        assert names(tagger) == [MANIFEST, "tagger.json"]

    def test_replaced_if_nothing_else_is_there(self, encoder: Path) -> None:
        (encoder / "notes.txt").touch()
        with pytest.raises(FileExistsError, match=r"notes\.txt"):
            check_writable(encoder, "conec.ContextEncoder")
        (encoder / "notes.txt").unlink()
        with pytest.raises(FileExistsError, match=r"conec\.ContextEncoder"):
            check_writable(encoder, "simec.SimilarityEncoder")
        with write_folder(encoder, "conec.ContextEncoder", 3) as folder:
            folder.write_json("config.json", {})
        assert names(encoder) == ["config.json", MANIFEST]

    @pytest.mark.parametrize("version", [0, -1, "1", None, True, 3, 1.0])
    def test_other_versions(self, encoder: Path, version: object) -> None:
        about = {"format": "conec.ContextEncoder", "format_version": version}
        (encoder / "config.json").write_text(json.dumps(about))
        with (
            pytest.raises(ModelError, match=r"it has no manifest\.json"),
            open_folder(encoder, "conec.ContextEncoder", 3),
        ):
            pytest.fail("not reached")

    def test_newer_version(self, encoder: Path) -> None:
        about = {"format": "conec.ContextEncoder", "format_version": 9}
        (encoder / "config.json").write_text(json.dumps(about))
        with (
            pytest.raises(ModelError, match="format version 9.*update"),
            open_folder(encoder, "conec.ContextEncoder", 3),
        ):
            pytest.fail("not reached")


# Kills, and readers during writes


def start(path: Path, exchanges: bool, value: int = 1) -> int:
    """Start a process that saves different models to one place until it is killed."""
    # an interrupt that came before the child's try block would make it go on with the tests
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return process
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        if not exchanges:
            files.exchange = lambda *_: False  # type: ignore[assignment]
        while True:
            save(path, value)
            value = 3 - value
    finally:
        os._exit(1)


def end(process: int, number: int = signal.SIGKILL) -> None:
    """Send a signal until the process has ended.

    Python drops an interrupt that arrives during, for example, a garbage collection.
    """
    for _ in range(100):
        os.kill(process, number)
        for _ in range(20):
            if os.waitpid(process, os.WNOHANG)[0]:
                return
            time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    pytest.fail(f"the process did not end on {signal.Signals(number).name}")


@pytest.mark.slow
def test_readers_beside_a_writer_never_get_a_mixture(saved: Path, system: str) -> None:
    process = start(saved, system == "exchange")
    try:
        values = set()
        stop = time.monotonic() + 1
        while time.monotonic() < stop:
            got = load(saved)
            assert len(got) == 1
            values |= got
    finally:
        end(process)
    assert values == {1, 2}


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(saved: Path, system: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        process = start(saved, system == "exchange")
        time.sleep(rng.uniform(0, 0.02))
        end(process)
        assert len(load(saved, verify=True)) == 1
    save(saved, 2)
    assert load(saved) == {2}
    assert os.listdir(saved.parent) == ["m"]


@pytest.mark.slow
def test_two_writers_take_turns(saved: Path, system: str) -> None:
    processes = [start(saved, system == "exchange", value) for value in (1, 2)]
    try:
        for _ in range(100):
            assert len(load(saved)) == 1
        assert all(os.waitpid(process, os.WNOHANG) == (0, 0) for process in processes)
    finally:
        for process in processes:
            end(process)
    save(saved)
    assert os.listdir(saved.parent) == ["m"]


@pytest.mark.parametrize("read", [load, lambda path: {read_kind(path)} and {1}])
def test_a_kill_between_two_renames(saved: Path, read: Callable[[Path], set[int]]) -> None:
    aside = saved.with_name(".old-12345678-m")
    saved.rename(aside)
    assert read(saved) == {1}
    assert os.listdir(saved.parent) == ["m"]
    saved.rename(aside)
    save(saved, 2)
    assert load(saved) == {2}
    assert os.listdir(saved.parent) == ["m"]


def test_leftovers(saved: Path, tmp_path: Path) -> None:
    half = tmp_path / ".tmp-00000001-m"
    half.mkdir()
    (half / "config.json").write_text("{")
    displaced = tmp_path / ".tmp-00000002-m"
    shutil.copytree(saved, displaced)
    mixed = tmp_path / ".old-00000003-m"
    shutil.copytree(saved, mixed)
    (mixed / "notes.txt").write_text("mine")
    others = [".tmp-00000001-n", ".tmp-0001-m", ".tmp-00000001-m.txt", "tmp-00000001-m"]
    for name in others:
        (tmp_path / name).mkdir()
    alive = tmp_path / ".tmp-00000004-m"
    alive.mkdir()
    descriptor = os.open(alive, os.O_RDONLY)
    assert files._lock(descriptor)
    save(saved)
    assert sorted(os.listdir(tmp_path)) == sorted(["m", *others, mixed.name, alive.name])
    assert (mixed / "notes.txt").read_text() == "mine"
    files._release(descriptor)
    save(saved)
    assert sorted(os.listdir(tmp_path)) == sorted(["m", *others, mixed.name])


def test_the_reader_is_one_of_its_moment(saved: Path) -> None:
    def read(folder: FolderReader) -> tuple[int, float]:
        weights = folder.map_arrays("weights.safetensors")["W"]
        return folder.read_json("config.json")["value"], float(weights[0, 0])

    with open_folder(saved, KIND, 3) as folder:
        save(saved, 2)
        assert read(folder) == (1, 1.0)
        weights = folder.map_arrays("weights.safetensors")["W"]
    save(saved, 3)
    assert weights[0, 0] == 1  # the mapped file lives on
    with open_folder(saved, KIND, 3) as folder:
        assert read(folder) == (3, 3.0)


def test_interrupted_saves_lose_nothing(saved: Path, system: str) -> None:
    for _ in range(3):
        process = start(saved, system == "exchange")
        time.sleep(0.02)
        end(process, signal.SIGINT)
        assert len(load(saved, verify=True)) == 1
    save(saved)  # removes what an interrupt of the cleanup itself may leave
    assert os.listdir(saved.parent) == ["m"]
