"""The command line: what a user types, sees and gets."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from typer.testing import CliRunner

import conec
import corpora
from conec.cli import app
from conec.cli.training_run import epochs_for
from conec.config import Config
from conec.features import Case, PartOfSpeech
from corpora.cleaning import Pipeline

# with so few words, a batch that shares its noise would change each of them many times at once
SMALL = ["--vector-size", "8", "--min-count", "2", "--sample", "0", "--negatives", "exact"]


def run(*args: object, stdin: str | None = None, code: int = 0):
    """Run a command in this process and check how it ends."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)
    assert result.exit_code == code, result.output
    if result.exception is not None:
        assert isinstance(result.exception, SystemExit), result.exception
    return result


def error(*args: object, stdin: str | None = None) -> str:
    """The one line of a command that fails."""
    result = run(*args, stdin=stdin, code=1)
    message = result.stderr.strip()
    assert message.startswith("conec: ")
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def text(n: int, seed: int = 0) -> str:
    """A text of two topics, so that there is something to learn."""
    rng = random.Random(seed)
    topics = [
        ["red", "green", "blue", "colour", "paint", "bright", "dark"],
        ["cat", "dog", "horse", "animal", "fur", "wild", "tame"],
    ]
    return "\n".join(" ".join(rng.choices(rng.choice(topics), k=12)) for _ in range(n)) + "\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(text(400) + "lonely\nlonely\n")
    return path


@pytest.fixture(scope="module")
def model(corpus) -> Path:
    path = corpus.parent / "a.model"
    run("train", corpus, "--out", path, *SMALL, "--epochs", "20")
    return path


# train


def test_train_is_the_library_with_the_same_parameters(corpus, tmp_path):
    out = tmp_path / "m"
    options = "--vector-size 6 --window 3 --min-window 2 --epochs 3 --min-count 1 --sample 0.01"
    options += " --negative 4 --negatives exact --ns-exponent 0.5 --alpha 0.04 --min-alpha 0.001"
    options += " --cbow-sum --cbow-gradient word2vec --workers 1 --seed 5 --max-final-vocab 14"
    result = run("train", corpus, "--out", out, *options.split())
    expected = conec.ContextEncoder(
        vector_size=6, window=3, min_window=2, epochs=3, min_count=1, sample=0.01, negative=4,
        negatives="exact", ns_exponent=0.5, alpha=0.04, min_alpha=0.001, cbow_mean=False,
        cbow_gradient="word2vec", workers=1, seed=5, max_final_vocab=14,
    ).fit(corpus)  # fmt: skip
    loaded = conec.load(out)
    assert loaded.config == expected.config
    assert np.array_equal(loaded.W1, expected.W1)
    assert np.array_equal(loaded.context_embeddings, expected.context_embeddings)
    for shown in ("14 of 15 different", "words/s", str(out), f"{expected.loss_history_[2]:.4f}"):
        assert shown in result.stdout
    assert "epoch 3 of 3" in result.stderr


def test_each_training_parameter_has_an_option():
    shown = run("train", "--help").stdout
    for field in fields(Config):
        assert "--" + field.name.replace("_", "-") in shown


def test_options_default_to_those_of_the_library(corpus, tmp_path):
    given = ["--epochs", 1, "--sample", 1e-4]
    result = run("train", corpus, "--out", tmp_path / "m", "--no-progress", *given)
    assert conec.load(tmp_path / "m").config == Config(epochs=1)
    assert "chosen" not in result.stdout


def test_epochs_and_sample_are_chosen_by_the_size_of_the_text(corpus, tmp_path):
    result = run("train", corpus, "--out", tmp_path / "m", "--vector-size", 8)
    assert "chosen: --epochs 20 --sample 0.01 for a text of 4,802 words" in result.stderr
    assert "chosen --epochs 20 --sample 0.01" in result.stdout
    config = conec.load(tmp_path / "m").config
    assert (config.epochs, config.sample) == (20, 0.01)
    sizes = (1, 10**6, 3 * 10**6, 6 * 10**6, 10**9)
    assert [epochs_for(n) for n in sizes] == [20, 20, 10, 5, 5]


