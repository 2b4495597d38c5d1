"""Files of LUCAS: real ones in full, and rows written by hand for what the real ones lack."""

import re
import warnings

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from lulc_xr.core.errors import SampleError
from lulc_xr.samples import lucas_schema
from lulc_xr.samples.lucas import read_lucas, theoretical_location
from lulc_xr.samples.lucas_schema import COLUMNS

HEADER_2018 = [
    "POINT_ID", "NUTS0", "NUTS1", "NUTS2", "NUTS3", "TH_LAT", "TH_LONG", "OFFICE_PI", "EX_ANTE",
    "SURVEY_DATE", "CAR_LATITUDE", "CAR_EW", "CAR_LONGITUDE", "GPS_PROJ", "GPS_PREC",
    "GPS_ALTITUDE", "GPS_LAT", "GPS_EW", "GPS_LONG", "OBS_DIST", "OBS_DIRECT", "OBS_TYPE",
    "LC1", "LC1_SPEC", "LC1_PERC", "LC2", "LC2_SPEC", "LC2_PERC", "LU1", "LU1_TYPE", "LU1_PERC",
    "LU2", "LU2_TYPE", "LU2_PERC", "PARCEL_AREA_HA", "TREE_HEIGHT_SURVEY",
    "TREE_HEIGHT_MATURITY", "FEATURE_WIDTH", "LC_LU_SPECIAL_REMARK",
]  # fmt: skip
PLAIN_2018 = {
    "POINT_ID": "40283224", "NUTS0": "NL", "SURVEY_DATE": "29/06/18", "GPS_PREC": "4",
    "GPS_ALTITUDE": "14", "GPS_LAT": "52.04855", "GPS_EW": "1", "GPS_LONG": "5.726267",
    "OBS_DIST": "3", "OBS_DIRECT": "1", "OBS_TYPE": "1", "LC1": "C10", "LC1_SPEC": "8",
    "LC1_PERC": "100", "LC2": "8", "LU1": "U120", "LU1_PERC": "100", "LU2": "8",
    "PARCEL_AREA_HA": "3", "LC_LU_SPECIAL_REMARK": "10",
}  # fmt: skip


def write_2018(folder, *rows, name="EU_2018.csv"):
    filled = [{**dict.fromkeys(HEADER_2018, ""), **PLAIN_2018, **row} for row in rows]
    table = pd.DataFrame(filled, columns=HEADER_2018)
    table.to_csv(folder / name, index=False)
    return folder / name


def write(folder, columns, name="points.csv"):
    pd.DataFrame(columns).to_csv(folder / name, index=False)
    return folder / name


def is_empty(table, *names):
    return bool(table[list(names)].isna().to_numpy().all())


def test_schema_is_documented_as_it_is(tmp_path):
    rows = re.findall(
        r"^([a-z]\w+) +(int64|int16|datetime|text|category|float32|float64|point) ",
        lucas_schema.__doc__,
        re.M,
    )
    assert tuple(name for name, _ in rows) == COLUMNS
    points = read_lucas(write_2018(tmp_path, {}))
    names = {"datetime64[s]": "datetime", "str": "text", "geometry": "point"}
    found = {name: names.get(str(kind), str(kind)) for name, kind in points.dtypes.items()}
    assert found == dict(rows)


def test_number_of_a_point_is_its_theoretical_location(shared_data):
    table = pd.read_csv(shared_data / "lucas/italy_sample_points.csv")
    assert len(table) == 28169
    x, y = theoretical_location(table["POINT_ID"].to_numpy())
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    east, north = to_metres.transform(table["longitude"], table["latitude"])
    # Degrees are given with nine decimals, a tenth of a millimetre.
    assert np.hypot(x - east, y - north).max() < 1e-3


