"""Outputs: checked before any work, and written completely or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import conec.cli
import corpora.cli
import simec.cli
from conec.cli.vector_files import TokenVectors
from conec.cli.vector_output import vector_output
from corpora.files import atomic_path, check_output

APPS = {"corpora": corpora.cli.app, "conec": conec.cli.app, "simec": simec.cli.app}
FILES = ("out", "html")  # parameters for outputs
MORE = {(("simec", "links", "tune"), "--model"), (("simec", "recommend", "tune"), "--table")}
FOLDERS = {(names, "--out") for names in (
    ("corpora", "encode"), ("conec", "train"), ("conec", "tag", "train"),
    ("simec", "links", "train"),
    ("simec", "recommend", "train"), ("simec", "recommend", "tune"),
    ("simec", "molecules", "pretrain"), ("simec", "molecules", "finetune"),
)} | {(("simec", "links", "tune"), "--model")}  # fmt: skip
RUNNER = CliRunner()


def commands(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = {
    (program, *names): command
    for program, app in APPS.items()
    for names, command in commands(typer.main.get_command(app))
}
OUTPUTS = [
    (names, parameter.opts[0])
    for names, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name in FILES or (names, parameter.opts[0]) in MORE
]


def test_all_outputs_are_found() -> None:
    """Options that write are those of the tests below."""
    says_write = {
        (names, parameter.opts[0])
        for names, command in COMMANDS.items()
        for parameter in command.params
        if "write" in (getattr(parameter, "help", None) or "").lower()
        and parameter.opts[0] not in ("--checkpoint-minutes", "--vocab")
        and parameter.opts[0].startswith("-")
    }
    assert says_write <= set(OUTPUTS)
    assert len(OUTPUTS) == 20


def bad_outputs(folder: Path, is_folder: bool) -> Iterator[tuple[Path, str]]:
    """Outputs that can't be written, with a part of the error."""
    (folder / "file").write_text("kept")
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").write_text("kept")
    yield folder / "missing" / "out", "does not exist"
    yield folder / "file" / "out", "not a folder"
    (folder / "loop").symlink_to("loop")
    yield folder / "loop", "points to itself"
    yield folder / ("x" * 300), "too long"
    if is_folder:
        yield folder / "file", "not a folder"
        yield folder / "full", "notes.txt"
        os.mkfifo(folder / "pipe")
        yield folder / "pipe", "not a folder"
    else:
        yield folder / "full", "is a folder"


@pytest.mark.parametrize(("names", "option"), OUTPUTS, ids=lambda value: str(value))
def test_an_output_is_checked_before_any_input(
    names: tuple[str, ...], option: str, tmp_path: Path
) -> None:
    program, *command = names
    is_folder = (names, option) in FOLDERS
    for out, expected in bad_outputs(tmp_path, is_folder):
        arguments = [
            "no-such-input"
            for parameter in COMMANDS[names].params
            if parameter.required and not parameter.opts[0].startswith("-")
        ]
        if (names, option) in MORE and names[1] == "recommend":
            arguments += ["--out", str(tmp_path / "model")]
        elif (names, option) in MORE:
            arguments += ["--out", str(tmp_path / "settings.csv")]
        more = []
        if option == "--html":
            arguments = ["no-such-input"] * 3
        for to in (["--to", "jsonl"], ["--to", "parquet"]) if names[1:] == ("convert",) else [[]]:
            more = to
            result = RUNNER.invoke(APPS[program], [*command, *arguments, option, str(out), *more])
            assert result.exit_code == 1, (out, result.output)
            assert isinstance(result.exception, SystemExit)
            assert expected in result.stderr, (out, result.stderr)
            assert out.name in result.stderr or str(out.parent) in result.stderr
            assert "no-such-input" not in result.stderr
            assert "Traceback" not in result.stderr
    assert (tmp_path / "file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["file", "full", "loop", *(["pipe"] if is_folder else [])]
    )


