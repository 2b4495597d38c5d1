"""A process that dies while it replaces context leaves a cube that opens; a rerun mends it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import lulc_xr as lx
from tests.children import finer

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@pytest.fixture
def placed(store):
    lat, lon = np.arange(60, 40, -0.25), np.arange(-5, 15, 0.25)
    field = (lat[:, None] * 2 + lon).astype(np.float32)[None]
    coords = {"bioclim_variable": ["bio01"], "lat": lat, "lon": lon}
    return lx.write_context(xr.DataArray(field, coords, tuple(coords)), store)


@pytest.mark.parametrize("parts", [0, 4, 5])
def test_old_values_never_stand_beside_new_places(placed, parts):
    before = lx.open_cube(placed).load()
    command = [sys.executable, "-m", "tests.children", "context", str(placed), str(parts)]
    died = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    # Five folders make a context: then there is nothing left to die at.
    assert died.returncode == (7 if parts < 5 else 0), died.stderr
    opened = lx.open_cube(placed)
    np.testing.assert_array_equal(opened["reflectance"], before["reflectance"])
    assert ("bioclim" in opened) == (parts == 5)
    wanted = finer(before["bioclim"])
    lx.write_context(wanted, placed, overwrite=True)
    found = lx.open_cube(placed)["bioclim"].load()
    np.testing.assert_array_equal(
        found, wanted.sel(y_bioclim=found.y_bioclim, x_bioclim=found.x_bioclim)
    )
