"""A predictor of one's own that something is attached to."""

import numpy as np

import lulc_xr as lx
from lulc_xr.models.calibrated import CalibratedMembers, attachable
from tests.several import Several, make_calibration


def test_a_calibrated_model_of_members_is_still_one():
    cube = lx.testing.landscape(y=20, x=24, time=24, bands=("red", "nir"), classes=3, seed=4)
    model = attachable(Several(members=3))
    assert isinstance(model, CalibratedMembers)
    model = model.attach(calibration=make_calibration(temperatures=(2.0,)))
    outputs = ("entropy", "aleatoric", "epistemic", "members")
    maps = lx.classify(cube, model, outputs=outputs).compute()
    assert maps.sizes["member"] == len(model) == 3
    parts = maps["land_cover_aleatoric"] + maps["land_cover_epistemic"]
    np.testing.assert_allclose(parts, maps["land_cover_entropy"], atol=1e-6)
