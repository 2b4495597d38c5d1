"""Fractions from survey points: against counts by hand, other libraries, and real surveys."""

import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import ndimage
from statsmodels.stats.proportion import proportion_confint

import lulc_xr as lx
from lulc_xr.core.grids import lonlat_grid
from lulc_xr.core.legend import Legend

LEGEND = Legend.from_names("demo", ["crop", "wood", "water"])
GRID = lonlat_grid(5, 45, 9, 48, step=1)


def made_points(number=200, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "lon": rng.uniform(5, 9, number),
            "lat": rng.uniform(45, 48, number),
            "land_cover": rng.choice(classes, number, p=[0.6, 0.3, 0.1][:classes]),
            "weight": rng.uniform(0.5, 4, number),
        }
    )


def fractions(points, grid=GRID, **options):
    return lx.fractions_from_points(points, grid, legend=LEGEND, **options)


def one_cell(labels, **columns):
    return pd.DataFrame({"lon": 5.5, "lat": 45.5, "land_cover": labels, **columns})


def test_shares_are_those_of_the_points_of_each_cell():
    points = made_points()
    found = fractions(points)
    rows, columns = np.floor(points.lat - 45), np.floor(points.lon - 5)
    for (row, column), own in points.groupby([rows, columns]):
        cell = found.isel(lat=int(row), lon=int(column))
        expected = [(own.land_cover == k).mean() for k in range(3)]
        np.testing.assert_allclose(cell.fraction, expected, atol=1e-15)
        assert int(cell.points) == len(own)
    assert int(found.points.sum()) == len(points)
    assert (found.fraction_lower <= found.fraction + 1e-12).all()
    assert (found.fraction_upper >= found.fraction - 1e-12).all()


def test_cells_without_points_are_unknown_and_not_zero():
    found = fractions(one_cell([0, 1]))
    assert found.points.values.sum() == found.points.values[0, 0] == 2
    for name in ("fraction", "fraction_lower", "fraction_upper", "fraction_standard_error"):
        known = np.isfinite(found[name].values).all(axis=0)
        assert known[0, 0]
        assert known.sum() == 1


@pytest.mark.parametrize(("interval", "method"), [("wilson", "wilson"), ("normal", "normal")])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_are_those_of_statsmodels(interval, method, level):
    labels = [0] * 7 + [1] * 4 + [2]
    found = fractions(one_cell(labels), interval=interval, level=level).isel(lat=0, lon=0)
    low, high = proportion_confint(np.array([7, 4, 1]), 12, alpha=1 - level, method=method)
    if interval == "normal":
        # statsmodels divides the variance by n and clips; the survey's estimate by n - 1.
        share = np.array([7, 4, 1]) / 12
        error = np.sqrt(share * (1 - share) / 11)
        np.testing.assert_allclose(found.fraction_standard_error, error)
        quantile = (high - share)[0] / np.sqrt(share * (1 - share) / 12)[0]
        low, high = share - quantile * error, share + quantile * error
    np.testing.assert_allclose(found.fraction_lower, low, atol=1e-12)
    np.testing.assert_allclose(found.fraction_upper, high, atol=1e-12)


def test_a_cell_equals_the_area_estimate_of_its_points():
    labels = [0] * 9 + [1] * 5 + [2] * 2
    found = fractions(one_cell(labels)).isel(lat=0, lon=0)
    table = lx.estimate_area(labels, legend=LEGEND, weights=np.ones(16))
    np.testing.assert_allclose(found.fraction, table["proportion"])
    np.testing.assert_allclose(found.fraction_standard_error, table["proportion_error"])
    total = table.attrs["total_area"]
    np.testing.assert_allclose(found.fraction_lower, table["low"] / total, atol=1e-9)
    np.testing.assert_allclose(found.fraction_upper, table["high"] / total, atol=1e-9)


def test_weights_give_the_ratio_of_sums_and_kish_widens_the_interval():
    points = made_points()
    plain, weighted = fractions(points), fractions(points, weights="weight")
    rows, columns = np.floor(points.lat - 45), np.floor(points.lon - 5)
    for (row, column), own in points.groupby([rows, columns]):
        cell = weighted.isel(lat=int(row), lon=int(column))
        weight = own.weight.to_numpy()
        expected = [weight[own.land_cover == k].sum() / weight.sum() for k in range(3)]
        np.testing.assert_allclose(cell.fraction, expected)
        kish = weight.sum() ** 2 / (weight**2).sum()
        assert float(cell.effective_points) == pytest.approx(kish)
        assert kish < len(own)
        low, high = proportion_confint(np.array(expected) * kish, kish, method="wilson")
        np.testing.assert_allclose(cell.fraction_lower, np.maximum(low, 0), atol=1e-12)
        np.testing.assert_allclose(cell.fraction_upper, high, atol=1e-12)
        assert float(cell.total_weight) == pytest.approx(weight.sum())
    assert "Kish" in weighted.attrs["design"]
    assert "Kish" not in plain.attrs["design"]
    assert "effective_points" not in plain


