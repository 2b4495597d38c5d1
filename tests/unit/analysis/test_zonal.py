"""Uncertainty of areas: from members, for any chunks; far more than independent pixels give."""

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

import lulc_xr as lx
from lulc_xr.core.attachments import Attachments
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import CubeError
from tests.several import Several

LEGEND = lx.Legend.from_names("demo", ["crop", "grass", "water"])
DIMS = ("year", "member", "y", "x")


def as_maps(members, probability=None, **coords):
    made = xr.Dataset({"land_cover_members": (DIMS, members, LEGEND.flags())}, coords=coords)
    if probability is not None:
        made["land_cover_probability"] = (("year", "class", "y", "x"), probability)
    return made


def as_zones(values, **attrs):
    return xr.DataArray(np.asarray(values), dims=("y", "x"), attrs=attrs)


def errors_that_go_together(seed, *, members=8, side=64, field=8):
    """Each member calls whole fields crop or grass, with the share that it believes in.

    A pixel's mean probability is that of its field, as a well calibrated model would give.
    """
    rng = np.random.default_rng(seed)
    fields = side // field
    belief = rng.beta(8, 8, members)
    crop = rng.random((members, fields, fields)) < belief[:, None, None]
    maps = np.where(crop, 0, 1).astype(np.uint8).repeat(field, 1).repeat(field, 2)
    p = (maps == 0).mean(axis=0)
    probability = np.stack([p, 1 - p, 0 * p]).astype(np.float32)
    return as_maps(maps[None], probability[None]), belief


def test_shares_of_members_give_mean_deviation_and_range():
    members = np.zeros((1, 3, 4, 4), np.uint8)
    members[0, 0, :2], members[0, 1, 0] = 1, 1
    members[0, :, 3, 3] = 255
    zones = as_zones([[5] * 4] * 4)
    found = lx.zonal_uncertainty(as_maps(members), zones)
    crop, grass = np.array([7, 11, 15]) / 16, np.array([8, 4, 0]) / 16
    for index, shares in enumerate((crop, grass, np.zeros(3))):
        own = found.isel(year=0, zone=0, **{"class": index})
        assert float(own["share"]) == pytest.approx(shares.mean())
        assert float(own["share_std"]) == pytest.approx(shares.std(ddof=1))
        assert (float(own["share_min"]), float(own["share_max"])) == (shares.min(), shares.max())
    assert found["unmapped_share"].item() == 1 / 16
    assert (found["mapped_pixels"].item(), found["zone_pixels"].item()) == (15, 16)
    assert found["zone"].values.tolist() == [5]
    assert found["class"].values.tolist() == ["crop", "grass", "water"]
    assert "between 3 members" in found.attrs["uncertainty"]
    assert "share_std_if_independent" not in found


def test_pixels_that_err_together_are_not_independent():
    ratios = []
    for seed in range(5):
        maps, belief = errors_that_go_together(seed)
        found = lx.zonal_uncertainty(maps, as_zones(np.ones((64, 64), int))).isel(year=0, zone=0)
        own = found.sel({"class": "crop"})
        # Members differ by what they believe, and the deviation says so.
        assert 0.5 < float(own["share_std"]) / belief.std(ddof=1) < 2
        ratios.append(float(own["share_std"]) / float(own["share_std_if_independent"]))
    # 64 fields of 64 pixels: at least the eight times of whole fields.
    assert min(ratios) > 8
    attrs = found["share_std_if_independent"].attrs
    assert attrs["comment"].startswith("Not to be used alone")


def test_independent_pixels_have_the_deviation_of_a_sum():
    # Where pixels do err independently, both are the same: the formula is right.
    rng = np.random.default_rng(1)
    p = rng.uniform(0.2, 0.8, (40, 40))
    members = (rng.random((1, 400, 40, 40)) > p).astype(np.uint8)
    probability = np.stack([p, 1 - p, 0 * p])[None].astype(np.float32)
    found = lx.zonal_uncertainty(as_maps(members, probability), as_zones(np.ones((40, 40), int)))
    crop = found.isel(year=0, zone=0).sel({"class": "crop"})
    # 400 draws know a standard deviation to 3.5 %.
    ratio = float(crop["share_std"]) / float(crop["share_std_if_independent"])
    assert 0.87 < ratio < 1.13


