"""Where and on how many threads a network predicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lulc_xr.core.errors import ModelError, name_unknown
from lulc_xr.models.allocation import keep_freed_memory
from lulc_xr.models.spatial import Form

DEVICE_VARIABLE = "LULC_XR_DEVICE"
DEVICES = ("cpu", "cuda", "auto")
GPU_BATCH = 65_536
_SMALLEST_BATCH = 64


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on the calling thread alone, and set back what was there.

    Dask's threads fill the processor already. The setting belongs to the calling thread, so that
    the threads of a worker do not disturb each other.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(device: str | None) -> str:
    """``"cpu"`` or ``"cuda"``: asked for by argument, else by the environment, else the CPU.

    ``"auto"`` takes a GPU where there is one. The environment variable is LULC_XR_DEVICE.

    Raises
    ------
    ModelError
        If it is unknown, or not there.
    """
    chosen = device or os.environ.get(DEVICE_VARIABLE) or "cpu"
    if chosen not in DEVICES:
        raise ModelError(name_unknown("device", chosen, DEVICES))
    if chosen == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if chosen == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            "device 'cuda' was asked for, but PyTorch sees no CUDA device here. "
            f"Use device='cpu' (or unset {DEVICE_VARIABLE}), or install PyTorch with CUDA."
        )
    return chosen


def run_form(
    form: Form,
    series: Tensor,
    days: Tensor,
    seen: Tensor | None,
    context: Tensor | None = None,
) -> dict[str, Tensor]:
    """Probabilities of a form, on a GPU with half the batch whenever its memory is full.

    Parameters
    ----------
    form : Form
        Its `batch` stays at the size that fitted.
    series, days, seen : Tensor
        (time, band, pixel), (time,) and (time, pixel) or None, on the device of the form; a
        form of patches takes y and x in the place of the pixel.
    context : Tensor or None
        (context, pixel), scaled; None for a network without.

    Returns
    -------
    dict of str to Tensor
        Task to (class, pixel) probabilities.
    """
    while True:
        try:
            given = (series, days, seen) if context is None else (series, days, seen, context)
            probabilities: dict[str, Tensor] = form(*given)
        except torch.cuda.OutOfMemoryError:
            if form.batch <= _SMALLEST_BATCH:
                raise
            form.batch //= 2
        else:
            return probabilities
