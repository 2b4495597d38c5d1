"""Laws of a cube from STAC: chunks, order of items and dilation."""

import tempfile
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import rasterio
import xarray as xr
from scipy import ndimage

import lulc_xr as lx
from tests.scenes import grid, landsat, sentinel2

SIZE = 40
PLACE = grid(SIZE)


def scenes(folder, seed):
    """Two scenes of one day, one of another, one of Landsat, with holes and clouds."""
    random = np.random.default_rng(seed)

    def numbers():
        return np.where(
            random.random((SIZE, SIZE)) < 0.1, 0, random.integers(1, 9000, (SIZE, SIZE))
        )

    def made(tile, when):
        scl = random.choice([0, 3, 4, 5, 9], (SIZE, SIZE), p=[0.02, 0.02, 0.5, 0.4, 0.06])
        return sentinel2(
            folder, numbers=numbers().astype(np.uint16), scl=scl.astype(np.uint8), geobox=PLACE,
            tile=tile, when=when,
        )  # fmt: skip

    qa = random.choice([1, 21824, 22280], (SIZE, SIZE), p=[0.1, 0.7, 0.2]).astype(np.uint16)
    return [
        made("31UDS", "2021-06-05T10:50:00"), made("31UES", "2021-06-05T10:50:20"),
        made("31UDS", "2021-06-08T10:50:00"),
        landsat(folder, numbers=numbers().astype(np.uint16), qa=qa, geobox=PLACE),
    ]  # fmt: skip


def load(items, **settings):
    return lx.load_stac(items, bands=["blue", "nir08"], geobox=PLACE, **settings).compute()


@hypothesis.given(
    seed=st.integers(0, 2**16),
    y=st.integers(9, SIZE),
    x=st.integers(9, SIZE),
    time=st.sampled_from([1, 2, -1]),
    dilate=st.integers(0, 5),
    order=st.permutations(range(4)),
)
@hypothesis.settings(max_examples=5)
def test_neither_chunks_nor_order_of_items_change_a_pixel(seed, y, x, time, dilate, order):
    with tempfile.TemporaryDirectory() as folder:
        items = scenes(Path(folder), seed)
        whole = load(items, dilate=dilate, chunks={"time": -1, "y": -1, "x": -1})
        parts = load(
            [items[n] for n in order], dilate=dilate, chunks={"time": time, "y": y, "x": x}
        )
        xr.testing.assert_identical(parts, whole)


@hypothesis.given(seed=st.integers(0, 2**16), dilate=st.integers(1, 6))
@hypothesis.settings(max_examples=8)
def test_clear_is_what_no_rejected_pixel_is_near(seed, dilate):
    with tempfile.TemporaryDirectory() as folder:
        item = scenes(Path(folder), seed)[2]
        plain, grown = load([item]), load([item], dilate=dilate)
        with rasterio.open(item.assets["SCL"].href) as source:
            scl = source.read(1)
    clear, reflectance = plain["clear"].values[0] == 1, plain["reflectance"].values[0]
    seen = ~np.isnan(reflectance).any(axis=0)
    # A hole in the pixels is no cloud; what SCL itself rejects is.
    rejected = ~np.isin(scl, [0, *lx.CLEAR_RULES["standard"].scl])
    distance = ndimage.distance_transform_edt(~rejected)
    expected = clear & seen & (distance > dilate)
    np.testing.assert_array_equal(grown["clear"].values[0] == 1, expected)
    np.testing.assert_array_equal(grown["reflectance"], plain["reflectance"])
