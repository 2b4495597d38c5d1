"""Readers of WorldClim and CHELSA: true units, areas, what is refused."""

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

import lulc_xr as lx
from lulc_xr.core.context import BIOCLIM_UNITS, CONTEXT_DIMS, context_at
from lulc_xr.core.errors import CubeError

BIO = [name for name in BIOCLIM_UNITS if name != "elevation"]


def write_raster(path, values, *, dtype, nodata, scale=None, offset=None, step=0.25):
    settings = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1]}
    transform = from_origin(4.0, 52.0, step, step)
    with rasterio.open(
        path, "w", **settings, dtype=dtype, nodata=nodata, crs="EPSG:4326", transform=transform
    ) as target:
        target.write(values.astype(dtype), 1)
        if scale is not None:
            target.scales, target.offsets = (scale,), (offset,)


def truth(name, shape=(6, 8)):
    """A plausible field of each variable, in true units."""
    steps = np.arange(np.prod(shape), dtype=float).reshape(shape)
    base = {"degC": 5.0, "mm": 300.0, "percent": 40.0, "m": 100.0}.get(BIOCLIM_UNITS[name], 600.0)
    return base + steps / 10


@pytest.fixture
def chelsa(tmp_path):
    """The 19 files as CHELSA 2.1 distributes them: DN = (value - offset) / scale."""
    kelvin = {"bio01", "bio05", "bio06", "bio08", "bio09", "bio10", "bio11"}
    for number, name in enumerate(BIO, 1):
        dn = np.rint((truth(name) + (273.15 if name in kelvin else 0)) / 0.1)
        dn[0, 0] = 65535
        file = tmp_path / f"CHELSA_bio{number}_1981-2010_V.2.1.tif"
        write_raster(file, dn, dtype="uint16", nodata=65535)
    return tmp_path


def test_chelsa_has_true_units_and_differences_take_no_offset(chelsa):
    found = lx.read_chelsa(chelsa)
    assert found.dims == CONTEXT_DIMS
    assert list(found["bioclim_variable"].values) == BIO
    for name in BIO:
        values = found.sel(bioclim_variable=name).values
        assert np.isnan(values[0, 0])
        expected = truth(name)
        expected[0, 0] = np.nan
        # Half of a stored step of 0.1.
        np.testing.assert_allclose(values, expected, atol=0.0501, err_msg=name)


def test_worldclim_rasters_are_read_as_they_are(tmp_path):
    for number, name in enumerate(BIO, 1):
        write_raster(
            tmp_path / f"wc2.1_10m_bio_{number}.tif", truth(name), dtype="float32", nodata=-3.4e38
        )
    write_raster(tmp_path / "wc2.1_10m_elev.tif", truth("elevation"), dtype="int16", nodata=-32768)
    found = lx.read_worldclim(tmp_path)
    assert list(found["bioclim_variable"].values) == list(BIOCLIM_UNITS)
    for name in BIO:
        np.testing.assert_allclose(found.sel(bioclim_variable=name), truth(name), rtol=1e-6)
    # The first cell's centre lies half a cell inside the corner.
    assert (float(found["x_bioclim"][0]), float(found["y_bioclim"][0])) == (4.125, 51.875)
    np.testing.assert_allclose(
        context_at(found, 4.125, 51.875, crs="EPSG:4326", variables=["bio12"]), truth("bio12")[0, 0]
    )


def test_only_the_cells_of_an_area_are_read(chelsa):
    bbox = (4.6, 50.9, 5.2, 51.6)
    part = lx.read_chelsa(chelsa, bbox=bbox)
    whole = lx.read_chelsa(chelsa)
    # Cells of 0.25 degree that touch the area: x 4.5 to 5.25, y 50.75 to 51.75.
    assert part.shape == (19, 4, 3)
    np.testing.assert_array_equal(
        part, whole.sel(y_bioclim=part.y_bioclim, x_bioclim=part.x_bioclim)
    )
    with pytest.raises(CubeError, match=r"bbox \(50.9.*lies off the raster.*longitude first"):
        lx.read_chelsa(chelsa, bbox=(50.9, 4.6, 51.6, 5.2))


def test_a_large_raster_is_read_in_blocks_that_fit_together(tmp_path):
    values = np.add.outer(np.arange(700) / 100, np.arange(4500) / 100)
    write_raster(tmp_path / "wc2.1_30s_bio_1.tif", values, dtype="float32", nodata=-9999, step=0.01)
    found = lx.read_worldclim(tmp_path)
    assert found.data.numblocks == (1, 2, 3)
    np.testing.assert_allclose(found[0], values, rtol=1e-6)
    part = lx.read_worldclim(tmp_path, bbox=(24.0, 45.5, 25.0, 47.0))
    rows, columns = (np.flatnonzero(np.isin(found[n], part[n])) for n in CONTEXT_DIMS[1:])
    np.testing.assert_allclose(part[0], values[np.ix_(rows, columns)], rtol=1e-6)


