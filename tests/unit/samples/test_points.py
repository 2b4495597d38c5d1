"""Points of all kinds become one table, or say what is wrong with them."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.samples.points import read_points

LEGEND = Legend.from_names("demo", ["crop", "water"])
CRS = "EPSG:32631"


def table(**columns: object) -> pd.DataFrame:
    given = {"x": [1.0, 2.0], "y": [3.0, 4.0], "land_cover": [0, 1], **columns}
    return pd.DataFrame({name: values for name, values in given.items() if values is not None})


def read(points, *, labels=None, legend=LEGEND):
    return read_points(points, crs=CRS, labels=labels, legend=legend)


def test_table_frame_and_dataset_agree() -> None:
    plain = table(point_id=["a", "b"], weight=[1, 2])
    frame = geopandas.GeoDataFrame(
        plain, geometry=geopandas.points_from_xy(plain.x, plain.y, crs=CRS)
    )
    dataset = xr.Dataset.from_dataframe(plain.rename_axis("point"))
    for other in (frame, dataset):
        for name in ("x", "y", "point_id", "weight"):
            found, expected = getattr(read(other), name), getattr(read(plain), name)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
        np.testing.assert_array_equal(read(other).labels["land_cover"], [0, 1])


def test_missing_labels_become_255() -> None:
    read_ = read(table(land_cover=pd.array([1, None], dtype="Int64")))
    assert read_.labels["land_cover"].tolist() == [1, 255]


def test_several_tasks_have_their_own_column_and_legend() -> None:
    use = Legend.from_names("use", ["farm"])
    found = read(
        table(lu=[0, 255]), labels={"land_cover": ("land_cover", LEGEND), "land_use": ("lu", use)}
    )
    assert {task: ids.tolist() for task, ids in found.labels.items()} == {
        "land_cover": [0, 1],
        "land_use": [0, 255],
    }
    assert found.legends["land_use"] is use


def test_flags_of_a_dataset_are_its_legend() -> None:
    dataset = xr.Dataset.from_dataframe(table().rename_axis("point"))
    dataset["land_cover"].attrs = LEGEND.flags()
    assert read(dataset, legend=None).legends["land_cover"].names == LEGEND.names


@pytest.mark.parametrize(
    ("columns", "settings", "error", "message"),
    [
        ({"land_cover": [0, 7]}, {}, LegendError, r"labels outside legend 'demo': 7 \(1 times\)"),
        ({"land_cover": ["crop", "x"]}, {}, LegendError, "no class ids .* crop=0, water=1"),
        ({"land_cover": [0, 0.5]}, {}, LegendError, "holds 0.5; class ids are whole numbers"),
        ({}, {"legend": None}, LegendError, "say nothing of the legend of 'land_cover'"),
        ({"land_cover": None}, {}, SampleError, "unknown label column 'land_cover'"),
        ({"y": None}, {}, SampleError, "unknown column 'y'.* Points need x and y"),
        ({"weight": [1, -1]}, {}, SampleError, "'weight' holds a negative or missing value"),
        ({}, {"labels": {"fold": ("land_cover", LEGEND)}}, SampleError, "task 'fold' cannot name"),
        ({}, {"labels": {}}, SampleError, "names no task"),
    ],
)
def test_bad_tables_are_refused(columns, settings, error, message) -> None:
    with pytest.raises(error, match=message):
        read(table(**columns), **settings)


def test_bad_geometries_are_refused() -> None:
    square = geopandas.GeoDataFrame({"land_cover": [0]}, geometry=[shapely.box(0, 0, 1, 1)])
    with pytest.raises(SampleError, match="no coordinate reference system"):
        read(square)
    with pytest.raises(SampleError, match="geometries of type Polygon"):
        read(square.set_crs(CRS))
    with pytest.raises(SampleError, match="points are a list"):
        read([(1, 2)])
    with pytest.raises(SampleError, match=r"'x' of these points has dimensions \('a', 'b'\)"):
        read(xr.Dataset({"x": (("a", "b"), np.zeros((2, 2)))}))
