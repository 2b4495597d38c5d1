"""Section of a page: where the map errs, and where it is unsure."""

from __future__ import annotations

import base64
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS

from lulc_xr.analysis.findings import Findings, Picture
from lulc_xr.analysis.page_png import ENTROPY_COLORS, encode_png
from lulc_xr.analysis.page_words import number

_WIDE = 520
_MOST_POINTS = 20_000
_MARGIN = 0.03
_STRIP = 16
_BANDS = 4


def map_section(found: Findings) -> str:
    """Right and wrong points in their places, and rasters or points of how unsure the map is."""
    points = found.judged
    if not {"x", "y"} <= set(points) or not np.isfinite(points[["x", "y"]].to_numpy()).all():
        return ""
    drawn = points
    told = ""
    if len(points) > _MOST_POINTS:
        drawn = points.sample(_MOST_POINTS, random_state=0)
        told = f" {number(_MOST_POINTS)} points drawn at random are shown."
    place = _Place(points, found.pictures)
    scale = place.scale_bar(found)
    right = (drawn["mapped"] == drawn["reference"]).to_numpy()
    errors = place.svg(_errors(drawn, right, place) + scale, "Where the map errs")
    keys = (
        f'<span><i style="background:var(--own)"></i>right ({number(int(right.sum()))})</span>'
        f'<span><b class="cross">×</b>wrong ({number(int((~right).sum()))})</span>'
    )
    figures = [
        f'<figure class="half">{errors}<figcaption class="keys">{keys}</figcaption></figure>'
    ]
    for picture in found.pictures:
        image = place.image(picture)
        figures.append(
            f'<figure class="half">{place.svg(image + scale, picture.name)}'
            f"<figcaption>{_ramp(picture.name, picture.top)}</figcaption></figure>"
        )
    if not found.pictures and "entropy" in drawn and drawn["entropy"].notna().any():
        top = float(np.log(len(found.legend)))
        figures.append(
            f'<figure class="half">{place.svg(_unsure(drawn, top, place) + scale, "Entropy")}'
            f"<figcaption>{_ramp('entropy at the points', top)}</figcaption></figure>"
        )
    return (
        '<section aria-labelledby="map"><h2 id="map">Where it errs, and where it is unsure</h2>'
        f'<p>North is up; each mark is a point with a label.{told}</p><div class="both">'
        f"{''.join(figures)}</div></section>"
    )


class _Place:
    """From positions of points to those in a drawing."""

    def __init__(self, points: pd.DataFrame, pictures: tuple[Picture, ...]) -> None:
        x, y = points["x"], points["y"]
        ends = [(float(x.min()), float(y.min()), float(x.max()), float(y.max()))]
        ends += [picture.bounds for picture in pictures]
        west, south = (min(e[i] for e in ends) for i in (0, 1))
        east, north = (max(e[i] for e in ends) for i in (2, 3))
        margin = _MARGIN * max(east - west, north - south) or 1.0
        self.west, self.north = west - margin, north + margin
        self.step = (east - west + 2 * margin) / _WIDE
        # The strip below is for the bar of scale.
        self.tall = max(120.0, (north - south + 2 * margin) / self.step) + _STRIP

    def columns(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round((x - self.west) / self.step, 1)

    def rows(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round((self.north - y) / self.step, 1)

    def svg(self, content: str, told: str) -> str:
        return (
            f'<svg class="map" viewBox="0 0 {_WIDE} {self.tall:.0f}" role="img" '
            f'aria-label="{escape(told)}">{content}</svg>'
        )

    def image(self, picture: Picture) -> str:
        west, south, east, north = picture.bounds
        data = base64.b64encode(encode_png(picture.values / picture.top)).decode()
        x, y = (west - self.west) / self.step, (self.north - north) / self.step
        return (
            f'<image x="{x:.1f}" y="{y:.1f}" width="{(east - west) / self.step:.1f}" '
            f'height="{(north - south) / self.step:.1f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )

    def scale_bar(self, found: Findings) -> str:
        wkt = found.judged.attrs.get("crs")
        if not wkt or not CRS.from_user_input(wkt).is_projected:
            return ""
        unit = CRS.from_user_input(wkt).axis_info[0].unit_conversion_factor
        most = _WIDE * self.step * unit / 4
        metres = 10 ** np.floor(np.log10(most))
        metres *= max(n for n in (1, 2, 5) if n * metres <= most)
        long = metres / unit / self.step
        said = f"{number(metres / 1000)} km" if metres >= 1000 else f"{number(metres)} m"
        y = self.tall - 7
        return (
            f'<path class="bar-of-scale" d="M12 {y - 5:.1f}v5h{long:.1f}v-5"/>'
            f'<text class="tick" x="{16 + long:.1f}" y="{y:.1f}">{said}</text>'
        )


def _errors(points: pd.DataFrame, right: NDArray[np.bool_], place: _Place) -> str:
    size = 2.2 if len(points) > 1500 else 3.6
    wrong = "".join(
        f"M{x:g} {y:g}l{2 * size:g} {2 * size:g}m0 {-2 * size:g}l{-2 * size:g} {2 * size:g}"
        for x, y in _places(points[~right], place, shift=-size)
    )
    return (
        f'<path class="right" d="{_dots(points[right], place)}" stroke-width="{1.6 * size:.1f}"/>'
        f'<path class="wrong" d="{wrong}" stroke-width="{size / 2:.1f}"/>'
    )


def _unsure(points: pd.DataFrame, top: float, place: _Place) -> str:
    bands = np.clip((_BANDS * points["entropy"] / top).fillna(0), 0, _BANDS - 1).astype(int)
    size = 4.0 if len(points) > 1500 else 6.5
    known = points["entropy"].notna()
    colors = [ENTROPY_COLORS[int(255 * (n + 0.5) / _BANDS)] for n in range(_BANDS)]
    return "".join(
        f'<path fill="none" stroke-linecap="round" stroke="rgb{color}" stroke-width="{size}" '
        f'd="{_dots(points[known & (bands == number_)], place)}"/>'
        for number_, color in enumerate(colors)
    )


def _dots(points: pd.DataFrame, place: _Place) -> str:
    # A line of no length with round ends is a dot: one path for all of them.
    return "".join(f"M{x:g} {y:g}h0" for x, y in _places(points, place))


def _places(
    points: pd.DataFrame, place: _Place, *, shift: float = 0.0
) -> list[tuple[float, float]]:
    columns = place.columns(points["x"].to_numpy(np.float64)) + shift
    rows = place.rows(points["y"].to_numpy(np.float64)) + shift
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def _ramp(name: str, top: float) -> str:
    stops = ",".join(f"rgb{ENTROPY_COLORS[n]}" for n in (0, 64, 128, 192, 255))
    return (
        f'{escape(name)} <span class="ramp"><span>0</span>'
        f'<i style="background:linear-gradient(90deg,{stops})"></i><span>{top:.2f}</span></span>'
    )