@given(
    st.integers(0, 999),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_any_chunking_gives_the_same(seed, y, x, member, year):
    rng = np.random.default_rng(seed)
    members = rng.choice(np.array([0, 1, 2, 255], np.uint8), (2, 3, 33, 37))
    members[:, :, rng.random((33, 37)) < 0.1] = 255
    probability = rng.dirichlet(np.ones(3), (2, 33, 37)).astype(np.float32)
    maps = as_maps(members, np.moveaxis(probability, -1, 1))
    zones = as_zones(rng.choice([0, 3, 4, 90_000], (33, 37)).astype(np.int64))
    expected = lx.zonal_uncertainty(maps, zones)
    lazy = maps.chunk({"y": y, "x": x, "member": member, "year": year})
    found = lx.zonal_uncertainty(lazy, zones.chunk({"y": x}))
    xr.testing.assert_allclose(found, expected, rtol=1e-12)
    for name in ("share", "share_min", "share_max", "unmapped_share"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert expected["zone"].values.tolist() == [3, 4, 90_000]
    whole = expected["share"].sum("class") + expected["unmapped_share"]
    np.testing.assert_allclose(whole, 1, atol=1e-12)


def test_a_single_model_says_that_it_does_not_know():
    classes = np.array([[[0, 0, 1, 255]]], np.uint8)
    maps = xr.Dataset({"land_cover": (("year", "y", "x"), classes, LEGEND.flags())})
    maps["land_cover_probability"] = (
        ("year", "class", "y", "x"),
        np.array([[[[0.9, 0.5, 0.1, np.nan]], [[0.1, 0.5, 0.9, np.nan]], [[0, 0, 0, np.nan]]]]),
    )
    found = lx.zonal_uncertainty(maps, as_zones([[1, 1, 1, 1]]))
    assert found["share"].values.ravel().tolist() == [0.5, 0.25, 0]
    for name in ("share_std", "share_min", "share_max"):
        assert found[name].isnull().all()
    assert found.attrs["members"] == 1
    assert found.attrs["uncertainty"].startswith("The map is of a single model: how far")
    independent = found["share_std_if_independent"].values.ravel()
    expected = np.sqrt(np.array([0.09 + 0.25 + 0.09, 0.09 + 0.25 + 0.09, 0])) / 4
    np.testing.assert_allclose(independent, expected)


def test_fill_is_no_zone_and_zero_may_be_one():
    members = np.zeros((1, 2, 1, 4), np.uint8)
    zones = as_zones([[0, 0, -1, 8]], _FillValue=-1)
    assert lx.zonal_uncertainty(as_maps(members), zones)["zone"].values.tolist() == [0, 8]
    assert lx.zonal_uncertainty(as_maps(members), zones.drop_attrs())["zone"].values.tolist() == [
        -1,
        8,
    ]


def test_members_of_a_model_are_counted_lazily_and_run_once(cube):
    model = Several(3, attachments=Attachments(), dates=RegularDates(freq="QS"))
    maps = lx.classify(cube, model, outputs=("members", "probability"), shard=16)
    rows = np.arange(37)[:, None] // 10 + 1 + np.zeros((1, 50), int)
    zones = xr.DataArray(rows, dims=("y", "x"), coords={"y": cube["y"], "x": cube["x"]})
    found = lx.zonal_uncertainty(maps, zones)
    assert model.runs == [12] * 3
    members = maps["land_cover_members"].values[0]
    for number, zone in enumerate(found["zone"].values):
        inside = members[:, rows == zone]
        for index, class_id in enumerate((1, 3, 7)):
            shares = (inside == class_id).mean(axis=1)
            own = found.isel(year=0, zone=number, **{"class": index})
            assert float(own["share"]) == pytest.approx(shares.mean())
            assert float(own["share_std"]) == pytest.approx(shares.std(ddof=1))
    assert found["year"].values.tolist() == [2018]


@pytest.mark.parametrize(
    ("change", "zones", "message"),
    [
        ({}, as_zones([[1.0, 2.0]]), "zones of type float64 over .*expected whole ids"),
        ({}, as_zones([[1, 2, 3]]), r"'x' of the zones \(3 values\) is not that of the maps \(2"),
        ({}, as_zones([[0, 0]]), "no zone: every pixel of the zones is 0"),
        ({"task": "land_use"}, as_zones([[1, 1]]), "unknown map 'land_use'.*land_cover_members"),
    ],
)
def test_zones_that_cannot_be_used_are_named(change, zones, message):
    maps = as_maps(np.zeros((1, 2, 1, 2), np.uint8))
    with pytest.raises(CubeError, match=message):
        lx.zonal_uncertainty(maps, zones, **change)


def test_zones_of_another_place_are_refused():
    maps = as_maps(np.zeros((1, 2, 1, 2), np.uint8), x=[5.0, 15.0])
    zones = as_zones([[1, 1]]).assign_coords(x=[105.0, 115.0])
    with pytest.raises(CubeError, match="Bring the zones onto the grid of the maps"):
        lx.zonal_uncertainty(maps, zones)
