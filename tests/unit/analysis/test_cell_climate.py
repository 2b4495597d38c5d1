"""Climate comes to the cells of a grid: averaged, interpolated, from the nearest, or refused."""

import dask
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from pyproj import CRS, Geod, Transformer

import lulc_xr as lx
from lulc_xr.core.context import CONTEXT_DIMS, context_at
from lulc_xr.core.plant_climate import climate_of_months
from lulc_xr.core.plant_rules import PLANT_CLIMATE
from tests.fractions import made_fractions

GRID = lx.lonlat_grid(-8.0, 40.0, -6.0, 41.5, step=0.5)
NAMES = list(PLANT_CLIMATE)


def monthly(lat, lon, *, seed=0, units=("degC", "mm/month"), dim="month"):
    """Monthly climate that varies smoothly with the place, and a little at random."""
    rng = np.random.default_rng(seed)
    wave = -np.cos(2 * np.pi * np.arange(12) / 12)[:, None, None]
    y, x = np.meshgrid(lat, lon, indexing="ij")
    tas = 12 - (y - 40) + 0.3 * x + 8 * wave + rng.normal(0, 0.1, (12, *y.shape))
    rain = 60 - 20 * wave + y - 40 + rng.uniform(0, 5, (12, *y.shape))
    coords = {dim: np.arange(1, 13), "lat": lat, "lon": lon}
    made = {
        "tas": xr.DataArray(tas + (273.15 if units[0] == "K" else 0), coords, (dim, "lat", "lon")),
        "pr": xr.DataArray(rain, coords, (dim, "lat", "lon")),
    }
    for name, unit in zip(made, units, strict=True):
        made[name].attrs["units"] = unit
    return xr.Dataset(made)


def exact(climate):
    made = climate_of_months(
        climate["tas"].values, climate["pr"].values, climate["lat"].values[:, None]
    )
    shape = climate["tas"].shape[1:]
    return xr.Dataset(
        {name: (("lat", "lon"), np.broadcast_to(v, shape)) for name, v in made.items()},
        {"lat": climate["lat"], "lon": climate["lon"]},
    )


FINE = (np.arange(39.55, 42, 0.1), np.arange(-8.45, -5.5, 0.1))
COARSE = (np.arange(38.0, 44.1, 1.5), np.arange(-10.0, -3.9, 1.5))


