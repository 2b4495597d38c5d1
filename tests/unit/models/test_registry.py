"""Networks by name: what is offered, what is built, and what a broken offer says."""

import sys
import textwrap

import pytest
import torch

from lulc_xr.core.errors import ModelError
from lulc_xr.models.registry import list_networks, load_network, make_network

BUILT_IN = {"bands": 3, "dates": 6, "classes": {"land_cover": 4}}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a real package (metadata and code) that offers networks, for one test."""

    def install(offers: str, code: str) -> None:
        (tmp_path / "user_networks.py").write_text(textwrap.dedent(code))
        info = tmp_path / "user_networks-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: user-networks\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lulc_xr.networks]\n{offers}\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("user_networks", None)


GOOD = """
    from torch import nn
    class Mean(nn.Module):
        receptive_field = 0
        needs_fixed_dates = False
        def __init__(self, *, bands, dates, classes, width=8):
            super().__init__()
            self.sizes = {"bands": bands, "dates": dates, "classes": classes, "width": width}
            self.body = nn.Linear(bands, width)
            self.heads = nn.ModuleDict({t: nn.Linear(width, n) for t, n in classes.items()})
        def forward(self, series, days, mask):
            if mask is None:
                mean = series.mean(1)
            else:
                seen = series.masked_fill(~mask[..., None], 0)
                mean = seen.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
            return {t: head(self.body(mean).relu()) for t, head in self.heads.items()}
"""


def test_built_in_networks_are_offered():
    assert {"tempcnn", "ltae"} <= set(list_networks())


@pytest.mark.parametrize("name", ["tempcnn", "ltae"])
def test_network_is_built_with_its_sizes(name):
    network = make_network(name, **BUILT_IN, dropout=0.25)
    assert network.sizes["dropout"] == 0.25
    logits = network(torch.zeros(2, 6, 3), torch.arange(6), None)
    assert logits["land_cover"].shape == (2, 4)


def test_unknown_network_lists_the_nearest_first():
    with pytest.raises(ModelError, match=r"unknown network 'tempcn'.*nearest first: tempcnn"):
        make_network("tempcn", **BUILT_IN)


def test_unknown_size_is_named():
    with pytest.raises(ModelError, match=r"'tempcnn' cannot be built.*unexpected.*'filter'"):
        make_network("tempcnn", **BUILT_IN, filter=3)


def test_network_of_fixed_dates_refuses_a_varying_number():
    with pytest.raises(ModelError, match=r"'tempcnn' needs a fixed number of dates.*'ltae'"):
        make_network("tempcnn", bands=3, dates=None, classes={"land_cover": 4})


def test_network_of_another_package_is_found(installed):
    installed("mean = user_networks:Mean", GOOD)
    assert "mean" in list_networks()
    assert make_network("mean", **BUILT_IN, width=5).body.out_features == 5


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        ("broken = user_networks:Missing", "package 'user-networks' cannot be imported.*Missing"),
        ("broken = no_such_module_here:Net", "cannot be imported.*no_such_module_here"),
        ("broken = user_networks:GOOD", "expected a subclass of torch.nn.Module"),
        ("broken = user_networks:Bare", "has no receptive_field, needs_fixed_dates"),
    ],
)
def test_broken_offer_says_what_is_wrong(installed, offer, message):
    installed(offer, GOOD + "    class Bare(nn.Module):\n        pass\n    GOOD = 1\n")
    with pytest.raises(ModelError, match=rf"network 'broken'.*{message}"):
        load_network("broken")


def test_two_offers_of_one_name_are_refused(installed):
    installed("ltae = user_networks:Mean", GOOD)
    with pytest.raises(ModelError, match=r"'ltae' is offered more than once.*user_networks:Mean"):
        load_network("ltae")
