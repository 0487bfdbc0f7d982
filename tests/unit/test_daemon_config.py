# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module's operation on a file system, with an engine that is played."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import carry_out
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.model import digest
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.operation import (
    DaemonConfig,
    Place,
    settled_digest,
)
from ansible_collections.fungap.swarm.plugins.module_utils.host import files
from ansible_collections.fungap.swarm.plugins.module_utils.host.look import Host, foreign_containers, reload_engine

from ..engine_socket import Handler, engine_at

THEIRS = {"data-root": "/srv/docker", "registry-mirrors": ["https://theirs"]}
OURS = {"log-driver": "json-file", "mtu": 1500}
DB = {"Names": ["/db"], "Labels": {}}
NODE = {"Names": ["/fungap-manager1"], "Labels": {"io.fungap.platform": "fungap"}}
JENKINS = {"Names": ["/fungap-jenkins"], "Labels": {"io.fungap.platform": "fungap-jenkins"}}
OTHER = {"Names": ["/other-manager1"], "Labels": {"io.fungap.platform": "other"}}
TASK = {"Names": ["/web.1.x"], "Labels": {"com.docker.swarm.service.name": "web"}}


class Engine(Handler):
    """Running containers; and the event of a reload once ``told`` returns."""

    running: list[dict[str, Any]] = []
    told: Callable[[], object] = staticmethod(lambda: None)

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        if self.path.startswith("/events"):
            self.wfile.flush()
            self.told()
            with suppress(BrokenPipeError):  # nobody waits any more
                self.wfile.write(b'{"Type": "daemon", "Action": "reload"}\n')
        else:
            self.wfile.write(json.dumps(self.running).encode())


class Machine:
    """A machine below a folder, whose engine is process 42."""

    def __init__(self, root: Path, handler: type[Engine]) -> None:
        self.root, self.handler, self.reloads = root, handler, 0
        self.place = Place(str(root / "etc/docker/daemon.json"))
        self.config = Path(self.place.path)
        self.socket = str(root / "docker.sock")
        self.start(started=7)

    def start(self, *, started: int, arguments: str = "/usr/sbin/dockerd\0-H\0fd://\0") -> None:
        for name, text in {
            "run/docker.pid": "42\n",
            "proc/42/cmdline": arguments,
            "proc/42/stat": f"42 (dockerd) S {' '.join(['0'] * 18)} {started} 0",
            "proc/sys/kernel/random/boot_id": "boot\n",
        }.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def has(self, config: dict[str, Any] | str, mode: int = 0o640) -> str:
        text = config if isinstance(config, str) else json.dumps(config)
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)
        self.config.chmod(mode)
        return text

    def operation(self, daemon: dict[str, Any], **params: Any) -> DaemonConfig:
        values = {
            "defaults": {},
            "path": self.place.path,
            "docker_socket": self.socket,
            "validate": "",
            "platform": "fungap",
        }
        flags = {"swarm_is_ours": False, "restart_confirmed": False}
        return DaemonConfig(
            {**values, **flags, "daemon": daemon, **params}, host=Host(str(self.root)), reload=self.reload
        )

    def reload(self, socket: str, pid: int, _seconds: float) -> None:
        assert (socket, pid) == (self.socket, 42)
        self.reloads += 1

    def run(self, daemon: dict[str, Any], **params: Any) -> dict[str, Any]:
        plan = carry_out(self.operation(daemon, **params))
        return {"actions": list(plan.actions), "warnings": list(plan.warnings), **plan.result}

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.config.read_text())
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(
        "ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.operation.LOCK_FILE",
        str(tmp_path / "lock"),
    )

    class Own(Engine):
        running: list[dict[str, Any]] = []

    found = Machine(tmp_path, Own)
    with engine_at(found.socket, Own):
        yield found


def test_an_operator_s_file_stays_and_goes_back(machine: Machine) -> None:
    original = machine.has(THEIRS)
    done = machine.run(OURS)
    assert machine.read() == {**THEIRS, **OURS}
    assert stat.S_IMODE(machine.config.stat().st_mode) == 0o640
    assert done["restart"]
    assert Path(machine.place.original).read_text() == original
    assert stat.S_IMODE(Path(machine.place.memory).stat().st_mode) == 0o600

    machine.start(started=8)
    assert machine.run(OURS) == {"actions": [], "warnings": [], "restart": False}

    machine.run({})
    assert machine.read() == THEIRS
    assert Path(machine.place.original).read_text() == original


