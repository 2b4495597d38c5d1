"""A small landscape as a store, its points as files, samples, and a model: made once, copied."""

import shutil
import warnings
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.legend import Legend
from lulc_xr.cube.store import write_cube
from lulc_xr.jobs.cli import app
from lulc_xr.testing import landscape, points


@pytest.fixture(scope="session")
def area(tmp_path_factory):
    """Folder with cube.zarr (4 x 3 shards, no map), points.gpkg, named.csv, samples.zarr, model."""
    folder = tmp_path_factory.mktemp("area")
    cube = landscape(y=56, x=40, time=14, bands=("green", "red", "nir"), classes=3, seed=1)
    plan = ChunkPlan(chunks={"y": 16, "x": 16}, shards={"y": 16, "x": 16})
    write_cube(cube, folder / "cube.zarr", plan=plan)
    drawn = points(cube, per_class=12)
    names = dict(enumerate(Legend.from_flags(cube["reference"].attrs).names))
    with warnings.catch_warnings():
        # Upstream: the writers of GeoPandas warn of their own libraries.
        warnings.simplefilter("ignore")
        drawn.to_file(folder / "points.gpkg")
        drawn.to_crs("EPSG:4326").to_parquet(folder / "points.parquet")
    table = drawn.drop(columns="geometry").assign(x=drawn.geometry.x, y=drawn.geometry.y)
    table["kind"] = table["land_cover"].map(names)
    table.to_csv(folder / "named.csv", index=False)
    run_cli(
        "sample", folder / "cube.zarr", folder / "points.gpkg", "--out", folder / "samples.zarr"
    )
    run_cli("train", folder / "samples.zarr", "--out", folder / "model", "--epochs", 8)
    assert (folder / "model" / "model.safetensors").is_file()
    return folder


@pytest.fixture
def place(area, tmp_path):
    """A copy of the area to change, and the command line on it."""
    shutil.copytree(area, tmp_path / "area")
    return tmp_path / "area"


@pytest.fixture
def cli():
    """``cli("info", store)`` runs a command: exit_code, stdout, stderr."""
    return run_cli


@pytest.fixture(scope="session")
def cli_once():
    """The same for fixtures that outlive a test: it must succeed."""

    def run(*arguments):
        told = run_cli(*arguments)
        assert told.exit_code == 0, told.err
        return told

    return run


def run_cli(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "160"})
    return SimpleNamespace(
        exit_code=result.exit_code,
        out=" ".join(result.stdout.split()),
        err=" ".join(result.stderr.split()),
        exception=result.exception,
    )
