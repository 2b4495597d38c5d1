"""What is true of any grid of cells, checked with PROJ's geodesics and with Shapely."""

import numpy as np
import pyproj
import shapely

GEOD = pyproj.Geod(ellps="WGS84")


def rings_of(outlines):
    """(cell, x, y) of each ring."""
    for cell, a, b in zip(outlines.cells, outlines.starts[:-1], outlines.starts[1:], strict=True):
        yield cell, outlines.x[a:b], outlines.y[a:b]


def geodesic_areas(outlines, number):
    """Area of cells on WGS 84 between geodesics from vertex to vertex, by PROJ."""
    found = np.zeros(number)
    for cell, x, y in rings_of(outlines):
        found[cell] += GEOD.polygon_area_perimeter(x, y)[0]
    return np.abs(found)


def places_of(outlines):
    """Places of each ring, longitude within half a turn, as bits."""
    return [
        {(float((a + 180) % 360 - 180), float(b)) for a, b in zip(x, y, strict=True)}
        for _, x, y in rings_of(outlines)
    ]


def check_near(grid, longitude, latitude, rng, number=400):
    """No cell that holds a place of a part of a map is missing from those near it.

    The part is the box between the first and the last longitude and latitude, and the grid is
    told of nine places a side.
    """
    border = np.meshgrid(np.linspace(*longitude, 9), np.linspace(*latitude, 9))
    near = grid.near(*(each.ravel() for each in border))
    assert (np.diff(near) > 0).all()
    assert not near.size or (near[0] >= 0 and near[-1] < grid.size)
    inside = rng.uniform(*longitude, number), rng.uniform(*latitude, number)
    cells = np.unique(grid.locate(*inside))
    missing = np.setdiff1d(cells[cells >= 0], near)
    assert not missing.size, f"cells {missing} hold places of the part"
    return near


def check_locate(grid, cells, rng, pieces=64):
    """Places are located in the cell whose outline holds them."""
    polygons = np.array(
        [
            shapely.Polygon(np.stack([x, y], axis=1))
            for _, x, y in rings_of(grid.part(cells).outlines(pieces))
        ]
    )
    west, south, east, north = shapely.bounds(polygons).T
    for cell, polygon, *box in zip(cells, polygons, west, south, east, north, strict=True):
        x, y = rng.uniform(box[0], box[2], 20), rng.uniform(box[1], box[3], 20)
        places = shapely.points(x, y)
        # What is nearer to an edge than its pieces stray from their arcs says nothing.
        clear = shapely.distance(polygon.exterior, places) > 1e-3 * np.sqrt(polygon.area)
        found = grid.locate(x, y) == cell
        assert (found == shapely.contains(polygon, places))[clear].all()
        assert clear.any()


def icosahedron(splits, tilt=0.0):
    """Triangles on the sphere as ICON makes them: edges of an icosahedron halved again and again.

    Returns
    -------
    tuple of ndarray
        Longitude and latitude of the vertices in degrees, shape (cell, 3). Split once or more,
        vertices are at the poles, unless it is tilted (by radians).
    """
    golden = (1 + 5**0.5) / 2
    corners = []
    for a in (-1, 1):
        for b in (-golden, golden):
            corners += [(0, a, b), (a, b, 0), (b, 0, a)]
    corners = np.array(corners) / np.sqrt(1 + golden**2)
    apart = np.linalg.norm(corners[:, None] - corners[None], axis=2)
    edge = apart[apart > 0].min() * 1.01
    faces = [
        corners[[i, j, k]]
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if max(apart[i, j], apart[j, k], apart[i, k]) < edge
    ]
    triangles = np.array(faces)
    for _ in range(splits):
        a, b, c = np.moveaxis(triangles, 1, 0)
        # The middle of an edge is the same from both sides: sums commute.
        ab, bc, ca = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a + b, b + c, c + a))
        triangles = np.concatenate([
            np.stack(each, axis=1) for each in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))
        ])  # fmt: skip
    x, y, z = np.moveaxis(triangles, -1, 0)
    y, z = y * np.cos(tilt) - z * np.sin(tilt), y * np.sin(tilt) + z * np.cos(tilt)
    x, z = x * np.cos(tilt) - z * np.sin(tilt), x * np.sin(tilt) + z * np.cos(tilt)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
