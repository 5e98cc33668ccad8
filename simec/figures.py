"""New figures for plots; they need matplotlib (extra ``plots``)."""

from __future__ import annotations

import sys
from typing import Any


def new_axes(n: int, size: tuple[float, float], rows: int = 1) -> Any:
    """Create a figure with axes.

    In notebooks, and if pyplot was imported, it is one of pyplot's figures: notebooks show it, and
    ``pyplot.show()`` and ``pyplot.savefig(path)`` apply to it. Otherwise it opens no window, and
    is freed with its last reference.

    Parameters
    ----------
    n : int
        Number of axes.
    size : (float, float)
        Width and height of the figure in inches.
    rows : int
        Number of rows of axes.

    Returns
    -------
    array of n Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib: pip install similarity-encoders[plots]"
        ) from error
    if "matplotlib.pyplot" in sys.modules or _in_notebook():
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=size, dpi=120, layout="constrained")
    else:
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
    return figure.subplots(rows, n // rows, squeeze=False).ravel()


def _in_notebook() -> bool:
    """Whether the code runs in a kernel of Jupyter, which draws pyplot's figures."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")
