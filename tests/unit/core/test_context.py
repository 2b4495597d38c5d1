"""Context on a coarse grid: what is refused, lone cells, lazy reading, and its scaling."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from lulc_xr.core.context import BIOCLIM_UNITS, CoarseGrid, context_at
from lulc_xr.core.context_scaling import PRECIPITATION, ContextScaling, fit_context_scaling
from lulc_xr.core.errors import CubeError, SampleError
from tests.properties.test_context import coarse


def samples_with(values, names):
    coords = {"bioclim_variable": list(names)}
    return xr.Dataset({"bioclim": (("sample", "bioclim_variable"), np.array(values))}, coords)


def test_lazy_context_is_read_only_around_the_places():
    read = []

    def block(block_id):
        read.append(block_id)
        return np.full((1, 4, 4), block_id[1] * 10 + block_id[2], np.float32)

    lazy = da.map_blocks(block, chunks=((1,), (4,) * 8, (4,) * 8), meta=np.empty((0, 0, 0), "f4"))
    bioclim = coarse(np.zeros((1, 32, 32))).copy(data=lazy)
    with dask.config.set(scheduler="synchronous"):
        found = context_at(bioclim, [4.4], [51.6], crs="EPSG:4326")
    assert found == 0
    assert set(read) == {(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)}


def test_places_in_the_cubes_system_are_transformed():
    bioclim = coarse(np.arange(16.0).reshape(1, 4, 4), west=3.0)
    # The central meridian of UTM zone 31 is 3 degrees east: there, easting is 500 km.
    found = context_at(bioclim, 500_000.0, [5_761_038.2124], crs="EPSG:32631")
    assert found[0, 0] == pytest.approx(0, abs=1e-3)


def test_one_cell_needs_its_size():
    lone = coarse(np.full((1, 1, 1), 7.0))
    with pytest.raises(CubeError, match=r"one cell along an axis.*'GeoTransform'"):
        context_at(lone, 4.0, 52.0, crs="EPSG:4326")
    lone["spatial_ref_bioclim"].attrs["GeoTransform"] = "3.9 0.2 0 52.1 0 -0.2"
    found = context_at(lone, [4.0, 4.1, 4.19, 4.21], [52.0] * 4, crs="EPSG:4326")[0]
    np.testing.assert_array_equal(found, np.array([7, 7, 7, np.nan], np.float32))


def test_a_place_without_position_has_no_context():
    found = context_at(coarse(np.ones((2, 3, 3))), [np.nan, 4.1], [51.9, 51.9], crs="EPSG:4326")
    np.testing.assert_array_equal(np.isnan(found), [[True, False]] * 2)


def test_malformed_context_is_refused():
    bioclim = coarse(np.ones((2, 3, 3)))
    for changed, message in (
        (bioclim.transpose("y_bioclim", ...), r"dimensions.*lulc_xr\.write_context"),
        (bioclim.drop_vars("x_bioclim"), "'x_bioclim'.*no coordinate"),
        (bioclim.drop_vars("spatial_ref_bioclim"), "no reference system.*'crs_wkt'"),
        (bioclim.assign_coords(y_bioclim=[52, 51, 47]), "'y_bioclim'.*not evenly spaced"),
        (bioclim.assign_coords(bioclim_variable=["bio01"] * 2), "not all different"),
    ):
        with pytest.raises(CubeError, match=message):
            CoarseGrid.of(changed)


def test_a_missing_variable_is_named_with_the_way_to_add_it():
    with pytest.raises(CubeError, match=r"'bio1'.*nearest first: bio01.*write_context"):
        context_at(coarse(np.ones((2, 3, 3))), 4, 52, crs="EPSG:4326", variables=["bio1"])


def test_scaling_makes_samples_standard_after_the_logarithm_of_precipitation():
    rng = np.random.default_rng(1)
    raw = np.stack([rng.normal(9, 3, 500), rng.gamma(2, 300, 500)], axis=1)
    samples = samples_with(raw, ["bio01", "bio12"])
    scaling = fit_context_scaling(samples)
    scaled = scaling.scale(raw.T)
    np.testing.assert_allclose(scaled.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=1), 1, atol=1e-5)
    back = np.expm1(scaled[1].astype(float) * scaling.std[1] + scaling.mean[1])
    np.testing.assert_allclose(back, raw[:, 1], rtol=1e-4)


def test_all_amounts_of_precipitation_are_logged_and_nothing_else():
    assert {n for n, u in BIOCLIM_UNITS.items() if u == "mm"} == set(PRECIPITATION)


def test_scaling_refuses_what_it_cannot_scale():
    with pytest.raises(SampleError, match=r"bio05 is the same in all samples"):
        fit_context_scaling(samples_with([[1.0, 5.0], [2.0, 5.0]], ["bio01", "bio05"]))
    with pytest.raises(SampleError, match=r"bio12 is -3 mm"):
        fit_context_scaling(samples_with([[-3.0], [2.0]], ["bio12"]))
    with pytest.raises(SampleError, match=r"no context.*write_context"):
        fit_context_scaling(xr.Dataset())
    with pytest.raises(SampleError, match=r"'bio2'.*bio01"):
        fit_context_scaling(samples_with([[1.0], [2.0]], ["bio01"]), ["bio2"])
    with pytest.raises(SampleError, match="deviations positive"):
        ContextScaling(variables=("bio01",), mean=(0.0,), std=(0.0,))
