"""Pictures and pages show what an explanation holds."""

from __future__ import annotations

import base64
import io
import re
import sys
import types
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import sparse

from simec.explain import Explanation, SimilarityExplanation, color_words, page, write_page
from simec.explain.plotting import LEGIBLE, NEGATIVE, POSITIVE, colors, shades, sum_channels

VALUES = np.array([0.5, -2.0, 0.0, 1.0])
NAMES = ["a", "<b>", "c", "d & e"]


def named(**more):
    return Explanation(VALUES, -0.25, 0.25, np.ones(4), NAMES, **{"title": "why <so>", **more})


def image(shape=(5, 6)):
    rng = np.random.default_rng(0)
    R = rng.standard_normal(shape)
    return Explanation(R, float(R.sum()), 0.0, rng.random(shape))


def test_the_largest_come_first():
    assert named().top() == [("<b>", -2.0), ("d & e", 1.0), ("a", 0.5)]
    assert named().top(2) == [("<b>", -2.0), ("d & e", 1.0)]
    thin = Explanation(
        sparse.csr_matrix(VALUES[None]), 0.0, 0.0, sparse.csr_matrix(np.ones((1, 4))), NAMES
    )
    assert thin.top() == named().top()


def test_shapes_have_to_match():
    with pytest.raises(ValueError, match=r"relevances have shape \(4,\), but x has \(3,\)"):
        Explanation(VALUES, 0.0, 0.0, np.ones(3))
    with pytest.raises(ValueError, match="names must have length 4, one for each feature, got 1"):
        Explanation(VALUES, 0.0, 0.0, np.ones(4), ["a"])


def test_colors():
    found = colors([1.0, -1.0, 0.0, 0.5])
    assert found.tolist()[:3] == [list(POSITIVE), list(NEGATIVE), [255, 255, 255]]
    assert found.dtype == np.uint8
    halves = (255 + np.array(POSITIVE)) / 2
    assert np.abs(found[3] - halves).max() <= 1
    assert colors([0.0, 0.0]).tolist() == [[255] * 3] * 2
    assert colors([3.0], largest=1.0).tolist() == [list(POSITIVE)]
    assert shades([[0.0, 2.0], [1.0, 2.0]]).tolist() == [[0, 255], [128, 255]]
    assert shades(np.ones((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert shades(np.zeros((3, 4, 5))).shape == (4, 5, 3)
    assert shades(np.zeros((4, 5, 3))).shape == (4, 5, 3)
    assert shades(np.zeros((1, 4, 5))).shape == (4, 5)
    assert sum_channels(np.ones((3, 4, 5))).tolist() == np.full((4, 5), 3.0).tolist()
    assert sum_channels(np.ones((4, 5, 3))).tolist() == np.full((4, 5), 3.0).tolist()
    with pytest.raises(ValueError, match="an image must have shape"):
        shades(np.zeros(3))


def test_words_keep_the_text_and_share_relevance():
    text = "The cat -- it's THE cat!\nNo dog."
    pieces = color_words(text, {"the": 1.0, "cat": -2.0, "it's": 0.5, "absent": 9.0})
    assert "".join(piece.text for piece in pieces) == text
    assert [(t, r) for t, r in pieces if r] == [
        ("The", 0.5), ("cat", -1.0), ("it's", 0.5), ("THE", 0.5), ("cat", -1.0),
    ]  # fmt: skip
    assert color_words("", {}) == []


def test_words_by_an_analyzer():
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(stop_words="english")
    x = vectorizer.fit_transform(["Cats and the dogs", "it is it"])
    names = vectorizer.get_feature_names_out()
    found = Explanation(x[:1].astype(float), 2.0, 0.0, x[:1], names)
    pieces = found.words("Cats and the dogs", vectorizer.build_analyzer())
    assert [piece.text for piece in pieces if piece.relevance == 1] == ["Cats", "dogs"]
    assert sum(piece.relevance for piece in pieces) == 2


@pytest.mark.slow
def test_bars():
    pytest.importorskip("matplotlib")
    axes = named().plot(topn=2)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["<b>", "d & e"]
    widths = [patch.get_width() for patch in axes.patches]
    assert widths == [-2.0, 1.0]
    assert axes.patches[0].get_facecolor()[:3] == pytest.approx(np.array(NEGATIVE) / 255)
    assert axes.get_title(loc="left") == "why <so>"
    assert named().plot(axes) is axes
    out = io.BytesIO()
    axes.figure.savefig(out)
    assert out.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (3, 5, 6)])
def test_heat_maps(shape):
    pytest.importorskip("matplotlib")
    found = image(shape)
    left, right = found.plot()
    shown = np.asarray(right.get_images()[0].get_array())
    assert (shown == colors(sum_channels(found.relevances))).all()
    assert left.get_images()[0].get_array().shape[:2] == (5, 6)
    with pytest.raises(ValueError, match="axes must be a pair of axes"):
        found.plot([left])


def test_both_of_a_pair():
    pytest.importorskip("matplotlib")
    first, second = SimilarityExplanation(named(), named()).plot()
    assert first.figure is second.figure
    (a, _), (b, _) = SimilarityExplanation(image(), image()).plot()
    assert a.figure is b.figure
    one, (two, _) = SimilarityExplanation(named(), image()).plot()
    assert one.figure is two.figure
    (two, _), one = SimilarityExplanation(image(), named()).plot()
    assert one.figure is two.figure
    assert SimilarityExplanation(named(), named()).plot((first, second)) == (first, second)
    with pytest.raises(ValueError, match="axes for two"):
        SimilarityExplanation(named(), named()).plot([first])


def test_a_text_with_colors():
    pytest.importorskip("matplotlib")
    from simec.explain import plotting

    pieces = color_words("a b\nlonger line here", {"a": 1.0, "here": -1.0})
    axes = plotting.words(pieces, width=12)
    assert [t.get_text() for t in axes.texts] == ["a", "b", "longer", "line", "here"]
    assert sorted({t.get_position()[1] for t in axes.texts}) == [0, 1, 2]
    back = colors([1.0], LEGIBLE)[0] / 255
    assert axes.patches[0].get_facecolor()[:3] == pytest.approx(back)
    assert plotting.words([]).texts[:] == []


def test_without_matplotlib(monkeypatch):
    for name in list(sys.modules):
        if name.split(".")[0] == "matplotlib":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"similarity-encoders\[plots\]"):
        named().plot()


