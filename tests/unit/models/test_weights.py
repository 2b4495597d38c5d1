"""Weights taken over from another network: heads may differ, the rest may not."""

import pytest
import torch

from lulc_xr.core.errors import ModelError
from lulc_xr.models.registry import make_network
from lulc_xr.models.weights import take_weights

SIZES = {"bands": 3, "dates": 4, "filters": 4, "dense": 8}


def tempcnn(classes, **changes):
    return make_network("tempcnn", classes=classes, **{**SIZES, **changes})


def test_all_but_heads_of_other_legends_is_taken():
    first, second = tempcnn({"land_cover": 5}), tempcnn({"land_cover": 5, "land_use": 2})
    new = take_weights(second, first.state_dict(), name="tempcnn", origin="a 'tempcnn'")
    assert new == ("heads.land_use.weight", "heads.land_use.bias")
    for name, value in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], value)
    third = tempcnn({"land_cover": 6})
    before = third.heads["land_cover"].weight.clone()
    take_weights(third, first.state_dict(), name="tempcnn", origin="a 'tempcnn'")
    assert torch.equal(third.heads["land_cover"].weight, before)


def test_another_network_or_other_sizes_are_refused_and_nothing_is_taken():
    network = tempcnn({"land_cover": 5})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = make_network("ltae", bands=3, dates=4, classes={"land_cover": 5})
    with pytest.raises(
        ModelError, match=r"weights of a 'ltae' do not fit network 'tempcnn': .*same"
    ):
        take_weights(network, other.state_dict(), name="tempcnn", origin="a 'ltae'")
    wider = tempcnn({"land_cover": 5}, bands=4)
    with pytest.raises(ModelError, match=r"\(4, 4, 5\) and should be \(4, 3, 5\)"):
        take_weights(network, wider.state_dict(), name="tempcnn", origin="a 'tempcnn'")
    for name, value in network.state_dict().items():
        assert torch.equal(before[name], value)