def test_points_of_the_soil_module_lie_where_their_degrees_say(shared_data):
    path = shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv"
    points, table = read_lucas(path), pd.read_csv(path).sort_values("POINT_ID")
    assert points.attrs["dialect"] == "topsoil"
    assert points["point_id"].tolist() == table["POINT_ID"].tolist()
    assert points["lc1"].tolist() == table["LC"].str.upper().tolist()
    assert points["lu1"].tolist() == table["LU"].tolist()
    assert points["nuts3"].tolist() == table["NUTS_3"].tolist()
    assert points["nuts0"].nunique() == 28
    assert set(points["year"]) == {2018}
    given = pd.to_datetime(table["SURVEY_DATE"], format="%d/%m/%y")
    assert (points["survey_date"].to_numpy() == given.to_numpy()).all()
    placed = geopandas.GeoSeries.from_xy(table["TH_LONG"], table["TH_LAT"], crs=4326).to_crs(3035)
    assert points.distance(placed.reset_index(drop=True)).max() < 0.01


def test_points_of_czechia(shared_data):
    path = shared_data / "lucas/cz_2018/cz_lucas_points_l1_2018.shp"
    points = read_lucas(path)
    assert len(points) == 5037
    assert points.attrs["dialect"] == "st_lucas_shapefile"
    counts = points["lc1"].str[0].value_counts().to_dict()
    assert counts == {
        "A": 223, "B": 2096, "C": 1424, "D": 62, "E": 1146, "F": 50, "G": 15, "H": 21,
    }  # fmt: skip
    assert (points["survey_date"].min(), points["survey_date"].max()) == (
        pd.Timestamp("2018-05-09"),
        pd.Timestamp("2018-09-30"),
    )
    assert (points["observation"] == "in situ < 100 m").all()
    given = geopandas.read_file(path)
    assert is_empty(points, "lc1_percent")
    codes = points["lc1_percent_class"].cat.codes.sort_index() + 1
    assert codes.value_counts().to_dict() == given["lc1_perc"].value_counts().to_dict()
    # No place in Czechia is higher than 1603 m.
    assert points["gps_altitude"].max() < 1603
    assert points["gps_altitude"].isna().sum() == (given["gps_altitu"] > 3000).sum()


def test_distance_of_czech_observers_to_the_grid(shared_data):
    path = shared_data / "lucas/cz_2018/cz_lucas_points_l1_2018.shp"
    grid, seen = read_lucas(path), read_lucas(path, location="gps")
    metres = grid["gps_distance"]
    assert round(metres.median()) == 1
    assert round(metres.quantile(0.9), 1) == 4.2
    assert round(metres.max()) == 104
    given = geopandas.read_file(path).sort_values("point_id").reset_index(drop=True)
    assert seen.distance(given.geometry).max() < 0.1
    # On the plane of EPSG:3035 lengths differ from those on the ellipsoid by less than a percent.
    np.testing.assert_allclose(grid.distance(seen), metres, rtol=0.01, atol=1e-3)