def test_fine_climate_is_averaged_over_the_places_in_each_cell():
    climate = monthly(*FINE)
    made = lx.cell_climate(climate, GRID)
    fine = exact(climate)
    inside = fine.sel(lat=slice(40, 41.5), lon=slice(-8, -6))
    expected = inside.coarsen(lat=5, lon=5).mean()
    for name in NAMES:
        np.testing.assert_allclose(made[name], expected[name], rtol=1e-9, err_msg=name)
        assert made[name].attrs["units"] == PLANT_CLIMATE[name][0]
    assert "mean of the places" in made.attrs["source"]
    assert "straight lines between the middles of months" in made.attrs["source"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shift", [0, 360])
def test_coarse_climate_is_interpolated_to_the_centres(turned, shift):
    climate = monthly(*COARSE)
    expected = exact(climate).interp(lat=GRID.coordinates()["lat"], lon=GRID.coordinates()["lon"])
    if turned:
        climate = climate.isel(lat=slice(None, None, -1))
    made = lx.cell_climate(climate.assign_coords(lon=climate["lon"] + shift), GRID)
    for name in NAMES:
        # Interpolated in float32.
        np.testing.assert_allclose(made[name], expected[name], rtol=1e-5, err_msg=name)
    assert "bilinear" in made.attrs["source"]


def test_nearest_takes_the_place_itself():
    climate = monthly(*COARSE)
    made = lx.cell_climate(climate, GRID, method="nearest")
    lat, lon = np.meshgrid(*COARSE, indexing="ij")
    rain = exact(climate)["annual_precipitation"].values.ravel()
    for cell in made["annual_precipitation"].stack(cell=("lat", "lon")).transpose("cell"):
        here = np.full(rain.size, float(cell["lon"])), np.full(rain.size, float(cell["lat"]))
        _, _, distance = Geod(ellps="sphere").inv(*here, lon.ravel(), lat.ravel())
        assert float(cell) in rain[np.isclose(distance, distance.min(), rtol=1e-9)]


def test_climate_with_places_but_no_axes_comes_from_the_nearest():
    """As a rotated model grid has it: two dimensions, longitude and latitude of each place."""
    climate = monthly(*COARSE)
    y, x = np.meshgrid(*COARSE, indexing="ij")
    turned = climate.rename(lat="rlat", lon="rlon").drop_vars(["rlat", "rlon"])
    turned = turned.assign_coords(lat=(("rlat", "rlon"), y), lon=(("rlat", "rlon"), x))
    made = lx.cell_climate(turned, GRID)
    xr.testing.assert_allclose(made, lx.cell_climate(climate, GRID, method="nearest"))
    with pytest.raises(lx.CubeError, match=r"not on two axes.*method='nearest'"):
        lx.cell_climate(turned, GRID, method="bilinear")


def test_climate_on_the_cells_is_taken_as_it_is():
    fractions = made_fractions(lx.legend("elc10"))
    climate = monthly(fractions["lat"].values, fractions["lon"].values)
    made = lx.cell_climate(climate, fractions)
    assert "given on the cells" in made.attrs["source"]
    for name, expected in exact(climate).data_vars.items():
        np.testing.assert_allclose(made[name], expected)
    # The same numbers at other places are not on the cells.
    elsewhere = climate.assign_coords(lon=climate["lon"] + 0.5)
    assert "bilinear" in lx.cell_climate(elsewhere, fractions, method="bilinear").attrs["source"]
    again = lx.cell_climate(made, fractions)
    xr.testing.assert_equal(again.drop_attrs(), made.drop_attrs())


@pytest.mark.parametrize("dim", ["month", "time"])
def test_months_in_any_order_and_kelvin_give_the_same(dim):
    climate = monthly(*COARSE)
    other = monthly(*COARSE, units=("K", "mm"), dim=dim).isel({dim: [*range(6, 12), *range(6)]})
    if dim == "time":
        dates = np.array([f"2001-{m:02d}-15" for m in other[dim].values], "datetime64[ns]")
        other = other.assign_coords(time=dates)
    made, expected = (lx.cell_climate(c, GRID) for c in (other, climate))
    for name in NAMES:
        np.testing.assert_allclose(made[name], expected[name], rtol=1e-5)


def test_context_in_metres_comes_to_cells_in_degrees():
    """Context as it lies in a store, in a projected system, by its own interpolation."""
    axes = np.arange(2_400_000.0, 1_600_000.0, -50_000.0), np.arange(2_600_000.0, 3_300_000.0, 5e4)
    names = ["bio01", "bio10", "bio11", "bio12", "bio14", "bio18", "bio19"]
    base = np.array([12.0, 20.0, 4.0, 700.0, 20.0, 90.0, 250.0])[:, None, None]
    rng = np.random.default_rng(1)
    values = base * (1 + 0.2 * rng.uniform(-1, 1, (7, axes[0].size, axes[1].size)))
    values[:, 3, 4] = np.nan
    bioclim = xr.DataArray(
        values.astype(np.float32),
        dict(zip(CONTEXT_DIMS, (names, *axes), strict=True)),
        CONTEXT_DIMS,
        "bioclim",
        {"grid_mapping": "spatial_ref_bioclim"},
    )
    mapping = {"crs_wkt": CRS("EPSG:3035").to_wkt()}
    bioclim = bioclim.assign_coords(spatial_ref_bioclim=((), 0, mapping))
    made = lx.cell_climate(bioclim, GRID, method="bilinear")
    lon, lat = np.meshgrid(GRID.coordinates()["lon"], GRID.coordinates()["lat"])
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True).transform(lon, lat)
    rain, driest = context_at(bioclim, x, y, crs="EPSG:3035", variables=["bio12", "bio14"])
    np.testing.assert_allclose(made["annual_precipitation"], rain, rtol=1e-5)
    np.testing.assert_allclose(made["driest_month_precipitation"], driest, rtol=1e-5)
    assert "approximated from bio01, bio10, bio11" in made.attrs["source"]
    whole = lx.cell_climate(bioclim.to_dataset(), GRID, method="bilinear")
    xr.testing.assert_identical(whole, made)


def test_cells_without_climate_stay_unknown_or_take_the_nearest():
    climate = monthly(*FINE)
    land = climate["lon"] < -7.0
    climate = climate.where(land)
    for name, units in (("tas", "degC"), ("pr", "mm/month")):
        climate[name].attrs["units"] = units
    made = lx.cell_climate(climate, GRID)
    assert np.isnan(made["coldest_month"]).values.sum(axis=0).tolist() == [0, 0, 3, 3]
    filled = lx.cell_climate(climate, GRID, on_missing="nearest")
    for column in (2, 3):
        expected = made["coldest_month"].isel(lon=1)
        np.testing.assert_array_equal(filled["coldest_month"].isel(lon=column), expected)
    assert "nearest cell" in filled.attrs["source"]


def test_cells_far_from_any_climate_are_not_made_up():
    far = monthly(np.arange(10.0, 16.0), np.arange(20.0, 26.0))
    assert np.isnan(lx.cell_climate(far, GRID)["coldest_month"]).all()


