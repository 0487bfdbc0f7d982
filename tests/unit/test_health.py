# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The health check of an app: the same verdict with whatever an image has, and what it says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.health import EnvFile, replica_check, request_path

ENV = "/usr/src/app/env/.env"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# A connection, behind which nothing listens.
END = "   9: 0100007F:0BB8 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1\n"
RESOLVER = ("0B00007F:8823", 0)
ANY, LOOPBACK, OWN, OTHER = "00000000:0BB8", "0100007F:0BB8", "0500640A:0BB8", "00000000:1F90"
ANY6, LOOPBACK6 = "0" * 32 + ":0BB8", "0" * 24 + "01000000:0BB8"
MAPPED = "0" * 16 + "FFFF00000100007F:0BB8"


@dataclass
class Server:
    port: int
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """An app that answers with the status that is asked for, and remembers each request."""

    class App(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.asked.append((self.path, self.headers["host"], self.headers["x-forwarded-proto"]))
            status = int(self.path.partition("status=")[2][:3] or 200)
            if "hint" in self.path:
                self.send_response_only(103)
                self.end_headers()
            self.send_response(status)
            self.send_header("content-length", "0")
            if status in (301, 302, 308):
                # One that nobody answers, and that nobody is to ask.
                self.send_header("location", "https://kit.invalid/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("", 0), App)
    seen = Server(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield seen
    server.shutdown()


@pytest.mark.parametrize("tool", ["bash", "curl", "wget", "node"])
@pytest.mark.parametrize(
    ("path", "is_well"),
    [
        ("/healthz?full=1&probe=2", True),
        ("/?status=301", True),
        ("/hint?status=200", True),
        ("/hint?status=404", False),
        ("/sick?full=1&status=503", False),
        ('/a b/"c"?d=<e>&f=[g]{h}#i|j^k`l\\m', True),
        ("/%41%zz/é", True),
        ("/$(touch${IFS}executed);touch${IFS}executed;'%s%n\"`touch${IFS}executed`", True),
    ],
)
def test_each_tool_asks_as_the_proxy_does_and_executes_nothing(
    server: Server, tmp_path: Path, tool: str, path: str, is_well: bool
) -> None:
    """With each tool that an image may have, as the only one."""
    program = shutil.which(tool)
    if not program:
        pytest.skip(f"this machine has no {tool}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / tool).symlink_to(program)
    server.asked.clear()
    kind, *command = replica_check(server.port, path, host="kit.localhost:8443", timeout_seconds=9)
    assert kind == "CMD"
    env = {"PATH": f"{tmp_path}/bin", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=tmp_path, env=env, check=False, timeout=30, capture_output=True, text=True)
    assert (done.returncode == 0) is is_well, done.stdout
    assert (not done.stdout) is is_well
    # wget writes %41 as A, which is the same.
    asked = {(unquote(one), host, scheme) for one, host, scheme in server.asked}
    assert asked == {(unquote(request_path(path)), "kit.localhost:8443", "https")}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bin"]


@pytest.mark.parametrize(
    ("path", "encoded"),
    [
        ("/healthz", "/healthz"),
        ("/a?b=1&c=[$(id)];~", "/a?b=1&c=[$(id)];~"),
        ("/a b#c", "/a%20b%23c"),
        ("/100%", "/100%25"),
        ("/%2f%2", "/%2f%252"),
        ('/"é\\', "/%22%C3%A9%5C"),
        ("", ""),
    ],
)
def test_what_stands_in_no_request_is_encoded(path: str, encoded: str) -> None:
    assert request_path(path) == encoded
    if "%" not in path:
        assert unquote(encoded) == path


def check(
    tmp_path: Path,
    word: str,
    sockets: list[tuple[str, int]],
    *,
    path: str = "/healthz",
    env: EnvFile | None = None,
    tool: str = "bash",
    hosts: str = "127.0.0.1\tlocalhost\n10.100.0.5\tkit-slot-1\n",
) -> tuple[int, str]:
    """Run the check where ``tool`` says ``word`` of every address, and the kernel shows these sockets and users."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    program = tmp_path / "bin" / tool
    program.write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo {word}\n')
    program.chmod(0o755)
    lines = {4: HEAD, 6: HEAD}
    for place, user in sockets:
        line = f"   0: {place} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {user:5}"
        lines[6 if len(place) > 20 else 4] += line + "        0 5 1 0 100 0 0 10 0\n"
    files = {"net/tcp6": lines[6] + END, "net/tcp": lines[4] + END, "sys/kernel/hostname": "kit-slot-1\n"}
    for one in (7, 8):
        files[f"{one}/status"] = (
            f"Name:\tnode\nUid:\t{1500 if one == 8 else 0}\t1500\t1500\t1500\nGid:\t1501\t1501\nGroups:\t7 1502\n"
        )
    for name, text in files.items():
        file = tmp_path / "proc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "hosts").write_text(hosts)
    _kind, shell, option, script, *rest = replica_check(
        3000, path, host="kit.localhost", timeout_seconds=2, env_file=env
    )
    script = script.replace("/etc/hosts", f"{tmp_path}/hosts").replace("/proc/", f"{tmp_path}/proc/")
    done = subprocess.run(
        [shell, option, script, *rest],
        env={"PATH": f"{tmp_path}/bin"},
        check=False,
        timeout=30,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout.strip()


ASKED = "10.100.0.5 answered GET /healthz of host kit.localhost, port 3000, with"
CURE = "port 3000: it has to listen on 0.0.0.0"


@pytest.mark.parametrize(
    ("word", "sockets", "said"),
    [
        ("200", [], ""),
        ("301", [], ""),
        ("404", [(ANY, 0)], f"{ASKED} 404"),
        ("refused", [(LOOPBACK, 0)], f"the app listens on 127.0.0.1 only, {CURE}, the proxy comes to 10.100.0.5"),
        ("refused", [(LOOPBACK6, 0)], f"the app listens on ::1 only, {CURE}, the proxy comes to 10.100.0.5"),
        ("refused", [(MAPPED, 0)], f"the app listens on 127.0.0.1 only, {CURE}, the proxy comes to 10.100.0.5"),
        ("refused", [(ANY6, 0)], f"the app listens on IPv6 only, {CURE}"),
        ("refused", [RESOLVER], "nothing listens on port 3000"),
        ("refused", [RESOLVER, (OTHER, 0)], "nothing listens on port 3000; the app listens on 8080"),
        ("", [(ANY, 0)], f"{ASKED} nothing in 2 s"),
        ("", [(ANY6, 0)], f"{ASKED} nothing in 2 s"),
        ("", [(OWN, 0)], f"{ASKED} nothing in 2 s"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, word: str, sockets: list[tuple[str, int]], said: str) -> None:
    assert check(tmp_path, word, sockets) == (1 if said else 0, said)


def test_every_address_of_the_replica_is_asked(tmp_path: Path) -> None:
    hosts = "10.100.0.5\tkit-slot-1\n10.100.1.7\tkit-slot-1\nfd00::1\tkit-slot-1\n10.9.9.9\tother\n"
    word = '$([ "$4" = 10.100.1.7 ] && echo refused || echo 200)'
    said = f"the app listens on 10.100.0.5 only, {CURE}, the proxy comes to 10.100.1.7"
    assert check(tmp_path, word, [(OWN, 0)], hosts=hosts) == (1, said)


@pytest.mark.parametrize(
    ("sockets", "well"),
    [([(ANY, 0)], True), ([(OWN, 0)], True), ([(LOOPBACK, 0)], False), ([(LOOPBACK6, 0)], False), ([], False)],
)
def test_without_http_what_listens_is_enough(tmp_path: Path, sockets: list[tuple[str, int]], well: bool) -> None:
    """Where no tool can connect."""
    assert (check(tmp_path, "", sockets, path="", tool="none")[0] == 0) is well


def test_an_image_without_a_tool(tmp_path: Path) -> None:
    assert check(tmp_path, "", [(ANY, 0)], tool="none") == (
        1,
        "the image has none of bash, curl, wget and node: set health.test, or health.path to ''",
    )


@pytest.mark.parametrize(
    ("owner", "mode", "user", "well"),
    [
        ("0:0", "0600", 0, True),
        ("1500:1500", "0600", 1500, True),
        ("1500:1500", "0600", 0, True),
        ("0:0", "0600", 1500, False),
        ("1000:1000", "0600", 1500, False),
        ("0:0", "0644", 1500, True),
        # Of a group: the process's own, one of its others, none of its.
        ("0:1501", "0640", 1500, True),
        ("0:1502", "0640", 1500, True),
        ("0:1503", "0640", 1500, False),
        ("0:150", "0640", 1500, False),
        ("0:1501", "0600", 1500, False),
        ("0:1501", "0640", 1600, False),
    ],
)
def test_who_listens_can_read_the_env_file(tmp_path: Path, owner: str, mode: str, user: int, well: bool) -> None:
    said = f"user {user} listens on port 3000 and may not read {ENV} (owner {owner}, mode {mode})"
    expected = (0, "") if well else (1, f"{said}: set env_owner to '{user}'")
    assert check(tmp_path, "200", [(ANY, user)], env=EnvFile(ENV, owner, mode)) == expected


def test_where_none_but_those_who_may_read_it_run_anything_no_connections_are_listed(tmp_path: Path) -> None:
    """The kernel's lists cost more than all else of a check."""
    env = EnvFile(ENV, "1500:1500", "0600")
    assert check(tmp_path, "200", [(ANY, 1600)], env=env) == (0, "")
    assert check(tmp_path, "200", [(ANY, 1600)], env=EnvFile(ENV, "1000:1000", "0600"))[0] == 1
