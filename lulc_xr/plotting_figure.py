"""Figures that pyplot does not know of, as all plots make them."""

from __future__ import annotations

import functools
import io
from typing import Any

from lulc_xr.core.require import require

# Figures and axes of matplotlib, an optional library: its types are named, not imported.
Axes = Any
Figure = Any


def new_figure(*, width: float, height: float) -> Figure:
    """A figure of a size in inches that pyplot does not know of, so that none is left open."""
    figure = require("matplotlib.figure", extra="viz").Figure(
        figsize=(width, height), layout="compressed"
    )
    # Without pyplot a notebook knows no way to show a figure but this method.
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    memory = io.BytesIO()
    figure.savefig(memory, format="png")
    return memory.getvalue()
