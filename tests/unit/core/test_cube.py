"""The cube contract: what is accepted, and what is said when something is missing."""

import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.cube import BANDS, DIMS, check_bands, check_cube, check_scale, crs_of
from lulc_xr.core.errors import CubeError
from lulc_xr.core.georeference import affine_of, grid_mapping_variable, zarr_conventions


def test_dimensions_may_come_in_any_order(cube):
    found = check_cube(cube.transpose("x", "band", "y", "time"))
    assert found["reflectance"].dims == DIMS
    assert found["clear"].dims == ("time", "y", "x")
    xr.testing.assert_identical(found, cube)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.drop_vars("reflectance"),
            r"no variable 'reflectance'.*has \['clear', 'reference'\]",
        ),
        (
            lambda c: c.rename(band="channel"),
            r"missing: \['band'\], unknown: \['channel'\]\).*Rename",
        ),
        (lambda c: c.isel(time=0), r"expected \('time', 'band', 'y', 'x'\).*missing: \['time'\]"),
        (lambda c: c.drop_vars("y"), "dimension 'y' has no coordinate"),
        (lambda c: c.assign(reflectance=c.reflectance.astype(complex)), "is complex128; expected"),
        (lambda c: c.assign(clear=c.clear.astype(float)), r"'clear' is float64.*astype\('uint8'\)"),
        (
            lambda c: c.assign(clear=c.clear[0]),
            r"'clear' has dimensions .* expected \(time, y, x\)",
        ),
        (lambda c: c.assign_coords(time=np.arange(12)), "'time' is int64; expected datetime64"),
        (lambda c: c.isel(time=[0, 2, 1]), "not strictly ascending: 2018-02.* follows 2018-03"),
        (lambda c: c.isel(time=[0, 1, 1]), "Sort by time and merge dates of the same moment"),
        (lambda c: c.isel(x=[0, 1, 3]), "'x' is not evenly spaced"),
        (
            lambda c: c.drop_vars("spatial_ref"),
            r"no coordinate reference system.*ds\.odc\.assign_crs",
        ),
    ],
)
def test_what_is_no_cube_is_refused(cube, change, message):
    with pytest.raises(CubeError, match=message):
        check_cube(change(cube))


def test_a_missing_band_lists_what_the_cube_has(cube):
    with pytest.raises(CubeError) as caught:
        check_bands(cube, ["red", "nir08"])
    message = str(caught.value)
    assert "unknown band 'nir08'. Known, nearest first: nir, " in message
    assert {"green", "red", "nir"} <= set(message.replace(",", " ").replace(".", " ").split())
    assert "The model needs red, nir08" in message


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1e4, "expected about 0 to 1. It looks unscaled: multiply by 0.0001"),
        (1e-4, "It looks scaled twice: divide by 0.0001"),
    ],
)
def test_wrong_scales_are_named(cube, factor, message):
    with pytest.raises(CubeError, match=message):
        check_scale(cube["reflectance"].values * factor)


@pytest.mark.parametrize("value", [0.0, 0.5, np.nan, 1.6, 3e-4])
def test_plausible_scales_pass(value):
    check_scale(np.full(5, value))


def test_the_crs_is_found_by_its_grid_mapping(cube):
    renamed = cube.rename(spatial_ref="utm")
    renamed["reflectance"].encoding["grid_mapping"] = "utm"
    assert crs_of(renamed) == cube["spatial_ref"].attrs["crs_wkt"]


def test_the_affine_gives_the_pixel_centres(cube):
    a, b, c, d, e, f = affine_of(cube)
    rows, columns = np.arange(cube.sizes["y"]) + 0.5, np.arange(cube.sizes["x"]) + 0.5
    np.testing.assert_allclose(a * columns + b * rows[0] + c, cube["x"])
    np.testing.assert_allclose(d * columns[0] + e * rows + f, cube["y"])


@pytest.mark.parametrize("lone", [{"y": [3]}, {"x": [3]}])
def test_a_row_of_pixels_has_square_pixels(cube, lone):
    expected = affine_of(cube)
    found = affine_of(cube.isel(lone))
    assert found[0] == expected[0]
    assert found[4] == expected[4]


def test_both_conventions_say_the_same(cube):
    mapping = grid_mapping_variable(cube).attrs
    conventions = zarr_conventions(cube)
    c, a, b, f, d, e = (float(v) for v in mapping["GeoTransform"].split())
    assert conventions["spatial:transform"] == [a, b, c, d, e, f]
    assert conventions["spatial:shape"] == [37, 50]
    assert conventions["spatial:bbox"] == [500000, 5600000 - 370, 500000 + 500, 5600000]
    assert conventions["proj:code"] == "EPSG:32631"
    assert conventions["proj:wkt2"].split('"')[1] == mapping["crs_wkt"].split('"')[1]


def test_band_names_are_known_once():
    assert len(set(BANDS)) == len(BANDS)
