"""Batches: each sample once an epoch, in a seeded order, as a network takes them."""

import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lulc_xr.core.context_scaling import fit_context_scaling
from lulc_xr.core.dates import RawDates
from lulc_xr.core.errors import LegendError, SampleError
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.loader import SampleBatches
from lulc_xr.testing import landscape, points


@pytest.fixture(scope="module")
def samples():
    cube = landscape(y=64, x=64)
    drawn = extract_samples(cube, points(cube, per_class=21), dates=RawDates(maximum=24))
    number = np.arange(drawn.sizes["sample"], dtype=np.float32)
    return drawn.assign(weight=("sample", number))


def epoch(batches) -> list[float]:
    return torch.cat([batch["weight"] for batch in batches]).tolist()


@pytest.mark.parametrize("batch_size", [1, 8, 105, 500])
def test_every_sample_comes_once_an_epoch(samples, batch_size: int) -> None:
    batches = SampleBatches(samples, batch_size=batch_size)
    made = list(batches)
    assert len(made) == len(batches)
    assert sorted(epoch(made)) == list(range(105))


def test_the_order_follows_from_seed_and_epoch(samples) -> None:
    first, again, other = (SampleBatches(samples, batch_size=8, seed=s) for s in (1, 1, 2))
    orders = [epoch(first), epoch(first)]
    assert orders == [epoch(again), epoch(again)]
    assert orders[0] != orders[1]
    assert epoch(other) not in orders
    first.set_epoch(0)
    assert epoch(first) == orders[0]
    assert epoch(SampleBatches(samples, shuffle=False)) == list(range(105))


def test_a_batch_holds_what_the_samples_hold(samples) -> None:
    some = samples.copy(deep=True)
    some["land_cover"][3] = 255
    (batch,) = SampleBatches(some, batch_size=200, shuffle=False)
    np.testing.assert_array_equal(batch["series"], some.reflectance)
    np.testing.assert_array_equal(batch["mask"], ~np.isnan(some.reflectance).any("band"))
    assert not batch["mask"].all()
    np.testing.assert_array_equal(batch["days"], np.tile(some.day, (105, 1)))
    expected = np.where(some.land_cover == 255, -1, some.land_cover.astype(int))
    np.testing.assert_array_equal(batch["labels"]["land_cover"], expected)
    assert {k: v.dtype for k, v in batch.items() if isinstance(v, torch.Tensor)} == {
        "series": torch.float32, "mask": torch.bool, "days": torch.int32,
        "weight": torch.float32, "index": torch.int64,
    }  # fmt: skip
    assert batch["context"] is None
    assert not batch["targets"]


def test_workers_share_an_epoch(samples) -> None:
    batches = SampleBatches(samples, batch_size=8, seed=3)
    loader = DataLoader(batches, batch_size=None, num_workers=2)
    assert sorted(epoch(loader)) == list(range(105))
    assert len(loader) == 14


def test_a_batch_costs_less_than_a_millisecond() -> None:
    cube = landscape(y=128, x=128)
    drawn = extract_samples(cube, points(cube, per_class=1500))
    batches = SampleBatches(drawn, batch_size=256)
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        number = sum(1 for _ in batches)
        spent.append((time.perf_counter() - start) / number)
    assert min(spent) < 1e-3


def test_what_cannot_be_batched_is_refused(samples) -> None:
    with pytest.raises(SampleError, match="no sample to make batches of"):
        SampleBatches(samples.isel(sample=slice(0)))
    with pytest.raises(SampleError, match="batch_size 0; give a whole number >= 1"):
        SampleBatches(samples, batch_size=0)
    with pytest.raises(LegendError, match="labels outside legend 'landscape': 77"):
        SampleBatches(samples.assign(land_cover=samples.land_cover.copy(data=np.full(105, 77))))


def test_patches_carry_labels_only_where_they_hold() -> None:
    cube = landscape(y=64, x=64)
    drawn = extract_samples(cube, points(cube, per_class=4), patch=5, tolerance=1)
    (batch,) = SampleBatches(drawn, batch_size=50, shuffle=False)
    assert batch["series"].shape == (20, 12, 10, 5, 5)
    assert batch["mask"].shape == (20, 12, 5, 5)
    held = drawn["labelled"].values == 1
    expected = np.where(held, drawn["land_cover"].values[:, None, None].astype(int), -1)
    np.testing.assert_array_equal(batch["labels"]["land_cover"], expected)
    (middle,) = SampleBatches(drawn.drop_vars("labelled"), batch_size=50, shuffle=False)
    known = middle["labels"]["land_cover"] >= 0
    assert known[:, 2, 2].all()
    assert known.sum() == 20


def test_batches_carry_scaled_context_and_targets() -> None:
    cube = landscape(y=64, x=64)
    drawn = extract_samples(cube, points(cube, per_class=4))
    number = np.arange(drawn.sizes["sample"], dtype=np.float32)
    raw = np.stack([number, 100 + 3 * number], axis=1)
    drawn["bioclim"] = (("sample", "bioclim_variable"), raw)
    drawn["bioclim_variable"] = ["bio01", "elevation"]
    drawn["elevation"] = ("sample", raw[:, 1])
    scaling = fit_context_scaling(drawn)
    made = list(SampleBatches(drawn, batch_size=8, context=scaling, regressions=["elevation"]))
    order = torch.cat([batch["index"] for batch in made])
    context = torch.cat([batch["context"] for batch in made])
    np.testing.assert_allclose(context, scaling.scale(raw.T).T[order], rtol=1e-6)
    targets = torch.cat([batch["targets"]["elevation"] for batch in made])
    np.testing.assert_array_equal(targets, raw[order, 1])
    with pytest.raises(SampleError, match="elevatoin"):
        SampleBatches(drawn, regressions=["elevatoin"])
