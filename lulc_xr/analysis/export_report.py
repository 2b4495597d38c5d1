"""What a writer of land-model files did, and where a file comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import xarray as xr

_LIBRARIES = ("lulc_xr", "xarray", "numpy", "netCDF4")
_PASSED_ON = ("legend", "crosswalk", "climate_rules")


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """A land-model file that was written.

    path : the file; years : what it holds; cells : number of cells by what became of them (sea,
    mapped, scaled, filled, left), of the first year; notes : what a user should know, in
    sentences.
    """

    path: Path
    years: tuple[int, ...]
    cells: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        years = ", ".join(map(str, self.years))
        return "\n".join((f"{self.path} ({years}): cells {in_words(self.cells)}", *self.notes))


def in_words(cells: Mapping[str, int]) -> str:
    """Numbers of cells by what became of them, in one line."""
    return ", ".join(f"{number} {name}" for name, number in cells.items())


def provenance(plant_types: xr.Dataset, step: str) -> dict[str, str]:
    """Attributes of a file that say where its land cover comes from.

    Parameters
    ----------
    plant_types : xr.Dataset
        Their attributes name stores, models, legend and rules.
    step : str
        What was done, with settings, for the history.
    """
    sources = str(plant_types.attrs.get("lulc_xr:sources", "[]"))
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    before = str(plant_types.attrs.get("history", ""))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = {
        "source": _source(sources),
        "history": f"{now} {step}" + (f"\n{before}" if before else ""),
        # No colon: CF advises names of letters, digits and underscores.
        "lulc_xr_sources": sources,
        "lulc_xr_model_hash": ", ".join(_distinct(sources, "model")) or "none",
        "lulc_xr_stores": ", ".join(_distinct(sources, "store")) or "none",
        "lulc_xr_versions": versions,
    }
    for name in _PASSED_ON:
        if name in plant_types.attrs:
            made[f"lulc_xr_{name}"] = str(plant_types.attrs[name])
    return made


def _distinct(sources: str, key: str) -> list[str]:
    found: Sequence[Mapping[str, object]] = json.loads(sources)
    return list(dict.fromkeys(str(s[key]) for s in found if s.get(key)))


def _source(sources: str) -> str:
    models = _distinct(sources, "model")
    made = f"land cover map of lulc_xr {version('lulc_xr')}"
    return f"{made}, model {', '.join(models)}" if models else made
