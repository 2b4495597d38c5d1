"""The command line from maps to files of land models."""

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

import lulc_xr as lx
from lulc_xr.core.grids import list_grids
from lulc_xr.core.plant_rules import PLANT_CLIMATE
from lulc_xr.cube.class_raster import open_class_map
from tests.plant_types import BONN

LEGEND = "lucas_lc1_level1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """map.tif of 60 x 50 pixels of 500 m around Bonn, and climate.nc of one climate."""
    made = tmp_path_factory.mktemp("land")
    ids = np.array(lx.legend(LEGEND).ids, np.uint8)
    values = np.random.default_rng(3).choice(ids, (60, 50))
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "height": 60, "width": 50, "nodata": 255,
        "crs": "EPSG:32632", "transform": from_origin(350_000, 5_640_000, 500, 500),
    }  # fmt: skip
    with rasterio.open(made / "map.tif", "w", **profile) as target:
        target.write(values, 1)
    lat, lon = np.arange(48, 53.0), np.arange(4, 11.0)
    shape = (lat.size, lon.size)
    assert set(BONN) == set(PLANT_CLIMATE)
    xr.Dataset(
        {name: (("lat", "lon"), np.full(shape, value)) for name, value in BONN.items()},
        {"lat": lat, "lon": lon},
    ).to_netcdf(made / "climate.nc")
    return made


def of_raster(folder, *rest):
    return (folder / "map.tif", "--grid", "EUR-11", "--years", 2018, "--legend", LEGEND, *rest)


@pytest.mark.parametrize("name", ["f.nc", "f.zarr"])
def test_a_raster_becomes_a_file_of_fractions(cli, folder, tmp_path, name):
    told = cli("fractions", *of_raster(folder, "--out", tmp_path / name))
    assert told.exit_code == 0, told.err
    assert "1 map of 2018, 0.003 million pixels, 8 classes → EUR-11, 412 x 424" in told.out
    found = lx.open_fractions(tmp_path / name)
    maps = open_class_map(folder / "map.tif", legend=LEGEND, year=2018)
    expected = lx.fractions(maps, "EUR-11")
    xr.testing.assert_allclose(found["fraction"], expected["fraction"], rtol=0, atol=1e-12)
    covered = int((found["cell_coverage"] == 2).sum())
    partly = int((found["cell_coverage"] == 1).sum())
    assert covered > 0
    assert f"{partly} partly covered, {covered} covered" in told.out
    newest = found.attrs["history"].splitlines()[0]
    assert newest.endswith(
        f"lulc-xr fractions {folder / 'map.tif'} --grid EUR-11 --out {tmp_path / name} "
        f"--years 2018 --legend {LEGEND}"
    )


def test_a_store_becomes_a_file_with_what_probabilities_expect(cli, mapped, tmp_path):
    place = tmp_path / "f.nc"
    told = cli(
        "fractions", mapped, "--grid", "EUR-0275", "--out", place, "--of",
        "land_cover,probability", "--float32",
    )  # fmt: skip
    assert told.exit_code == 0, told.err
    found = lx.open_fractions(place)
    assert {"fraction", "expected_fraction", "mean_entropy"} <= set(found.data_vars)
    with netCDF4.Dataset(place) as file:
        assert file["fraction"].dtype == np.float32
    assert str(mapped) in found.attrs["lulc_xr:sources"]
    there = found["fraction"].sum("class") > 0
    assert 0 < int(there.sum()) < 10


def test_a_file_that_is_there_is_replaced_when_asked(cli, folder, tmp_path):
    how = ("fractions", *of_raster(folder, "--out", tmp_path / "f.nc"))
    (tmp_path / "f.nc").write_bytes(b"precious")
    refused = cli(*how)
    assert refused.exit_code == 2
    assert "exists already. Pass --overwrite to replace it, or --add" in refused.err
    assert (tmp_path / "f.nc").read_bytes() == b"precious"
    assert cli(*how, "--overwrite").exit_code == 0


def test_plant_types_are_a_file_too(cli, folder, tmp_path):
    place = tmp_path / "p.nc"
    told = cli(
        "plant-types", *of_raster(folder, "--climate", folder / "climate.nc", "--out", place)
    )
    assert told.exit_code == 0, told.err
    found = lx.open_fractions(place)
    assert found.sizes["natpft"] == 15
    parts = found["landunit_fraction"].sum("landunit") + sum(
        found[f"{name}_fraction"] for name in ("ocean", "ignored", "unmapped")
    )
    assert float(abs(parts - 1).max()) < 1e-6
    assert float(found["landunit_fraction"].max()) > 0.1
    assert "climate_rules" in found.attrs
    assert "--climate" in found.attrs["history"].splitlines()[0]


def test_plant_types_become_the_stack_of_tsmp(cli, folder, tmp_path, shared_data):
    place = tmp_path / "pft.nc"
    mask = shared_data / "grids" / "tsmp_oasis_masks_EUR-11.nc"
    how = ("plant-types", *of_raster(folder, "--climate", folder / "climate.nc", "--out", place))
    refused = cli(*how, "--tsmp", "--mask", mask)
    assert refused.exit_code == 2
    assert not place.exists()
    told = cli(*how, "--tsmp", "--mask", mask, "--missing")
    assert told.exit_code == 0, told.err
    assert str(place) in told.out
    with netCDF4.Dataset(place) as file:
        stack = np.ma.filled(file["PCT_PFT"][:], np.nan)
    sums = stack.sum(axis=0)
    assert (sums == 100).sum() > 0
    assert np.isin(sums[np.isfinite(sums)], [0, 100]).all()


def test_grids_are_listed(cli):
    told = cli("grids")
    assert told.exit_code == 0
    assert all(name in told.out for name in list_grids())
    assert "424 × 412" in told.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fractions", "MAP", "--grid", "EUR-11"), "Missing option '--out'"),
        (
            ("fractions", "MAP", "--grid", "EUR-11", "--out", "OUT.nc"),
            "does not say what its class ids mean. Name its legend: --legend",
        ),
        (
            ("fractions", "MAP", "--grid", "EUR-11", "--out", "OUT.nc", "--legend", LEGEND),
            "does not say which year it maps. Name it: --years 2018",
        ),
        (
            (
                "fractions", "MAP", "--grid", "EUR11", "--out", "OUT.nc", "--legend", LEGEND,
                "--years", "2018",
            ),
            "unknown grid 'EUR11'. Known, nearest first: EUR-11",
        ),
        (
            (
                "fractions", "MAP", "--grid", "EUR-11", "--out", "OUT.tif", "--legend", LEGEND,
                "--years", "2018",
            ),
            "'OUT.tif' is neither a .nc nor a .zarr file",
        ),
        (
            (
                "fractions", "MAP", "MAP", "--grid", "EUR-11", "--out", "OUT.nc", "--legend",
                LEGEND, "--years", "2018",
            ),
            "overlap",
        ),
        (
            ("fractions", "nowhere.zarr", "--grid", "EUR-11", "--out", "OUT.nc"),
            "nowhere.zarr': nothing is there",
        ),
        (
            (
                "fractions", "MAP", "--grid", "EUR-11", "--out", "OUT.nc", "--workers", "1",
                "--scheduler", "tcp://127.0.0.1:8786",
            ),
            "choose one",
        ),
        (
            (
                "plant-types", "MAP", "--grid", "EUR-11", "--out", "OUT.nc", "--legend", LEGEND,
                "--years", "2018", "--climate", "none.nc",
            ),
            "no climate at 'none.nc'",
        ),
        (
            (
                "plant-types", "MAP", "--grid", "EUR-11", "--out", "OUT.nc", "--climate", "none.nc",
                "--missing",
            ),
            "belong to --tsmp",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_message(cli, folder, arguments, said):
    result = cli(*(folder / "map.tif" if a == "MAP" else a for a in arguments))
    assert result.exit_code == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_more_stores_are_added_to_the_file(cli, folder, tmp_path):
    place = tmp_path / "f.nc"
    halves = []
    with rasterio.open(folder / "map.tif") as source:
        values, profile, affine = source.read(1), source.profile, source.transform
    for number, part in enumerate((values[:, :23], values[:, 23:])):
        halves.append(tmp_path / f"{number}.tif")
        moved = affine @ rasterio.Affine.translation(23 * number, 0)
        profile |= {"width": part.shape[1], "transform": moved}
        with rasterio.open(halves[-1], "w", **profile) as target:
            target.write(part, 1)
    how = ("--grid", "EUR-11", "--years", 2018, "--legend", LEGEND, "--out", place, "--add")
    first = cli("fractions", halves[0], *how)
    assert first.exit_code == 0, first.err
    second = cli("fractions", halves[1], *how)
    assert second.exit_code == 0, second.err
    found = lx.open_fractions(place)
    assert found.attrs["history"].splitlines()[0].endswith(f"--legend {LEGEND} --add")
    whole = tmp_path / "whole.nc"
    assert cli("fractions", *of_raster(folder, "--out", whole)).exit_code == 0
    expected = lx.open_fractions(whole)
    for name in found.data_vars:
        # The scale of UTM is taken block by block, so other blocks give areas of pixels anew.
        scale = float(abs(expected[name]).max())
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-8 * scale)
    again = cli("fractions", halves[1], *how)
    assert again.exit_code == 2
    assert "would count twice" in again.err
    assert lx.open_fractions(place).identical(found)