def test_a_bare_machine_gets_a_file(machine: Machine) -> None:
    machine.run(OURS, docker_socket=str(machine.root / "none.sock"))
    assert machine.read() == OURS
    assert stat.S_IMODE(machine.config.stat().st_mode) == 0o644
    assert not Path(machine.place.original).exists()


def test_what_is_refused_changes_nothing(machine: Machine) -> None:
    texts = ["{", "[]", '{"mtu": 1400}', '{"mtu": 1, "mtu": 1}']
    for text in texts:
        machine.has(text)
        with pytest.raises(PlatformError, match="Nothing was changed"):
            machine.run(OURS)
        assert machine.config.read_text() == text
        assert sorted(path.name for path in machine.config.parent.iterdir()) == ["daemon.json"]


def test_a_link_is_not_followed_and_not_replaced(machine: Machine) -> None:
    machine.config.parent.mkdir(parents=True)
    machine.config.symlink_to("/srv/daemon.json")
    with pytest.raises(PlatformError, match="no regular file"):
        machine.run(OURS)
    assert machine.config.is_symlink()


def test_a_file_that_dockerd_refuses_changes_nothing(machine: Machine) -> None:
    original = machine.has(THEIRS)
    with pytest.raises(PlatformError, match="was not installed"):
        machine.run(OURS, validate="false %s")
    assert machine.config.read_text() == original
    assert sorted(path.name for path in machine.config.parent.iterdir()) == ["daemon.json"]


def test_what_dockerd_says_of_a_file_has_no_login_of_it(machine: Machine) -> None:
    machine.has({**THEIRS, "labels": ["api=hunter22"]})
    command = "sh -c 'echo bad label: api=hunter22; exit 1' %s"
    with pytest.raises(PlatformError, match=r"bad label: \(not shown\)") as refused:
        machine.run(OURS, validate=command)
    assert "hunter22" not in refused.value.message


def test_a_restart_that_stops_others(machine: Machine) -> None:
    original = machine.has(THEIRS)
    machine.handler.running = [NODE, DB, TASK]
    with pytest.raises(PlatformError, match="not the platform's: db, web"):
        machine.run(OURS)
    assert machine.config.read_text() == original
    done = machine.run(OURS, restart_confirmed=True)
    assert done["restart"]
    assert "db, web.1.x" in done["warnings"][0]


def test_a_restart_of_what_is_ours_needs_no_confirmation(machine: Machine) -> None:
    machine.handler.running = [NODE, TASK]
    assert machine.run(OURS, swarm_is_ours=True)["restart"]


def test_a_reload_is_enough_for_a_mirror(machine: Machine) -> None:
    machine.has(THEIRS)
    machine.handler.running = [DB]
    mirror = {"registry-mirrors": ["https://ours"]}
    done = machine.run(mirror)
    assert (done["restart"], machine.reloads) == (False, 1)
    assert machine.read() == {**THEIRS, "registry-mirrors": ["https://theirs", "https://ours"]}
    assert machine.run(mirror)["actions"] == []
    assert machine.reloads == 1


def test_a_reload_that_failed_is_tried_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = {"registry-mirrors": ["https://ours"]}

    def fail(*_arguments: Any) -> None:
        raise PlatformError("it did not")

    with monkeypatch.context() as patched:
        patched.setattr(machine, "reload", fail)
        with pytest.raises(PlatformError, match="it did not"):
            machine.run(mirror)
    assert machine.run(mirror)["actions"] == ["have the engine read it"]
    assert machine.reloads == 1
    assert machine.run(mirror)["actions"] == []


