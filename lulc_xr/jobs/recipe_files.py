"""Recipes from files: TOML is read here and nowhere else; Python is run."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from lulc_xr.core.blocks import ChunkPlan
from lulc_xr.core.cube import DIMS
from lulc_xr.core.errors import CubeError, StoreError, name_unknown
from lulc_xr.jobs.recipe import Area, Climate, Composites, Grid, Landscape, Recipe, Source

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
    try:
        told = tomllib.loads(place.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CubeError(f"{str(path)!r} is not TOML: {error}. Mend that line.") from error
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
    years = _converted("years", told.get("years", []), "tuple[int, ...]")
    store = Path(_converted("store", told.get("store", f"{path.stem}.zarr"), "str")).expanduser()
    title = _converted("title", told.get("title", path.stem), "str")
    return Recipe(
        path=path, kind=kind, title=title, store=path.parent / store, years=tuple(sorted(years)),
        **tables,
    )  # fmt: skip


def _read_table(made: Any, name: str, told: Any, *, folder: Path) -> Any:
    """A dataclass of a table; each key is one of its fields."""
    if not isinstance(told, Mapping):
        raise CubeError(f"{name!r} is {told!r}; expected a table: [{name}] on a line of its own.")
    known = {f.name: f for f in fields(made)}
    for key in told:
        if key not in known:
            raise CubeError(name_unknown(f"key of [{name}]", key, known))
    missing = [k for k, f in known.items() if f.default is MISSING and k not in told]
    missing = [k for k in missing if known[k].default_factory is MISSING]
    if missing:
        raise CubeError(f"[{name}] has no {missing[0]!r}, which is needed there.")
    given = {k: _converted(f"[{name}] {k}", v, str(known[k].type)) for k, v in told.items()}
    for key, value in given.items():
        if (name, key) in _PATHS:
            given[key] = folder / Path(value).expanduser()
        if name == "plan":
            _check_dims(key, value)
    return made(**given)


_EXPECTED: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, 'text in quotes, such as "EPSG:3035"'),
    "Path": (str, 'a path in quotes, such as "area.gpkg"'),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "Mapping": (dict, "a table"),
}


def _converted(where: str, value: Any, annotation: str) -> Any:
    """A value of TOML as its field has it; an error that says what was expected."""
    wanted = annotation.removesuffix(" | None")
    if wanted.startswith("tuple["):
        parts = wanted[len("tuple[") : -1].split(", ")
        if not isinstance(value, list):
            raise CubeError(f"{where} is {value!r}; expected a list in brackets.")
        if parts[-1] != "..." and len(value) != len(parts):
            raise CubeError(f"{where} has {len(value)} values; expected {len(parts)}.")
        return tuple(_converted(where, v, parts[0]) for v in value)
    kind, said = _EXPECTED[wanted.split("[")[0]]
    # True is an int in Python, but no number in a recipe.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise CubeError(f"{where} is {value!r}; expected {said}.")
    return dict(value) if isinstance(value, Mapping) else value


def _check_dims(key: str, sizes: Mapping[str, Any]) -> None:
    for dim in sizes:
        if dim not in DIMS:
            raise CubeError(name_unknown(f"dimension of [plan] {key}", dim, DIMS))
