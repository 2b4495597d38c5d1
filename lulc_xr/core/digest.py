"""Digests: what identifies a job, and what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def content_digest(stored: NDArray[Any]) -> int:
    """64 bits that identify stored values (BLAKE2b); never 0, which means 'not done'."""
    if stored.dtype.kind == "f":
        # Zarr leaves out chunks of fill only, so -0 and other NaNs come back as 0 and NaN.
        stored = np.where(np.isnan(stored), np.array(np.nan, stored.dtype), stored + 0)
    digest = hashlib.blake2b(np.ascontiguousarray(stored).data, digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def job_hash(job: Mapping[str, Any]) -> str:
    """Hash of what decides a result: model, inputs, settings."""
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