@pytest.mark.parametrize("factor", [1.0, 250.0])
def test_equal_weights_change_nothing(factor):
    points = made_points()
    plain = fractions(points)
    weighted = fractions(points.assign(weight=factor), weights="weight")
    xr.testing.assert_allclose(
        weighted.drop_vars(["effective_points", "total_weight"]), plain, atol=1e-12
    )


def test_a_single_point_has_an_interval_and_no_standard_error():
    cell = fractions(one_cell([1])).isel(lat=0, lon=0)
    assert cell.fraction.values.tolist() == [0, 1, 0]
    assert np.isnan(cell.fraction_standard_error).all()
    low, high = proportion_confint([0, 1, 0], 1, method="wilson")
    np.testing.assert_allclose(cell.fraction_lower, low, atol=1e-12)
    np.testing.assert_allclose(cell.fraction_upper, high, atol=1e-12)


def test_few_points_can_be_asked_to_say_nothing():
    points = made_points(60)
    every, many = fractions(points), fractions(points, min_points=6)
    xr.testing.assert_equal(every.points, many.points)
    enough = every.points >= 6
    assert 0 < int(enough.sum()) < enough.size
    xr.testing.assert_identical(
        many.fraction.drop_attrs(), every.fraction.where(enough).drop_attrs()
    )


def test_places_are_read_however_they_are_given():
    points = made_points(50)
    expected = fractions(points)
    frame = geopandas.GeoDataFrame(
        points[["land_cover"]], geometry=geopandas.points_from_xy(points.lon, points.lat, crs=4326)
    )
    projected = frame.to_crs(3035)
    places = pd.DataFrame({"land_cover": points.land_cover})
    east, north = projected.geometry.x, projected.geometry.y
    given = [
        points.rename(columns={"lon": "longitude", "lat": "latitude"}),
        frame,
        projected,
        places.assign(e3035=east, n3035=north),
    ]
    for one in given:
        xr.testing.assert_identical(fractions(one), expected)
    table = places.assign(x=east, y=north)
    xr.testing.assert_identical(fractions(table, crs="EPSG:3035"), expected)
    samples = table.to_xarray().assign_attrs(crs_wkt="EPSG:3035")
    samples["land_cover"].attrs = LEGEND.flags()
    xr.testing.assert_identical(lx.fractions_from_points(samples, GRID), expected)


def test_points_that_do_not_count_are_counted_and_said():
    points = made_points(20)
    points.loc[0, "land_cover"] = 255
    points.loc[1, ["lon", "lat"]] = np.nan
    points.loc[2:4, "lon"] = 20.0
    with pytest.warns(
        UserWarning,
        match=r"5 of 20 points left out: 1 without a label.* 1 without a place, 3 outside",
    ):
        found = fractions(points)
    told = {name: found.attrs[name] for name in found.attrs if name.startswith("points_")}
    assert told == {
        "points_given": 20, "points_used": 15, "points_of_other_years": 0,
        "points_without_label": 1, "points_without_place": 1, "points_outside": 3,
    }  # fmt: skip
    assert int(found.points.sum()) == 15


def test_years_are_kept_apart_or_chosen():
    first, second = made_points(80, seed=1), made_points(50, seed=2)
    for points in (first, second):
        points["point_id"] = np.arange(len(points))
    visits = pd.concat([first.assign(year=2015), second.assign(year=2018)])
    found = fractions(visits, years=[2018, 2015])
    assert found.fraction.dims == ("class", "year", "lat", "lon")
    assert found.year.values.tolist() == [2018, 2015]
    for year, own in ((2015, first), (2018, second)):
        alone = fractions(own)
        assert found.sel(year=year, drop=True).equals(alone)
    with pytest.warns(UserWarning, match="80 of 130 points left out: 80 of other years"):
        only = fractions(visits, years=[2018])
    assert only.squeeze("year", drop=True).fraction.equals(fractions(second).fraction)
    with pytest.raises(
        lx.SampleError, match=r"50 points are there several times.*years= of 2015, 2018"
    ):
        fractions(visits)


