"""Classifier: what it predicts, what it is on disk, and what it refuses to load."""

import json
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import xarray as xr
from pystac.extensions.mlm import ModelInput, ModelOutput

from lulc_xr.core.dates import RawDates, RegularDates
from lulc_xr.core.errors import ModelError, SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.model import ModelSpec, Predictor, Scaling
from lulc_xr.core.probability import entropy
from lulc_xr.models.classifier import Classifier, load_classifier
from lulc_xr.models.folder import DOCUMENT, WEIGHTS, hash_content
from lulc_xr.models.registry import make_network

BANDS = ("red", "nir", "swir16")
DAYS = np.arange(0, 360, 30, dtype=np.int32)
LEGEND = Legend.from_names("demo", ["cropland", "woodland", "water"])
SIZES = {"bands": 3, "dates": 12, "classes": {"land_cover": 3}}
USE = Legend.from_names("use", ["farming", "none"])


def make_classifier(name="tempcnn", *, seed=0, tasks=("land_cover",), dates=None, **settings):
    legends = {task: {"land_cover": LEGEND, "land_use": USE}[task] for task in tasks}
    spec = ModelSpec(
        bands=BANDS,
        legends=legends,
        dates=dates or RegularDates(),
        scaling=Scaling(mean=(0.1, 0.3, 0.2), std=(0.05, 0.1, 0.08)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_network(
            name, bands=3, dates=12, classes={t: len(g) for t, g in legends.items()}
        )
        network(torch.randn(32, 12, 3), torch.from_numpy(DAYS), None)
    provenance = {"seed": seed, "date": "2024-05-01", "scores": {"training_loss": 0.5}}
    return Classifier(network.eval(), name=name, spec=spec, provenance=provenance, **settings)


def make_block(y=5, x=7, *, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.02, 0.5, (12, 3, y, x)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    return make_classifier().save(tmp_path / "model")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LULC_XR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---- predicting


@pytest.mark.parametrize("name", ["tempcnn", "ltae"])
def test_block_gives_what_the_plain_network_gives(name):
    classifier = make_classifier(name)
    network = make_network(name, **classifier.sizes)
    network.load_state_dict(classifier.weights)
    block = make_block()
    scaling = classifier.spec.scaling
    scaled = (block - np.array(scaling.mean)[:, None, None]) / np.array(scaling.std)[:, None, None]
    series = torch.tensor(scaled.reshape(12, 3, -1).transpose(2, 0, 1), dtype=torch.float32)
    with torch.inference_mode():
        logits = network.eval()(series, torch.from_numpy(DAYS), None)["land_cover"]
    expected = logits.softmax(1).T.reshape(3, 5, 7)
    found = classifier.predict_block(block, DAYS, None)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_classifier_is_a_predictor():
    assert isinstance(make_classifier(), Predictor)


def test_several_tasks_come_by_name():
    found = make_classifier(tasks=("land_cover", "land_use")).predict_block(make_block(), DAYS)
    assert {task: p.shape for task, p in found.items()} == {
        "land_cover": (3, 5, 7),
        "land_use": (2, 5, 7),
    }
    for probabilities in found.values():
        np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_empty_block_gives_empty_probabilities():
    assert make_classifier().predict_block(make_block(y=0), DAYS).shape == (3, 0, 7)


def test_read_only_block_is_taken_without_warning(recwarn):
    block = make_block()
    expected = make_classifier().predict_block(block, DAYS)
    block.flags.writeable = False
    np.testing.assert_array_equal(make_classifier().predict_block(block, DAYS), expected)
    assert not recwarn.list


def test_gaps_are_not_read_by_a_network_for_gaps():
    classifier = make_classifier("ltae", dates=RawDates(maximum=12))
    block, gap = make_block(), np.random.default_rng(1).random((12, 5, 7)) < 0.4
    gap[0] = False
    block[np.broadcast_to(gap[:, None], block.shape)] = np.nan
    found = classifier.predict_block(block, DAYS)
    assert np.isfinite(found).all()
    y, x = 2, 3
    kept = ~gap[:, y, x]
    alone = classifier.predict_block(block[kept][:, :, y : y + 1, x : x + 1], DAYS[kept])
    np.testing.assert_allclose(alone[:, 0, 0], found[:, y, x], atol=1e-5)


@pytest.mark.parametrize("shape", [(11, 3, 2, 2), (12, 2, 2, 2), (12, 3, 4)])
def test_block_of_another_shape_is_refused(shape):
    block = np.zeros(shape, np.float32)
    with pytest.raises(ModelError, match=r"expects \(time, band, y, x\) with 12 dates and 3 bands"):
        make_classifier().predict_block(block, DAYS[: shape[0]])


def test_prediction_sets_the_threads_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        make_classifier().predict_block(make_block(), DAYS)
        assert torch.get_num_threads() == 2
        with pytest.raises(ModelError):
            make_classifier().predict_block(make_block()[:, :2], DAYS)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_that_predict_at_once_agree():
    classifier, block = make_classifier(), make_block(40, 40)
    found = {}
    threads = [
        threading.Thread(
            target=lambda i=i: found.update({i: classifier.predict_block(block, DAYS)})
        )
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = make_classifier().predict_block(block, DAYS)
    assert len(found) == 4
    for probabilities in found.values():
        np.testing.assert_array_equal(probabilities, expected)


def test_bfloat16_shares_weights_and_is_near():
    exact = make_classifier()
    fast = exact.with_precision("bfloat16")
    assert (fast.precision, exact.precision) == ("bfloat16", "float32")
    assert fast.content_hash == exact.content_hash
    block = make_block()
    a, b = exact.predict_block(block, DAYS), fast.predict_block(block, DAYS)
    assert 0 < np.abs(a - b).max() < 0.02
    np.testing.assert_array_equal(fast.with_precision("float32").predict_block(block, DAYS), a)


def test_unknown_precision_and_device_are_refused():
    with pytest.raises(ModelError, match=r"unknown precision 'float16'"):
        make_classifier().with_precision("float16")
    with pytest.raises(ModelError, match=r"unknown device 'gpu'"):
        make_classifier(device="gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("LULC_XR_DEVICE", "cuda")
    with pytest.raises(ModelError, match=r"PyTorch sees no CUDA device"):
        make_classifier()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_auto_is_the_processor_where_there_is_no_cuda(monkeypatch):
    # Training takes it from the same variable, and then makes the classifier.
    monkeypatch.setenv("LULC_XR_DEVICE", "auto")
    assert make_classifier().device == "cpu"


@pytest.mark.gpu
def test_cuda_gives_what_the_processor_gives():
    block = make_block(300, 300)
    on_gpu = make_classifier(device="cuda").predict_block(block, DAYS)
    np.testing.assert_allclose(on_gpu, make_classifier().predict_block(block, DAYS), atol=1e-3)


def make_samples(number=6):
    block = make_block(1, number)
    return xr.Dataset(
        {"reflectance": (("sample", "time", "band"), block[:, :, 0].transpose(2, 0, 1))},
        {"band": list(BANDS), "day": ("time", DAYS)},
    )


def test_samples_get_class_entropy_and_probability():
    classifier, samples = make_classifier(), make_samples()
    found = classifier.predict(samples)
    probability = classifier.predict_block(make_block(1, 6), DAYS)[:, 0]
    np.testing.assert_array_equal(found["land_cover_probability"].T, probability)
    np.testing.assert_array_equal(found["land_cover"], probability.argmax(0))
    np.testing.assert_array_equal(found["land_cover_entropy"], entropy(probability))
    assert found["land_cover"].attrs["flag_meanings"] == "cropland woodland water"
    assert found["land_cover"].dtype == np.uint8


def test_samples_may_have_their_bands_in_another_order():
    samples = make_samples()
    turned = samples.isel(band=[2, 0, 1]).transpose("band", "sample", "time")
    xr.testing.assert_equal(make_classifier().predict(turned), make_classifier().predict(samples))


def test_several_tasks_of_samples_have_classes_of_their_own():
    found = make_classifier(tasks=("land_cover", "land_use")).predict(make_samples())
    assert found["land_cover_probability"].dims == ("sample", "land_cover_class")
    assert found["land_use_probability"].sizes["land_use_class"] == 2


def test_samples_without_a_band_or_days_are_refused():
    with pytest.raises(SampleError, match=r"unknown band 'nir'.*The model needs red, nir, swir16"):
        make_classifier().predict(make_samples().isel(band=[0, 2]))
    with pytest.raises(SampleError, match=r"samples without day\(time\)"):
        make_classifier().predict(make_samples().drop_vars("day"))


def test_network_and_specification_must_fit():
    classifier = make_classifier()
    network = make_network("tempcnn", bands=4, dates=12, classes={"land_cover": 3})
    with pytest.raises(ModelError, match=r"built with bands=4, but the specification says 3"):
        Classifier(network, name="tempcnn", spec=classifier.spec)


# ---- on disk


@pytest.mark.parametrize("name", ["tempcnn", "ltae"])
def test_saved_and_loaded_is_the_same(tmp_path, name):
    classifier = make_classifier(name)
    loaded = load_classifier(classifier.save(tmp_path / "model"))
    assert loaded.content_hash == classifier.content_hash
    assert loaded.spec == classifier.spec
    assert loaded.sizes == classifier.sizes
    assert loaded.provenance == classifier.provenance
    np.testing.assert_array_equal(
        loaded.predict_block(make_block(), DAYS), classifier.predict_block(make_block(), DAYS)
    )
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_hash_follows_weights_and_specification_only(tmp_path):
    first = make_classifier()
    assert first.content_hash == make_classifier().content_hash
    assert first.content_hash != make_classifier(seed=1).content_hash
    network = make_network("tempcnn", **first.sizes)
    network.load_state_dict(first.weights)
    again = Classifier(network, name="tempcnn", spec=first.spec, provenance={"date": "later"})
    assert first.content_hash == again.content_hash


def test_weights_given_out_are_copies():
    classifier = make_classifier()
    before = classifier.predict_block(make_block(), DAYS)
    for tensor in classifier.weights.values():
        tensor.zero_()
    classifier.provenance.clear()
    assert classifier.provenance
    fresh = classifier.with_precision("float32")
    np.testing.assert_array_equal(fresh.predict_block(make_block(), DAYS), before)


def test_loading_leaves_random_numbers_alone(folder):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    load_classifier(folder)
    assert torch.equal(torch.rand(2), expected)


def test_document_has_the_terms_of_the_mlm_extension(folder):
    document = json.loads((folder / DOCUMENT).read_text())
    assert document["stac_extensions"] == [
        "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
    ]
    terms = document["properties"]
    assert terms["mlm:architecture"] == "tempcnn"
    given = ModelInput(terms["mlm:input"][0])
    assert given.bands == list(BANDS)
    assert given.input.shape == [-1, 12, 3]
    assert [each["mean"] for each in given.properties["value_scaling"]] == [0.1, 0.3, 0.2]
    output = ModelOutput(terms["mlm:output"][0])
    assert output.result.shape == [-1, 3]
    assert [c["name"] for c in output.properties["classification:classes"]] == list(LEGEND.names)


def test_same_model_is_not_written_again(folder):
    before = (folder / WEIGHTS).stat().st_ino
    make_classifier().save(folder)
    assert (folder / WEIGHTS).stat().st_ino == before


def test_another_model_is_not_overwritten_unless_asked(folder):
    other = make_classifier(seed=1)
    with pytest.raises(ModelError, match=r"holds another model.*pass overwrite=True"):
        other.save(folder)
    assert load_classifier(folder).content_hash == make_classifier().content_hash
    other.save(folder, overwrite=True)
    assert load_classifier(folder).content_hash == other.content_hash
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_model_is_never_replaced(tmp_path, overwrite):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    for path in (tmp_path / "letters", tmp_path / "letters" / "dear.txt"):
        with pytest.raises(ModelError, match=r"is no model folder. Give a path that is free"):
            make_classifier().save(path, overwrite=overwrite)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "x"


def test_empty_folder_and_new_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "a" / "b" / "model"):
        load_classifier(make_classifier().save(path))


def test_failed_write_leaves_the_old_model(folder, monkeypatch):
    old = make_classifier().content_hash
    monkeypatch.setattr(safetensors.torch, "save", _full_disk)
    with pytest.raises(OSError, match=r"No space left"):
        make_classifier(seed=1).save(folder, overwrite=True)
    monkeypatch.undo()
    assert load_classifier(folder).content_hash == old
    assert list(folder.parent.iterdir()) == [folder]


def _full_disk(*_):
    raise OSError(28, "No space left on device")


def test_repr_names_the_model():
    classifier = make_classifier()
    assert "tempcnn for land_cover (3 classes)" in repr(classifier)
    card = classifier._repr_html_()
    assert classifier.content_hash[:12] in card
    assert "cropland, woodland, water" in card


# ---- travelling


def test_reference_of_an_unsaved_model_points_to_the_private_cache(cache):
    classifier = make_classifier().with_precision("bfloat16")
    reference = classifier.reference()
    assert reference.path == str(cache / "models" / classifier.content_hash)
    assert stat.S_IMODE((cache / "models").stat().st_mode) == 0o700
    assert reference.precision == "bfloat16"
    assert reference.loader(reference.path).content_hash == reference.content_hash


def test_reference_of_a_saved_model_points_to_its_folder(folder, cache):
    assert load_classifier(folder).reference().path == str(folder)
    assert not cache.exists()


def test_damaged_model_in_the_cache_is_written_anew(cache):
    path = make_classifier().reference().path
    os.truncate(Path(path) / WEIGHTS, 100)
    make_classifier().reference()
    load_classifier(path)


def test_pickle_holds_no_weights(cache):
    classifier = make_classifier().with_precision("bfloat16")
    sent = pickle.dumps(classifier)
    assert len(sent) < 1000
    received = pickle.loads(sent)
    assert received.content_hash == classifier.content_hash
    assert received.precision == "bfloat16"
    assert pickle.loads(sent) is received


def test_pickle_of_a_folder_that_was_replaced_is_refused(tmp_path):
    classifier = make_classifier(seed=2)
    folder = classifier.save(tmp_path / "model")
    sent = pickle.dumps(classifier)
    make_classifier(seed=3).save(folder, overwrite=True)
    with pytest.raises(ModelError, match=r"the folder was replaced in the meantime"):
        pickle.loads(sent)


def test_another_process_predicts_the_same(folder, tmp_path):
    np.save(tmp_path / "block.npy", make_block())
    code = (
        "import sys, numpy as np\n"
        "from lulc_xr.models.classifier import load_classifier\n"
        "days = np.arange(0, 360, 30, dtype=np.int32)\n"
        "p = load_classifier(sys.argv[1]).predict_block(np.load(sys.argv[2]), days)\n"
        "np.save(sys.argv[3], p)\n"
    )
    out = tmp_path / "out.npy"
    arguments = [str(folder), str(tmp_path / "block.npy"), str(out)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    expected = make_classifier().predict_block(make_block(), DAYS)
    np.testing.assert_allclose(np.load(out), expected, atol=1e-6)


# ---- refused


def refuse(path, message):
    with pytest.raises(ModelError, match=message):
        load_classifier(path)


def edit(folder, **changes):
    document = json.loads((folder / DOCUMENT).read_text())
    document.update(changes)
    (folder / DOCUMENT).write_text(json.dumps(document))
    return document


def reseal(folder, weights=None, **changes):
    """Write changed weights or document with the hash that belongs to them."""
    document = edit(folder, **changes)
    weights = weights or safetensors.torch.load((folder / WEIGHTS).read_bytes())
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(weights))
    edit(folder, content_hash=hash_content(document, weights))


def test_no_folder_is_refused(tmp_path):
    refuse(tmp_path / "nothing", "no model folder at .*nothing. Give the folder that Classifier")


@pytest.mark.parametrize("missing", [DOCUMENT, WEIGHTS])
def test_missing_file_is_refused(folder, missing):
    (folder / missing).unlink()
    refuse(folder, f"has no {re.escape(missing)}; it holds model")


@pytest.mark.parametrize("suffix", ["pt", "pth", "pkl", "bin", "ckpt"])
def test_pickle_beside_is_refused(folder, suffix):
    (folder / f"weights.{suffix}").write_bytes(b"")
    refuse(folder, f"holds weights.{suffix}; .*can run code when they are loaded")


def test_pickle_instead_of_a_folder_is_refused(tmp_path):
    torch.save(make_classifier().weights, tmp_path / "model.pt")
    refuse(tmp_path / "model.pt", "model.pt is a pickle; expected a folder")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_pickle_under_the_name_of_safetensors_runs_no_code(folder, tmp_path, writer):
    bomb = {"weight": Bomb(str(tmp_path / "exploded"))}
    with (folder / WEIGHTS).open("wb") as file:
        pickle.dump(bomb, file) if writer == "pickle" else torch.save(bomb, file)
    refuse(folder, "is a pickle under another name.*can run code")
    assert not (tmp_path / "exploded").exists()


def test_damaged_document_is_refused(folder):
    text = (folder / DOCUMENT).read_text()
    (folder / DOCUMENT).write_text(text[: len(text) // 2])
    refuse(folder, "model.json is damaged: not JSON")
    (folder / DOCUMENT).write_bytes(b"\xff\xfe")
    refuse(folder, "model.json is damaged: not JSON")
    (folder / DOCUMENT).write_text("[]")
    refuse(folder, "has format_version None")


def test_other_format_version_is_refused(folder):
    edit(folder, format_version=99)
    refuse(folder, "has format_version 99; this lulc_xr reads 1")


def test_document_without_a_part_is_refused(folder):
    document = json.loads((folder / DOCUMENT).read_text())
    del document["spec"]
    (folder / DOCUMENT).write_text(json.dumps(document))
    refuse(folder, "model.json is damaged: it lacks spec")


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_cut_weights_are_refused(folder, keep):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:keep])
    refuse(folder, "model.safetensors is damaged")


def test_tampered_weights_are_refused(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-3] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    refuse(folder, "was changed after it was saved: its content hash is")


def test_tampered_specification_is_refused(folder):
    document = json.loads((folder / DOCUMENT).read_text())
    document["spec"]["bands"] = ["nir", "red", "swir16"]
    edit(folder, spec=document["spec"])
    refuse(folder, "was changed after it was saved")


def test_missing_extra_or_misshapen_tensor_is_refused(folder):
    weights = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    bias = weights.pop("dense.bias")
    reseal(folder, weights)
    refuse(folder, "lack dense.bias. The network TempCNN has changed")
    reseal(folder, {**weights, "dense.bias": bias, "other": bias.clone()})
    refuse(folder, "have unknown tensors other")
    reseal(folder, {**weights, "dense.bias": bias[:-1].clone()})
    refuse(folder, r"dense.bias is torch.float32 \(255,\), but the network takes .*\(256,\)")
    reseal(folder, {**weights, "dense.bias": bias.double()})
    refuse(folder, "dense.bias is torch.float64")
    reseal(folder, {**weights, "dense.bias": bias * np.nan})
    refuse(folder, "dense.bias has values that are not finite")


def test_network_that_is_not_installed_is_refused(folder):
    document = json.loads((folder / DOCUMENT).read_text())
    reseal(folder, network={**document["network"], "name": "tempcn"})
    refuse(folder, "unknown network 'tempcn'.*nearest first: tempcnn")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": {}}, "spec or network in model.json cannot be read"),
        ({"network": {"name": "tempcnn"}}, "spec or network in model.json cannot be read"),
        ({"network": {"name": "tempcnn", "sizes": {"bands": 3}}}, r"cannot be read.*dates"),
        ({"network": {"name": "tempcnn", "sizes": SIZES | {"depth": 3}}}, "cannot be built.*depth"),
    ],
)
def test_nonsense_in_the_document_is_refused(folder, change, message):
    reseal(folder, **change)
    refuse(folder, message)


def test_folder_can_be_copied_anywhere(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "elsewhere")
    assert load_classifier(copied).content_hash == make_classifier().content_hash
