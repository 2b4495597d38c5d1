"""Cells of a file of LUCAS: read as text, found under the names of its dialect, decoded."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from lulc_xr.core.errors import SampleError
from lulc_xr.samples import lucas_codes as codes
from lulc_xr.samples.lucas_schema import LucasColumn, source_name

_TEXT = pd.StringDtype(na_value=np.nan)


class Cells:
    """Cells of a file as text, found by their name in the harmonised database."""

    def __init__(self, raw: pd.DataFrame, dialect: str) -> None:
        self.raw, self.dialect = raw, dialect
        self.names = {str(name).lower(): name for name in raw.columns}

    def __contains__(self, column: str) -> bool:
        return any(name in self.names for name in source_name(column, self.dialect))

    def texts(self, column: str) -> tuple[NDArray[np.intp], list[str]] | None:
        """Position of each cell's text in a list of different texts, and the list."""
        for name in source_name(column, self.dialect):
            if name in self.names:
                place, values = pd.factorize(self.raw[self.names[name]], use_na_sentinel=False)
                return np.asarray(place, np.intp), [_plain(value) for value in values]
        return None


def read_table(path: Path) -> pd.DataFrame:
    """Table in a file, without geometry; cells of a CSV stay text."""
    kind = path.suffix.lower()
    if not path.is_file():
        raise SampleError(f"there is no file {str(path)!r}; check the path of the LUCAS points.")
    try:
        if kind in (".csv", ".txt"):
            with path.open(encoding="utf-8-sig", newline="") as file:
                mark = csv.Sniffer().sniff(file.readline(), delimiters=",;\t").delimiter
            return pd.read_csv(
                path, sep=mark, dtype=str, keep_default_na=False, encoding="utf-8-sig"
            )
        if kind == ".parquet":
            geo = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
            table: pd.DataFrame = geopandas.read_parquet(path) if geo else pd.read_parquet(path)
        else:
            table = geopandas.read_file(path)
    except (ValueError, RuntimeError, csv.Error) as error:
        raise SampleError(f"{str(path)!r} cannot be read as a table: {error}.") from error
    return table.drop(columns="geometry", errors="ignore")


def _plain(value: Any) -> str:
    """Text of a cell: no blanks around, no decimal point of whole numbers, '' for missing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if text.lower() in codes.BLANK:
        return ""
    whole, point, zeros = text.partition(".")
    return whole if point and whole.isdigit() and not zeros.strip("0") else text


def decode_texts(
    found: tuple[NDArray[np.intp], list[str]], to_value: codes.Decoder, year: int
) -> list[Any]:
    """Value of each cell, None where it is missing or not known."""
    place, texts = found
    values: list[Any] = []
    for text in texts:
        try:
            values.append(to_value(text, year) if text else None)
        except KeyError:
            values.append(None)
    return [values[i] for i in place]


def decode(
    cells: Cells, column: LucasColumn, year: NDArray[np.int16], unknown: dict[str, dict[str, int]]
) -> pd.Series[Any]:
    """One column of the schema; values that are not known are counted in `unknown`."""
    to_value, source = column.decode, column.source
    if cells.dialect.startswith("st_lucas") and source.endswith("_perc"):
        source, to_value = _shares_of_st_lucas(cells, column)
    found = cells.texts(source)
    size = len(cells.raw)
    if found is None:
        return _series(column, np.zeros(size, np.intp), [None])
    place, texts = found
    # A code may mean one thing in one campaign and another in the next: decode text and year.
    campaigns, campaign = np.unique(year, return_inverse=True)
    pairs, pair = np.unique(place * len(campaigns) + campaign, return_inverse=True)
    counts = np.bincount(pair, minlength=len(pairs))
    values: list[object] = []
    for known, count in zip(pairs, counts, strict=True):
        text = texts[known // len(campaigns)]
        value: object = None
        try:
            value = to_value(text, int(campaigns[known % len(campaigns)])) if text else None
        except KeyError:
            noted = unknown.setdefault(source, {})
            noted[text] = noted.get(text, 0) + int(count)
        values.append(value)
    return _series(column, pair, values)


def _shares_of_st_lucas(cells: Cells, column: LucasColumn) -> tuple[str, codes.Decoder]:
    """Where ST_LUCAS keeps a share: numbers in _perc, classes in _perc_cls or a shapefile."""
    shares = codes.COVER_SHARES if column.source.startswith("lc") else codes.USE_SHARES
    if column.dtype == "category":
        classes = f"{column.source}_cls"
        source = classes if classes in cells else column.source
        cut = cells.dialect == "st_lucas_shapefile"
        return source, codes.class_code(shares) if cut or classes in cells else column.decode
    if cells.dialect == "st_lucas_shapefile":
        return "", column.decode
    return column.source, column.decode


def _series(column: LucasColumn, place: NDArray[np.intp], values: list[Any]) -> pd.Series[Any]:
    """Values in the column's type, each at its places."""
    if column.dtype == "category":
        ordered = column.source not in ("obs_type", "obs_direct", "lc_lu_special_remark")
        kind = pd.CategoricalDtype(list(column.categories), ordered=ordered)
        return pd.Series(pd.Categorical(values, dtype=kind)[place])
    if column.dtype == "text":
        return pd.Series(pd.array(values, dtype=_TEXT)[place])
    if column.dtype == "date":
        return pd.Series(np.array(values, "datetime64[s]")[place])
    return pd.Series(np.array(values, column.dtype)[place])
