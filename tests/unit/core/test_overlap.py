"""Exact shares of pixels in outlines: against Shapely, and as laws."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.core.overlap import Outlines, cover


def outlines_of(*polygons):
    """Rings of polygons, outer ones one way round and holes the other."""
    rings, cells = [], []
    for number, polygon in enumerate(polygons):
        polygon = shapely.orient_polygons(polygon)
        for part in shapely.get_parts(polygon):
            for ring in (part.exterior, *part.interiors):
                rings.append(np.array(ring.coords)[:-1])
                cells.append(number)
    starts = np.cumsum([0, *map(len, rings)])
    x, y = np.concatenate(rings).T.copy()
    return Outlines(x=x, y=y, starts=starts, cells=np.array(cells))


def weights(spans, cell, shape):
    """Share of each pixel inside a cell."""
    found = np.zeros(shape)
    for own, row, start, stop, weight in zip(
        spans.cell, spans.row, spans.start, spans.stop, spans.weight, strict=True
    ):
        if own == cell:
            assert (found[row, start:stop] == 0).all(), "a pixel has two spans of one cell"
            found[row, start:stop] = weight
    return found


def shares_of(polygon, shape):
    """The same with Shapely, pixel by pixel."""
    rows, columns = shape
    return np.array(
        [
            [polygon.intersection(shapely.box(j, i, j + 1, i + 1)).area for j in range(columns)]
            for i in range(rows)
        ]
    )


coordinate = st.one_of(st.integers(-3, 12).map(float), st.floats(-3, 12))
corners = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7)


@given(corners, st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_weights_are_the_areas_of_intersections(points, rows, columns, convex):
    if convex:
        shape = shapely.convex_hull(shapely.MultiPoint(points))
    else:
        shape = shapely.make_valid(shapely.Polygon(points))
    polygons = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and p.area > 1e-6]
    for polygon in polygons:
        found = weights(cover(outlines_of(polygon), (rows, columns)), 0, (rows, columns))
        np.testing.assert_allclose(found, shares_of(polygon, (rows, columns)), atol=1e-7)


def test_holes_and_parts_count_as_they_lie():
    ring = shapely.Point(6, 6).buffer(5).difference(shapely.Point(6, 6).buffer(2.3))
    both = shapely.union(ring, shapely.box(14.25, 1, 17, 3.5))
    found = weights(cover(outlines_of(both), (13, 20)), 0, (13, 20))
    np.testing.assert_allclose(found, shares_of(both, (13, 20)), atol=1e-9)
    assert found[6, 6] == 0
    assert found[2, 14] == pytest.approx(0.75)


@given(st.integers(0, 2**32 - 1), st.floats(0, 3.2))
def test_cells_that_share_edges_cover_each_pixel_once(seed, turn):
    rng = np.random.default_rng(seed)
    side = 4
    u, v = np.meshgrid(np.arange(side + 1.0), np.arange(side + 1.0))
    u[1:-1, 1:-1] += rng.uniform(-0.3, 0.3, (side - 1, side - 1))
    v[1:-1, 1:-1] += rng.uniform(-0.3, 0.3, (side - 1, side - 1))
    x = 6 + 9 * ((u - 2) * np.cos(turn) - (v - 2) * np.sin(turn))
    y = 6 + 9 * ((u - 2) * np.sin(turn) + (v - 2) * np.cos(turn))
    around = [(0, 0), (0, 1), (1, 1), (1, 0)]
    cells = [
        shapely.Polygon([(x[i + a, j + b], y[i + a, j + b]) for a, b in around])
        for i in range(side)
        for j in range(side)
    ]
    spans = cover(outlines_of(*cells), (12, 12))
    total = sum(weights(spans, n, (12, 12)) for n in range(len(cells)))
    np.testing.assert_allclose(total, 1, atol=1e-8)
    assert (spans.weight > 0).all()
    assert (spans.weight <= 1).all()


def test_pixels_of_cells_are_their_areas():
    rng = np.random.default_rng(5)
    boxes = [shapely.Point(*rng.uniform(3, 27, 2)).buffer(2.6) for _ in range(6)]
    outlines = outlines_of(*boxes)
    np.testing.assert_allclose(outlines.areas(6), [b.area for b in boxes])
    spans = cover(outlines, (30, 30))
    np.testing.assert_allclose(spans.pixels(6), [b.area for b in boxes], rtol=1e-9)
    assert spans.pixels(9)[6:].tolist() == [0, 0, 0]


def test_nothing_inside_gives_no_span():
    away = outlines_of(shapely.box(20, 20, 25, 25), shapely.box(-9, 0, -5, 4))
    assert len(cover(away, (10, 10))) == 0
