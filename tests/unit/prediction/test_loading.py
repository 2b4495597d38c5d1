"""Models by reference: one pickle a model, its own hash as identity, damage found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lulc_xr as lx
from lulc_xr.core.errors import ModelError
from lulc_xr.prediction.loading import (
    load_once,
    load_pickled,
    loads_in_this_process,
    make_reference,
    model_hash,
)
from tests.predictors import CountingLoads, Ratio, Rounded


def test_the_same_model_has_the_same_reference():
    first, second = (make_reference(Ratio(), precision="float32") for _ in range(2))
    assert first == second
    assert first.content_hash == model_hash(Ratio())
    other = make_reference(Ratio(bands=("nir", "red")), precision="float32")
    assert other.content_hash != first.content_hash
    assert other.path != first.path


def test_a_hash_of_its_own_is_the_identity():
    model = Ratio()
    model.content_hash = "version 3"
    reference = make_reference(model, precision="float32")
    assert reference.content_hash == model_hash(model) == "version 3"
    loaded = load_pickled(reference.path)
    assert loaded.spec == model.spec


def test_the_planning_process_loads_nothing(tmp_path):
    before = loads_in_this_process()
    model = CountingLoads(tmp_path / "log")
    reference = make_reference(model, precision="float32")
    assert load_once(reference) is model
    assert loads_in_this_process() == before
    assert not (tmp_path / "log").exists()


def test_a_forgotten_model_is_loaded_once(tmp_path):
    log = tmp_path / "log"
    first = make_reference(CountingLoads(log), precision="float32")
    for number in range(5):
        make_reference(CountingLoads(log, ballast=number + 1), precision="float32")
    before = loads_in_this_process()
    models = {id(load_once(first)) for _ in range(3)}
    assert len(models) == 1
    assert loads_in_this_process() == before + 1
    assert len(log.read_text().splitlines()) == 1


def test_the_precision_is_that_of_the_reference():
    reference = make_reference(Rounded(0), precision="bfloat16")
    assert reference.precision == "bfloat16"
    assert load_once(reference).precision == "bfloat16"


def test_a_changed_or_missing_pickle_is_refused():
    reference = make_reference(Ratio(halo=7), precision="float32")
    path = Path(reference.path)
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(ModelError, match="was changed since it was written; classify again"):
        load_pickled(reference.path)
    path.unlink()
    elsewhere = replace(reference, content_hash="not loaded yet")
    with pytest.raises(ModelError, match=r"not there for this worker.*set LULC_XR_CACHE"):
        load_once(elsewhere)


def test_what_cannot_be_sent_is_named(tmp_path):
    model = Ratio()
    with (tmp_path / "file").open("w") as file:
        model.file = file
        with pytest.raises(
            ModelError, match=r"Ratio cannot be sent to workers: .*Make it picklable"
        ):
            make_reference(model, precision="float32")


def test_a_folder_that_was_replaced_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    from lulc_xr.models.classifier import Classifier
    from lulc_xr.models.registry import make_network
    from tests.predictors import make_spec

    def made(seed):
        torch.manual_seed(seed)
        network = make_network("tempcnn", bands=2, dates=12, classes={"land_cover": 3}, filters=4)
        return Classifier(network, name="tempcnn", spec=make_spec())

    first = made(0)
    first.save(tmp_path / "model")
    reference = first.reference()
    made(1).save(tmp_path / "model", overwrite=True)
    with pytest.raises(ModelError, match="It was changed meanwhile: classify again"):
        load_once(reference)


def test_the_graph_holds_no_weights(cube):
    import cloudpickle

    class Heavy(Ratio):
        def __init__(self):
            super().__init__()
            self.weights = np.random.default_rng(0).random(500_000)

    maps = lx.classify(cube.chunk({"y": 8, "x": 8}).drop_vars(["clear", "reference"]), Heavy())
    layers = maps["land_cover"].data.dask.layers
    own = [dict(v) for k, v in layers.items() if k.startswith(("classify", "land_cover"))]
    assert len(own) == 2
    assert len(cloudpickle.dumps(own)) < 200_000
