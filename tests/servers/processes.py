"""Child processes of servers: a socket handed down, an end with their parent, a word when ready."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTED_WITHIN = 30
"""Seconds a server may take until it answers; usually it is one."""


def die_with_parent():
    """Let the kernel kill this process when its parent ends, however that ends (Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def listening_socket():
    """A socket on a free port of the loopback: bound here, so that no other process takes it."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(128)
    bound.set_inheritable(True)
    return bound


@contextlib.contextmanager
def python_server(arguments, *, log, environment=None, probe="/"):
    """Run ``python -m ARGUMENTS FD`` on a socket until the block ends; its address.

    What the process says goes to the file `log`, which is quoted if it does not come up.
    """
    with listening_socket() as bound, log.open("wb") as said:
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments), str(bound.fileno())],
            pass_fds=[bound.fileno()],
            env={**os.environ, **(environment or {})},
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_it_answers(address + probe, process, log)
            yield address
        finally:
            stop(process)


def wait_until_it_answers(url, process, log):
    """Return once `url` gives an answer; fail with the log if the process ended or is too late."""
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} did not answer (exit {process.poll()}): {log.read_text()}")


def stop(process):
    """End a process, kindly at first."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
