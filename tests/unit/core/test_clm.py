"""Numbers and names of CLM5's land units, plant types and crops."""

import pytest

from lulc_xr.core.clm import CROPS, GENERIC_CROPS, LANDUNITS, NATURAL_PFTS, crop_number


def test_numbers_run_on_from_natural_types_to_crops():
    assert len(NATURAL_PFTS) == 15
    assert list(CROPS) == list(range(15, 79))
    assert list(GENERIC_CROPS.values()) == ["c3_crop", "c3_irrigated"]
    names = [*LANDUNITS, *NATURAL_PFTS, *CROPS.values()]
    assert len(set(names)) == len(names)


def test_each_rainfed_crop_is_followed_by_its_irrigated_twin():
    for number in range(17, 79, 2):
        assert CROPS[number + 1] == f"irrigated_{CROPS[number]}"


@pytest.mark.parametrize(
    ("name", "number"),
    # CTSM release 5.0, pftconMod.F90: some of the list expected there.
    [("c3_crop", 15), ("winter_wheat", 21), ("winter_rye", 31), ("irrigated_rice", 62),
     ("miscanthus", 71), ("irrigated_tropical_soybean", 78)],
)  # fmt: skip
def test_numbers_are_those_of_the_model(name, number):
    assert crop_number(name) == number
