"""Small pictures for a page: a raster as a PNG of 255 colours, without a library of images."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_STOPS = ((0, 32, 77), (65, 77, 107), (124, 123, 120), (186, 175, 113), (255, 234, 70))
"""Dark blue over grey to yellow, even in brightness and told apart by all kinds of sight."""

ENTROPY_COLORS: tuple[tuple[int, int, int], ...] = tuple(
    tuple(int(v) for v in color)  # type: ignore[misc]
    for color in np.stack(
        [np.interp(np.linspace(0, 4, 256), range(5), [s[i] for s in _STOPS]) for i in range(3)],
        axis=1,
    ).round()
)
"""256 colours from sure to unsure."""


def encode_png(values: NDArray[np.floating]) -> bytes:
    """A raster as a PNG: 0 to 1 from sure to unsure, NaN transparent.

    Parameters
    ----------
    values : ndarray of float
        Shape (y, x), the first row at the top; beyond 0 and 1 as these.

    Returns
    -------
    bytes
        A PNG with a palette: one byte a pixel.

    References
    ----------
    ISO/IEC 15948:2004, Portable Network Graphics.
    """
    height, width = values.shape
    known = np.isfinite(values)
    scaled = np.clip(np.where(known, values, 0), 0, 1)
    index = np.where(known, 1 + np.round(254 * scaled), 0).astype(np.uint8)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), index], axis=1)
    palette = b"\0\0\0" + b"".join(bytes(color) for color in ENTROPY_COLORS[1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", header), (b"PLTE", palette), (b"tRNS", b"\0"),
            (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""),
        )
    )  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)
