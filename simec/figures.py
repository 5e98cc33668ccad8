"""New figures for plots; they need matplotlib (extra ``plots``)."""

from __future__ import annotations

from typing import Any


def new_axes(n: int, size: tuple[float, float], rows: int = 1) -> Any:
    """Create a figure with axes.

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
    # pyplot would open windows and keep figures in memory
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots(rows, n // rows, squeeze=False).ravel()
