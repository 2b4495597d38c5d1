"""Areas become whole pixels of the asked reference system, and nest in its grid."""

import geopandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.geometry import box

from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.jobs.grids import bounds_in_degrees, extent_of, grid_of
from lulc_xr.jobs.recipe import Area, Grid

FLANDERS = (3.02, 50.81, 3.03, 50.82)


@given(
    west=st.floats(-9, 28), south=st.floats(36, 69), width=st.floats(0.01, 1.5),
    height=st.floats(0.01, 1.0), resolution=st.sampled_from([10.0, 20.0, 30.0, 100.0]),
)  # fmt: skip
def test_grid_holds_the_area_and_is_aligned(west, south, width, height, resolution):
    area = Area(bbox=(west, south, west + width, south + height))
    found = grid_of(area, Grid(resolution=resolution))
    edges = found.boundingbox
    assert all(edge % resolution == 0 for edge in edges.bbox)
    assert found.resolution.x == -found.resolution.y == resolution
    to_metres = Transformer.from_crs(4326, 3035, always_xy=True)
    steps = [i / 10 for i in range(11)]
    for a in steps:
        for lon, lat in ((a, 0), (a, 1), (0, a), (1, a)):
            x, y = to_metres.transform(west + lon * width, south + lat * height)
            assert edges.left - 0.1 <= x <= edges.right + 0.1
            assert edges.bottom - 0.1 <= y <= edges.top + 0.1


def test_utm_is_the_zone_of_the_middle():
    assert grid_of(Area(bbox=FLANDERS), Grid(crs="utm")).crs.to_epsg() == 32631
    assert grid_of(Area(bbox=(14.5, 45.8, 14.6, 45.9)), Grid(crs="utm")).crs.to_epsg() == 32633


def test_metres_on_the_grid_stay_the_same_pixels(tmp_path):
    square = (500_000, 5_600_000, 500_640, 5_600_320)
    path = tmp_path / "square.gpkg"
    geopandas.GeoDataFrame(geometry=[box(*square)], crs="EPSG:32631").to_file(path)
    found = grid_of(Area(file=path), Grid(crs="EPSG:32631"))
    assert found.boundingbox.bbox == square
    assert tuple(found.shape) == (32, 64)


def test_polygons_are_chosen_by_a_column(tmp_path):
    path = tmp_path / "land.geojson"
    frame = geopandas.GeoDataFrame(
        {"code": ["A", "B"]}, geometry=[box(3, 50, 4, 51), box(10, 50, 11, 51)], crs="EPSG:4326"
    )
    frame.to_file(path)
    west, south, east, north = bounds_in_degrees(Area(file=path, column="code", name="B"))
    assert (west, south, east, north) == pytest.approx((10, 50, 11, 51))
    assert bounds_in_degrees(Area(file=path))[2] == pytest.approx(11)
    with pytest.raises(CubeError, match=r"unknown code in land.geojson 'C'.*Known"):
        grid_of(Area(file=path, column="code", name="C"), Grid())
    with pytest.raises(
        CubeError, match=r"unknown column of land.geojson 'cod'.*nearest first: code"
    ):
        grid_of(Area(file=path, column="cod", name="C"), Grid())
    with pytest.raises(StoreError, match="from the recipe's own folder"):
        grid_of(Area(file=tmp_path / "none.gpkg"), Grid())


def test_regions_of_europe_are_found(shared_data):
    area = Area(file=shared_data / "nuts" / "nuts_2024.gpkg", column="NUTS_ID", name="BE25")
    west, south, east, north = bounds_in_degrees(area)
    # West Flanders holds Bruges (3.22 E, 51.21 N) and Kortrijk (3.27 E, 50.83 N).
    assert 2 < west < 3.2 < 3.3 < east < 4
    assert 50.5 < south < 50.83 < 51.21 < north < 51.6


def test_area_lies_in_the_extent():
    inside = Grid(extent=(3_800_000, 3_100_000, 3_900_000, 3_200_000))
    assert extent_of(inside).boundingbox.bbox == inside.extent
    assert tuple(extent_of(inside).shape) == (10_000, 10_000)
    assert extent_of(Grid()) is None
    window = grid_of(Area(bbox=FLANDERS), inside).boundingbox
    assert window.left % 10 == 0
    with pytest.raises(CubeError, match="lies outside its extent"):
        grid_of(Area(bbox=FLANDERS), Grid(extent=(3_900_000, 3_100_000, 4_000_000, 3_200_000)))


def test_area_that_the_reference_system_does_not_reach_is_refused():
    with pytest.raises(CubeError, match="cannot be projected to EPSG:32631"):
        grid_of(Area(bbox=(92, 0, 94, 1)), Grid(crs="EPSG:32631"))
