"""Conformance check of networks of patches: how far they see, and that blocks do not matter."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lulc_xr.models.check_case import Case, require, require_close
from lulc_xr.models.registry import needs_fixed_dates

_PLACES = 8


@torch.inference_mode()
def check_space(case: Case) -> None:
    """Check that a network of patches is local, as it states, and takes a context as a map.

    Parameters
    ----------
    case : Case
        One of single pixels is left alone.

    Raises
    ------
    ModelError
        If it is not.
    """
    if not case.spatial:
        return
    case.network.eval()
    field, stride = getattr(case.network, "receptive_field", None), _stride(case)
    require(
        case.name,
        isinstance(field, int) and field >= 0 and stride >= 1,
        f"receptive_field is {field!r} and stride {stride}; expected whole pixels on each side, "
        "and cells of 1 or more",
    )
    assert isinstance(field, int)
    cells = -(-(2 * field + 1) // stride) + 2
    large = _enlarge(case, side=cells * stride)
    mask = _make_mask(large)
    _check_reach(large, mask, field)
    _check_windows(large, mask, field)
    _check_map(case)


def _check_reach(case: Case, mask: Tensor | None, field: int) -> None:
    """Change everything further away than the receptive field, for places all over a cell."""
    stride, side = _stride(case), case.series.shape[-1]
    first = case.probabilities(mask=mask)
    middle = side // 2 // stride * stride
    for shift in range(0, stride, max(1, stride // _PLACES)):
        place = middle + shift
        near = slice(max(0, place - field), place + field + 1)
        series = torch.randn_like(case.series) * 3
        series[..., near, near] = case.series[..., near, near]
        seen = None
        if mask is not None:
            seen = torch.rand_like(mask, dtype=torch.float32) > 0.5
            seen[..., near, near] = mask[..., near, near]
        found = case.probabilities(series=series, mask=seen)
        require_close(
            case.name,
            first[..., place, place],
            found[..., place, place],
            f"a pixel depends on pixels further away than receptive_field = {field}; state it, "
            "and let nothing look at the whole patch",
        )


def _check_windows(case: Case, mask: Tensor | None, field: int) -> None:
    """A window that begins at a cell, as the engine cuts it, beside the whole."""
    stride, side = _stride(case), case.series.shape[-1]
    whole = case.probabilities(mask=mask)
    start = stride
    end = min(side, start + field + 1 + field)
    window = (..., slice(start, end), slice(start, end))
    part = case.probabilities(
        series=case.series[window], mask=None if mask is None else mask[window]
    )
    inner = slice(start + field, max(start + field + 1, end - field))
    require_close(
        case.name,
        whole[..., inner, inner],
        part[..., slice(field, inner.stop - start), slice(field, inner.stop - start)],
        f"a window that begins at a multiple of stride = {stride} gives another map than the "
        "whole; pad at the end only, and count cells from the start",
    )


def _check_map(case: Case) -> None:
    """A context that is the same everywhere, as a map."""
    if case.context is None:
        return
    shape = (*case.context.shape, *case.series.shape[3:])
    maps = case.context[:, :, None, None].expand(shape)
    require_close(
        case.name,
        case.probabilities(),
        case.probabilities(context=maps),
        "a context (batch, context) and the same as a map (batch, context, y, x) differ",
    )


def _enlarge(case: Case, *, side: int) -> Case:
    dates, bands = case.series.shape[1:3]
    context = None if case.context is None else case.context[:1]
    return replace(case, series=torch.randn(1, dates, bands, side, side), context=context)


def _make_mask(case: Case) -> Tensor | None:
    if needs_fixed_dates(case.network):
        return None
    return torch.rand(case.series[:, :, 0].shape) > 0.3


def _stride(case: Case) -> int:
    return int(getattr(case.network, "stride", 1))
