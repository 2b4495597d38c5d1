"""Areas of change: every pixel counts once, in any chunks, and what is not mapped stays apart."""

import dask
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from pyproj import Geod

import lulc_xr as lx
from lulc_xr.core.errors import CubeError, LegendError
from lulc_xr.core.georeference import GRID_MAPPING
from tests.unit.analysis.yearly_maps import LEGEND, as_maps, drawn, raising


def crosstab(before, after):
    """The matrix of pixels as pandas counts it, in the order of the legend."""
    table = pd.crosstab(pd.Series(before.ravel()), pd.Series(after.ravel()))
    return table.reindex(index=LEGEND.ids, columns=LEGEND.ids, fill_value=0).to_numpy()


def test_pixels_are_those_of_a_cross_table():
    maps = drawn(years=3)
    found = lx.transitions(maps).compute()
    assert found["period"].values.tolist() == ["2018-2019", "2019-2020"]
    values = maps["land_cover"].values
    for n in range(2):
        own = found.isel(period=n)
        np.testing.assert_array_equal(own["transition_pixels"], crosstab(*values[n : n + 2]))
        lacking = ((values[n] == 255) | (values[n + 1] == 255)).sum()
        assert own["unmapped_pixels"] == lacking
        assert own["unmapped_area"] == 100 * lacking
    np.testing.assert_array_equal(found["transition_area"], 100 * found["transition_pixels"])


def test_dimensions_and_attributes_are_those_that_are_promised():
    maps = drawn().assign_attrs(title="mine")
    maps["land_cover"].attrs |= {"history": "lulc_xr.classify", "model_hash": "abc", "mine": "x"}
    found = lx.transitions(maps)
    assert found["transition_area"].dims == ("period", "from_class", "to_class")
    assert found["unmapped_area"].dims == ("period",)
    assert lx.Legend.from_flags(found["class_id"].attrs) == LEGEND
    assert found["from_class"].values.tolist() == list(LEGEND.names)
    assert found["transition_area"].attrs["units"] == "m2"
    assert found["transition_area"].attrs["long_name"].startswith("area of land cover")
    assert found.attrs["history"] == "lulc_xr.classify; lulc_xr.transitions"
    assert found.attrs["model_hash"] == "abc"
    assert "mine" not in found.attrs
    assert "not known" in found.attrs["uncertainty"]


@given(
    seed=st.integers(0, 2**32 - 1),
    chunks=st.tuples(st.integers(1, 3), st.integers(1, 17), st.integers(1, 23)),
    zoned=st.booleans(),
)
def test_any_chunking_gives_the_same(seed, chunks, zoned):
    maps = drawn(seed=seed)
    zones = None
    if zoned:
        rng = np.random.default_rng(seed)
        zones = xr.DataArray(rng.integers(0, 4, (17, 23)), dims=("y", "x"))
    whole = lx.transitions(maps, zones, zone_ids=[1, 2, 3]).compute()
    chunked = maps.chunk(dict(zip(("year", "y", "x"), chunks, strict=True)))
    found = lx.transitions(chunked, zones, zone_ids=[1, 2, 3]).compute()
    xr.testing.assert_identical(found, whole)


@given(seed=st.integers(0, 2**32 - 1))
def test_marginals_are_the_areas_of_the_years_where_both_are_mapped(seed):
    maps = drawn(seed=seed, years=2)
    found = lx.transitions(maps).compute().isel(period=0)
    both = (maps["land_cover"] != 255).all("year")
    for end, gone in ((0, "to_class"), (1, "from_class")):
        areas = lx.class_areas(maps["land_cover"].isel(year=end), mask=both)
        np.testing.assert_allclose(found["transition_area"].sum(gone), areas["area_m2"])
    total = found["transition_area"].sum() + found["unmapped_area"]
    assert float(total) == pytest.approx(17 * 23 * 100)


