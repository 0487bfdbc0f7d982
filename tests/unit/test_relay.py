# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What passes between the docker CLI and an engine, and what is changed on the way."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.docker.relay import relay

from ..engine_socket import Handler, engine_at


class Engine(Handler):
    """Says what it was asked."""

    def say(self) -> None:
        if self.path == "/refused":
            self.send_error(409, "out of sequence")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.answer([self.command, self.path, self.headers.get("X-Registry-Auth"), body])

    do_GET = do_POST = do_DELETE = say


class Connection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=5)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def change(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "changed": True}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    with (
        engine_at(tmp_path / "engine.sock", Engine),
        relay(str(tmp_path / "engine.sock"), change, timeout_seconds=5) as one,
    ):
        yield one


def ask(connection: Connection, method: str, url: str, body: str = "") -> tuple[int, str]:
    connection.request(method, url, body or None, {"X-Registry-Auth": "login"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("method", "url", "is_changed"),
    [
        ("POST", "/v1.45/services/create", True),
        ("POST", "/services/create", True),
        ("POST", "/v1.45/services/abc/update?version=7&rollback=", True),
        ("POST", "/v1.45/networks/create", False),
        ("POST", "/v1.45/containers/services/update", False),
        ("GET", "/v1.45/services/create", False),
        ("DELETE", "/v1.45/services/abc", False),
    ],
)
def test_a_services_spec_alone_is_changed(path: str, method: str, url: str, is_changed: bool) -> None:
    given = {"Name": "app_w\u00e9b", "Labels": {"<&>": "\U0001f600"}, "Nanoseconds": 2**62}
    status, text = ask(Connection(path), method, url, json.dumps(given, ensure_ascii=False).encode().decode("latin-1"))
    command, asked, login, body = json.loads(text)
    assert (status, command, asked, login) == (200, method, url, "login")
    assert json.loads(body) == ({**given, "changed": True} if is_changed else given)


def test_one_connection_serves_all_and_errors_are_the_engines_own(path: str) -> None:
    connection = Connection(path)
    assert ask(connection, "GET", "/_ping")[0] == 200
    status, text = ask(connection, "GET", "/refused")
    assert (status, "out of sequence" in text) == (409, True)
    assert ask(connection, "GET", "/_ping")[0] == 200


def test_it_is_roots_alone_and_leaves_nothing(tmp_path: Path) -> None:
    with relay(str(tmp_path / "none.sock"), change, timeout_seconds=5) as path:
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
        status, text = ask(Connection(path), "GET", "/_ping")
        assert status == 502
        assert json.loads(text)["message"].startswith(f"no answer on {tmp_path}/none.sock: ")
    assert not os.path.exists(os.path.dirname(path))
