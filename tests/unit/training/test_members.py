"""Deep ensembles and snapshots: members of one call, as fit would give them one by one."""

import numpy as np
import pytest

from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.models.ensemble import Ensemble, load_model
from lulc_xr.samples.extract import extract_samples
from lulc_xr.samples.folds import make_folds
from lulc_xr.testing import landscape, points
from lulc_xr.training.config import TrainConfig
from lulc_xr.training.fit import fit, learn
from lulc_xr.training.loop import train_network
from lulc_xr.training.members import fit_ensemble, fit_snapshots
from lulc_xr.training.schedule import rate_at
from lulc_xr.training.snapshots import Snapshots

SMALL = {"filters": 8, "dense": 16}


@pytest.fixture(scope="module")
def samples():
    cube = landscape(y=64, x=64, time=14, bands=("red", "nir"), classes=3, seed=3)
    return make_folds(extract_samples(cube, points(cube, per_class=16)), block=160, folds=3)


def config(**settings):
    return TrainConfig(**({"epochs": 4, "sizes": SMALL, "seed": 11} | settings))


def test_members_are_what_fit_gives_for_their_seeds(samples, tmp_path):
    ensemble = fit_ensemble(samples, members=3, config=config())
    assert [m.provenance["seed"] for m in ensemble.members] == [11, 12, 13]
    alone = fit(samples, config=config(seed=12))
    assert ensemble.members[1].content_hash == alone.content_hash
    assert len({m.content_hash for m in ensemble.members}) == 3
    said = {"kind": "deep ensemble", "members": 3, "seeds": [11, 12, 13], "bootstrap": None}
    assert ensemble.provenance == said
    loaded = load_model(ensemble.save(tmp_path / "ensemble"))
    assert isinstance(loaded, Ensemble)
    assert loaded.provenance == said
    assert loaded.content_hash == ensemble.content_hash == Ensemble(ensemble.members).content_hash


def test_an_interrupted_ensemble_goes_on(samples, tmp_path, monkeypatch):
    expected = fit_ensemble(samples, members=2, config=config())
    steps = []

    def stop_in_the_second(*args, **kwargs):
        steps.append(kwargs["checkpoint"])
        if len(steps) == 2:
            raise KeyboardInterrupt
        return train_network(*args, **kwargs)

    folder = tmp_path / "checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr("lulc_xr.training.fit.train_network", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            fit_ensemble(samples, members=2, config=config(), checkpoint=folder)
    assert steps == [folder / "member_00", folder / "member_01"]
    found = fit_ensemble(samples, members=2, config=config(), checkpoint=folder)
    assert found.content_hash == expected.content_hash
    assert sorted(p.name for p in folder.iterdir()) == ["member_00", "member_01"]


def test_bootstrap_draws_whole_points_and_leaves_the_validation_fold(samples):
    given = config(validation_fold=0, epochs=2)
    drawn = fit_ensemble(samples, members=2, config=given, bootstrap=True)
    plain = fit_ensemble(samples, members=2, config=given)
    assert drawn.provenance["bootstrap"] == "point_id"
    for own, other in zip(drawn.members, plain.members, strict=True):
        assert own.content_hash != other.content_hash
        assert own.provenance["samples"] != other.provenance["samples"]  # other counts of classes
        validation = own.provenance["samples"]["validation"]
        assert validation == other.provenance["samples"]["validation"]
        assert validation == int((samples["fold"] == 0).sum())
    again = fit_ensemble(samples, members=2, config=given, bootstrap=True)
    assert again.content_hash == drawn.content_hash


