"""Ensemble: the mean of its members, on disk a folder of folders, in maps like any model."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
import xarray as xr

from lulc_xr.core.context_scaling import ContextScaling
from lulc_xr.core.dates import RegularDates
from lulc_xr.core.errors import ModelError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Predictor, Scaling
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.ensemble import DOCUMENT, Ensemble, load_ensemble, load_model
from lulc_xr.models.registry import make_network
from lulc_xr.prediction.loading import load_once, make_reference

BANDS = ("red", "nir", "swir16")
DAYS = np.arange(0, 360, 30, dtype=np.int32)
COVER = Legend.from_names("demo", ["cropland", "woodland", "water"])
USE = Legend.from_names("use", ["farming", "none"])


def make_member(name="tempcnn", *, seed=0, legends=None, context=(), bands=BANDS):
    legends = legends or {"land_cover": COVER}
    spec = ModelSpec(
        bands=bands,
        legends=legends,
        dates=RegularDates(),
        scaling=Scaling(mean=(0.1,) * len(bands), std=(0.05,) * len(bands)),
        context=context,
        context_scaling=ContextScaling(
            variables=context, mean=(8.0,) * len(context), std=(3.0,) * len(context)
        )
        if context
        else None,
    )
    more = {"context": len(context), "conditioning": "cbn"} if context else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network(
            name,
            bands=len(bands),
            dates=12,
            classes={t: len(g) for t, g in legends.items()},
            **more,
        )
    return Classifier(network.eval(), name=name, spec=spec)


def make_block(y=4, x=5, *, seed=0):
    return np.random.default_rng(seed).uniform(0.02, 0.5, (12, 3, y, x)).astype(np.float32)


def test_predicts_the_mean_of_its_members():
    members = [make_member(seed=seed) for seed in range(3)] + [make_member("resmlp", seed=3)]
    ensemble = Ensemble(members)
    assert isinstance(ensemble, Predictor)
    block = make_block()
    each = ensemble.predict_block_members(block, DAYS)["land_cover"]
    assert each.shape == (4, 3, 4, 5)
    for own, member in zip(each, members, strict=True):
        np.testing.assert_array_equal(own, member.predict_block(block, DAYS))
    assert np.ptp(each, axis=0).max() > 0.01  # members differ, else a mean proves nothing
    np.testing.assert_allclose(ensemble.predict_block(block, DAYS), each.mean(axis=0), atol=1e-6)


def test_several_tasks_are_averaged_each():
    legends = {"land_cover": COVER, "land_use": USE}
    ensemble = Ensemble([make_member(seed=seed, legends=legends) for seed in range(2)])
    block = make_block()
    found, each = ensemble.predict_block(block, DAYS), ensemble.predict_block_members(block, DAYS)
    assert set(found) == {"land_cover", "land_use"}
    for task, values in found.items():
        np.testing.assert_allclose(values, each[task].mean(axis=0), atol=1e-6)


def test_members_may_differ_in_context():
    plain, warm = make_member(seed=0), make_member(seed=1, context=("bio01",))
    ensemble = Ensemble([plain, warm])
    assert ensemble.spec.context == ("bio01",)
    block, climate = make_block(), {"bio01": np.full((4, 5), 11.0, np.float32)}
    expected = (plain.predict_block(block, DAYS) + warm.predict_block(block, DAYS, climate)) / 2
    np.testing.assert_allclose(ensemble.predict_block(block, DAYS, climate), expected, atol=1e-6)


def test_folder_of_folders_gives_the_same_ensemble(tmp_path):
    ensemble = Ensemble([make_member(seed=seed) for seed in range(2)])
    folder = ensemble.save(tmp_path / "ensemble")
    assert sorted(p.name for p in folder.iterdir()) == [DOCUMENT, "member_00", "member_01"]
    loaded = load_ensemble(folder)
    block = make_block()
    assert loaded.content_hash == ensemble.content_hash
    np.testing.assert_array_equal(
        loaded.predict_block(block, DAYS), ensemble.predict_block(block, DAYS)
    )
    assert load_classifier(folder / "member_01").content_hash == ensemble.members[1].content_hash
    assert ensemble.save(folder) == folder  # the very same: nothing to do
    assert isinstance(load_model(folder), Ensemble)
    assert isinstance(load_model(folder / "member_00"), Classifier)


def test_identity_is_that_of_the_members_in_any_order():
    first, second, third = (make_member(seed=seed) for seed in range(3))
    assert Ensemble([first, second]).content_hash == Ensemble([second, first]).content_hash
    assert Ensemble([first, second]).content_hash != Ensemble([first, third]).content_hash
    assert Ensemble([first]).content_hash != first.content_hash


def test_another_ensemble_is_not_overwritten_unless_asked(tmp_path):
    one, other = (Ensemble([make_member(seed=seed)]) for seed in (0, 1))
    one.save(tmp_path / "model")
    with pytest.raises(ModelError, match=r"holds another ensemble.*overwrite=True"):
        other.save(tmp_path / "model")
    other.save(tmp_path / "model", overwrite=True)
    assert load_ensemble(tmp_path / "model").content_hash == other.content_hash
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("mine")
    with pytest.raises(ModelError, match="no ensemble"):
        other.save(tmp_path / "notes", overwrite=True)
    assert (tmp_path / "notes" / "thesis.txt").read_text() == "mine"


def test_changed_folders_are_refused(tmp_path):
    folder = Ensemble([make_member(seed=seed) for seed in range(2)]).save(tmp_path / "ensemble")
    other = make_member(seed=7).save(tmp_path / "other")
    shutil.rmtree(folder / "member_01")
    shutil.copytree(other, folder / "member_01")
    with pytest.raises(ModelError, match="not those that were saved"):
        load_ensemble(folder)
    document = json.loads((folder / DOCUMENT).read_text())
    (folder / DOCUMENT).write_text(json.dumps(document | {"members": ["../other"]}))
    with pytest.raises(ModelError, match="outside of itself"):
        load_ensemble(folder)
    with pytest.raises(ModelError, match=r"no ensemble at .*load_classifier"):
        load_ensemble(other)


def test_workers_load_it_by_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LULC_XR_CACHE", str(tmp_path))
    ensemble = Ensemble([make_member(seed=seed) for seed in range(2)])
    block = make_block()
    expected = ensemble.predict_block(block, DAYS)
    found = load_once(make_reference(ensemble, precision="float32"))
    np.testing.assert_array_equal(found.predict_block(block, DAYS, None), expected)
    again = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(again.predict_block(block, DAYS), expected)
    coarse = ensemble.with_precision("bfloat16")
    assert coarse.precision == "bfloat16"
    assert [m.precision for m in coarse.members] == ["bfloat16"] * 2
    np.testing.assert_allclose(coarse.predict_block(block, DAYS), expected, atol=0.05)


def test_predicts_samples_and_keeps_what_each_member_says():
    ensemble = Ensemble([make_member(seed=seed) for seed in range(2)])
    rng = np.random.default_rng(0)
    samples = xr.Dataset(
        {
            "reflectance": (
                ("sample", "time", "band"),
                rng.uniform(0, 0.5, (6, 12, 3)).astype(np.float32),
            ),
            "day": ("time", DAYS),
        },
        {"band": list(BANDS)},
    )
    mean, each = ensemble.predict(samples), ensemble.predict_members(samples)
    assert each["land_cover_probability"].dims == ("member", "sample", "class")
    np.testing.assert_allclose(
        mean["land_cover_probability"], each["land_cover_probability"].mean("member"), atol=1e-6
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "at least one classifier"),
        ([{}, {"bands": ("red", "nir", "blue")}], r"member 1 has bands red, nir, blue, the first"),
        ([{}, {"legends": {"land_use": USE}}], r"member 1 has legends land_use"),
    ],
)
def test_members_that_do_not_go_together(members, message):
    with pytest.raises(ModelError, match=message):
        Ensemble([make_member(**settings) for settings in members])


def test_members_that_are_no_classifiers_are_refused():
    ensemble = Ensemble([make_member()])
    with pytest.raises(ModelError, match=r"member 1 is a Ensemble; .* made of classifiers"):
        Ensemble([make_member(), ensemble])
