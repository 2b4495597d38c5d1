"""Samples: the series of the pixels that hold labelled points, as the engine would see them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import xarray as xr

from lulc_xr.core.cube import check_scale
from lulc_xr.core.dates import Dates
from lulc_xr.core.errors import SampleError
from lulc_xr.core.legend import Legend
from lulc_xr.core.points import Points
from lulc_xr.samples.assembly import make_samples, report_losses, usable
from lulc_xr.samples.plan import Tolerance, Years, plan_samples
from lulc_xr.samples.points import Labels
from lulc_xr.samples.reading import chunks_of, progress_bar, read_series
from lulc_xr.samples.resume import extract_into

_ENOUGH_TO_JUDGE_SCALE = 30


def extract_samples(
    cube: xr.Dataset,
    points: Points,
    *,
    dates: Dates | None = None,
    labels: Labels = None,
    legend: Legend | None = None,
    year: int | None = None,
    years: Years = "match",
    bands: Sequence[str] | None = None,
    patch: int | None = None,
    tolerance: Tolerance = 0,
    keep: Sequence[str] = (),
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Samples of a cube at labelled points: the series that a model of these dates would see.

    Each chunk of the cube that holds a point is read once; of a store that
    :func:`lulc_xr.open_cube` opened only the inner chunks of a shard that are needed. Points
    outside the cube, without any label, of a year that the cube does not cover, or on pixels
    that were never clear in the year are left out, counted in the attributes, and reported in
    one warning. :func:`lulc_xr.plan_samples` says beforehand what will be read.

    Parameters
    ----------
    cube : xr.Dataset
        Cube with `reflectance(time, band, y, x)` and, if there is one, `clear(time, y, x)`.
    points : GeoDataFrame, DataFrame or xr.Dataset
        A GeoDataFrame in any reference system; or a table or Dataset with `x` and `y` in
        the cube's. Columns `point_id` (default: row number), `weight` (default: 1),
        `stratum` and `region` are kept. The pixel that contains a point is taken.
    dates : RegularDates or RawDates, optional
        Time axis of the model to train. Default: monthly medians, gaps filled.
    labels : str, or mapping of task to (column, Legend), optional
        Column of the labels (class ids; 255 or missing: no label), or one for each task,
        such as ``{"land_cover": ("lc1", legend), "land_use": ("lu1", other)}``. A point
        needs a label of one task at least. Default: the tasks whose legends the points carry
        (:func:`lulc_xr.lucas_labels`), or ``land_cover``.
    legend : Legend, optional
        Legend of a single task. Default: the one that the points carry
        (``points.attrs["legend"]``, or CF flags in a Dataset).
    year : int, optional
        The same as `years` with one year.
    years : "match", int, sequence of int, or None
        Mapped years. ``"match"``: each point in the year of its column ``year``, or that
        holds its ``survey_date``; points without these columns as with None. Several: each
        point in each of them. None: the only one that the cube covers.
    bands : sequence of str, optional
        Bands to take, in this order. Default: all.
    patch : int, optional
        Side of a square of pixels around each point, odd; NaN beyond the cube. The labels
        are those of the pixel in the middle. Default: 1, or what `tolerance` needs.
    tolerance : int or str
        How far the label may hold from the point: whole pixels, or the name of a column of
        metres, such as a positional error or the distance to the border of the parcel. Adds
        `labelled`, for a loss on part of the pixels. Default 0: the pixel in the middle.
    keep : sequence of str
        Other columns to keep.
    store : path, optional
        Zarr store to write the samples into, batch after batch, for more samples than fit into
        memory. A call that was interrupted continues: the same call does what is missing.
        Samples lie in the order of the cube's chunks.
    overwrite : bool
        Replace a store of that name, or the unfinished work of another call.
    progress : bool
        Show a progress bar.

    Returns
    -------
    xr.Dataset
        `reflectance(sample, time, band)` float32 with NaN where missing; class ids
        (uint8) of each task, `weight`, `point_id`, `year`, and `y` and `x` (centre of the
        pixel, in metres of the cube's system) over `sample`; `day(time)`, days since the
        first day of the mapped year, or `day(sample, time)` where years differ: then there
        is no `time`, and raw dates are filled up with NaN to the most of any year.
        With a patch `reflectance(sample, time, band, patch_y, patch_x)`, since `y` and `x`
        are places of samples; `patch_y` and `patch_x` count pixels from the middle, down
        and right. With a tolerance `labelled(sample, patch_y, patch_x)` uint8: 1 where the
        pixel's square comes within it. Of a cube with context `bioclim(sample,
        bioclim_variable)` in raw units, interpolated to the pixel. With `store` the values
        are read when they are used.

    Raises
    ------
    SampleError
        If no point is left, the year is not clear, or the points cannot be read.
    LegendError
        If a label is not part of the legend.
    CubeError
        If the cube breaks the contract, or has no date in the year.
    StoreError
        If the store holds something else, cannot be written, or the cube's is damaged.

    Examples
    --------
    >>> from lulc_xr.testing import landscape, points
    >>> cube = landscape(y=48, x=48)
    >>> samples = extract_samples(cube, points(cube, per_class=4))
    >>> dict(samples.reflectance.sizes)
    {'sample': 20, 'time': 12, 'band': 10}
    >>> patches = extract_samples(cube, points(cube, per_class=4), tolerance=1)
    >>> dict(patches.labelled.sizes)
    {'sample': 20, 'patch_y': 3, 'patch_x': 3}
    """
    if year is not None and years not in (None, "match"):
        raise SampleError(f"year={year} and years={years!r}; give one of them.")
    plan = plan_samples(
        cube,
        points,
        dates=dates,
        labels=labels,
        legend=legend,
        years=years if year is None else year,
        bands=bands,
        patch=patch,
        tolerance=tolerance,
        keep=keep,
    )
    if store is not None:
        samples, lost = extract_into(plan, store, overwrite=overwrite, progress=progress)
    else:
        everything = np.arange(plan.samples)
        total = sum(1 for _ in chunks_of(plan, everything)) if progress else 0
        with progress_bar(total, show=progress) as advance:
            series, seen = read_series(plan, everything, advance=advance)
        use = usable(plan, everything, seen)
        kept, lost = everything[use], int((~use).sum())
        if kept.size >= _ENOUGH_TO_JUDGE_SCALE:
            check_scale(series[use])
        samples = make_samples(plan, kept, series if use.all() else series[use])
        samples.attrs["points_unseen"] = lost
    report_losses(plan, samples, lost)
    return samples