@pytest.mark.parametrize("method", ["mean", "bilinear", "nearest"])
def test_lazy_climate_stays_lazy(method):
    climate = monthly(*FINE)
    expected = lx.cell_climate(climate, GRID, method=method, on_missing="nearest")

    def refuse(*_, **__):
        raise AssertionError("computed")

    with dask.config.set(scheduler=refuse):
        made = lx.cell_climate(
            climate.chunk({"lat": 7, "month": 5}), GRID, method=method, on_missing="nearest"
        )
        assert all(v.chunks is not None for v in made.data_vars.values())
    xr.testing.assert_allclose(made, expected)


def test_fractions_on_a_rotated_grid_know_which_places_lie_in_their_cells():
    grid = lx.as_grid("EUR-44")
    climate = monthly(np.arange(34.0, 60.0, 0.2), np.arange(-5.0, 25.0, 0.2))
    fractions = made_fractions(lx.legend("elc10"), grid=grid)
    made = lx.cell_climate(climate, fractions)
    assert "mean of the places" in made.attrs["source"]
    assert made["coldest_month"].dims == ("rlat", "rlon")
    assert made["coldest_month"].attrs["grid_mapping"] in made.coords
    expected = lx.cell_climate(climate, grid)
    # A place on an edge may be given to either side.
    apart = np.abs(made["coldest_month"] - expected["coldest_month"])
    assert float((apart > 0.01).mean()) < 0.01
    known = expected["coldest_month"].notnull()
    assert 0.02 < float(known.mean()) < 0.9


def test_regions_take_the_mean_of_the_places_inside():
    shapes = [shapely.box(-8.2, 39.8, -6.8, 41.2), shapely.box(-6.35, 40.0, -6.32, 40.03)]
    regions = gpd.GeoDataFrame({"name": ["large", "tiny"]}, geometry=shapes, crs="EPSG:4326")
    climate = monthly(*FINE)
    made = lx.cell_climate(climate, regions, method="mean")
    inside = exact(climate).sel(lat=slice(39.8, 41.2), lon=slice(-8.2, -6.8)).mean()
    for name in NAMES:
        np.testing.assert_allclose(made[name].values, [inside[name], np.nan])
    # A region between places has none inside; its centre has some around it.
    filled = lx.cell_climate(climate, regions, method="bilinear")
    assert np.isfinite(filled["coldest_month"]).all()


def test_what_climate_lacks_is_said():
    climate = monthly(*COARSE)
    rate = climate.copy()
    rate["pr"] = rate["pr"].assign_attrs(units="kg m-2 s-1")
    bio = xr.Dataset({"bio01": climate["tas"][0], "bio12": climate["pr"][0]})
    for given, words in (
        (rate, r"'pr' 'kg m-2 s-1'; expected.*sum of a month"),
        (climate.isel(month=slice(6)), r"'month': 6.*expected twelve months"),
        (climate.assign_coords(month=np.arange(12)), r"months \[0, 1.*expected 1 to 12"),
        (climate["tas"], r"expected a dimension 'bioclim_variable'"),
        (climate[["tas"]], r"variables \['tas'\].*monthly 'tas'"),
        (bio, r"lacks bio18, bio19, bio10 and bio11 \(or bio04\), bio14"),
        (climate.rename(lat="a", lon="b").drop_vars(["a", "b"]), "no longitude on"),
    ):
        with pytest.raises(lx.CubeError, match=words):
            lx.cell_climate(given, GRID)
    for option in ({"method": "cubic"}, {"on_missing": "zero"}):
        with pytest.raises(lx.CubeError, match="unknown"):
            lx.cell_climate(climate, GRID, **option)


def test_worldclim_of_iberia_comes_to_cells_in_its_own_range(shared_data):
    bio = lx.read_worldclim(shared_data / "worldclim_10m_iberia" / "lacerta_climate_present_10m.nc")
    grid = lx.lonlat_grid(-9.0, 37.0, 0.0, 43.0, step=1.0)
    made = lx.cell_climate(bio, grid).compute()
    assert "mean of the places" in made.attrs["source"]
    assert "bio10, bio11, bio12, bio14, bio18, bio19" in made.attrs["source"]
    known = made["coldest_month"].notnull()
    # Only the sea off Valencia is without.
    assert float(known.mean()) > 0.9
    cold, bio11 = made["coldest_month"], bio.sel(bioclim_variable="bio11").compute()
    assert float(cold.min()) > float(bio11.min()) - 1
    assert (cold < made["warmest_month"]).where(known, True).all()
    # Sierra Nevada and the meseta are colder than the coast of Algarve.
    assert float(cold.sel(lat=41.5, lon=-2.5)) < float(cold.sel(lat=37.5, lon=-8.5)) - 5
