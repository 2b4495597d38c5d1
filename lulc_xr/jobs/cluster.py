"""Where a job runs: threads of this process, processes of this machine, or a scheduler."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

from lulc_xr.core.errors import LulcError

_PATIENCE = 10
"""Seconds to wait for a scheduler to answer."""


@contextmanager
def cluster(*, workers: int | None, scheduler: str | None) -> Iterator[Client | None]:
    """The Dask client that the work runs on; None if none is asked for.

    Parameters
    ----------
    workers : int, optional
        Processes to start on this machine; by default threads of this process do the work.
    scheduler : str, optional
        Address of a running Dask scheduler.

    Raises
    ------
    LulcError
        If both are given, or no scheduler answers there.
    """
    check_choice(workers=workers, scheduler=scheduler)
    if scheduler is not None:
        with _connect(scheduler) as client:
            yield client
    elif workers is not None:
        with _start(workers) as started, Client(started) as client:
            yield client
    else:
        yield None


def check_choice(*, workers: int | None, scheduler: str | None) -> None:
    """Raise LulcError if both ways to get workers are asked for."""
    if workers is not None and scheduler is not None:
        raise LulcError(
            f"--workers {workers} and --scheduler {scheduler}: choose one. --workers starts "
            "processes here, --scheduler uses a cluster that runs already."
        )


def _start(workers: int) -> LocalCluster:
    # Workers inherit that Ctrl-C is ignored: it is this process that stops them, in order.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        )
    finally:
        signal.signal(signal.SIGINT, handler)


def _connect(address: str) -> Client:
    try:
        return Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise LulcError(
            f"no Dask scheduler answers at {address!r} within {_PATIENCE} s ({error}). Start one "
            "with 'dask scheduler' and give the address that it prints, such as "
            "tcp://127.0.0.1:8786."
        ) from error
