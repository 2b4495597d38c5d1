"""How the command line speaks: one console, errors as one message, exit codes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from lulc_xr.core.errors import CubeError, LulcError

BAD_INPUT, STOPPED = 2, 130
"""Exit codes: wrong usage or input (typer's own for usage), stopped by Ctrl-C (as in shells)."""


# Errors speak to Python; these are the same ways out in the words of the shell.
_IN_THE_SHELL = {
    "overwrite=True": "--overwrite",
    "redo=True": "--redo",
    "precision='float32'": "--precision float32",
    "years=[...]": "--years YEAR,YEAR",
    "year=2018": "--year 2018",
}


def console() -> Console:
    """Console of results, for standard output as it is now."""
    return Console(highlight=False)


def format_bytes(number: float) -> str:
    """Bytes in units that are easily read.

    Examples
    --------
    >>> format_bytes(1_234_567)
    '1.23 MB'
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:.3g} {unit}"


class Commands(TyperGroup):
    """A group of commands whose known errors become one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; ``--debug`` lets errors through with their traceback."""
        try:
            with _warnings_as_notes():
                return super().invoke(ctx)
        except (LulcError, ImportError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            _complain(error)
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            _console_of_errors().print("[yellow]stopped.[/] What is written stays whole.")
            raise typer.Exit(STOPPED) from error


def _complain(error: BaseException) -> None:
    said = str(error) or type(error).__name__
    for python, shell in _IN_THE_SHELL.items():
        said = said.replace(python, shell)
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    _console_of_errors().print(f"[bold red]error:[/] {escape(said + notes)}", soft_wrap=True)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Warnings as one line each, without the file and line that they name."""
    with warnings.catch_warnings():
        warnings.showwarning = _note
        yield


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    _console_of_errors().print(f"[yellow]note:[/] {escape(str(message))}", soft_wrap=True)


def _console_of_errors() -> Console:
    return Console(file=sys.stderr, highlight=False)


def parse_years(text: str) -> list[int]:
    """Years of the option ``--years``: numbers with commas between them.

    Raises
    ------
    CubeError
        If one is no number.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise CubeError(
            f"--years {text!r}: expected numbers with commas between them, such as 2018,2019."
        ) from error
