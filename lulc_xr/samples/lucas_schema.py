"""The one schema that every dialect of LUCAS is read into, and what each dialect calls a column.

One row is one visit of a point. Missing values are NaN, NaT or an empty category.

===========================  =========  =======  ==================================================
name                         type       unit     meaning
===========================  =========  =======  ==================================================
point_id                     int64               identity of the point, EEEENNNN: kilometres east
                                                 and north of its theoretical location in EPSG:3035
year                         int16               year of the campaign
survey_date                  datetime            day of the visit
nuts0                        text                country, as in the file
nuts1                        text                region of NUTS level 1, as in the file
nuts2                        text                region of NUTS level 2, as in the file
nuts3                        text                region of NUTS level 3, as in the file
observation                  category            how it was observed: in situ < 100 m, in situ
                                                 > 100 m, in situ photo-interpretation, ...
observation_direction        category            on the point; or north, east: the point lay on a
                                                 border or a narrow line, the surveyor looked aside
observation_distance         float32    m        from the observer to the point
observation_radius           float32    m        radius that was looked at, 1.5 or 20
gps_latitude                 float64    degree   where the observer stood, WGS 84
gps_longitude                float64    degree   the same, negative in the west
gps_precision                float32    m        accuracy that the receiver reported
gps_altitude                 float32    m        height that the receiver reported
gps_distance                 float32    m        from the observer to the theoretical location,
                                                 on the ellipsoid
lc1                          text                land cover, such as C10
lc1_species                  text                species or kind, such as C105
lc1_percent                  float32    percent  share of lc1, where a number was noted (from 2018)
lc1_percent_class            category   percent  class of that share: < 10, 10 - 25, 25 - 50,
                                                 50 - 75, > 75
lc2                          text                second land cover
lc2_species                  text                its species or kind
lc2_percent                  float32    percent  its share
lc2_percent_class            category   percent  class of its share
lu1                          text                land use, such as U111
lu1_type                     text                type of use, such as U111A
lu1_percent                  float32    percent  share of lu1, where a number was noted (from 2018)
lu1_percent_class            category   percent  class of that share: < 5 ... > 90
lu2                          text                second land use
lu2_type                     text                its type
lu2_percent                  float32    percent  its share
lu2_percent_class            category   percent  class of its share
parcel_area                  category   ha       class of the parcel's area: < 0.1, < 0.5,
                                                 0.1 - 0.5, 0.5 - 1, 1 - 10, > 10
parcel_area_lower            float32    ha       lower bound of that class
parcel_area_upper            float32    ha       upper bound, infinite for the last
tree_height                  float32    m        height of trees at the visit
tree_height_maturity         float32    m        height of trees when they are grown
special_remark               category            harvested, clear cut, burnt, ..., none
visits                       int16               rows of this point in the file
geometry                     point      m        the location asked for, EPSG:3035
===========================  =========  =======  ==================================================
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lulc_xr.core.errors import SampleError
from lulc_xr.samples import lucas_codes as codes
from lulc_xr.samples.lucas_codes import Decoder


@dataclass(frozen=True, kw_only=True)
class LucasColumn:
    """One column of the schema: its name, its name in the harmonised database, how to read it.

    `categories` is empty for numbers and text; `depends` names the column without whose value
    this one means nothing (a share of a land cover that there is not).
    """

    name: str
    source: str
    dtype: str
    decode: Decoder
    categories: tuple[str, ...] = ()
    depends: str | None = None


def _shares(kind: str, n: int) -> tuple[LucasColumn, ...]:
    """Columns of the n-th land cover ('lc') or land use ('lu')."""
    name, detail = f"{kind}{n}", "species" if kind == "lc" else "type"
    shares = codes.COVER_SHARES if kind == "lc" else codes.USE_SHARES
    code = codes.cover if kind == "lc" else codes.use
    return (
        LucasColumn(name=name, source=name, dtype="text", decode=code),
        LucasColumn(
            name=f"{name}_{detail}",
            source=f"{name}_{detail[:4]}",
            dtype="text",
            decode=codes.plain_text,
            depends=name,
        ),
        LucasColumn(
            name=f"{name}_percent",
            source=f"{name}_perc",
            dtype="float32",
            decode=codes.percent,
            depends=name,
        ),
        LucasColumn(
            name=f"{name}_percent_class",
            source=f"{name}_perc",
            dtype="category",
            decode=codes.percent_class(shares),
            categories=tuple(shares),
            depends=name,
        ),
    )


def _number(name: str, source: str, *missing: float) -> LucasColumn:
    return LucasColumn(name=name, source=source, dtype="float32", decode=codes.number(*missing))


def _category(name: str, source: str, decode: Decoder, names: Collection[str]) -> LucasColumn:
    return LucasColumn(
        name=name, source=source, dtype="category", decode=decode, categories=tuple(names)
    )


SCHEMA: tuple[LucasColumn, ...] = (
    LucasColumn(name="survey_date", source="survey_date", dtype="date", decode=codes.date),
    *(
        LucasColumn(name=f"nuts{n}", source=f"nuts{n}", dtype="text", decode=codes.any_text)
        for n in range(4)
    ),
    _category("observation", "obs_type", codes.observation, codes.OBSERVATIONS),
    _category("observation_direction", "obs_direct", codes.direction, codes.DIRECTIONS),
    LucasColumn(
        name="observation_distance",
        source="obs_dist",
        dtype="float32",
        decode=codes.observation_distance,
    ),
    _number("observation_radius", "obs_radius", 8, 88, 888, 8888),
    LucasColumn(name="gps_latitude", source="gps_lat", dtype="float64", decode=codes.coordinate),
    LucasColumn(name="gps_longitude", source="gps_long", dtype="float64", decode=codes.coordinate),
    _number("gps_precision", "gps_prec", 888, 8888),
    _number("gps_altitude", "gps_altitude", 8888, 88888),
    *_shares("lc", 1),
    *_shares("lc", 2),
    *_shares("lu", 1),
    *_shares("lu", 2),
    _category("parcel_area", "parcel_area_ha", codes.parcel_area, codes.PARCEL_AREAS),
    _number("tree_height", "tree_height_survey", 88, 888, 8888),
    _number("tree_height_maturity", "tree_height_maturity", 88, 888, 8888),
    _category("special_remark", "lc_lu_special_remark", codes.remark, codes.REMARKS),
)
"""Columns that are decoded cell by cell; the others of the schema are computed from them."""

COLUMNS: tuple[str, ...] = (
    "point_id", "year", "survey_date", "nuts0", "nuts1", "nuts2", "nuts3", "observation",
    "observation_direction", "observation_distance", "observation_radius", "gps_latitude",
    "gps_longitude", "gps_precision", "gps_altitude", "gps_distance",
    *(f"{kind}{n}{end}" for kind, detail in (("lc", "species"), ("lu", "type")) for n in (1, 2)
      for end in ("", f"_{detail}", "_percent", "_percent_class")),
    "parcel_area", "parcel_area_lower", "parcel_area_upper", "tree_height",
    "tree_height_maturity", "special_remark", "visits", "geometry",
)  # fmt: skip
"""Every column of the schema, in order."""

DIALECTS: Mapping[str, tuple[str, ...]] = {
    "2022": ("point_id", "survey_lc1"),
    "st_lucas": ("point_id", "lc1", "lc1_h"),
    "st_lucas_shapefile": ("point_id", "survey_dat", "lc1"),
    "harmonised": ("point_id", "year", "lc1"),
    "2018": ("point_id", "lc1", "obs_type"),
    "topsoil": ("point_id", "nuts_0", "lc", "lu"),
}
"""Columns, in lower case, that tell a dialect; the first one that fits is taken."""


def find_dialect(columns: Collection[str]) -> str:
    """Name of the dialect of LUCAS that a file with these columns is written in.

    Raises
    ------
    SampleError
        If none fits; what was recognised of each is listed.

    Examples
    --------
    >>> find_dialect(["POINT_ID", "NUTS0", "OBS_TYPE", "LC1"])
    '2018'
    """
    lower = {name.lower() for name in columns}
    for dialect, needed in DIALECTS.items():
        if lower.issuperset(needed):
            return dialect
    near = [
        f"{dialect} (has {', '.join(n for n in needed if n in lower) or 'none'}; lacks "
        f"{', '.join(n for n in needed if n not in lower)})"
        for dialect, needed in DIALECTS.items()
    ]
    raise SampleError(
        f"no dialect of LUCAS is known with columns {', '.join(sorted(columns))}. "
        f"What tells them: {'; '.join(near)}. Rename the columns, or name one with dialect=."
    )


def source_name(column: str, dialect: str) -> tuple[str, ...]:
    """Names, in lower case, that a column of the harmonised database has in a dialect."""
    if dialect == "2022":
        return (f"survey_{column}", f"point_{column}", column)
    if dialect == "st_lucas_shapefile":
        return (column[:10],)
    if dialect == "topsoil":
        renamed = {"lc1": "lc", "lu1": "lu"} | {f"nuts{n}": f"nuts_{n}" for n in range(4)}
        return (renamed.get(column, column),)
    return (column,)
