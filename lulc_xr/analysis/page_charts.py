"""Charts of a page: how far probabilities mean what they say, and how accuracy falls with cover."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import pandas as pd

from lulc_xr.analysis.findings import Estimate, Findings
from lulc_xr.analysis.page_svg import round_ticks
from lulc_xr.analysis.page_words import NOTHING, number, percent, spoken

_SIDE, _LEFT, _TOP, _BOTTOM, _RIGHT = 360, 52, 14, 46, 14
_BARS = 46

_SCORES = {
    "overconfidence": "mean confidence less the share that is right",
    "mean confidence": "largest probability, in the mean",
    "ECE, equal mass": "expected calibration error, bins of equally many points",
    "ECE, equal width": "expected calibration error, bins of equal width",
    "class-wise ECE": "the same for the probability of each class, in the mean",
    "Brier score": "squared distance of the probabilities from the truth, 0 to 2",
    "Brier reliability": "its part that calibration could take away",
    "Brier resolution": "its part that telling points apart has taken away",
    "Brier uncertainty": "its part that lies in the mix of classes",
    "Brier within bins": "its part that the bins hide",
    "negative log-likelihood": "of the true class, in nats",
    "AURC": "error of the surest points, in the mean over all coverages",
    "AUROC of entropy for errors": "chance that a wrong point has the higher entropy",
}
_LEFT_OUT = ("accuracy",)


def calibration_section(found: Findings) -> str:
    """Reliability diagrams by bins of equal mass and of equal width, and the scores."""
    if not found.calibration:
        return ""
    reliability = found.calibration["reliability"]
    figures = "".join(
        f'<figure class="half">{_reliability(rows, str(bins))}'
        f"<figcaption>Bins of {escape(str(bins))}</figcaption></figure>"
        for bins, rows in reliability.groupby("bins", sort=False)
    )
    return (
        '<section aria-labelledby="calibration"><h2 id="calibration">Do the probabilities mean '
        "what they say?</h2><p>Points in bins of how sure the model is; on the dashed line it is "
        "as often right as it says. Below the line: surer than right. Bars: how the points "
        "spread over "
        f'how sure the model is.</p><div class="both">{figures}</div>{_scores(found)}'
        f"{_classes(found)}</section>"
    )


def coverage_section(found: Findings) -> str:
    """Accuracy of the surest share of the points, against that share."""
    table = found.calibration.get("coverage")
    if table is None or table.empty:
        return ""
    chart = _coverage(table, level=found.level)
    marks = []
    for share in (0.25, 0.5, 0.75, 0.9):
        row = table.iloc[(table["coverage"] - share).abs().argmin()]
        if abs(row["coverage"] - share) < 0.03:
            marks.append(f"{percent(row['estimate'])} of the surest {percent(share, digits=0)}")
    return (
        '<section aria-labelledby="coverage"><h2 id="coverage">Accuracy against coverage</h2>'
        "<p>If only the points were kept where the model is surest, this share of them would be "
        f"right: {escape('; '.join(marks))}; {percent(table['estimate'].iloc[-1])} of all.</p>"
        f"<figure>{chart}</figure></section>"
    )


def _reliability(rows: pd.DataFrame, bins: str) -> str:
    x, y = _scales(0.0, 1.0)
    parts = [_frame([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0], x, y)]
    parts.append(
        f'<line class="ref" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}"/>'
    )
    most = rows["samples"].max()
    for row in rows.to_dict("records"):
        e = Estimate.of(row)
        if not e.known:
            continue
        at = x(float(row["confidence"]))
        tall = _BARS * e.samples / most
        parts.append(
            f'<rect class="bar" x="{at - 5:.1f}" width="10" y="{y(0) - tall:.1f}" '
            f'height="{tall:.1f}"/>'
        )
    for row in rows.to_dict("records"):
        e = Estimate.of(row)
        if not e.known:
            continue
        at = x(float(row["confidence"]))
        told = (
            f"sure {percent(float(row['confidence']))}, right {percent(e.value)}, "
            f"{number(e.samples)} points"
        )
        if not math.isnan(e.width):
            parts.append(
                f'<line class="own" x1="{at:.1f}" x2="{at:.1f}" y1="{y(e.low):.1f}" '
                f'y2="{y(e.high):.1f}"/>'
            )
        parts.append(
            f'<circle class="own" cx="{at:.1f}" cy="{y(e.value):.1f}" r="4.5">'
            f"<title>{told}</title></circle>"
        )
    return _chart(
        parts, bottom="how sure (largest probability)", left="how often right",
        told=f"Reliability diagram with bins of {bins}",
    )  # fmt: skip


def _coverage(table: pd.DataFrame, *, level: float) -> str:
    known = table.dropna(subset=["estimate"])
    ends = known[["low", "high"]].to_numpy()
    low = min(float(known["estimate"].min()), float(pd.Series(ends[:, 0]).min(skipna=True)))
    ticks = [tick for tick in round_ticks(low, 1.0) if tick <= 1 + 1e-9]
    x, y = _scales(ticks[0], ticks[-1])
    around = known.dropna(subset=["low", "high"])
    points, upper, lower = (
        [(x(a), y(b)) for a, b in rows[["coverage", name]].to_numpy(np.float64).tolist()]
        for rows, name in ((known, "estimate"), (around, "high"), (around, "low"))
    )
    band = upper + lower[::-1]
    parts = [_frame([0.0, 0.25, 0.5, 0.75, 1.0], ticks, x, y)]
    if band:
        parts.append(f'<polygon class="band" points="{_path(band)}"/>')
    parts.append(f'<polyline class="own" fill="none" points="{_path(points)}"/>')
    return _chart(
        parts, bottom="share of the points kept, surest first", left="share right",
        told=f"Accuracy against coverage, with its {percent(level, digits=0)} interval",
    )  # fmt: skip


def _scores(found: Findings) -> str:
    table = found.calibration["scores"]
    order = {name: number for number, name in enumerate(_SCORES)}
    rows = sorted(table.to_dict("records"), key=lambda row: order.get(row["score"], len(order)))
    body = []
    for row in rows:
        if row["score"] in _LEFT_OUT:
            continue
        e = Estimate.of(row)
        around = NOTHING if math.isnan(e.width) else f"{e.low:.4f} to {e.high:.4f}"
        body.append(
            f'<tr><th scope="row">{escape(spoken(row["score"]))}</th><td><b>{e.value:.4f}</b></td>'
            f'<td class="dim">{around}</td>'
            f'<td class="text">{escape(_SCORES.get(row["score"], ""))}</td></tr>'
        )
    noise = found.calibration.get("noise")
    told = ""
    if noise is not None and not noise.empty:
        exact = "; ".join(
            f"{row.estimate:.4f} with bins of {row.bins}" for row in noise.itertuples()
        )
        told = (
            '<p class="dim">So few points give a calibration error even to exact probabilities: '
            f"{escape(exact)}. An error near it is no sign of a fault.</p>"
        )
    return (
        f'{told}<div class="wide" tabindex="0" role="region" aria-label="Scores of calibration">'
        "<table>"
        '<thead><tr><th scope="col">score</th><th scope="col">estimate</th>'
        f'<th scope="col">{percent(found.level, digits=0)} interval</th>'
        f'<th scope="col" class="text">what it is</th></tr></thead><tbody>{"".join(body)}</tbody>'
        "</table></div>"
    )


def _classes(found: Findings) -> str:
    table = found.calibration.get("classes")
    if table is None or table.empty:
        return ""
    body = []
    for row in table.to_dict("records"):
        e = Estimate.of(row)
        around = NOTHING if math.isnan(e.width) else f"{e.low:.4f} to {e.high:.4f}"
        value = NOTHING if not e.known else f"{e.value:.4f}"
        body.append(
            f'<tr><th scope="row">{escape(spoken(row["class"]))}</th><td><b>{value}</b></td>'
            f'<td class="dim">{around}</td></tr>'
        )
    return (
        "<h3>Calibration error of each class</h3>"
        '<div class="wide" tabindex="0" role="region" aria-label="Calibration error of each class">'
        '<table class="narrow"><thead><tr><th scope="col">class</th><th scope="col">ECE</th>'
        f'<th scope="col">{percent(found.level, digits=0)} interval</th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


Scale = Callable[[float], float]


def _scales(low: float, high: float) -> tuple[Scale, Scale]:
    """Places of shares 0 to 1 along x, and of values from low to high along y."""
    wide, tall = _SIDE - _LEFT - _RIGHT, _SIDE - _TOP - _BOTTOM
    return (
        lambda value: _LEFT + wide * value,
        lambda value: _TOP + tall * (high - value) / (high - low),
    )


def _frame(across: Sequence[float], up: Sequence[float], x: Scale, y: Scale) -> str:
    parts = [
        f'<line class="grid" x1="{x(0):.1f}" x2="{x(1):.1f}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 7}" y="{y(t) + 4:.1f}" text-anchor="end">'
        f"{100 * t:.4g}</text>"
        for t in up
    ]
    parts += [
        f'<text class="tick" x="{x(t):.1f}" y="{_SIDE - _BOTTOM + 18}" text-anchor="middle">'
        f"{100 * t:.4g}</text>"
        for t in across
    ]
    return "".join(parts)


def _chart(parts: Sequence[str], *, bottom: str, left: str, told: str) -> str:
    middle = _TOP + (_SIDE - _TOP - _BOTTOM) / 2
    return (
        f'<svg class="chart" viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="{escape(told)}">'
        f"{''.join(parts)}"
        f'<text class="tick" x="{_LEFT + (_SIDE - _LEFT - _RIGHT) / 2}" y="{_SIDE - 8}" '
        f'text-anchor="middle">{escape(bottom)}, %</text>'
        f'<text class="tick" transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(left)}, %</text></svg>"
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
