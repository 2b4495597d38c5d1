"""Recipes from files: the tables of a TOML file, or a script in Python, which is run."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.cube import DIMS
from lulc_xr.core.errors import CubeError, StoreError, name_unknown
from lulc_xr.jobs.recipe import Area, Climate, Composites, Grid, Landscape, Recipe, Source
from lulc_xr.jobs.toml_tables import converted, read_table, read_tables

KINDS = ("stac", "landscape")
"""What a recipe in TOML can make: a cube of a catalogue, or a made-up landscape."""

_TABLES: Mapping[str, Any] = {
    "area": Area, "grid": Grid, "source": Source, "composite": Composites,
    "landscape": Landscape, "climate": Climate, "plan": ChunkPlan,
}  # fmt: skip
_PATHS = {("area", "file"), ("climate", "source")}


def load_recipe(path: str | Path) -> Recipe:
    """A recipe, checked; nothing is read but the file itself.

    Parameters
    ----------
    path : str or Path
        A ``.toml`` file with tables as ``zarr_stores/README.md`` lists them, or a ``.py`` file
        with ``make_cube(raw)`` and ``PLAN``.

    Returns
    -------
    Recipe
        Relative paths in it are taken from the recipe's own folder.

    Raises
    ------
    StoreError
        If the file is not there.
    CubeError
        If a key is unknown, a value out of range or a table is missing; the message names
        the table and the key.

    Examples
    --------
    >>> import lulc_xr as lx
    >>> recipe = lx.load_recipe("zarr_stores/landscape.toml")
    >>> recipe.kind
    'landscape'
    """
    place = Path(path).expanduser()
    if place.suffix == ".py":
        return _of_script(place)
    if not place.is_file():
        raise StoreError(
            f"no recipe {str(path)!r} here ({Path.cwd()}). Give the path of a .toml or .py file; "
            "those of the project are in zarr_stores/ of its repository."
        )
    told = read_tables(place, error=CubeError)
    try:
        return _of_tables(place.resolve(), told)
    except CubeError as error:
        error.add_note(f"In the recipe {str(path)!r}; its keys are listed in zarr_stores/README.md")
        raise


def load_script(path: Path) -> ModuleType:
    """A recipe in Python as a module; it has ``make_cube(raw)`` and ``PLAN``."""
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise StoreError(
            f"no recipe {str(path)!r} here ({Path.cwd()}). It comes with the repository of "
            "lulc_xr, not with the installed package: clone that and run the demo in it, or name "
            "the file with --recipe."
        )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in ("make_cube", "PLAN"):
        if not hasattr(script, name):
            raise CubeError(
                f"recipe {str(path)!r} has no {name}; a recipe in Python has make_cube(raw), "
                "which gives the cube, and PLAN, a ChunkPlan (or None)."
            )
    return script


def _of_script(path: Path) -> Recipe:
    script = load_script(path)
    title = (script.__doc__ or path.stem).strip().splitlines()[0]
    store = path.resolve().with_suffix(".zarr")
    return Recipe(
        path=path.resolve(), kind="python", title=title, store=store, plan=script.PLAN,
        script=script,
    )  # fmt: skip


def _of_tables(path: Path, told: Mapping[str, Any]) -> Recipe:
    plain = {"kind", "title", "store", "years"}
    for key in told:
        if key not in plain | set(_TABLES):
            raise CubeError(name_unknown("key", key, [*plain, *_TABLES]))
    kind = told.get("kind", "stac")
    if kind not in KINDS:
        raise CubeError(name_unknown("kind", kind, KINDS))
    tables = {
        name: _read_table(made, name, told[name], folder=path.parent)
        for name, made in _TABLES.items()
        if name in told
    }
    plain_values = {
        name: converted(name, told.get(name, default), kind, error=CubeError)
        for name, kind, default in (
            ("years", "tuple[int, ...]", []),
            ("store", "str", f"{path.stem}.zarr"),
            ("title", "str", path.stem),
        )
    }
    return Recipe(
        path=path,
        kind=kind,
        title=plain_values["title"],
        store=path.parent / Path(plain_values["store"]).expanduser(),
        years=tuple(sorted(plain_values["years"])),
        **tables,
    )


def _read_table(made: Any, name: str, told: Any, *, folder: Path) -> Any:
    """A dataclass of a table; each key is one of its fields."""
    given = read_table(made, name, told, error=CubeError)
    for key, value in given.items():
        if (name, key) in _PATHS:
            given[key] = folder / Path(value).expanduser()
        if name == "plan":
            _check_dims(key, value)
    return made(**given)


def _check_dims(key: str, sizes: Mapping[str, Any]) -> None:
    for dim in sizes:
        if dim not in DIMS:
            raise CubeError(name_unknown(f"dimension of [plan] {key}", dim, DIMS))
