"""Labels to learn from what LUCAS surveyed: class ids of a legend for land cover and land use."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lulc_xr.core.crosswalks import crosswalk, list_crosswalks
from lulc_xr.core.errors import LegendError, SampleError, name_unknown
from lulc_xr.core.legend import FILL_CLASS, Legend
from lulc_xr.core.legends import legend
from lulc_xr.core.lucas import LUCAS_LEGENDS, cut_code, lucas_codes


def lucas_labels(
    points: geopandas.GeoDataFrame,
    *,
    lc1: str | None = "lucas_lc1_level1",
    lu1: str | None = None,
) -> geopandas.GeoDataFrame:
    """The points with class ids to learn: `land_cover`, and on request `land_use`.

    ``extract_samples(cube, lucas_labels(points))`` works as it is, for one task and for two.

    Parameters
    ----------
    points : GeoDataFrame
        What :func:`lulc_xr.read_lucas` gave.
    lc1 : str, optional
        Legend of the land cover: a level of LUCAS, or a legend that :func:`lulc_xr.crosswalk`
        leads to from ``"lucas_lc1"``, such as ``"worldcover"``. For CORINE, `lu1` of the
        point decides with it; for S2GLC its column `region`, if there is one. None: no
        `land_cover`.
    lu1 : str, optional
        Legend of the land use, such as ``"lucas_lu1_level1"``. None: no `land_use`.

    Returns
    -------
    GeoDataFrame
        A copy with uint8 columns; 255 where nothing was surveyed or the legend has no class.
        ``attrs["unlabelled"]`` counts the codes without a class, by task and code;
        ``attrs["legends"]`` holds the legend of each task.

    Raises
    ------
    LegendError
        If there is no way from the survey's codes to a legend.
    SampleError
        If the points lack a column.

    Examples
    --------
    >>> import geopandas, shapely
    >>> points = geopandas.GeoDataFrame(
    ...     {"lc1": ["C10", "E20"], "lu1": ["U120", "U111"]},
    ...     geometry=[shapely.Point(0, 0)] * 2,
    ...     crs="EPSG:3035",
    ... )
    >>> labelled = lucas_labels(points, lu1="lucas_lu1_level1")
    >>> labelled[["land_cover", "land_use"]].values.tolist()
    [[3, 1], [5, 1]]
    """
    wanted = {"land_cover": ("lc1", lc1), "land_use": ("lu1", lu1)}
    tasks = {task: (kind, name) for task, (kind, name) in wanted.items() if name is not None}
    if not tasks:
        raise LegendError("lc1=None and lu1=None ask for no label; name a legend for one of them.")
    labelled = points.copy()
    legends: dict[str, dict[str, object]] = {}
    unlabelled: dict[str, dict[str, int]] = {}
    for task, (kind, name) in tasks.items():
        labelled[task], known = label_codes(points, kind, name)
        legends[task] = known.to_dict()
        lost = points[kind][(labelled[task] == FILL_CLASS) & points[kind].notna()]
        unlabelled[task] = {str(code): int(n) for code, n in lost.value_counts().items()}
    labelled.attrs.update(legends=legends, unlabelled=unlabelled)
    # The name that points of a single task have always carried their legend under.
    labelled.attrs["legend"] = legends.get("land_cover")
    return labelled


def label_codes(points: pd.DataFrame, kind: str, name: str) -> tuple[NDArray[np.uint8], Legend]:
    """Class ids of the codes in column `kind` (lc1 or lu1), shape (point,), and their legend.

    Raises
    ------
    LegendError
        If there is no way from these codes to the legend.
    SampleError
        If the points lack the column.
    """
    if kind not in points:
        raise SampleError(
            name_unknown("column", kind, map(str, points.columns))
            + " Read the points with lulc_xr.read_lucas."
        )
    levels = [level for level, (of, _) in LUCAS_LEGENDS.items() if of == kind]
    ways = [target for source, target in list_crosswalks() if source == f"lucas_{kind}"]
    if name not in (*levels, *ways):
        raise LegendError(name_unknown(f"legend for {kind}", name, dict.fromkeys(levels + ways)))
    codes = points[kind]
    if name in levels:
        ids = lucas_codes(name)
        found = {
            code: ids.get(cut_code(code, name), FILL_CLASS) for code in codes.dropna().unique()
        }
        return codes.map(found).fillna(FILL_CLASS).to_numpy(np.uint8), legend(name)
    walk = crosswalk(f"lucas_{kind}", name)
    fine = codes.map(lucas_codes(f"lucas_{kind}")).fillna(FILL_CLASS).to_numpy(np.uint8)
    key: pd.Series | None = None
    if walk.key is not None:
        key = points.get("lu1" if name.startswith("corine") else "region")
    return walk.map_labels(fine, key), walk.target