def test_zones_hold_their_own_pixels_and_add_up():
    maps = drawn(years=2)
    zones = xr.DataArray(np.full((17, 23), 9), dims=("y", "x"))
    zones[:5], zones[10:, :7] = 4, 0
    found = lx.transitions(maps, zones).compute()
    assert found["zone"].values.tolist() == [4, 9]
    values = maps["land_cover"].values
    for zone in (4, 9):
        inside = zones.values == zone
        own = found.sel(zone=zone).isel(period=0)
        expected = crosstab(values[0][inside], values[1][inside])
        np.testing.assert_array_equal(own["transition_pixels"], expected)
    outside = lx.transitions(maps.isel(y=slice(10, None), x=slice(None, 7))).compute()
    whole = lx.transitions(maps).compute()
    np.testing.assert_array_equal(
        found["transition_pixels"].sum("zone") + outside["transition_pixels"],
        whole["transition_pixels"],
    )


def test_zones_with_flags_have_names_and_may_be_lazy():
    maps = drawn(years=2).chunk({"y": 5})
    flags = {"flag_values": np.array([1, 2], np.uint8), "flag_meanings": "north south"}
    values = np.full((17, 23), 1, np.uint8)
    values[9:], values[0] = 2, 255
    zones = xr.DataArray(values, dims=("y", "x"), attrs=flags)
    with dask.config.set(scheduler=raising):
        found = lx.transitions(maps, zones.chunk({"x": 7}))
    assert found["zone_name"].values.tolist() == ["north", "south"]
    expected = lx.transitions(maps, zones.drop_attrs(), zone_ids=[1, 2]).drop_attrs()
    xr.testing.assert_equal(found.drop_vars("zone_name").compute(), expected.compute())


def test_nothing_is_computed_before_it_is_asked_for():
    maps = drawn().chunk({"y": 5, "year": 1})
    with dask.config.set(scheduler=raising):
        found = maps.lulc.transitions(years=(2018, 2020))
    assert all(var.chunks is not None for var in found.data_vars.values())
    np.testing.assert_array_equal(
        found["transition_pixels"][0], crosstab(*maps["land_cover"].values[[0, 2]])
    )


def test_years_may_be_chosen_as_a_row_or_as_pairs():
    maps = drawn(years=4)
    row = lx.transitions(maps, years=(2018, 2020, 2021))
    assert row["period"].values.tolist() == ["2018-2020", "2020-2021"]
    assert (row["from_year"].values.tolist(), row["to_year"].values.tolist()) == (
        [2018, 2020],
        [2020, 2021],
    )
    pairs = lx.transitions(maps, years=[(2018, 2021), (2018, 2020)])
    assert pairs["period"].values.tolist() == ["2018-2021", "2018-2020"]
    xr.testing.assert_equal(row.isel(period=0).compute(), pairs.isel(period=1).compute())


def test_years_in_any_order_are_compared_in_time():
    maps = drawn(years=3)
    xr.testing.assert_equal(
        lx.transitions(maps.isel(year=[2, 0, 1])).compute(), lx.transitions(maps).compute()
    )


def test_pixels_in_degrees_have_their_area_on_the_ellipsoid():
    maps = drawn(years=2, crs="EPSG:4326", step=0.5, corner=(5.0, 60.0), y=8, x=4)
    found = lx.transitions(maps).compute().isel(period=0)
    total = float(found["transition_area"].sum() + found["unmapped_area"])
    # Rows of the map lie between parallels, which a polygon of many corners follows.
    right = np.linspace(5, 7, 2001)
    area, _ = Geod(ellps="WGS84").polygon_area_perimeter(
        [*right, *right[::-1]], [56.0] * 2001 + [60.0] * 2001
    )
    assert total == pytest.approx(abs(area), rel=1e-6)
    rows = maps["land_cover"].isel(y=[0])
    north = lx.transitions(rows.to_dataset()).compute().isel(period=0)
    assert float(north["transition_area"].sum() + north["unmapped_area"]) < total / 8


def test_chunks_of_a_map_in_degrees_do_not_show():
    maps = drawn(years=2, crs="EPSG:4326", step=0.5, corner=(5.0, 60.0))
    whole = lx.transitions(maps).compute()
    found = lx.transitions(maps.chunk({"y": 3, "x": 5})).compute()
    xr.testing.assert_allclose(found, whole, rtol=1e-13)


