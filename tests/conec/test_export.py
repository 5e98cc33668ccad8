"""Exports of fewer words and lower precision, read by the programs that they are for."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest
from gensim.models import KeyedVectors
from typer.testing import CliRunner

import conec
from conec.cli import app
from conec.interop import export, to_keyed_vectors
from tests import oracles


@pytest.fixture
def vectors() -> KeyedVectors:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((60, 20)).astype(np.float32) * 0.1
    return to_keyed_vectors([f"w{i}" for i in range(60)], matrix, np.arange(60, 0, -1))


def read(path, to):
    return KeyedVectors.load_word2vec_format(str(path), binary=to == "word2vec-binary")


@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary"])
def test_gensim_reads_fewer_words_in_float16(vectors, tmp_path, to):
    assert export(vectors, tmp_path / "v.gz", to, top=25, dtype="float16") == 25
    found = read(tmp_path / "v.gz", to)
    assert found.index_to_key == vectors.index_to_key[:25]
    expected = vectors.vectors[:25].astype(np.float16)
    np.testing.assert_array_equal(found.vectors.astype(np.float16), expected)
    assert len(vectors) == 60


@pytest.mark.parametrize("to", ["word2vec", "word2vec-binary"])
def test_int8_keeps_cosines(vectors, tmp_path, to):
    export(vectors, tmp_path / "v", to, dtype="int8")
    found = read(tmp_path / "v", to).vectors
    np.testing.assert_array_equal(found, np.rint(found))
    assert np.abs(found).max(axis=1).tolist() == [127] * 60
    cosines = (oracles.unit(found) * oracles.unit(vectors.vectors)).sum(axis=1)
    assert cosines.min() > 0.999


def test_lower_precision_takes_less_space(vectors, tmp_path):
    sizes = []
    for dtype in ("float32", "float16", "int8"):
        for to, name in (("word2vec", "t"), ("word2vec-binary", "b.gz")):
            export(vectors, tmp_path / name, to, dtype=dtype)
            sizes.append((tmp_path / name).stat().st_size)
    text, binary = sizes[::2], sizes[1::2]
    assert text[0] > text[1] > text[2]
    assert binary[0] > binary[1] > binary[2]


def test_nothing_changes_by_default(vectors, tmp_path):
    export(vectors, tmp_path / "v")
    np.testing.assert_array_equal(read(tmp_path / "v", "word2vec").vectors, vectors.vectors)
    assert export(vectors, tmp_path / "v", top=1000) == 60


@pytest.mark.parametrize("to", ["arrow", "parquet"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_tables_are_read_by_pandas_and_polars(vectors, tmp_path, to, dtype, monkeypatch):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("conec.interop.tables._ROWS", 7)
    path = tmp_path / "v"
    assert export(vectors, path, to, top=30, dtype=dtype) == 30
    frame = (pd.read_parquet if to == "parquet" else pd.read_feather)(path)
    assert frame["word"].tolist() == vectors.index_to_key[:30]
    assert frame["count"].tolist() == list(range(60, 30, -1))
    matrix = np.stack(frame["vector"].to_list())
    assert matrix.dtype == dtype
    if dtype != "int8":
        np.testing.assert_array_equal(matrix, vectors.vectors[:30].astype(dtype))
    read = pl.read_parquet if to == "parquet" else pl.read_ipc
    np.testing.assert_array_equal(read(path)["vector"].to_numpy(), matrix)
    export(to_keyed_vectors(["a"], np.ones((1, 2))), path, to)
    assert read(path).columns == ["word", "vector"]


def test_tables_need_pyarrow(vectors, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"similarity-encoders\[parquet\]"):
        export(vectors, tmp_path / "v", "arrow")


def test_projector(vectors, tmp_path):
    export(vectors, tmp_path / "p", "projector", top=5, dtype="int8")
    rows = (tmp_path / "p" / "vectors.tsv").read_text().splitlines()
    assert len(rows) == 5
    assert all(abs(int(value)) <= 127 for value in rows[0].split("\t"))
    assert (tmp_path / "p" / "metadata.tsv").read_text().splitlines()[1] == "w0\t60"


@pytest.mark.slow
def test_spacy(vectors, tmp_path):
    spacy = pytest.importorskip("spacy")
    export(vectors, tmp_path / "s", "spacy", top=30, dtype="float16")
    nlp = spacy.load(tmp_path / "s")
    expected = vectors.vectors[:30].astype(np.float16)
    assert nlp.vocab.vectors.data.dtype == np.float16
    np.testing.assert_array_equal(nlp.vocab["w3"].vector, expected[3])
    document = nlp("w3 w4")
    np.testing.assert_allclose(document.vector, expected[3:5].mean(axis=0), rtol=0.01, atol=1e-3)
    cosine = oracles.unit(vectors.vectors)[3] @ oracles.unit(vectors.vectors)[4]
    assert nlp.vocab["w3"].similarity(nlp.vocab["w4"]) == pytest.approx(cosine, abs=0.01)
    with pytest.raises(ValueError, match="spaCy averages vectors"):
        export(vectors, tmp_path / "s", "spacy", dtype="int8")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"to": "glove"}, "to must be one of 'word2vec'"),
        ({"dtype": "int4"}, "dtype must be one of"),
        ({"top": 0}, "top must be an integer >= 1, got 0"),
        ({"top": 2.5}, "top must be an integer >= 1, got 2.5"),
    ],
)
def test_invalid_parameters(vectors, tmp_path, options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        export(vectors, tmp_path / "v", **options)
    assert not (tmp_path / "v").exists()


def test_the_command(tmp_path):
    text = [["a", "b", "c", "d"], ["b", "d", "a", "c"]] * 20
    model = conec.ContextEncoder(vector_size=8, min_count=1, epochs=1, sample=0).fit(text)
    path = str(tmp_path / "m")
    model.save(path)

    def run(*arguments):
        return CliRunner().invoke(app, ["export", path, *map(str, arguments)])

    done = run("--out", tmp_path / "v.gz", "--top", 2, "--dtype", "float16")
    assert done.exit_code == 0, done.output
    assert "2 vectors of 8 dimensions" in done.output
    with gzip.open(tmp_path / "v.gz", "rt") as file:
        assert file.readline() == "2 8\n"
    done = run("--out", tmp_path / "small", "--to", "model", "--dtype", "int8")
    assert "model of 4 words in int8" in done.output
    assert conec.load(tmp_path / "small").dtype_name == "int8"
    for arguments in (
        ("--out", tmp_path / "x", "--to", "model"),
        ("--out", tmp_path / "x", "--to", "model", "--dtype", "int8", "--top", 2),
        ("--out", tmp_path / "x", "--to", "spacy", "--dtype", "int8"),
    ):
        assert run(*arguments).exit_code == 1
    assert not (tmp_path / "x").exists()
