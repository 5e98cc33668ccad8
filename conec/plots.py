"""Plots of embeddings; they need matplotlib (extra ``plots``)."""

from __future__ import annotations

import gzip
import io
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conec.types import FloatArray, StrPath

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from numpy.typing import ArrayLike

# also distinguishable for color-blind readers
_KNOWN, _NEW, _INK = "#4477aa", "#cc3311", "#222222"
# The same picture always gives the same file.
_WITHOUT_TIME = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def project(
    vectors: ArrayLike, method: Literal["pca", "tsne"] = "pca", *, seed: int = 0
) -> FloatArray:
    """Project vectors to two dimensions.

    Parameters
    ----------
    vectors : array of shape (n, d)
        At least two vectors; scaled to unit length before the projection.
    method : {"pca", "tsne"}
        "pca" is linear; "tsne" preserves neighborhoods, not distances.
    seed : int
        Seed of t-SNE.

    Returns
    -------
    float32 array of shape (n, 2)

    Raises
    ------
    ValueError
        If there are fewer than two vectors, or the method is unknown.
    """
    matrix = np.asarray(vectors, np.float64)
    if matrix.ndim != 2 or len(matrix) < 2:
        raise ValueError(
            f"expected at least two vectors, as an array of shape (n, d), got shape {matrix.shape}"
        )
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
    if method == "pca":
        centered = matrix - matrix.mean(axis=0)
        left, singular_values, _ = np.linalg.svd(centered, full_matrices=False)
        points = np.zeros((len(matrix), 2))
        rank = min(2, len(singular_values))
        points[:, :rank] = left[:, :rank] * singular_values[:rank]
    elif method == "tsne":
        from sklearn.manifold import TSNE

        # about the size of a group of similar words; must be less than the number of points
        perplexity = min(8.0, (len(matrix) - 1) / 3)
        points = TSNE(
            perplexity=perplexity, metric="cosine", init="pca", random_state=seed
        ).fit_transform(matrix)
    else:
        raise ValueError(f"method must be 'pca' or 'tsne', got {method!r}")
    return np.asarray(points, np.float32)


def _format(path: StrPath) -> str:
    """Format of a picture by the suffix of its file; png if it has none."""
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    suffix = os.path.splitext(os.fspath(path))[1].lstrip(".").lower() or "png"
    if suffix not in formats:
        raise ValueError(
            f"{os.fspath(path)}: pictures can be written as {', '.join(sorted(formats))}"
        )
    return suffix


