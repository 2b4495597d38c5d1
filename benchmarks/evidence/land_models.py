"""Fractions of real maps on the grids of models: ``python -m benchmarks.evidence.land_models``.

1. the class map of ``make demo`` (640 m of Flanders) in cells of 80, 160 and 320 m, and in the cell
   of EUR-11 that it lies in;
2. points of LUCAS in Czechia, and of ELC10 over Europe, on EUR-11;
3. CORINE over north Italy (100 m) on EUR-11 and EUR-0275, in NUTS 3 regions, and beside its
   shares on a grid of half a degree, which others made;
4. a map of 2 m around a point of LUCAS in the Netherlands in cells of 10 and 100 m.

``--run N`` does one of them (several are allowed), ``--figures FOLDER`` draws maps. Runs 2 to 4
read data that the project does not carry: ``LULC_XR_SHARED`` is the folder above it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import xarray as xr

import lulc_xr as lx
from benchmarks.evidence import land_models_counts as counts
from benchmarks.evidence import land_models_europe as europe

PLACE = {
    1: "Flanders, 640 m",
    2: "points of LUCAS",
    3: "CORINE of north Italy",
    4: "2 m, Netherlands",
}


def main() -> None:
    """Print the tables of the runs that were asked for."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument(
        "--run", type=int, action="append", choices=sorted(PLACE), help="default: all"
    )
    options.add_argument("--figures", type=Path, help="folder for maps")
    options.add_argument("--store", type=Path, help="store of `make demo`; it is made without")
    given = options.parse_args()
    shared = europe.SHARED
    for number in given.run or sorted(PLACE):
        print(f"\n## {number}. {PLACE[number]}", flush=True)
        if number > 1 and not shared.is_dir():
            print(
                f"left out: the data is not at {shared}. Set LULC_XR_SHARED to the folder above it."
            )
            continue
        begun = time.perf_counter()
        for title, table in tables_of(number, given.store, given.figures):
            print(f"\n{title}\n\n{table.to_string(float_format=_short)}", flush=True)
        print(f"\n({time.perf_counter() - begun:.0f} s)")


def _short(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.6g}"


def demo_map(store: Path | None = None) -> xr.Dataset:
    """Maps in the store of the demo, which is made in a temporary folder if none is given."""
    if store is None:
        folder = Path(tempfile.mkdtemp(prefix="land_models_"))
        store = folder / "flanders.zarr"
        command = ["-m", "lulc_xr.jobs.cli", "demo", "--seeds", "1"]
        places = ["--store", str(store), "--out", str(folder / "out")]
        subprocess.run([sys.executable, *command, *places], check=True, stdout=subprocess.DEVNULL)
    return lx.open_cube(store)


def tables_of(
    number: int, store: Path | None = None, figures: Path | None = None
) -> Iterable[tuple[str, pd.DataFrame]]:
    """Tables of a run with their titles."""
    if number == 1:
        return counts.demo_tables(demo_map(store))
    if number == 2:
        return europe.point_tables(europe.SHARED, figures)
    if number == 3:
        return europe.corine_tables(europe.SHARED, figures)
    return counts.tile_tables(europe.SHARED)


if __name__ == "__main__":
    main()
