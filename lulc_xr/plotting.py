"""Maps to look at: true colour, classes, entropy, and all of them in one picture."""

from __future__ import annotations

import functools
import io
import math
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.core.cube import NODATA, check_bands, is_raw
from lulc_xr.core.errors import CubeError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.require import require

# Figures and axes of matplotlib, an optional library: its types are named, not imported.
Axes = Any
Figure = Any

Grid = TypeVar("Grid", xr.DataArray, xr.Dataset)

NOT_MAPPED = "not mapped"
"""Name in the key of pixels without a class."""

_GREY, _HATCH_GREY = "#e6e6e6", "#b8b8b8"
_PIXELS_A_SIDE = 2000
_METRES_UP_TO = 10_000
_MIDSUMMER = 172
_PANEL = 4.4
_TICKS = 4
_GAMMA = 1.4
_TOLERANCE = 1e-4
_TRUE_COLOR = ("red", "green", "blue")


def plot_map(
    class_map: xr.DataArray, *, ax: Axes | None = None, legend: Legend | None = None
) -> Axes:
    """Class map in the colours of its legend, with the names of the classes that occur.

    Parameters
    ----------
    class_map : xr.DataArray of int
        Class ids, (y, x), or (year, y, x) with one year; 255 where not mapped, shown hatched.
        Of more than 2000 pixels a side, every n-th is read and drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure (``result.figure``, unknown to pyplot) by default.
    legend : Legend, optional
        The classes; by default the map's CF flags.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CubeError
        If the map is not two-dimensional.
    LegendError
        If there is no legend, or a class id is not part of it.
    """
    ax = _new_axes() if ax is None else ax
    legend = legend or Legend.from_flags(class_map.attrs)
    present = _draw_map(ax, class_map, legend, title="Class map")
    _draw_key(ax, legend, present, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return ax


def plot_entropy(
    entropy: xr.DataArray, *, classes: int | None = None, ax: Axes | None = None
) -> Axes:
    """Entropy with a colour bar in nats, from 0 (certain) to ln K (all classes equally probable).

    Parameters
    ----------
    entropy : xr.DataArray of float
        Nats, (y, x), or (year, y, x) with one year; NaN where not mapped, shown hatched.
    classes : int, optional
        Number of classes K; without it the colour bar ends at the largest value.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _new_axes() if ax is None else ax
    _draw_entropy(ax, entropy, classes, below=False)
    return ax


def plot_true_color(
    cube: xr.Dataset,
    *,
    time: Any = None,
    ax: Axes | None = None,
    stretch: tuple[float, float] = (2, 98),
) -> Axes:
    """Red, green and blue of one date as the eye would see them, brightened.

    Parameters
    ----------
    cube : xr.Dataset
        `reflectance` (time, band, y, x), and `clear` if there is one.
    time : datetime-like, optional
        The date, of which the nearest is drawn; by default the clearest, of equals the one
        nearest to midsummer.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    stretch : tuple of float
        Percentiles of each band's clear pixels that become black and full brightness.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    CubeError
        If the cube lacks one of the bands, or `stretch` is not two ascending percentiles.
    """
    check_bands(cube, _TRUE_COLOR)
    low, high = stretch
    if not 0 <= low < high <= 100:
        raise CubeError(f"stretch {stretch}: expected two ascending percentiles, such as (2, 98).")
    small = _thin(cube[[name for name in ("reflectance", "clear") if name in cube]])
    if time is None:
        date = small.isel(time=_clearest(small))
    else:
        date = small.sel(time=np.datetime64(time), method="nearest")
    colors = date["reflectance"].sel(band=list(_TRUE_COLOR)).transpose("y", "x", "band").compute()
    seen = colors != NODATA if is_raw(colors) else colors.notnull()
    pixels = colors.where(seen.all("band")).values
    clear = ~np.isnan(pixels[..., 0])
    if "clear" in date:
        clear &= date["clear"].transpose("y", "x").values > 0
    ax = _new_axes() if ax is None else ax
    _show(ax, colors, _stretched(pixels, clear, stretch))
    mark_missing(ax)
    ax.set_title(f"True colour, {np.datetime_as_string(date['time'].values, unit='D')}")
    return ax


def plot_overview(
    cube: xr.Dataset,
    *,
    reference: xr.DataArray | None = None,
    title: str | None = None,
    year: int | None = None,
) -> Figure:
    """One picture: true colour, reference, class map with legend, entropy with colour bar.

    Parameters
    ----------
    cube : xr.Dataset
        `reflectance`, and `land_cover` and `land_cover_entropy` (year, y, x).
    reference : xr.DataArray of int, optional
        Class ids to judge by, (y, x), with the ids of the class map; without it the picture
        has three panels.
    title : str, optional
        Line above the picture.
    year : int, optional
        Mapped year; the last by default.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; shown by a notebook, written by ``figure.savefig(path)``.

    Raises
    ------
    CubeError
        If the cube has no class map, no entropy, or not that year.
    """
    land_cover, entropy = (_of_year(cube, f"land_cover{end}", year) for end in ("", "_entropy"))
    legend = Legend.from_flags(land_cover.attrs)
    maps = {"Class map": land_cover}
    if reference is not None:
        maps = {"Reference": reference, **maps}
    square = len(maps) == 2
    rows, columns = (2, 2) if square else (1, 3)
    tall = _PANEL * float(np.clip(land_cover.sizes["y"] / land_cover.sizes["x"], 0.4, 2.5))
    figure = new_figure(width=_PANEL * columns + 0.8, height=tall * rows + 1.9)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True).ravel()
    plot_true_color(cube, ax=axes[0])
    present = set()
    for ax, (name, class_map) in zip(axes[1:-1], maps.items(), strict=True):
        present |= _draw_map(ax, class_map, legend, title=name)
    _draw_key(axes[-2], legend, present, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    _draw_entropy(axes[-1], entropy, len(legend), below=True)
    for ax in axes:
        ax.label_outer()
    if title:
        figure.suptitle(title, fontsize="x-large")
    return figure


def _draw_map(ax: Axes, class_map: xr.DataArray, legend: Legend, *, title: str) -> set[int]:
    """Draw class ids in colours; the ids that occur, 255 among them where not mapped."""
    flat = _thin(_flat(class_map))
    position = legend.index_of(flat.values)
    to_rgba = require("matplotlib.colors", extra="viz").to_rgba_array
    # The last colour is clear: position -1 lets the hatched background through.
    colors = np.vstack([to_rgba(legend.colors), np.zeros((1, 4))])
    _show(ax, flat, (255 * colors).round().astype(np.uint8)[position])
    present = {int(class_id) for class_id in np.unique(flat.values)}
    if FILL_CLASS in present:
        mark_missing(ax)
    ax.set_title(_titled(title, flat))
    return present


def _draw_key(ax: Axes, legend: Legend, present: set[int], **place: Any) -> None:
    """Names and colours of the classes that occur."""
    patch = require("matplotlib.patches", extra="viz").Patch
    keys = [
        patch(facecolor=c.color, edgecolor="#404040", linewidth=0.5, label=c.name.replace("_", " "))
        for c in legend.classes
        if c.class_id in present
    ]
    if FILL_CLASS in present:
        keys.append(patch(facecolor=_GREY, edgecolor=_HATCH_GREY, hatch="////", label=NOT_MAPPED))
    ax.legend(handles=keys, frameon=False, borderaxespad=0.0, **place)


def _draw_entropy(ax: Axes, entropy: xr.DataArray, classes: int | None, *, below: bool) -> None:
    flat = _thin(_flat(entropy)).compute()
    values = flat.values.astype(np.float32)
    largest = float(np.nanmax(values, initial=0))
    limit = math.log(classes) if classes and classes > 1 else largest or 1.0
    if largest > limit * (1 + _TOLERANCE):
        raise CubeError(
            f"entropy reaches {largest:.3f} nats, but ln {classes} = {limit:.3f} is the most that "
            f"{classes} classes can have. Give the number of classes of the model."
        )
    image = _show(ax, flat, values, cmap="magma", vmin=0.0, vmax=limit)
    if np.isnan(values).any():
        mark_missing(ax)
    ax.set_title(_titled("Entropy", flat))
    # Within the axes' own frame, so that the maps of a picture keep one size.
    place = ax.inset_axes((0.05, -0.22, 0.9, 0.05) if below else (1.04, 0.0, 0.05, 1.0))
    orientation = "horizontal" if below else "vertical"
    bar = ax.figure.colorbar(image, cax=place, orientation=orientation)
    most = f"; ln {classes} = {limit:.2f}: all classes equally probable" if classes else ""
    bar.set_label(f"nats{most}")


def _show(ax: Axes, like: xr.DataArray, image: NDArray[Any], **options: Any) -> Any:
    """Draw an array at its coordinates: north up, same length in y and x, metres or kilometres."""
    ends = {dim: like[dim].values[[0, -1]].astype(np.float64) for dim in ("y", "x")}
    steps = {dim: (end[1] - end[0]) / max(like.sizes[dim] - 1, 1) for dim, end in ends.items()}
    edges = {}
    for dim, other in ("y", "x"), ("x", "y"):
        # A single row is as high as a column is wide.
        half = (steps[dim] or abs(steps[other]) or 1.0) / 2
        edges[dim] = (ends[dim][0] - half, ends[dim][1] + half)
    extent = (*edges["x"], *edges["y"][::-1])
    drawn = ax.imshow(image, extent=extent, origin="upper", interpolation="nearest", **options)
    ax.set_xlim(*sorted(edges["x"]))
    ax.set_ylim(*sorted(edges["y"]))
    ax.set_aspect("equal")
    _label_axis(ax.xaxis, like["x"], "Easting", "Longitude")
    _label_axis(ax.yaxis, like["y"], "Northing", "Latitude")
    return drawn


def _label_axis(axis: Any, coord: xr.DataArray, distance: str, angle: str) -> None:
    """Ticks in km of a coordinate in metres; the axis itself keeps metres, for overlays."""
    ticker = require("matplotlib.ticker", extra="viz")
    units = str(coord.attrs.get("units", ""))
    scale, text = 1.0, str(coord.name)
    if units in ("m", "metre", "meter"):
        far = float(np.abs(coord.values).max()) > _METRES_UP_TO
        scale, text = (1000.0, f"{distance} (km)") if far else (1.0, f"{distance} (m)")
    elif units.startswith("degree"):
        text = f"{angle} (°)"
    low, high = axis.get_view_interval()
    # No step is finer than a fourth of what is seen: as many decimals tell ticks apart.
    decimals = max(0, -math.floor(math.log10(abs(high - low) / scale / _TICKS)))
    axis.set_major_locator(ticker.MaxNLocator(nbins=_TICKS, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value / scale:.{decimals}f}"))
    axis.set_label_text(text)


def mark_missing(ax: Axes) -> None:
    """Hatched light grey behind the image, seen where the image is clear."""
    ax.patch.set(facecolor=_GREY, edgecolor=_HATCH_GREY, hatch="////", linewidth=0)


def _stretched(
    pixels: NDArray[Any], clear: NDArray[np.bool_], stretch: tuple[float, float]
) -> NDArray[np.uint8]:
    """Red, green, blue and opacity from values (y, x, 3), NaN clear; shape (y, x, 4)."""
    known = ~np.isnan(pixels[..., 0])
    image = np.zeros((*known.shape, 4), np.uint8)
    sample = pixels[clear] if clear.any() else pixels[known]
    if sample.size:
        low, high = np.percentile(sample, stretch, axis=0)
        share = np.clip((pixels[known] - low) / np.where(high > low, high - low, 1), 0, 1)
        image[known, :3] = (255 * share ** (1 / _GAMMA)).round()
        image[known, 3] = 255
    return image


def _clearest(cube: xr.Dataset) -> int:
    """Position of the date with the largest clear share, of equals nearest to midsummer."""
    if "clear" in cube:
        seen = cube["clear"] > 0
    else:
        red = cube["reflectance"].sel(band="red")
        seen = red != NODATA if is_raw(red) else red.notnull()
    share = seen.mean(("y", "x")).values
    away = np.abs(cube["time"].dt.dayofyear.values - _MIDSUMMER)
    return int(np.lexsort((away, -share))[0])


def _of_year(cube: xr.Dataset, name: str, year: int | None) -> xr.DataArray:
    if name not in cube:
        raise CubeError(
            f"no variable {name!r} in this dataset; it has {sorted(map(str, cube.data_vars))}. "
            "Classify the cube first, and merge or write the result into it."
        )
    da = cube[name]
    if "year" not in da.dims:
        return da
    known = [int(y) for y in da["year"].values]
    if year is not None and year not in known:
        raise CubeError(name_unknown("year", year, map(str, known)))
    return da.sel(year=known[-1] if year is None else year)


def _flat(da: xr.DataArray) -> xr.DataArray:
    if da.sizes.get("year") == 1:
        da = da.squeeze("year")
    if set(da.dims) != {"y", "x"}:
        raise CubeError(
            f"{da.name!r} has dimensions {tuple(map(str, da.dims))}; expected (y, x). "
            "Choose one year first, such as .sel(year=2018)."
        )
    return da.transpose("y", "x")


def _thin(data: Grid) -> Grid:
    """Every n-th pixel in the place of its n x n, so that no side has more than a screen shows."""
    for dim in ("y", "x"):
        every = -(-data.sizes[dim] // _PIXELS_A_SIDE)
        if every > 1:
            values = data[dim].values
            middle = values[::every] + (every - 1) / 2 * (values[1] - values[0])
            kept = data.isel({dim: slice(None, None, every)})
            data = kept.assign_coords({dim: (dim, middle, data[dim].attrs)})
    return data


def _titled(title: str, da: xr.DataArray) -> str:
    return f"{title} {int(da['year'])}" if "year" in da.coords else title


def new_figure(*, width: float, height: float) -> Figure:
    """A figure that pyplot does not know of, so that none is left open."""
    figure = require("matplotlib.figure", extra="viz").Figure(
        figsize=(width, height), layout="compressed"
    )
    # Without pyplot a notebook knows no way to show a figure but this method.
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _new_axes() -> Axes:
    return new_figure(width=7, height=5.5).subplots()


def _png(figure: Figure) -> bytes:
    memory = io.BytesIO()
    figure.savefig(memory, format="png")
    return memory.getvalue()
