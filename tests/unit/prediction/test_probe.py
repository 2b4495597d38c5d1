"""The probe of a fast precision: refused when it changes classes, done once per model."""

import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ModelError
from lulc_xr.prediction.probe import AGREEMENT, by_task, check_agreement, probe_pixels
from tests.predictors import LEGEND, Ratio, Rounded, make_spec


@pytest.mark.parametrize(
    ("share", "passes"), [(0, True), (0.001, True), (0.002, False), (1, False)]
)
def test_the_share_of_equal_classes_decides(share, passes):
    series = np.random.default_rng(0).random((12, 2, 50, 40)).astype(np.float32)
    exact, fast = Rounded(share), Rounded(share).with_precision("bfloat16")
    days, seen = np.arange(12, dtype=np.int32), np.ones((50, 40), bool)
    if passes:
        assert check_agreement(exact, fast, series, days, seen=seen) == 1 - share
        return
    with pytest.raises(ModelError) as caught:
        check_agreement(exact, fast, series, days, seen=seen)
    assert f"gives the same class of 'land_cover' as float32 at {1 - share:.2%}" in str(
        caught.value
    )
    assert f"at least {AGREEMENT:.1%}. Use precision='float32'." in str(caught.value)


def test_pixels_never_seen_do_not_count():
    series = np.random.default_rng(0).random((12, 2, 40, 25)).astype(np.float32)
    exact, fast = Rounded(0.5), Rounded(0.5).with_precision("bfloat16")
    seen = np.zeros((40, 25), bool)
    seen.ravel()[500:] = True
    assert check_agreement(exact, fast, series, np.arange(12, dtype=np.int32), seen=seen) == 1


@pytest.mark.parametrize("shard", [8, 16, 64])
def test_a_fast_model_that_disagrees_never_ends(cube, shard):
    # Also in shards that are too small to be a good sample by themselves.
    maps = lx.classify(cube, Rounded(0.02 + shard / 1e6), precision="bfloat16", shard=shard)
    with pytest.raises(ModelError, match="bfloat16 is refused for this model"):
        maps.compute(scheduler="synchronous")


def test_a_fast_model_that_agrees_is_used_and_probed_once(cube):
    calls = []

    class Watched(Rounded):
        content_hash = "watched"

        def with_precision(self, precision):
            return Watched(self.share, precision)

        def predict_block(self, pixels, days, context):
            calls.append(self.precision)
            return super().predict_block(pixels, days, context)

    maps = lx.classify(cube, Watched(0), precision="bfloat16", shard=16)
    maps.compute(scheduler="synchronous")
    assert calls.count("float32") == 1
    assert calls.count("bfloat16") == 12 + 1
    assert maps["land_cover"].attrs["precision"] == "bfloat16"


def test_a_tenth_of_a_thousand_pixels_is_a_probe_only_for_small_shards():
    assert probe_pixels((512, 512)) == 1000
    assert probe_pixels((16, 16)) == 128
    assert probe_pixels((1, 1)) == 1


def test_one_array_is_not_enough_for_two_tasks():
    spec = make_spec(legends={"land_cover": LEGEND, "land_use": LEGEND})
    found = np.full((3, 2, 2), 1 / 3, np.float32)
    with pytest.raises(
        ModelError, match=r"one array for tasks \['land_cover', 'land_use'\]; return"
    ):
        by_task(found, spec)
    assert by_task({"land_use": found, "land_cover": found}, spec).keys() == spec.legends.keys()
    assert list(by_task(found, Ratio().spec)) == ["land_cover"]
