"""Land-model files before the tools that read them, and writers that are killed."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lulc_xr as lx
from lulc_xr.core.grids import named_grid
from tests.clm_surface import make_template, read_cover, sums_of
from tests.fractions import lonlat_coordinates
from tests.plant_types import cell_coordinates, made_plant_types, rotated_coordinates

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


def run(*command):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def check_cf(path, folder):
    """Findings of the compliance checker: all of them, not errors alone."""
    checker = Path(sys.executable).with_name("compliance-checker")
    if not checker.exists():
        pytest.skip("compliance-checker is not installed; it comes with lulc_xr[test]")
    report = folder / "report.json"
    run(checker, "--test", "cf:1.10", "--format", "json", "--output", report, path)
    found = json.loads(report.read_text())["cf:1.10"]
    return [
        message
        for priority in ("high_priorities", "medium_priorities", "low_priorities")
        for check in found[priority]
        for message in check["msgs"]
    ]


@pytest.fixture(scope="module")
def eur_11(tmp_path_factory, shared_data):
    """TSMP's file of all of EUR-11 with its own land mask."""
    plants = made_plant_types(named_grid("EUR-11").coordinates())
    mask = lx.tsmp_land_mask(shared_data / "grids" / "tsmp_oasis_masks_EUR-11.nc")
    path = tmp_path_factory.mktemp("tsmp") / "pft.nc"
    report = lx.export_tsmp(plants, path, land_mask=mask)
    assert report.cells["mapped"] == int(mask.sum())
    return path


def test_the_compliance_checker_finds_nothing(eur_11, tmp_path):
    assert check_cf(eur_11, tmp_path) == []


@pytest.mark.parametrize("sea", ["zero", "missing"])
@pytest.mark.parametrize("grid", [rotated_coordinates(), cell_coordinates(), lonlat_coordinates()])
def test_small_files_of_other_grids_comply_too(tmp_path, grid, sea):
    lx.export_tsmp(made_plant_types(grid), tmp_path / "pft.nc", sea=sea, dtype="float32")
    assert check_cf(tmp_path / "pft.nc", tmp_path) == []


def test_cdo_sees_the_rotated_grid_and_exact_sums(eur_11, tmp_path):
    cdo = tool("cdo")
    shown = run(cdo, "sinfon", eur_11)
    assert "points=174688 (424x412)" in shown
    assert "mapping : rotated_latitude_longitude" in shown
    assert "available : cellbounds" in shown
    assert "rlon : -28.375 to 18.155 by 0.11" in shown
    summed = run(cdo, "-s", "outputf,%.17g,1", "-vertsum", "-selname,PCT_PFT", eur_11).split()
    assert sorted(set(map(float, summed))) == [0.0, 100.0]


def test_ncdump_shows_where_the_file_comes_from(eur_11):
    header = run(tool("ncdump"), "-h", eur_11)
    assert "double PCT_PFT(pft, rlat, rlon)" in header
    assert ':lulc_xr_model_hash = "abc123"' in header
    assert 'PCT_PFT:grid_mapping = "rotated_pole"' in header


def test_cdo_reads_a_surface_file_and_a_series(tmp_path):
    cdo = tool("cdo")
    plants = made_plant_types(years=(2018, 2020))
    template = make_template(tmp_path / "template.nc", rotated_coordinates())
    surface = tmp_path / "surface.nc"
    lx.export_clm_surface(template, plants, surface, year=2018)
    lx.export_clm_landuse(plants, tmp_path / "landuse.nc", template=surface)
    assert "PCT_NAT_PFT" in run(cdo, "sinfon", surface)
    for name in ("PCT_CROP_MAX", "PCT_CFT", "YEAR"):
        assert name in run(cdo, "sinfon", tmp_path / "landuse.nc")


KILLED = """
import os, signal, sys
import lulc_xr as lx
import lulc_xr.analysis.{module} as module
from tests.fractions import lonlat_coordinates
from tests.plant_types import made_plant_types

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

module.{function} = die
plants = made_plant_types(years=(2018, 2020))
folder = sys.argv[1]
{call}
"""
SURFACE = "lx.export_clm_surface(f'{folder}/t.nc', plants, f'{folder}/out.nc', year=2018{more})"
SERIES = "lx.export_clm_landuse(plants, f'{folder}/out.nc', template=f'{folder}/t.nc'{more})"
TSMP = "lx.export_tsmp(plants, f'{folder}/out.nc', year=2018{more})"
WHEN = [
    ("clm_surface", "add_attributes", SURFACE),
    ("clm_surface", "_overlay", SURFACE),
    ("clm_landuse", "add_attributes", SERIES),
    ("whole_file", "os.fsync", TSMP),
]


@pytest.mark.parametrize(("module", "function", "call"), WHEN)
@pytest.mark.parametrize("there", [False, True])
def test_a_killed_writer_leaves_no_file_or_the_old_one(tmp_path, module, function, call, there):
    make_template(tmp_path / "t.nc", rotated_coordinates())
    target = tmp_path / "out.nc"
    if there:
        target.write_bytes(b"old")
    call = call.replace("{more}", ", overwrite=True" if there else "")
    code = KILLED.format(module=module, function=function, call=call)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert target.exists() == there
    assert not there or target.read_bytes() == b"old"
    # What it left beside is hidden, and the next run isn't disturbed by it.
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".out.nc.")]
    plants = made_plant_types(years=(2018, 2020))
    lx.export_clm_surface(tmp_path / "t.nc", plants, target, year=2018, overwrite=True)
    assert all((sums_of(values) == 100).all() for values in read_cover(target).values())
