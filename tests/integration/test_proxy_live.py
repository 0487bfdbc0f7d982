"""The proxies take up what the managers' state says: the scripts of the role, real nginx, mutual TLS, and no swarm."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.stack.following import Told, parse_told
from ansible_collections.fungap.swarm.plugins.module_utils.stack.following_look import _SHOW
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

from ..waiting import until, wait_for
from .test_proxy_config import CAPABILITIES, HASH, HOSTS, NOW, ROOT, Site, render

FILES = ROOT / "roles" / "proxy" / "files"
WEB = {
    "name": "web",
    "hosts": ["web.localhost"],
    "upstream": "tasks.web_web",
    "port": 3000,
    "read_timeout_seconds": 600,
}
LATE = {**WEB, "name": "late", "hosts": ["late.localhost"]}
RATED = {**WEB, "name": "rated", "hosts": ["rated.localhost"], "rate_limit": {"requests_per_second": 100}}
PATHS = {**RATED, "rate_limit": {"requests_per_second": 100, "paths": ["/login"]}}
ADMIN = {**WEB, "name": "admin", "hosts": ["admin.localhost"], "basic_auth": {"users": {"alice": HASH}}}
WEBSOCKET = (
    b"GET /socket HTTP/1.1\r\nHost: web.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Live(Site):
    """Managers' tasks that hold a state, and proxies that follow it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        ca_key, key = pki.new_key(), pki.new_key()
        self.authority = pki.KeyPair(pki.make_ca("platform CA", ca_key, NOW), ca_key)
        (directory / "platform.crt").write_text(self.authority.certificate)
        (directory / "state.key").write_text(key)
        (directory / "state.crt").write_text(pki.issue(self.authority, key, ["proxy-state"], (), NOW, is_mutual=True))
        # Another of the platform's, by which nobody gets the state.
        (directory / "other.key").write_text(other := pki.new_key())
        (directory / "other.crt").write_text(pki.issue(self.authority, other, ["other"], (), NOW, is_mutual=True))
        self.versions: dict[str, Path] = {}
        self.states: dict[int, Any] = {}
        self.tasks: dict[str, str] = {}

    def version(self, routes: list[dict[str, Any]], *, broken: str = "", certificate: str = "", **more: Any) -> str:
        """A state that managers may have: what the role makes of these variables."""
        version = uuid.uuid4().hex[:12]
        folder = self.directory / version
        folder.mkdir()
        render(folder, {"proxy_routes": routes, **more}, names=("nginx.conf", "routes.conf", "serve.conf"))
        (folder / "play.yml").unlink()
        (folder / "variables.json").unlink()
        (folder / "pages").rmdir()
        shutil.move(folder / "serve.conf", self.directory / "serve.conf")
        for name in ("tls.crt", "tls.key", "htpasswd-admin"):
            source = self.directory / (name if name != "htpasswd-admin" else "htpasswd-guarded")
            shutil.copy(source, folder / name)
        if certificate:
            (folder / "tls.crt").write_text(certificate)
        if broken:
            (folder / "routes.conf").write_text(broken)
        (folder / "tls.key").chmod(0o400)
        shutil.chown(folder / "htpasswd-admin", 101)
        (folder / "htpasswd-admin").chmod(0o400)
        self.versions[version] = folder
        return version

    def state(self, number: int, version: str, managers: int = 3) -> None:
        """Have a manager hold a version: its new task is there before the old one goes."""
        binds = [f"{self.versions[version]}:/srv/state:ro", f"{FILES / 'serve.sh'}:/srv/serve.sh:ro"]
        binds += [f"{self.directory / 'serve.conf'}:/srv/serve.conf:ro", *self._mutual(), *self.kept(number)]
        environment = {"FOLLOWED_VERSION": version, "MANAGERS": str(managers)}
        name = f"state{number}-{uuid.uuid4().hex[:4]}"
        hardening = self._hardening(CAPABILITIES, {"/tmp": ""})
        command = ["sh", "/srv/serve.sh"]
        container = self._run(
            self.proxy_image, command, name, ["tasks.proxy_state"], volumes=binds, environment=environment, **hardening
        )
        old, self.states[number] = self.states.get(number), container
        if old:
            self.away(old)

    def kept(self, _number: int) -> list[str]:
        """What a manager keeps for its tasks."""
        return []

    def away(self, container: Any) -> None:
        self.containers.remove(container)
        container.remove(force=True, v=True)

    def have(self, version: str, *numbers: int) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda number: self.state(number, version), numbers or (1, 2, 3)))

    def follower(self, name: str, *aliases: str, more_binds: Sequence[str] = (), **more: str) -> None:
        binds = [f"{FILES / 'follow.sh'}:/srv/follow.sh:ro", *self._mutual(), *more_binds]
        task = uuid.uuid4().hex[:25]
        environment = {"NODE": name, "TASK": task, "STOP_SECONDS": "5", **more}
        hardening = self._hardening([*CAPABILITIES, "KILL"], {"/tmp": "", "/run/proxy": "size=16m"})
        command = ["sh", "/srv/follow.sh"]
        self._run(self.proxy_image, command, name, [*aliases], volumes=binds, environment=environment, **hardening)
        self.tasks[name] = task

    def _mutual(self) -> list[str]:
        return [
            f"{self.directory / 'platform.crt'}:/srv/ca.crt:ro",
            f"{self.directory / 'state.crt'}:/run/secrets/state.crt:ro",
            f"{self.directory / 'state.key'}:/run/secrets/state.key:ro",
        ]

    @staticmethod
    def _hardening(capabilities: list[str], tmpfs: dict[str, str]) -> dict[str, Any]:
        return {"read_only": True, "tmpfs": tmpfs, "cap_drop": ["ALL"], "cap_add": capabilities}

    def told(self, number: int = 1) -> dict[str, Told]:
        """Node -> what it has told a manager."""
        code, output = self.states[number].exec_run(list(_SHOW))
        assert code == 0, output
        return {one.node: one for one in parse_told(output.decode()).values()}

    def serve(self, version: str, seconds: float = 30) -> None:
        """Wait until each proxy says that it serves the version."""
        names = set(self.tasks)
        wait_for(
            f"{version} on {sorted(names)}",
            lambda: {node for node, one in self.told().items() if one.serves == version} >= names,
            seconds,
        )

    def of(self, name: str) -> Any:
        return self.client.containers.get(f"{self.prefix}-{name}")

    def at(self, name: str) -> str:
        return self.address(self.of(name))

    def addresses(self) -> list[str]:
        return [self.at(name) for name in self.tasks]

    def show(self, name: str, command: str) -> str:
        code, output = self.of(name).exec_run(["sh", "-c", command])
        assert code == 0, output
        return str(output.decode())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = Live(tmp_path_factory.mktemp("live"))
    try:
        for number in (1, 2):
            live.backend(f"web{number}", "tasks.web_web")
        live.listens("web1", "web2")
        first = live.version([WEB])
        live.have(first)
        for name in ("one", "two", "three"):
            live.follower(name)
        live.serve(first)
        yield live
    finally:
        live.close()