@pytest.mark.parametrize("to", ["projector", "spacy"])
def test_exports_of_folders_are_checked_before_any_input(to: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "vectors.tsv").write_text("kept")
    for out in (tmp_path / "file", tmp_path / "full", tmp_path / "file" / "x"):
        result = RUNNER.invoke(APPS["conec"], ["export", "none", "--out", str(out), "--to", to])
        assert result.exit_code == 1
        assert str(tmp_path / out.relative_to(tmp_path).parts[0]) in result.stderr
    assert (tmp_path / "full" / "vectors.tsv").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_permissions(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        check_output(tmp_path / "file")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written to"):
        check_output(tmp_path / "new")


def read_pipe(path: Path) -> Callable[[], bytes]:
    """Read a named pipe in a thread."""
    content: list[bytes] = []
    thread = threading.Thread(target=lambda: content.append(path.read_bytes()), daemon=True)
    thread.start()

    def result() -> bytes:
        thread.join(20)
        return content[0]

    return result


COUNTED = b"one\t1\ntwo\t1\n"


@pytest.mark.parametrize("command", ["count", "clean", "convert"])
def test_named_pipes_are_written_to(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    pipe = tmp_path / "out.txt"
    os.mkfifo(pipe)
    (tmp_path / "link.txt").symlink_to(pipe)
    for out in (pipe, tmp_path / "link.txt"):
        content = read_pipe(out)
        result = RUNNER.invoke(
            APPS["corpora"], [command, str(tmp_path / "a.txt"), "--out", str(out)]
        )
        assert result.exit_code == 0, result.output
        assert content() == (COUNTED if command == "count" else b"one two\n")
        assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_formats_that_need_to_seek_are_written_to_pipes(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "a.txt").write_text("one two\n")
    pipe = tmp_path / "a.parquet"
    os.mkfifo(pipe)
    content = read_pipe(pipe)
    result = RUNNER.invoke(
        APPS["corpora"], ["convert", str(tmp_path / "a.txt"), "--out", str(pipe)]
    )
    assert result.exit_code == 0, result.output
    (tmp_path / "copy.parquet").write_bytes(content())
    assert list(corpora.open(str(tmp_path / "copy.parquet"))) == [["one", "two"]]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("seeks", [False, True])
def test_a_pipe_without_a_reader_breaks(seeks: bool, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(BrokenPipeError), atomic_path(f"/dev/fd/{writing}", seeks=seeks) as path:
            path.write_bytes(b"a")
    finally:
        os.close(writing)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
def test_devices_stay(tmp_path: Path) -> None:
    device = tmp_path / "null.txt"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with atomic_path(device) as path:
        path.write_text("a")
    assert stat.S_ISCHR(device.lstat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
@pytest.mark.parametrize("command", ["count", "clean"])
def test_a_full_device_is_named(command: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    arguments = [command, str(tmp_path / "a.txt")]
    result = RUNNER.invoke(APPS["corpora"], [*arguments, "--out", "/dev/full"])
    assert result.exit_code == 1
    assert result.stderr == "corpora: /dev/full: No space left on device\n"
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "corpora.cli", *arguments],
            stdout=full, stderr=subprocess.PIPE, check=False, cwd=Path(__file__).parents[1],
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == b"corpora: standard output: No space left on device\n"


@pytest.mark.parametrize("out", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_a_file_that_standard_output_is_redirected_to_is_not_replaced(
    out: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    (tmp_path / "link").symlink_to("/dev/stdout")
    log = tmp_path / "log"
    log.write_text("earlier\n")
    with open(log, "ab") as file:
        subprocess.run(
            [sys.executable, "-m", "corpora.cli", "count", tmp_path / "a.txt", "--out",
             out.replace("link", str(tmp_path / "link"))],
            stdout=file, check=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
    assert log.read_bytes() == b"earlier\n" + COUNTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "link", "log"]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    os.link(tmp_path / "target", tmp_path / "hard")
    with atomic_path(tmp_path / "link") as path:
        path.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "hard").read_text() == "old"
    (tmp_path / "dangling").symlink_to("later")
    with atomic_path(tmp_path / "dangling") as path:
        path.write_text("new")
    assert (tmp_path / "later").read_text() == "new"


# Full disks

FULL = """
import json, os, resource, shutil, signal, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import numpy as np
from typer.testing import CliRunner
import conec, corpora, simec.cli, conec.cli, corpora.cli
from conec.interop import save_projector, save_spacy, save_word2vec
from conec.ner import Tagger
from conec.plots import plot_map
from corpora.encoding import TokenStream
from simec import SimilarityEncoder
from simec.explain import write_page
from simec.links import LinkPredictor
from simec.recommender import Recommender

work = Path(sys.argv[1])
rng = np.random.default_rng(0)
documents = [[f"word{i}" for i in rng.integers(4000, size=20)] for _ in range(1000)]
text = work / "text.txt"
text.write_text("".join(" ".join(document) + "\\n" for document in documents))
rows = [f"word{rng.integers(4000)} N {rng.choice(['O', 'B-A'])}" for _ in range(3000)]
tagged = work / "t.conll"
tagged.write_text("\\n".join(row + "\\n" * (i % 15 == 0) for i, row in enumerate(rows)))
model = conec.ContextEncoder(vector_size=9, min_count=1, epochs=1, sample=0).fit(documents)
model.save(work / "model")
sentences = [[row.split()[:2] for row in rows[i : i + 20]] for i in range(0, 3000, 20)]
tags = [[row.split()[2] for row in rows[i : i + 20]] for i in range(0, 3000, 20)]
tagger = Tagger(max_iterations=3).fit([[tuple(t) for t in s] for s in sentences], tags)
tagger.save(work / "tagger")
X = rng.normal(size=(200, 50))
encoder = SimilarityEncoder(20, max_iter=2).fit(X, X @ X.T)
triples = [(f"e{h}", "r", f"e{t}") for h, t in rng.integers(400, size=(900, 2))]
ratings = [(f"u{u}", f"i{i}", float(u % 5)) for u, i in rng.integers(300, size=(3000, 2))]
(work / "kg.tsv").write_text("".join("\\t".join(t) + "\\n" for t in triples))
(work / "r.csv").write_text("".join(f"{u},{i},{r}\\n" for u, i, r in ratings))
links = LinkPredictor(20, max_iter=1).fit(triples)
recommender = Recommender(20).fit(ratings)
out = work / "out"
vectors = model.wv

def draw(path):
    plot_map(vectors, model.vocabulary.words[:30], path, method="pca")

def command(program, *args):
    app = {"corpora": corpora.cli.app, "conec": conec.cli.app, "simec": simec.cli.app}[program]
    def run():
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result
        raise OSError(27, result.stderr)
    return run

WRITERS = {
    "clean.txt": command("corpora", "clean", text, "--out", out / "clean.txt"),
    "clean.gz": command("corpora", "clean", text, "--clean", "lower", "--out", out / "clean.gz"),
    "count.tsv": command("corpora", "count", text, "--out", out / "count.tsv"),
    **{name: command("corpora", "convert", text, "--out", out / name) for name in
       ("a.jsonl", "a.conll", "text8", "a.jsonl.zst", "a.txt.xz", "a.txt.bz2", "a.parquet")},
    "tokens": command("corpora", "encode", text, "--min-count", 1, "--out", out / "tokens"),
    "stream": lambda: TokenStream.encode(corpora.open(documents), model.vocabulary.index),
    "train": command("conec", "train", text, "--out", out / "train", "--no-progress"),
    "fit": lambda: conec.ContextEncoder(min_count=1).fit(documents, checkpoint=out / "fit"),
    **{name: command("conec", "embed", work / "model", text, "--out", out / name) for name in
       ("e.tsv", "e.jsonl", "e.tsv.gz", "e.npz")},
    **{name: command("conec", "export", work / "model", "--out", out / name) for name in
       ("w.vec", "w.vec.gz", "w.vec.xz")},
    "w.bin": command("conec", "export", work / "model", "--out", out / "w.bin", "--to",
                     "word2vec-binary"),
    "projector": lambda: save_projector(vectors, out / "projector"),
    "tagger": command("conec", "tag", "train", tagged, "--out", out / "tagger", "--iterations", 3),
    "tagged": command("conec", "tag", "apply", work / "tagger", tagged, "--out", out / "tagged"),
    "saved tagger": lambda: tagger.save(out / "saved tagger"),
    "model": lambda: model.save(out / "model"),
    "encoder": lambda: encoder.save(out / "encoder"),
    "checkpoint": lambda: SimilarityEncoder(20, hidden_layers=(30,), max_iter=2).fit(
        X, X @ X.T, checkpoint=out / "checkpoint", checkpoint_epochs=1),
    "links": lambda: links.save(out / "links"),
    "trained links": command("simec", "links", "train", work / "kg.tsv", "--out",
                             out / "trained links", "--epochs", 1),
    "recommender": lambda: recommender.save(out / "recommender"),
    "trained recommender": command("simec", "recommend", "train", work / "r.csv", "--out",
                                   out / "trained recommender", "--no-progress"),
    "map.png": lambda: draw(out / "map.png"),
    "map.svg": lambda: draw(out / "map.svg"),
    "page.html": lambda: write_page(out / "page.html", ["x" * 100_000]),
    "words.vec": lambda: save_word2vec(vectors, out / "words.vec", vocab=out / "vocab.txt"),
}
temporary = Path(os.environ["TMPDIR"])
draw(work / "map.png")  # the font cache of matplotlib is not an output
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
results = {}
for name, write in WRITERS.items():
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if name in ("clean.txt", "a.jsonl.zst", "w.vec", "e.npz", "map.png"):
        (out / name).write_text("old")
    before = sorted(os.listdir(out))
    try:
        write()
        error = "nothing raised"
    except OSError as caught:
        error = f"{caught.errno} {caught}"
    except BaseException as caught:
        error = repr(caught)
    content = [path.read_text() for path in out.iterdir() if path.is_file()]
    left = [path.name for path in temporary.iterdir()
            if path.name.startswith(("corpora-", "conec-"))]
    named = str(out / name) in error or str(temporary) in error
    error = error.split()[0] if named and error.count("not written") < 2 else error
    results[name] = [error, before == sorted(os.listdir(out)), content, left]
print(json.dumps(results))
"""


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_earlier_content_stays(tmp_path: Path) -> None:
    import json

    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[1], env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    results = json.loads(done.stdout)
    assert len(results) > 30
    for name, (error, same, content, left) in results.items():
        assert error in ("27", "28"), (name, error)
        assert same, name
        assert set(content) <= {"old"}, name
        assert not left, name


@pytest.mark.parametrize(
    "suffix", [".npz", ".parquet", ".arrow", *(kind + end for kind in (".tsv", ".jsonl")
                         for end in ("", ".gz", ".bz2", ".xz", ".zst"))]
)  # fmt: skip
def test_files_of_vectors_depend_on_their_content_only(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix in (".parquet", ".arrow"):
        pytest.importorskip("pyarrow")
    order = np.arange(3)
    vectors = np.stack([order, order + 0.5], axis=1).astype(np.float32)
    bounds, text = np.arange(4), np.frombuffer(b"abc", np.uint8)
    block = TokenVectors(order, order, bounds, text, order >= 0, vectors)
    contents = []
    for number, name in enumerate(("a", "longer")):
        monkeypatch.setattr("time.time", lambda number=number: 1.5e9 + 1e6 * number)
        path = tmp_path / (name + suffix)
        with vector_output(str(path), 2, "float32", {}, resume=False, overwrite=False) as output:
            output.add(block)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_tokens_of_very_different_length(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    order = np.arange(5000)
    bounds = np.cumsum([0, *(70_000 if i == 9 else 1 for i in range(5000))])
    vectors, text = np.zeros((5000, 1), np.float32), np.full(bounds[-1], ord("x"), np.uint8)
    block = TokenVectors(order, order, bounds, text, order >= 0, vectors)
    with (
        pytest.raises(ValueError, match=r"a\.npz: .*too large; write \.jsonl"),
        vector_output(str(path), 1, "float32", {}, resume=False, overwrite=False) as output,
    ):
        output.add(block)
    assert not path.exists()


@pytest.mark.parametrize("target", ["text", "conll", "jsonl", "text8", "parquet"])
def test_converted_texts_depend_on_their_content_only(tmp_path: Path, target: str) -> None:
    if target == "parquet":
        pytest.importorskip("pyarrow")
    source = tmp_path / "source.txt"
    source.write_text("the cup\nof tea\n" * 5)
    contents = []
    for name in ("a", "longer"):
        path = tmp_path / f"{name}{'.parquet' if target == 'parquet' else '.gz'}"
        arguments = ["convert", str(source), "--to", target, "--out", str(path)]
        assert RUNNER.invoke(corpora.cli.app, arguments).exit_code == 0
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
