"""Laws of fragmentation: parts joined along seams are the whole; chunks do not show."""

import dask
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

import lulc_xr as lx
from lulc_xr.analysis.landscape import MEASURES
from lulc_xr.analysis.patches import join, summarise


@st.composite
def planes(draw, most=14):
    """A class map of few classes with holes, so that patches wind through it."""
    shape = (draw(st.integers(1, most)), draw(st.integers(1, most)))
    ids = draw(st.sampled_from([[1, 255], [0, 1], [1, 3, 255], [0, 1, 2, 254]]))
    seed = draw(st.integers(0, 10_000))
    return np.random.default_rng(seed).choice(np.array(ids, np.uint8), shape)


def brute(plane, neighbours, pixel=(10.0, 20.0)):
    """The measures by their definitions: a flood fill, and every pair of pixels in turn."""
    height, width = plane.shape
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)] if neighbours == 8 else []
    seen, patches, length = set(), 0, 0.0
    for start in np.ndindex(height, width):
        if plane[start] == 255:
            continue
        for (dy, dx), side in zip(steps[:2], (pixel[0], pixel[1]), strict=True):
            there = (start[0] + dy, start[1] + dx)
            if there[0] < height and there[1] < width and plane[there] not in (255, plane[start]):
                length += side
        if start in seen:
            continue
        patches += 1
        todo = [start]
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            for dy, dx in steps + corners:
                y, x = at[0] + dy, at[1] + dx
                if 0 <= y < height and 0 <= x < width and plane[y, x] == plane[at]:
                    todo.append((y, x))
    mapped = plane[plane != 255]
    if not mapped.size:
        return [np.nan, np.nan, np.nan, 0.0]
    area = mapped.size * pixel[0] * pixel[1]
    shares = np.unique(mapped, return_counts=True)[1] / mapped.size
    entropy = -sum(p * np.log(p) for p in shares)
    return [entropy, length / area * 1e4, patches / area * 1e6, area / 1e4]


def as_map(plane, years=1):
    coords = {"y": -10.0 * np.arange(plane.shape[0]), "x": 20.0 * np.arange(plane.shape[1])}
    stack = np.stack([np.roll(plane, k, axis=1) for k in range(years)])
    return xr.DataArray(
        stack, dims=("year", "y", "x"), coords={**coords, "year": 2018 + np.arange(years)}
    )


def values(measures, **at):
    return [float(measures[name].isel(at)) for name in MEASURES]


@given(planes(), st.sampled_from([4, 8]), st.data())
def test_parts_join_to_the_whole(plane, neighbours, data):
    axis = data.draw(st.sampled_from([0, 1]))
    cuts = sorted(data.draw(st.sets(st.integers(1, 13), max_size=4)))
    parts = np.split(plane, [c for c in cuts if c < plane.shape[axis]], axis=axis)
    joined = summarise(parts[0], neighbours)
    for part in parts[1:]:
        joined = join(joined, summarise(part, neighbours), axis)
    whole = summarise(plane, neighbours)
    assert (joined.patches, joined.edges) == (whole.patches, whole.edges)
    np.testing.assert_array_equal(joined.counts, whole.counts)


@given(planes(most=20), st.sampled_from([4, 8]), st.integers(1, 20), st.integers(1, 20))
def test_any_chunking_gives_what_the_definitions_say(plane, neighbours, y, x):
    plane = np.pad(plane, ((0, 1), (0, 1)), constant_values=255)
    maps = as_map(plane, years=2)
    chunks = {"y": max(y, plane.shape[0] // 5), "x": max(x, plane.shape[1] // 5)}
    for given_map in (maps, maps.chunk(chunks)):
        with dask.config.set(scheduler="synchronous"):
            found = lx.fragmentation(given_map, neighbours=neighbours).compute()
        for year in range(2):
            expected = brute(maps.values[year], neighbours)
            np.testing.assert_allclose(values(found, year=year), expected, rtol=1e-12)


@given(planes(most=20), st.integers(1, 9), st.integers(1, 9))
def test_windows_are_maps_of_their_own(plane, window, chunk):
    plane = np.pad(plane, ((0, 1), (0, 1)), constant_values=2)
    maps = as_map(plane)
    with dask.config.set(scheduler="synchronous"):
        found = lx.fragmentation(maps.chunk({"y": max(chunk, 4), "x": -1}), window=window).compute()
    for i in range(found.sizes["y"]):
        for j in range(found.sizes["x"]):
            own = plane[i * window : (i + 1) * window, j * window : (j + 1) * window]
            np.testing.assert_allclose(values(found, year=0, y=i, x=j), brute(own, 8), rtol=1e-12)
    mapped = float(found["mapped_area"].sum())
    assert mapped == pytest.approx((plane != 255).sum() * 0.02)


@given(planes())
def test_bounds(plane):
    found = lx.fragmentation(as_map(np.pad(plane, 1, mode="edge"))).compute()
    entropy, _, patches, area = values(found, year=0)
    if area:
        kinds = np.unique(plane[plane != 255]).size
        assert 0 <= entropy <= np.log(kinds) + 1e-12
        assert patches * area / 100 >= kinds - 1e-9
