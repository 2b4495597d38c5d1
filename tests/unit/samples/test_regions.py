"""Regions of points: NUTS against LUCAS' own, overseas parts, climate zones, five groups."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import xarray as xr

import lulc_xr as lx
from lulc_xr.core.errors import SampleError
from lulc_xr.samples.regions import BIOGEOGRAPHICAL_GROUPS, KOEPPEN


@pytest.fixture
def squares():
    """Two squares of one degree side by side, the first with a part overseas."""
    a = shapely.MultiPolygon([shapely.box(4, 50, 5, 51), shapely.box(-60, -10, -59, -9)])
    geometry = [a, shapely.box(5, 50, 6, 51)]
    return geopandas.GeoDataFrame({"code": ["A", "B"]}, geometry=geometry, crs="EPSG:4326")


def points_at(*places):
    x, y = zip(*places, strict=True)
    return geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(x, y), crs="EPSG:4326")


def test_points_take_the_polygon_they_lie_in_whatever_the_systems(squares):
    points = points_at((4.2, 50.5), (5.9, 50.1), (5.0, 50.5)).to_crs("EPSG:32631")
    points.index = [7, 7, 3]
    found = lx.assign_regions(points, squares.to_crs("EPSG:3857"), column="code", name="nuts")
    # On the common border, the first of the table counts.
    assert found["nuts"].tolist() == ["A", "B", "A"]
    assert found.index.tolist() == [7, 7, 3]
    assert "nuts" not in points


def test_points_off_the_coast_take_the_nearest_within_reach(squares):
    # A hundredth of a degree of latitude is 1.1 km.
    points = points_at((4.5, 51.01), (5.5, 49.9), (4.5, 50.5))
    with pytest.warns(UserWarning, match=r"2 of 3 points have no region.*nearest=metres"):
        assert lx.assign_regions(points, squares, column="code")["region"].tolist() == ["", "", "A"]
    with pytest.warns(UserWarning, match="1 of 3 points"):
        found = lx.assign_regions(points, squares, column="code", nearest=2000)
    assert found["region"].tolist() == ["A", "", "A"]
    assert lx.assign_regions(points, squares, column="code", nearest=2e4)["region"].tolist() == [
        "A", "B", "A",
    ]  # fmt: skip


def test_samples_take_regions_in_the_system_they_say(squares):
    cube = lx.testing.landscape(y=32, x=32)
    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=3))
    x, y = (samples[n].values for n in ("x", "y"))
    west = shapely.box(x.min() - 1, y.min() - 1, np.median(x), y.max() + 1)
    east = shapely.box(np.median(x) + 1e-6, y.min() - 1, x.max() + 1, y.max() + 1)
    halves = geopandas.GeoDataFrame(
        {"side": ["west", "east"]}, geometry=[west, east], crs=samples.attrs["crs_wkt"]
    )
    found = lx.assign_regions(samples, halves, column="side")
    expected = np.where(x <= np.median(x), "west", "east")
    assert found["region"].values.tolist() == expected.tolist()
    assert found["region"].dims == ("sample",)


def test_what_is_missing_is_said(squares):
    points = points_at((4.5, 50.5))
    for given, polygons, options, message in (
        (points, squares, {"column": "cod"}, r"unknown column of polygons 'cod'.*code"),
        (points, squares.set_crs(None, allow_override=True), {"column": "code"}, "no reference"),
        (points.set_crs(None, allow_override=True), squares, {"column": "code"}, "no reference"),
        (squares, squares, {"column": "code"}, r"MultiPolygon.*expected a point"),
        (xr.Dataset(), squares, {"column": "code"}, r"samples with x and y; got Dataset"),
        (xr.Dataset({"x": 1, "y": 1}), squares, {"column": "code"}, r"'crs_wkt'"),
        (points, squares, {"column": "code", "nearest": -1}, r"nearest -1 is negative"),
    ):
        with pytest.raises(SampleError, match=message):
            lx.assign_regions(given, polygons, **options)


def test_invalid_polygons_are_made_valid():
    bow = shapely.Polygon([(4, 50), (5, 51), (5, 50), (4, 51)])
    polygons = geopandas.GeoDataFrame({"code": ["A"]}, geometry=[bow], crs="EPSG:4326")
    assert not bow.is_valid
    found = lx.assign_regions(points_at((4.9, 50.5)), polygons, column="code")
    assert found["region"].tolist() == ["A"]


def test_states_of_14867_lucas_points_agree_with_their_own(shared_data):
    table = pd.read_csv(shared_data / "lucas/lucas_2018_lc1_lu1_19k.csv")
    points = geopandas.GeoDataFrame(
        table, geometry=geopandas.points_from_xy(table["TH_LONG"], table["TH_LAT"]), crs="EPSG:4326"
    )
    nuts = geopandas.read_file(shared_data / "nuts/nuts_2016.gpkg", where="LEVL_CODE = 0")
    with pytest.warns(UserWarning, match=r"points have no state"):
        strict = lx.assign_regions(points, nuts, column="NUTS_ID", name="state")
    found = lx.assign_regions(points, nuts, column="NUTS_ID", name="state", nearest=20_000)
    assert len(found) == 14_867
    agrees = found["state"] == table["NUTS_0"]
    # Borders at 1:20 million are off by a kilometre or two, coasts by more: where points lie
    # that near to another state they may differ. Everywhere else they must agree.
    assert agrees.mean() >= 0.97
    assert agrees.groupby(table["NUTS_0"]).mean().min() > 0.8
    assert (strict["state"] == table["NUTS_0"]).mean() < agrees.mean()
    # What the polygons give themselves is not changed by reaching out.
    inside = strict["state"] != ""
    assert (strict["state"] == found["state"])[inside].all()


def test_the_legend_of_climate_zones_has_the_numbers_that_are_known():
    known = {
        7: "BSk",
        8: "Csa",
        9: "Csb",
        14: "Cfa",
        15: "Cfb",
        25: "Dfa",
        26: "Dfb",
        27: "Dfc",
        29: "ET",
    }
    assert len(KOEPPEN) == 30
    assert {number: KOEPPEN[number - 1] for number in known} == known


def test_climate_zones_of_places_in_europe(shared_data):
    raster = shared_data / "europe_halfdegree/koeppen_50km.tif"
    places = {
        "Köln": (7.0, 50.9, "Cfb"), "Sevilla": (-5.6, 37.5, "Csa"), "Warszawa": (21.0, 52.2, "Dfb"),
        "Oulu": (26.0, 65.0, "Dfc"), "Atlantic": (-14.0, 45.0, ""), "America": (-90.0, 40.0, ""),
    }  # fmt: skip
    points = points_at(*[(x, y) for x, y, _ in places.values()])
    with pytest.warns(UserWarning, match=r"2 of 6 points have no koeppen"):
        found = lx.assign_raster_regions(points, raster)
    assert found["koeppen"].tolist() == [zone for *_, zone in places.values()]


def test_climate_zones_go_with_mean_temperature(shared_data):
    """The legend, if shifted, would not order temperature from the Mediterranean to the tundra."""
    folder = shared_data / "europe_halfdegree"
    with (
        rasterio.open(folder / "koeppen_50km.tif") as zones,
        rasterio.open(folder / "bio01_mean_50km.tif") as warmth,
    ):
        zone, warm = zones.read(1), warmth.read(1) / 10
    known = (zone > 0) & (warm > -100)
    means = {KOEPPEN[n - 1]: warm[known & (zone == n)].mean() for n in np.unique(zone[known])}
    assert means["Csa"] > means["Cfb"] > means["Dfb"] > means["Dfc"] > means["ET"]


def test_a_class_without_name_is_refused(shared_data):
    raster = shared_data / "europe_halfdegree/koeppen_50km.tif"
    with pytest.raises(SampleError, match=r"holds class 15, and there are names for 1 to 2"):
        lx.assign_raster_regions(points_at((7.0, 50.9)), raster, names=["a", "b"])


def test_five_groups_as_the_paper_has_them():
    assert len(set(BIOGEOGRAPHICAL_GROUPS.values())) == 5
    groups = lx.group_biogeographical
    assert len(set(groups(["alpine"]).tolist() + groups(["continental"]).tolist())) == 2
    for together in (
        ["arctic", "boreal"],
        ["blackSea", "macaronesia", "mediterranean", "steppic"],
        ["continental", "pannonian"],
    ):
        assert len(set(groups(together).tolist())) == 1
    written = ["Black Sea", "Black Sea Bio-geographical Region", "BlackSea", "black sea"]
    assert set(groups(written).tolist()) == {"mediterranean"}


def test_regions_of_no_group_are_listed_or_kept_apart():
    with pytest.raises(SampleError, match=r"'Anatolian', 'outside' belong to none.*other="):
        lx.group_biogeographical(["outside", "Alpine", "Anatolian"])
    found = lx.group_biogeographical(["outside", "Alpine"], other="rest")
    assert found.tolist() == ["rest", "alpine"]