def test_point_with_all_columns_of_st_lucas(shared_data, tmp_path):
    path = shared_data / "lucas/sample_points.gpkg"
    points = read_lucas(path)
    (row,) = points.to_dict("records")
    assert points.attrs["dialect"] == "st_lucas"
    expected = {
        "point_id": 40283224, "year": 2018, "survey_date": pd.Timestamp("2018-06-29"),
        "nuts3": "NL221", "observation": "in situ < 100 m",
        "observation_direction": "on the point", "observation_distance": 3.0,
        "gps_precision": 4.0, "gps_altitude": 14.0, "lc1": "C10", "lc1_species": "C105",
        "lc1_percent": 100.0, "lc1_percent_class": "> 75", "lu1": "U111", "lu1_percent": 100.0,
        "lu1_percent_class": "> 90", "parcel_area": "1 - 10", "parcel_area_lower": 1.0,
        "special_remark": "none", "visits": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert is_empty(points, "lc2", "lc2_percent", "lu2", "lu1_type", "observation_radius")
    theoretical = geopandas.read_file(shared_data / "lucas/sample_thr_points.gpkg")
    assert points.geometry.iloc[0].equals(theoretical.geometry.iloc[0])
    geopandas.read_file(path).to_parquet(tmp_path / "same.parquet")
    pd.testing.assert_frame_equal(read_lucas(tmp_path / "same.parquet"), points)


def test_not_relevant_is_decoded_column_by_column(tmp_path):
    path = write_2018(
        tmp_path,
        {
            "LC1_PERC": "88", "LC2": "8", "LC2_PERC": "8", "LC1_SPEC": "8", "LU2": "8",
            "LU2_PERC": "888", "LU1_PERC": "8", "TREE_HEIGHT_SURVEY": "8",
            "TREE_HEIGHT_MATURITY": "88", "GPS_PREC": "8", "GPS_ALTITUDE": "88",
            "OBS_DIST": "88", "NUTS1": "8",
        },
    )  # fmt: skip
    points = read_lucas(path)
    row = points.iloc[0]
    kept = ("lc1_percent", "lu1_percent", "tree_height", "gps_precision", "gps_altitude")
    assert [row[name] for name in kept] == [88, 8, 8, 8, 88]
    assert row["observation_distance"] == 88
    assert row["lc1_percent_class"] == "> 75"
    assert is_empty(
        points, "lc2", "lc2_percent", "lc2_percent_class", "lc1_species", "lu2_percent",
        "tree_height_maturity",
    )  # fmt: skip
    assert points.attrs["unknown_values"] == {}


def test_marks_of_missing_positions_dates_and_numbers(tmp_path):
    nowhere = {
        "GPS_LAT": "88.888888", "GPS_LONG": "88.888888", "GPS_EW": "8", "GPS_PREC": "8888",
        "GPS_ALTITUDE": "8888", "OBS_DIST": "", "OBS_DIRECT": "8", "SURVEY_DATE": "88/88/2018",
        "PARCEL_AREA_HA": "8", "LC_LU_SPECIAL_REMARK": "11", "TREE_HEIGHT_SURVEY": "888",
    }  # fmt: skip
    path = write_2018(tmp_path, nowhere, {"POINT_ID": "40303224"})
    points = read_lucas(path).iloc[:1]
    assert is_empty(
        points, "gps_latitude", "gps_longitude", "gps_precision", "gps_altitude", "gps_distance",
        "observation_distance", "observation_direction", "survey_date", "parcel_area",
        "parcel_area_lower", "special_remark", "tree_height",
    )  # fmt: skip
    assert points.geometry.iloc[0].equals(shapely.Point(4028000, 3224000))
    assert read_lucas(path, location="gps").geometry.isna().tolist() == [True, False]


def test_longitudes_in_the_west_are_negative(tmp_path):
    x, y = 2_800_000, 2_000_000
    to_degrees = pyproj.Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x + 3, y + 4)
    assert longitude < 0
    there = {"POINT_ID": "28002000", "GPS_LAT": f"{latitude:.9f}"}
    rows = [
        there | {"GPS_EW": "2", "GPS_LONG": f"{-longitude:.9f}"},
        there | {"GPS_EW": "2", "GPS_LONG": f"{longitude:.9f}"},
        there | {"GPS_EW": "8", "GPS_LONG": f"{-longitude:.9f}"},
    ]
    points = read_lucas(write_2018(tmp_path, *rows), location="gps")
    assert points["gps_longitude"].round(6).tolist()[:2] == [round(longitude, 6)] * 2
    # Far from its centre EPSG:3035 shortens or stretches lengths by a percent.
    np.testing.assert_allclose(points["gps_distance"][:2], 5, rtol=0.02)
    assert points.geometry[0].distance(shapely.Point(x + 3, y + 4)) < 1e-3
    # East or west of Greenwich: not known, so nowhere.
    assert is_empty(points.iloc[2:], "gps_longitude", "gps_latitude", "geometry")


