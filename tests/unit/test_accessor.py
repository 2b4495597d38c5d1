"""The accessor says what the functions say; importing the package loads no PyTorch."""

import inspect
import subprocess
import sys

import pytest
import xarray as xr

import lulc_xr as lx
from lulc_xr.accessor import LulcAccessor, as_predictor
from lulc_xr.core.errors import CubeError, ModelError
from tests.conftest import small_plan
from tests.predictors import Ratio


def test_importing_the_package_loads_no_torch():
    code = (
        "import sys, lulc_xr\n"
        "heavy = {'torch', 'lightning', 'torchmetrics', 'safetensors', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_who_uses_the_maps_never_loads_torch(tmp_path):
    cube = lx.testing.landscape(y=48, x=48, time=6, bands=("red", "nir"), classes=3)
    store = lx.write_cube(cube, tmp_path / "area.zarr", plan=small_plan(48, 24))
    maps = cube["reference"].expand_dims(year=[2018]).to_dataset(name="land_cover")
    lx.write_variables(maps, store, progress=False)
    code = """
import sys
import lulc_xr as lx
maps = lx.open_cube(sys.argv[1])
found = maps.lulc.fractions("EUR-11").compute()
mask = maps.lulc.mask("woodland").compute()
areas = maps.lulc.area(lx.lonlat_grid(-20, 30, 40, 70, step=10)).compute()
lx.write_fractions(found, sys.argv[2])
print(sorted({"torch", "lightning", "torchmetrics", "safetensors"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, str(store), str(tmp_path / "fractions.nc")]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert sorted(lx.__all__) == dir(lx)
    for name in lx.__all__:
        assert getattr(lx, name) is not None
    with pytest.raises(AttributeError, match="module 'lulc_xr' has no attribute 'nothing'"):
        lx.nothing  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        "aggregate",
        "area",
        "classify",
        "composite",
        "consistent",
        "extract_samples",
        "mask",
        "smooth",
        "to_cog",
        "transitions",
        "write_cube",
        "write_variables",
    ],
)
def test_methods_have_the_signature_of_their_functions(name):
    _, *function = inspect.signature(getattr(lx, name)).parameters.values()
    _, *method = inspect.signature(getattr(LulcAccessor, name)).parameters.values()
    wanted = [(p.name, p.default) for p in function if p.name != "progress"]
    assert [(p.name, p.default) for p in method if p.name != "progress"] == wanted


def test_methods_do_what_the_functions_do(cube, tmp_path):
    store = cube.lulc.write_cube(tmp_path / "cube.zarr", plan=small_plan(16, 8))
    opened = lx.open_cube(store)
    maps = opened.lulc.classify(Ratio())
    assert maps["land_cover"].data.name == lx.classify(opened, Ratio())["land_cover"].data.name
    assert maps.lulc.write_variables(store, progress=False).written == 12
    xr.testing.assert_identical(cube.lulc.composite("2MS"), lx.composite(cube, "2MS"))


def test_objects_of_a_map_come_from_the_same_face(cube):
    bands = [str(band) for band in cube["band"].values]
    segments = cube.lulc.segment(size=5, tile=16, bands=bands)
    xr.testing.assert_identical(segments, lx.segment(cube, size=5, tile=16, bands=bands))
    maps = cube.lulc.classify(Ratio(), outputs=("land_cover", "probability"))
    xr.testing.assert_identical(maps.lulc.aggregate(segments), lx.aggregate(maps, segments))
    xr.testing.assert_identical(maps.lulc.smooth(window=3), lx.smooth(maps, window=3))


def test_a_path_is_loaded(cube, tmp_path):
    with pytest.raises(ModelError, match="none"):
        cube.lulc.classify(tmp_path / "none")
    model = Ratio()
    assert as_predictor(model) is model


def test_a_dataset_that_is_no_cube_is_refused(cube):
    with pytest.raises(CubeError, match="no variable 'reflectance'"):
        cube.drop_vars("reflectance").lulc.classify(Ratio())
