"""Areas in zones: parts add up, the whole map is the estimator itself, intervals cover."""

import dask
import geopandas
import hypothesis.strategies as st
import netCDF4
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings

import lulc_xr as lx
from lulc_xr.analysis.adjusted_areas import adjust_areas
from lulc_xr.analysis.confusion import confusion_counts
from lulc_xr.analysis.row_shares import row_shares
from lulc_xr.core.errors import CubeError, LegendError, SampleError
from lulc_xr.core.georeference import grid_mapping_variable
from lulc_xr.core.region_grid import RegionGrid
from lulc_xr.testing import landscape
from tests.predictors import LEGEND

ENDS = ("adjusted_area", "adjusted_area_standard_error", "adjusted_area_low", "adjusted_area_high")


def raising(*_, **__):
    raise AssertionError("computed")


def make_maps(seed=0, *, shape=(2, 24, 30), gaps=0.1, crs="EPSG:3035"):
    """Random classes of two years, some pixels not mapped; EPSG:3035 has equal areas."""
    rng = np.random.default_rng(seed)
    ids = np.array(LEGEND.ids, np.uint8)[rng.choice(3, shape, p=[0.6, 0.3, 0.1])]
    ids[rng.random(shape) < gaps] = 255
    step = 100.0 if crs == "EPSG:3035" else 0.01
    left, top = (4_000_000.0, 3_000_000.0) if crs == "EPSG:3035" else (8.0, 50.0)
    made = xr.Dataset(
        {"land_cover": (("year", "y", "x"), ids, LEGEND.flags())},
        coords={
            "year": np.arange(2018, 2018 + shape[0]),
            "y": top - step * (np.arange(shape[1]) + 0.5),
            "x": left + step * (np.arange(shape[2]) + 0.5),
            "spatial_ref": ((), 0, {"crs_wkt": pyproj.CRS(crs).to_wkt()}),
        },
    )
    return made.assign_coords(spatial_ref=grid_mapping_variable(made))


def make_zones(maps, seed=1, *, zones=4):
    rng = np.random.default_rng(seed)
    sizes = (maps.sizes["y"], maps.sizes["x"])
    return xr.DataArray(rng.integers(1, zones + 1, sizes).astype(np.int32), dims=("y", "x"))


def make_counts(seed=2, *, least=2):
    rng = np.random.default_rng(seed)
    counts = rng.integers(least, 30, (3, 3)) + np.diag([40, 30, 20])
    return pd.DataFrame(counts, list(LEGEND.names), list(LEGEND.names))


def labels_of(counts):
    """The labels behind counts: mapped and true class of each."""
    rows, columns = np.nonzero(counts.to_numpy())
    number = counts.to_numpy()[rows, columns]
    names = np.array(LEGEND.names, object)
    return names[rows.repeat(number)], names[columns.repeat(number)]


@given(st.integers(0, 1000), st.sampled_from(["EPSG:3035", "EPSG:4326"]))
def test_zones_that_part_the_map_add_up_to_it(seed, crs):
    maps = make_maps(seed, crs=crs)
    found = lx.area(maps, make_zones(maps, seed), unit="ha")
    for year in (0, 1):
        whole = lx.class_areas(maps["land_cover"].isel(year=year))["area_ha"]
        np.testing.assert_allclose(
            found["area"].isel(year=year).sum("zone"), whole.to_numpy(), rtol=1e-12
        )
    total = found["area"].sum("class") + found["unmapped_area"]
    np.testing.assert_allclose(total, found["zone_area"].broadcast_like(total), rtol=1e-12)


@given(st.integers(0, 1000), st.sampled_from(["wilson", "normal", "logit"]))
def test_the_whole_map_as_a_zone_is_the_stratified_estimator(seed, interval):
    maps, counts = make_maps(seed, shape=(1, 24, 30)), make_counts(seed)
    one = xr.ones_like(maps["land_cover"].isel(year=0), np.int32).drop_attrs()
    found = lx.area(maps, one, confusion=counts, interval=interval, unit="ha")
    areas = lx.class_areas(maps["land_cover"])["area_ha"]
    mapped, true = labels_of(counts)
    wanted = lx.estimate_area(true, mapped, dict(areas), legend=LEGEND, interval=interval)
    for name, column in zip(ENDS, ("area", "standard_error", "low", "high"), strict=True):
        np.testing.assert_allclose(
            found[name].values[:, 0, 0], wanted[column].to_numpy(), rtol=1e-9, err_msg=name
        )


