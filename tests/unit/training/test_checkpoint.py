"""Checkpoints: an interrupted training ends as an undisturbed one; another training is refused."""

import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ModelError
from lulc_xr.training.learner import Learner
from tests.train_children import STEPS_OF_AN_EPOCH, config, samples


@pytest.fixture(scope="module")
def drawn():
    return samples()


class StoppedError(Exception):
    """What stands for a process that ends."""


def interrupt(drawn, folder, *, at: int, **changes) -> None:
    """Train with checkpoints until a step."""
    step, done = Learner.training_step, 0

    def counted(self, batch, number):
        nonlocal done
        done += 1
        if done > at:
            raise StoppedError
        return step(self, batch, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "training_step", counted)
        with pytest.raises(StoppedError):
            lx.fit(drawn, config=config(**changes), checkpoint=folder)


@pytest.mark.parametrize(
    "changes",
    [{}, {"average_weights": 0.0, "patience": None}, {"validation_fold": None, "patience": None}],
)
def test_an_interrupted_training_ends_with_the_same_classifier(drawn, tmp_path, changes) -> None:
    interrupt(drawn, tmp_path, at=2 * STEPS_OF_AN_EPOCH + 3, **changes)
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    resumed = lx.fit(drawn, config=config(**changes), checkpoint=tmp_path)
    undisturbed = lx.fit(drawn, config=config(**changes))
    assert resumed.content_hash == undisturbed.content_hash
    assert resumed.provenance["scores"] == undisturbed.provenance["scores"]


def test_a_finished_training_is_done_again_from_its_last_epoch(drawn, tmp_path) -> None:
    once = lx.fit(drawn, config=config(), checkpoint=tmp_path)
    again = lx.fit(drawn, config=config(), checkpoint=tmp_path)
    assert again.content_hash == once.content_hash


def test_another_training_is_refused_with_what_differs(drawn, tmp_path) -> None:
    interrupt(drawn, tmp_path, at=STEPS_OF_AN_EPOCH + 1)
    whole = (tmp_path / "last.ckpt").read_bytes()
    for settings, message in (
        ({"config": config(epochs=9)}, r"settings\.epochs is 6 there, 9 here"),
        ({"network": "ltae", "config": config("ltae")}, "network is 'tempcnn' there, 'ltae' here"),
        ({"samples": drawn.assign(weight=drawn.weight * 2)}, "its 'weight' of the samples is not"),
    ):
        given = {"samples": drawn, "config": config(), "checkpoint": tmp_path, **settings}
        with pytest.raises(ModelError, match=f"belongs to another training: .*{message}"):
            lx.fit(**given)
    assert (tmp_path / "last.ckpt").read_bytes() == whole
    # What is shown or logged does not matter.
    lx.fit(drawn, config=config(log_folder=str(tmp_path / "logs")), checkpoint=tmp_path)
    assert (tmp_path / "logs" / "version_0" / "metrics.csv").is_file()


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_what_is_no_checkpoint_is_refused(drawn, tmp_path, content) -> None:
    if content is None:
        interrupt(drawn, tmp_path, at=STEPS_OF_AN_EPOCH + 1)
        content = (tmp_path / "last.ckpt").read_bytes()[:-500]
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(ModelError, match=r"last\.ckpt' is no checkpoint of a training"):
        lx.fit(drawn, config=config(), checkpoint=tmp_path)
