"""Shares of the land of each cell for land-model files, and what is done where there is no map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lulc_xr.analysis.cell_centres import cell_centres, distances
from lulc_xr.analysis.plant_schema import PlantShares, plant_shares, years_of
from lulc_xr.core.clm import LANDUNITS, NATURAL_PFTS
from lulc_xr.core.errors import CubeError

SEA, MAPPED, SCALED, FILLED, LEFT = range(5)
CELL_SOURCES = ("sea", "mapped", "scaled", "filled", "left")
"""What became of a cell: flags of `cell_source`.

sea: outside the land mask; mapped: all its land is mapped; scaled: the mapped part stands for the
rest; filled: the rest is taken from another data set; left: not written, see the export.
"""

EXACT = 1e-6
"""Shares of a cell's area are 1 within this (promise 9 of the design)."""

SAME_PLACE = 100.0
"""Cell centres that are nearer than this, in metres, are the same (ours)."""

_ARCTIC_GRASS, _GRASS = (NATURAL_PFTS.index(n) for n in ("c3_arctic_grass", "c3_non-arctic_grass"))
_LAKE, _WETLAND = (LANDUNITS.index(name) for name in ("lake", "wetland"))


@dataclass(frozen=True, kw_only=True)
class LandRules:
    """How shares of a cell's area become shares of its land; see :func:`lulc_xr.export_tsmp`.

    left : the word for `unmapped` with which cells without a map are left as they are.
    """

    land_mask: xr.DataArray | None = None
    unmapped: str | xr.Dataset = "error"
    left: str = "missing"
    min_mapped: float = 1.0
    ignored: Literal["unmapped", "scale"] = "unmapped"
    ocean: Literal["leave_out", "lake"] = "leave_out"
    wetland: Literal["wetland", "grass", "lake"] | int = "wetland"

    def __post_init__(self) -> None:
        if isinstance(self.unmapped, str):
            check_choice("unmapped", self.unmapped, ("error", self.left))
        check_choice("ignored", self.ignored, ("unmapped", "scale"))
        check_choice("ocean", self.ocean, ("leave_out", "lake"))
        if isinstance(self.wetland, str):
            check_choice("wetland", self.wetland, ("wetland", "grass", "lake"))
        elif not 0 <= self.wetland < len(NATURAL_PFTS):
            raise CubeError(
                f"wetland={self.wetland} is no natural plant type. Choose 0 to "
                f"{len(NATURAL_PFTS) - 1}, 'grass' or 'lake'."
            )
        if not 0 < self.min_mapped <= 1:
            raise CubeError(
                f"min_mapped={self.min_mapped} is no share above 0; choose one up to 1, where all "
                "land of a cell must be mapped."
            )

    @property
    def unmapped_left(self) -> bool:
        """Whether cells without a map are left as they are."""
        return isinstance(self.unmapped, str) and self.unmapped == self.left

    def in_words(self) -> str:
        """One line for a file's attributes."""
        fallback = self.unmapped if isinstance(self.unmapped, str) else "filled from a data set"
        return (
            f"min_mapped={self.min_mapped:g}, unmapped={fallback}, ignored={self.ignored}, "
            f"ocean={self.ocean}, wetland={self.wetland}, "
            f"land_mask={'none' if self.land_mask is None else 'given'}"
        )


def check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    """Raise unless a setting has one of the known values."""
    if value not in known:
        raise CubeError(f"{name}={value!r} is unknown. Choose one of {', '.join(known)}.")