@pytest.mark.parametrize("writes", range(5))
@pytest.mark.parametrize("before", [{"mtu": 1400}, {}])
def test_a_run_that_is_killed_is_completed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, writes: int, before: dict[str, Any]
) -> None:
    original = machine.has(THEIRS)
    if before:
        machine.run(before)
        machine.start(started=8)
    install, left = files.install, iter(range(writes))

    def install_some(temporary: str, path: str) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        install(temporary, path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "install", install_some)
        with suppress(KeyboardInterrupt):
            machine.run(OURS)
    # Whoever comes next: the engine, which was not restarted, has to be; what is ours is known as ours.
    assert machine.run(OURS)["restart"]
    machine.start(started=9)
    assert machine.run(OURS) == {"actions": [], "warnings": [], "restart": False}
    assert machine.read() == {**THEIRS, **OURS}
    assert Path(machine.place.original).read_text() == original
    machine.run({})
    assert machine.read() == THEIRS


def test_check_mode_tells_what_a_run_does(machine: Machine) -> None:
    machine.has({**THEIRS, "http-proxy": "http://u:hunter2@proxy"})
    plan = machine.operation(OURS).plan()
    assert plan.actions == [
        f"keep {machine.place.path} as {machine.place.original}",
        f"write log-driver, mtu into {machine.place.path}",
    ]
    assert (plan.before, plan.after) == ("", {machine.place.path: OURS})
    assert machine.run(OURS)["actions"] == plan.actions


def test_the_look_knows_when_all_is_as_wanted(machine: Machine) -> None:
    def seen() -> str:
        return settled_digest(Host(str(machine.root)), "key", machine.place.path)

    assert seen() == ""
    machine.has(THEIRS)
    machine.run(OURS)
    assert seen() == ""  # the engine has yet to be restarted
    machine.start(started=8)
    assert seen() == digest(OURS, "key")
    machine.has({**THEIRS, **OURS, "debug": True})
    assert seen() == digest(OURS, "key")  # that is theirs
    machine.has({**THEIRS, "mtu": 1500})
    assert seen() == ""
    machine.has({**THEIRS, **OURS, "mtu": 1400})
    assert seen() == ""
    machine.has("{")
    assert seen() == ""


def test_what_is_no_dockerd_any_more_says_nothing(machine: Machine) -> None:
    assert Host(str(machine.root)).daemon() == ("42 7 boot", ["/usr/sbin/dockerd", "-H", "fd://"])
    machine.start(started=7, arguments="/usr/bin/python3\0")
    assert Host(str(machine.root)).daemon() == ("", [])
    (machine.root / "run/docker.pid").unlink()
    assert Host(str(machine.root)).daemon() == ("", [])


def test_a_flag_of_the_running_engine_is_refused(machine: Machine) -> None:
    machine.start(started=7, arguments="dockerd\0--mtu=1400\0")
    with pytest.raises(PlatformError, match="mtu is given on dockerd's command line"):
        machine.run(OURS)


@pytest.mark.parametrize(
    ("swarm_is_ours", "names"),
    [(False, ["0123456789ab", "db", "other-manager1", "web.1.x"]), (True, ["0123456789ab", "db", "other-manager1"])],
)
def test_foreign_containers(swarm_is_ours: bool, names: list[str]) -> None:
    nameless = {"Names": None, "Labels": None, "Id": "0123456789abcdef"}
    assert (
        foreign_containers([TASK, NODE, JENKINS, DB, OTHER, nameless], "fungap", swarm_is_ours=swarm_is_ours) == names
    )


@pytest.fixture
def engine() -> Iterator[subprocess.Popen[bytes]]:
    """For a dockerd that is signalled. Whoever started the tests may have ignored the signal, as nohup does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(["sleep", "60"]) as engine:
        signal.signal(signal.SIGHUP, before)
        yield engine
        engine.kill()


def test_a_reload_is_waited_for(machine: Machine, engine: subprocess.Popen[bytes]) -> None:
    machine.handler.told = staticmethod(engine.wait)
    reload_engine(machine.socket, engine.pid, 20)
    assert engine.wait() == -1  # by SIGHUP


def test_a_reload_that_does_not_happen_is_said(machine: Machine, engine: subprocess.Popen[bytes]) -> None:
    ended = threading.Event()
    machine.handler.told = staticmethod(ended.wait)
    with pytest.raises(PlatformError, match=r"did not within 0.1 s"):
        reload_engine(machine.socket, engine.pid, 0.1)
    ended.set()
