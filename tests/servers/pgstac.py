"""A STAC API with all its searches: pgstac in a PostgreSQL of its own, stac-fastapi before it.

``python -m tests.servers.pgstac FD`` is the API; the variables PG* say where the database is.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import uvicorn

from tests.servers.http import Faulty, Server
from tests.servers.processes import (
    ROOT,
    STARTED_WITHIN,
    die_with_parent,
    python_server,
    stop,
)

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
POSTGIS = Path("/usr/share/postgresql/15/extension/postgis.control")


def require_postgres():
    """Skip where PostgreSQL 15 with PostGIS is not installed; in CI, where it has to be, fail."""
    missing = [path for path in (PROGRAMS / "initdb", POSTGIS) if not path.exists()]
    if not missing:
        return
    reason = f"{missing[0]} is not there: PostgreSQL 15 or its PostGIS is not installed. "
    reason += "Install both with: bash .ci/install_servers"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def serve_stac(folder, collections, items):
    """A :class:`Server` of a STAC API with these collections and items, until the block ends."""
    with database() as environment:
        for kind, found in (("collections", collections), ("items", items)):
            lines = folder / f"{kind}.ndjson"
            lines.write_text("\n".join(json.dumps(one) for one in found))
            pypgstac("load", kind, lines, "--method", "upsert", environment=environment)
        log = folder / "api.log"
        with python_server(("tests.servers.pgstac",), log=log, environment=environment) as address:
            yield Server(address)


@contextlib.contextmanager
def database():
    """The environment of a new database with pgstac's tables; it is gone when the block ends."""
    require_postgres()
    with tempfile.TemporaryDirectory(prefix="lulc_xr_postgres_") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        command = [PROGRAMS / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres"]
        done = subprocess.run(
            [*command, "--no-sync"], capture_output=True, text=True, check=False, **not_as_root()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with postgres(folder) as environment:
            pypgstac("migrate", environment=environment)
            yield environment


@contextlib.contextmanager
def postgres(folder):
    """A running server of the database in `folder`, with an empty database `pgstac`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # fsync: nothing here has to outlive the machine.
    command = [PROGRAMS / "postgres", "-D", folder / "data", "-p", port, "-k", folder]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one call of the kernel, takes no lock
            **not_as_root(),
        )
    try:
        environment = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres"}
        create_database(environment, process, log)
        yield {**environment, "PGPASSWORD": "unused", "PGDATABASE": "pgstac"}
    finally:
        stop(process)


def create_database(environment, process, log):
    address = "host={PGHOST} port={PGPORT} user={PGUSER} dbname=postgres".format(**environment)
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("create database pgstac")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start (exit {process.poll()}): {log.read_text()}")


def not_as_root():
    """PostgreSQL refuses to run as root: then the user that its package made does it."""
    as_other = {"user": "postgres", "group": "postgres", "extra_groups": []}
    return {"cwd": "/", **(as_other if os.geteuid() == 0 else {})}


def pypgstac(*arguments, environment):
    done = subprocess.run(
        [sys.executable, "-m", "pypgstac.pypgstac", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    die_with_parent()
    from stac_fastapi.pgstac.app import create_app

    uvicorn.run(
        Faulty(create_app()),
        fd=int(sys.argv[1]),
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
