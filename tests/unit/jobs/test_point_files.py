"""Points from files: every format gives the same points, and what is wrong is said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lulc_xr.core.cube import crs_of
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.point_files import read_point_file
from lulc_xr.samples.points import read_points


@pytest.fixture(scope="module")
def cube(area):
    return open_cube(area / "cube.zarr")


def read(path, cube, *, labels="land_cover", legend=None, crs=None):
    return read_point_file(Path(path), cube, labels=labels, legend=legend, crs=crs)


@pytest.mark.parametrize("name", ["points.parquet", "named.csv"])
def test_formats_give_the_same_points(area, cube, name):
    first, again = (read(area / n, cube) for n in ("points.gpkg", name))
    tables = [
        read_points(table, crs=crs_of(cube), labels="land_cover", legend=legend)
        for table, legend in (first, again)
    ]
    assert first[1] == again[1]
    np.testing.assert_allclose(tables[0].x, tables[1].x, atol=1e-3)
    np.testing.assert_allclose(tables[0].y, tables[1].y, atol=1e-3)
    assert tables[0].labels["land_cover"].tolist() == tables[1].labels["land_cover"].tolist()


def test_names_follow_the_legend_that_is_named(area, cube):
    numbers, _ = read(area / "named.csv", cube)
    named, legend = read(area / "named.csv", cube, labels="kind", legend="reference")
    assert legend.names == ("winter_crop", "summer_crop", "woodland")
    assert named["kind"].tolist() == numbers["land_cover"].tolist()


def test_legend_from_a_json_file(area, cube, tmp_path):
    names = ["woodland", "summer_crop", "winter_crop"]
    content = {"name": "own", "classes": [{"class_id": i, "name": n} for i, n in enumerate(names)]}
    (tmp_path / "own.json").write_text(json.dumps(content))
    table, legend = read(area / "named.csv", cube, labels="kind", legend=str(tmp_path / "own.json"))
    assert legend.name == "own"
    given = pd.read_csv(area / "named.csv")["kind"]
    assert [names[i] for i in table["kind"]] == given.tolist()


def test_table_in_another_system_is_placed(area, cube, tmp_path):
    table, _ = read(area / "points.parquet", cube)
    degrees = pd.DataFrame(
        {"x": table.geometry.x, "y": table.geometry.y, "land_cover": table["land_cover"]}
    )
    degrees.to_csv(tmp_path / "degrees.csv", index=False)
    placed, _ = read(tmp_path / "degrees.csv", cube, crs="EPSG:4326")
    assert placed.crs == table.crs
    assert placed.geometry.geom_equals_exact(table.geometry, 1e-9).all()


def test_unknown_file_column_and_legend_are_named(area, cube, tmp_path):
    with pytest.raises(SampleError, match="no file of points that is known here"):
        read(area / "model" / "model.json".replace("json", "txt"), cube)
    with pytest.raises(SampleError, match=r"there is no file .*none\.gpkg"):
        read(tmp_path / "none.gpkg", cube)
    with pytest.raises(SampleError, match=r"unknown column 'kinds'\. Known, nearest first: kind"):
        read(area / "named.csv", cube, labels="kinds")
    with pytest.raises(LegendError, match="unknown variable with a legend 'ref'"):
        read(area / "named.csv", cube, legend="ref")
    with pytest.raises(LegendError, match=r"there is no legend file .*none\.json"):
        read(area / "named.csv", cube, legend=str(tmp_path / "none.json"))
    (tmp_path / "broken.gpkg").write_text("no package")
    with pytest.raises(SampleError, match="cannot be read as gpkg"):
        read(tmp_path / "broken.gpkg", cube)
    pd.DataFrame({"lon": [1.0], "land_cover": [1]}).to_csv(tmp_path / "lon.csv", index=False)
    with pytest.raises(SampleError, match="has no column 'x'; its columns are lon, land_cover"):
        read(tmp_path / "lon.csv", cube, crs="EPSG:4326")


def test_name_outside_the_legend_is_refused(area, cube, tmp_path):
    table = pd.read_csv(area / "named.csv")
    table.loc[0, "kind"] = "lava"
    table.to_csv(tmp_path / "lava.csv", index=False)
    with pytest.raises(LegendError, match="names outside legend 'landscape': lava"):
        read(tmp_path / "lava.csv", cube, labels="kind", legend="reference")


def test_numbers_without_a_legend_are_refused(area, cube):
    with pytest.raises(LegendError, match="0 variables of the store have a legend"):
        read(area / "named.csv", cube.drop_vars("reference"))
