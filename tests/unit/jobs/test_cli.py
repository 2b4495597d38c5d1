"""The command line from samples to a judged map: what it says, and its exit codes."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lulc_xr.core.errors import StoreError
from lulc_xr.cube.store import open_cube
from lulc_xr.samples.store import open_samples

COMMANDS = (
    "demo", "plan", "build", "info", "sample", "train", "calibrate", "classify", "evaluate",
    "verify", "cog", "points", "experiment", "networks",
    "verify", "points", "experiment", "networks", "fractions", "plant-types", "grids",
)  # fmt: skip


def test_from_samples_to_a_judged_map(cli, place):
    store, model = place / "cube.zarr", place / "model"
    assert cli("classify", store, "--model", model).exit_code == 0
    told = cli("evaluate", store, "--reference", "reference", "--json", place / "scores.json")
    assert told.exit_code == 0
    scores = json.loads((place / "scores.json").read_text())
    cube = open_cube(store)
    same = cube["land_cover"].isel(year=0) == cube["reference"]
    assert scores["overall"] == pytest.approx(float(same.mean()))
    assert f"{scores['overall']:.3f}" in told.out
    assert "every shard holds what was written" in cli("verify", store).out
    info = cli("info", store)
    assert info.exit_code == 0
    assert "land_cover_entropy" in info.out
    assert "12/12" in info.out
    assert "woodland" in info.out


def test_classifying_again_writes_nothing(cli, place):
    store, model = place / "cube.zarr", place / "model"
    assert "12 shards written" in cli("classify", store, "--model", model).out
    again = cli("classify", store, "--model", model)
    assert again.exit_code == 0
    assert "0 shards written; 12 were there before" in again.out


def test_outputs_and_years_are_those_asked_for(cli, place):
    told = cli(
        "classify", place / "cube.zarr", "--model", place / "model",
        "--outputs", "probability", "--years", "2018",
    )  # fmt: skip
    assert told.exit_code == 0
    cube = open_cube(place / "cube.zarr")
    assert "land_cover_probability" in cube
    assert "land_cover" not in cube
    total = cube["land_cover_probability"].sum("class")
    assert float(abs(total - 1).max()) < 0.02


def test_map_of_another_model_is_refused_in_the_words_of_the_shell(cli, place):
    store = place / "cube.zarr"
    cli("classify", store, "--model", place / "model")
    cli("train", place / "samples.zarr", "--out", place / "other", "--epochs", "1", "--seed", "3")
    refused = cli("classify", store, "--model", place / "other")
    assert refused.exit_code == 2
    assert "is a map of another job" in refused.err
    assert "--overwrite" in refused.err
    assert "overwrite=True" not in refused.err
    before = open_cube(store)["land_cover"].attrs["model_hash"]
    assert cli("classify", store, "--model", place / "other", "--overwrite").exit_code == 0
    assert open_cube(store)["land_cover"].attrs["model_hash"] != before


def test_damaged_shard_gives_exit_code_1(cli, place):
    store = place / "cube.zarr"
    cli("classify", store, "--model", place / "model")
    (shard, *_) = sorted((store / "land_cover_entropy" / "c").rglob("1/1"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    found = cli("verify", store)
    assert found.exit_code == 1
    assert "damaged: land_cover_entropy, shard (0, 1, 1)" in found.out


def test_store_without_a_map_has_nothing_to_verify(cli, place):
    found = cli("verify", place / "cube.zarr")
    assert found.exit_code == 0
    assert "nothing to check" in found.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("info", "nowhere.zarr"), "nowhere.zarr': nothing is there"),
        (("verify", "nowhere.zarr"), "nowhere.zarr': nothing is there"),
        (("info", "AREA/model"), "a folder without zarr.json is there"),
        (("classify", "AREA/cube.zarr", "--model", "AREA/none"), "no model folder"),
        (
            ("classify", "AREA/cube.zarr", "--model", "AREA/model", "--precision", "float8"),
            "unknown precision 'float8'",
        ),
        (
            ("classify", "AREA/cube.zarr", "--model", "AREA/model", "--years", "soon"),
            "--years 'soon': expected numbers",
        ),
        (
            (
                "classify", "AREA/cube.zarr", "--model", "AREA/model",
                "--workers", "2", "--scheduler", "tcp://127.0.0.1:8786",
            ),
            "choose one",
        ),
        (
            ("evaluate", "AREA/cube.zarr", "--reference", "reference"),
            "unknown class map 'land_cover'",
        ),
        (
            ("train", "AREA/samples.zarr", "--out", "AREA/new", "--network", "tempcn"),
            "unknown network 'tempcn'. Known, nearest first: tempcnn",
        ),
        (("train", "AREA/samples.zarr", "--out", "AREA/model"), "exists already; pass --overwrite"),
        (("train", "AREA/cube.zarr", "--out", "AREA/new"), "holds no samples"),
        (
            ("sample", "AREA/cube.zarr", "AREA/points.gpkg", "--out", "AREA/samples.zarr"),
            "exists already; pass --overwrite",
        ),
        (("demo", "--recipe", "nowhere.py"), "It comes with the repository"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message_and_exit_code_2(cli, place, arguments, said):
    result = cli(*(a.replace("AREA", str(place)) for a in arguments))
    assert result.exit_code == 2
    assert said in result.err
    assert result.err.startswith("error:")
    assert "Traceback" not in result.err


def test_debug_lets_the_error_through(cli):
    assert isinstance(cli("--debug", "info", "nowhere.zarr").exception, StoreError)


def test_wrong_usage_is_exit_code_2(cli):
    assert cli("classify").exit_code == 2
    assert cli("no-such-command").exit_code == 2


def test_version(cli):
    told = cli("--version")
    assert told.exit_code == 0
    assert told.out == f"lulc-xr {version('lulc_xr')}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(cli, command):
    told = cli(command, "--help")
    assert told.exit_code == 0
    assert f"Example: lulc-xr {command}" in told.out
    assert command in cli("--help").out


def test_networks_name_those_that_are_built_in(cli):
    told = cli("networks")
    assert told.exit_code == 0
    assert "tempcnn" in told.out
    assert "ltae" in told.out


@pytest.mark.filterwarnings("ignore:of 36 points")
def test_samples_of_patches_and_of_each_points_own_year(cli, place):
    table = pd.read_csv(place / "named.csv").assign(year=2018, error=12.0)
    table.loc[0, "year"] = 1999
    table.to_csv(place / "dated.csv", index=False)
    how = ("sample", place / "cube.zarr", place / "dated.csv", "--out", place / "patches.zarr")
    told = cli(*how, "--years", "match", "--tolerance", "error", "--patch", 7)
    assert told.exit_code == 0
    samples = open_samples(place / "patches.zarr")
    assert dict(samples.labelled.sizes) == {"sample": 35, "patch_y": 7, "patch_x": 7}
    assert "35 samples in" in told.out
    refused = cli(*how, "--years", "mach", "--overwrite")
    assert refused.exit_code == 2
    assert "give 'match', or years such as 2018,2019" in refused.err
    even = cli(*how, "--patch", 4, "--overwrite")
    assert even.exit_code == 2
    assert "expected an odd number of pixels" in even.err


def test_samples_keep_the_cubes_own_dates_when_asked(cli, place):
    told = cli(
        "sample", place / "cube.zarr", place / "points.parquet", "--out", place / "raw.zarr",
        "--raw-dates", 20,
    )  # fmt: skip
    assert told.exit_code == 0
    samples = open_samples(place / "raw.zarr")
    assert samples.sizes["time"] == open_cube(place / "cube.zarr").sizes["time"]
    assert '"kind": "raw"' in samples.attrs["dates"]
    info = cli("info", place / "raw.zarr")
    assert info.exit_code == 0
    assert "woodland" in info.out


def test_names_in_a_table_become_a_legend(cli, place):
    told = cli(
        "sample", place / "cube.zarr", place / "named.csv", "--labels", "kind",
        "--out", place / "named.zarr",
    )  # fmt: skip
    assert told.exit_code == 0
    samples = open_samples(place / "named.zarr")
    assert samples["land_cover"].attrs["flag_meanings"] == "summer_crop winter_crop woodland"
    assert np.unique(samples["land_cover"], return_counts=True)[1].tolist() == [12, 12, 12]


FIELDS = """
kind = "landscape"
title = "Fields"
[landscape]
y = 24
x = 20
time = 3
bands = ["red"]
"""


@pytest.fixture
def fields(tmp_path):
    """A recipe of a small landscape."""
    (tmp_path / "fields.toml").write_text(FIELDS)
    return tmp_path / "fields.toml"


def test_recipe_is_planned_built_and_extended(cli, fields):
    plan = cli("plan", fields, "--years", "2018,2019", "--json", fields.with_suffix(".json"))
    assert plan.exit_code == 0
    assert "24 × 20 pixels" in plan.out
    told = json.loads(fields.with_suffix(".json").read_text())
    assert told["dates"] == {"2018": 3, "2019": 3}
    assert not fields.with_suffix(".zarr").exists()
    built = cli("build", fields)
    assert built.exit_code == 0
    assert "added 3 dates of 24 × 20 pixels" in built.out
    again = cli("build", fields)
    assert again.exit_code == 0
    assert "nothing new" in again.out
    assert "shards written" not in again.out
    assert "a build would add nothing" in cli("plan", fields).out
    assert "a build would add 3 dates" in cli("plan", fields, "--years", "2018,2019").out
    grown = cli("build", fields, "--years", "2018,2019")
    assert grown.exit_code == 0
    assert "added 3 dates" in grown.out
    assert open_cube(fields.with_suffix(".zarr")).sizes["time"] == told["size"]["time"]


def test_recipe_in_python_is_built_where_asked(cli, tmp_path):
    recipe = Path(__file__).parents[3] / "zarr_stores" / "flanders_polder.py"
    built = cli("build", recipe, "--store", tmp_path / "polder.zarr")
    assert built.exit_code == 0
    assert "added 102 dates of 32 × 32 pixels" in built.out
    assert "nothing new" in cli("build", recipe, "--store", tmp_path / "polder.zarr").out
    assert "missing upstream" in cli("info", tmp_path / "polder.zarr").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "none.toml"), "no recipe 'none.toml' here"),
        (("plan", "FIELDS", "--years", "soon"), "--years 'soon': expected numbers"),
        (("build", "FIELDS", "--catalogue", "x"), "fields.toml reads no catalogue"),
        (
            ("build", "FIELDS", "--workers", "1", "--scheduler", "tcp://127.0.0.1:8786"),
            "choose one",
        ),
    ],
)
def test_recipe_that_cannot_be_built_is_one_message(cli, fields, arguments, said):
    result = cli(*(fields if a == "FIELDS" else a for a in arguments))
    assert result.exit_code == 2
    assert said in result.err
    assert result.err.startswith("error:")
