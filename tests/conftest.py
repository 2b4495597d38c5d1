"""What many tests need: settings of hypothesis, a made-up cube, its store, a cache of their own."""

import os
import shutil
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.cube.store import open_cube, write_cube
from lulc_xr.cube.write import write_variables
from lulc_xr.prediction.classify import classify
from lulc_xr.testing import landscape
from tests.predictors import Ratio

ROOT = Path(__file__).parents[1]

hypothesis.settings.register_profile(
    "lulc_xr",
    deadline=None,
    max_examples=20,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("lulc_xr")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Models that tests classify with are kept in a folder that goes away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LULC_XR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data that the project cannot carry: beside the checkout, or LULC_XR_SHARED."""
    folder = Path(os.environ.get("LULC_XR_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}; set LULC_XR_SHARED to the folder above it")
    return folder


@pytest.fixture(scope="session")
def cube():
    """A landscape of 37 x 50 pixels, 12 dates, three bands, in memory."""
    made = landscape(y=37, x=50, time=12, bands=("green", "red", "nir"), classes=3, seed=4)
    # No date of the first pixels was clear.
    made["clear"][:, :3, :4] = np.uint8(0)
    return made


@pytest.fixture(scope="session")
def made_store(cube, tmp_path_factory):
    """That cube as a store that no test changes."""
    return write_cube(cube, tmp_path_factory.mktemp("made") / "cube.zarr", plan=small_plan(16, 8))


@pytest.fixture
def store(made_store, tmp_path):
    """That cube as a store with shards of 16 x 16 pixels: 3 x 4 of them."""
    return Path(shutil.copytree(made_store, tmp_path / "cube.zarr"))


@pytest.fixture(scope="session")
def made_maps(made_store, tmp_path_factory):
    """The store with class map, entropy and probabilities; no test changes it."""
    store = shutil.copytree(made_store, tmp_path_factory.mktemp("made") / "mapped.zarr")
    outputs = ("land_cover", "entropy", "probability")
    write_variables(classify(open_cube(store), Ratio(), outputs=outputs), store, progress=False)
    return store


@pytest.fixture
def mapped(made_maps, tmp_path):
    """A copy of that store."""
    return Path(shutil.copytree(made_maps, tmp_path / "mapped.zarr"))


def small_plan(shard, chunk):
    return ChunkPlan(chunks={"y": chunk, "x": chunk}, shards={"y": shard, "x": shard})
