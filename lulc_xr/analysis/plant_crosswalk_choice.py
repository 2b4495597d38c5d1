"""The crosswalk from the legend of some fractions to plant groups: known, given, or composed."""

from __future__ import annotations

from lulc_xr.core.crosswalk import Crosswalk, CrosswalkRow
from lulc_xr.core.errors import LegendError
from lulc_xr.core.legend import Legend
from lulc_xr.core.plant_crosswalks import list_plant_crosswalks, plant_crosswalk
from lulc_xr.core.plant_groups import plant_group_legend


def choose_crosswalk(legend: Legend, given: Crosswalk | None) -> Crosswalk:
    """Crosswalk whose rows are the classes of a legend, in its order, to plant groups.

    Parameters
    ----------
    legend : Legend
        Classes of the fractions; they may be some of those of a known legend, in any order.
    given : Crosswalk, optional
        The user's own, to plant groups or to a legend with a known crosswalk to them.

    Raises
    ------
    LegendError
        If there is no crosswalk, its source has not all classes, or its target is another.
    """
    walk = plant_crosswalk(legend.name) if given is None else given
    if walk.target.ids != plant_group_legend().ids:
        if walk.target.name not in list_plant_crosswalks():
            raise LegendError(
                f"crosswalk leads to {walk.target.name!r}; expected plant groups "
                "(lulc_xr.plant_group_legend) or one of "
                f"{', '.join(list_plant_crosswalks())}, which lead there."
            )
        walk = walk.then(plant_crosswalk(walk.target.name))
    known = {(c.class_id, c.name) for c in walk.source.classes}
    absent = [c.name for c in legend.classes if (c.class_id, c.name) not in known]
    if absent:
        raise LegendError(
            f"crosswalk from {walk.source.name!r} has no row for {', '.join(absent)} of the "
            f"fractions' legend {legend.name!r}. Give crosswalk= with a row for each class, with "
            "the ids and names of the map."
        )
    if walk.source.ids == legend.ids:
        return walk
    rows: tuple[CrosswalkRow, ...] = tuple(r for r in walk.rows if r.source in legend.ids)
    return Crosswalk(source=legend, target=walk.target, rows=rows, key=walk.key)
