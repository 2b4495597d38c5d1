"""``lulc-xr train`` beyond the plain case: a file of settings, unlabelled imagery, weights."""

import json

import pytest

import lulc_xr as lx

FEW = """
epochs = 2
[loss]
focal_gamma = 1.0
[method]
name = "mean_teacher"
weight = 3
"""


def provenance(model):
    return json.loads((model / "model.json").read_text())["provenance"]


@pytest.fixture
def few(place):
    (place / "few.toml").write_text(FEW)
    return place / "few.toml"


@pytest.mark.parametrize("unlabelled", ["cube.zarr", "samples.zarr"])
def test_method_of_the_file_learns_from_a_cube_or_from_samples(cli, place, few, unlabelled):
    told = cli(
        "train", place / "samples.zarr", "--out", place / "taught", "--settings", few,
        "--unlabelled", place / unlabelled,
    )  # fmt: skip
    assert told.exit_code == 0, told.err
    found = provenance(place / "taught")
    assert found["method"]["name"] == "mean_teacher"
    assert found["method"]["weight"] == 3
    assert found["settings"]["epochs"] == 2
    assert found["settings"]["loss"]["focal_gamma"] == 1.0


def test_what_is_given_counts_more_than_the_file(cli, place):
    (place / "two.toml").write_text("epochs = 2\nseed = 5\n")
    out = place / "other"
    told = cli(
        "train", place / "samples.zarr", "--out", out, "--settings", place / "two.toml",
        "--epochs", 1,
    )  # fmt: skip
    assert told.exit_code == 0
    assert provenance(out)["settings"]["epochs"] == 1
    assert provenance(out)["settings"]["seed"] == 5


def test_weights_of_a_model_are_where_it_begins(cli, place):
    out = place / "again"
    told = cli(
        "train", place / "samples.zarr", "--out", out, "--init", place / "model", "--epochs", 1
    )
    assert told.exit_code == 0
    assert provenance(out)["init"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 2", "unknown training setting 'epoch'. Known, nearest first: epochs"),
        ("[method]\nname = 'mean_techer'", "unknown method 'mean_techer'. Known, nearest first"),
        ("epochs = ", "two.toml"),
    ],
)
def test_file_that_is_wrong_is_refused(cli, place, text, said):
    (place / "two.toml").write_text(text)
    told = cli(
        "train", place / "samples.zarr", "--out", place / "none", "--settings", place / "two.toml"
    )
    assert told.exit_code == 2
    assert said in told.err
    assert not (place / "none").exists()


def test_method_without_imagery_and_climate_without_context_are_refused(cli, place, few):
    told = cli("train", place / "samples.zarr", "--out", place / "none", "--settings", few)
    assert told.exit_code == 2
    assert "MeanTeacher learns from unlabelled samples, but there are none" in told.err
    told = cli("train", place / "samples.zarr", "--out", place / "none", "--conditioning", "cbn")
    assert told.exit_code == 2
    assert "these samples carry no context" in told.err


@pytest.mark.parametrize(("option", "kind"), [("--members", "deep"), ("--snapshots", "snapshots")])
def test_an_ensemble_is_trained_and_classifies(cli, place, option, kind):
    out = place / "ensemble"
    told = cli("train", place / "samples.zarr", "--out", out, option, 2, "--epochs", 2)
    assert told.exit_code == 0, told.err
    assert "ensemble of 2 (tempcnn) trained on" in told.out
    assert json.loads((out / "ensemble.json").read_text())["provenance"]["kind"].startswith(kind)
    told = cli("classify", place / "cube.zarr", "--model", out)
    assert told.exit_code == 0, told.err
    assert "ensemble of 2" in told.out


def test_every_kind_of_members_classifies_from_its_folder(cli, place):
    classifier = lx.load_classifier(place / "model")
    lx.MonteCarloDropout(classifier, members=2).save(place / "dropout")
    lx.TestTimeAugmentation(classifier, members=2).save(place / "views")
    for name, words in (("dropout", "2 draws of dropout"), ("views", "2 views of tempcnn")):
        told = cli("classify", place / "cube.zarr", "--model", place / name, "--overwrite")
        assert told.exit_code == 0, told.err
        assert words in told.out


def test_members_and_snapshots_are_not_one(cli, place):
    told = cli(
        "train", place / "samples.zarr", "--out", place / "both", "--members", 2, "--snapshots", 2
    )
    assert told.exit_code != 0
    assert "give one of them" in told.err
