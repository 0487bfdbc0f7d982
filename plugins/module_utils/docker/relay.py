# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A unix socket between the docker CLI and an engine: what the CLI asks for can be changed on the way.

``docker stack deploy`` gives each service its short name on every network that it is on, whatever the compose file
says. There is no option against it.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

Json = dict[str, Any]

# Where a service's spec is sent to, with or without the API's version before it.
_SERVICE = re.compile(r"(/v[0-9.]+)?/services/(create|[^/?]+/update)(\?.*)?")
# Of one connection each, or written anew.
_NOT_PASSED_ON = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


class _Engine(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("docker", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def relay(engine: str, change: Callable[[Json], Json], *, timeout_seconds: float) -> Iterator[str]:
    """A socket that leads to the socket ``engine``; every service's spec is sent as ``change`` returns it.

    It lies in a folder of root's alone. What the engine doesn't answer is said to the CLI as an error of the engine's.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.command == "POST" and _SERVICE.fullmatch(self.path):
                body = json.dumps(change(json.loads(body))).encode()
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _NOT_PASSED_ON}
            connection = _Engine(engine, timeout_seconds)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                self.answer(answer.status, answer.getheaders(), answer.read())
            except (OSError, http.client.HTTPException) as error:
                text = json.dumps({"message": f"no answer on {engine}: {error}"}).encode()
                self.answer(502, [("Content-Type", "application/json")], text)
            finally:
                connection.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = pass_on

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for key, value in headers:
                if key.lower() not in _NOT_PASSED_ON:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing: what passes may be secret."""

    with tempfile.TemporaryDirectory(prefix="fungap-") as folder:
        path = os.path.join(folder, "docker.sock")
        with _Server(path, Handler) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            try:
                yield path
            finally:
                server.shutdown()
