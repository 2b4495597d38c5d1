"""A map as a STAC item: where and when, its classes, its files, and the model behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.errors import RasterioError

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, SourceError
from lulc_xr.core.georeference import affine_of
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.cube.mapped_year import check_years, mapped_days
from lulc_xr.cube.model_terms import model_assets, model_terms
from lulc_xr.cube.store import open_cube

PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
XARRAY = "https://stac-extensions.github.io/xarray-assets/v1.0.0/schema.json"

_ZARR = "application/vnd.zarr; version=3"
_OPEN = {"engine": "zarr", "consolidated": False, "chunks": {}, "decode_coords": "all"}
_ALONG = 21
_LAST_SECOND = time(23, 59, 59)


def stac_item(
    maps: xr.Dataset | str | os.PathLike[str],
    *,
    task: str = "land_cover",
    year: int | Sequence[int] | None = None,
    item_id: str | None = None,
    cogs: Sequence[str | os.PathLike[str]] = (),
    model: str | os.PathLike[str] | None = None,
    collection: str | None = None,
) -> pystac.Item:
    """A class map as an item of a STAC catalogue, with its Zarr store and its COGs as assets.

    Parameters
    ----------
    maps : xr.Dataset, str or path
        A store, or maps of one. Maps that come from no store have no asset for it.
    task : str
        Name of the class map.
    year : int or sequence of int, optional
        Mapped years; by default all.
    item_id : str, optional
        Name of the item; by default that of the store, the task and the years.
    cogs : sequence of path or URL, optional
        Files that :func:`lulc_xr.to_cog` wrote.
    model : path, optional
        Folder of the model that made the map: adds the terms of the MLM extension and the weights
        as assets. Its hash must be that of the map.
    collection : str, optional
        Id of a collection.

    Returns
    -------
    pystac.Item
        With the extensions projection, classification, raster, processing, for the store
        xarray-assets, and for a model mlm. ``item.save_object(dest_href="map.json")`` writes it.
        References to files are absolute paths; ``item.make_asset_hrefs_relative()`` shortens
        them.

    Raises
    ------
    CubeError
        If there is no such map or year, the maps say no year, or `model` is another than made
        the map.
    SourceError
        If a COG, or the document of the model, cannot be read.

    Notes
    -----
    A mapped year begins on the day that the attribute `year_start` of the map says; without one
    it is a calendar year. The footprint is the outline of the map with 20 places along each side,
    so that it keeps its course in degrees.

    References
    ----------
    STAC 1.1 and its extensions, https://stac-extensions.github.io

    Examples
    --------
    >>> item = lx.stac_item("area.zarr", cogs=["land_cover_2018.tif"])  # doctest: +SKIP
    >>> item.save_object(dest_href="area.json")  # doctest: +SKIP
    """
    if not isinstance(maps, xr.Dataset):
        maps = open_cube(maps)
    legend = _legend(maps, task)
    years = [y for y in check_years(maps, [task], year) if y is not None]
    if not years:
        raise CubeError(
            f"{task!r} says no year, and an item has a date. Assign one, for instance "
            "maps.expand_dims(year=[2018])."
        )
    start, end = _period(maps, task, years)
    store = str(maps.encoding.get("source", ""))
    ring = _outline(maps)
    item = pystac.Item(
        id=item_id or _name(store, task, years),
        geometry={"type": "Polygon", "coordinates": [ring.tolist()]},
        bbox=[*ring.min(axis=0).tolist(), *ring.max(axis=0).tolist()],
        datetime=None,
        start_datetime=start,
        end_datetime=end,
        properties=_properties(maps, task, years, legend.name),
        stac_extensions=[PROJECTION, PROCESSING, CLASSIFICATION, RASTER],
        collection=collection,
    )
    if store:
        item.stac_extensions.append(XARRAY)
        item.add_asset("zarr", _store_asset(store, legend))
    for cog in cogs:
        item.add_asset(Path(os.fspath(cog)).stem, _cog_asset(os.fspath(cog)))
    if not item.assets:
        # Assets take over what the item says: classes of the item would be those of an entropy too.
        item.properties["classification:classes"] = _classes(legend)
    if model is not None:
        _add_model(item, Path(model).expanduser().absolute(), maps[task])
    return item


def _legend(maps: xr.Dataset, task: str) -> Legend:
    if task not in maps or not {"y", "x"} <= set(maps[task].dims):
        known = [str(n) for n, v in maps.data_vars.items() if "flag_values" in v.attrs]
        raise CubeError(
            f"no class map {task!r} over y and x here; there are {', '.join(known) or 'none'}."
        )
    return Legend.from_flags(maps[task].attrs)


def _period(maps: xr.Dataset, task: str, years: Sequence[int]) -> tuple[datetime, datetime]:
    """First and last second of the mapped years, in UTC."""
    first, last = (mapped_days(maps, task, y) for y in (min(years), max(years)))
    if first is None or last is None:
        return (
            datetime(min(years), 1, 1, tzinfo=UTC),
            datetime(max(years), 12, 31, 23, 59, 59, tzinfo=UTC),
        )
    return (
        datetime.combine(first[0], time(), tzinfo=UTC),
        datetime.combine(last[1], _LAST_SECOND, tzinfo=UTC),
    )


def _outline(maps: xr.Dataset) -> NDArray[np.float64]:
    """Closed ring of longitudes and latitudes around the map, counter-clockwise."""
    a, _, left, _, e, top = affine_of(maps)
    right, bottom = left + a * maps.sizes["x"], top + e * maps.sizes["y"]
    (west, east), (south, north) = sorted((left, right)), sorted((bottom, top))
    way = np.linspace(0, 1, _ALONG)[:-1]
    across, up = west + way * (east - west), south + way * (north - south)
    back, down = east - way * (east - west), north - way * (north - south)
    x = np.concatenate([across, np.full(up.size, east), back, np.full(down.size, west)])
    y = np.concatenate([np.full(across.size, south), up, np.full(back.size, north), down])
    transformer = Transformer.from_crs(crs_of(maps), "EPSG:4326", always_xy=True)
    placed = np.stack(transformer.transform(x, y), axis=1)
    across_line = np.ptp(placed[:, 0]) > 180 or np.abs(placed[:, 0]).max() > 180
    if not np.isfinite(placed).all() or across_line:
        raise CubeError(
            "the outline of the map crosses the date line or leaves its reference system, and is "
            "no polygon in degrees. Make an item for each part of it."
        )
    ring: NDArray[np.float64] = np.concatenate([placed, placed[:1]]).round(7)
    return ring


def _properties(maps: xr.Dataset, task: str, years: Sequence[int], legend: str) -> dict[str, Any]:
    crs = CRS.from_user_input(crs_of(maps))
    a, b, c, d, e, f = affine_of(maps)
    corners = np.array([[c, f], [c + a * maps.sizes["x"], f + e * maps.sizes["y"]]])
    authority = crs.to_authority()
    attrs = maps[task].attrs
    made = {
        "title": f"{task.replace('_', ' ')} {', '.join(map(str, years))}",
        "gsd": abs(a) * crs.axis_info[0].unit_conversion_factor,
        "proj:code": ":".join(authority) if authority else None,
        "proj:shape": [maps.sizes["y"], maps.sizes["x"]],
        "proj:transform": [a, b, c, d, e, f],
        "proj:bbox": [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()],
        "processing:level": "L4",
        "processing:software": {"lulc_xr": version("lulc_xr")},
        "lulc_xr:legend": legend,
        "lulc_xr:years": list(years),
    }
    if crs.is_geographic:
        del made["gsd"]
    if not authority:
        made["proj:wkt2"] = crs.to_wkt()
    if attrs.get("history"):
        made["processing:lineage"] = str(attrs["history"])
    if attrs.get("model_hash"):
        made["lulc_xr:model_hash"] = str(attrs["model_hash"])
    return made


def _classes(legend: Legend) -> list[dict[str, Any]]:
    """Classes in the terms of the classification extension, and the value for none."""
    classes: list[dict[str, Any]] = [
        {
            "value": c.class_id,
            # The extension allows letters, digits, - and _ in names.
            "name": re.sub(r"[^0-9A-Za-z_-]", "_", c.name),
            "title": c.name.replace("_", " "),
            "color_hint": c.color.lstrip("#").upper(),
        }
        for c in legend.classes
    ]
    return [*classes, {"value": FILL_CLASS, "name": "not_mapped", "nodata": True}]


def _store_asset(store: str, legend: Legend) -> pystac.Asset:
    href = store if "://" in store else str(Path(store).expanduser().absolute())
    return pystac.Asset(
        href=href,
        title="Zarr store of the cube and its maps",
        media_type=_ZARR,
        roles=["data"],
        extra_fields={
            "xarray:open_kwargs": _OPEN,
            "classification:classes": _classes(legend),
        },
    )


def _cog_asset(path: str) -> pystac.Asset:
    try:
        with rasterio.open(path) as file:
            tags, shape, transform = file.tags(), file.shape, file.transform
            bands = [
                {
                    "name": file.descriptions[i] or str(i + 1),
                    "data_type": file.dtypes[i],
                    "scale": file.scales[i],
                    "offset": file.offsets[i],
                    **_nodata(file.nodatavals[i]),
                }
                for i in range(file.count)
            ]
    except RasterioError as error:
        raise SourceError(f"cannot open COG {path!r}: {error}. Check the path.") from error
    extra: dict[str, Any] = {
        "raster:bands": bands,
        "proj:shape": list(shape),
        "proj:transform": list(transform)[:6],
    }
    if "flag_values" in tags:
        values = [int(value) for value in tags["flag_values"].split()]
        extra["classification:classes"] = _classes(
            Legend.from_flags({**tags, "flag_values": values})
        )
    title = tags.get("long_name", Path(path).stem)
    return pystac.Asset(
        href=path if "://" in path else str(Path(path).expanduser().absolute()),
        title=f"{title} {tags['year']}" if "year" in tags else title,
        media_type=pystac.MediaType.COG,
        roles=["data"],
        extra_fields=extra,
    )


def _nodata(value: float | None) -> dict[str, Any]:
    if value is None:
        return {}
    # JSON has no NaN; the extension writes it as a word.
    return {"nodata": "nan" if np.isnan(value) else value}


def _add_model(item: pystac.Item, folder: Path, class_map: xr.DataArray) -> None:
    terms, extensions = model_terms(folder, str(class_map.attrs.get("model_hash", "")))
    item.properties.update(terms)
    item.stac_extensions.extend(e for e in extensions if e not in item.stac_extensions)
    for name, asset in model_assets(folder, terms).items():
        item.add_asset(name, asset)


def _name(store: str, task: str, years: Sequence[int]) -> str:
    period = f"{min(years)}" if len(years) == 1 else f"{min(years)}-{max(years)}"
    return "_".join([*([Path(store).stem] if store else []), task, period])