def test_train_reads_as_it_is_told(tmp_path):
    source = tmp_path / "a.jsonl.gz"
    with gzip.open(source, "wt", encoding="latin-1") as file:
        for _ in range(5):
            file.write('{"body": "Caf\xe9, 12 Cats. Caf\xe9 cats!"}\n')
    run(
        "train", source, "--out", tmp_path / "m", *SMALL, "--format", "jsonl", "--option",
        "field=body", "--encoding", "latin-1", "--clean", "lower,ascii", "--clean", "digits",
        "--tokenize", "regexp", "--sentences",
    )  # fmt: skip
    loaded = conec.load(tmp_path / "m")
    assert sorted(loaded.vocabulary.words) == ["11", "cafe", "cats"]


def test_lines_that_cannot_be_decoded_are_skipped_and_told(tmp_path):
    source, out = tmp_path / "a.txt", tmp_path / "m"
    source.write_bytes(b"cat dog\ncat \xff\n" * 5)
    message = "conec: skipped 5 lines that can't be decoded or have no text\n"
    how = ["--errors", "skip"]
    assert message in run("train", source, "--out", out, *SMALL, *how).stderr
    assert conec.load(out).vocabulary.counts.tolist() == [5, 5]
    result = run("embed", out, source, *how)
    assert message in result.stderr
    assert "5 documents, 10 tokens" in result.stderr


def test_update_trains_further_with_new_words(corpus, model, tmp_path):
    other = tmp_path / "more.txt"
    other.write_text("robot cat robot dog\n" * 20)
    out = tmp_path / "m"
    run("train", other, "--out", out, "--update-from", model, "--epochs", 4, "--alpha", 0.03)
    loaded, old = conec.load(out), conec.load(model)
    assert "robot" in loaded
    assert "blue" in loaded
    assert loaded.wv.get_vecattr("dog", "count") == old.wv.get_vecattr("dog", "count") + 20
    assert len(loaded.loss_history_) == len(old.loss_history_) + 4
    # a word that the new text lacks keeps its weights and has no contexts there
    row = loaded.vocabulary.index["blue"]
    assert not loaded.context_embeddings[row].any()
    assert "no direction" in error("similar", out, "blue")
    message = error("train", other, "--out", out, "--update-from", model, "--window", 9)
    assert "--window" in message
    assert "9" in message


@pytest.mark.parametrize("options", [["--window", "0"], ["--alpha", "-1"], ["--sample", "nan"]])
def test_parameters_out_of_range_are_named(corpus, tmp_path, options):
    assert options[0][2:] in error("train", corpus, "--out", tmp_path / "m", *options)
    assert not (tmp_path / "m").exists()


