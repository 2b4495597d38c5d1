"""Programs of Debian that tests hold files against."""

import os
import shutil
import subprocess

import pytest


def require_program(name):
    """Skip where a program is not installed; in CI, where it has to be, fail."""
    if shutil.which(name):
        return
    reason = f"{name} is not installed. Install it with: bash .ci/install_servers"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run_program(name, *arguments, **environment):
    """What it prints; it must succeed."""
    require_program(name)
    done = subprocess.run(
        [name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
