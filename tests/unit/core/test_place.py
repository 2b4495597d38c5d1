"""Place as context: the same numbers for samples and for cells of a grid."""

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer

from lulc_xr.core.context import context_at
from lulc_xr.core.errors import SampleError
from lulc_xr.core.place import place_context

LAEA = CRS("EPSG:3035").to_wkt()


def make_samples(x, y, *, crs=LAEA, climate=True):
    samples = xr.Dataset({"x": ("sample", x), "y": ("sample", y)}, attrs={"crs_wkt": crs})
    if climate:
        table = np.arange(2 * len(x), dtype=np.float32).reshape(len(x), 2)
        samples["bioclim"] = (("sample", "bioclim_variable"), table)
        samples = samples.assign_coords(bioclim_variable=["bio01", "bio12"])
    return samples


def make_grid():
    lat, lon = np.arange(60.0, 40.0, -0.25), np.arange(0.0, 20.0, 0.25)
    mapping = xr.DataArray(0, attrs={"crs_wkt": CRS("EPSG:4326").to_wkt()})
    return xr.DataArray(
        np.ones((1, lat.size, lon.size), np.float32),
        {
            "bioclim_variable": ["bio01"],
            "y_bioclim": lat,
            "x_bioclim": lon,
            "spatial_ref_bioclim": mapping,
        },
        ("bioclim_variable", "y_bioclim", "x_bioclim"),
    )


def test_climate_stays_and_place_is_added():
    made = place_context(make_samples([4.3e6, 4.4e6], [3.0e6, 2.0e6]), waves=0)
    names = made["bioclim_variable"].values.tolist()
    assert names == ["bio01", "bio12", "place_x", "place_y"]
    assert made["bioclim"].dims == ("sample", "bioclim_variable")
    np.testing.assert_allclose(made["bioclim"][:, :2], [[0, 1], [2, 3]])
    np.testing.assert_allclose(made["bioclim"][:, 2:], [[0, 0], [0.1, -1]], atol=1e-6)


def test_waves_do_not_repeat_within_europe():
    x = np.linspace(2.5e6, 6.0e6, 60)
    made = place_context(make_samples(x, np.full(60, 3e6), climate=False))
    table = made["bioclim"].values
    assert table.shape == (60, 2 + 2 * (2 * 2 + 2))
    assert np.abs(table[:, 2:]).max() <= 1
    waves = table[:, 2:]
    apart = np.linalg.norm(waves[:, None] - waves[None], axis=-1)
    far = np.abs(x[:, None] - x[None]) > 5e5
    assert apart[far].min() > 0.5


def test_another_system_gives_the_same_place():
    to_utm = Transformer.from_crs("EPSG:3035", "EPSG:32632", always_xy=True)
    x, y = np.array([4.2e6, 4.3e6]), np.array([2.9e6, 3.1e6])
    there = to_utm.transform(x, y)
    own = place_context(make_samples(x, y))
    other = place_context(make_samples(*there, crs=CRS("EPSG:32632").to_wkt()))
    np.testing.assert_allclose(own["bioclim"], other["bioclim"], atol=2e-6)


def test_maps_see_what_samples_saw():
    grid = place_context(make_grid())
    assert grid["bioclim_variable"].values.tolist()[:3] == ["bio01", "place_x", "place_y"]
    x, y = np.array([4.1e6, 4.35e6, 4.5e6]), np.array([2.7e6, 3.0e6, 3.2e6])
    between = context_at(grid, x, y, crs=LAEA)
    samples = place_context(make_samples(x, y, climate=False))
    # Cells of a quarter of a degree, bilinear: the curve of a wave between them is small.
    np.testing.assert_allclose(between[1:].T, samples["bioclim"], atol=2e-3)


@pytest.mark.parametrize(
    ("change", "waves", "message"),
    [
        (lambda s: s.drop_vars("x"), 2, r"no 'x' \(metres\)"),
        (lambda s: s.drop_attrs(), 2, "no attribute 'crs_wkt'"),
        (lambda s: s, -1, "waves=-1; give 0"),
        (place_context, 2, "has place_x, place_y.* already"),
    ],
)
def test_what_is_missing_is_said(change, waves, message):
    with pytest.raises(SampleError, match=message):
        place_context(change(make_samples([4.3e6], [3.0e6])), waves=waves)