def test_train_checks_where_to_write_before_it_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("conec.model.count", lambda *a, **k: pytest.fail("it has read"))
    source = tmp_path / "text.txt"
    source.write_text("a b c\n")
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "thesis.doc").write_text("years of work")
    for out in (tmp_path / "no" / "m", source, folder):
        assert str(out if out != tmp_path / "no" / "m" else out.parent) in error(
            "train", source, "--out", out
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["papers", "text.txt"]


@pytest.mark.parametrize(
    ("content", "options", "shown"),
    [
        (b"", (), "empty"),
        (b"a b c\n", (), "min_count"),
        (b"ok\n\xff\xfe bad\n", (), "line 2"),
        (b"a b\n", ("--format", "word"), "unknown format 'word'"),
        (b"a b\n", ("--option", "unit"), "KEY=VALUE"),
        (b"a b\n", ("--option", "foo=1"), "no option 'foo'"),
        (b"a b\n", ("--encoding", "klingon"), "klingon"),
        (b"a b\n", ("--clean", "wash"), "unknown cleaning step 'wash'"),
        (b"a b\n", ("--tokenize", "axe"), "axe"),
        (b"a b\n", ("--resume",), "Context Encoder not found"),
    ],
)
def test_what_is_wrong_with_the_text_or_its_options(tmp_path, content, options, shown):
    source = tmp_path / "bad.txt"
    source.write_bytes(content)
    assert shown in error("train", source, "--out", tmp_path / "m", *options)


def test_standard_input_is_refused_for_training(tmp_path):
    message = error("train", "-", "--out", tmp_path / "m", stdin="a b\n")
    assert "standard input can be read only once" in message


def test_divergence_is_an_error_in_one_line(corpus, tmp_path):
    message = error(
        "train", corpus, "--out", tmp_path / "m", *SMALL, "--epochs", 5, "--alpha", 1e30
    )
    assert "learning rate" in message


# Interruptions


def start(*args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "conec.cli", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_ends_with_the_same_bits(tmp_path):
    source = tmp_path / "text.txt"
    source.write_text(text(5000))  # two ranges of tokens: it can stop within an epoch
    options = [*SMALL, "--epochs", "40", "--seed", "3"]
    run("train", source, "--out", tmp_path / "whole", *options)

    out = tmp_path / "m"
    process = start("train", source, "--out", out, *options)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 3 "):
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert str(out) in errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert output == ""

    # a whole model that says of itself that it is not finished
    checkpoint = conec.load(out)
    done = len(checkpoint.loss_history_)
    assert 3 <= done < 40
    assert "interrupted" in run("info", out).stdout
    about = json.loads(run("info", out, "--json").stdout)
    assert about["interrupted"] == {"epochs_done": done, "epochs": 40}
    assert "--resume" in error("similar", out, "cat")
    run("similar", out, "cat", "--space", "word2vec")

    # it is not lost by mistake
    assert "--resume" in error("train", source, "--out", out, *options)
    assert "--epochs" in error("train", source, "--out", out, "--resume", "--epochs", 41)
    other = tmp_path / "other.txt"
    other.write_text(text(5000, seed=1))
    assert "is not the text" in error("train", other, "--out", out, "--resume")
    assert len(conec.load(out).loss_history_) == done

    result = run("train", source, "--out", out, *options, "--resume")
    assert f"continuing after {done} of 40" in result.stderr
    whole, resumed = conec.load(tmp_path / "whole"), conec.load(out)
    for name in ("W1", "W2", "context_embeddings"):
        assert np.array_equal(getattr(whole, name), getattr(resumed, name)), name
    assert whole.loss_history_ == resumed.loss_history_
    assert "nothing to resume" in error("train", source, "--out", out, "--resume")
    assert "not a text: it is a folder of kind conec.ContextEncoder" in error(
        "train", out, "--out", tmp_path / "again"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m", "other.txt", "text.txt", "whole",
    ]  # fmt: skip


@pytest.mark.slow
def test_ctrl_c_before_training_says_that_nothing_was_saved(corpus, tmp_path):
    code = (
        "import sys, time; import conec.model; from conec.cli import app; "
        "conec.model.count = lambda *a, **k: (print('counting', flush=True), time.sleep(60)); "
        "app(sys.argv[1:])"
    )
    args = [sys.executable, "-c", code, "train", str(corpus), "--out", str(tmp_path / "m")]
    with subprocess.Popen(
        args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert errors == "conec: interrupted\n"
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_a_closed_pipe_is_no_error_to_speak_of(model, tmp_path):
    source = tmp_path / "new.txt"
    source.write_text(text(3000))
    process = start("embed", model, source)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("document\tposition")
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=30)
    assert errors == ""
    assert process.returncode != 0


# Queries


def test_similar(model):
    loaded = conec.load(model)
    lines = run("similar", model, "cat", "--topn", 3).stdout.split()
    expected = loaded.most_similar("cat", topn=3)
    assert lines[::2] == [word for word, _ in expected]
    assert [float(number) for number in lines[1::2]] == pytest.approx(
        [number for _, number in expected], abs=6e-4
    )
    found = json.loads(
        run("similar", model, "cat", "red", "--space", "word2vec", "--topn", 2, "--json").stdout
    )
    assert found == {word: dict(loaded.wv.most_similar(word, topn=2)) for word in ("cat", "red")}
    assert run("similar", model, "cat", "red").stdout.startswith("cat\n")


def test_a_word_without_any_context_has_no_neighbours_and_is_nobodys(model, recwarn):
    assert "no direction" in error("similar", model, "lonely")
    found = json.loads(run("similar", model, "cat", "--topn", 50, "--json").stdout)["cat"]
    assert len(found) == 14
    assert all(np.isfinite(value) for value in found.values())
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def test_unknown_words_lead_to_oov(model):
    assert f"conec oov {model} zorbing" in error("similar", model, "cat", "zorbing")
    assert "it knows 'cat'" in error("similar", model, "Cat")
    assert "conec oov" in error("analogy", model, "cat", "dog", "zorbing")


def test_analogy(model):
    expected = conec.load(model).wv_context.most_similar(
        positive=["dog", "red"], negative=["cat"], topn=4
    )
    output = run("analogy", model, "cat", "dog", "red", "--topn", 4, "--json").stdout
    assert json.loads(output) == dict(expected)


def test_oov(model):
    contexts = ["the dog and zorbing horse", "wild zorbing fur"]
    args = ["oov", model, "zorbing", "--context", contexts[0], "--context", contexts[1]]
    result = json.loads(run(*args, "--json").stdout)
    expected = conec.load(model).embed_word("zorbing", contexts)
    assert result["vector"] == pytest.approx(expected.tolist())
    shown = run(*args, "--topn", 4).stdout.split()[::2]
    assert shown == list(result["neighbours"])[:4]
    animals = {"cat", "dog", "horse", "animal", "fur", "wild", "tame"}
    assert len(set(shown) & animals) >= 3


def test_oov_cuts_its_contexts_as_training_did(model):
    args = ["oov", model, "Zorbing", "--context", 'The dog. "ZORBING", a horse.']
    assert "--tokenize regexp" in error(*args)
    run(*args, "--tokenize", "regexp", "--clean", "lower")
    assert "must be a single token" in error("oov", model, "a b", "--context", "x a b")
    assert "none of the words around 'new'" in error("oov", model, "new", "--context", "a new life")


def test_a_known_word_in_context_is_a_mixture(model):
    def vector(a: float) -> list[float]:
        args = ("oov", model, "cat", "--context", "red cat blue", "--a", a, "--json")
        return json.loads(run(*args).stdout)["vector"]

    loaded = conec.load(model)
    assert vector(0.3) == pytest.approx(loaded.embed_word("cat", ["red cat blue"], 0.3).tolist())
    assert not np.allclose(vector(0.3), vector(0.9))
    run("oov", model, "cat", "--context", "red cat", "--a", 2, code=2)


# embed

DOCUMENTS = "the cat zorbing horse\n\nno word known here\nred blue\n"


def expected_rows(model: Path, a: float = 0.8):
    loaded = conec.load(model)
    documents = [line.split() for line in DOCUMENTS.splitlines() if line]
    for number, tokens in enumerate(documents):
        vectors, found = loaded.embed(tokens, a, return_found=True)
        for position, token in enumerate(tokens):
            yield number, position, token, bool(found[position]), vectors[position]


def test_embed_to_numpy(model, tmp_path):
    source, out = tmp_path / "new.txt", tmp_path / "new.npz"
    source.write_text(DOCUMENTS)
    result = run("embed", model, source, "--out", out)
    assert "3 documents, 10 tokens, 4 of them without an embedding" in result.stderr
    with np.load(out, allow_pickle=False) as file:
        arrays = dict(file)
    rows = list(expected_rows(model))
    for column, name in enumerate(("document", "position", "token", "found")):
        assert arrays[name].tolist() == [row[column] for row in rows]
    assert arrays["vector"].dtype == np.float32
    assert np.array_equal(arrays["vector"], [row[4] for row in rows])
    assert not arrays["vector"][~arrays["found"]].any()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_embed_to_tables(model, tmp_path, suffix):
    pa = pytest.importorskip("pyarrow")
    out = tmp_path / f"v{suffix}"
    run("embed", model, "--out", out, "--workers", 2, stdin=DOCUMENTS)
    if suffix == ".parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(out)
    else:
        with pa.OSFile(str(out)) as file:
            table = pa.ipc.open_file(file).read_all()
    rows = list(expected_rows(model))
    for column, name in enumerate(("document", "position", "token", "found")):
        assert table[name].to_pylist() == [row[column] for row in rows]
    size = len(rows[0][-1])
    numbers = pa.field("element", pa.float32(), nullable=False)
    assert table.schema.field("vector").type == pa.list_(numbers, size)
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, size)
    np.testing.assert_array_equal(vectors, [row[-1] for row in rows])


@pytest.mark.parametrize("name", ["v.jsonl", "v.jsonl.gz", "v.tsv", "v.tsv.xz"])
def test_embed_to_text_loses_no_digit(model, tmp_path, name):
    import smart_open

    out = tmp_path / name
    run("embed", model, "--a", 0.2, "--out", out, stdin=DOCUMENTS)
    with smart_open.open(out, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if "tsv" in name:
        header, *rest = (line.split("\t") for line in lines)
        assert header[:5] == ["document", "position", "token", "found", "v0"]
        read = [
            (int(row[0]), int(row[1]), row[2], row[3] == "1", [float(x) for x in row[4:]])
            for row in rest
        ]
    else:
        read = [tuple(json.loads(line).values()) for line in lines]
    rows = list(expected_rows(model, 0.2))
    assert [row[:4] for row in read] == [row[:4] for row in rows]
    vectors = np.array([row[4] for row in read], np.float32)
    assert np.array_equal(vectors, [row[4] for row in rows])


def test_embed_to_standard_output(model):
    lines = run("embed", model, stdin=DOCUMENTS).stdout.splitlines()
    assert len(lines) == 11
    assert lines[1].split("\t")[:4] == ["0", "0", "the", "1"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"text": "the cat"}\n{"text": "red"}\n'),
        ("a.conll", "-DOCSTART- O\n\nthe O\ncat B-X\n\n-DOCSTART- O\n\nred O\n"),
        ("a.txt", "the cat\nred\n"),
    ],
)
def test_embed_recognizes_the_format(model, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    lines = run("embed", model, tmp_path / name).stdout.splitlines()[1:]
    assert [line.split("\t")[:3] for line in lines] == [
        ["0", "0", "the"], ["0", "1", "cat"], ["1", "0", "red"]
    ]  # fmt: skip


def test_embed_of_nothing(model, tmp_path):
    run("embed", model, "--out", tmp_path / "v.npz", stdin="\n")
    with np.load(tmp_path / "v.npz") as file:
        assert file["vector"].shape == (0, 8)


def test_embed_leaves_an_older_file_if_it_fails(model, tmp_path):
    source, out = tmp_path / "new.txt", tmp_path / "v.tsv"
    source.write_bytes(b"fine line\n\xff\n")
    out.write_text("older")
    assert "line 2" in error("embed", model, source, "--out", out)
    assert out.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.txt", "v.tsv"]
    assert ".arrow, .tsv or .jsonl" in error("embed", model, source, "--out", tmp_path / "v.doc")
    assert "folder to write to" in error("embed", model, source, "--out", tmp_path / "no" / "v.npz")


# evaluate, export, info


def test_evaluate(model, tmp_path):
    from conec.evaluation import analogies, word_similarity

    pairs, questions = tmp_path / "pairs.tsv", tmp_path / "questions.txt"
    pairs.write_text("cat\tdog\t9\nred\tblue\t8\ncat\tblue\t1\nhorse\tpaint\t2\ncat\tspoon\t3\n")
    questions.write_text(": animals\ncat dog wild tame\n: gram\nred green blue paint\n")
    args = ("evaluate", model, "--similarity", pairs, "--analogies", questions)
    found = json.loads(run(*args, "--json").stdout)
    loaded = conec.load(model)
    for space, vectors in (("context", loaded.wv_context), ("word2vec", loaded.wv)):
        assert found[str(pairs)][space] == word_similarity(vectors, pairs).to_dict()
        assert found[str(questions)][space] == analogies(vectors, questions).to_dict()
    assert found[str(pairs)]["context"]["spearman"] > 0.5
    assert found[str(pairs)]["context"]["n_oov"] == 1
    for encoding in ("utf-16", "utf-8"):
        for file in (pairs, questions):
            text = file.read_text() if encoding == "utf-16" else file.read_text("utf-16")
            file.write_text(text, encoding=encoding)
        shown = json.loads(run(*args, "--json", "--encoding", encoding).stdout)
        assert shown == found
        assert "unknown encoding" in error(*args, "--encoding", "utf-7000")
    shown = run(*args).stdout
    assert "Spearman" in shown
    assert "of 2 questions" in shown


def test_evaluate_on_a_data_set_by_name(model, tmp_path, monkeypatch):
    folder = tmp_path / "nlp" / "similarity"
    folder.mkdir(parents=True)
    (folder / "EN-WS-353-ALL.txt").write_text("cat\tdog\t9\nred\tblue\t8\ncat\tblue\t1\n")
    monkeypatch.setenv("CORPORA_DATA", str(tmp_path))
    shown = run("evaluate", model, "--dataset", "WordSim353").stdout
    assert "over 3 pairs" in shown
    assert shown.count("Spearman") == 2
    assert "wordsim353" in error("evaluate", model, "--dataset", "wordsim35")
    assert "another kind" in error("evaluate", model, "--dataset", "text8")
    run("evaluate", model, code=2)


@pytest.mark.parametrize("space", ["context", "word2vec"])
@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary"])
def test_export_is_read_by_gensim(model, tmp_path, space, to):
    out = tmp_path / "vectors"
    run("export", model, "--out", out, "--to", to, "--space", space)
    read = KeyedVectors.load_word2vec_format(out, binary=to == "word2vec-binary")
    loaded = conec.load(model)
    expected = loaded.wv if space == "word2vec" else loaded.wv_context
    assert read.index_to_key == expected.index_to_key
    assert np.array_equal(read.vectors, expected.vectors)


def test_export_for_the_projector(model, tmp_path):
    run("export", model, "--out", tmp_path / "p", "--to", "projector")
    assert len((tmp_path / "p" / "vectors.tsv").read_text().splitlines()) == 15


@pytest.mark.slow
def test_export_for_spacy(model, tmp_path):
    spacy = pytest.importorskip("spacy")
    run("export", model, "--out", tmp_path / "s", "--to", "spacy", "--lang", "en")
    read = spacy.load(tmp_path / "s")
    assert np.array_equal(read.vocab["cat"].vector, conec.load(model).wv_context["cat"])
    run("export", model, "--out", tmp_path / "s", "--to", "spacy")  # its own export
    read.add_pipe("sentencizer")
    read.to_disk(tmp_path / "trained")
    message = error("export", model, "--out", tmp_path / "trained", "--to", "spacy")
    assert "Nothing is replaced" in message
    assert spacy.load(tmp_path / "trained").pipe_names == ["sentencizer"]


def test_info(model):
    about = json.loads(run("info", model, "--json").stdout)
    loaded = conec.load(model)
    assert about["words"] == 15
    assert about["parameters"] == loaded.config.to_dict()
    assert about["loss_history"] == loaded.loss_history_
    assert about["contexts"] is True
    assert about["interrupted"] is None
    shown = run("info", model).stdout
    assert "interrupted" not in shown
    assert "vector_size    8" in shown


# Models with features


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A model with features that read capitals and a column, and its text in columns."""
    folder = tmp_path_factory.mktemp("extended")
    lines = ("They PRP\neat VBP\nApple NNP\n\nRome NNP\nburns VBZ\n\n", "Rome NNP\neats VBZ\n\n")
    (folder / "text.conll").write_text("-DOCSTART- X\n\n".join(("", *lines)) * 10)
    made = conec.ExtendedContextEncoder(
        [Case(), PartOfSpeech()],
        clean=Pipeline("lower"),
        vector_size=6,
        min_count=1,
        epochs=2,
        sample=0,
    )
    made.fit(folder / "text.conll").save(folder / "m")
    return folder


def test_commands_load_the_features_of_a_model(extended, tmp_path):
    model = conec.load(extended / "m")
    out = tmp_path / "v.npz"
    run("embed", extended / "m", extended / "text.conll", "--format", "conll", "--out", out)
    document = [[("They", "PRP"), ("eat", "VBP"), ("Apple", "NNP")],
                [("Rome", "NNP"), ("burns", "VBZ")]]  # fmt: skip
    with np.load(out) as file:
        np.testing.assert_array_equal(file["vector"][:5], model.embed(document))
        assert file["position"][:5].tolist() == [0, 1, 2, 4, 5]
        assert file["token"][:3].tolist() == ["They", "eat", "Apple"]
        assert file["document"][-1] == 19
    message = error("embed", extended / "m", stdin="They eat\n")
    assert "no column 1" in message
    assert json.loads(run("info", extended / "m", "--json").stdout)["features"] == 2


def test_a_model_with_features_is_trained_further(extended, tmp_path):
    more = tmp_path / "more.conll"
    more.write_text("They PRP\nsee VBP\nOslo NNP\n\n" * 5)
    out = tmp_path / "m"
    run("train", more, "--format", "conll", "--out", out, "--update-from", extended / "m")
    expected = conec.load(extended / "m")
    corpus = corpora.open(more, "conll")
    expected.build_vocab(corpus, update=True).train(corpus)
    loaded = conec.load(out)
    assert isinstance(loaded, conec.ExtendedContextEncoder)
    assert loaded.features == expected.features
    for name in ("W1", "F1", "context_embeddings"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(expected, name))
    assert "oslo" in loaded


def test_an_interrupted_model_with_features_goes_on(extended, tmp_path):
    made = conec.ExtendedContextEncoder(
        [Case()], clean=Pipeline("lower"), vector_size=6, min_count=1, epochs=4, sample=0
    )
    corpus = corpora.open(extended / "text.conll", "conll")

    def stop(model):
        if len(model.loss_history_) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.fit(corpus, checkpoint=tmp_path / "m", callbacks=stop)
    made = conec.ExtendedContextEncoder(
        [Case()], clean=Pipeline("lower"), vector_size=6, min_count=1, epochs=4, sample=0
    ).fit(corpus)
    run("train", extended / "text.conll", "--format", "conll", "--out", tmp_path / "m", "--resume")
    loaded = conec.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.F1, made.F1)
    assert loaded.loss_history_ == made.loss_history_


def test_custom_features_need_python(extended, tmp_path):
    def is_city(sentence):
        return [[] for _ in sentence.tokens]

    made = conec.ExtendedContextEncoder([is_city], vector_size=4, min_count=1, epochs=1, sample=0)
    made.fit(extended / "text.conll").save(tmp_path / "m")
    source = extended / "text.conll"
    for args in (
        ("similar", tmp_path / "m", "Rome"),
        ("info", tmp_path / "m"),
        ("export", tmp_path / "m", "--out", tmp_path / "x"),
        ("train", source, "--out", tmp_path / "n", "--update-from", tmp_path / "m"),
        ("train", source, "--out", tmp_path / "m"),
        ("train", source, "--out", tmp_path / "m", "--resume"),
    ):
        message = error(*args)
        assert "is_city" in message
        assert "use this model from Python" in message
    assert not (tmp_path / "n").exists()


def test_info_verifies_checksums(model, tmp_path):
    from tests.golden import golden

    shutil.copytree(model, tmp_path / "m")
    about = json.loads(run("info", tmp_path / "m", "--verify", "--json").stdout)
    assert about["verified"].startswith("5 files")
    assert about["words"] == 15
    assert "verified   5 files" in run("info", tmp_path / "m", "--verify").stdout
    for name in ("weights.safetensors", "vocabulary.json"):
        path = tmp_path / "m" / name
        content = path.read_bytes()
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        message = error("info", tmp_path / "m", "--verify")
        assert f"{name}: the checksum differs" in message
        path.write_bytes(content)
    assert "no checksums" in run("info", golden("context_encoder_map", tmp_path), "--verify").stdout
    # models of other packages
    stream = golden("token_stream", tmp_path)
    assert "corpora.TokenStream" in run("info", stream, "--verify").stdout
    assert "is not a model" in error("info", tmp_path, "--verify")
    assert "is not a Context Encoder" in error("info", stream)


@pytest.mark.parametrize("name", ["link_predictor_full", "tagger", "token_stream"])
def test_train_does_not_replace_other_kinds_of_models(corpus, tmp_path, name):
    from tests.golden import golden

    folder = golden(name, tmp_path)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert "another kind of model" in error("train", corpus, "--out", folder, *SMALL)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


# The application


def test_a_model_without_contexts(corpus, tmp_path):
    encoder = conec.ContextEncoder(vector_size=4, epochs=1, min_count=1).build_vocab(corpus)
    encoder.train(corpus, learn_map=False)
    encoder.save(tmp_path / "m")
    for args in (["similar", "cat"], ["export", "--out", "x"], ["oov", "cat", "--context", "cat"]):
        assert "--space word2vec" in error(args[0], tmp_path / "m", *args[1:])
    assert "--a 0" in error("embed", tmp_path / "m", stdin="cat dog\n")
    run("embed", tmp_path / "m", "--a", 0, stdin="cat dog\n")
    run("similar", tmp_path / "m", "cat", "--space", "word2vec")
    # senses stand in for global contexts
    encoder.build_senses(corpus).save(tmp_path / "m")
    run("embed", tmp_path / "m", stdin="cat dog\n")


@pytest.mark.parametrize("command", ["similar", "info", "embed", "oov", "export", "evaluate"])
def test_what_is_no_model_is_said_in_a_line(command, tmp_path):
    more = {
        "similar": ["cat"],
        "oov": ["cat", "--context", "cat"],
        "export": ["--out", str(tmp_path / "x")],
        "evaluate": ["--analogies", "x"],
    }.get(command, [])
    assert "Context Encoder not found" in error(command, tmp_path / "absent", *more)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text("{")
    assert "is not a Context Encoder" in error(command, tmp_path / "folder", *more)
    (tmp_path / "folder" / "manifest.json").write_text("{")
    assert "damaged" in error(command, tmp_path / "folder", *more)


@pytest.mark.slow
def test_every_command_explains_itself_with_an_example():
    for command in ["train", "similar", "analogy", "embed", "oov", "evaluate", "export"]:
        assert f"conec {command} " in run(command, "--help").stdout
    assert "Context Encoder" in run("--help").stdout


def test_traceback_and_version(tmp_path):
    result = CliRunner().invoke(app, ["--traceback", "info", str(tmp_path / "absent")])
    assert isinstance(result.exception, FileNotFoundError)
    assert run("--version").stdout.startswith("conec ")


@pytest.mark.slow
def test_as_a_module_and_help_is_quick():
    code = (
        "import sys, conec.cli; "
        "heavy = {'gensim', 'numba', 'sklearn', 'matplotlib', 'nltk', 'torch'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "conec.cli", "--help"], capture_output=True, text=True
    )
    assert "Usage: conec" in shown.stdout
