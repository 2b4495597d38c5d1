"""A map against points and GeoTIFFs: the same figures as against the variable they came from."""

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

from lulc_xr.analysis.accuracy import accuracy
from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import CubeError, SampleError
from lulc_xr.core.georeference import affine_of
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.judging import evaluate_store
from lulc_xr.jobs.mapping import classify_store


@pytest.fixture
def mapped(place):
    classify_store(place / "cube.zarr", place / "model")
    return place / "cube.zarr"


def write_tif(path, values, cube, *, shift=0.0, nodata=None):
    a, b, c, d, e, f = affine_of(cube)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=values.dtype, crs=rasterio.CRS.from_wkt(crs_of(cube)),
        transform=rasterio.Affine(a, b, c + shift, d, e, f), nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def test_geotiff_counts_as_the_variable_it_was_made_of(mapped, tmp_path):
    cube = open_cube(mapped)
    values = cube["reference"].values.copy()
    values[:10] = 200
    tif = write_tif(tmp_path / "true.tif", values, cube, nodata=200)
    mask = xr.zeros_like(cube["reference"]).compute()
    mask[10:] = 1
    against_tif = evaluate_store(mapped, str(tif))
    masked = evaluate_store(
        mapped, "reference", mask=str(write_tif(tmp_path / "mask.tif", mask.values, cube))
    )
    assert against_tif == masked
    assert against_tif.total == 46 * 40


def test_geotiff_on_another_grid_is_refused(mapped, tmp_path):
    cube = open_cube(mapped)
    tif = write_tif(tmp_path / "beside.tif", cube["reference"].values, cube, shift=5)
    with pytest.raises(CubeError, match="is not on the grid of the cube"):
        evaluate_store(mapped, str(tif))
    with pytest.raises(CubeError, match="cannot be read"):
        evaluate_store(mapped, str(tmp_path / "none.tif"))


def test_points_are_judged_where_they_lie(mapped, area):
    cube = open_cube(mapped)
    result = evaluate_store(mapped, str(area / "points.parquet"))
    table = pd.read_csv(area / "named.csv")
    place = {d: xr.DataArray(table[d].values, dims="sample") for d in ("y", "x")}
    at_points = cube["land_cover"].isel(year=0).sel(place).compute()
    assert result.total == len(table)
    assert result.overall == float((at_points.values == table["land_cover"].values).mean())
    true = xr.DataArray(
        table["land_cover"].values.astype(np.uint8), dims="sample", attrs=at_points.attrs
    )
    assert result == accuracy(at_points.drop_vars(("y", "x", "year")), true)


def test_mask_holds_for_points_too(mapped, area, tmp_path):
    cube = open_cube(mapped)
    upper = np.zeros((56, 40), np.uint8)
    upper[:28] = 1
    mask = write_tif(tmp_path / "upper.tif", upper, cube)
    result = evaluate_store(mapped, str(area / "named.csv"), mask=str(mask))
    table = pd.read_csv(area / "named.csv")
    assert result.total == (table["y"] > float(cube["y"][28])).sum()


def test_points_outside_are_counted(mapped, area, tmp_path, capsys):
    table = pd.read_csv(area / "named.csv")
    table.loc[:4, "x"] += 1e5
    table.to_csv(tmp_path / "some.csv", index=False)
    assert evaluate_store(mapped, str(tmp_path / "some.csv")).total == len(table) - 5
    assert "5 of 36 points lie outside the cube" in capsys.readouterr().out
    table.assign(x=0.0).to_csv(tmp_path / "all.csv", index=False)
    with pytest.raises(SampleError, match=r"all.csv': none of the 36 points lies on the map"):
        evaluate_store(mapped, str(tmp_path / "all.csv"))


def test_what_is_unknown_is_named(mapped):
    with pytest.raises(CubeError, match=r"unknown reference 'truth'\. Known, nearest first"):
        evaluate_store(mapped, "truth")
    with pytest.raises(CubeError, match="unknown mapped year '1999'"):
        evaluate_store(mapped, "reference", year=1999)
    with pytest.raises(CubeError, match="unknown class map 'land_use'"):
        evaluate_store(mapped, "reference", task="land_use")