@given(st.integers(0, 1000))
def test_adjusted_areas_are_areas_of_the_zone_and_lie_in_their_intervals(seed):
    maps, counts = make_maps(seed), make_counts(seed)
    found = lx.area(maps, make_zones(maps), confusion=counts)
    np.testing.assert_allclose(
        found["adjusted_area"].sum("class"), found["area"].sum("class"), rtol=1e-12
    )
    assert (found["adjusted_area_low"] <= found["adjusted_area"]).all()
    assert (found["adjusted_area_high"] >= found["adjusted_area"]).all()
    assert (found["adjusted_area_low"] >= 0).all()
    assert (found["adjusted_area_standard_error"] > 0).all()


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_adjusted_areas_of_zones_add_up_to_those_of_their_union(seed):
    maps, counts = make_maps(seed), make_counts(seed)
    parts = lx.area(maps, make_zones(maps), confusion=counts)
    one = xr.ones_like(maps["land_cover"].isel(year=0), np.int32).drop_attrs()
    whole = lx.area(maps, one, confusion=counts)
    # One matrix for all: estimates are linear in the areas, and errors go together.
    np.testing.assert_allclose(
        parts["adjusted_area"].sum("zone"), whole["adjusted_area"].isel(zone=0), rtol=1e-12
    )
    summed = parts["adjusted_area_standard_error"].sum("zone")
    assert (summed >= whole["adjusted_area_standard_error"].isel(zone=0) * (1 - 1e-12)).all()


def test_a_matrix_without_errors_changes_nothing():
    maps = make_maps()
    counts = pd.DataFrame(np.diag([50, 40, 30]), list(LEGEND.names), list(LEGEND.names))
    found = lx.area(maps, make_zones(maps), confusion=counts)
    np.testing.assert_allclose(found["adjusted_area"], found["area"], rtol=1e-12)
    np.testing.assert_array_equal(found["adjusted_area_standard_error"], 0)


def test_an_accuracy_by_design_gives_what_its_counts_give():
    maps, counts = make_maps(shape=(1, 24, 30)), make_counts()
    mapped, true = labels_of(counts)
    codes = dict(zip(LEGEND.names, LEGEND.ids, strict=True))
    points = pd.DataFrame({"mapped": [codes[m] for m in mapped], "reference": map(codes.get, true)})
    points.attrs["legend"] = LEGEND.to_dict()
    areas = dict(lx.class_areas(maps["land_cover"])["area_ha"])
    judged = lx.accuracy(points, design=lx.Design(strata="mapped", stratum_area=areas))
    zones = make_zones(maps)
    by_design = lx.area(maps, zones, confusion=judged)
    by_counts = lx.area(maps, zones, confusion=counts)
    plain = lx.accuracy(points)
    arrays = [xr.DataArray(points[c].to_numpy(np.uint8), dims="s") for c in points]
    table = confusion_counts(*arrays, LEGEND)
    for name in ENDS:
        np.testing.assert_allclose(by_design[name], by_counts[name], rtol=1e-9)
        for other in (plain, table):
            found = lx.area(maps, zones, confusion=other)
            np.testing.assert_allclose(found[name], by_counts[name], rtol=1e-12)
    # Where whole strata were drawn, nothing is left to err.
    population = {name: float(counts.loc[name].sum()) for name in LEGEND.names}
    drawn = lx.Design(strata="mapped", stratum_area=areas, population=population)
    sure = lx.area(maps, zones, confusion=lx.accuracy(points, design=drawn))
    np.testing.assert_allclose(sure["adjusted_area_standard_error"], 0, atol=1e-12)


