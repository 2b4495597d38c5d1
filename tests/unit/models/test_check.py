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


class Around(nn.Module):
    """A correct network of patches: dates as channels, one convolution, cells of two pixels."""

    spatial = True
    receptive_field = 3
    stride = 2
    needs_fixed_dates = True

    def __init__(self, *, bands, dates, classes, context=0, conditioning="none", faithful=False):
        super().__init__()
        if conditioning not in ("none", "embedding"):
            raise ModelError(f"conditioning {conditioning!r} is not offered; use 'embedding'.")
        self.sizes = {"bands": bands, "dates": dates, "classes": dict(classes)}
        if context:
            self.sizes |= {"context": context, "conditioning": conditioning}
        self.body = nn.Conv2d(bands * dates, 6, 3, padding=1)
        self.embedding = nn.Linear(context, 6) if conditioning == "embedding" else None
        self.feature_size = 6
        self.heads = nn.ModuleDict({t: nn.Conv2d(6, n, 1) for t, n in classes.items()})

    def features(self, series, days=None, mask=None, context=None):
        y, x = series.shape[3:]
        hidden = nn.functional.pad(series.flatten(1, 2), self.margins(y, x))
        hidden = nn.functional.max_pool2d(self.body(hidden).relu(), 2)
        hidden = nn.functional.interpolate(hidden, scale_factor=2.0)
        hidden = self.crop(hidden, y, x)
        return hidden if self.embedding is None else hidden + self.embed(context)

    def margins(self, y, x):
        return 0, x % 2, 0, y % 2

    def crop(self, hidden, y, x):
        return hidden[..., :y, :x]

    def embed(self, context):
        if context.ndim == 2:
            return self.embedding(context)[:, :, None, None]
        return self.embedding(context.movedim(1, 3)).movedim(3, 1)

    def forward(self, series, days=None, mask=None, context=None):
        seen = self.features(series, days, mask, context)
        return {task: head(seen) for task, head in self.heads.items()}


class StatesTooLittle(Around):
    receptive_field = 1


class LooksAtTheWholePatch(Around):
    def features(self, *inputs, **others):
        seen = super().features(*inputs, **others)
        return seen - seen.mean((2, 3), keepdim=True)


class CountsCellsFromTheEnd(Around):
    def margins(self, y, x):
        return x % 2, 0, y % 2, 0

    def crop(self, hidden, y, x):
        return hidden[..., hidden.shape[-2] - y :, hidden.shape[-1] - x :]


class CellsAreLarger(Around):
    stride = 1


class IgnoresContext(Around):
    def embed(self, context):
        return 0 * super().embed(context)


class MapIsNotTheVector(Around):
    def embed(self, context):
        return super().embed(context) * (2.0 if context.ndim == 4 else 1.0)


class ReadsContextAlways(Around):
    def features(self, series, days=None, mask=None, context=None):
        seen = super().features(series, days, mask, context)
        return seen if context is None else seen + context.mean()


class HeadsSeeSomethingElse(Around):
    def forward(self, series, days=None, mask=None, context=None):
        seen = self.features(series, days, mask, context)
        return {task: head(2 * seen) for task, head in self.heads.items()}


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


@pytest.mark.parametrize("name", ["ltae", "resmlp", "tempcnn", "unet", "utae"])
def test_built_in_networks_keep_the_contract(name):
    check_model(name)


@pytest.mark.parametrize("name", ["Mean", "Around"])
def test_network_of_a_user_keeps_the_contract(offered, name):
    offered(name)
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
        ("StatesTooLittle", "further away than receptive_field = 1"),
        ("LooksAtTheWholePatch", "further away than receptive_field = 3"),
        ("CountsCellsFromTheEnd", "window that begins at a multiple of stride = 2"),
        ("CellsAreLarger", "window that begins at a multiple of stride = 1"),
        ("IgnoresContext", "another context gives the same result"),
        ("MapIsNotTheVector", r"and the same as a map \(batch, context, y, x\) differ"),
        ("ReadsContextAlways", "conditioning=none' breaks the contract: context changes"),
        ("HeadsSeeSomethingElse", "head of 'land_cover' on features differs from forward"),
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
