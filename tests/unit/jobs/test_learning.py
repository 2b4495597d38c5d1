"""``lulc-xr train`` beyond the plain case: a file of settings, unlabelled imagery, weights."""

import json

import pytest

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