def test_weighted_points_give_ratios_with_their_covariance():
    """Against the delete-a-group jackknife, an independent estimate of the variance."""
    rng = np.random.default_rng(0)
    number = 3000
    mapped = rng.choice(LEGEND.ids, number, p=[0.5, 0.3, 0.2])
    wrong = rng.random(number) < 0.25
    true = np.where(wrong, rng.choice(LEGEND.ids, number), mapped)
    points = pd.DataFrame(
        {"mapped": mapped, "reference": true, "weight": rng.uniform(1, 9, number)}
    )
    points.attrs["legend"] = LEGEND.to_dict()
    maps = make_maps(shape=(1, 24, 30))
    one = xr.ones_like(maps["land_cover"].isel(year=0), np.int32).drop_attrs()
    design = lx.Design(weights="weight")
    found = lx.area(maps, one, confusion=lx.accuracy(points, design=design))
    mapped_area = found["area"].values[:, 0, 0]
    group = rng.permutation(number) % 100
    without = []
    for left_out in range(100):
        part = points[group != left_out]
        part.attrs["legend"] = LEGEND.to_dict()
        rows = row_shares(lx.accuracy(part, design=design), LEGEND)
        without.append(adjust_areas(mapped_area, rows, level=0.95, interval="normal")[0])
    spread = np.sqrt(99 / 100 * ((without - np.mean(without, axis=0)) ** 2).sum(axis=0))
    error = found["adjusted_area_standard_error"].values[:, 0, 0]
    np.testing.assert_allclose(error, spread, rtol=0.2)
    shares = points.groupby(["mapped", "reference"])["weight"].sum().unstack()
    shares = shares.div(shares.sum(axis=1), axis=0).to_numpy()
    wanted = found["area"].values[:, 0, 0] @ shares
    np.testing.assert_allclose(found["adjusted_area"].values[:, 0, 0], wanted, rtol=1e-9)


def test_the_worked_example_of_olofsson_is_found_again():
    """Matrix and results of the example in Olofsson et al. (2014), recomputed with its formulas."""
    names = ["deforestation", "gain", "stable_forest", "stable_other"]
    legend = lx.Legend.from_names("change", names)
    counts = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
    rows = row_shares(pd.DataFrame(counts, names, names), legend)
    areas = np.array([0.020, 0.015, 0.320, 0.645])
    found, error, low, high = adjust_areas(areas, rows, level=0.95, interval="normal")
    half = [0.006842, 0.004173, 0.017233, 0.018091]
    np.testing.assert_allclose(found, [0.023509, 0.012985, 0.317522, 0.645985], atol=5e-7)
    np.testing.assert_allclose(1.96 * error, half, atol=1e-6)
    np.testing.assert_allclose((high - low) / 2, half, rtol=1e-3)


@pytest.mark.parametrize(
    ("interval", "least", "most"), [("wilson", 0.94, 0.99), ("normal", 0.91, 0.97)]
)
def test_intervals_hold_the_true_area_as_often_as_they_say(interval, least, most):
    """Labels drawn again and again from a map whose errors are known, the same everywhere."""
    rng = np.random.default_rng(3)
    maps = make_maps(7, shape=(1, 60, 60), gaps=0)
    mapped = lx.area(maps, make_zones(maps, zones=3))["area"].values[:, 0].T
    rates = np.array([[0.85, 0.1, 0.05], [0.2, 0.75, 0.05], [0.05, 0.15, 0.8]])
    wanted = mapped @ rates
    held = np.zeros(wanted.shape)
    for _ in range(500):
        counts = np.stack([rng.multinomial(60, p) for p in rates])
        rows = row_shares(pd.DataFrame(counts, list(LEGEND.names), list(LEGEND.names)), LEGEND)
        _, _, low, high = adjust_areas(mapped, rows, level=0.95, interval=interval)
        held += (low <= wanted) & (wanted <= high)
    assert (held / 500 > least).all(), held / 500
    assert (held / 500 < most).all(), held / 500


def test_polygons_and_ids_say_the_same_where_areas_are_equal():
    maps = make_maps(shape=(2, 40, 40))
    edge, top = 4_000_000.0, 3_000_000.0
    boxes = [shapely.box(edge, top - 4000, edge + 1500, top),
             shapely.box(edge + 1500, top - 4000, edge + 4000, top)]  # fmt: skip
    polygons = RegionGrid(
        name="halves", geometries=np.array(boxes), crs="EPSG:3035", ids=np.array(["A", "B"])
    )
    columns = np.where(np.arange(40) < 15, 1, 2).astype(np.uint8)
    ids = xr.DataArray(
        np.broadcast_to(columns, (40, 40)).copy(),
        dims=("y", "x"),
        attrs={"flag_values": np.array([1, 2], np.uint8), "flag_meanings": "A B"},
    )
    exact = lx.area(maps, polygons, confusion=make_counts())
    counted = lx.area(maps, ids, confusion=make_counts())
    assert exact["area"].dims == ("class", "year", "region")
    assert exact["region"].values.tolist() == counted["zone_name"].values.tolist() == ["A", "B"]
    # Straight edges in another system, and the ellipsoid: 1e-6 of the area.
    for name in ("area", *ENDS, "zone_area"):
        np.testing.assert_allclose(exact[name], counted[name], rtol=3e-6, err_msg=name)
    np.testing.assert_allclose(
        exact["unmapped_area"],
        counted["unmapped_area"],
        atol=3e-6 * counted["zone_area"].values.max(),
    )


