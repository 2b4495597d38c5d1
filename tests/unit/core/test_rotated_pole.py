"""The sphere turned as CORDEX turns it: against PROJ, and there and back."""

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lulc_xr.core.rotated_pole import rotate, unrotate, within_half_turn

POLE = (-162.0, 39.25)


def test_rotation_is_that_of_proj():
    proj = pyproj.Proj("+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=1")
    rng = np.random.default_rng(3)
    longitude, latitude = rng.uniform(-180, 180, 500), rng.uniform(-90, 90, 500)
    expected = np.degrees(proj(longitude, latitude, radians=False))
    np.testing.assert_allclose(rotate(longitude, latitude, pole=POLE), expected, atol=1e-9)


def test_the_pole_is_turned_to_the_top():
    _, north = rotate(np.array([-162.0]), np.array([39.25]), pole=POLE)
    np.testing.assert_allclose(north, 90)


@given(
    st.floats(-180, 179.99),
    st.floats(-89.9, 89.9),
    st.tuples(st.floats(-180, 180), st.floats(-90, 90)),
)
def test_there_and_back(longitude, latitude, pole):
    there = rotate(np.array([longitude]), np.array([latitude]), pole=pole)
    east, north = unrotate(*there, pole=pole)
    assert north == pytest.approx(latitude, abs=1e-9)
    turn = (east - longitude + 180) % 360 - 180
    assert turn * np.cos(np.radians(latitude)) == pytest.approx(0, abs=1e-9)
    assert -180 <= east[0] < 180


def test_longitudes_within_half_a_turn_stay_as_they_are():
    given_ = np.array([-180.0, 0.1, 179.9999999, 180.0, 540.0, -180.1, np.nan])
    found = within_half_turn(given_)
    assert found[:3].tolist() == given_[:3].tolist()
    np.testing.assert_allclose(found[3:6], [-180, -180, 179.9])
    assert np.isnan(found[6])
