"""Sums over blocks of samples from which scores of calibration follow, for any resample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lulc_xr.core.reliability import BINNINGS, bin_edges, calibration_error, put_into_bins

Values = NDArray[np.float64]

_FLOOR = float(np.finfo(np.float64).eps)
"""Probability under which ln p is not followed; scikit-learn has the same."""

_FIRST = ("weight", "right", "confidence", "likelihood", "brier")


class CalibrationSums:
    """What is additive over samples, summed by block: a resample of blocks is a product.

    Bins are those of all samples, and stay in every resample.

    Parameters
    ----------
    probabilities : ndarray of float64
        Shape (class, sample).
    labels : ndarray of int
        Position of the true class, shape (sample,).
    weights : ndarray of float64
        Shape (sample,).
    block : ndarray of int
        Block of each sample, 0 to the number of blocks - 1, shape (sample,).
    bins : int
        Number of bins.
    """

    def __init__(
        self,
        probabilities: Values,
        labels: NDArray[np.integer],
        *,
        weights: Values,
        block: NDArray[np.integer],
        bins: int,
    ) -> None:
        self.classes = len(probabilities)
        confidence = probabilities.max(axis=0)
        right = probabilities.argmax(axis=0) == labels
        each = np.arange(len(labels))
        own = probabilities[labels, each]
        # sum_k (p_k - y_k)^2 = sum_k p_k^2 - 2 p_true + 1
        brier = (probabilities**2).sum(axis=0) - 2 * own + 1
        first = (np.ones_like(own), right, confidence, -np.log(np.maximum(own, _FLOOR)), brier)
        columns = [(np.full(len(labels), i), values) for i, values in enumerate(first)]
        width = len(_FIRST)
        self.edges: dict[str, Values] = {}
        self._bins: dict[str, tuple[int, int]] = {}
        for binning in BINNINGS:
            edges = bin_edges(confidence, bins, binning=binning, weights=weights)
            which = put_into_bins(confidence, edges)
            self.edges[binning], self._bins[binning] = edges, (width, len(edges) + 1)
            for number, values in enumerate((np.ones_like(own), confidence, right)):
                columns.append((width + number * (len(edges) + 1) + which, values))
            width += 3 * (len(edges) + 1)
        self._of_classes, inner = width, bin_edges(confidence, bins)
        self._class_bins = bins
        for position, p in enumerate(probabilities):
            at = width + 3 * bins * position + put_into_bins(p, inner)
            columns += [(at, np.ones_like(own)), (at + bins, p)]
        true = width + 3 * bins * labels + 2 * bins + put_into_bins(own, inner)
        columns.append((true, np.ones_like(own)))
        width += 3 * bins * self.classes
        number = int(block.max()) + 1
        self._sums = sparse.csr_array((number, width))
        for at, values in columns:
            part = sparse.coo_array((weights * values, (block, at)), shape=(number, width))
            self._sums = self._sums + part.tocsr()
        self._turned = self._sums.T.tocsr()

    def of(self, times: Values) -> Values:
        """Sums over blocks drawn so often: (repeat, block) to (repeat, sum)."""
        found: Values = np.ascontiguousarray((self._turned @ times.T).T)
        return found

    def of_bins(self, sums: Values, binning: str) -> tuple[Values, Values, Values]:
        """Weight, confidence and right samples of each bin, added up: each (repeat, bin)."""
        start, bins = self._bins[binning]
        parts = sums[:, start : start + 3 * bins].reshape(len(sums), 3, bins)
        return parts[:, 0], parts[:, 1], parts[:, 2]

    def scores(self, sums: Values) -> dict[tuple[str, int], Values]:
        """Scores by name and class (-1: of all classes), each of shape (repeat,)."""
        total = sums[:, 0]
        first = dict(zip(_FIRST, (sums[:, : len(_FIRST)] / total[:, None]).T, strict=True))
        found = {
            ("accuracy", -1): first["right"],
            ("mean confidence", -1): first["confidence"],
        }
        for binning in BINNINGS:
            found[f"ECE, {binning}", -1] = calibration_error(*self.of_bins(sums, binning))
        shape = (len(sums), self.classes, 3, self._class_bins)
        parts = sums[:, self._of_classes :].reshape(shape)
        weight, p, true = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        own = calibration_error(weight, p, true)
        own = np.where(true.sum(axis=2) > 0, own, np.nan)
        present = np.isfinite(own)
        found["class-wise ECE", -1] = np.where(present, own, 0).sum(axis=1) / present.sum(axis=1)
        found |= {("class-wise ECE", k): own[:, k] for k in range(self.classes)}
        found["Brier score", -1] = first["brier"]
        share = true.sum(axis=2) / total[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.where(weight > 0, (p - true) ** 2 / weight, 0)
            apart = np.where(weight > 0, (true - share[..., None] * weight) ** 2 / weight, 0)
        parts_of_brier = {
            "Brier reliability": off.sum(axis=(1, 2)) / total,
            "Brier resolution": apart.sum(axis=(1, 2)) / total,
            "Brier uncertainty": (share * (1 - share)).sum(axis=1),
        }
        reliability, resolution, uncertainty = parts_of_brier.values()
        found |= {(name, -1): values for name, values in parts_of_brier.items()}
        within = first["brier"] - (reliability - resolution + uncertainty)
        found["Brier within bins", -1] = within
        found["negative log-likelihood", -1] = first["likelihood"]
        return found


def draw_blocks(number: int, *, repeats: int, seed: int, at_once: int) -> Iterator[Values]:
    """How often each block is drawn, in parts of at most `at_once` resamples (repeat, block)."""
    rng = np.random.default_rng(seed)
    for start in range(0, repeats, at_once):
        rows = min(at_once, repeats - start)
        drawn = rng.integers(0, number, (rows, number)) + np.arange(rows)[:, None] * number
        yield (
            np.bincount(drawn.ravel(), minlength=rows * number)
            .reshape(rows, number)
            .astype(np.float64)
        )
