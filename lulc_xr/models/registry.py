"""Networks by name: found by entry point, built-ins too, so that other packages can add theirs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from torch import nn

from lulc_xr.core.errors import ModelError, name_unknown

GROUP = "lulc_xr.networks"
"""Entry point group in which a package names its networks."""

_PROMISED = ("receptive_field", "needs_fixed_dates", "forward")


def list_networks() -> tuple[str, ...]:
    """Names of all networks that installed packages offer, in alphabetical order."""
    return tuple(sorted({found.name for found in entry_points(group=GROUP)}))


def load_network(name: str) -> type[nn.Module]:
    """The class of a network, imported from the package that offers it.

    Parameters
    ----------
    name : str
        One of :func:`list_networks`.

    Returns
    -------
    type
        A subclass of :class:`torch.nn.Module` with the contract that
        :func:`lulc_xr.testing.check_model` checks.

    Raises
    ------
    ModelError
        If no package offers it, two packages do, or it cannot be imported.
    """
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if not found:
        raise ModelError(
            name_unknown("network", name, list_networks())
            + f" Install the package that has it; packages offer networks as entry points "
            f"of the group {GROUP!r}."
        )
    if len(found) > 1:
        raise ModelError(
            f"network {name!r} is offered more than once: {', '.join(sorted(found))}. "
            "Uninstall one of these packages."
        )
    return _import_network(next(iter(found.values())))


def make_network(
    name: str,
    *,
    bands: int,
    dates: int | None,
    classes: Mapping[str, int],
    context: int = 0,
    **sizes: Any,
) -> nn.Module:
    """A new network of random weights.

    Parameters
    ----------
    name : str
        One of :func:`list_networks`.
    bands : int
        Number of bands.
    dates : int or None
        Number of dates; None where it varies.
    classes : mapping of str to int
        Task to its number of classes.
    context : int
        Number of context variables. A network is told of them only where there are some.
    **sizes
        Sizes of the network other than its defaults, such as ``filters=32``.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ModelError
        If the network is unknown, needs a fixed number of dates that is not given, or does not
        take these sizes.
    """
    network = load_network(name)
    if dates is None and needs_fixed_dates(network):
        raise ModelError(
            f"network {name!r} needs a fixed number of dates, but the time axis has no fixed one. "
            "Use RegularDates, RawDates with minimum = maximum, or a network such as 'ltae'."
        )
    if context:
        sizes["context"] = context
    try:
        return network(bands=bands, dates=dates, classes=dict(classes), **sizes)
    except TypeError as error:
        raise ModelError(
            f"network {name!r} cannot be built with sizes {sizes}: {error}. "
            "Give the keyword arguments of its class, by their names."
        ) from error


def is_spatial(network: nn.Module | type[nn.Module]) -> bool:
    """True if a network sees patches (batch, time, band, y, x), not single pixels."""
    return bool(getattr(network, "spatial", False))


def needs_fixed_dates(network: nn.Module | type[nn.Module]) -> bool:
    """True if a network takes one number of dates, without gaps."""
    return bool(getattr(network, "needs_fixed_dates", False))


def _import_network(entry: EntryPoint) -> type[nn.Module]:
    origin = f" of package {entry.dist.name!r}" if entry.dist else ""
    try:
        network = entry.load()
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"network {entry.name!r}{origin} cannot be imported from {entry.value!r}: {error}. "
            "Reinstall that package, or mend its entry point."
        ) from error
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise ModelError(
            f"network {entry.name!r}{origin} is {network!r} at {entry.value!r}; "
            "expected a subclass of torch.nn.Module."
        )
    missing = [name for name in _PROMISED if not hasattr(network, name)]
    if missing:
        raise ModelError(
            f"network {entry.name!r}{origin} has no {', '.join(missing)}. "
            "Add receptive_field (pixels on each side) and needs_fixed_dates (bool) to its class."
        )
    return network