def test_regions_of_a_table_and_a_named_grid(tmp_path):
    maps = make_maps(shape=(2, 40, 40)).chunk({"y": 20})
    box = shapely.box(4_000_000.0, 2_998_000.0, 4_002_000.0, 3_000_000.0)
    table = geopandas.GeoDataFrame({"NUTS_ID": ["XX1"]}, geometry=[box], crs="EPSG:3035")
    found = maps.lulc.area(table.to_crs("EPSG:4326"), unit="ha")
    assert found["region"].values.tolist() == ["XX1"]
    whole = lx.class_areas(maps["land_cover"].isel(year=0, y=slice(0, 20), x=slice(0, 20)))
    np.testing.assert_allclose(
        found["area"][:, 0, 0], whole["area_ha"], rtol=1e-3
    )  # straight edges in degrees
    with dask.config.set(scheduler=raising):
        cells = maps.lulc.area("EUR-11", confusion=make_counts())
    assert cells["area"].dims == ("class", "year", "rlat", "rlon")
    total = cells["area"].isel(year=0).sum(("rlat", "rlon"))
    mapped = lx.class_areas(maps["land_cover"].isel(year=0))
    np.testing.assert_allclose(total, mapped["area_km2"], rtol=1e-5)
    cells.to_netcdf(tmp_path / "areas.nc")
    with netCDF4.Dataset(tmp_path / "areas.nc") as file:
        mapping = file["adjusted_area"].grid_mapping
        assert file[mapping].grid_mapping_name == "rotated_latitude_longitude"


def test_nothing_is_computed_until_it_is_asked_for():
    maps = make_maps().chunk({"year": 1, "y": 10, "x": 7})
    zones = make_zones(maps).chunk({"y": 5})
    boxes = np.array([shapely.box(4_000_000, 2_999_000, 4_001_000, 3_000_000)])
    grid = RegionGrid(name="one", geometries=boxes, crs="EPSG:3035", ids=np.array([1]))
    with dask.config.set(scheduler=raising):
        lazy = maps.lulc.area(zones, confusion=make_counts(), zone_ids=[1, 2, 3, 4])
        other = maps.lulc.area(grid, confusion=make_counts(), by=None)
    assert lazy["adjusted_area_high"].chunks is not None
    assert other["area"].chunks is not None
    eager = lx.area(make_maps(), make_zones(maps), confusion=make_counts())
    for name in ("area", "unmapped_area", *ENDS):
        np.testing.assert_allclose(lazy[name], eager[name], rtol=1e-12)


def test_the_mean_of_the_years_and_a_matrix_for_each():
    maps, first, second = make_maps(), make_counts(5), make_counts(6)
    zones = make_zones(maps)
    mean = lx.area(maps, zones, by=None, confusion=first)
    each = lx.area(maps, zones, confusion=first)
    assert mean["area"].dims == ("class", "zone")
    np.testing.assert_allclose(mean["area"], each["area"].mean("year"), rtol=1e-12)
    np.testing.assert_allclose(mean["adjusted_area"], each["adjusted_area"].mean("year"))
    assert mean["area"].attrs["cell_methods"] == "year: mean"
    own = lx.area(maps, zones, confusion={2018: first, 2019: second})
    alone = lx.area(maps, zones, confusion=second)
    for name in ENDS:
        np.testing.assert_allclose(own[name].sel(year=2018), each[name].sel(year=2018))
        np.testing.assert_allclose(own[name].sel(year=2019), alone[name].sel(year=2019))