class Load:
    """Requests all the time to every proxy: what was lost, and why."""

    pause = 0.02

    def __init__(self, live: Live) -> None:
        self.live, self.sent, self.lost = live, 0, []
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(address,)) for address in live.addresses()]

    def _run(self, address: str) -> None:
        while not self.end.is_set():
            self.sent += 1
            try:
                answer = self.live.https(address, "web.localhost")
                if answer.status != 200:
                    self.lost.append(f"{answer.status}")
            except OSError as error:
                self.lost.append(repr(error))
            time.sleep(self.pause)

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        for thread in self.threads:
            thread.join()


def websocket(live: Live, address: str) -> Any:
    connection = live.plain.wrap_socket(socket.create_connection((address, 443), 30), server_hostname="web.localhost")
    connection.sendall(WEBSOCKET)
    assert b" 101 " in connection.recv(4096)
    return connection


def answers(connection: Any) -> bool:
    try:
        connection.sendall(b"ping")
        return bool(connection.recv(4) == b"ping")
    except OSError:
        return False


def test_changes_come_into_force_everywhere_and_close_nothing(live: Live, record_property: Callable[..., None]) -> None:
    """A route more, a route changed, another certificate; 200 WebSockets, 50 answers that take 20 s, and requests."""
    addresses = live.addresses()
    renewed = pki.issue(
        pki.KeyPair((live.directory / "ca.crt").read_text(), live.ca_key),
        (live.directory / "tls.key").read_text(),
        HOSTS,
        (),
        NOW,
    )
    changes = {
        "a route more": live.version([WEB, RATED]),
        "a route changed": live.version([WEB, PATHS, LATE]),
        "a certificate renewed": live.version([WEB, PATHS, LATE], certificate=renewed),
        "a login": live.version([ADMIN, WEB, RATED, LATE]),
    }
    sockets = [websocket(live, addresses[number % 3]) for number in range(200)]
    with ThreadPoolExecutor(50) as pool, Load(live) as load:
        slow = [
            pool.submit(live.https, addresses[number % 3], "web.localhost", "/?wait=20", timeout=60)
            for number in range(50)
        ]
        for what, version in changes.items():
            began = time.monotonic()
            live.have(version)
            live.serve(version)
            seconds = time.monotonic() - began
            record_property(what, round(seconds, 1))
            print(f"in force on 3 proxies after {seconds:.1f} s: {what}", file=sys.stderr)
        done = [one.result() for one in slow]
    assert [one.body for one in done] == [b"waited"] * 50
    assert sum(not answers(one) for one in sockets) == 0
    assert load.lost == []
    assert load.sent > 100
    for address in addresses:
        assert live.https(address, "admin.localhost").status == 401
        assert live.https(address, "late.localhost").status == 200
    for one in sockets:
        one.close()


