"""``lulc-xr cog``: maps of a store as files for GIS, and a STAC item of them."""

from __future__ import annotations

from pathlib import Path

from lulc_xr.core.errors import CubeError, StoreError
from lulc_xr.cube.cog import to_cog
from lulc_xr.cube.map_item import stac_item
from lulc_xr.cube.store import open_cube
from lulc_xr.jobs.terminal import console, format_bytes, parse_years


def write_rasters(
    store: Path,
    out: Path,
    *,
    variables: str = "land_cover",
    years: str | None = None,
    item: Path | None = None,
    model: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write maps as Cloud Optimised GeoTIFFs.

    Parameters
    ----------
    store : Path
        The store.
    out : Path
        Folder, or one file.
    variables, years : str, optional
        Names and numbers with commas between them.
    item : Path, optional
        File of a STAC item of the class map that is named first.
    model : Path, optional
        Folder of the model, for the item.
    overwrite : bool
        Replace files that are there.

    Raises
    ------
    CubeError, StoreError, SourceError
        See :func:`lulc_xr.to_cog` and :func:`lulc_xr.stac_item`.
    """
    if model is not None and item is None:
        raise CubeError("--model describes the model in a STAC item; give the item with --item.")
    if item is not None and item.exists() and not overwrite:
        raise StoreError(f"{str(item)!r} exists already; pass overwrite=True to replace it.")
    maps = open_cube(store)
    names = [name.strip() for name in variables.split(",") if name.strip()]
    wanted = None if years is None else parse_years(years)
    files = to_cog(maps, out, variables=names, year=wanted, overwrite=overwrite)
    screen = console()
    for file in files:
        screen.print(f"[bold]{file}[/] ({format_bytes(file.stat().st_size)})")
    if item is not None:
        place = item.expanduser().absolute()
        made = stac_item(maps, task=names[0], year=wanted, cogs=files, model=model)
        made.set_self_href(str(place))
        made.make_asset_hrefs_relative()
        place.parent.mkdir(parents=True, exist_ok=True)
        made.save_object()
        screen.print(f"STAC item [bold]{item}[/]")