@dataclass(frozen=True, kw_only=True)
class LandShares:
    """Shares of the land of each cell, cells flat in C order; 0 in cells that are sea or left.

    natural : (natpft, cell); crops : (cft, cell); units : (landunit, cell), which sum to 1 and of
    which natural vegetation and crop are the sums of the other two; source : (cell,), flags.
    """

    natural: NDArray[np.float64]
    crops: NDArray[np.float64]
    crop_ids: tuple[int, ...]
    units: NDArray[np.float64]
    source: NDArray[np.int8]
    shape: tuple[int, ...]

    @property
    def written(self) -> NDArray[np.bool_]:
        """Cells (cell,) that have shares."""
        return np.isin(self.source, (SEA, LEFT), invert=True)

    def only(self, cells: NDArray[np.bool_]) -> LandShares:
        """The same with other cells left."""
        source = np.where(self.written & ~cells, np.int8(LEFT), self.source)
        return replace(
            self,
            natural=np.where(cells, self.natural, 0),
            crops=np.where(cells, self.crops, 0),
            units=np.where(cells, self.units, 0),
            source=source,
        )

    def counts(self) -> dict[str, int]:
        """Number of cells by what became of them."""
        found = np.bincount(self.source, minlength=len(CELL_SOURCES))
        return dict(zip(CELL_SOURCES, found.tolist(), strict=True))


def land_shares(plant_types: xr.Dataset, year: int | None, rules: LandRules) -> LandShares:
    """Shares of land of one year, computed.

    Parameters
    ----------
    plant_types : xr.Dataset
        As :func:`lulc_xr.plant_functional_types` gives them.
    year : int, optional
        Its year; may be left out where there is one.
    rules : LandRules
        What is done with ocean, ignored and unmapped shares, and with wetland.

    Raises
    ------
    CubeError
        If the data set isn't of that form, the year isn't in it, the land mask or the fallback
        lie on another grid, or land is not mapped and `unmapped` is "error".
    """
    found = plant_shares(plant_types, year)
    _move_ocean(found, rules)
    land = _land(found, rules.land_mask)
    known = found.units.sum(axis=0)
    rest = found.unmapped + (found.ignored if rules.ignored == "unmapped" else 0)
    # A cell that is land for the mask and ocean for the map: nothing is known of its land.
    rest = np.where(known + rest < EXACT, 1.0, rest)
    share = known / (known + rest)
    enough = (share >= rules.min_mapped - EXACT) & (known > 0)
    source = np.full(land.size, SEA, np.int8)
    source[land & enough] = np.where(share < 1 - EXACT, SCALED, MAPPED)[land & enough]
    lacking = land & ~enough
    if lacking.any():
        source[lacking] = _fill(found, rules, lacking, rest=rest, share=share)
    _move_wetland(found, rules.wetland)
    return _normalised(found, source)


def _land(found: PlantShares, mask: xr.DataArray | None) -> NDArray[np.bool_]:
    """Cells (cell,) that are land: by the mask, else where the map isn't ocean alone."""
    if mask is None:
        return found.ocean < 1 - EXACT
    dims = tuple(found.dims)
    if mask.dtype != np.bool_ or set(mask.dims) != set(dims):
        raise CubeError(
            f"the land mask is {mask.dtype} over {tuple(map(str, mask.dims))}; expected bool "
            f"(True on land) over {dims}. lulc_xr.tsmp_land_mask reads TSMP's."
        )
    mask = mask.transpose(*dims)
    if mask.shape != found.shape:
        raise CubeError(
            f"the land mask has {mask.shape} cells along {dims}, the plant types have "
            f"{found.shape}. TSMP's mask has 6 more cells a side than EUR-11: "
            "lulc_xr.tsmp_land_mask(path) crops them."
        )
    for dim in dims:
        if dim in mask.coords and dim in found.coordinates.coords:
            apart = np.abs(mask[dim].values - found.coordinates[dim].values).max()
            if apart > 1e-4:
                raise CubeError(
                    f"{dim!r} of the land mask is up to {apart:g} away from that of the plant "
                    "types: another grid, or cells in another order. Bring the mask onto theirs."
                )
    return np.asarray(mask.values, bool).ravel()


def _move_ocean(found: PlantShares, rules: LandRules) -> None:
    if rules.ocean == "lake":
        found.units[_LAKE] += found.ocean
        found.ocean[:] = 0


