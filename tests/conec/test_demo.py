"""The demonstration and the pictures."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import conec
from conec import demo, plots
from conec.interop import to_keyed_vectors

PNG = b"\x89PNG\r\n\x1a\n"


def known(output: str, word: str, how: str) -> list[str]:
    """Neighbours of a known word, as printed."""
    found = re.search(rf"^ +{word}\n(?: +\w+ .*\n)*? +{how} +(.*)$", output, re.MULTILINE)
    assert found, output
    return found[1].split(", ")


@pytest.mark.slow
def test_the_demonstration(tmp_path):
    pytest.importorskip("matplotlib")
    result = subprocess.run(
        [sys.executable, "-W", "default", "-m", "conec.demo", "--out", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    output = result.stdout
    warned = [line for line in result.stderr.splitlines() if "/conec/" in line]
    assert not warned, warned

    # it has learnt something: words that go together in that news
    assert "officers" in known(output, "police", "contexts")
    assert {"prime", "affairs"} <= set(known(output, "minister", "contexts"))
    assert "test" in known(output, "cricket", "contexts")
    assert "jenin" in known(output, "israeli", "contexts")
    # a person who is called Abu Nidal, of whom training knew nothing
    assert re.search(r"^ +nidal .*\babu\b", output, re.MULTILINE)
    # the West Bank and a bank: the sentence counts the less, the larger a is
    senses = re.findall(r"^ +a = ([\d.]+) +(.*)$", output, re.MULTILINE)
    assert [a for a, _ in senses] == ["1.0", "0.6", "0.0"] * 2
    near = [set(words.split(", ")) for _, words in senses]
    assert near[0] == near[3]
    assert near[1] != near[4]
    assert near[2].isdisjoint(near[5])
    assert "bank" not in set.union(*near)

    model = conec.load(tmp_path / "demo" / "model")
    assert model.most_similar("police", topn=6)[0][0] == known(output, "police", "contexts")[0]
    assert (tmp_path / "demo" / "map.png").read_bytes().startswith(PNG)


def test_unseen_words_are_unseen_and_stand_in_their_documents():
    training, new = demo.read("lee_background.cor"), demo.read("lee.cor")
    chosen = demo.unseen_words(training, new, n=5, min_count=3)
    assert len(chosen) == 5
    seen = {token for document in training for token in document}
    for word, documents in chosen.items():
        assert word not in seen
        assert sum(document.count(word) for document in documents) >= 3
        assert documents == [document for document in new if word in document]


def test_the_senses_are_sentences_of_the_text():
    whole = {tuple(document) for document in demo.read("lee_background.cor")}
    for phrase, n in demo.SENSES.values():
        sentences = demo.sentences_with(phrase, n)
        assert len(sentences) == n
        assert all(phrase in " ".join(sentence) for sentence in sentences)
        joined = " ".join(sentences[-1])
        assert any(joined in " ".join(document) for document in whole)


def test_excerpt():
    assert demo.excerpt(list("abcdefg"), "d", around=1) == "... c *d* e ..."
    assert demo.excerpt(list("ab"), "a") == "*a* b"


def test_a_model_that_came_back_different_is_noticed():
    one = conec.ContextEncoder(vector_size=2, min_count=1).build_vocab_from_freq({"a": 1, "b": 2})
    other = conec.ContextEncoder(vector_size=2, min_count=1).build_vocab_from_freq({"a": 1, "b": 2})
    one.context_embeddings = other.context_embeddings = np.zeros((2, 2), np.float32)
    demo.check_equal(one, other)
    other.W1[1, 1] += 1
    with pytest.raises(RuntimeError, match="differs"):
        demo.check_equal(one, other)


def test_the_demonstration_replaces_nothing_of_others(tmp_path):
    (tmp_path / "map.png").write_bytes(b"a map of the town")
    with pytest.raises(FileExistsError, match=r"map\.png"):
        demo.main(tmp_path)
    assert (tmp_path / "map.png").read_bytes() == b"a map of the town"
    other = tmp_path / "other"
    (other / "model").mkdir(parents=True)
    (other / "model" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        demo.main(other)


# Pictures


def vectors(n: int = 12, size: int = 5):
    rng = np.random.default_rng(0)
    return to_keyed_vectors([f"word{i}" for i in range(n)], rng.normal(size=(n, size)))


def test_pca_is_that_of_scikit_learn():
    from sklearn.decomposition import PCA

    matrix = vectors().vectors.astype(float)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    expected = PCA(2).fit_transform(unit)
    points = plots.project(3 * matrix, "pca")
    assert np.abs(points) == pytest.approx(np.abs(expected), abs=1e-5)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_groups_stay_together(method):
    rng = np.random.default_rng(1)
    centres = np.repeat(np.eye(3, 8), 8, axis=0)
    points = plots.project(centres + 0.05 * rng.normal(size=centres.shape), method)
    group = np.repeat(range(3), 8)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(axis=1)] == group).all()


def test_what_cannot_be_projected():
    with pytest.raises(ValueError, match="at least two"):
        plots.project(np.ones((1, 3)))
    with pytest.raises(ValueError, match="'umap'"):
        plots.project(np.ones((3, 3)), "umap")  # type: ignore[arg-type]
    assert plots.project(np.eye(2)).shape == (2, 2)
    assert np.isfinite(plots.project(np.zeros((3, 3)))).all()


@pytest.mark.slow
def test_plot_map(tmp_path):
    pytest.importorskip("matplotlib")
    keyed = vectors()
    words = keyed.index_to_key[:10]
    unseen = {"new": keyed["word0"]}
    points = plots.plot_map(keyed, words, tmp_path / "a.png", unseen=unseen, method="pca")
    assert points.shape == (11, 2)
    assert points[10] == pytest.approx(points[0], abs=1e-6)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    plots.plot_map(keyed, words, tmp_path / "a.svg", title="A map")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    with pytest.raises(KeyError, match="nowhere"):
        plots.plot_map(keyed, ["nowhere"], tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg", "svgz", "pdf", "eps"])
def test_maps_hold_no_time(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    keyed = vectors()
    contents = []
    for name in ("a", "longer"):
        path = tmp_path / f"{name}.{suffix}"
        plots.plot_map(keyed, keyed.index_to_key[:3], path, method="pca")
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert b"CreationDate" not in contents[0]
    if suffix == "svgz":
        assert contents[0][4:8] == bytes(4)
    if suffix == "svg":
        assert b"dc:date" not in contents[0]


@pytest.mark.slow
def test_labels_do_not_cover_each_other(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rng = np.random.default_rng(2)
    points = rng.random((40, 2), dtype=np.float32)
    figure = Figure(figsize=(10, 7.5), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter(points[:, 0], points[:, 1])
    figure.canvas.draw()
    plots._label(axes, points, [f"label{i}" for i in range(40)], 35)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 40
    pairs = [(i, j) for i in range(40) for j in range(i)]
    covered = [pair for pair in pairs if boxes[pair[0]].shrunk(0.9, 0.7).overlaps(boxes[pair[1]])]
    assert len(covered) <= 2


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"similarity-encoders\[plots\]"):
        plots.plot_map(vectors(), ["word0", "word1"], tmp_path / "a.png")
