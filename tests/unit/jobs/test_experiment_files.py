"""Experiments from TOML: what is combined, and what is refused with which words."""

import pytest

from lulc_xr.core.errors import ExperimentError, ModelError, StoreError
from lulc_xr.jobs.experiment_files import load_experiment

FOLDS = '[[folds]]\nmethod = "blocked"\nblock = 100\n'
FOREST = '[[method]]\nname = "forest"\nnetwork = "random_forest"\n'
PLAIN = 'samples = "s.zarr"\n' + FOLDS + FOREST


@pytest.fixture
def load(tmp_path):
    """``load(text)`` reads an experiment that is written in these words."""

    def read(text):
        path = tmp_path / "few.toml"
        path.write_text(text)
        return load_experiment(path)

    return read


def test_defaults_of_a_short_file(load, tmp_path):
    made = load(PLAIN)
    assert made.title == "few"
    assert made.folder == tmp_path / "few_runs"
    assert made.samples == {"s": tmp_path / "s.zarr"}
    assert made.seeds == (0, 1, 2, 3, 4)
    assert made.budgets == ("all",)
    assert (made.reference, made.task) == ("forest", "land_cover")
    assert made.methods[0].tasks == ("land_cover",)


def test_lists_of_a_method_are_combined_and_named_by_what_differs(load):
    made = load(
        PLAIN + '[[method]]\nnetwork = ["tempcnn", "ltae"]\nconditioning = ["none", "cbn"]\n'
        'tasks = ["land_cover", "land_cover+land_use"]\ntrain = {context = ["bio01"]}\n'
    )
    names = [method.name for method in made.methods[1:]]
    assert len(names) == 8
    assert "tempcnn, land_cover" in names
    assert "ltae, cbn, land_cover+land_use" in names
    assert made.methods[-1].tasks == ("land_cover", "land_use")


def test_a_method_without_conditioning_takes_no_context(load):
    made = load(
        PLAIN + '[train]\ncontext = ["bio01"]\nepochs = 3\n'
        '[[method]]\nnetwork = "tempcnn"\nconditioning = ["none", "embedding"]\n'
    )
    plain, conditioned = (method.config(seed=1) for method in made.methods[1:])
    assert (plain.context, plain.conditioning, plain.epochs) == ((), "none", 3)
    assert (conditioned.context, conditioned.conditioning) == (("bio01",), "embedding")
    assert plain.allow_missing_classes


def test_settings_belong_to_the_learning_methods_that_are_not_supervised(load):
    made = load(
        PLAIN + '[[method]]\nnetwork = "tempcnn"\nlearning = ["supervised", "mean_teacher"]\n'
        "settings = {decay = 0.9}\n"
    )
    assert [dict(method.settings) for method in made.methods[1:]] == [{}, {"decay": 0.9}]


def test_several_stores_and_a_number_of_seeds(load):
    made = load(
        "seeds = 2\nbudgets = [5, 'all']\n[samples]\na = 'a.zarr'\nb = 'b.zarr'\n" + FOLDS
        + FOREST + 'samples = "b"\n'
    )  # fmt: skip
    assert made.seeds == (0, 1)
    assert made.budgets == (5, "all")
    assert made.methods[0].samples == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sedes = 3\n" + PLAIN, "unknown key 'sedes'.*nearest first: seeds"),
        (PLAIN + 'conditionng = "cbn"\n', r"unknown key of \[method\] 'conditionng'.*conditioning"),
        (PLAIN + 'conditioning = "cbn"\n', "unknown conditioning of random_forest 'cbn'.*features"),
        (PLAIN + 'learning = "fixmatch"\n', "unknown learning of random_forest 'fixmatch'"),
        (PLAIN + 'samples = "t"\n', "unknown samples 't'.*s"),
        ("budgets = [0]\n" + PLAIN, "budget 0; expected labels per class, >= 1"),
        ("budgets = [5, 5]\n" + PLAIN, "budget 5 comes twice"),
        ("seeds = [-1]\n" + PLAIN, "seed -1; expected a whole number from 0"),
        ("seeds = 0\n" + PLAIN, "no seeds; give at least one"),
        ('reference = "trees"\n' + PLAIN, "unknown method of reference 'trees'.*forest"),
        (PLAIN + FOREST, "name of a method 'forest' comes twice.*names of their own"),
        (PLAIN.replace("blocked", "blcked"), "unknown method of folds 'blcked'.*blocked"),
        (PLAIN.replace("block = 100", "blocks = 100"), "unknown key of .folds. 'blocks'.*block"),
        ('samples = "s.zarr"\n' + FOLDS, "has no methods; give at least one"),
        (FOLDS + FOREST, "samples is None; expected a path in quotes, or a table"),
        (PLAIN + "[train]\nepochs = 'many'\n", None),
        ("samples = [", "is not TOML"),
    ],
)
def test_what_does_not_fit_is_refused(load, text, said):
    if said is None:
        # Settings of trees are not those of a training: nothing to refuse.
        assert load(text).methods
        return
    with pytest.raises(ExperimentError, match=said):
        load(text)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("train = {epoch = 3}", "unknown training setting 'epoch'.*epochs"),
        ("train = {epochs = 0}", "epochs 0; expected a value >= 1"),
    ],
)
def test_settings_of_a_training_are_checked_when_the_file_is_read(load, table, said):
    with pytest.raises(ModelError, match=said):
        load(PLAIN + '[[method]]\nnetwork = "tempcnn"\n' + table + "\n")


@pytest.mark.parametrize("name", ["seed = 3", "validation_fold = 1"])
def test_what_the_experiment_deals_is_not_a_setting_of_a_method(load, name):
    with pytest.raises(ExperimentError, match="deals seeds, folds and conditioning itself"):
        load(PLAIN + '[[method]]\nnetwork = "tempcnn"\ntrain = {' + name + "}\n")


def test_the_message_says_which_file(load):
    with pytest.raises(ExperimentError) as told:
        load("sedes = 3\n" + PLAIN)
    assert any("few.toml" in note for note in told.value.__notes__)


def test_a_file_that_is_not_there():
    with pytest.raises(StoreError, match=r"no experiment 'nothing.toml' here"):
        load_experiment("nothing.toml")
