"""Laws of LUCAS files: what is written in the code of a dialect is read back as it was."""

import datetime as dt

import hypothesis.strategies as st
import pandas as pd
from hypothesis import given

from lulc_xr.samples.lucas import read_lucas

OBSERVATIONS = [
    "in situ < 100 m", "in situ > 100 m", "in situ photo-interpretation", "not possible",
    "out of national territory", "out of EU", "office photo-interpretation",
]  # fmt: skip
HARMONISED_OBSERVATIONS = dict(
    zip(
        OBSERVATIONS,
        ["In situ < 100 m", "In situ > 100 m", "In situ PI", "In situ PI not possible",
         "Out of national territory", "Out of EU", "In office PI"],
        strict=True,
    )
)  # fmt: skip
DIRECTIONS = ["on the point", "north", "east"]
REMARKS = ["harvested", "tilled or sowed", "clear cut", "burnt", "fire break", "nursery"]
PARCELS = {
    "2018": ["< 0.5", "0.5 - 1", "1 - 10", "> 10"],
    "harmonised": ["< 0.5", "0.5 - 1", "1 - 10", "> 10"],
    "2022": ["< 0.1", "0.1 - 0.5", "0.5 - 1", "1 - 10", "> 10"],
}
YEARS = {"2018": [2018], "2022": [2022], "harmonised": [2018]}


def maybe(strategy):
    return st.none() | strategy


@st.composite
def visits(draw, dialect):
    """One row of the schema, as far as a dialect can hold it."""
    placed = draw(st.booleans())
    year = draw(st.sampled_from(YEARS[dialect]))
    cover = st.sampled_from(["A11", "B55", "BX1", "C10", "H23"])
    use = st.sampled_from(["U111", "U370", "U420"])
    row = {
        "point_id": draw(st.integers(1000, 7500)) * 10_000 + draw(st.integers(0, 5500)),
        "year": year,
        "survey_date": draw(maybe(st.dates(dt.date(year, 4, 1), dt.date(year, 11, 30)))),
        "nuts0": draw(st.sampled_from(["AT", "PT", "NL"])),
        "observation": draw(maybe(st.sampled_from(OBSERVATIONS))),
        "observation_direction": draw(maybe(st.sampled_from(DIRECTIONS))),
        "observation_distance": draw(maybe(st.integers(0, 2000))),
        "gps_latitude": draw(st.integers(34_000_000, 71_000_000)) / 1e6 if placed else None,
        "gps_longitude": draw(st.integers(-31_000_000, 34_000_000)) / 1e6 if placed else None,
        "gps_precision": draw(maybe(st.integers(0, 100))),
        "gps_altitude": draw(maybe(st.integers(-5, 3000))),
        "lc1": draw(maybe(cover)),
        "lc2": draw(maybe(cover)),
        "lu1": draw(maybe(use)),
        "lu2": draw(maybe(use)),
        "parcel_area": draw(maybe(st.sampled_from(PARCELS[dialect]))),
        "tree_height": draw(maybe(st.integers(0, 60))),
        "special_remark": draw(maybe(st.sampled_from(REMARKS))),
    }
    for name in ("lc1", "lc2", "lu1", "lu2"):
        row[f"{name}_percent"] = draw(maybe(st.integers(0, 100))) if row[name] else None
    return row


def encode(row, dialect):
    """The row in the codes of the survey."""
    text = dialect == "harmonised"
    none = "NA" if text else "8"
    place = {name: str(n + 1) for n, name in enumerate(OBSERVATIONS)}
    looks = {
        "on the point": "On the point",
        "north": "Look to the North",
        "east": "Look to the East",
    }
    east = row["gps_longitude"] is not None and row["gps_longitude"] >= 0
    look = row["observation_direction"]
    far = {"2018": "8888", "2022": "8888", "harmonised": "NA"}[dialect]
    cells = {
        "nuts0": row["nuts0"],
        "survey_date": row["survey_date"].strftime("%d/%m/%y")
        if row["survey_date"]
        else "88/88/18",
        "obs_type": (HARMONISED_OBSERVATIONS if text else place).get(row["observation"], ""),
        "obs_direct": none
        if not look
        else looks[look]
        if text
        else str(DIRECTIONS.index(look) + 1),
        "obs_dist": "" if row["observation_distance"] is None else row["observation_distance"],
        "gps_ew": "8" if row["gps_longitude"] is None else "1" if east else "2",
        "gps_lat": "88.888888" if row["gps_latitude"] is None else row["gps_latitude"],
        "gps_long": "88.888888" if row["gps_longitude"] is None else abs(row["gps_longitude"]),
        "gps_prec": far if row["gps_precision"] is None else row["gps_precision"],
        "gps_altitude": far if row["gps_altitude"] is None else row["gps_altitude"],
        "parcel_area_ha": none,
        "tree_height_survey": "NA" if text else "88",
        "lc_lu_special_remark": "NA" if text else "11",
    }
    for name in ("lc1", "lc2", "lu1", "lu2"):
        cells[name] = row[name] or none
        share = row[f"{name}_percent"]
        cells[f"{name}_perc"] = ("NA" if text else "888") if share is None else share
    if row["parcel_area"]:
        code = PARCELS[dialect].index(row["parcel_area"]) + 1
        cells["parcel_area_ha"] = row["parcel_area"] if text else code
    if row["tree_height"] is not None:
        cells["tree_height_survey"] = row["tree_height"]
    if row["special_remark"]:
        code = REMARKS.index(row["special_remark"]) + 1
        cells["lc_lu_special_remark"] = row["special_remark"] if text else code
    return cells


def header(name, dialect):
    if dialect == "harmonised":
        return name
    if dialect == "2018":
        return name.upper()
    own = name in ("survey_date", "nuts0")
    return ("POINT_NUTS0" if name == "nuts0" else name.upper()) if own else f"SURVEY_{name.upper()}"


def check_round_trip(rows, dialect, folder):
    table = pd.DataFrame([encode(row, dialect) for row in rows])
    table.columns = [header(name, dialect) for name in table.columns]
    key = "point_id" if dialect == "harmonised" else "POINT_ID"
    table.insert(0, key, [row["point_id"] for row in rows])
    if dialect == "harmonised":
        table.insert(1, "year", [row["year"] for row in rows])
    table.to_csv(folder / "points.csv", index=False)
    points = read_lucas(folder / "points.csv")
    assert points.attrs["dialect"] == dialect
    assert points.attrs["unknown_values"] == {}
    ordered = sorted(rows, key=lambda row: row["point_id"])
    for found, row in zip(points.to_dict("records"), ordered, strict=True):
        for name, value in row.items():
            if name == "survey_date" and value is not None:
                value = pd.Timestamp(value)
            assert pd.isna(found[name]) if value is None else found[name] == value, name
        assert (found["geometry"].x, found["geometry"].y) == (
            row["point_id"] // 10_000 * 1000,
            row["point_id"] % 10_000 * 1000,
        )


@given(st.data())
def test_every_dialect_gives_its_rows_back(tmp_path_factory, data):
    dialect = data.draw(st.sampled_from(["2018", "2022", "harmonised"]))
    rows = data.draw(
        st.lists(visits(dialect), min_size=1, max_size=5, unique_by=lambda r: r["point_id"])
    )
    check_round_trip(rows, dialect, tmp_path_factory.mktemp("lucas"))
