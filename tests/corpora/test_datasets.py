"""The catalog, finding files, fetching from a local server, and the readers."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import lzma
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from corpora import CorpusError, datasets
from corpora.counting import read_vocabulary
from corpora.datasets import Dataset, DatasetNotFoundError, Download, File, WordPair
from corpora.datasets.catalog import CATALOG

PAIRS = b"cat\tdog\t7.5\ncar\tmoon\t0.5\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no local folder."""
    monkeypatch.delenv("CORPORA_DATA", raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setattr("pooch.os_cache", lambda project: folder / project)
    return folder / "similarity-encoders"


@pytest.fixture
def local(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "local"
    folder.mkdir()
    monkeypatch.setenv("CORPORA_DATA", str(folder))
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def entry(**changes: object) -> Dataset:
    made = Dataset(
        name="made",
        kind="word-pairs",
        description="Two pairs.",
        files=(File("pairs/made.txt", sha256(PAIRS)),),
        license="none",
        citation="none",
        homepage="http://127.0.0.1/",
        how_to_get="Write it yourself.",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def register(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setitem(CATALOG, "made", entry(**changes))


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# The catalog


@pytest.mark.parametrize("name", list(CATALOG))
def test_entry_is_complete(name: str) -> None:
    dataset = CATALOG[name]
    assert dataset.name == name
    assert dataset.description
    assert dataset.license
    assert dataset.citation
    assert dataset.homepage.startswith("http")
    assert dataset.files
    assert bool(dataset.downloads) != bool(dataset.how_to_get)
    for file in dataset.files:
        assert not file.path.startswith("/")
        assert ".." not in file.path
        assert file.path.startswith(dataset.folder)
    for digest in [one.sha256 for one in (*dataset.files, *dataset.downloads)]:
        assert digest is None or (len(digest) == 64 and int(digest, 16) >= 0)
    for download in dataset.downloads:
        assert download.url.startswith(("http://", "https://"))
    if dataset.downloads:
        covered = [
            file
            for file in dataset.files
            for download in dataset.downloads
            if download.into in (file.path, file.path + ".gz")
            or (download.members is not None and file.path.startswith(download.into + "/"))
        ]
        assert covered == list(dataset.files)


def test_names_hold_the_sets_that_benchmarks_use() -> None:
    wanted = {
        "text8", "one-billion-words", "questions-words", "questions-phrases", "bats", "conll2003",
        "wordsim353", "wordsim353-sim", "wordsim353-rel", "simlex999", "simverb3500", "men", "rw",
        "mturk-287", "mturk-771", "rg65", "mc30", "card660", "scws", "wic", "semeval2010_task14",
        "chimeras", "definitional_nonces", "crw_dev", "reuters21578", "enwiki2015_text8like",
        "enwiki2019_featured", "enwiki2019_good_sample",
    }  # fmt: skip
    assert wanted <= set(datasets.names())
    assert datasets.names() == sorted(datasets.names())
    assert datasets.names("analogies") == ["questions-phrases", "questions-words"]


def test_names_are_found_in_other_spellings() -> None:
    assert datasets.info("MTurk_287").name == "mturk-287"
    assert datasets.info("crw-dev").name == "crw_dev"


def test_unknown_name_lists_closest_matches() -> None:
    with pytest.raises(ValueError, match="wordsim353"):
        datasets.info("wordsim")
    with pytest.raises(ValueError, match=r"names\(\)"):
        datasets.path("zzzzzzzz")


def test_import_is_light() -> None:
    code = (
        "import sys, corpora.datasets; "
        "print([m for m in ('pooch', 'gensim', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Finding


def test_local_folder_comes_before_the_cache(
    local: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    (cache / "pairs").mkdir(parents=True)
    (cache / "pairs" / "made.txt").write_bytes(PAIRS)
    assert datasets.path("made") == cache / "pairs" / "made.txt"
    (local / "pairs").mkdir()
    (local / "pairs" / "made.txt").write_bytes(PAIRS)
    assert datasets.path("made") == local / "pairs" / "made.txt"


@pytest.mark.parametrize(("suffix", "opener"), [(".xz", lzma.open), (".gz", gzip.open)])
def test_compressed_files_are_found_and_verified(
    local: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, opener: object
) -> None:
    register(monkeypatch)
    (local / "pairs").mkdir()
    with opener(local / f"pairs/made.txt{suffix}", "wb") as out:  # type: ignore[operator]
        out.write(PAIRS)
    assert datasets.path("made").name == f"made.txt{suffix}"
    assert datasets.verify("made") == {"pairs/made.txt": "ok"}
    assert datasets.load("made") == [WordPair("cat", "dog", 7.5), WordPair("car", "moon", 0.5)]


def test_verify_reports_differing_and_unknown_files(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, files=(File("a/x", sha256(b"x")), File("a/y", None)))
    (local / "a").mkdir()
    (local / "a" / "x").write_bytes(b"other")
    (local / "a" / "y").write_bytes(b"y")
    assert datasets.verify("made") == {"a/x": "differs", "a/y": "unknown"}


def test_path_of_several_files_is_their_folder(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, files=(File("set/a/x"), File("set/b/c/y")))
    for path in ("set/a/x", "set/b/c/y"):
        (local / path).parent.mkdir(parents=True)
        (local / path).write_text("")
    assert datasets.path("made") == local / "set"
    assert datasets.paths("made") == [local / "set/a/x", local / "set/b/c/y"]


def test_incomplete_data_set_is_not_found(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, files=(File("set/x"), File("set/y")))
    (local / "set").mkdir()
    (local / "set" / "x").write_text("")
    with pytest.raises(DatasetNotFoundError, match="Write it yourself"):
        datasets.path("made")


def test_not_found_says_to_fetch(cache: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"datasets\.fetch\('text8'\)"):
        datasets.load("text8")
    with pytest.raises(DatasetNotFoundError, match="CORPORA_DATA is not set"):
        datasets.path("text8")


def test_data_set_that_cannot_be_fetched(cache: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="NIST"):
        datasets.fetch("conll2003")


# Fetching


def test_fetch_a_plain_file(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    (folder / "remote.txt").write_bytes(PAIRS)
    register(
        monkeypatch, downloads=(Download(f"{url}/remote.txt", sha256(PAIRS), "pairs/made.txt"),)
    )
    assert datasets.fetch("made", progress=False) == cache / "pairs" / "made.txt"
    assert left_in(cache) == [cache / "pairs" / "made.txt"]
    assert datasets.load("made")[0] == ("cat", "dog", 7.5)
    (folder / "remote.txt").unlink()
    assert datasets.fetch("made", progress=False) == cache / "pairs" / "made.txt"  # not again


def test_fetch_prefers_local_files(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(
        monkeypatch,
        downloads=(Download("http://127.0.0.1:1/x", sha256(PAIRS), "pairs/made.txt"),),
    )
    (local / "pairs").mkdir()
    (local / "pairs" / "made.txt").write_bytes(PAIRS)
    assert datasets.fetch("made") == local / "pairs" / "made.txt"


def archive_of(kind: str, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as zipped:
            for name, content in members.items():
                zipped.writestr(name, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
            for name, content in members.items():
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(content)
                tarred.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_fetch_unpacks_only_requested_members(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder, url = served
    archive = archive_of(
        kind, {"Set/made.txt": PAIRS, "Set/more": b"more", "Set/junk": b"", "../evil": b"evil"}
    )
    (folder / f"set.{kind}").write_bytes(archive)
    register(
        monkeypatch,
        files=(File("pairs/made.txt", sha256(PAIRS)), File("pairs/more")),
        downloads=(Download(f"{url}/set.{kind}", sha256(archive), "pairs", members="Set/"),),
    )
    assert datasets.fetch("made", progress=False) == cache / "pairs"
    assert sorted(left_in(cache)) == [cache / "pairs" / "made.txt", cache / "pairs" / "more"]


def test_fetch_may_bring_a_compressed_file(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    content = gzip.compress(PAIRS)
    (folder / "x.gz").write_bytes(content)
    register(
        monkeypatch, downloads=(Download(f"{url}/x.gz", sha256(content), "pairs/made.txt.gz"),)
    )
    assert datasets.fetch("made", progress=False) == cache / "pairs" / "made.txt.gz"
    assert datasets.verify("made") == {"pairs/made.txt": "ok"}


def test_wrong_checksum_leaves_nothing(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    (folder / "remote.txt").write_bytes(b"something else")
    register(
        monkeypatch, downloads=(Download(f"{url}/remote.txt", sha256(PAIRS), "pairs/made.txt"),)
    )
    with pytest.raises(ValueError, match="does not match"):
        datasets.fetch("made", progress=False)
    assert list(cache.iterdir()) == []


def test_wrong_member_leaves_nothing(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    archive = archive_of("zip", {"made.txt": b"something else"})
    (folder / "set.zip").write_bytes(archive)
    register(
        monkeypatch, downloads=(Download(f"{url}/set.zip", sha256(archive), "pairs", members=""),)
    )
    with pytest.raises(ValueError, match=r"pairs/made.txt .* does not match"):
        datasets.fetch("made", progress=False)
    assert list(cache.iterdir()) == []


def test_missing_member_leaves_nothing(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    archive = archive_of("tar.gz", {"other.txt": PAIRS})
    (folder / "set.tar.gz").write_bytes(archive)
    register(
        monkeypatch,
        downloads=(Download(f"{url}/set.tar.gz", sha256(archive), "pairs", members=""),),
    )
    with pytest.raises(ValueError, match=r"does not contain made\.txt"):
        datasets.fetch("made", progress=False)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_archive_leaves_nothing(
    kind: str, how: str, cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    words = b"".join(b"word%d other%d 1\n" % (i * i * 7919 % 1000003, i) for i in range(3000))
    content = bytearray(archive_of(kind, {"made.txt": words}))
    middle = len(content) // 2
    content[middle:] = b"" if how == "cut" else bytes(b ^ 255 for b in content[middle:])
    (folder / f"set.{kind}").write_bytes(content)
    register(
        monkeypatch,
        files=(File("pairs/made.txt", sha256(words)),),
        downloads=(Download(f"{url}/set.{kind}", sha256(bytes(content)), "pairs", members=""),),
    )
    with pytest.raises(ValueError, match=f"{url}/set.{kind}|checksum"):
        datasets.fetch("made", progress=False)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    register(monkeypatch, downloads=(Download("http://127.0.0.1:1/x", None, "pairs/made.txt"),))
    monkeypatch.setattr("corpora.datasets.registry.cache_folder", lambda: tmp_path / "file" / "x")
    with pytest.raises(NotADirectoryError, match="CORPORA_DATA.*file/x"):
        datasets.fetch("made", progress=False)


def test_unknown_checksum_warns_with_the_one_computed(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    (folder / "remote.txt").write_bytes(b"cat dog 1\n")
    register(
        monkeypatch,
        files=(File("pairs/made.txt"),),
        downloads=(Download(f"{url}/remote.txt", None, "pairs/made.txt"),),
    )
    with pytest.warns(UserWarning, match=f"not verified.*{sha256(b'cat dog 1' + bytes([10]))}"):
        datasets.fetch("made", progress=False)
    assert datasets.verify("made") == {"pairs/made.txt": "unknown"}


def test_failed_download_leaves_nothing(
    cache: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = served
    register(monkeypatch, downloads=(Download(f"{url}/absent", sha256(PAIRS), "pairs/made.txt"),))
    with pytest.raises(OSError, match="404"):
        datasets.fetch("made", progress=False)
    assert list(cache.iterdir()) == []


# Loading


def test_load_a_corpus(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(
        monkeypatch, kind="corpus", format="text", files=(File("set/one.a"), File("set/one.b"))
    )
    (local / "set").mkdir()
    (local / "set" / "one.a").write_text("the cat\nthe dog\n")
    (local / "set" / "one.b").write_text("A Moon\n")
    assert list(datasets.load("made")) == [["the", "cat"], ["the", "dog"], ["A", "Moon"]]
    assert list(datasets.load("made", split="b", clean="lower")) == [["a", "moon"]]
    with pytest.raises(ValueError, match=r"no split 'z'; its files are one\.a, one\.b"):
        datasets.load("made", split="z")


def test_load_other_kinds(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (local / "set").mkdir()
    (local / "set" / "q.txt").write_text(": capitals\nAthens Greece Oslo Norway\n\n")
    (local / "set" / "R1 [x].txt").write_text("big\tbigger/larger\n")
    register(monkeypatch, kind="analogies", files=(File("set/q.txt"),))
    assert datasets.load("made") == {"capitals": [("Athens", "Greece", "Oslo", "Norway")]}
    register(monkeypatch, kind="pair-analogies", files=(File("set/R1 [x].txt"),))
    assert datasets.load("made") == {"R1 [x]": [("big", ("bigger", "larger"))]}
    register(monkeypatch, kind="other", files=(File("set/q.txt"),))
    with pytest.raises(ValueError, match=r"paths\('made'\)"):
        datasets.load("made")
    register(monkeypatch, files=(File("set/q.txt"),))
    with pytest.raises(ValueError, match="takes no options"):
        datasets.load("made", clean="lower")


def test_files_in_other_encodings(tmp_path: Path) -> None:
    (tmp_path / "pairs").write_bytes("Zürich Genève 7.5\nx y 1\n".encode("latin-1"))
    (tmp_path / "questions").write_bytes(": a\nZürich x\xa0y Genève z\n".encode("latin-1"))
    (tmp_path / "relation.txt").write_bytes("new york\tö/ä\n".encode("latin-1"))
    (tmp_path / "words").write_bytes("ö\t3\n".encode("latin-1"))
    pairs = datasets.read_word_pairs(tmp_path / "pairs", encoding="latin-1")
    assert pairs[0] == ("Zürich", "Genève", 7.5)
    assert datasets.read_word_pairs(tmp_path / "pairs", errors="skip") == [("x", "y", 1.0)]
    questions = datasets.read_analogies(tmp_path / "questions", encoding="latin-1")
    assert questions == {"a": [("Zürich", "x\xa0y", "Genève", "z")]}
    relations = datasets.read_bats([tmp_path / "relation.txt"], encoding="latin-1")
    assert relations == {"relation": [("new york", ("ö", "ä"))]}
    assert read_vocabulary(tmp_path / "words", encoding="cp1252") == {"ö": 3}
    for read in (datasets.read_word_pairs, datasets.read_analogies):
        with pytest.raises(CorpusError, match="not valid UTF-8.* or pass its encoding"):
            read(tmp_path / ("pairs" if read is datasets.read_word_pairs else "questions"))
    (tmp_path / "words").write_text("a\t" + "9" * 5000 + "\n")
    with pytest.raises(CorpusError, match="counts must be below"):
        read_vocabulary(tmp_path / "words")


def test_word_pairs_in_every_layout() -> None:
    lines = ["# comment", "a\tb\t1.5\r\n", "", "new york\tcity\t2\t3\t4", "c d 50.0"]
    assert datasets.read_word_pairs(lines) == [
        ("a", "b", 1.5),
        ("new york", "city", 2.0),
        ("c", "d", 50.0),
    ]


@pytest.mark.parametrize("line", ["a b", "a\tb\tc", "a\t\t3", "a b nan", "word"])
def test_malformed_word_pair_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(f"x\ty\t1\n{line}\n")
    with pytest.raises(CorpusError, match=r"pairs\.txt, line 2: expected"):
        datasets.read_word_pairs(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": s\na b c d\na b c\n", "line 3: expected a question of 4 words, got 3"),
        ("a b c d\n", r"line 1: .* before the first question"),
    ],
)
def test_malformed_question_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "questions.txt"
    path.write_text(text)
    with pytest.raises(CorpusError, match=f"questions.txt, {message}"):
        datasets.read_analogies(path)


def test_malformed_bats_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "R1.txt"
    path.write_text("big bigger\nsmall\n")
    with pytest.raises(CorpusError, match=r"R1\.txt, line 2"):
        datasets.read_bats([path])


def test_damaged_files_name_the_place(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"a\tb\t1\n\xff\tb\t1\n")
    with pytest.raises(CorpusError, match=r"pairs\.txt, line 2: not valid UTF-8"):
        datasets.read_word_pairs(path)
    path = tmp_path / "pairs.txt.gz"
    path.write_bytes(gzip.compress(PAIRS)[:-6])
    with pytest.raises(CorpusError, match="damaged"):
        datasets.read_word_pairs(path)


# The real files


@pytest.mark.parametrize("name", list(CATALOG))
def test_shared_files_are_those_recorded(
    name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))
    try:
        found = datasets.paths(name)
    except DatasetNotFoundError:
        pytest.skip(f"{name} is not among the shared data")
    if sum(path.stat().st_size for path in found) > 1_000_000:
        pytest.skip(f"{name} is large")
    assert set(datasets.verify(name).values()) == {"ok"}
    if datasets.info(name).kind != "other":
        assert any(True for _ in datasets.load(name))


@pytest.mark.parametrize(
    ("name", "size"), [("wordsim353", 353), ("men", 3000), ("rw", 2034), ("crw_dev", 550)]
)
def test_shared_word_pairs(
    name: str, size: int, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))
    assert len(datasets.load(name)) == size


def test_shared_analogies(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPORA_DATA", str(shared_data))
    sections = datasets.load("questions-words")
    assert len(sections) == 14
    assert sum(map(len, sections.values())) == 19_544
    relations = datasets.load("bats")
    assert len(relations) == 40
    assert sum(map(len, relations.values())) == 2000