def _fill(
    found: PlantShares,
    rules: LandRules,
    lacking: NDArray[np.bool_],
    *,
    rest: NDArray[np.float64],
    share: NDArray[np.float64],
) -> NDArray[np.int8] | int:
    """Flags of the cells that lack a map, whose rest is filled in place where asked."""
    if isinstance(rules.unmapped, str):
        if rules.unmapped == "error":
            raise CubeError(_refusal(lacking, share, rules, found.shape))
        return LEFT
    # A fallback of one year stands for all.
    known_years = years_of(rules.unmapped)
    other = plant_shares(rules.unmapped, found.year if len(known_years) > 1 else known_years[0])
    if other.shape != found.shape or other.crop_ids != found.crop_ids:
        raise CubeError(
            f"the data set for unmapped land has {other.shape} cells and crops {other.crop_ids}; "
            f"the plant types have {found.shape} and {found.crop_ids}. Make both alike."
        )
    _check_same_places(found, other)
    _move_ocean(other, rules)
    known = other.units.sum(axis=0)
    usable = lacking & (known > EXACT)
    if not usable[lacking].all():
        raise CubeError(
            f"the data set for unmapped land has no land in {int((lacking & ~usable).sum())} of "
            f"{int(lacking.sum())} cells that need it. Give one that covers the land."
        )
    scale = rest[lacking] / known[lacking]
    for mine, its in (
        (found.natural, other.natural),
        (found.crops, other.crops),
        (found.units, other.units),
    ):
        mine[:, lacking] += its[:, lacking] * scale
    return FILLED


def _check_same_places(found: PlantShares, other: PlantShares) -> None:
    """Raise where the cells of two data sets of one shape lie elsewhere."""
    mine, its = (cell_centres(shares.coordinates, shares.dims) for shares in (found, other))
    apart = float(np.nanmax(distances(mine, its)))
    if apart > SAME_PLACE:
        raise CubeError(
            f"the data set for unmapped land has cells up to {apart / 1000:.3g} km from those of "
            "the plant types. Make both on one grid."
        )


def _refusal(
    lacking: NDArray[np.bool_],
    share: NDArray[np.float64],
    rules: LandRules,
    shape: tuple[int, ...],
) -> str:
    cells = np.flatnonzero(lacking)
    part = share[cells]
    some = part[part > 0]
    median = f"; the median of the {some.size} others is {np.median(some):.3f}" if some.size else ""
    first = ", ".join(str(tuple(int(i) for i in np.unravel_index(c, shape))) for c in cells[:5])
    return (
        f"{cells.size} cells of land are mapped to less than min_mapped={rules.min_mapped:g} of "
        f"their land ({cells.size - some.size} not at all{median}; the first, by position: "
        f"{first}). Give plant types for unmapped=, which fill what is missing; or choose "
        f"unmapped={rules.left!r} to leave such cells; or a lower min_mapped, so that the mapped "
        "part stands for the rest; or give a land_mask."
    )


def _move_wetland(found: PlantShares, target: str | int) -> None:
    """Give the share of wetland to plant types, in place."""
    if target == "wetland":
        return
    share = found.units[_WETLAND].copy()
    found.units[_WETLAND] = 0
    if target == "lake":
        found.units[_LAKE] += share
        return
    found.units[0] += share
    if isinstance(target, int):
        found.natural[target] += share
        return
    grasses = found.natural[[_ARCTIC_GRASS, _GRASS]]
    both = grasses.sum(axis=0)
    arctic = np.where(both > 0, grasses[0] / np.where(both > 0, both, 1), 0)
    found.natural[_ARCTIC_GRASS] += share * arctic
    found.natural[_GRASS] += share * (1 - arctic)


def _normalised(found: PlantShares, source: NDArray[np.int8]) -> LandShares:
    written = np.isin(source, (SEA, LEFT), invert=True)
    total = np.where(written, found.units.sum(axis=0), 1)
    return LandShares(
        natural=np.where(written, found.natural / total, 0),
        crops=np.where(written, found.crops / total, 0),
        crop_ids=found.crop_ids,
        units=np.where(written, found.units / total, 0),
        source=source,
        shape=found.shape,
    )
