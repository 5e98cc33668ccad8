"""Compressed files, archives, encodings: nothing is lost in silence, and errors name the file."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from corpora import CorpusError
from corpora.counting import read_vocabulary, vocabulary_lines
from corpora.files import is_system_file
from corpora.output import open_output
from corpora.parallel import map_shards
from corpora.readers import text_lines
from corpora.readers.stream import ByteStream, DamagedFileError, archive_members

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
TEXT = "".join(f"word{i * i * 7919 % 1_000_003} and {i}\n" for i in range(200)).encode()

LARGE = random.Random(0).randbytes(300_000) + b"a" * 300_000


def compress(data: bytes, suffix: str) -> bytes:
    if suffix == ".zst":
        return zstandard.ZstdCompressor(write_checksum=True).compress(data)
    return {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix](data)


def read(path: Path, **options: Any) -> bytes:
    with ByteStream(str(path), **options) as stream:
        return stream.read()


def tar_of(members: dict[str, bytes], mode: str = "w", **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, **options) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", SUFFIXES)
class TestCompressed:
    def test_every_cut_is_an_error(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.txt{suffix}"
        whole = compress(TEXT, suffix)
        cuts = [
            0,
            1,
            2,
            5,
            *range(6, len(whole), len(whole) // 60),
            *range(len(whole) - 20, len(whole)),
        ]
        for cut in cuts:
            path.write_bytes(whole[:cut])
            with pytest.raises(DamagedFileError, match=rf"a\.txt\{suffix}: .*damaged or truncated"):
                read(path)

    def test_changed_bits_change_nothing_or_are_an_error(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.txt{suffix}"
        whole = compress(TEXT, suffix) + compress(TEXT, suffix)
        rng = random.Random(0)
        for place in [*range(12), *(rng.randrange(len(whole)) for _ in range(150))]:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                assert read(path) == TEXT + TEXT
            except DamagedFileError as error:
                assert str(path) in str(error)  # noqa: PT017

    def test_frames(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.txt{suffix}"
        empty = compress(b"", suffix)
        frame = compress(TEXT, suffix)
        for content, expected in (
            (empty, b""),
            (frame + frame, TEXT + TEXT),
            (empty + frame + empty, TEXT),
            (b"".join(compress(bytes([b]), suffix) for b in TEXT[:1500]), TEXT[:1500]),
            (compress(LARGE, suffix) * 3, LARGE * 3),
        ):
            path.write_bytes(content)
            assert read(path) == expected
            with ByteStream(str(path)) as stream:
                assert b"".join(stream.blocks(777)) == expected
        for garbage in (b"garbage", b"\0\0\0\0x", frame[1:], frame[: len(frame) // 2]):
            path.write_bytes(frame + garbage)
            with pytest.raises(DamagedFileError):
                read(path)
        path.write_bytes(frame + b"\0" * 40_000)  # padding, where the format has it
        if suffix in (".gz", ".xz"):
            assert read(path) == TEXT
        else:
            with pytest.raises(DamagedFileError):
                read(path)

    def test_ratio(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.txt{suffix}"
        path.write_bytes(compress(b"a" * (20 << 20), suffix))
        with pytest.raises(DamagedFileError, match=rf"a\.txt\{suffix}: .*max_ratio="):
            read(path)
        assert len(read(path, max_ratio=None)) == 20 << 20
        with pytest.raises(CorpusError, match="max_ratio="):
            list(corpora.open(path, "text8"))
        with pytest.raises(KeyError, match="max_ratio="):
            list(text_lines(path, error=KeyError))
        assert list(corpora.open(path, "text", max_ratio=None)) == [["a" * (20 << 20)]]

    def test_output_depends_on_content_only(
        self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contents = []
        for number, name in enumerate(("a", "much_longer_name")):
            monkeypatch.setattr("time.time", lambda number=number: 1e9 + 1e6 * number)
            path = tmp_path / f"{name}{suffix}"
            with open_output(path) as write:
                for line in TEXT.decode().splitlines(keepends=True):
                    write(line if number else line.encode())
            contents.append(path.read_bytes())
            assert read(path) == TEXT
        assert contents[0] == contents[1]

    def test_other_format_than_the_suffix_says(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.txt{suffix}"
        for other in {*SUFFIXES} - {suffix}:
            path.write_bytes(compress(TEXT, other))
            with pytest.raises(DamagedFileError, match="its format is not"):
                read(path)

    def test_missing_suffix(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(compress(TEXT, suffix))
        with pytest.raises(CorpusError, match=rf"a\.txt: the content is .*end in \{suffix}"):
            list(corpora.open(path))
        twice = tmp_path / "b.txt.gz"
        twice.write_bytes(gzip.compress(compress(TEXT, suffix)))
        with pytest.raises(CorpusError, match="the decompressed content is"):
            list(corpora.open(twice))

    def test_standard_input(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(compress(TEXT, suffix))
        with path.open("rb") as stdin:
            done = subprocess.run(
                [sys.executable, "-m", "corpora.cli", "clean", "-"],
                stdin=stdin,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 1
        assert "the content is" in done.stderr
        assert "Traceback" not in done.stderr


MEMBERS = {f"m{i}.txt": f"member {i} {'word ' * 90}\n".encode() for i in range(5)}
WHOLE = [line.split() for line in b"".join(MEMBERS.values()).decode().splitlines()]


class TestArchives:
    def test_every_cut_of_a_tar_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        whole = tar_of(MEMBERS)
        end = len(whole.rstrip(b"\0"))
        for cut in range(0, end, 64):
            path.write_bytes(whole[:cut])
            with pytest.raises(CorpusError, match=r"a\.tar"):
                list(corpora.open(path))
            if cut >= 512:
                corpus = corpora.open(path, "text", errors="skip")
                with pytest.warns(UserWarning, match=r"a\.tar.*skipped"):
                    assert list(corpus) == WHOLE[: cut // 1024]
                assert corpus.skipped == 1

    def test_headers_and_content_after_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        whole = tar_of(MEMBERS)
        for place in (1024 + 3, 2048 + 150, 4096):
            path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
            with pytest.raises(CorpusError, match=r"a\.tar: .*(checksum|invalid header)"):
                list(corpora.open(path))
        path.write_bytes(whole + whole)  # tar reads the first one only
        with pytest.raises(CorpusError, match="follows its end"):
            list(corpora.open(path))
        path.write_bytes(whole[:1024] + bytes(1024) + whole[2048:])
        with pytest.raises(CorpusError, match="follows its end"):
            list(corpora.open(path))

    def test_sizes_of_hostile_headers(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, b"q"):
            for size in (1 << 60, 8**11 - 1, 99_999):
                info = tarfile.TarInfo("a.txt" if kind == tarfile.REGTYPE else "._a")
                info.type, info.size = kind, size
                path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"words\n" * 100)
                with pytest.raises(CorpusError, match=r"a\.tar"):
                    list(corpora.open(path))

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_compressed_tar(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.tar{suffix}"
        whole = compress(tar_of(MEMBERS), suffix)
        path.write_bytes(whole)
        assert list(corpora.open(path)) == WHOLE
        for cut in range(1, len(whole), 7):
            path.write_bytes(whole[:cut])
            with pytest.raises(CorpusError, match=rf"a\.tar\{suffix}"):
                list(corpora.open(path))
        path.write_bytes(whole[:-3])
        corpus = corpora.open(path, "text", errors="skip")
        with pytest.warns(UserWarning, match=rf"a\.tar\{suffix}.*skipped"):
            assert list(corpus) in (WHOLE, WHOLE[:4], WHOLE[:0])
        assert corpus.skipped == 1

    def test_damaged_member_of_a_zip(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        whole = zip_of(MEMBERS)
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            places = [info.header_offset + 45 for info in archive.infolist()]
        path.write_bytes(whole[: places[0]] + b"\xff\xff" + whole[places[0] + 2 :])
        with pytest.warns(UserWarning, match=r"a\.zip/m0\.txt.*skipped"):
            assert list(corpora.open(path, errors="skip")) == WHOLE[1:]
        path.write_bytes(whole[: places[1]] + b"\xff\xff" + whole[places[1] + 2 :])
        with pytest.raises(CorpusError, match=r"a\.zip/m1\.txt"):
            list(corpora.open(path))
        corpus = corpora.open(path, errors="skip")
        with pytest.warns(UserWarning, match=r"a\.zip/m1\.txt.*skipped"):
            assert list(corpus) == [WHOLE[0], *WHOLE[2:]]
        assert corpus.skipped == 1

    def test_changed_bits_of_a_zip(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        whole = zip_of({"a.txt": TEXT, "b.txt": TEXT[:500]})
        expected = [line.split() for line in (TEXT + TEXT[:500]).decode().splitlines()]
        rng = random.Random(0)
        for place in [*range(60), *range(len(whole) - 180, len(whole)), *range(60, 1500, 40)]:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                # Times, modes and names are not protected.
                assert list(corpora.open(path)) in (expected, expected[:200], expected[200:])
            except CorpusError as error:
                assert str(path) in str(error)  # noqa: PT017
        for cut in range(0, len(whole), 97):
            path.write_bytes(whole[:cut])
            with pytest.raises(CorpusError, match=r"a\.zip"):
                list(corpora.open(path))

    def test_encrypted_and_unsupported(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        whole = bytearray(zip_of({"a.txt": TEXT}))
        directory = whole.index(b"PK\x01\x02")
        for at, value in ((8, 1), (10, 99)):  # flags, method
            changed = bytearray(whole)
            for offset in (at - 2, directory + at):
                changed[offset : offset + 2] = struct.pack("<H", value)
            path.write_bytes(changed)
            with pytest.raises(CorpusError, match=r"a\.zip/a\.txt: .*pack it again"):
                list(corpora.open(path))

    def test_ratio(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        path.write_bytes(zip_of({"a.txt": b"a" * (20 << 20)}))
        with pytest.raises(CorpusError, match=r"a\.zip/a\.txt: .*max_ratio="):
            list(corpora.open(path))
        assert len(list(corpora.open(path, max_ratio=None))) == 1
        # a file with a hole of 100 GB
        info = tarfile.TarInfo("a.txt")
        info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[386:410] = b"00000000000\0" + b"00000001000\0"
        header[483:495] = b"\x80\0\0\0" + struct.pack(">Q", 100 << 30)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        path = tmp_path / "b.tar"
        path.write_bytes(bytes(header) + b"words and\n" * 51 + bytes(2 + 1024))
        members = archive_members(str(path))
        _, file = next(members)
        with pytest.raises(CorpusError, match=r"b\.tar/a\.txt: .*max_ratio="):
            file.read()

    def test_links_and_archives_within(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.txt", "one\n")
            link = zipfile.ZipInfo("b.txt")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "a.txt")
        path = tmp_path / "a.zip"
        path.write_bytes(buffer.getvalue())
        with pytest.warns(UserWarning, match=r"a\.zip: 1 links were left out"):
            assert list(corpora.open(path)) == [["one"]]
        (tmp_path / "one.txt").write_text("one\n")
        os.link(tmp_path / "one.txt", tmp_path / "two.txt")
        os.symlink("one.txt", tmp_path / "three.txt")
        with tarfile.open(tmp_path / "links.tar", "w") as tar:
            for name in ("one.txt", "two.txt", "three.txt"):
                tar.add(tmp_path / name, name)
        with pytest.warns(UserWarning, match=r"links\.tar: 2 links were left out"):
            assert list(corpora.open(tmp_path / "links.tar")) == [["one"]]
        for name, pack in (("b.zip", zip_of), ("b.tar", tar_of)):
            path = tmp_path / name
            path.write_bytes(pack({"c.txt": b"two\n", "a.zip": buffer.getvalue()}))
            with pytest.raises(CorpusError, match=rf"{name}/a\.zip: an archive within"):
                list(corpora.open(path))
            corpus = corpora.open(path, errors="skip")
            with pytest.warns(UserWarning, match="an archive within"):
                assert list(corpus) == [["two"]]
            assert corpus.skipped == 1

    def test_named_pipe(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDWR)  # so that opening it does not wait for a writer
        try:
            with pytest.raises(CorpusError, match=r"a\.zip: .*pipe"):
                next(archive_members(str(path)))
        finally:
            os.close(descriptor)


class TestSystemFiles:
    @pytest.mark.parametrize(
        "name",
        ["._a.txt", "x/._a.txt", "__MACOSX/a.txt", "__MACOSX/x/._a", ".DS_Store", "x/.DS_Store",
         "Icon\r", "$RECYCLE.BIN/a.txt", "System Volume Information/x", "x/~$a.txt", "@eaDir/a.txt",
         "Thumbs.db", "x/desktop.ini", "Desktop.ini", ".git/config"],
    )  # fmt: skip
    def test_left_out_of_folders_globs_and_archives(self, tmp_path: Path, name: str) -> None:
        assert is_system_file(name)
        members = {name: b"bad\n", "x/a.txt": b"one two\n", "z.txt": b"three\n"}
        expected = [["one", "two"], ["three"]]
        folder = tmp_path / "folder"
        for member, data in members.items():
            (folder / member).parent.mkdir(parents=True, exist_ok=True)
            (folder / member).write_bytes(data)
        (tmp_path / "a.zip").write_bytes(zip_of(members))
        (tmp_path / "a.tar").write_bytes(tar_of({f"./{n}": data for n, data in members.items()}))
        (tmp_path / "a.tgz").write_bytes(gzip.compress(tar_of(members)))
        for source in (folder, f"{folder}/*", f"{folder}/**/*"):
            assert list(corpora.open(source)) == expected
        for archive in ("a.zip", "a.tar", "a.tgz"):
            assert list(corpora.open(tmp_path / archive)) == expected

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_pipes_in_a_folder_are_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.txt")
        (tmp_path / "b.txt").write_text("one\n")
        for source in (tmp_path, f"{tmp_path}/*", f"{tmp_path}/*.txt"):
            assert list(corpora.open(source)) == [["one"]]

    def test_links_to_nowhere_and_repeated_paths(self, tmp_path: Path) -> None:
        path = tmp_path / "b.txt"
        path.write_text("one\n")
        with pytest.warns(UserWarning, match="2 files are listed twice"):
            assert list(corpora.open([path, tmp_path, path])) == [["one"]]
        (tmp_path / "a.txt").symlink_to("gone.txt")
        with pytest.raises(FileNotFoundError, match=r"a symbolic link to gone\.txt"):
            list(corpora.open(tmp_path))

    def test_other_schemes(self) -> None:
        with pytest.raises(ValueError, match="unsupported scheme, 'klingon'"):
            list(corpora.open("klingon://a/b.txt"))

    def test_files_of_several_formats_in_an_archive(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        line = b'{"text": "one"}\n'
        path.write_bytes(zip_of({"a.jsonl": line, "b.txt": b"two\n", "c.txt": b"three\n"}))
        with pytest.warns(UserWarning, match=r"2 files were left out, such as b\.txt.*as jsonl"):
            assert list(corpora.open(path)) == [["one"]]
        assert list(corpora.open(path, "jsonl")) == [["one"]]
        path.write_bytes(zip_of({"a.txt": b"two\n", "b.jsonl": line}))
        with pytest.raises(CorpusError, match=r"a\.zip/b\.jsonl: a file of the format 'jsonl'"):
            list(corpora.open(path))
        assert len(list(corpora.open(path, "text"))) == 2
        path.write_bytes(zip_of({"Icon\r": b""}))
        with pytest.raises(CorpusError, match="no file that"):
            list(corpora.open(path))

    def test_a_named_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / ".hidden").write_text("one\n")
        assert list(corpora.open(tmp_path / ".hidden")) == [["one"]]
        assert not is_system_file("a/../b.txt")


FORMATS = {
    "text": "the cup\n",
    "jsonl": '{"text": "the cup"}\n',
    "conll": "-DOCSTART- O\n\nthe O\ncup O\n",
    "wikiextractor": '<doc id="1" url="" title="T">\nthe cup\n</doc>\n',
    "text8": "the cup",
    "reuters": "<!DOCTYPE lewis>\n<REUTERS>\n<BODY>the cup</BODY>\n</REUTERS>\n",
}
SPELLINGS = [None, "utf-8", "UTF-8", "utf8", "UTF8", "utf_8", "U8", "utf-8-sig", "UTF_8_SIG"]


class TestByteOrderMarks:
    @pytest.mark.parametrize("encoding", SPELLINGS)
    @pytest.mark.parametrize("name", [name for name in FORMATS if name != "reuters"])
    def test_any_spelling(self, tmp_path: Path, name: str, encoding: str | None) -> None:
        data = codecs.BOM_UTF8 + FORMATS[name].encode()
        (tmp_path / "a.unknown").write_bytes(data)
        (tmp_path / "b.unknown.gz").write_bytes(gzip.compress(data))
        (tmp_path / "c.zip").write_bytes(zip_of({"a.unknown": data, "b.unknown": data}))
        for file, n in (("a.unknown", 1), ("b.unknown.gz", 1), ("c.zip", 2)):
            for format in ("auto", name) if name != "text8" else (name,):
                corpus = corpora.open(tmp_path / file, format, encoding=encoding)
                assert corpus.format == name
                assert list(corpus) == [["the", "cup"]] * n

    @pytest.mark.parametrize(
        "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
    )
    @pytest.mark.parametrize("name", list(FORMATS))
    def test_wide_encodings(self, tmp_path: Path, name: str, encoding: str) -> None:
        mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
        path = tmp_path / "a.unknown"
        path.write_bytes((mark + FORMATS[name]).encode(encoding))
        format = "auto" if name != "text8" else name
        assert list(corpora.open(path, format, encoding=encoding)) == [["the", "cup"]]
        for other in (None, "utf-8", "latin-1", "utf-32-be"):
            with pytest.raises(CorpusError, match=rf"a\.unknown, line 1: .*of {encoding[:6]}"):
                list(corpora.open(path, format, encoding=other))
        for errors in ("replace", "ignore", "skip"):
            with pytest.raises(CorpusError, match=f"mark of {encoding[:6]}"):
                list(corpora.open(path, "text", errors=errors))

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("text", ["the cup of tea\n" * 3, "漢字 かな\n" * 9])
    def test_files_unlike_utf16(self, tmp_path: Path, encoding: str, text: str) -> None:
        path = tmp_path / "a.txt"
        for actual in ("utf-8", "utf-16-le", "utf-16-be"):
            path.write_bytes(text.encode(actual))
            corpus = corpora.open(path, "text", encoding=encoding)
            if actual == encoding:
                assert list(corpus) == [line.split() for line in text.splitlines()]
            else:
                with pytest.raises(CorpusError, match=f"but like {actual}"):
                    list(corpus)
            for name in ("utf-16", "UTF32"):
                with pytest.raises(CorpusError, match=r"a\.txt, line 1: .*no byte order mark"):
                    list(corpora.open(path, "text", encoding=name))

    def test_utf8_is_not_read_as_latin_1(self, tmp_path: Path) -> None:
        path = tmp_path / "a.sgm"
        path.write_bytes(codecs.BOM_UTF8 + FORMATS["reuters"].encode())
        with pytest.raises(CorpusError, match="mark of utf-8, but is read as latin-1"):
            list(corpora.open(path))
        assert list(corpora.open(path, encoding="utf8")) == [["the", "cup"]]

    @settings(max_examples=30)
    @given(st.lists(st.sampled_from(["a", "\n", "\ufeff", "é", "漢", " ", "\r\n"]), max_size=20))
    def test_joined_files(self, pieces: list[str]) -> None:
        text = "".join(pieces)
        expected = "\n".join(line.lstrip("\ufeff") for line in text.split("\n"))
        data = text.encode()

        def file() -> corpora.TextFile:
            return corpora.TextFile("a.txt", file=io.BytesIO(data), joined=True)

        lines = expected.replace("\r\n", "\n").split("\n")
        assert list(file().lines()) == (lines if lines[-1] else lines[:-1])
        assert b"".join(file().utf8_blocks()).decode() == expected
        for size in (1, 2, 100):
            assert "".join(file().chunks(size)) == expected
        # Otherwise only the mark of the file is removed.
        plain = corpora.TextFile("a.txt", file=io.BytesIO(data))
        assert b"".join(plain.utf8_blocks()).decode() == text.removeprefix("\ufeff")

    def test_words_of_a_vocabulary_keep_their_mark(self, tmp_path: Path) -> None:
        words = {"the": 3, "\ufeffthe": 2, "a": 1}
        path = tmp_path / "words.tsv"
        with open_output(path) as write:
            for line in vocabulary_lines(words):
                write(line)
        assert list(read_vocabulary(path)) == list(words)

    def test_shards_and_standard_input(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(codecs.BOM_UTF8 + b"one\ntwo\nthree\n")
        for n in range(1, 6):
            shards = corpora.open(path, encoding="UTF-8").shards(n)
            assert [d for shard in shards for d in shard] == [["one"], ["two"], ["three"]]
        with path.open("rb") as stdin:
            out = subprocess.run(
                [sys.executable, "-m", "corpora.cli", "clean", "-"],
                stdin=stdin, capture_output=True, check=True,
            ).stdout  # fmt: skip
        assert out == b"one\ntwo\nthree\n"

    def test_mark_that_arrives_byte_by_byte(self) -> None:
        class Slow(io.RawIOBase):
            data = codecs.BOM_UTF16_LE + "one\n".encode("utf-16-le")

            def read(self, size: int = -1) -> bytes:
                piece, self.data = self.data[:1], self.data[1:]
                return piece

        with pytest.raises(CorpusError, match="utf-16"):
            list(corpora.TextFile("a.txt", file=Slow()).lines())  # type: ignore[arg-type]


class TestOtherContent:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (zip_of({"a": b"x"}), "zip"),
            (tar_of({"a": b"x"}), "tar"),
            (b"7z\xbc\xaf\x27\x1c..", "7z"),
            (b"Rar!\x1a\x07\x00", "RAR"),
            (struct.pack("<40i", *range(40)), "NUL"),
            ("the cup of tea\n".encode("utf-16-le"), "utf-16"),
            (b"\x89PNG\r\n\x1a\n\0\xff" + bytes(range(256)), "binary"),
        ],
    )
    def test_is_named(self, tmp_path: Path, content: bytes, says: str) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=rf"a\.txt.*{says}"):
            list(corpora.open(path))
        with pytest.raises(KeyError, match=rf"a\.txt.*{says}"):
            list(text_lines(path, error=KeyError))

    def test_texts_that_look_alike(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        for text in ("BZh9 is a header\n", "PK and co\n", "Rar!\n", "7z\n", "a\0b c\n"):
            path.write_text(text)
            assert list(corpora.open(path)) == [text.split()]

    @pytest.mark.parametrize(
        "head", [b"%PDF-1.4\n1 0 obj\n", b"{\\rtf1 the cup}", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0"]
    )
    def test_documents_of_other_programs(self, tmp_path: Path, head: bytes) -> None:
        path = tmp_path / "a.doc"
        path.write_bytes(head)
        with pytest.raises(CorpusError, match=r"a\.doc: the content is .*convert it to text first"):
            list(corpora.open(path, encoding="latin-1"))

    @pytest.mark.parametrize(
        "encoding",
        ["hex", "rot13", "undefined", "idna", "punycode", "utf\0", "klingon", "", 3],
    )
    def test_unknown_encodings(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "a.txt"
        path.write_text("a\n")
        with pytest.raises(LookupError, match="unknown encoding"):
            corpora.open(path, encoding=encoding)

    @pytest.mark.parametrize("errors", ["xmlcharrefreplace", "namereplace", "klingon"])
    def test_error_handlers(self, tmp_path: Path, errors: str) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"\xff\n")
        with pytest.raises(ValueError, match="errors must be"):
            corpora.open(path, errors=errors)
        with pytest.raises(ValueError, match="max_ratio"):
            corpora.open(path, max_ratio=0.5)


def test_half_of_a_surrogate_pair_is_not_written(tmp_path: Path) -> None:
    with (
        pytest.raises(CorpusError, match=r"a\.txt: .*surrogate"),
        open_output(tmp_path / "a.txt") as write,
    ):
        write("a \ud83d b")
    assert not list(tmp_path.iterdir())
    path = tmp_path / "b.jsonl"
    path.write_text('{"text": "a \\ud83d b"}\n')
    for target in ("text", "conll", "text8", "jsonl"):
        done = subprocess.run(
            [sys.executable, "-m", "corpora.cli", "convert", str(path), "--to", target, "--out",
             str(tmp_path / "out"), "--errors", "surrogatepass"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "out: the text contains half of a surrogate pair" in done.stderr


def _read_all(shard: corpora.Corpus) -> list[list[str]]:
    return list(shard)


def test_warnings_reach_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a b"}\n' * 100 + '{"text": "so \\ud83d"}\n')
    with pytest.warns(UserWarning, match=r"a\.jsonl, line 101: .*half of a surrogate pair"):
        parts = list(map_shards(_read_all, corpora.open(path), workers=2, shard_bytes=500))
    assert [d for part in parts for d in part] == [["a", "b"]] * 100 + [["so", "\ufffd"]]
    done = subprocess.run(
        [sys.executable, "-m", "corpora.cli", "count", str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    [line] = done.stderr.splitlines()
    assert line.startswith(f"corpora: {path}, line 101: the text contains half of a surrogate")
