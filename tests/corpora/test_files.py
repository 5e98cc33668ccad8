"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from unittest import mock

import pytest

from corpora import files
from corpora.files import atomic_path, relative_files, replace_folder, temporary_folder

FULL = OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestPath:
    def test_new_and_replaced(self, tmp_path: Path) -> None:
        target = tmp_path / "words.txt.gz"
        for text in (b"one", b"two"):
            with atomic_path(target) as temporary:
                assert temporary.parent == tmp_path
                assert temporary.name.endswith("words.txt.gz")
                assert temporary != target
                temporary.write_bytes(gzip.compress(text))
            assert gzip.decompress(target.read_bytes()) == text
            assert names(tmp_path) == ["words.txt.gz"]

    @pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)])
    def test_the_old_one_stays_on_any_error(self, tmp_path: Path, error: BaseException) -> None:
        target = tmp_path / "a.txt"
        target.write_text("old")

        def write() -> None:
            with atomic_path(target) as temporary:
                temporary.write_text("half of the n")
                raise error

        with pytest.raises(type(error)):
            write()
        assert target.read_text() == "old"
        assert names(tmp_path) == ["a.txt"]

    def test_full_disk(self, tmp_path: Path) -> None:
        target = tmp_path / "a.txt"
        with (
            pytest.raises(OSError, match=r"No space left.*nothing was left there.*a\.txt"),
            atomic_path(target),
        ):
            raise FULL
        target.write_text("old")
        with (
            pytest.raises(OSError, match=r"earlier content is unchanged.*a\.txt") as caught,
            atomic_path(target),
        ):
            raise FULL
        assert caught.value.errno == errno.ENOSPC
        assert names(tmp_path) == ["a.txt"]

    def test_errors_of_other_files_are_not_reworded(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "a.txt"):
            (tmp_path / "input.txt").read_text()
        assert caught.value.filename == str(tmp_path / "input.txt")

    def test_places_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        with (
            pytest.raises(FileNotFoundError, match="folder to write to does not exist"),
            atomic_path(tmp_path / "no" / "a.txt"),
        ):
            pytest.fail("not reached")
        with (
            pytest.raises(IsADirectoryError, match="This is a folder, not a file"),
            atomic_path(tmp_path),
        ):
            pytest.fail("not reached")
        for uri in ("s3://bucket/a", Path("s3://bucket/a")):  # one slash is left in a Path
            with pytest.raises(ValueError, match="only to local paths"), atomic_path(uri):
                pytest.fail("not reached")
        with (
            mock.patch("os.access", return_value=False),
            pytest.raises(PermissionError, match="cannot be written to"),
            atomic_path(tmp_path / "a.txt"),
        ):
            pytest.fail("not reached")
        assert names(tmp_path) == []

    def test_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        link = tmp_path / "link.txt"
        link.symlink_to(tmp_path / "real" / "a.txt")
        with atomic_path(link) as temporary:
            temporary.write_text("new")
        assert link.is_symlink()
        assert (tmp_path / "real" / "a.txt").read_text() == "new"

    def test_modes(self, tmp_path: Path) -> None:
        target = tmp_path / "a.txt"
        old = os.umask(0o022)
        try:
            with atomic_path(target) as temporary:
                temporary.write_text("new")
            assert target.stat().st_mode & 0o777 == 0o644
            for mode in (0o600, 0o664, 0o200):
                target.chmod(mode)
                with atomic_path(target) as temporary:
                    temporary.write_text("newer")
                    assert temporary.stat().st_mode & 0o077 & ~mode == 0
                assert target.stat().st_mode & 0o777 == mode
        finally:
            os.umask(old)

    def test_errors_of_a_device_are_not_lost(self) -> None:
        if not os.path.exists("/dev/full"):
            pytest.skip("the system has no /dev/full")
        with (
            pytest.raises(OSError, match="No space left"),
            atomic_path("/dev/full") as path,
            open(path, "wb", buffering=0) as file,
        ):
            file.write(b"x")

    def test_a_pipe_is_written_to_and_stays_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with atomic_path(pipe) as path:
                path.write_text("new")
            assert os.read(reader, 10) == b"new"
        finally:
            os.close(reader)
        assert pipe.is_fifo()
        monkeypatch.setattr("corpora.files._READER_SECONDS", 0.05)
        for seeks in (False, True):
            with (
                pytest.raises(OSError, match="start the reader first.*pipe"),
                atomic_path(pipe, seeks=seeks),
            ):
                pytest.fail("nobody reads this")
        with atomic_path("/dev/null") as path:
            path.write_text("new")
        assert Path("/dev/null").is_char_device()
        assert names(tmp_path) == ["pipe"]

    def test_leftovers_of_dead_processes(self, tmp_path: Path) -> None:
        target = tmp_path / "a.txt"
        stale, other = tmp_path / ".tmp-01234567-a.txt", tmp_path / ".tmp-01234567-b.txt"
        stale.touch()
        other.touch()
        with atomic_path(target) as outer, atomic_path(target) as inner:
            assert outer.exists()  # one that is alive stays
            outer.write_text("outer")
            inner.write_text("inner")
        assert target.read_text() == "outer"
        assert names(tmp_path) == [other.name, "a.txt"]

    def test_the_longest_names(self, tmp_path: Path) -> None:
        target = tmp_path / ("é" * 124 + ".txt.gz")
        with atomic_path(target) as temporary:
            temporary.write_text("new")
            assert temporary.name.endswith(".txt.gz")
        assert names(tmp_path) == [target.name]


