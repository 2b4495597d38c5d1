"""Laws of judged points: the same whatever the chunks, the scheduler and the order of points."""

import warnings

import dask
import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import lulc_xr as lx

LEVEL1 = lx.legend("lucas_lc1_level1")


@st.composite
def maps_and_points(draw):
    """A map of some years with entropy, and points on it, at its edges and beyond."""
    rows, columns, years = (draw(st.integers(1, n)) for n in (25, 30, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    step = draw(st.sampled_from([10.0, 30.0, 0.5]))
    down = draw(st.booleans())
    y = 100.0 + step * np.arange(rows) * (-1 if down else 1)
    x = -50.0 + step * np.arange(columns)
    ids = rng.choice([*LEVEL1.ids, 255], (years, rows, columns)).astype(np.uint8)
    dims = ("year", "y", "x")
    maps = xr.Dataset(
        {
            "land_cover": (dims, ids, LEVEL1.flags()),
            "land_cover_entropy": (dims, rng.random(ids.shape, np.float32)),
            "dissimilarity": (("y", "x"), rng.random(ids.shape[1:], np.float32)),
            "land_cover_probability": (
                ("year", "class", "y", "x"),
                rng.random((years, 8, rows, columns), np.float32),
            ),
        },
        {"year": 2015 + np.arange(years), "y": y, "x": x, "class": np.array(LEVEL1.names, object)},
    )
    number = draw(st.integers(1, 30))
    ends = [(axis.min() - step, axis.max() + step) for axis in (x, y)]
    places = [rng.uniform(*span, number) for span in ends]
    # One is surely on the map.
    places[0][0], places[1][0] = x[0], y[-1]
    points = pd.DataFrame(
        {
            "x": places[0],
            "y": places[1],
            "land_cover": rng.choice([*LEVEL1.ids, 255], number).astype(np.uint8),
            "year": rng.integers(2015, 2015 + years, number),
        }
    )
    points.attrs["legend"] = LEVEL1.to_dict()
    return maps, points


def judge(maps, points):
    return lx.judge_points(maps, points, keep=("unlabelled", "unmapped", "outside"))


@given(maps_and_points(), st.data())
def test_chunks_and_scheduler_change_nothing(case, data):
    maps, points = case
    expected = judge(maps, points)
    sizes = {d: data.draw(st.integers(1, maps.sizes[d]), label=d) for d in ("year", "y", "x")}
    chunked = maps.chunk(sizes)
    # Variables need not share their chunks.
    chunked["dissimilarity"] = maps["dissimilarity"].chunk(y=-1, x=3)
    scheduler = data.draw(st.sampled_from(["synchronous", "threads"]))
    with dask.config.set(scheduler=scheduler):
        found = judge(chunked, points)
    pd.testing.assert_frame_equal(found, expected)
    assert found.attrs == expected.attrs


@given(maps_and_points())
def test_every_point_is_judged_by_its_own_pixel(case):
    maps, points = case
    judged = judge(maps, points)
    assert len(judged) == len(points)
    step = np.diff(maps["x"])[0] if maps.sizes["x"] > 1 else None
    for (_, point), (_, row) in zip(points.iterrows(), judged.iterrows(), strict=True):
        if step is None or maps.sizes["y"] == 1:
            continue
        near = (
            maps.sel(year=int(point["year"])).sel(
                y=point["y"], x=point["x"], method="nearest", tolerance=step / 2 + 1e-9
            )
            if inside(maps, point, step)
            else None
        )
        if near is None:
            assert row["mapped"] == 255
            assert np.isnan(row["entropy"])
        elif not on_an_edge(maps, point, step):
            assert row["mapped"] == near["land_cover"]
            assert row["entropy"] == near["land_cover_entropy"]
            assert row["dissimilarity"] == near["dissimilarity"]
            shares = [row[f"probability_{name}"] for name in LEVEL1.names]
            np.testing.assert_array_equal(shares, near["land_cover_probability"])


def inside(maps, point, step):
    return all(maps[d].min() - step / 2 <= point[d] <= maps[d].max() + step / 2 for d in ("y", "x"))


def on_an_edge(maps, point, step):
    return any(abs((point[d] - float(maps[d][0])) / step % 1 - 0.5) < 1e-6 for d in ("y", "x"))


@given(maps_and_points(), st.randoms(use_true_random=False))
def test_the_order_of_points_is_kept(case, random):
    maps, points = case
    order = list(range(len(points)))
    random.shuffle(order)
    expected = judge(maps, points.assign(point_id=np.arange(len(points))))
    mixed = points.assign(point_id=np.arange(len(points))).iloc[order].reset_index(drop=True)
    mixed.attrs = points.attrs
    found = judge(maps, mixed)
    pd.testing.assert_frame_equal(found, expected.iloc[order].reset_index(drop=True))


@given(maps_and_points())
def test_a_tolerance_never_makes_a_map_worse(case):
    judged = judge(*case)
    right = judged["mapped"] == judged["reference"]
    near = judged["mapped_near"] == judged["reference"]
    labelled = judged["reference"] != 255
    assert (near | ~right)[labelled].all()
    unchanged = judged["mapped_near"] == judged["mapped"]
    assert (unchanged | near).all()


@given(maps_and_points())
def test_what_is_left_out_and_what_is_judged_are_all_points(case):
    maps, points = case
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*points left out", category=UserWarning)
        judged = lx.judge_points(maps, points, keep=())
    counts = judged.attrs["counts"]
    left = sum(counts[k] for k in ("outside", "year_not_mapped", "unlabelled", "unmapped"))
    assert counts["judged"] + left == counts["given"] == len(points)
    assert counts["judged"] == len(judged)
    assert not judged.isin({"mapped": [255], "reference": [255]}).any(axis=None)