def test_codes_of_parcels_differ_between_years(tmp_path):
    old = read_lucas(write_2018(tmp_path, *({"PARCEL_AREA_HA": str(n)} for n in (1, 2, 3, 4))))
    new = read_lucas(
        write(
            tmp_path,
            {
                "POINT_ID": [40283224] * 8,
                "SURVEY_DATE": ["01/07/22"] * 8,
                "SURVEY_LC1": ["C10"] * 8,
                "SURVEY_PARCEL_AREA_HA": ["1", "2", "3", "4", "5", "6", "< 0.5", ">= 10 ha"],
            },
        )
    )
    assert new.attrs["dialect"] == "2022"
    assert old["parcel_area"].tolist() == ["< 0.5", "0.5 - 1", "1 - 10", "> 10"]
    assert old["parcel_area_lower"].tolist() == [0, 0.5, 1, 10]
    assert old["parcel_area_upper"].tolist() == [0.5, 1, 10, np.inf]
    assert new["parcel_area"].tolist()[:5] == ["< 0.1", "0.1 - 0.5", "0.5 - 1", "1 - 10", "> 10"]
    assert is_empty(new.iloc[5:6], "parcel_area")
    assert new["parcel_area"].tolist()[6:] == ["< 0.5", "> 10"]
    assert (old["parcel_area"] >= "0.5 - 1").tolist() == [False, True, True, True]


def test_harmonised_campaigns_side_by_side(tmp_path):
    path = write(
        tmp_path,
        {
            "id": [1, 2, 3, 4],
            "point_id": [48022702, 40283224, 48022702, 48022702],
            "year": [2018, 2006, 2006, 2012],
            "survey_date": ["2018-07-06", "88/88/2006", "20/07/06", "05/08/2012"],
            "obs_type": ["In situ < 100 m", "NA", "In office PI", "In situ PI not possible"],
            "obs_direct": ["On the point", "Look to the North", "NA", "Look to the East"],
            "obs_dist": ["12", "2", "4", "NA"],
            "obs_radius": ["NA", "1.5", "20", "20"],
            "th_lat": ["47.2", "3224000", "2702000", "47.2"],
            "lc1": ["C22", "B11", "Bx1", "E20"],
            "lc1_perc": ["80", "NA", "NA", "25 - 50"],
            "lc2": ["NA", "NA", "NA", "D20"],
            "lc2_perc": ["NA", "NA", "NA", "2"],
            "lu1": ["U120", "U111", "U111", "U111"],
            "parcel_area_ha": ["> 10", "NA", "NA", "0.5 - 1 ha"],
            "tree_height_survey": ["8", "NA", "NA", "88"],
            "lc_lu_special_remark": ["No remark", "NA", "NA", "Harvested field"],
        },
    )
    points = read_lucas(path)
    assert points[["point_id", "year", "visits"]].to_numpy().tolist() == [
        [40283224, 2006, 1],
        [48022702, 2006, 3],
        [48022702, 2012, 3],
        [48022702, 2018, 3],
    ]
    assert points["observation_distance"].tolist()[:2] == [24.5, 101]
    assert points["observation_distance"].tolist()[3] == 12
    assert points["lc1"].tolist() == ["B11", "BX1", "E20", "C22"]
    assert points["lc1_percent_class"].tolist()[2:] == ["25 - 50", "> 75"]
    assert points["lc2_percent_class"].tolist()[2] == "10 - 25"
    assert points["lc1_percent"].tolist()[3] == 80
    assert is_empty(points.iloc[:3], "lc1_percent", "tree_height")
    assert points["observation"].tolist()[1:] == [
        "office photo-interpretation", "not possible", "in situ < 100 m",
    ]  # fmt: skip
    assert points["observation_direction"].tolist()[2:] == ["east", "on the point"]
    assert points["survey_date"].dt.year.tolist()[1:] == [2006, 2012, 2018]
    assert points["special_remark"].tolist()[2:] == ["harvested", "none"]
    assert points["parcel_area"].tolist()[2:] == ["0.5 - 1", "> 10"]


