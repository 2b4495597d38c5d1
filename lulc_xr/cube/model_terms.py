"""What the folder of a model says of it in the terms of the STAC MLM extension; no code is run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pystac

from lulc_xr.core.errors import CubeError, SourceError

_DOCUMENT, _WEIGHTS = "model.json", "model.safetensors"
_SAFETENSORS = "application/octet-stream; framework=pytorch; profile=safetensors"


def model_terms(folder: Path, content_hash: str) -> tuple[dict[str, Any], list[str]]:
    """Fields ``mlm:...`` of the model in a folder, and the extensions that define them.

    Parameters
    ----------
    folder : Path
        Folder of a classifier, or of several members.
    content_hash : str
        Of the model that made the map.

    Raises
    ------
    SourceError
        If there is no model.
    CubeError
        If it is another.
    """
    own = [found for path in sorted(folder.glob("*.json")) if (found := _read(path))]
    hashes = [str(document["content_hash"]) for document in own if "content_hash" in document]
    parts = [_read(path) for path in sorted(folder.rglob(_DOCUMENT))]
    parts = [part for part in parts if "mlm:name" in part.get("properties", {})]
    if not hashes or not parts:
        raise SourceError(
            f"no model at {str(folder)!r}: no document that describes one. Give the folder that "
            "its save() wrote."
        )
    if content_hash not in hashes:
        raise CubeError(
            f"the map was made by model {content_hash[:12] or 'unknown'}; {str(folder)!r} holds "
            f"{hashes[0][:12]}. Give the folder of the model that made it."
        )
    terms = dict(parts[0]["properties"])
    # The extension allows letters, digits, blanks and a few marks in names, and no empty sizes.
    terms["mlm:name"] = re.sub(r"[^\w.\-\s]+", "", terms["mlm:name"], flags=re.ASCII)
    if not terms.get("mlm:hyperparameters", True):
        del terms["mlm:hyperparameters"]
    if len(parts) > 1:
        terms["mlm:name"] += f" with {len(parts)} members"
        weights = [part["properties"].get("mlm:total_parameters", 0) for part in parts]
        terms["mlm:total_parameters"] = sum(weights)
    return terms, list(parts[0].get("stac_extensions", []))


def model_assets(folder: Path, terms: dict[str, Any]) -> dict[str, pystac.Asset]:
    """Weights of the model, each file an asset with the role of a model; its bands by name."""
    bands = [{"name": str(band)} for given in terms["mlm:input"] for band in given["bands"]]
    files = sorted(folder.rglob(_WEIGHTS))
    return {
        "model" if len(files) == 1 else f"model_{number}": pystac.Asset(
            href=str(path),
            title="weights of the model" if len(files) == 1 else f"weights of member {number}",
            media_type=_SAFETENSORS,
            roles=["mlm:model", "mlm:weights"],
            extra_fields={"raster:bands": bands},
        )
        for number, path in enumerate(files)
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {str(path)!r}: {error}. Copy the folder again.") from error
    return document if isinstance(document, dict) else {}