@pytest.mark.parametrize("weights", [None, "weight"])
def test_what_is_written_is_read_back_and_follows_cf(tmp_path, weights):
    found = fractions(made_points(), grid="EUR-44", weights=weights)
    path = lx.write_fractions(found, tmp_path / "points.nc")
    again = lx.open_fractions(path)
    assert set(again.data_vars) == set(found.data_vars)
    for name in found.data_vars:
        np.testing.assert_array_equal(again[name], found[name])
    assert Legend.from_flags(again["class_id"].attrs) == LEGEND
    assert again.attrs["points_used"] == 200
    assert "simple random sample" in again.attrs["design"]
    with xr.open_dataset(path, decode_coords="all") as plain:
        assert plain.fraction.encoding["grid_mapping"] == "rotated_pole"
    checker = Path(sys.executable).with_name("compliance-checker")
    command = [checker, "--test", "cf:1.10", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "All tests passed!" in done.stdout, done.stdout + done.stderr


def test_class_names_and_areas_go_with_the_fractions():
    found = fractions(made_points())
    assert found["class"].values.tolist() == list(LEGEND.names)
    assert found["class_id"].values.tolist() == list(LEGEND.ids)
    np.testing.assert_allclose(found.cell_area.values.ravel(), GRID.areas())
    assert found.cell_area.attrs["units"] == "m2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interval": "logit"}, "interval 'logit'.*wilson"),
        ({"level": 95}, "level 95 is not between 0 and 1"),
        ({"min_points": 0}, "min_points=0; a cell needs at least 1"),
        ({"weights": "wgt"}, "column of weights 'wgt'.*weight"),
        ({"label": "lc"}, "label column 'lc'.*land_cover"),
        ({"years": [2018]}, "no column 'year' or 'survey_date'"),
        ({"years": []}, "give each year once"),
    ],
)
def test_refusals_say_the_way_out(options, words):
    with pytest.raises(lx.SampleError, match=words):
        fractions(made_points(5), **options)


def test_bad_points_are_refused():
    points = made_points(5)
    with pytest.raises(lx.SampleError, match=r"say no place.*GeoDataFrame.*crs="):
        fractions(points.drop(columns="lon"))
    with pytest.raises(lx.SampleError, match=r"1 of 5 weights in column 'weight'.*-2"):
        fractions(points.assign(weight=[1, 1, -2, 1, 1]), weights="weight")
    with pytest.raises(lx.SampleError, match=r"no point is left.*5 outside the grid"):
        fractions(points.assign(lon=100.0))
    with pytest.raises(lx.SampleError, match=r"year '?1999"):
        fractions(points.assign(year=2018), years=[1999])
    with pytest.raises(lx.LegendError, match=r"legend of 'land_cover'.*legend="):
        lx.fractions_from_points(points, GRID)
    with pytest.raises(lx.LegendError, match="outside legend 'demo': 9"):
        fractions(points.assign(land_cover=9))
    with pytest.raises(lx.SampleError, match="keep one row of each"):
        fractions(points.assign(point_id=[1, 2, 2, 3, 4]))


def covered(found, true):
    """Share of the intervals of each class that hold the true share, (class, ...)."""
    inside = (found.fraction_lower <= true + 1e-12) & (found.fraction_upper >= true - 1e-12)
    return float(inside.mean())


@pytest.mark.parametrize("number", [4, 9, 36])
def test_intervals_hold_as_often_as_they_say(number):
    """1200 cells of independent points for each of five seeds, true shares anywhere."""
    grid = lonlat_grid(0, 0, 40, 30, step=1)
    held = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet([1, 1, 1], grid.shape)
        labels = (rng.random((*grid.shape, number, 1)) > shares.cumsum(-1)[..., None, :]).sum(-1)
        lat, lon = np.indices(grid.shape) + 0.5
        points = pd.DataFrame(
            {
                "lon": np.repeat(lon, number), "lat": np.repeat(lat, number),
                "land_cover": labels.ravel(),
            }
        )  # fmt: skip
        true = xr.DataArray(np.moveaxis(shares, -1, 0), dims=("class", "lat", "lon"))
        held.append(covered(fractions(points, grid), true))
    # Coverage averaged over all shares; that of single ones swings around it.
    assert 0.94 < min(held) <= max(held) < 0.97, held


def landscape_of(seed, side=360, cell=120):
    """A made-up landscape of two classes in patches: ids (y, x), true shares of its cells."""
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.standard_normal((side, side)), 8, mode="wrap")
    ids = (rough > np.quantile(rough, 0.7)).astype(np.uint8)
    cells = side // cell
    shares = ids.reshape(cells, cell, cells, cell).mean(axis=(1, 3))
    return ids, xr.DataArray(np.stack([1 - shares, shares]), dims=("class", "lat", "lon"))


