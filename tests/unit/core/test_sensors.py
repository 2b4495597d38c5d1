"""Sensors: asset names, platforms, band-pass coefficients."""

import pytest

from lulc_xr.core.cube import BANDS
from lulc_xr.core.errors import CubeError
from lulc_xr.core.sensors import (
    COMMON_BANDS,
    HLS_BANDPASS,
    HLS_L30,
    HLS_S30,
    LANDSAT_OLI,
    LANDSAT_TM,
    SENTINEL2,
    bandpass,
    platform_name,
    platform_of_id,
    sensor_of,
)

SENSORS = (SENTINEL2, LANDSAT_OLI, LANDSAT_TM, HLS_S30, HLS_L30)


@pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.name)
def test_every_band_is_in_the_vocabulary_and_has_a_size(sensor):
    assert set(sensor.bands) <= set(BANDS)
    assert set(sensor.gsd) == set(sensor.bands)
    assert set(COMMON_BANDS) <= set(sensor.bands)


@pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.name)
def test_no_name_of_an_asset_means_two_bands(sensor):
    names = [name for band in sensor.bands for name in sensor.asset_names(band)]
    assert len(names) == len(set(names))


def test_near_infrared_of_hls_is_the_narrow_band():
    assert bandpass("nir08", "sentinel-2a") == (0.9983, -0.0001)
    with pytest.raises(CubeError, match=r"unknown band 'nir'\..*no partner.*'nir08'"):
        bandpass("nir", "sentinel-2a")
    with pytest.raises(CubeError, match=r"unknown Sentinel-2 platform 'sentinel-2d'"):
        bandpass("red", "sentinel-2d")


@pytest.mark.parametrize("platform", HLS_BANDPASS)
def test_coefficients_are_small_corrections(platform):
    assert set(COMMON_BANDS) <= set(HLS_BANDPASS[platform])
    for slope, offset in HLS_BANDPASS[platform].values():
        assert abs(slope - 1) < 0.03
        assert abs(offset) <= 0.004


def test_platforms():
    assert platform_name("Sentinel 2C") == "sentinel-2c"
    assert platform_of_id("S2A_28QCH_20200714_0_L2A") == "sentinel-2a"
    assert platform_of_id("LE07_L2SP_199025_20100605_02_T1") == "landsat-7"
    assert platform_of_id("HLS.S30.T31UDS") is None
    assert sensor_of("landsat-7") is LANDSAT_TM
    assert sensor_of("sentinel-2b", hls="S30") is HLS_S30
    with pytest.raises(CubeError, match=r"unknown platform 'landsat-6'\..*landsat-4"):
        sensor_of("landsat-6")