class TestTemporaryFolder:
    def test_goes_with_the_block_and_with_the_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        stale, other = tmp_path / f"a-{'0' * 12}", tmp_path / "a-mine"
        stale.mkdir()
        (stale / "file").touch()
        other.mkdir()
        with temporary_folder("a-") as first, temporary_folder("a-") as second:
            (first / "file").touch()
            assert names(tmp_path) == sorted([first.name, second.name, "a-mine"])
            assert first.stat().st_mode & 0o777 == 0o700
        assert names(tmp_path) == ["a-mine"]

    def test_of_a_killed_process(self, tmp_path: Path) -> None:
        code = (
            "import os, sys; from corpora.files import temporary_folder\n"
            "with temporary_folder('a-', sys.argv[1]) as folder:\n"
            "    (folder / 'file').touch(); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path)])
        assert len(names(tmp_path)) == 1
        with temporary_folder("a-", tmp_path) as folder:
            assert names(tmp_path) == [folder.name]

    def test_errors_name_the_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no"))
        with (
            pytest.raises(OSError, match="TMPDIR names another folder") as caught,
            temporary_folder("a-"),
        ):
            pytest.fail("not reached")
        assert caught.value.filename == str(tmp_path / "no")
        with (
            pytest.raises(OSError, match=r"directory \(temporary files\)") as caught,
            temporary_folder("a-", tmp_path / "no"),
        ):
            pytest.fail("not reached")
        assert caught.value.filename == str(tmp_path / "no")


def everything(folder: Path, is_leftover: bool) -> list[str]:
    return relative_files(folder)


def only(name: str) -> Callable[[Path, bool], list[str]]:
    """Contents of a folder that holds one file of this name."""

    def contents(folder: Path, is_leftover: bool) -> list[str]:
        foreign = set(os.listdir(folder)) - {name}
        if foreign and not is_leftover:
            raise FileExistsError(errno.EEXIST, f"holds {foreign}", str(folder))
        return [name]

    return contents


class TestFolder:
    def test_new_and_replaced_as_a_whole(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        with replace_folder(target, everything) as temporary:
            (temporary / "a").write_text("1")
            (temporary / "b").write_text("1")
        with replace_folder(target, everything) as temporary:
            (temporary / "a").write_text("2")
            assert names(target) == ["a", "b"]
        assert names(target) == ["a"]
        assert names(tmp_path) == ["model"]

    @pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
    def test_the_old_one_stays_on_any_error(self, tmp_path: Path, error: BaseException) -> None:
        target = tmp_path / "model"
        target.mkdir()
        (target / "a").write_text("old")

        def write() -> None:
            with replace_folder(target, everything) as temporary:
                (temporary / "a").write_text("half")
                raise error

        with pytest.raises(type(error)):
            write()
        assert (target / "a").read_text() == "old"
        assert names(tmp_path) == ["model"]

    def test_modes_are_kept(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        target.mkdir(mode=0o700)
        (target / "a").touch(mode=0o600)
        with replace_folder(target, everything) as temporary:
            assert temporary.stat().st_mode & 0o777 == 0o700
            (temporary / "a").write_text("new")
            (temporary / "b").write_text("new")
        modes = [path.stat().st_mode & 0o777 for path in (target, target / "a", target / "b")]
        assert modes[:2] == [0o700, 0o600]
        assert modes[2] != 0o600

    @pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
    def test_interrupted_right_after_the_exchange(
        self, tmp_path: Path, error: BaseException
    ) -> None:
        target = tmp_path / "model"
        target.mkdir()
        (target / "a").write_text("old")
        errors = [error]

        def first_fails(folder: Path, listed: Collection[str]) -> None:
            if errors:
                raise errors.pop()
            remove_listed(folder, listed)

        remove_listed = files._remove_listed
        with (
            mock.patch("corpora.files._remove_listed", first_fails),
            pytest.raises(type(error)),
            replace_folder(target, everything) as temporary,
        ):
            (temporary / "a").write_text("new")
        assert (target / "a").read_text() == "new"
        assert names(tmp_path) == ["model"]

    def test_files_of_others_survive_if_the_exchange_cannot_be_undone(self, tmp_path: Path) -> None:
        """A file that is written during the save, and a disk that fails right after it."""
        target = tmp_path / "model"
        target.mkdir()
        (target / "a").write_text("old")
        exchanges = []

        def once(first: Path, second: Path) -> bool:
            if exchanges:
                raise OSError(errno.EIO, "Input/output error", str(second))
            (target / "thesis").write_text("important")
            exchanges.append((first, second))
            return exchange(first, second)

        exchange = files.exchange
        with (
            mock.patch("corpora.files.exchange", once),
            pytest.raises(OSError, match="Input/output error"),
            replace_folder(target, only("a")) as temporary,
        ):
            (temporary / "a").write_text("new")
        assert (target / "a").read_text() == "new"
        assert [path.read_text() for path in tmp_path.glob(".*/thesis")] == ["important"]

    def test_read_only_folders_in_the_earlier_one_are_removed(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        (target / "inner").mkdir(parents=True)
        (target / "inner" / "a").touch()
        (target / "inner").chmod(0o500)
        with replace_folder(target, everything) as temporary:
            (temporary / "a").touch()
        assert names(tmp_path) == ["model"]
        assert names(target) == ["a"]

    def test_leftovers_of_other_users_do_not_prevent_a_save(self, tmp_path: Path) -> None:
        denied = PermissionError(errno.EACCES, "Permission denied")
        (tmp_path / ".tmp-01234567-model").mkdir()
        (tmp_path / ".tmp-01234567-a.txt").touch()

        def contents(folder: Path, is_leftover: bool) -> list[str]:
            if is_leftover:
                raise denied
            return relative_files(folder)

        with replace_folder(tmp_path / "model", contents) as temporary:
            (temporary / "a").touch()
        assert names(tmp_path / "model") == ["a"]
        with mock.patch.object(Path, "unlink", side_effect=denied):
            files._remove_leftovers(tmp_path / "a.txt", contents)
        assert names(tmp_path) == [".tmp-01234567-a.txt", ".tmp-01234567-model", "model"]

    def test_mount_points_are_refused_at_the_start(self, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        with (
            mock.patch("os.path.ismount", return_value=True),
            pytest.raises(OSError, match="mount point cannot be replaced") as caught,
            replace_folder(tmp_path / "model", everything),
        ):
            pytest.fail("not reached")
        assert caught.value.filename == str(tmp_path / "model")

    @pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
    def test_interrupted_between_the_two_renames(
        self, tmp_path: Path, error: BaseException
    ) -> None:
        target = tmp_path / "model"
        target.mkdir()
        (target / "a").write_text("old")
        rename = os.rename
        calls = []

        def second_fails(*paths: str) -> None:
            calls.append(paths)
            if len(calls) == 2:
                raise error
            rename(*paths)

        with (
            mock.patch("corpora.files.exchange", return_value=False),
            mock.patch("os.rename", second_fails),
            pytest.raises(type(error)),
            replace_folder(target, everything) as temporary,
        ):
            (temporary / "a").write_text("new")
        assert (target / "a").read_text() == "old"
        assert names(tmp_path) == ["model"]

    def test_does_not_replace_what_it_did_not_write(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir()
        with replace_folder(home, only("about.json")) as temporary:
            (temporary / "about.json").touch()
        with replace_folder(home, only("about.json")) as temporary:
            (temporary / "thesis").touch()
        with (
            pytest.raises(FileExistsError, match="thesis"),
            replace_folder(home, only("about.json")),
        ):
            pytest.fail("not reached")
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError), replace_folder(tmp_path / "file", everything):
            pytest.fail("not reached")
        assert names(home) == ["thesis"]
