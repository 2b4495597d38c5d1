"""Scenes to dates: duplicates of one overpass removed, the scenes of one solar day together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lulc_xr.cube.items import Scene

# One satellite comes back to a tile after about 100 minutes at the earliest.
_OVERPASS = np.timedelta64(10, "m")
# A proposal: a product that covers less of another than this is no newer version of it.
_COVERED = 0.95

Date = tuple[np.datetime64, str, tuple[Scene, ...]]


def drop_duplicates(scenes: Sequence[Scene]) -> list[Scene]:
    """Scenes without older versions of the same overpass of the same tile.

    A scene goes if another one of its platform, tile and overpass has a higher processing
    baseline, or the same and was processed later, and covers its footprint. Two granules of
    one overpass that complete each other both stay.

    Parameters
    ----------
    scenes : sequence of Scene
        In any order.

    Returns
    -------
    list of Scene
        In the order given.
    """
    by_tile: dict[tuple[str, str, str], list[Scene]] = {}
    for scene in scenes:
        by_tile.setdefault((scene.sensor.name, scene.platform, scene.tile), []).append(scene)
    dropped: set[int] = set()
    for same in by_tile.values():
        ordered = sorted(same, key=lambda s: (s.version, s.item_id), reverse=True)
        for number, old in enumerate(ordered):
            kept = (new for new in ordered[:number] if id(new) not in dropped)
            if any(_replaces(new, old) for new in kept):
                dropped.add(id(old))
    return [scene for scene in scenes if id(scene) not in dropped]


def by_date(scenes: Sequence[Scene], longitude: float) -> list[Date]:
    """The dates of a cube: time of the first scene, platform, and its scenes in order.

    Scenes of one platform and solar day are one date. Its time is that of its first scene, in
    whole seconds (as stored); a second later where another platform has the very same.

    Parameters
    ----------
    scenes : sequence of Scene
        In any order.
    longitude : float
        Where the solar day is told, degrees east.
    """
    shift = np.timedelta64(round(longitude / 15 * 3600), "s")
    days: dict[tuple[np.datetime64, str], list[Scene]] = {}
    for scene in scenes:
        day = (scene.time + shift).astype("datetime64[D]")
        days.setdefault((day, scene.platform), []).append(scene)
    dates: list[Date] = []
    for (_, platform), same in days.items():
        ordered = tuple(sorted(same, key=lambda s: (s.time, s.item_id)))
        dates.append((ordered[0].time, platform, ordered))
    dates.sort(key=lambda date: (date[0], date[1]))
    for number in range(1, len(dates)):
        earliest = dates[number - 1][0] + np.timedelta64(1, "s")
        dates[number] = (max(dates[number][0], earliest), *dates[number][1:])
    return dates


def _replaces(new: Scene, old: Scene) -> bool:
    if abs(new.time - old.time) > _OVERPASS or new.version == old.version:
        return False
    area = old.footprint.area
    return bool(area == 0 or (new.footprint & old.footprint).area >= _COVERED * area)
