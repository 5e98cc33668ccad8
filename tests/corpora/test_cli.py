"""The command line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from typer.testing import CliRunner, Result

import corpora
from corpora.cli import app
from corpora.cli.writing import SERIALIZERS
from corpora.encoding import TokenStream
from corpora.parallel import map_shards

TEXT = "The cat <b>sat</b>\n\nthe  dog\ncafé the\n"
CONLL = "-DOCSTART- X\n\nA D\ncat N\n\nsat V\n\n-DOCSTART- X\n\nthe D\n"
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "a.conll").write_text(CONLL)
    (tmp_path / "empty.txt").touch()
    return tmp_path


@pytest.fixture
def big(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that is split into many shards."""
    monkeypatch.setitem(map_shards.__kwdefaults__, "shard_bytes", 1000)
    lines = (f"W{n % 90} <i>w{n % 7}</i> x\n" + "\n" * (n % 3) for n in range(400))
    (folder / "big.txt").write_text("".join(lines))
    return "big.txt"


def run(*words: str, ok: bool = True, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, words, input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert (result.exit_code == 0) is ok, result.output
    return result


def error(*words: str, stdin: str | None = None) -> str:
    """Run what has to fail, with one line on standard error and nothing else."""
    result = run(*words, ok=False, stdin=stdin)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("corpora: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def start(*words: str, **how: object) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "corpora.cli", *words],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        **how,  # type: ignore[call-overload]
    )


# ---------------------------------------------------------------- what each does


def test_info() -> None:
    lines = run("info", "a.txt", "--min-count", "1,2").stdout.split("\n")
    rows = [line.split() for line in lines]
    for row in (["documents", "3"], ["tokens", "7"], ["types", "6"], ["2", "1", "28.57%"]):
        assert row in rows
    about = json.loads(
        run("info", "a.txt", "--json", "--clean", "lower", "--min-count", "3").stdout
    )
    assert about["types"] == 5
    assert about["coverage"] == [{"min_count": 3, "types": 1, "share": 3 / 7}]
    assert "integers >= 1" in error("info", "a.txt", "--min-count", "1,x")


def test_clean() -> None:
    cleaned = "the cat sat\nthe dog\ncafé the\n"
    assert run("clean", "a.txt", "--clean", "html,lower").stdout == cleaned
    assert run("clean", "-", "--clean", "html", "--clean", "lower", stdin=TEXT).stdout == cleaned
    run("clean", "a.txt", "--clean", "html,lower", "--out", "b.txt")
    assert Path("b.txt").read_text(encoding="utf-8") == cleaned
    run("clean", "b.txt", "--clean", "ascii", "-o", "b.txt")  # its own input
    assert Path("b.txt").read_text() == cleaned.replace("é", "e")


def test_clean_leaves_breaks_and_line_ends_out() -> None:
    assert run("clean", "a.conll", "--option", "breaks=true").stdout == "A cat sat\nthe\n"
    assert run("clean", "a.conll", "--option", "unit=sentence").stdout == "A cat\nsat\nthe\n"
    Path("t.jsonl").write_text('{"text": ["a\\nb", "", "c"]}\n{"text": [""]}\n')
    assert run("clean", "t.jsonl").stdout == "a b c\n"


def test_count() -> None:
    counts = run("count", "a.txt", "--clean", "html,lower").stdout
    assert counts == "the\t3\ncafé\t1\ncat\t1\ndog\t1\nsat\t1\n"
    assert run("count", "a.txt", "--max-size", "2").stdout == "the\t2\n<b>sat</b>\t1\n"
    assert run("count", "a.txt", "--min-count", "2").stdout == "the\t2\n"
    assert "the most frequent of 6 words occurs 2 times" in error(
        "count", "a.txt", "--min-count", "3"
    )


def test_encode() -> None:
    run("count", "a.txt", "--out", "words.tsv.gz")
    run("encode", "a.txt", "--vocab", "words.tsv.gz", "--out", "one")
    run("encode", "a.txt", "--min-count", "1", "--out", "two")
    for name in ("ids.int32", "offsets.int64", "tokens.json", "vocabulary.tsv"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    words = [line.split("\t")[0] for line in Path("one/vocabulary.tsv").read_text().split("\n")]
    decoded = [[words[i] for i in document] for document in TokenStream.open("one")]
    assert decoded == list(corpora.open("a.txt"))
    result = run("encode", "a.txt", "--min-count", "1", "--max-size", "1", "--out", "two")
    assert "3 documents, 2 of 7 tokens are among the 1 words" in result.stderr
    assert TokenStream.open("two").ids.tolist() == [0, 0]


def test_encode_refuses() -> None:
    assert "either --vocab" in error("encode", "a.txt", "--out", "t")
    assert "either" in error("encode", "a.txt", "--out", "t", "--vocab", "v", "--min-count", "1")
    assert "read only once" in error("encode", "-", "--out", "t", "--min-count", "1", stdin="a\n")
    assert "not replaced" in error("encode", "a.txt", "--out", ".", "--min-count", "1")
    assert "does not exist" in error("encode", "a.txt", "--out", "no/t", "--min-count", "1")
    run("encode", "a.txt", "--out", "mine", "--min-count", "1")
    Path("mine/README.md").write_text("mine")
    assert "README.md" in error("encode", "a.txt", "--out", "mine", "--min-count", "1")
    assert Path("mine/README.md").read_text() == "mine"
    Path("v.tsv").write_text("xyz\t1\n")
    result = run("encode", "a.txt", "--vocab", "v.tsv", "--out", "t")
    assert "no token is in the vocabulary" in result.stderr


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.txt", "x.conll", "text8"])
def test_convert_and_back(name: str) -> None:
    documents = list(corpora.open("a.txt"))
    run("convert", "a.txt", "--out", name)
    again = list(corpora.open(name))
    assert again == (
        documents if name != "text8" else [[word for document in documents for word in document]]
    )


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_convert_keeps_text_or_tokens(name: str) -> None:
    run("convert", "a.txt", "--out", name)
    assert list(corpora.open(name).texts())[1] == "the  dog"
    run("convert", "a.conll", "--option", "breaks=true", "--out", name)
    assert list(corpora.open(name)) == [["A", "cat", "", "sat"], ["the"]]
    run("convert", "a.txt", "--clean", "html", "--out", name)
    assert next(iter(corpora.open(name))) == ["The", "cat", "sat"]
    tokens = ["New York", "", "10\u00a0000", " a", "b\tc\nd"]
    Path("t.jsonl").write_text(json.dumps({"text": tokens}) + '\n{"text": [" ", ""]}\n')
    run("convert", "t.jsonl", "--out", name)
    assert list(corpora.open(name)) == [tokens]


def test_convert_texts_and_tokens_to_a_table() -> None:
    Path("t.jsonl").write_text('{"text": "a b"}\n{"text": ["c d"]}\n')
    assert "texts and others lists" in error("convert", "t.jsonl", "--out", "x.parquet")
    run("convert", "t.jsonl", "--tokenize", "whitespace", "--out", "x.parquet")
    assert list(corpora.open("x.parquet")) == [["a", "b"], ["c d"]]


def test_convert_to_conll() -> None:
    run("convert", "a.conll", "--out", "b.conll")
    assert list(corpora.open("b.conll").tagged()) == list(corpora.open("a.conll").tagged())
    run("convert", "a.conll", "--clean", "lower", "--option", "breaks=true", "--out", "b.conll")
    assert next(corpora.open("b.conll").tagged()) == [[("a",), ("cat",)], [("sat",)]]
    Path("t.jsonl").write_text('{"text": ["New York"]}\n')
    assert "'New York' can't be written in a column" in error(
        "convert", "t.jsonl", "--out", "b.conll"
    )
    assert next(corpora.open("b.conll").tagged()) == [[("a",), ("cat",)], [("sat",)]]


def test_convert_refuses() -> None:
    for out in ("x.xyz", "-"):
        assert "pass --to text, jsonl" in error("convert", "a.txt", "--out", out)
    wrong = error("convert", "a.txt", "--to", "xml", "--out", "x")
    assert "unknown output format 'xml'; the formats are: text, jsonl" in wrong
    for out in ("x.parquet.gz", "-"):
        wrong = error("convert", "a.txt", "--to", "parquet", "--out", out)
        assert "compressed internally" in wrong
    assert "writing .zip is not supported" in error(
        "convert", "a.txt", "--to", "text", "--out", "x.zip"
    )


@pytest.mark.parametrize(
    ("suffix", "decompress"),
    [
        (".gz", gzip.decompress),
        (".bz2", bz2.decompress),
        (".xz", lzma.decompress),
        (".zst", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_compressed_output(suffix: str, decompress: object) -> None:
    run("clean", "a.txt", "--out", f"x.txt{suffix}")
    data = Path(f"x.txt{suffix}").read_bytes()
    assert decompress(data) == run("clean", "a.txt").stdout.encode()  # type: ignore[operator]
    run("clean", "a.txt", "--out", f"y.txt{suffix}")
    assert Path(f"y.txt{suffix}").read_bytes() == data  # neither name nor time is in it


def test_empty() -> None:
    about = json.loads(run("info", "empty.txt", "--json").stdout)
    assert [about[key] for key in ("documents", "tokens", "types")] == [0, 0, 0]
    assert run("clean", "empty.txt").stdout == ""
    assert "holds no words" in error("count", "empty.txt", "--out", "v.tsv")
    assert "holds no words" in error("encode", "empty.txt", "--min-count", "1", "--out", "t")
    Path("v.tsv").write_text("a\t1\n")
    assert "holds no words" in error("encode", "empty.txt", "--vocab", "v.tsv", "--out", "t")
    assert not Path("t").exists()
    for name in ("x.jsonl", "x.parquet", "x.conll", "x.txt", "text8"):
        run("convert", "empty.txt", "--out", name)
        assert list(corpora.open(name)) == []


# ------------------------------------------------------------ the same for all workers


@pytest.mark.slow
def test_bytes_do_not_depend_on_workers(big: str) -> None:
    commands = [
        ("clean", big, "--clean", "html,lower", "--out", "clean.txt.gz"),
        ("count", big, "--out", "words.tsv"),
        ("encode", big, "--min-count", "2", "--out", "tokens"),
        ("convert", big, "--out", "text8"),
        ("convert", big, "--tokenize", "regexp", "--out", "x.parquet"),
    ]
    written: dict[str, list[bytes]] = {}
    for workers in "123":
        # each start of three processes takes its time: two of the commands stand for all
        for command in commands if workers < "3" else commands[:3:2]:
            out = Path(command[-1])
            run(*command, "--workers", workers)
            for file in sorted(out.iterdir()) if out.is_dir() else [out]:
                written.setdefault(str(file), []).append(file.read_bytes())
    assert len(written) == 9  # with the manifest of the tokens
    for name, versions in written.items():
        assert len(versions) >= 2
        assert len(set(versions)) == 1, name
    assert sum(len(document) for document in corpora.open("clean.txt.gz")) == 1200
    assert not list(Path().glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_temporary_files_of_a_killed_command_are_removed(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 450_000)
    command = ["convert", "a.txt", "--workers", "2", "--out", "out.jsonl"]
    process = start(*command, cwd=folder)
    while not any(folder.glob(".tmp-corpora-*/*")):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    names = sorted(path.name for path in folder.iterdir())
    if number == signal.SIGTERM:
        assert names == ["a.txt"]
    else:
        assert "out.jsonl" not in names
        time.sleep(1)  # the workers end
        assert start(*command, cwd=folder).communicate() == (None, b"")
        assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "out.jsonl"]


@pytest.mark.parametrize("how", SERIALIZERS)
def test_serialized_shards_equal_the_whole(big: str, how: str) -> None:
    source = "many/*" if how == "conll-rows" else big
    Path("many").mkdir()
    for number in range(4):
        Path("many", f"{number}.conll").write_text(CONLL * (number + 1))
    corpus = corpora.open(source)
    shards = corpus.shards(3)
    assert len(shards) == 3
    whole = list(SERIALIZERS[how](corpus))
    assert [piece for shard in shards for piece in SERIALIZERS[how](shard)] == whole


# --------------------------------------------------------------------------- failing


def test_errors_are_one_line() -> None:
    wrong = error("clean", "a.txt", "--format", "txet")
    assert "unknown format 'txet'; the formats are: auto, conll, conllu, jsonl" in wrong
    assert "closest matches: a.txt" in error("info", "b.txt")
    assert "the steps are: ascii" in error("info", "a.txt", "--clean", "lowr")
    assert "the tokenizers are: whitespace" in error("info", "a.txt", "--tokenize", "x")
    assert "its options are: unit" in error("info", "a.txt", "--option", "x=1")
    assert "takes KEY=VALUE" in error("info", "a.txt", "--option", "unit")
    assert "unit must be 'line'" in error("info", "a.txt", "--option", "unit=word")
    wrong = error("info", "a.conll", "--format", "conll", "--option", "column=x")
    assert "must be an integer, got 'x'" in wrong
    assert "unknown encoding" in error("info", "a.txt", "--encoding", "utf-7000")
    Path("bad.txt").write_bytes(b"good\nbad \xff\n")
    wrong = error("count", "bad.txt", "--out", "v.tsv")
    assert wrong.startswith("corpora: bad.txt, line 2, byte 9: not valid utf-8")
    assert not Path("v.tsv").exists()
    assert run("--traceback", "info", "a.txt").exit_code == 0
    with pytest.raises(corpora.CorpusError):
        run("--traceback", "info", "bad.txt")


def test_options_have_the_type_of_the_format() -> None:
    Path("t.jsonl").write_text('{"7": "a b", "text": "c"}\n')
    result = run("clean", "t.jsonl", "--format", "jsonl", "--option", "field=7")
    assert result.stdout == "a b\n"
    result = run("clean", "a.conll", "--option", "column=-1")
    assert result.stdout == "D N V\nD\n"
    result = run("clean", "a.txt", "--format", "text8", "--option", "document_length=none")
    assert result.stdout.count("\n") == 1


@pytest.mark.slow
def test_skipped_lines_are_reported(big: str) -> None:
    Path("bad.txt").write_bytes(b"good\nbad \xff\n" * 300)
    for command in (["clean"], ["count"], ["convert", "--to", "jsonl", "--out", "-"]):
        result = run(*command, "bad.txt", "--errors", "skip", "--workers", "1")
        assert result.stderr == "corpora: skipped 300 lines that can't be decoded or have no text\n"
    result = run("clean", "bad.txt", "--errors", "skip", "--workers", "2", "-o", "x.txt")
    assert "skipped 300 lines" in result.stderr
    about = json.loads(run("info", "bad.txt", "--errors", "skip", "--json").stdout)
    assert about["skipped_lines"] == 300


@pytest.mark.slow
def test_existing_output_is_kept_on_failure(big: str) -> None:
    Path("bad.txt").write_bytes(Path(big).read_bytes() + b"\xff\n")
    run("encode", "a.txt", "--min-count", "1", "--out", "t")
    Path("o.txt").write_text("before")
    before = TokenStream.open("t").fingerprint()
    for workers in "12":
        error("clean", "bad.txt", "--out", "o.txt", "--workers", workers)
        error("encode", "bad.txt", "--min-count", "1", "--out", "t", "--workers", workers)
    error("convert", "bad.txt", "--to", "parquet", "--out", "o.txt")
    assert Path("o.txt").read_text() == "before"
    assert TokenStream.open("t").fingerprint() == before
    assert not list(Path().glob(".*"))


def wait_for(found: object, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while not found():  # type: ignore[operator]
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("words", [["clean"], ["encode", "--vocab", "v.tsv"]])
@pytest.mark.slow
def test_interrupted_while_it_reads(folder: Path, words: list[str]) -> None:
    Path("v.tsv").write_text("a\t1\n")
    before = sorted(folder.iterdir())
    with start(*words, "-", "--out", "o", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"a b c\n" * 100_000)
        process.stdin.flush()
        wait_for(lambda: list(folder.glob(".tmp-*-o")), process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == b"corpora: interrupted\n"
        assert process.returncode == 130
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
def test_interrupted_with_workers(folder: Path) -> None:
    Path("long.txt").write_bytes(b"The [[cat]] <b>sat</b> on {{the}} 12 mats\n" * 900_000)
    before = sorted(folder.iterdir())
    words = ("clean", "long.txt", "--clean", "wikifil", "--workers", "2", "--out", "o.txt")
    with start(*words) as process:
        wait_for(lambda: [p for p in folder.glob(".tmp-corpora-*/*") if p.stat().st_size], process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == b"corpora: interrupted\n"
        assert process.returncode == 130
    assert sorted(folder.iterdir()) == before


def test_a_line_comes_out_before_the_pipe_is_closed() -> None:
    with start("clean", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        os.write(process.stdin.fileno(), b"a  b\n")  # type: ignore[union-attr]
        assert select.select([process.stdout], [], [], 20)[0]
        assert process.communicate(b"c", timeout=20) == (b"a b\nc\n", b"")


def test_reader_that_stops_early() -> None:
    Path("long.txt").write_text("a b c\n" * 200_000)
    with start("clean", "long.txt", "--workers", "1", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(6) == b"a b c\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(20)


def test_help_is_quick_to_load() -> None:
    code = "import sys, corpora.cli; print([m for m in ('numpy', 'nltk') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert result.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("command", ["", "info", "clean", "count", "encode", "convert", "datasets"])
def test_help(command: str) -> None:
    assert "Usage" in run(*filter(None, [command]), "--help").stdout


# -------------------------------------------------------------------------- data sets


def test_datasets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPORA_DATA", str(folder))
    file = folder / "nlp" / "similarity" / "EN-WS-353-ALL.txt"
    file.parent.mkdir(parents=True)
    file.write_text("love\tsex\t6.77\n")
    table = run("datasets", "list").stdout.split("\n")
    assert [line for line in table if line.startswith("wordsim353 ") and str(file) in line]
    listed = json.loads(run("datasets", "list", "--kind", "corpus", "--json").stdout)
    assert {one["kind"] for one in listed} == {"corpus"}
    assert "analogies" in error("datasets", "list", "--kind", "x")
    assert str(file) in run("datasets", "info", "wordsim353").stdout.replace("\n" + " " * 11, "")
    assert run("datasets", "fetch", "wordsim353").stdout == f"{file}\n"
    result = run("datasets", "info", "wordsim353", "--verify", ok=False)
    assert "differs" in result.stdout
    assert "differ from their recorded checksums" in result.stderr
    assert "closest matches: text8" in error("datasets", "fetch", "textt")
    assert "can't be fetched" in error("datasets", "fetch", "crw_dev")