class Checked(HTMLParser):
    """Notes text, and that all that was opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_a_page_is_whole_and_escaped(tmp_path):
    text = "a <script>alert(1)</script> & b"
    parts = [
        "<Heading>", named(), image(), image((3, 4, 4)), SimilarityExplanation(named(), image()),
        color_words(text, {"script": 1.0}), Explanation(0 * VALUES, 0.0, np.nan, VALUES),
    ]  # fmt: skip
    made = page(parts, title="<title> & more")
    parser = Checked()
    parser.feed(made)
    parser.close()
    assert parser.open == []
    shown = "".join(parser.text)
    for there in ("<Heading>", "why <so>", "<b>", "d & e", text, "<title> & more"):
        assert there in shown
    # nothing from elsewhere, nothing that runs
    assert "<script" not in made
    assert not re.search(r"https?://", made)
    assert all(
        v.startswith("data:image/png;base64,") for _, k, v in parser.attributes if k == "src"
    )
    assert sum(k == "src" for _, k, _ in parser.attributes) == 6
    widths = [float(w) for w in re.findall(r"width: ([\d.]+)%; background", made)][:3]
    assert widths == [100.0, 50.0, 25.0]
    write_page(tmp_path / "page.html", parts, title="<title> & more")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == made
    named().to_html(tmp_path / "one.html")
    SimilarityExplanation(named(), named()).to_html(tmp_path / "two.html")
    with pytest.raises(OSError, match="nowhere"):
        named().to_html(tmp_path / "nowhere" / "one.html")


def test_notebooks_show_explanations():
    for explanation in (named(), image(), SimilarityExplanation(named(), image())):
        made = explanation._repr_html_()
        parser = Checked()
        parser.feed(made)
        assert parser.open == []
        # rules must not change the rest of the notebook
        style = made[made.index("<style>") + 7 : made.index("</style>")]
        selectors = re.findall(r"([^{}]+)\{", style)
        assert len(selectors) > 5
        assert all(s.strip().startswith(".why ") for s in selectors)


def test_numbers_of_pages_are_not_wrapped():
    values = np.array([-1.25e-7, 3.0])
    made = page([Explanation(values, float(values.sum()), -4e-9, values, ["a", "b"])])
    assert ".why .number { font-variant-numeric: tabular-nums; white-space: nowrap; }" in made
    for number in ("-1.25e-07", "-4e-09"):
        assert re.search(rf'class="number">{number}<', made)


def test_figures_are_those_of_pyplot_if_it_is_used(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.close("all")  # of other tests
    figure = named().plot().figure
    assert pyplot.gcf() is figure
    pyplot.close(figure)
    # without pyplot, outside of a notebook, nothing is kept
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    named().plot()
    assert not pyplot.get_fignums()
    shell = types.SimpleNamespace(kernel="a kernel")
    notebook = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    figure = named().plot().figure
    assert pyplot.gcf() is figure
    pyplot.close(figure)


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6)])
def test_images_of_pages_are_whole(shape):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    found = image(shape)
    sources = re.findall(r'base64,([^"]+)"', page([found]))
    features, heat = (imread(io.BytesIO(base64.b64decode(source))) for source in sources)
    assert np.rint(255 * heat[..., :3]) == pytest.approx(colors(sum_channels(found.relevances)))
    expected = shades(found.x) if len(shape) == 3 else 255 - shades(found.x)
    assert np.rint(255 * features) == pytest.approx(expected)


def test_names_and_numbers_of_other_types():
    one = Explanation(np.array([1.0, 2.0]), 3.0, 0.0, np.ones(2), ["a", "b"])
    assert one.top(1) == [("b", 2.0)]
    for bad in (-1, "2", 2.5):
        with pytest.raises((TypeError, ValueError), match="topn must be an integer >= 0"):
            one.top(bad)
    for bad in ("ab", 7):
        with pytest.raises(TypeError, match="names must be a list of names"):
            Explanation(np.array([1.0, 2.0]), 3.0, 0.0, np.ones(2), bad)
    pieces = color_words("b b", {"b": 2.0}, analyzer=lambda word: word)  # a name, not letters
    assert [piece.relevance for piece in pieces if piece.text == "b"] == [1.0, 1.0]
    with pytest.raises(TypeError, match="the result of analyzer must be a list of words, got None"):
        color_words("a", {}, analyzer=lambda word: None)
