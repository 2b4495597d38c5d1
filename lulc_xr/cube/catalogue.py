"""Items from wherever they are: a list, an API, a static catalogue on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pystac
import pystac_client
from odc.geo import Geometry
from odc.geo.geom import box
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from lulc_xr.core.errors import CubeError, SourceError, name_unknown

StacSource = (
    str
    | PathLike[str]
    | pystac_client.Client
    | pystac.Catalog
    | pystac.ItemCollection
    | Iterable[pystac.Item]
)
"""What :func:`lulc_xr.load_stac` takes items from."""

BBox = tuple[float, float, float, float]
Query = Mapping[str, Any] | str

SILENCE = 60.0
"""Seconds an API may say nothing (a proposal); a client that the user gives has its own limit."""

_BUSY = (429, 500, 502, 503, 504)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "neq": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "lte": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "gte": lambda a, b: bool(a >= b),
    "in": lambda a, b: a in b,
}


def find_items(
    source: StacSource,
    *,
    bbox: BBox,
    start: str | None = None,
    end: str | None = None,
    collections: Sequence[str] | None = None,
    query: Query | None = None,
) -> list[pystac.Item]:
    """Items of a source that touch an area and a time, in the order of time and id.

    Parameters
    ----------
    source : list of pystac.Item, ItemCollection, Catalog, Client, URL or path
        An API is searched; everything else is read and filtered here, without a server.
    bbox : tuple of float
        West, south, east, north in degrees.
    start, end : str, optional
        First and last day or month, such as ``"2021-06-05"`` or ``"2021-06"``; both inclusive.
    collections : sequence of str, optional
        Ids of collections.
    query : mapping or str, optional
        Conditions on properties, ``{"eo:cloud_cover": {"lt": 60}}``; for an API also CQL2 as
        JSON (a mapping with ``"op"``) or text.

    Raises
    ------
    SourceError
        If a catalogue or an API cannot be read.
    CubeError
        If the source, a date or a condition is not understood.
    """
    first, last = _moment(start, "start"), _moment(end, "end")
    if first and last and first > last:
        raise CubeError(f"start {start!r} is after end {end!r}; exchange them.")
    client = _as_client(source)
    if client is not None:
        items = _search(
            client, bbox=bbox, first=first, last=last, collections=collections, query=query
        )
    else:
        items = [
            item
            for item in _read_items(source)
            if _matches(item, first=first, last=last, collections=collections, query=query)
        ]
    area = box(*bbox, crs="EPSG:4326")
    near = [item for item in items if _touches(item, area)]
    return sorted(near, key=lambda item: (_when(item), item.id))


def _as_client(source: Any) -> pystac_client.Client | None:
    if isinstance(source, pystac_client.Client):
        return source
    if not (isinstance(source, str) and source.startswith(("http://", "https://"))):
        return None
    try:
        # An int would mean retries of connections only, not of an API that is busy.
        retries = Retry(
            total=4, read=1, backoff_factor=0.5, status_forcelist=_BUSY, allowed_methods=None
        )
        reader = StacApiIO(max_retries=retries)
        return pystac_client.Client.open(source, stac_io=reader, timeout=SILENCE)
    except Exception as error:
        raise SourceError(
            f"could not open the STAC API {source!r}: {error}. Check the address; its page "
            "should be JSON with links 'search' and 'data'."
        ) from error


def _search(
    client: pystac_client.Client,
    *,
    bbox: BBox,
    first: datetime | None,
    last: datetime | None,
    collections: Sequence[str] | None,
    query: Query | None,
) -> list[pystac.Item]:
    asked: dict[str, Any] = {"bbox": bbox, "collections": collections}
    if first or last:
        asked["datetime"] = (first, last)
    if isinstance(query, str):
        # Servers take CQL2 as text in an address only; a body has to be CQL2 as JSON.
        asked |= {"filter": query, "filter_lang": "cql2-text", "method": "GET"}
    elif query is not None and "op" in query:
        asked |= {"filter": dict(query), "filter_lang": "cql2-json"}
    elif query is not None:
        asked["query"] = dict(query)
    try:
        return list(client.search(**asked).items())
    except Exception as error:
        raise SourceError(
            f"the search at {client.get_self_href()!r} failed: {error}. Asked for bbox {bbox}, "
            f"{first} to {last}, collections {collections}, query {query!r}."
        ) from error


def _read_items(source: Any) -> Iterable[pystac.Item]:
    if isinstance(source, (pystac.ItemCollection, pystac.Catalog)):
        return _of_object(source)
    if isinstance(source, (str, PathLike)):
        return _from_disk(Path(source))
    if isinstance(source, Iterable):
        items = list(source)
        wrong = next((item for item in items if not isinstance(item, pystac.Item)), None)
        if wrong is None:
            return items
        source = wrong
    raise CubeError(
        f"items cannot be taken from {type(source).__name__}. Give a list of pystac.Item, an "
        "ItemCollection, a Catalog, a pystac_client.Client, the URL of a STAC API, or the path "
        "of a static catalogue."
    )


def _of_object(source: Any) -> Iterable[pystac.Item]:
    if isinstance(source, pystac.Catalog):
        return source.get_items(recursive=True)
    return list(source)


def _from_disk(path: Path) -> Iterable[pystac.Item]:
    """Items of a catalogue, collection, item collection or item, or of a folder of them."""
    if path.is_dir():
        for name in ("catalog.json", "collection.json"):
            if (path / name).is_file():
                return _from_disk(path / name)
        files = sorted(path.glob("*.json"))
        if not files:
            raise SourceError(
                f"no catalog.json, collection.json or items (*.json) in folder {str(path)!r}. "
                "Give the folder of a static STAC catalogue."
            )
        return [item for file in files for item in _from_disk(file)]
    try:
        kind = json.loads(path.read_text()).get("type")
        if kind == "FeatureCollection":
            return list(pystac.ItemCollection.from_file(str(path)))
        if kind == "Feature":
            return [pystac.Item.from_file(str(path))]
        return list(pystac.Catalog.from_file(str(path)).get_items(recursive=True))
    except FileNotFoundError as error:
        raise SourceError(
            f"{error.filename or str(path)!r} is not there; it is needed to read the catalogue "
            f"{str(path)!r}. Give the path of catalog.json, or restore the file."
        ) from error
    except (pystac.STACError, pystac.STACTypeError) as error:
        raise SourceError(
            f"the catalogue {str(path)!r} is not whole: {error} Restore what it links to, or "
            "remove the link."
        ) from error
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise SourceError(
            f"could not read {str(path)!r} as a STAC catalogue, collection or item: {error}."
        ) from error


def _moment(text: str | None, what: str) -> datetime | None:
    """Begin or end of the day, month or year that `text` names, UTC."""
    if text is None:
        return None
    try:
        if not re.match(r"\d{4}(-\d{2}|$)", text):
            raise ValueError(text)
        period = pd.Period(text)
    except (TypeError, ValueError) as error:
        raise CubeError(
            f"{what}={text!r} is no date; write '2021', '2021-06' or '2021-06-05'."
        ) from error
    moment = period.start_time if what == "start" else period.end_time.floor("s")
    found: datetime = moment.to_pydatetime().replace(tzinfo=UTC)
    return found


def _when(item: pystac.Item) -> datetime:
    moment = item.datetime
    if moment is None and "start_datetime" in item.properties:
        moment = pystac.utils.str_to_datetime(item.properties["start_datetime"])
    if moment is None:
        raise CubeError(f"item {item.id!r} has no datetime; set it in the item.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _matches(
    item: pystac.Item,
    *,
    first: datetime | None,
    last: datetime | None,
    collections: Sequence[str] | None,
    query: Query | None,
) -> bool:
    if collections is not None and item.collection_id not in collections:
        return False
    when = _when(item).replace(microsecond=0)
    if (first and when < first) or (last and when > last):
        return False
    if isinstance(query, str) or (query is not None and "op" in query):
        raise CubeError(
            f"query {query!r} is CQL2, which only a STAC API understands. For items on disk or "
            "in a list write {'eo:cloud_cover': {'lt': 60}}, or choose the items yourself."
        )
    return all(_holds(item, name, wanted) for name, wanted in (query or {}).items())


def _holds(item: pystac.Item, name: str, wanted: Any) -> bool:
    conditions = wanted if isinstance(wanted, Mapping) else {"eq": wanted}
    for operator in conditions:
        if operator not in _COMPARE:
            raise CubeError(f"query of {name!r}: {name_unknown('operator', operator, _COMPARE)}")
    if name not in item.properties:
        return False
    value = item.properties[name]
    return all(_COMPARE[operator](value, limit) for operator, limit in conditions.items())


def _touches(item: pystac.Item, area: Geometry) -> bool:
    if item.geometry:
        return bool(Geometry(item.geometry, "EPSG:4326").intersects(area))
    if item.bbox:
        half = len(item.bbox) // 2
        west, south, east, north = *item.bbox[:2], *item.bbox[half : half + 2]
        return bool(box(west, south, east, north, crs="EPSG:4326").intersects(area))
    return True
