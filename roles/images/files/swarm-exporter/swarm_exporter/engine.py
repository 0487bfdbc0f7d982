# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Engine API over its unix socket, without an SDK: a third of the CPU time, and nothing to install.

A path without a version means the newest that the engine speaks; what is read here is the same from 20.10 on.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

# Connecting, and each wait for more of an answer.
TIMEOUT_SECONDS = 3.0


class EngineError(Exception):
    """The engine can't be reached, is too slow, or refused: its own message."""


class Conflict(EngineError):
    """There is another one of that name, or a newer version."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_seconds: float) -> None:
        super().__init__("engine", timeout=timeout_seconds)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    """``get`` keeps one connection for each thread."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self._local = threading.local()

    def get(self, path: str, *, timeout_seconds: float = TIMEOUT_SECONDS, **query: Any) -> Any:
        """The JSON that ``path`` answers."""
        connection: _Connection | None = getattr(self._local, "connection", None)
        kept = connection is not None
        connection = connection or _Connection(self.socket_path, timeout_seconds)
        self._local.connection = None
        try:
            if connection.sock:
                connection.sock.settimeout(timeout_seconds)
            answer = self._ask(connection, path, query)
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if kept and not isinstance(error, TimeoutError):  # the engine has closed it meanwhile
                return self.get(path, timeout_seconds=timeout_seconds, **query)
            raise EngineError(f"{path}: {error or type(error).__name__}") from error
        self._local.connection = connection
        if answer.status >= 300:
            raise EngineError(f"{path}: {answer.status} {body[:300].decode(errors='replace')}")
        return json.loads(body) if body[:1] in (b"{", b"[") else body.decode(errors="replace")

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        login: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
        **query: Any,
    ) -> None:
        """Change something. ``login``: the registry's, for nodes that pull. It is never sent twice."""
        connection = _Connection(self.socket_path, timeout_seconds)
        words = f"{path}?{urlencode(query)}" if query else path
        headers = {"Content-Type": "application/json", **({"X-Registry-Auth": login} if login else {})}
        try:
            connection.request(method, words, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read(300).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{path}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            is_conflict = answer.status == 409 or "out of sequence" in text
            raise (Conflict if is_conflict else EngineError)(f"{path}: {answer.status} {text}")

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """What ``path`` answers, as it comes, until the engine ends it."""
        connection = _Connection(self.socket_path, TIMEOUT_SECONDS)
        try:
            connection.connect()
            raw = connection.sock
            answer = self._ask(connection, path, query)
            if answer.status >= 300:
                raise EngineError(f"{path}: {answer.status} {answer.read(300).decode(errors='replace')}")
            yield b""  # it has begun
            raw.settimeout(None)
            while chunk := answer.read1(65536):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{path}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _ask(self, connection: _Connection, path: str, query: Mapping[str, Any]) -> http.client.HTTPResponse:
        words = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in query.items()}
        connection.request("GET", f"{path}?{urlencode(words)}" if words else path)
        return connection.getresponse()

    def events(self, filters: Mapping[str, Any], since: str) -> Iterator[Mapping[str, Any]]:
        """The engine's events from ``since`` (Unix time, "" for now) on; the first is empty: it listens."""
        rest = b""
        for chunk in self.stream("/events", filters=filters, **({"since": since} if since else {})):
            if not chunk:
                yield {}
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())
