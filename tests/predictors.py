"""Models for tests: plain arithmetic that gives the same bits however the pixels are arranged."""

import fcntl
import hashlib
import os
import time
from pathlib import Path

import numpy as np

from lulc_xr.core.dates import RegularDates
from lulc_xr.core.legend import Legend, LegendClass
from lulc_xr.core.model import ModelSpec

LEGEND = Legend(
    name="three",
    classes=(
        LegendClass(class_id=1, name="cropland", color="#e8c34a"),
        LegendClass(class_id=3, name="woodland", color="#3f8f3a"),
        LegendClass(class_id=7, name="water", color="#3d7fd1"),
    ),
)


def make_spec(**changes):
    settings = {
        "bands": ("red", "nir"),
        "legends": {"land_cover": LEGEND},
        "dates": RegularDates(),
    }
    return ModelSpec(**(settings | changes))


def shares(*scores):
    """Scores (y, x) as probabilities, added one after the other."""
    total = scores[0].copy()
    for score in scores[1:]:
        total += score
    return np.stack([score / total for score in scores]).astype(np.float32)


class Ratio:
    """Probabilities from the sums over time of the squares of two bands, weighted by the day."""

    def __init__(self, **changes):
        self.spec = make_spec(**changes)

    def predict_block(self, pixels, days, context):
        first, second = self.sums(pixels, days)
        third = np.full(first.shape, 0.05, np.float32)
        return shares(first + np.float32(1e-6), second, third)

    def sums(self, pixels, days):
        # NumPy may add along an axis in another order for another shape; a loop does not.
        known = np.nan_to_num(pixels)
        first, second = np.zeros((2, *pixels.shape[2:]), np.float32)
        for series, day in zip(known, days, strict=True):
            first += series[0] * series[0] * np.float32(1 + day % 7)
            second += series[-1] * series[-1] * np.float32(1 + day % 3)
        return first, second


class Speckled(Ratio):
    """Maps full of specks: the decimals of what Ratio adds up."""

    def sums(self, pixels, days):
        return tuple(s * np.float32(300) % np.float32(1) for s in super().sums(pixels, days))

    def predict_block(self, pixels, days, context):
        first, second = self.sums(pixels, days)
        third = (first + second) % np.float32(1)
        return shares(*(score + np.float32(0.01) for score in (first, second, third)))


class WindowMean(Ratio):
    """The same of the mean over a window of (2h + 1)² pixels, h being its halo."""

    def sums(self, pixels, days):
        return tuple(self.smooth(s) for s in super().sums(pixels, days))

    def smooth(self, values):
        h = self.spec.halo
        padded = np.pad(values, h, mode="edge")
        total = np.zeros_like(values)
        for dy in range(2 * h + 1):
            for dx in range(2 * h + 1):
                total += padded[dy : dy + values.shape[0], dx : dx + values.shape[1]]
        return total / np.float32((2 * h + 1) ** 2)


class CellMean(Ratio):
    """The same of the mean over the cell of `stride` x `stride` pixels that a pixel lies in."""

    def sums(self, pixels, days):
        return tuple(self.pool(s) for s in super().sums(pixels, days))

    def pool(self, values):
        stride, (y, x) = self.spec.stride, values.shape
        padded = np.pad(values, ((0, -y % stride), (0, -x % stride)))
        cells = padded.reshape(padded.shape[0] // stride, stride, -1, stride)
        total = np.zeros_like(cells[:, 0, :, 0])
        for dy in range(stride):
            for dx in range(stride):
                total += cells[:, dy, :, dx]
        mean = total / np.float32(stride**2)
        return mean.repeat(stride, 0).repeat(stride, 1)[:y, :x]


class Logging(Ratio):
    """Writes one line per predicted block into a file: process, pixels, digest of the block.

    With `stop_after`, the blocks after that many wait until the file `gate` exists.
    """

    def __init__(self, log, *, stop_after=None, gate=None, content_hash=None, **changes):
        super().__init__(**changes)
        self.log, self.gate, self.stop_after = str(log), gate and str(gate), stop_after
        if content_hash:
            self.content_hash = content_hash

    def predict_block(self, pixels, days, context):
        digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]
        line = f"{os.getpid()} {pixels.shape[2] * pixels.shape[3]} {digest}\n"
        with Path(self.log).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = len(file.readlines())
            file.write(line)
        if self.stop_after is not None and before >= self.stop_after:
            wait_for(Path(self.gate).exists, "the gate")
        return super().predict_block(pixels, days, context)


class CountingLoads(Ratio):
    """Writes a line with the process' id into a file whenever it is unpickled."""

    def __init__(self, log, ballast=0, **changes):
        super().__init__(**changes)
        self.log = str(log)
        self.weights = np.random.default_rng(0).bytes(ballast)

    def __setstate__(self, state):
        self.__dict__.update(state)
        with Path(self.log).open("a") as file:
            file.write(f"{os.getpid()}\n")


class Rounded(Ratio):
    """A model with a fast precision, which swaps two classes in `share` of the pixels."""

    def __init__(self, share, precision="float32", **changes):
        super().__init__(**changes)
        self.share, self.precision, self.changes = share, precision, changes

    def with_precision(self, precision):
        return Rounded(self.share, precision, **self.changes)

    def predict_block(self, pixels, days, context):
        found = super().predict_block(pixels, days, context)
        if self.precision == "bfloat16":
            swapped = np.arange(found[0].size).reshape(found[0].shape) % 1000 < 1000 * self.share
            found[:, swapped] = np.roll(found, 1, axis=0)[:, swapped]
        return found


class Giving(Ratio):
    """Gives what it is told to, whatever the block."""

    def __init__(self, give, **changes):
        super().__init__(**changes)
        self.give = give

    def predict_block(self, pixels, days, context):
        return self.give(super().predict_block(pixels, days, context))


def wait_for(condition, what, seconds=60):
    """Return as soon as the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.005)


class Climate(Ratio):
    """The same, weighted by two context variables; asks for context."""

    def __init__(self, **changes):
        super().__init__(**{"context": ("bio12", "bio01"), **changes})

    def predict_block(self, pixels, days, context):
        first, second = self.sums(pixels, days)
        warm, wet = (np.nan_to_num(context[name]) for name in ("bio01", "bio12"))
        third = np.full(first.shape, 0.05, np.float32) + wet * wet * np.float32(1e-6)
        return shares(first * warm * warm + np.float32(1e-6), second, third)