def at_pixels(ids, y, x, **columns):
    return pd.DataFrame(
        {"lon": (x + 0.5) / 120, "lat": (y + 0.5) / 120, "land_cover": ids[y, x], **columns}
    )


def test_points_of_a_regular_grid_hold_at_least_as_often():
    """As LUCAS: 36 points on a grid of 2 km in a cell of 12 km, patches of several km."""
    legend, grid = Legend.from_names("two", ["open", "wood"]), lonlat_grid(0, 0, 3, 3, step=1)
    held = {"anywhere": [], "regular": []}
    for seed in range(40):
        ids, true = landscape_of(seed)
        rng = np.random.default_rng((seed, 1))
        y, x = (v.ravel() for v in np.mgrid[0:360:20, 0:360:20])
        start = rng.integers(0, 20, 2)
        anywhere = at_pixels(ids, *rng.integers(0, 360, (2, y.size)))
        regular = at_pixels(ids, y + start[0], x + start[1])
        for name, points in (("anywhere", anywhere), ("regular", regular)):
            held[name].append(covered(lx.fractions_from_points(points, grid, legend=legend), true))
    assert 0.92 < np.mean(held["anywhere"]) < 0.98
    assert np.mean(held["regular"]) > max(0.97, np.mean(held["anywhere"]))


def test_points_by_stratum_need_their_weights():
    """A second phase that takes woods four times as often: biased without weights."""
    legend, grid = Legend.from_names("two", ["open", "wood"]), lonlat_grid(0, 0, 3, 3, step=1)
    held = {None: [], "weight": []}
    for seed in range(40):
        ids, true = landscape_of(seed)
        rng = np.random.default_rng((seed, 2))
        y, x = rng.integers(0, 360, (2, 2000))
        chance = np.where(ids[y, x] == 1, 0.6, 0.15)
        kept = rng.random(2000) < chance
        points = at_pixels(ids, y[kept], x[kept], weight=1 / chance[kept])
        for weights, own in held.items():
            found = lx.fractions_from_points(points, grid, legend=legend, weights=weights)
            own.append(covered(found, true))
    assert np.mean(held["weight"]) > 0.92
    assert np.mean(held[None]) < 0.5


def test_czech_points_on_the_grid_of_the_models(shared_data):
    path = shared_data / "lucas" / "cz_2018" / "cz_lucas_points_l1_2018.shp"
    points = lx.lucas_labels(lx.read_lucas(path))
    found = lx.fractions_from_points(points, "EUR-11")
    assert found.attrs["points_used"] == len(points) == 5037
    there = found.points > 0
    # 78 870 km2 (Eurostat, reg_area3) in cells of 12.2 km a side, and those that the border cuts.
    assert 78_870 / 12.24**2 < int(there.sum()) < 1.15 * 78_870 / 12.24**2
    np.testing.assert_allclose(found.fraction.sum("class").values[there.values], 1, atol=1e-12)
    whole = (found.fraction * found.points).sum(("rlat", "rlon")) / found.points.sum()
    ids = points["land_cover"].to_numpy()
    expected = [(ids == class_id).mean() for class_id in found.class_id.values]
    np.testing.assert_allclose(whole, expected, atol=1e-12)


def test_regions_are_cells_too(shared_data):
    path = shared_data / "lucas" / "cz_2018" / "cz_lucas_points_l1_2018.shp"
    points = lx.lucas_labels(lx.read_lucas(path))
    table = geopandas.read_file(shared_data / "nuts" / "nuts_2016.gpkg")
    regions = table[(table["LEVL_CODE"] == 3) & (table["CNTR_CODE"] == "CZ")]
    regions = regions[["NUTS_ID", "geometry"]].reset_index(drop=True)
    with pytest.warns(UserWarning, match=r"\d+ of 5037 points left out: \d+ outside the grid"):
        found = lx.fractions_from_points(points, regions)
    placed = points.to_crs(regions.crs).sjoin(regions)
    assert found.sizes["region"] == len(regions) == 14
    counts = placed.groupby("index_right").size().to_numpy()
    np.testing.assert_array_equal(found.points, counts)
    shares = pd.crosstab(placed["index_right"], placed["land_cover"], normalize="index")
    np.testing.assert_allclose(found.fraction.transpose("region", "class"), shares)
    # 360 points a region, some with fewer: intervals of some percent.
    assert float((found.fraction_upper - found.fraction_lower).mean()) < 0.07
