"""Trains in a process of its own, so that tests can kill it or start several of them.

``python -m tests.train_children FOLDER OUT STOP_AT NETWORK`` trains with checkpoints in FOLDER,
stands still at step STOP_AT (-1: never), and writes hash, scores and weights into OUT.RANK.json.
"""

import ctypes
import json
import os
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path

import torch

import lulc_xr as lx
from lulc_xr.models import registry
from lulc_xr.training.learner import Learner

CONFIG = {
    "epochs": 6, "batch_size": 16, "validation_fold": 1, "patience": 5, "seed": 3,
    "augmentation": {"date_dropout": 0.2, "band_gain": 0.05, "noise": 0.1, "mixup": 0.2},
    "sizes": {},
}  # fmt: skip
SIZES = {"tempcnn": {"filters": 8}}
STEPS_OF_AN_EPOCH = 5


class Plain(torch.nn.Module):
    """Two layers without batch norm or dropout: what a sample gives depends on no other one."""

    receptive_field = 0
    needs_fixed_dates = True

    def __init__(self, *, bands, dates, classes, **sizes):
        super().__init__()
        self.sizes = {"bands": bands, "dates": dates, "classes": classes, **sizes}
        self.first = torch.nn.Linear(bands * dates, 16)
        self.heads = torch.nn.ModuleDict({t: torch.nn.Linear(16, n) for t, n in classes.items()})

    def forward(self, series, days=None, mask=None):
        """Logits."""
        found = torch.tanh(self.first(series.flatten(1)))
        return {task: head(found) for task, head in self.heads.items()}


def samples():
    """Samples of two folds: 72 to train on, 48 to judge by."""
    cube = lx.testing.landscape(y=64, x=64, time=12, bands=("red", "nir", "swir16"), classes=3)
    drawn = lx.extract_samples(cube, lx.testing.points(cube, per_class=40))
    return drawn.assign(fold=("sample", [0, 0, 0, 1, 1] * 24))


def config(network="tempcnn", **changes):
    """Settings in which everything that is random or remembered takes part."""
    return lx.TrainConfig.from_dict({**CONFIG, "sizes": SIZES.get(network, {}), **changes})


def offer_plain():
    """Make the network above known by name, as an installed package would."""
    entry = EntryPoint("plain", "tests.train_children:Plain", registry.GROUP)
    found = registry.entry_points
    registry.entry_points = lambda *, group, name=None: (
        [entry] if name == "plain" else found(group=group, **({"name": name} if name else {}))
    )


def train(folder, out, stop_at, network):
    """Train; stand still at a step."""
    step, done = Learner.training_step, 0

    def counted(self, batch, number):
        nonlocal done
        if done == int(stop_at):
            Path(f"{out}.waits").touch()
            threading.Event().wait()
        done += 1
        return step(self, batch, number)

    Learner.training_step = counted
    offer_plain()
    changes = {"augmentation": {}} if network == "plain" else {}
    settings = config(network, **changes)
    classifier = lx.fit(samples(), network, config=settings, checkpoint=folder or None)
    said = {
        "hash": classifier.content_hash, "scores": classifier.provenance["scores"], "steps": done,
    }  # fmt: skip
    rank = os.environ.get("RANK", "0")
    weights = {k: v.tolist() for k, v in classifier.weights.items()}
    Path(f"{out}.{rank}.json").write_text(json.dumps({**said, "weights": weights}))


if __name__ == "__main__":
    # A test that is killed itself must not leave this process behind (PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, 9)
    train(*sys.argv[1:])
