"""``lulc-xr calibrate``: a calibrated model beside the first, and what it says before it."""

import numpy as np
import pytest

from lulc_xr.models.classifier import load_classifier
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.store import open_samples, write_samples
from lulc_xr.testing import landscape, points


@pytest.fixture
def apart(place):
    """Samples of another landscape, 100 km away; every fourth label is wrong."""
    like = open_samples(place / "samples.zarr")
    cube = landscape(y=56, x=56, time=14, bands=("green", "red", "nir"), classes=3, seed=2)
    cube = cube.assign_coords(x=cube["x"] + 1e5)
    samples = extract_samples(cube, points(cube, per_class=80)).load()
    assert samples.sizes["time"] == like.sizes["time"]
    labels = samples["land_cover"].values
    labels[::4] = (labels[::4] + 1) % 3
    side = np.where(samples["x"] > samples["x"].median(), "east", "west")
    samples["region"] = ("sample", side.astype(np.dtypes.StringDType()))
    write_samples(samples, place / "apart.zarr")
    return place / "apart.zarr"


def test_saves_a_calibrated_model_and_says_what_changed(cli, place, apart):
    out = place / "calibrated"
    told = cli("calibrate", place / "model", apart, "--out", out)
    assert told.exit_code == 0, told.err
    assert "calibration by temperature on 240 samples" in told.out
    assert "NLL before" in told.out
    model = load_classifier(out)
    own = model.calibration.temperatures("land_cover")["all places"]
    assert f"{own:.3f}" in told.out
    record = model.calibration.provenance["tasks"]["land_cover"]
    assert record["nll_after"] < record["nll_before"]
    assert load_classifier(place / "model").calibration is None


def test_makes_sets_and_shows_how_often_they_hold(cli, place, apart):
    out = place / "sets"
    told = cli(
        "calibrate", place / "model", apart, "--out", out, "--by", "region", "--minimum", 20,
        "--conformal", 0.8, "--conformal-method", "aps", "--conformal-by", "class",
    )  # fmt: skip
    assert told.exit_code == 0, told.err
    assert "sets of land_cover that promise 0.8" in told.out
    model = load_classifier(out)
    assert model.conformal.by_class
    assert model.calibration.regions.names == ("east", "west")
    thirds = model.attachments.places
    assert thirds["calibration"].distance_to(thirds["conformal"]).min() > 0


def test_refuses_samples_of_the_training(cli, place):
    told = cli("calibrate", place / "model", place / "samples.zarr", "--out", place / "no")
    assert told.exit_code == 2
    assert "very same places" in told.err
    assert not (place / "no").exists()


def test_folds_are_chosen_and_unknown_ones_refused(cli, place, apart):
    told = cli("calibrate", place / "model", apart, "--out", place / "no", "--fold", 1)
    assert told.exit_code == 2
    assert "--fold 1: these samples have no folds" in told.err
    told = cli(
        "calibrate", place / "model", apart, "--out", place / "no", "--conformal", 0.9,
        "--conformal-by", "region",
    )  # fmt: skip
    assert told.exit_code == 2
    assert "name the variable of regions with --by" in told.err