def test_unknown_values_are_counted_and_said(tmp_path):
    path = write_2018(tmp_path, {"OBS_TYPE": "42"}, {"OBS_TYPE": "42"}, {"LC1": "Z10"})
    with pytest.warns(UserWarning, match=r"obs_type: '42' \(2 times\); lc1: 'Z10' \(1 times\)"):
        points = read_lucas(path)
    assert points.attrs["unknown_values"] == {"obs_type": {"42": 2}, "lc1": {"Z10": 1}}
    assert points["lc1"].isna().sum() == 1
    assert points["observation"].isna().sum() == 2


def test_forms_of_one_table_are_the_same(tmp_path):
    path = write_2018(tmp_path, {}, {"POINT_ID": "40303224", "LC1": "Bx1"})
    expected = read_lucas(path)
    table = pd.read_csv(path)
    table.to_csv(tmp_path / "semicolon.csv", sep=";", index=False, encoding="utf-8-sig")
    table.to_parquet(tmp_path / "plain.parquet")
    placed = geopandas.GeoDataFrame(table, geometry=[shapely.Point(0, 0)] * 2, crs=4326)
    placed.to_parquet(tmp_path / "geo.parquet")
    with warnings.catch_warnings():
        # Upstream: the writers of GeoPandas warn of their own libraries.
        warnings.simplefilter("ignore")
        placed.to_file(tmp_path / "points.gpkg")
    table.rename(columns=str.lower).to_csv(tmp_path / "lower.csv", index=False)
    for name in ("semicolon.csv", "plain.parquet", "geo.parquet", "points.gpkg", "lower.csv"):
        pd.testing.assert_frame_equal(read_lucas(tmp_path / name), expected)


def test_other_columns_are_kept_on_request(tmp_path):
    rows = [{"POINT_ID": "40303224"}, {"POINT_ID": "40283224", "FEATURE_WIDTH": "8"}]
    points = read_lucas(write_2018(tmp_path, *rows), keep=["FEATURE_WIDTH", "CAR_EW"])
    assert points.columns.tolist() == [*COLUMNS, "FEATURE_WIDTH", "CAR_EW"]
    assert points["FEATURE_WIDTH"].tolist() == ["8", ""]
    with pytest.raises(SampleError, match=r"keep=\['FEATURE'\]: unknown column 'FEATURE'"):
        read_lucas(tmp_path / "EU_2018.csv", keep=["FEATURE"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"POINT_ID": "123"}, r"1 numbers of points are not of the form EEEENNNN .* '123'"),
        ({"SURVEY_DATE": "01/07/15"}, "most dates are of 2015, and dialect '2018'"),
    ],
)
def test_rows_that_mislead_are_refused(tmp_path, row, message):
    with pytest.raises(SampleError, match=message):
        read_lucas(write_2018(tmp_path, row))


def test_what_cannot_be_read_is_named(tmp_path, shared_data):
    with pytest.raises(SampleError, match=r"there is no file .*none\.csv"):
        read_lucas(tmp_path / "none.csv")
    (tmp_path / "broken.gpkg").write_text("no package")
    with pytest.raises(SampleError, match=r"broken\.gpkg' cannot be read as a table"):
        read_lucas(tmp_path / "broken.gpkg")
    path = write_2018(tmp_path, {})
    with pytest.raises(SampleError, match="unknown location 'here'"):
        read_lucas(path, location="here")
    with pytest.raises(SampleError, match=r"unknown dialect of LUCAS '2019'.*nearest first: 201"):
        read_lucas(path, dialect="2019")
    with pytest.raises(SampleError, match="is not of dialect '2022': that has a column survey_lc1"):
        read_lucas(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv", dialect="2022")
    with pytest.raises(
        SampleError, match=r"no dialect .* topsoil \(has point_id; lacks nuts_0, lc, lu\)"
    ):
        read_lucas(shared_data / "lucas/italy_sample_points.csv")
    undated = write(tmp_path, {"POINT_ID": [48022702], "NUTS_0": ["AT"], "LC": ["C"], "LU": ["U"]})
    with pytest.raises(SampleError, match="1 rows have no date"):
        read_lucas(undated)