def test_what_nginx_refuses_replaces_nothing(live: Live) -> None:
    before = live.told()["one"].serves
    broken = live.version([WEB], broken="server { listen banana; }")
    live.have(broken)
    wait_for("three refusals", lambda: [one.refused for one in live.told().values()] == [broken] * 3, 20)
    for one in live.told().values():
        assert (one.serves, "[emerg]" in one.reason, "banana" in one.reason) == (before, True, True)
    assert [live.https(address, "late.localhost").status for address in live.addresses()] == [200] * 3
    good = live.version([WEB])
    live.have(good)
    live.serve(good)
    assert {one.refused for one in live.told().values()} == {""}


def test_a_proxy_that_comes_back_serves_what_is_true_now(live: Live) -> None:
    live.of("three").stop()
    now = live.version([WEB, LATE])
    live.have(now)
    live.of("three").start()
    wait_for("a proxy that listens", lambda: not socket.create_connection((live.at("three"), 443), 1).close(), 20)
    assert live.https(live.at("three"), "late.localhost").status == 200
    live.serve(now)


def test_most_of_the_managers_have_to_agree(live: Live) -> None:
    before = live.told()["one"].serves
    other = live.version([WEB])
    live.have(other, 1)
    time.sleep(4)  # nothing is to happen
    assert {one.serves for one in live.told(2).values()} == {before}
    # One alone, and the same as before: a manager that was away.
    live.away(live.states.pop(2))
    live.away(live.states.pop(3))
    time.sleep(4)
    assert {one.serves for one in live.told(1).values()} == {before}
    # With one manager away, two are most of them.
    live.have(other, 2)
    live.serve(other)
    live.have(before, 1, 2)
    live.serve(before)
    live.state(3, before)


def test_a_proxy_waits_for_the_managers(live: Live) -> None:
    """Of an image without perl."""
    live.follower("late", more_binds=["/dev/null:/usr/bin/perl:ro"])
    try:
        live.serve(live.told()["one"].serves)
        assert live.show("late", "ls /run/proxy/state").split() == sorted(["answers", live.told()["one"].serves])
    finally:
        live.forget("late")
        del live.tasks["late"]


def test_keys_lie_in_the_tmpfs_and_are_roots_alone(live: Live) -> None:
    shown = live.show("one", "stat -c '%a %u %n' /run/proxy/current/* && stat -f -c %T /run/proxy/current/")
    modes = {line.rsplit("/", 1)[1]: line.rsplit(" ", 1)[0] for line in shown.splitlines() if "/" in line}
    assert modes["tls.key"] == "400 0"
    assert modes["htpasswd-admin"] == "400 101"
    assert shown.splitlines()[-1] == "tmpfs"
    key = (live.directory / "tls.key").read_text().splitlines()[1]
    logs = live.of("one").logs().decode()
    assert key not in logs
    assert "serves " in logs
    processes = live.show("one", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert key not in processes


@pytest.mark.parametrize(("pair", "word"), [("", "400 "), ("other", "403 ")])
def test_nobody_else_gets_the_state(live: Live, pair: str, word: str) -> None:
    address = live.address(live.states[1])
    own = ["--cert", str(live.directory / f"{pair}.crt"), "--key", str(live.directory / f"{pair}.key")] if pair else []
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(live.directory / "platform.crt"), *own]
    command += [
        "--resolve",
        f"proxy-state:8444:{address}",
        "-w",
        "\n%{http_code} ",
        "https://proxy-state:8444/state.tar",
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.endswith(word.encode())
    assert b"PRIVATE" not in done.stdout


def test_a_proxy_that_is_stopped_answers_what_it_was_asked(live: Live) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(live.https, live.at("two"), "web.localhost", "/?wait=2")
        assert until(lambda: "wait=2" in "".join(live.log("web1")[-5:] + live.log("web2")[-5:]))
        began = time.monotonic()
        live.of("two").stop(timeout=10)
        assert asked.result().body == b"waited"
        assert time.monotonic() - began < 8
    assert live.of("two").attrs["State"]["ExitCode"] == 0
    live.of("two").start()


def test_old_connections_last_for_a_bounded_time_and_number_of_changes(live: Live) -> None:
    """As the configuration says that they came by; where too many workers are shutting down, the oldest is ended."""
    short = live.version([WEB], proxy_drain_seconds=2)
    versions = [live.version([WEB, LATE]), live.version([WEB]), live.version([WEB, RATED])]
    live.have(short)
    live.follower("bounded", DRAINING="1")
    try:
        live.serve(short)
        brief = websocket(live, live.at("bounded"))
        live.have(versions[0])
        live.serve(versions[0])
        kept = [websocket(live, live.at("bounded"))]
        assert until(lambda: not answers(brief), 10)
        for version in versions[1:]:
            live.have(version)
            live.serve(version)
            kept.append(websocket(live, live.at("bounded")))
        assert [answers(one) for one in kept] == [True] * 3
        live.have(short)
        live.serve(short)
        assert [answers(one) for one in kept] == [False, True, True]
    finally:
        live.forget("bounded")
        del live.tasks["bounded"]