def test_table_of_change_follows_from_the_matrix():
    before = [[3, 3, 3, 7], [7, 7, 254, 255]]
    after = [[3, 7, 7, 3], [7, 7, 254, 3]]
    table = lx.change_table(lx.transitions(as_maps([before, after])), unit="m2")
    assert table.attrs["unit"] == "m2"
    crop = table.loc[("2018-2019", "crop")]
    assert crop.to_dict() == {
        "before": 300, "after": 200, "kept": 100, "lost": 200, "gained": 100,
        "net_change": -100, "swap": 200, "kept_share": 1 / 3,
    }  # fmt: skip
    whole = table.loc[("2018-2019", "all_classes")]
    assert whole["before"] == whole["after"] == 700
    assert whole["lost"] == whole["gained"] == 300
    assert (whole["net_change"], whole["kept_share"]) == (0, 400 / 700)
    in_ha = lx.change_table(lx.transitions(as_maps([before, after])))
    np.testing.assert_allclose(in_ha["before"], table["before"] / 1e4)


def test_table_of_zones_has_their_rows():
    maps = drawn(years=3)
    zones = xr.DataArray(np.repeat([[1, 2]], 17, 0).repeat([11, 12], 1), dims=("y", "x"))
    table = lx.change_table(lx.transitions(maps, zones))
    assert table.index.names == ["period", "zone", "class"]
    assert len(table) == 2 * 2 * 4
    one = lx.change_table(lx.transitions(maps.isel(x=slice(None, 11))))
    pd.testing.assert_frame_equal(table.xs(1, level="zone"), one)


def test_a_class_that_was_not_there_has_no_share_that_was_kept():
    table = lx.change_table(lx.transitions(as_maps([[[3, 3]], [[3, 7]]])))
    assert np.isnan(table.loc[("2018-2019", "water"), "kept_share"])


@pytest.mark.parametrize(
    ("change", "settings", "said"),
    [
        (lambda m: m.isel(year=[0]), {}, r"single year \(2018\); change is between two"),
        (lambda m: m.isel(year=0), {}, r"single year \(2018\)"),
        (lambda m: m.astype("int32"), {}, "is int32; expected uint8 class ids with 255"),
        (lambda m: m.drop_attrs(), {}, "no CF flag_values"),
        (lambda m: m, {"task": "land_use"}, "unknown class map 'land_use'.*land_cover"),
        (lambda m: m, {"years": (2018,)}, r"years=\(2018,\); give at least two years"),
        (lambda m: m, {"years": (2018, 1999)}, "unknown mapped year '1999'"),
        (lambda m: m, {"years": [(2019, 2018)]}, "2019 to 2018; give the earlier year first"),
        (lambda m: m, {"years": [(2018, 2019, 2020)]}, "or pairs of years"),
        (lambda m: m.drop_vars(GRID_MAPPING), {}, "no coordinate reference system"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, settings, said):
    with pytest.raises((CubeError, LegendError), match=said):
        lx.transitions(change(drawn()), **settings)


@pytest.mark.parametrize(
    ("zones", "said"),
    [
        (xr.DataArray(np.ones((17, 22), int), dims=("y", "x")), "'x' of the zones"),
        (xr.DataArray(np.ones((17, 23)), dims=("y", "x")), "expected whole ids"),
        (xr.DataArray(np.zeros((17, 23), int), dims=("y", "x")), "no zone: every pixel"),
        (xr.DataArray(np.ones((17, 23), int), dims=("y", "x")).chunk(), "Pass zone_ids"),
    ],
)
def test_zones_that_are_none_are_refused(zones, said):
    with pytest.raises(CubeError, match=said):
        lx.transitions(drawn(), zones)


def test_a_class_outside_the_legend_is_named():
    maps = as_maps([[[3, 7]], [[3, 9]]])
    with pytest.raises(LegendError, match=r"outside legend 'demo': 9 \(1 times\)"):
        lx.transitions(maps).compute()


def test_what_is_no_matrix_makes_no_table():
    with pytest.raises(CubeError, match="no transition_area"):
        lx.change_table(xr.Dataset({"fraction": 1}))
    with pytest.raises(CubeError, match="unknown unit of area 'acre'"):
        lx.change_table(lx.transitions(drawn()), unit="acre")
