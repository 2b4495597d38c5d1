"""Files over HTTP with ranges, and faults of a server that a test switches on and off.

``python -m tests.servers.http FOLDER FD`` is the server, a process of its own as real ones are:
a reader that holds the lock of Python must not stop it.
"""

import asyncio
import contextlib
import fnmatch
import json
import sys
import tempfile
import urllib.request
import uuid
from pathlib import Path

import uvicorn
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from tests.servers.processes import die_with_parent, python_server

CONTROL = "/_faults"
ANEW = "@"
"""A first part of a path that begins so is left out by the server, and by faults and counts."""
LONG = 3600


class Server:
    """A running server as tests see it: its address, its faults, what was asked of it."""

    def __init__(self, address):
        self.address = address

    def new_address(self):
        """Another address of the same: GDAL has not kept anything of what lies there."""
        return f"{self.address}/{ANEW}{uuid.uuid4().hex}"

    def fail(self, pattern, kind="status", *, status=500, times=None):
        """Let requests for paths like `pattern` fail, the first `times` of them or all.

        Kinds: ``status`` answers with `status` (500, 503, 404 ...); ``stall`` accepts and says
        nothing; of files, ``stop`` sends half of what it promised and then nothing more, and
        ``truncate`` serves them as if they had been cut in the middle.
        """
        fault = {"pattern": pattern, "kind": kind, "status": status, "times": times}
        self._control({"add": fault})

    def heal(self):
        """No faults from now on."""
        self._control({"clear": True})

    def requests(self, pattern="*"):
        """Number of requests so far for paths like `pattern`, failed ones too."""
        counts = self._control({})
        return sum(n for path, n in counts.items() if fnmatch.fnmatch(path, pattern))

    def _control(self, order):
        request = urllib.request.Request(self.address + CONTROL, json.dumps(order).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def serve_files(folder, *, log):
    """A :class:`Server` of a folder until the block ends."""
    arguments = ("tests.servers.http", folder)
    with python_server(arguments, log=log, probe=CONTROL) as address:
        yield Server(address)


class Faulty:
    """ASGI application: another one, behind faults by path."""

    def __init__(self, application):
        self.application = application
        self.faults = []
        self.counts = {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        path = scope["path"]
        if path == CONTROL:
            answer = JSONResponse(self.obey(await body_of(receive)))
            return await answer(scope, receive, send)
        if path.startswith(f"/{ANEW}"):
            path = "/" + path.split("/", 2)[2]
            scope = {**scope, "path": path, "raw_path": path.encode()}
        self.counts[path] = self.counts.get(path, 0) + 1
        fault = self.fault_of(path)
        if fault is None:
            return await self.application(scope, receive, send)
        return await getattr(self, fault["kind"])(fault, scope, receive, send)

    def obey(self, order):
        order = json.loads(order or b"{}")
        if "add" in order:
            self.faults.append(order["add"])
        if "clear" in order:
            self.faults.clear()
        return self.counts

    def fault_of(self, path):
        """The first fault for a path that is not used up."""
        for fault in self.faults:
            if fnmatch.fnmatch(path, fault["pattern"]) and fault["times"] != 0:
                if fault["times"] is not None:
                    fault["times"] -= 1
                return fault
        return None

    async def status(self, fault, scope, receive, send):
        await Response(status_code=fault["status"])(scope, receive, send)

    async def stall(self, _, scope, receive, send):
        await until_the_reader_leaves(receive)


class FaultyFiles(Faulty):
    """Static files with ranges, behind faults by path."""

    def __init__(self, folder):
        super().__init__(StaticFiles(directory=folder))
        self.folder = Path(folder)

    async def stop(self, _, scope, receive, send):
        content = (self.folder / scope["path"].lstrip("/")).read_bytes()
        length = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if scope["method"] == "HEAD":
            return await send({"type": "http.response.body", "body": b""})
        half = content[: len(content) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        return await until_the_reader_leaves(receive)

    async def truncate(self, _, scope, receive, send):
        content = (self.folder / scope["path"].lstrip("/")).read_bytes()
        with tempfile.NamedTemporaryFile() as cut:
            cut.write(content[: len(content) // 2])
            cut.flush()
            await FileResponse(cut.name)(scope, receive, send)


async def body_of(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def until_the_reader_leaves(receive):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONG):
            while (await receive())["type"] != "http.disconnect":
                pass


if __name__ == "__main__":
    die_with_parent()
    uvicorn.run(
        FaultyFiles(sys.argv[1]),
        fd=int(sys.argv[2]),
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
