"""CORINE over north Italy against points of LUCAS: `python -m benchmarks.evidence.corine`.

The square of tile 32TNR, 110 km wide, and the points of the topsoil module of 2018 within it. Those
are no probability sample of the area (soil can be taken there), so that this is agreement with the
points; the year of the raster is not stated.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pandas as pd

import lulc_xr as lx

SHARED = Path(os.environ.get("LULC_XR_SHARED", Path(__file__).parents[3] / "shared"))
RASTER = "data/north_italy_2010/clc_32632.tif"
POINTS = "data/lucas/lucas_2018_lc1_lu1_19k.csv"
BLOCK = 20_000


def judge(shared: Path = SHARED) -> dict[str, pd.DataFrame]:
    """Judged points by the legend in which map and points meet."""
    maps = lx.open_class_map(shared / RASTER, legend="corine_level3")
    points = lx.read_lucas(shared / POINTS)
    with warnings.catch_warnings():
        # Points of 28 countries: most lie outside, which the counts say.
        warnings.filterwarnings("ignore", message=".*points left out")
        return {
            "lucas_lc1_level1": lx.judge_points(
                maps,
                lx.lucas_labels(points),
                crosswalk=("corine_level3", "lucas_lc1_level1"),
                block=BLOCK,
                keep=("unmapped",),
            ),
            "corine_level1": lx.judge_points(
                maps,
                lx.lucas_labels(points, lc1="lucas_lc1"),
                crosswalk=[("corine_level3", "corine_level1"), ("lucas_lc1", "corine_level1")],
                key="lu1",
                block=BLOCK,
            ),
        }


def main() -> None:
    """Print counts, agreement with and without a tolerance, and what the crosswalk left out."""
    for name, judged in judge().items():
        print(f"## {name}\n{judged.attrs['counts']}\nambiguous: {judged.attrs['ambiguous']['map']}")
        for near in (False, True):
            table = lx.bootstrap_accuracy(judged, near=near, repeats=2000)
            shown = table[table["quantity"].isin(["overall accuracy", "producer's accuracy"])]
            print(f"\ntolerance {int(near)}\n{shown.round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()
