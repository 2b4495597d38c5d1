"""Pieces of charts as SVG inside a page: intervals in a row, round ticks, colours told apart."""

from __future__ import annotations

import math

COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#6f6f6f",
)  # fmt: skip
"""Colours told apart also by those who see fewer (Okabe and Ito, but for two)."""

_ROW, _HEIGHT = 220, 24


def draw_interval(
    value: float,
    ends: tuple[float, float],
    *,
    low: float,
    high: float,
    reference: float = math.nan,
    color: str = "var(--own)",
) -> str:
    """One value with its interval on a scale that the rows of a table share.

    Parameters
    ----------
    value : float
        NaN: nothing is drawn.
    ends : tuple of float
        Lower and upper end of the interval; NaN: a dot alone.
    low, high : float
        Ends of the scale.
    reference : float
        A dashed line; NaN: none.
    color : str
        Of dot and line.
    """
    if math.isnan(value):
        return ""

    def place(position: float) -> float:
        return 6 + (_ROW - 12) * (position - low) / (high - low)

    middle = _HEIGHT / 2
    parts = [f'<line class="axis" x1="0" x2="{_ROW}" y1="{middle}" y2="{middle}"/>']
    if not math.isnan(reference):
        x = place(reference)
        parts.append(f'<line class="ref" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{_HEIGHT - 2}"/>')
    said = f"{value:.3f}"
    if not any(map(math.isnan, ends)):
        left, right = place(max(low, ends[0])), place(min(high, ends[1]))
        said += f", interval {ends[0]:.3f} to {ends[1]:.3f}"
        parts.append(
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}" '
            f'stroke="{color}" stroke-width="5" stroke-linecap="round" opacity="0.45"/>'
        )
    parts.append(f'<circle cx="{place(value):.1f}" cy="{middle}" r="4.5" fill="{color}"/>')
    return (
        f'<svg width="{_ROW}" height="{_HEIGHT}" viewBox="0 0 {_ROW} {_HEIGHT}" role="img" '
        f'aria-label="{said}">'
        f"{''.join(parts)}</svg>"
    )


def round_ticks(low: float, high: float) -> list[float]:
    """Four to eight round values around a range of shares."""
    step = next((s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 6), 0.25)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]
