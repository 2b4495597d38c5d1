"""Predictions of samples: those of the map at their pixels, uncertainty included."""

import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.attachments import Attachments
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import SampleError
from lulc_xr.models.sample_predictions import predict_samples, probabilities_of
from tests.several import (
    ZONES,
    Several,
    make_applicability,
    make_calibration,
    make_conformal,
    with_zones,
)

QUARTERS = RegularDates(freq="QS")
RULES = Attachments(
    calibration=make_calibration(regions=ZONES, temperatures=(0.5, 3.0, 1.0)),
    conformal=make_conformal(regions=ZONES, thresholds=(0.5, 0.9, 0.99)),
    applicability=make_applicability(8),
)
NAMES = {4: "north", 9: "south", 255: ""}


@pytest.fixture(scope="module")
def placed():
    cube = lx.testing.landscape(y=37, x=50, time=24, bands=("red", "nir"), classes=3, seed=4)
    cube["clear"][:] = np.uint8(1)
    return with_zones(cube.assign(reflectance=cube["reflectance"].fillna(0.1)))


def draw(placed, patch=None):
    points = lx.testing.points(placed, per_class=8)
    samples = lx.extract_samples(placed, points, dates=QUARTERS, patch=patch)
    zone = placed["zone"].sel(y=samples["y"], x=samples["x"], method="nearest").values
    return samples.assign(zone=("sample", np.array([NAMES[int(z)] for z in zone], object)))


@pytest.mark.parametrize("halo", [0, 2])
def test_samples_get_what_the_map_says_at_their_pixels(placed, halo):
    model = Several(attachments=RULES, dates=QUARTERS, halo=halo)
    samples = draw(placed, patch=2 * halo + 1 if halo else None)
    found = predict_samples(model, samples)
    outputs = (
        "land_cover", "entropy", "probability", "aleatoric", "epistemic", "set_size", "set",
        "dissimilarity", "applicable",
    )  # fmt: skip
    maps = lx.classify(placed, model, outputs=outputs).compute().isel(year=0)
    # Beyond the cube a window has nothing, and a patch has NaN.
    margin = 10 * halo
    inside = np.all(
        [
            (samples[d] >= placed[d].min() + margin) & (samples[d] <= placed[d].max() - margin)
            for d in ("y", "x")
        ],
        axis=0,
    )
    assert inside.sum() > 8
    for name, var in maps.data_vars.items():
        at = var.sel(y=samples["y"], x=samples["x"], method="nearest").transpose("sample", ...)
        tolerance = 1e-3 if name == "dissimilarity" else 1e-6
        np.testing.assert_allclose(
            found[name].values[inside], at.values[inside], atol=tolerance, err_msg=str(name)
        )
    assert {str(n) for n in found.data_vars} == {str(n) for n in maps.data_vars}
    assert len({z for z in samples["zone"].values if z}) == 2
    added = found["land_cover_aleatoric"] + found["land_cover_epistemic"]
    np.testing.assert_allclose(added, found["land_cover_entropy"], atol=1e-6)
    probability = probabilities_of(model, samples)["land_cover"]
    np.testing.assert_array_equal(probability.T, found["land_cover_probability"])


def test_each_member_runs_once(placed):
    model = Several(4, dates=QUARTERS)
    found = predict_samples(model, draw(placed))
    assert model.runs == [1] * 4
    assert "land_cover_set" not in found
    assert "dissimilarity" not in found


def test_a_single_model_has_no_parts(cube):
    from tests.predictors import Ratio

    samples = lx.extract_samples(cube, lx.testing.points(cube, per_class=4))
    assert set(predict_samples(Ratio(), samples).data_vars) == {
        "land_cover",
        "land_cover_entropy",
        "land_cover_probability",
    }


def test_regions_that_a_rule_needs_are_asked_for(placed):
    samples = draw(placed).drop_vars("zone")
    for rules in (
        Attachments(calibration=RULES.calibration),
        Attachments(conformal=RULES.conformal),
    ):
        with pytest.raises(SampleError, match=r"no variable 'zone' over sample.*assign_regions"):
            predict_samples(Several(attachments=rules, dates=QUARTERS), samples)


def test_samples_in_no_region_have_the_rule_of_all_places(placed):
    samples = draw(placed)
    nowhere = samples.assign(zone=("sample", np.full(samples.sizes["sample"], "", object)))
    model = Several(attachments=RULES, dates=QUARTERS)
    everywhere = Attachments(
        calibration=make_calibration(temperatures=(1.0,)),
        conformal=make_conformal(thresholds=(0.99,)),
    )
    expected = predict_samples(Several(attachments=everywhere, dates=QUARTERS), samples)
    found = predict_samples(model, nowhere)
    np.testing.assert_allclose(
        found["land_cover_probability"], expected["land_cover_probability"], atol=1e-6
    )
    np.testing.assert_array_equal(found["land_cover_set"], expected["land_cover_set"])