def test_nothing_is_read_until_values_are_asked_for(chelsa):
    def refuse(*_, **__):
        raise AssertionError("computed")

    with dask.config.set(scheduler=refuse):
        found = lx.read_chelsa(chelsa)
        with pytest.raises(AssertionError, match="computed"):
            found.load()


def test_tags_that_agree_change_nothing_and_others_are_refused(tmp_path):
    dn = np.full((4, 4), 2832)
    file = tmp_path / "CHELSA_bio1_1981-2010_V.2.1.tif"
    write_raster(file, dn, dtype="uint16", nodata=65535, scale=0.1, offset=-273.15)
    np.testing.assert_allclose(lx.read_chelsa(file), 10.05, atol=1e-4)
    write_raster(file, dn, dtype="uint16", nodata=65535, scale=0.1, offset=0.0)
    with pytest.raises(CubeError, match=r"tags scale 0\.1, offset 0; CHELSA 2\.1 has 0\.1 and -"):
        lx.read_chelsa(file)
    seven = tmp_path / "seven" / "CHELSA_bio7_1981-2010_V.2.1.tif"
    seven.parent.mkdir()
    write_raster(seven, dn // 10, dtype="uint16", nodata=65535, scale=0.1, offset=-273.15)
    with pytest.raises(CubeError, match=r"bio07.*offset -273\.15; CHELSA 2\.1 has 0\.1 and 0"):
        lx.read_chelsa(seven)


def test_what_was_scaled_already_is_refused(tmp_path):
    file = tmp_path / "CHELSA_bio1_1981-2010_V.2.1.tif"
    write_raster(file, truth("bio01"), dtype="float32", nodata=-9999)
    with pytest.raises(CubeError, match=r"float32.*whole numbers.*scaled twice"):
        lx.read_chelsa(file)


def test_tenths_are_not_taken_for_degrees(tmp_path):
    file = tmp_path / "bio1.tif"
    write_raster(file, truth("bio01") * 10 + 30, dtype="int16", nodata=-9999)
    with pytest.raises(CubeError, match=r"bio01 .*expected -90 to 70 degC.*version='1\.4'"):
        lx.read_worldclim(file).load()
    np.testing.assert_allclose(
        lx.read_worldclim(file, version="1.4")[0],
        np.floor(truth("bio01") * 10 + 30) / 10,
        rtol=1e-6,
    )
    with pytest.raises(CubeError, match=r"unknown version of WorldClim '2'"):
        lx.read_worldclim(file, version="2")


def test_folders_must_hold_one_grid_and_one_file_of_each(tmp_path):
    with pytest.raises(CubeError, match=r"no WorldClim 2\.1 raster at"):
        lx.read_worldclim(tmp_path)
    write_raster(tmp_path / "wc2.1_10m_bio_1.tif", truth("bio01"), dtype="float32", nodata=-1)
    write_raster(tmp_path / "wc2.1_5m_bio_1.tif", truth("bio01"), dtype="float32", nodata=-1)
    with pytest.raises(CubeError, match=r"both hold bio01"):
        lx.read_worldclim(tmp_path)
    (tmp_path / "wc2.1_5m_bio_1.tif").unlink()
    write_raster(
        tmp_path / "wc2.1_5m_bio_2.tif", truth("bio02"), dtype="float32", nodata=-1, step=0.1
    )
    with pytest.raises(CubeError, match=r"'wc2.1_5m_bio_2.tif' lies on another grid"):
        lx.read_worldclim(tmp_path)


def test_a_netcdf_in_kelvin_is_refused(tmp_path):
    coords = {"latitude": [51.0, 50.0], "longitude": [4.0, 5.0]}
    values = xr.DataArray(np.full((2, 2), 283.0, "f4"), coords, tuple(coords), attrs={"units": "K"})
    values.to_dataset(name="bio01").to_netcdf(tmp_path / "a.nc")
    with pytest.raises(CubeError, match=r"bio01 .*units 'k'; WorldClim has degrees Celsius"):
        lx.read_worldclim(tmp_path / "a.nc")
    values.attrs.clear()
    values.to_dataset(name="bio01").to_netcdf(tmp_path / "b.nc")
    with pytest.raises(CubeError, match=r"bio01 .*is 283; expected -90 to 70"):
        lx.read_worldclim(tmp_path / "b.nc").load()
    values.to_dataset(name="t2m").to_netcdf(tmp_path / "c.nc")
    with pytest.raises(CubeError, match=r"no bio01 to bio19 in .*t2m"):
        lx.read_worldclim(tmp_path / "c.nc")


def test_worldclim_of_iberia_keeps_the_identities_of_its_definitions(shared_data):
    file = shared_data / "worldclim_10m_iberia/lacerta_climate_present_10m.nc"
    found = lx.read_worldclim(file).load()
    assert list(found["bioclim_variable"].values) == list(BIOCLIM_UNITS)
    v = {str(n): found.sel(bioclim_variable=n).values for n in found["bioclim_variable"].values}
    # From the data's own description.
    assert int(np.isfinite(v["bio01"]).sum()) == 2435
    assert [round(float(f(v["bio01"])), 1) for f in (np.nanmin, np.nanmax)] == [2.5, 18.5]
    assert [round(float(f(v["bio12"]))) for f in (np.nanmin, np.nanmax)] == [220, 1797]
    # From the definitions.
    np.testing.assert_allclose(v["bio07"], v["bio05"] - v["bio06"], atol=1e-4)
    np.testing.assert_allclose(v["bio03"], 100 * v["bio02"] / v["bio07"], rtol=1e-5)
    land = np.isfinite(v["bio01"])
    for less, more in (
        ("bio11", "bio01"), ("bio01", "bio10"), ("bio10", "bio05"), ("bio06", "bio11"),
        ("bio11", "bio08"), ("bio08", "bio10"), ("bio11", "bio09"), ("bio09", "bio10"),
        ("bio14", "bio13"), ("bio17", "bio18"), ("bio18", "bio16"), ("bio17", "bio19"),
        ("bio19", "bio16"), ("bio16", "bio12"), ("bio13", "bio16"), ("bio14", "bio17"),
    ):  # fmt: skip
        assert (v[less][land] <= v[more][land] + 1e-4).all(), (less, more)
    assert (3 * v["bio14"][land] <= v["bio17"][land] + 1e-3).all()
    assert (v["bio16"][land] <= 3 * v["bio13"][land] + 1e-3).all()
    part = lx.read_worldclim(file, bbox=(-6, 37, -5, 38))
    assert (part["x_bioclim"].values > -6).all()
    assert part.size > 0


def test_context_of_iberia_at_a_coast_is_that_of_land(shared_data):
    file = shared_data / "worldclim_10m_iberia/lacerta_climate_present_10m.nc"
    found = lx.read_worldclim(file).load()
    known = np.isfinite(found.sel(bioclim_variable="bio01").values)
    coast = known & ~np.roll(known, 1, axis=1)
    rows, columns = np.nonzero(coast)
    x, y = found["x_bioclim"].values[columns], found["y_bioclim"].values[rows]
    # A tenth of a cell out to sea.
    there = context_at(found, x - 0.1 / 6, y, crs="EPSG:4326", variables=["bio01"])[0]
    assert np.isfinite(there).all()


def test_half_degree_europe_has_tenths_and_plausible_climates(shared_data):
    folder = shared_data / "europe_halfdegree"
    warm = lx.read_worldclim(folder / "bio01_mean_50km.tif", version="1.4").load()
    # Its description: -38 to 187 tenths of a degree.
    assert [round(float(warm.min()), 1), round(float(warm.max()), 1)] == [-3.8, 18.7]
    with pytest.raises(CubeError, match=r"version='1\.4'"):
        lx.read_worldclim(folder / "bio01_mean_50km.tif").load()


def test_worldclim_1_4_gives_the_values_its_description_states(shared_data, tmp_path):
    for name in ("bio11", "bio12"):
        # float32, 94 x 240 cells of 1.5 degrees from 83.5 north, 180 west: see its description.
        raw = np.fromfile(shared_data / f"bioclim_coarse/{name}.gri", "<f4").reshape(94, 240)
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", count=1, height=94, width=240,
            dtype="float32", nodata=float(raw.min()), transform=from_origin(-180, 83.5, 1.5, 1.5),
        ) as target:  # fmt: skip
            target.write(raw, 1)
    found = lx.read_worldclim(tmp_path, version="1.4").load()
    for lat, lon, cold, rain in (
        (50.73, 7.1, 2.2, 822), (37.39, -5.98, None, 624), (65.0, 25.5, -10.3, 510),
    ):  # fmt: skip
        here = found.sel(y_bioclim=lat, x_bioclim=lon, method="nearest").values
        assert here[1] == pytest.approx(rain, abs=0.51)
        if cold is not None:
            assert here[0] == pytest.approx(cold, abs=0.051)
