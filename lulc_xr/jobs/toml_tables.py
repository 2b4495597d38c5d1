"""TOML is read here and nowhere else: a file's tables, and each value as its field has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from lulc_xr.core.errors import LulcError, name_unknown

_EXPECTED: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, 'text in quotes, such as "EPSG:3035"'),
    "Path": (str, 'a path in quotes, such as "area.gpkg"'),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "Mapping": (dict, "a table"),
}


def read_tables(path: Path, *, error: type[LulcError]) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    LulcError
        Of the type given, if the file is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise error(f"{str(path)!r} is not TOML: {fault}. Mend that line.") from fault


def read_table(
    made: Any, name: str, told: Any, *, error: type[LulcError], alone: bool = False
) -> dict[str, Any]:
    """Values of a table by the fields of a dataclass, each as its field has it.

    Parameters
    ----------
    made : type
        A dataclass; its fields are the known keys, their annotations the types.
    name : str
        Name of the table, for messages.
    told : mapping
        What TOML holds.
    error : type of LulcError
        What to raise for an unknown key, a wrong type, or a key that is missing.
    alone : bool
        A single value may stand where a list is expected.
    """
    if not isinstance(told, Mapping):
        raise error(f"{name!r} is {told!r}; expected a table: [{name}] on a line of its own.")
    known = {f.name: f for f in fields(made)}
    for key in told:
        if key not in known:
            raise error(name_unknown(f"key of [{name}]", key, known))
    missing = [k for k, f in known.items() if f.default is MISSING and k not in told]
    missing = [k for k in missing if known[k].default_factory is MISSING]
    if missing:
        raise error(f"[{name}] has no {missing[0]!r}, which is needed there.")
    return {
        key: converted(
            f"[{name}] {key}", value, str(known[key].type), error=error, alone=alone
        )
        for key, value in told.items()
    }  # fmt: skip


def converted(
    where: str, value: Any, annotation: str, *, error: type[LulcError], alone: bool = False
) -> Any:
    """A value of TOML as its field has it; an error that says what was expected."""
    wanted = annotation.removesuffix(" | None")
    if wanted.startswith("tuple["):
        parts = wanted[len("tuple[") : -1].split(", ")
        if alone and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            raise error(f"{where} is {value!r}; expected a list in brackets.")
        if parts[-1] != "..." and len(value) != len(parts):
            raise error(f"{where} has {len(value)} values; expected {len(parts)}.")
        return tuple(converted(where, v, parts[0], error=error) for v in value)
    kind, said = _EXPECTED[wanted.split("[")[0]]
    # True is an int in Python, but no number in a recipe.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise error(f"{where} is {value!r}; expected {said}.")
    return dict(value) if isinstance(value, Mapping) else value
