"""segment_gnn: segments share a class, tiles know nothing of each other, training from points."""

import numpy as np
import pytest
import torch

import lulc_xr as lx
from lulc_xr.core.errors import ModelError
from lulc_xr.core.segmentation import Segmentation
from lulc_xr.models.regions import make_graph
from lulc_xr.models.segment_gnn import SegmentGNN, draw_image
from lulc_xr.testing import check_model, landscape, points

pytest.importorskip("skimage")
pytest.importorskip("torch_geometric")

SMALL = {"hidden": 16, "heads": 2, "layers": 2, "tile": 16, "size": 6}


def make(**sizes):
    torch.manual_seed(0)
    return SegmentGNN(bands=3, dates=2, classes={"land_cover": 4}, **(SMALL | sizes)).eval()


@pytest.mark.slow
def test_it_keeps_the_contract():
    check_model("segment_gnn")


def test_pixels_of_a_segment_share_their_logits():
    network = make()
    series = torch.randn(2, 2, 3, 20, 35)
    graph = make_graph(draw_image(series), network.segmentation)
    logits = network(series)["land_cover"].detach().movedim(1, -1).numpy()
    for node in range(0, len(graph.shapes), 7):
        assert np.ptp(logits[graph.nodes == node], axis=0).max() == 0


def test_tiles_know_nothing_of_each_other():
    network = make()
    series = torch.randn(1, 2, 3, 32, 40)
    whole = network(series)["land_cover"]
    alone = network(series[..., 16:, 32:])["land_cover"]
    torch.testing.assert_close(whole[..., 16:, 32:], alone, atol=1e-5, rtol=0)
    changed = series.clone()
    changed[..., :16, :16] = 3.0
    again = network(changed)["land_cover"]
    torch.testing.assert_close(whole[..., 16:], again[..., 16:], atol=1e-5, rtol=0)
    assert (whole[..., :16, :16] != again[..., :16, :16]).any()
    assert (network.receptive_field, network.stride) == (15, 16)


def test_neighbours_are_those_that_share_a_side_in_a_tile():
    image = np.zeros((1, 1, 4, 8), np.float32)
    image[..., 2:4], image[..., 4:] = 1, 0.5
    graph = make_graph(image, Segmentation(size=2, tile=4))
    # Columns 3 and 4 touch, but the border of the tiles lies between them.
    assert graph.edges.tolist() == [[0, 1], [1, 0]]
    pixels, height, width, border = graph.shapes.T
    np.testing.assert_allclose(pixels, np.log([8, 8, 16]) / np.log(17), rtol=1e-6)
    np.testing.assert_allclose(height, [1, 1, 1])
    np.testing.assert_allclose(width, [0.5, 0.5, 1])
    np.testing.assert_allclose(border, [12 / (4 * 8**0.5)] * 2 + [1], rtol=1e-6)


def test_batch_norm_folds_into_the_graph_layers():
    network = make().train()
    for _ in range(3):
        network(torch.randn(3, 2, 3, 16, 16))
    network.eval()
    series = torch.randn(2, 3, 20, 20)
    expected = network(series[None])["land_cover"][0].softmax(0)
    form = network.inference_form()
    assert not any(isinstance(m, torch.nn.BatchNorm1d) for m in form.modules())
    torch.testing.assert_close(form(series)["land_cover"], expected, atol=1e-5, rtol=0)
    rough = network.inference_form(dtype=torch.bfloat16)(series)["land_cover"]
    torch.testing.assert_close(rough, expected, atol=0.05, rtol=0)


def test_a_class_learnt_from_points_is_found_again():
    cube = landscape(y=60, x=60, time=12, bands=("red", "nir", "swir16"), classes=3, seed=2)
    dates = lx.RegularDates(freq="season", start_month=3)
    samples = lx.extract_samples(
        cube, points(cube, per_class=12, seed=0), dates=dates, patch=15, year=2018
    )
    config = lx.TrainConfig(sizes=SMALL, epochs=8)
    classifier = lx.fit(samples, "segment_gnn", config=config)
    assert (classifier.spec.halo, classifier.spec.stride) == (15, 16)
    maps = lx.classify(cube, classifier, years=[2018]).compute()
    scores = lx.accuracy(maps["land_cover"].isel(year=0, drop=True), cube["reference"])
    assert scores.overall > 0.6
    # Chunks do not show.
    lazy = lx.classify(cube.chunk({"y": 23, "x": 31}), classifier, years=[2018]).compute()
    assert (lazy["land_cover"] == maps["land_cover"]).mean() > 0.999
    np.testing.assert_allclose(
        lazy["land_cover_entropy"], maps["land_cover_entropy"], atol=1e-5, equal_nan=True
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"hidden": 10, "heads": 4}, "hidden=10 and heads=4: heads share the features"),
        ({"layers": 0}, "SegmentGNN with layers=0. Choose layers >= 1"),
        ({"tile": 2}, "cannot segment so: segments of 6 pixels do not fit a tile of 2 x 2"),
        ({"method": "quickshift"}, "unknown method of segmentation 'quickshift'"),
        ({"conditioning": "cbn"}, "conditioning='cbn' without context"),
    ],
)
def test_what_cannot_be_built_is_refused(sizes, message):
    with pytest.raises(ModelError, match=message):
        make(**sizes)


def test_other_series_are_refused():
    with pytest.raises(ModelError, match=r"does not fit a SegmentGNN of 2 dates and 3 bands"):
        make()(torch.randn(1, 3, 3, 16, 16))
