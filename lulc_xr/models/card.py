"""Model card: what a classifier is and where it comes from, as a small table for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from lulc_xr.core.model import ModelSpec


def draw_card(
    title: str, spec: ModelSpec, provenance: Mapping[str, Any], *, content_hash: str
) -> str:
    """HTML table of a classifier.

    Parameters
    ----------
    title : str
        Name of the model.
    spec : ModelSpec
        What it needs and gives.
    provenance : mapping
        How it was trained, as :func:`lulc_xr.fit` records it.
    content_hash : str
        Its identity.

    Returns
    -------
    str
    """
    samples = provenance.get("samples", {})
    scores = provenance.get("scores", {})
    rows = {
        "bands": ", ".join(spec.bands),
        "dates": str(spec.dates),
        **{task: ", ".join(legend.names) for task, legend in spec.legends.items()},
        "training samples": str(samples.get("training", "unknown")),
        "scores": ", ".join(f"{name} {value:.3g}" for name, value in scores.items()) or "none",
        "trained": str(provenance.get("date", "unknown")),
        "seed": str(provenance.get("seed", "unknown")),
        "content hash": content_hash[:12],
    }
    body = "".join(
        f"<tr><th style='text-align:left'>{html.escape(key)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for key, value in rows.items()
    )
    return f"<b>Classifier: {html.escape(title)}</b><table>{body}</table>"