def test_classes_without_labels_are_not_guessed():
    maps = make_maps(shape=(1, 24, 30), gaps=0)
    zones = xr.DataArray(np.ones((24, 30), np.int32), dims=("y", "x"))
    zones[:12] = 2
    ids = maps["land_cover"].values
    ids[0, 12:][ids[0, 12:] == 7] = 1
    counts = make_counts().drop(index="water")
    found = lx.area(maps, zones, confusion=counts).isel(year=0)
    # Zone 1 has no water, so the matrix says all of it; zone 2 has some.
    assert found["adjusted_area"].sel(zone=1).notnull().all()
    assert found["adjusted_area"].sel(zone=2).isnull().all()
    single = make_counts()
    single.loc["water"] = [0, 0, 1]
    found = lx.area(maps, zones, confusion=single).isel(year=0)
    assert found["adjusted_area"].notnull().all()
    assert found["adjusted_area_low"].sel(zone=2).isnull().all()
    assert found["adjusted_area_low"].sel(zone=1).notnull().all()


def test_a_zone_without_any_map_has_areas_of_nothing():
    maps = make_maps()
    maps["land_cover"][:, :5] = np.uint8(255)
    zones = xr.ones_like(maps["land_cover"][0], np.int32).drop_attrs()
    zones[:5] = 2
    found = lx.area(maps, zones, confusion=make_counts()).sel(zone=2)
    for name in ("area", *ENDS):
        np.testing.assert_array_equal(found[name], 0)
    np.testing.assert_allclose(found["unmapped_area"], 5 * 30 * 1e4 / 1e6)


def test_what_is_said_of_the_areas():
    maps = make_maps()
    found = lx.area(maps, make_zones(maps), confusion=make_counts(), unit="m2", level=0.9)
    for var in found.data_vars.values():
        assert var.attrs["units"] == "m2"
        assert "flag_values" not in var.attrs
    assert found["adjusted_area_low"].attrs["long_name"] == (
        "lower end of the 90 % interval of the adjusted area"
    )
    assert "whole map, and is taken to hold in every zone" in found.attrs["assumption"]
    assert lx.Legend.from_flags(found["class_id"].attrs) == LEGEND
    assert "assumption" not in lx.area(maps, make_zones(maps)).attrs
    table = found.to_dataframe().reset_index()
    assert {"class", "year", "zone", "area", *ENDS} <= set(table.columns)
    assert len(table) == 3 * 2 * 4


def test_named_regions_on_the_grid_of_a_cube_need_no_reading():
    cube = landscape(y=20, x=30, classes=3, chunks={"y": 10, "x": 10})
    box = shapely.box(500_000, 5_599_000, 500_100, 5_600_000)
    west = geopandas.GeoDataFrame({"zone": ["west"]}, geometry=[box], crs="EPSG:32631")
    maps = cube[["reference"]].expand_dims(year=[2018])
    with dask.config.set(scheduler=raising):
        zones = lx.rasterize_regions(cube, west, column="zone")
        found = lx.area(maps, zones, task="reference", unit="m2")
    assert found["zone_name"].values.tolist() == ["west"]
    assert float(found["zone_area"].sum()) == 20 * 10 * 100


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"task": "land_use"}, CubeError, "unknown class map 'land_use'"),
        ({"by": "month"}, CubeError, "by='month'; expected 'year', or None"),
        ({"unit": "acre"}, CubeError, "unknown unit of area 'acre'"),
        ({"interval": "bootstrap"}, SampleError, "unknown interval 'bootstrap'"),
        ({"level": 95}, SampleError, "level 95 is not between 0 and 1"),
        ({"confusion": make_counts() / 7}, SampleError, "values that are no counts of labels"),
        ({"confusion": make_counts() * 0}, SampleError, "holds no label"),
        (
            {"confusion": make_counts().rename(columns={"water": "sea"})},
            LegendError,
            "unknown class of legend 'three' 'sea'",
        ),
        ({"confusion": [[1, 2], [3, 4]]}, SampleError, "confusion is list; expected what"),
        ({"confusion": {2018: make_counts()}}, CubeError, "no confusion matrix of 2019; they are"),
        (
            {"confusion": {2018: make_counts()}, "by": None},
            CubeError,
            "how their errors go together is not known",
        ),
    ],
)
def test_bad_input_is_said(change, error, said):
    maps = make_maps()
    with pytest.raises(error) as caught:
        lx.area(maps, make_zones(maps), **change)
    assert said in str(caught.value)


def test_weights_without_a_design_are_refused():
    maps = make_maps(shape=(1, 24, 30))
    weights = xr.ones_like(maps["land_cover"], float)
    weighted = lx.accuracy(maps["land_cover"], maps["land_cover"], weights=weights)
    with pytest.raises(SampleError, match=r"weighted labels without a design.*Design\(weights"):
        lx.area(maps, make_zones(maps), confusion=weighted)
