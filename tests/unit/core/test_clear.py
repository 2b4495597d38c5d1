"""Clear pixels: real QA_PIXEL, pixel_qa and SCL; Collection 1 told from Collection 2."""

import numpy as np
import pytest
import rasterio
import xarray as xr

from lulc_xr.core.clear import (
    CLEAR_RULES,
    QA_PIXEL_BITS,
    ClearRule,
    as_rule,
    is_collection1,
    is_wrapped,
)
from lulc_xr.core.errors import CubeError

# Shares as the README of the data gives them: of all pixels valid; of the valid ones clear (bit 6),
# cloud (bit 3) and shadow (bit 4).
SHARES = {
    "20190810": (0.10, 1.0, 0.0, 0.0),
    "20190812": (0.16, 0.41, 0.55, 0.09),
    "20190819": (1.0, 1.0, 0.0, 0.0),
    "20190826": (0.10, 0.12, 0.82, 0.11),
    "20190828": (0.16, 1.0, 0.0, 0.0),
    "20190904": (1.0, 0.68, 0.30, 0.06),
}


@pytest.mark.parametrize("day", SHARES)
def test_shares_of_real_quality_bands(shared_data, day):
    folder = shared_data / "landsat_c2/30SUG_qa"
    (path,) = folder.glob(f"LC08_L2SP_{day}T*_QA_PIXEL.tif")
    with rasterio.open(path) as source:
        # Every sixth line and column: a share to two digits needs no more.
        qa = source.read(1)[::6, ::6]
    valid, clear, cloud, shadow = SHARES[day]
    seen = qa[qa != 1]
    assert seen.size / qa.size == pytest.approx(valid, abs=0.006)
    for bit, share in (("clear", clear), ("cloud", cloud), ("cloud_shadow", shadow)):
        only = ClearRule(qa_pixel=(bit,))
        assert 1 - only.clear(seen, "qa_pixel").mean() == pytest.approx(share, abs=0.011)
    # The producer's own bit 'clear' is set where neither cloud nor its surroundings are.
    own = (seen >> QA_PIXEL_BITS["clear"]) & 1 == 1
    rule = ClearRule(qa_pixel=("dilated_cloud", "cloud"))
    assert (rule.clear(seen, "qa_pixel") == own).mean() > 0.99
    assert not CLEAR_RULES["standard"].clear(qa, "qa_pixel")[qa == 1].any()
    assert not is_collection1(qa)


def test_quality_of_a_scene(shared_data):
    (path,) = (shared_data / "landsat_c2/chip_008059").glob("*QA_PIXEL.TIF")
    with rasterio.open(path) as source:
        qa = source.read(1)
    clear = CLEAR_RULES["standard"].clear(qa, "qa_pixel")
    assert clear[qa == 21824].all()
    assert not clear[np.isin(qa, [1, 22280, 55052])].any()
    assert not is_collection1(qa)


def _flanders(shared_data, kind, name):
    (path,) = (shared_data / "flanders_patches/00002806639B424A").glob(f"{kind}_*.nc")
    with xr.open_dataset(path, mask_and_scale=False) as data:
        return data[name].values


def test_collection_1_and_2_of_one_place_are_told_apart(shared_data):
    first = _flanders(shared_data, "L8_SR_10m", "pixel_qa")
    second = _flanders(shared_data, "L8_L2-ST_10m", "QA-PIXEL")
    assert {322, 480, 992} <= set(np.unique(first).tolist())
    assert {21824, 22280} <= set(np.unique(second).tolist())
    dates = [date for date in first if (date > 1).any()]
    assert dates
    assert all(is_collection1(date) for date in dates)
    assert not any(is_collection1(date) for date in second)


def test_wrapped_numbers_are_those_that_were_negative(shared_data):
    numbers = _flanders(shared_data, "L8_SR_10m", "B02")
    wrapped = is_wrapped(numbers)
    assert wrapped.any()
    negative = numbers[wrapped].astype(np.int32) - 2**16
    assert ((negative < 0) & (negative >= -2000)).mean() > 0.9
    assert numbers[~wrapped].max() <= 20000


def test_scene_classification():
    scl = np.arange(12, dtype=np.uint8)
    found = {name: scl[rule.clear(scl, "scl")].tolist() for name, rule in CLEAR_RULES.items()}
    assert found == {"standard": [4, 5, 6, 7, 11], "no_snow": [4, 5, 6, 7], "strict": [4, 5, 6]}


def test_fmask():
    clear, cloud, snow, fill = 0b0000_0000, 0b0000_0010, 0b0001_0000, 255
    values = np.array([clear, cloud, snow, fill], np.uint8)
    assert CLEAR_RULES["standard"].clear(values, "fmask").tolist() == [True, False, True, False]
    assert CLEAR_RULES["no_snow"].clear(values, "fmask").tolist() == [True, False, False, False]


def test_settings_are_checked_when_made():
    with pytest.raises(CubeError, match=r"SCL class 0 cannot be clear; choose of 1 \(saturated"):
        ClearRule(scl=(0, 4))
    with pytest.raises(CubeError, match=r"unknown QA_PIXEL bit 'clouds'\. Known.*: cloud, "):
        ClearRule(qa_pixel=("clouds",))
    with pytest.raises(CubeError, match=r"unknown rule of clear pixels 'severe'"):
        as_rule("severe")
    with pytest.raises(CubeError, match=r"unknown kind of quality band 'qa60'"):
        ClearRule().clear(np.zeros(1, np.uint8), "qa60")