def plot_map(
    vectors: KeyedVectors,
    words: Sequence[str],
    path: StrPath,
    *,
    unseen: Mapping[str, ArrayLike] | None = None,
    method: Literal["pca", "tsne"] = "tsne",
    title: str = "",
    seed: int = 0,
) -> FloatArray:
    """Draw a map of words.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        Vectors of the known words, such as ``model.wv_context``.
    words : sequence of str
        Known words to draw.
    path : path
        File to create or replace; its suffix selects the format: .png (also without a suffix),
        .svg, .pdf.
    unseen : mapping of str to array, optional
        Words that are not in `vectors`, with their embeddings; drawn in another color.
    method : {"tsne", "pca"}
        As in `project`.
    title : str
    seed : int

    Returns
    -------
    float32 array of shape (len(words) + len(unseen), 2)
        Positions of the words.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    KeyError
        If one of the words is not in `vectors`.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plot_map needs matplotlib: pip install similarity-encoders[plots]"
        ) from error
    from corpora.files import atomic_path, check_output

    check_output(path)
    format = _format(path)

    new = dict(unseen or {})
    rows = [np.asarray(vectors[word]) for word in words]
    rows += [np.asarray(vector) for vector in new.values()]
    points = project(np.array(rows), method, seed=seed)

    # without pyplot, which may need a display and keeps global state
    figure = Figure(figsize=(10, 7.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    n = len(words)
    axes.scatter(
        points[:n, 0], points[:n, 1], s=14, color=_KNOWN, label="seen in training", zorder=2
    )
    if new:
        axes.scatter(
            points[n:, 0],
            points[n:, 1],
            s=26,
            color=_NEW,
            marker="D",
            label="never seen in training",
            zorder=3,
        )
        axes.legend(loc="best", frameon=False)
    axes.set(xticks=[], yticks=[], title=title)
    axes.margins(0.08)
    for side in axes.spines.values():
        side.set_color("#cccccc")
    figure.canvas.draw()
    _label(axes, points, [*words, *new], n)
    content = io.BytesIO()
    kind = "svg" if format == "svgz" else format
    with matplotlib.rc_context({"svg.hashsalt": "conec"}):
        figure.savefig(content, format=kind, metadata=_WITHOUT_TIME.get(kind))
    data = content.getvalue()
    if format in ("eps", "ps"):
        data = re.sub(rb"%%CreationDate:[^\n]*\n", b"", data, count=1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(data, mtime=0) if format == "svgz" else data)
    return points


def _label(axes: Any, points: FloatArray, names: list[str], n_known: int) -> None:
    """Label points such that labels do not overlap each other or the points.

    Positions around a point are tried in order: the first free one is used, or the one with the
    smallest overlap.
    """
    renderer = axes.figure.canvas.get_renderer()
    dots = axes.transData.transform(points)
    frame = axes.get_window_extent()
    scale = axes.figure.dpi / 72
    taken: list[tuple[float, float, float, float]] = [
        (x - 3 * scale, y - 3 * scale, x + 3 * scale, y + 3 * scale) for x, y in dots
    ]
    offsets = [
        (dx * reach, dy * reach, reach)
        for reach in (1, 2.2, 3.6)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
    ]
    # place labels of new words first: they are the most important
    order = [*range(n_known, len(names)), *range(n_known)]
    for i in order:
        new = i >= n_known
        text = axes.annotate(
            names[i],
            points[i],
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=9,
            color=_NEW if new else _INK,
            fontweight="bold" if new else "normal",
            zorder=4,
        )
        box = text.get_window_extent(renderer)
        best, lowest_cost = None, np.inf
        for dx, dy, reach in offsets:
            gap = 5.5 * scale
            x = dots[i, 0] + dx * gap - (box.width if dx < 0 else box.width / 2 if dx == 0 else 0)
            y = dots[i, 1] + dy * gap - (box.height if dy < 0 else 0 if dy > 0 else box.height / 2)
            place = (x, y, x + box.width, y + box.height)
            cost = sum(_overlap(place, other) for other in taken)
            cost += box.width * box.height * (not _inside(place, frame))
            if reach > 1:  # a line connects point and label, which must not cross other labels
                cost += 50 * sum(_crosses(dots[i], place, other) for other in taken[len(dots) :])
            if cost < lowest_cost:
                best, lowest_cost = place, cost
            if cost == 0:
                break
        assert best is not None
        taken.append(best)
        far = max(abs(best[0] + box.width / 2 - dots[i, 0]) - box.width / 2, 0) > 9 * scale
        far |= max(abs(best[1] + box.height / 2 - dots[i, 1]) - box.height / 2, 0) > 9 * scale
        text.remove()
        axes.annotate(
            names[i],
            points[i],
            xytext=((best[0] - dots[i, 0]) / scale, (best[1] - dots[i, 1]) / scale),
            textcoords="offset points",
            fontsize=9,
            va="bottom",
            color=_NEW if new else _INK,
            fontweight="bold" if new else "normal",
            arrowprops={"arrowstyle": "-", "color": "#999999", "lw": 0.6} if far else None,
            zorder=4,
        )


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _crosses(
    point: FloatArray,
    place: tuple[float, float, float, float],
    other: tuple[float, float, float, float],
) -> bool:
    """Whether the line from a point to the center of a box crosses another box."""
    center = np.array([(place[0] + place[2]) / 2, (place[1] + place[3]) / 2])
    line = point + np.linspace(0, 1, 20)[:, None] * (center - point)
    low, high = np.array(other[:2]), np.array(other[2:])
    return bool(((line > low) & (line < high)).all(axis=1).any())


def _inside(place: tuple[float, float, float, float], frame: Any) -> bool:
    inside: bool = (
        place[0] >= frame.x0
        and place[1] >= frame.y0
        and place[2] <= frame.x1
        and place[3] <= frame.y1
    )
    return inside
