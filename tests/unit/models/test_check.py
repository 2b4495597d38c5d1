"""The conformance check: built-in networks pass, and each way to break the contract is caught."""

import pytest
import torch
from torch import nn

from lulc_xr.core.errors import ModelError
from lulc_xr.models import registry
from lulc_xr.models.check import check_model


class Mean(nn.Module):
    """A correct network: the mean over seen dates, then two layers."""

    receptive_field = 0
    needs_fixed_dates = False

    def __init__(self, *, bands, dates, classes, width=8):
        super().__init__()
        self.sizes = {"bands": bands, "dates": dates, "classes": dict(classes), "width": width}
        self.body = nn.Linear(bands, width)
        self.heads = nn.ModuleDict({t: nn.Linear(width, n) for t, n in classes.items()})

    def pool(self, series, mask):
        if mask is None:
            return series.mean(1)
        seen = series.masked_fill(~mask[..., None], 0)
        return seen.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)

    def forward(self, series, days, mask):
        hidden = self.body(self.pool(series, mask)).relu()
        return {task: head(hidden) for task, head in self.heads.items()}


class WrongShape(Mean):
    def forward(self, series, days, mask):
        return {t: v[..., :-1] for t, v in super().forward(series, days, mask).items()}


class IdleWeight(Mean):
    def __init__(self, **sizes):
        super().__init__(**sizes)
        self.idle = nn.Parameter(torch.ones(2))


class Chance(Mean):
    def pool(self, series, mask):
        return nn.functional.dropout(super().pool(series, mask), 0.5, training=True)


class SeesNeighbours(Mean):
    def pool(self, series, mask):
        pooled = super().pool(series, mask)
        return pooled - pooled.mean(0, keepdim=True)


class ReadsGaps(Mean):
    def pool(self, series, mask):
        return series.mean(1)


class NothingSeenIsNaN(Mean):
    def pool(self, series, mask):
        if mask is None:
            return series.mean(1)
        return series.masked_fill(~mask[..., None], 0).sum(1) / mask.sum(1, keepdim=True)


class ForgetsASize(Mean):
    def __init__(self, *, bands, dates, classes, width=8):
        super().__init__(bands=bands, dates=dates, classes=classes, width=width)
        self.sizes["width"] = 4


class Wide(Mean):
    receptive_field = 1


class WrongForm(Mean):
    def inference_form(self, *, mean, std, dtype):
        built = registry.make_network("ltae", **{k: self.sizes[k] for k in KEYS})
        return built.eval().inference_form(mean=mean, std=std, dtype=dtype)


KEYS = ("bands", "dates", "classes")


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Offer a class of this file under the name 'mine', through real package metadata."""

    def offer(name: str) -> None:
        info = tmp_path / "mine-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lulc_xr.networks]\nmine = {__name__}:{name}\n")
        monkeypatch.syspath_prepend(tmp_path)

    return offer


@pytest.mark.parametrize("name", ["tempcnn", "ltae"])
def test_built_in_networks_keep_the_contract(name):
    check_model(name)


def test_network_of_a_user_keeps_the_contract(offered):
    offered("Mean")
    check_model("mine")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("WrongShape", r"forward gave .*\(9, 4\).*expected logits of .*\(9, 5\)"),
        ("IdleWeight", "no finite gradient reaches idle"),
        ("Chance", "two evaluations of the same series differ"),
        ("SeesNeighbours", "a pixel depends on the pixels beside it"),
        ("ReadsGaps", "values at masked dates change the result"),
        ("NothingSeenIsNaN", "without any date gets logits that are not finite"),
        ("ForgetsASize", r"body.weight is torch.float32 \(8, 4\), but the network takes"),
        ("Wide", "receptive_field is 1"),
        ("WrongForm", "inference_form differs from forward"),
    ],
)
def test_broken_network_is_caught(offered, name, message):
    offered(name)
    with pytest.raises(ModelError, match=message):
        check_model("mine")


def test_check_leaves_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_model("tempcnn")
    assert torch.equal(torch.rand(2), expected)