def test_bootstrap_by_block_takes_blocks_whole(samples, monkeypatch):
    seen = []

    def look(own, *args, **kwargs):
        seen.append(own)
        return fit(own, *args, **kwargs)

    monkeypatch.setattr("lulc_xr.training.members.fit", look)
    number = samples.sizes["sample"]
    by_class = samples.sortby("land_cover").assign(block=("sample", np.arange(number) % 12))
    ensemble = fit_ensemble(by_class, members=2, config=config(epochs=1), bootstrap=True)
    assert ensemble.provenance["bootstrap"] == "block"
    whole = np.bincount(by_class["block"])
    for own in seen:
        times = np.bincount(own["block"], minlength=12)
        assert not (times % whole).any()
        assert (times // whole).sum() == 12
    assert not np.array_equal(seen[0]["point_id"], seen[1]["point_id"])


def test_a_class_that_every_draw_loses_is_said(samples):
    # All samples of one class lie in one block, which every third draw leaves out.
    number = samples.sizes["sample"]
    block = np.where(samples["land_cover"] == samples["land_cover"][0], 0, np.arange(number))
    alone = samples.assign(block=("sample", block))
    kept = fit_ensemble(alone, members=2, config=config(epochs=1), bootstrap=True)
    assert len(kept) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lulc_xr.training.members._TRIES", 0)
        with pytest.raises(SampleError, match=r"of 'block' some class always lost all"):
            fit_ensemble(alone, members=2, config=config(epochs=1), bootstrap=True)


def test_snapshots_are_taken_where_the_rate_is_lowest(samples, tmp_path):
    ensemble = fit_snapshots(samples, members=3, config=config(epochs=6))
    assert len(ensemble) == 3
    assert ensemble.provenance == {
        "kind": "snapshots of one training", "members": 3, "seed": 11, "epochs": [2, 4, 6],
    }  # fmt: skip
    assert len({m.content_hash for m in ensemble.members}) == 3
    # The last one is the classifier of the same training.
    last = fit(samples, config=config(epochs=6, cycles=3))
    assert ensemble.members[-1].content_hash == last.content_hash
    loaded = load_model(ensemble.save(tmp_path / "ensemble"))
    found, expected = (m.predict(samples)["land_cover_probability"] for m in (loaded, ensemble))
    np.testing.assert_array_equal(found, expected)


def test_snapshots_of_a_first_cycle_do_not_know_of_the_next(samples):
    # With as many steps a cycle, the first of two cycles is the first of three.
    two = fit_snapshots(samples, members=2, config=config(epochs=4))
    three = fit_snapshots(samples, members=3, config=config(epochs=6))
    assert two.members[0].content_hash == three.members[0].content_hash


def test_interrupted_snapshots_go_on(samples, tmp_path, monkeypatch):
    expected = fit_snapshots(samples, members=2, config=config())
    taken = Snapshots.on_train_epoch_end

    def stop(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt
        taken(self, trainer, pl_module)

    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "on_train_epoch_end", stop)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fit_snapshots(samples, members=2, config=config(), checkpoint=tmp_path)
    found = fit_snapshots(samples, members=2, config=config(), checkpoint=tmp_path)
    assert found.content_hash == expected.content_hash
    again = fit_snapshots(samples, members=2, config=config(), checkpoint=tmp_path)
    assert again.content_hash == expected.content_hash


def test_snapshots_cost_one_training(samples):
    ensemble = fit_snapshots(samples, members=2, config=config())
    assert all(m.provenance["scores"]["epochs"] == 4 for m in ensemble.members)
    # The default number of epochs is rounded up to whole cycles.
    assert (TrainConfig().epochs_of(2), TrainConfig(cycles=4).epochs_of(2)) == (70, 72)
    (single,) = learn(samples, "tempcnn", config=config())
    assert single.content_hash == fit(samples, config=config()).content_hash


def test_the_rate_rises_and_falls_in_every_cycle():
    rates = np.array([rate_at(step, steps=30, rise=0.2, cycles=3) for step in range(30)])
    assert (rates[:10] == rates[10:20]).all()
    assert (rates[:10] == rates[20:]).all()
    one = [rate_at(step, steps=10, rise=0.2) for step in range(10)]
    assert rates[:10].tolist() == one
    assert rates.reshape(3, 10).argmin(1).tolist() == [9, 9, 9]


def test_settings_that_do_not_go_together_are_refused(samples):
    with pytest.raises(ModelError, match=r"5 epochs cannot be dealt evenly to 2 .* epochs=6"):
        fit_snapshots(samples, members=2, config=config(epochs=5))
    with pytest.raises(ModelError, match=r"patience 2 could stop within one of 3 cycles"):
        fit_snapshots(samples, members=3, config=TrainConfig(patience=2, validation_fold=0))
    with pytest.raises(ModelError, match="members 1; an ensemble is trained with 2 or more"):
        fit_ensemble(samples, members=1)
    with pytest.raises(ModelError, match="members 1; snapshots are taken"):
        fit_snapshots(samples, members=1)
    with pytest.raises(ModelError, match="cycles 0"):
        TrainConfig(cycles=0)
