"""``swarm_stack`` on a manager and a worker: deploys, changes, drift, and every way a rollout can fail."""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import LABEL_HELPER
from ansible_collections.fungap.swarm.plugins.module_utils.stack.folder import lock_path
from ansible_collections.fungap.swarm.plugins.module_utils.stack.validation import HELPER
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import render

from ..waiting import patience, wait_for
from .conftest import busybox_program

IMAGE = "test/box"
SECRET = "correct-horse-battery-staple"
Run = Callable[..., dict[str, Any]]


class Swarm:
    """A manager and a worker with a tiny image on both."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.manager, self.worker = lab.start("manager1", "worker1")
        image = _image()
        for node in (self.manager, self.worker):
            for tag in ("1", "2"):
                node.api.import_image_from_data(image, repository=IMAGE, tag=tag)
        api = self.manager.api
        api.init_swarm(advertise_addr=self.manager.address, listen_addr=f"{self.manager.address}:2377")
        token = api.inspect_swarm()["JoinTokens"]["Worker"]
        self.worker.api.join_swarm(
            remote_addrs=[f"{self.manager.address}:2377"],
            join_token=token,
            listen_addr=f"{self.worker.address}:2377",
            advertise_addr=self.worker.address,
        )
        wait_for("both nodes are ready", lambda: [one["Status"]["State"] for one in api.nodes()] == ["ready"] * 2, 20)

    def services(self, stack: str) -> dict[str, Any]:
        found = self.manager.api.services(filters={"label": f"com.docker.stack.namespace={stack}"})
        return {service["Spec"]["Name"].removeprefix(stack + "_"): service for service in found}

    def versions(self, stack: str) -> dict[str, int]:
        return {name: service["Version"]["Index"] for name, service in self.services(stack).items()}

    def names(self, kind: str, stack: str) -> list[str]:
        api = self.manager.api
        items = (api.configs if kind == "config" else api.secrets)(filters={"label": f"io.fungap.stack={stack}"})
        return sorted(item["Spec"]["Name"] for item in items)

    def update(self, stack: str, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a service by hand, as ``docker service update`` would."""
        api = self.manager.api
        service = self.services(stack)[name]
        spec = service["Spec"]
        change(spec)
        url = api._url("/services/{0}/update", service["ID"])
        api._result(api._post_json(url, data=spec, params={"version": service["Version"]["Index"]}), json=True)

    def running(self, stack: str, name: str) -> list[dict[str, Any]]:
        tasks = self.manager.api.tasks(filters={"service": f"{stack}_{name}", "desired-state": "running"})
        return [task for task in tasks if task["Status"]["State"] == "running"]


def _image() -> bytes:
    """A root file system of nothing but busybox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "proc", "dev", "sys", "run"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        program = busybox_program()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for applet in ("sh", "sleep", "cat", "echo", "false", "true", "test"):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return buffer.getvalue()


class Events:
    """Every event of every engine while it listens, apart from what reading causes."""

    def __init__(self, *nodes: Any) -> None:
        self.seen: list[dict[str, Any]] = []
        self.streams = [node.api.events(decode=True) for node in nodes]
        for stream in self.streams:
            threading.Thread(target=lambda stream=stream: self.seen.extend(stream), daemon=True).start()

    def stop(self) -> list[dict[str, Any]]:
        time.sleep(1)
        for stream in self.streams:
            stream.close()
        return self.seen


class CommandLines:
    """The command lines and environments of every process of this machine, looked at ten times a second."""

    def __enter__(self) -> CommandLines:
        self.seen: set[str] = set()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.done.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.done.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    self.seen.add((process / "cmdline").read_text(errors="replace"))
                    self.seen.add((process / "environ").read_text(errors="replace"))


@pytest.fixture(scope="module")
def swarm(shared_engines: Any) -> Swarm:
    return Swarm(shared_engines)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="st-stacks-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def deploy(run_module: Run, swarm: Swarm, folder: Path) -> Run:
    def run(
        stack: str, compose: Any = None, *, check: bool = False, deadline_seconds: float = 25, **more: Any
    ) -> dict[str, Any]:
        args = {
            "name": stack,
            "socket": swarm.manager.socket,
            "path": str(folder),
            "resolve_image": "never",
            "deadline_seconds": deadline_seconds * patience(),
            "node_sockets": {"worker1": swarm.worker.socket},
            **({"compose": compose} if compose else {"state": "absent"}),
            **more,
        }
        started = time.monotonic()
        result = run_module("swarm_stack", args, check=check)
        said = result.get("msg") or result.get("actions")
        print(f"{stack} {time.monotonic() - started:.1f} s, rollout {result.get('seconds')}: {said}")
        return result

    return run


def service(command: str = "exec sleep 1000", **more: Any) -> dict[str, Any]:
    """A service of two replicas that swarm judges quickly."""
    update = {"order": "start-first", "failure_action": "rollback", "monitor": "1s", "parallelism": 0}
    return {
        "image": f"{IMAGE}:1",
        "command": ["sh", "-c", command],
        "stop_grace_period": "1s",
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s"},
        "deploy": {"replicas": 2, "endpoint_mode": "dnsrr", "update_config": update, "restart_policy": {"delay": "1s"}},
        **more,
    }


def ok(result: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    assert not result.get("failed"), result.get("msg")
    assert result["changed"] is changed, {key: result.get(key) for key in ("actions", "drift", "diff")}
    return result


class Life:
    """One stack that each of the next tests takes from where the one before it left it."""

    name = "life"

    def __init__(self, swarm: Swarm, deploy: Run) -> None:
        self.swarm, self._deploy = swarm, deploy
        self.compose: dict[str, Any] = {
            "services": {"web": service(configs=["settings"], secrets=["key"]), "gone": service()}
        }
        self.given: dict[str, Any] = {"configs": {"settings": "colour=red\n"}, "secrets": {"key": SECRET}, "keep": 2}
        self.results: list[dict[str, Any]] = []

    def deploy(self, *, changed: bool, check: bool = False) -> dict[str, Any]:
        self.results.append(ok(self._deploy(self.name, self.compose, check=check, **self.given), changed=changed))
        return self.results[-1]

    def web(self) -> dict[str, Any]:
        """What the service's containers are made by."""
        found: dict[str, Any] = self.swarm.services(self.name)["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
        return found

    def own(self, kind: str) -> set[str]:
        """The names of its configs or secrets that no revision is kept in."""
        return {name for name in self.swarm.names(kind, self.name) if name.startswith(self.name)}


@pytest.fixture(scope="module")
def life(swarm: Swarm, deploy: Run) -> Life:
    return Life(swarm, deploy)


def test_check_mode_shows_a_first_deploy_and_makes_nothing(swarm: Swarm, folder: Path, life: Life) -> None:
    would = life.deploy(changed=True, check=True)
    assert "colour=red" in would["diff"]["after"]
    assert would["diff"]["before"] == ""
    assert swarm.services("life") == {}
    assert swarm.names("config", "life") == swarm.names("secret", "life") == []
    assert not (folder / "life").exists()


def test_a_first_deploy_converges_and_shows_its_secret_to_nobody(swarm: Swarm, folder: Path, life: Life) -> None:
    with CommandLines() as argv:
        first = life.deploy(changed=True)
    assert (first["revision"], first["verdict"]) == (1, "converged")
    assert first["services"]["web"] == {"running": 2, "wanted": 2}
    assert len(swarm.running("life", "web")) == 2
    rendered = folder / "life" / "compose.yml"
    assert (rendered.stat().st_mode & 0o777, rendered.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert argv.seen
    assert not [line for line in argv.seen if SECRET in line]


def test_the_same_again_is_heard_by_no_engine(swarm: Swarm, life: Life) -> None:
    versions, events = swarm.versions("life"), Events(swarm.manager, swarm.worker)
    life.deploy(changed=False)
    life.deploy(changed=False, check=True)
    # health checks are the engine's own doing
    assert [event for event in events.stop() if not event["Action"].startswith(("exec_", "health_"))] == []
    assert swarm.versions("life") == versions


def test_a_count_set_by_hand_stays(swarm: Swarm, life: Life) -> None:
    swarm.update("life", "web", lambda spec: spec["Mode"]["Replicated"].update(Replicas=3))
    life.deploy(changed=False)
    assert swarm.services("life")["web"]["Spec"]["Mode"]["Replicated"]["Replicas"] == 3


def test_a_changed_environment_and_a_removed_service(swarm: Swarm, life: Life) -> None:
    del life.compose["services"]["gone"]
    life.compose["services"]["web"]["environment"] = {"COLOUR": "blue"}
    would = life.deploy(changed=True, check=True)
    assert "COLOUR: blue" in would["diff"]["after"]
    assert "gone" in would["diff"]["before"]
    assert "gone" not in would["diff"]["after"]
    assert swarm.versions("life").keys() == {"web", "gone"}
    assert life.deploy(changed=True)["revision"] == 2
    assert swarm.versions("life").keys() == {"web"}
    tasks = swarm.running("life", "web")
    assert len(tasks) == 3, "the count set by hand stays through a deploy"
    assert all("COLOUR=blue" in task["Spec"]["ContainerSpec"]["Env"] for task in tasks)
    life.deploy(changed=False)


def test_contents_rotate_and_stay_as_long_as_a_kept_revision_needs_them(swarm: Swarm, life: Life) -> None:
    old_config, old_secret = life.own("config"), life.own("secret")
    life.given["configs"] = {"settings": "colour=green\n"}
    would = life.deploy(changed=True, check=True)
    assert "colour=red" in would["diff"]["before"]
    assert "colour=green" in would["diff"]["after"]
    life.deploy(changed=True)
    mounted = life.web()["Configs"][0]["ConfigName"]
    assert mounted not in old_config
    assert old_config < set(swarm.names("config", "life"))
    life.given["secrets"] = {"key": SECRET + "-2"}
    life.deploy(changed=True)
    assert len(swarm.names("secret", "life")) == 2
    assert old_secret < set(swarm.names("secret", "life"))
    assert not old_config & set(swarm.names("config", "life")), "revision 2, the last to need it, is forgotten"
    assert swarm.names("config", "life") == sorted(["fungap.life.3", "fungap.life.4", mounted])
    life.deploy(changed=False)


def test_the_secret_is_nowhere_but_in_the_secret(swarm: Swarm, folder: Path, life: Life) -> None:
    records = [base64.b64decode(config["Spec"]["Data"]).decode() for config in swarm.manager.api.configs()]
    assert [record for record in records if '"compose"' in record]
    assert SECRET not in json.dumps([life.results, records]) + (folder / "life" / "compose.yml").read_text()


def test_drift_is_shown_and_repaired(swarm: Swarm, life: Life) -> None:
    """An environment variable, the image, a service that is gone."""

    def spoil(spec: dict[str, Any]) -> None:
        container = spec["TaskTemplate"]["ContainerSpec"]
        container["Env"] = [*container["Env"], "BY_HAND=1"]
        container["Image"] = f"{IMAGE}:2"

    swarm.update("life", "web", spoil)
    would = life.deploy(changed=True, check=True)
    assert 'web.TaskTemplate.ContainerSpec.Env.BY_HAND: (absent) -> "1"' in would["drift"]
    assert f'web.TaskTemplate.ContainerSpec.Image: "{IMAGE}:1" -> "{IMAGE}:2"' in would["drift"]
    assert "BY_HAND" in would["diff"]["before"]
    life.deploy(changed=True)
    assert (life.web()["Env"], life.web()["Image"]) == (["COLOUR=blue"], f"{IMAGE}:1")
    life.deploy(changed=False)
    swarm.manager.api.remove_service("life_web")
    assert life.deploy(changed=True, check=True)["drift"] == ["web: as deployed -> (absent)"]
    life.deploy(changed=True)
    assert len(swarm.running("life", "web")) == 2
    life.deploy(changed=False)


def test_what_the_services_image_refuses_changes_nothing(swarm: Swarm, deploy: Run, folder: Path) -> None:
    compose = {"services": {"web": service(configs=["settings"], secrets=["key"])}}
    script = 'read -r line < /settings; echo "$line in /settings:1"; test "$line" = good && test -s /run/secrets/key'
    validate = [{"service": "web", "command": ["-c", script], "entrypoint": ["sh"]}]
    given: dict[str, Any] = {"configs": {"settings": "bad\n"}, "secrets": {"key": SECRET}, "validate": validate}
    for check in (True, False):
        refused = deploy("judged", compose, check=check, **given)
        assert "bad in /settings:1" in refused["msg"]
    assert swarm.names("config", "judged") == swarm.names("secret", "judged") == []
    assert not (folder / "judged").exists()
    given["configs"] = {"settings": "good\n"}
    judged = ok(deploy("judged", compose, state="validated", **given), changed=False)["validated"]
    assert swarm.names("config", "judged") == []
    events = Events(swarm.manager)
    ok(deploy("judged", compose, validated=judged, **given), changed=True)
    names = [one["Actor"]["Attributes"].get(LABEL_HELPER) for one in events.stop() if one.get("Actor")]
    assert HELPER not in names, "it was judged already"
    ok(deploy("judged", compose, **given), changed=False)
    ok(deploy("judged"), changed=True)


KILLED = f"""
import sys
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.validation import validation_of
from ansible_collections.fungap.swarm.plugins.module_utils.core.signals import signals_as_exceptions
compose = {{"services": {{"web": {{"image": "{IMAGE}:1"}}}}}}
validation = validation_of(compose, "web", ["sh", "-c", "exec sleep " + sys.argv[2]])
with signals_as_exceptions():
    Engine(sys.argv[1]).containers.run_once(validation.container(), [], timeout_seconds=60)
"""


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGTERM, 1000), (signal.SIGKILL, 5)])
def test_a_validation_that_is_killed_leaves_no_container(swarm: Swarm, number: signal.Signals, seconds: int) -> None:
    def running() -> list[Any]:
        found: list[Any] = swarm.manager.api.containers(all=True, filters={"label": f"{LABEL_HELPER}={HELPER}"})
        return found

    path = str(Path(__file__).resolve().parents[2] / "collections")
    arguments = [sys.executable, "-c", KILLED, swarm.manager.socket, str(seconds)]
    with subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": path}) as process:
        wait_for("the container", lambda: [one["State"] for one in running()] == ["running"], 20)
        process.send_signal(number)
    wait_for("its end", lambda: not running(), 20)


def test_a_stack_is_forgotten_where_another_docker_host_was_asked(run_module: Run, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    for name in ("compose.yml", "in-force.json", "notes"):
        (tmp_path / "web" / name).touch(0o600)
    args = {"name": "web", "state": "absent", "path": str(tmp_path)}
    assert run_module("swarm_stack", args, check=True)["changed"]
    assert run_module("swarm_stack", args)["actions"] == [f"remove {tmp_path}/web/compose.yml"]
    assert [path.name for path in (tmp_path / "web").iterdir()] == ["notes"]
    assert not run_module("swarm_stack", args)["changed"]
    assert (
        "socket"
        in run_module("swarm_stack", {**args, "state": "present", "compose": {"services": {"web": service()}}})["msg"]
    )


def test_an_absent_stack_leaves_nothing(swarm: Swarm, deploy: Run, folder: Path, life: Life) -> None:
    ok(deploy(life.name, check=True), changed=True)
    assert swarm.versions("life").keys() == {"web"}
    ok(deploy(life.name), changed=True)
    assert swarm.versions("life") == {}
    assert swarm.names("config", "life") == swarm.names("secret", "life") == []
    assert swarm.manager.api.networks(filters={"label": "com.docker.stack.namespace=life"}) == []
    assert not (folder / "life").exists()
    ok(deploy(life.name), changed=False)
    ok(deploy(life.name, check=True), changed=False)


class Good:
    """A stack that runs; each of the next tests deploys it spoilt, and it is to be as it was."""

    name = "fail"

    def __init__(self, swarm: Swarm, deploy: Run, folder: Path) -> None:
        self.swarm, self._deploy, self._text = swarm, deploy, folder / self.name / "compose.yml"
        self.compose = {"services": {"web": service(), "beside": service(environment={"V": "1"})}}
        ok(deploy(self.name, self.compose), changed=True)
        self._before = self._now()

    def _now(self) -> tuple[dict[str, Any], str]:
        specs = {name: found["Spec"]["TaskTemplate"] for name, found in self.swarm.services(self.name).items()}
        return specs, self._text.read_text()

    def spoilt(self, **changes: Any) -> dict[str, Any]:
        compose = copy.deepcopy(self.compose)
        compose["services"]["web"].update(changes)
        return compose

    def refuses(self, compose: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Deploy it: it fails, and what ran runs again."""
        result = self._deploy(self.name, compose, **more)
        assert result["failed"]
        assert self._now() == self._before
        assert len(self.swarm.running(self.name, "web")) == len(self.swarm.running(self.name, "beside")) == 2
        return result


@pytest.fixture(scope="module")
def good(swarm: Swarm, deploy: Run, folder: Path) -> Iterator[Good]:
    good = Good(swarm, deploy, folder)
    yield good
    ok(deploy(good.name, good.compose), changed=False)
    assert swarm.names("config", good.name) == [f"fungap.fail.{number}" for number in range(1, 6)]
    ok(deploy(good.name), changed=True)


def test_a_crash_takes_all_services_back(good: Good) -> None:
    """Swarm itself sees the crash; what it does not see is that another service of the stack was changed, too."""
    crashing = good.spoilt(command=["sh", "-c", "echo no database; exit 3"])
    crashing["services"]["beside"]["environment"] = {"V": "2"}
    crash = good.refuses(crashing)
    assert (crash["verdict"], crash["revision"]) == ("rolled_back", 1)
    assert "exit code 3" in crash["msg"]
    assert "no database" in crash["msg"]
    assert "revision 1 runs again" in crash["msg"]
    assert {failure["service"] for failure in crash["failures"]} == {"web"}
    assert {failure["node"] for failure in crash["failures"]} <= {"manager1", "worker1"}


def test_an_image_that_is_nowhere_is_not_waited_for_for_ever(good: Good) -> None:
    assert "test/none:1" in good.refuses(good.spoilt(image="test/none:1"), deadline_seconds=8)["msg"]


def test_a_task_that_no_node_takes_is_not_waited_for_for_ever(good: Good) -> None:
    nowhere = good.spoilt(environment={"V": "3"})
    nowhere["services"]["web"]["deploy"]["placement"] = {"constraints": ["node.labels.disk == fast"]}
    started = time.monotonic()
    unplaced = good.refuses(nowhere, deadline_seconds=5)
    assert time.monotonic() - started < 20 * patience()
    assert "no suitable node" in unplaced["msg"]


def test_an_unhealthy_task_is_told_in_its_health_checks_words(good: Good) -> None:
    sick = {"test": ["CMD-SHELL", "echo cannot reach the queue; exit 1"], "interval": "1s", "retries": 1}
    assert "cannot reach the queue" in good.refuses(good.spoilt(healthcheck=sick))["msg"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"restart": "always"}, "restart"),
        ({"deploy": {"restart_policy": {"condirion": "any"}}}, "condirion"),
        ({"networks": ["nothing"]}, "nothing"),
    ],
)
def test_what_swarm_would_refuse_half_way_or_ignore(
    swarm: Swarm, good: Good, wrong: dict[str, Any], message: str
) -> None:
    versions = swarm.versions(good.name)
    assert message in good.refuses(good.spoilt(**wrong), check=True)["msg"]
    assert swarm.versions(good.name) == versions


# One of its replicas runs at almost every moment: no step is kept.
OUT_OF_STEP = {
    "environment": {"SLOT": "{{ '{{.Task.Slot}}' }}"},
    "deploy": {
        "replicas": 2,
        "endpoint_mode": "dnsrr",
        "update_config": {"monitor": "30s"},
        "restart_policy": {"delay": "100ms"},
    },
}


@pytest.mark.parametrize(
    ("command", "more"),
    [("echo no luck; exit 4", {}), ("echo no luck; sleep $$((2 * SLOT)); exit 4", OUT_OF_STEP)],
    ids=["at once", "out of step"],
)
def test_a_first_deploy_that_fails_is_left_to_be_looked_at(
    swarm: Swarm, deploy: Run, command: str, more: dict[str, Any]
) -> None:
    stack = "first"
    broken = {"services": {"web": service(command, healthcheck={"disable": True}, **more)}}
    failed = deploy(stack, broken, deadline_seconds=300)
    assert failed["failed"]
    assert failed.get("verdict") == "failed", failed["msg"]
    assert failed["seconds"] < 60 * patience(), "it is told when it is known, not when the time is up"
    assert "Given up after" in failed["msg"]
    assert failed["msg"].count("exit code 4") == 1
    assert "no earlier revision" in failed["msg"]
    assert "no luck" in failed["msg"]
    assert swarm.versions(stack).keys() == {"web"}
    # the cure is a deploy like any other, though swarm has started each task twice where it comes just after a death
    ok(deploy(stack, {"services": {"web": service()}}), changed=True)
    assert len(swarm.running(stack, "web")) == 2
    ok(deploy(stack), changed=True)


def test_a_run_that_was_killed_is_completed_by_the_next(swarm: Swarm, deploy: Run, folder: Path) -> None:
    stack = "killed"
    compose = {"services": {"web": service(configs=["settings"])}}
    given = {"configs": {"settings": "1"}}
    ok(deploy(stack, compose, **given), changed=True)
    # deployed, not recorded
    record = swarm.manager.api.configs(filters={"name": "fungap.killed.1"})[0]
    swarm.manager.api.remove_config(record["ID"])
    lost = deploy(stack, compose, **given)
    assert "of stack killed, there is no record, and 1 was recorded at" in lost["msg"]
    (folder / stack / "in-force.json").unlink()
    completed = ok(deploy(stack, compose, **given), changed=True)
    assert completed["revision"] == 1
    # prepared, not deployed
    swarm.manager.api.create_config("killed_settings_000000000000", b"left over", {"io.fungap.stack": stack})
    cleaned = ok(deploy(stack, compose, **given), changed=True)
    assert cleaned["actions"] == ["remove config killed_settings_000000000000"]
    ok(deploy(stack, compose, **given), changed=False)
    ok(deploy(stack), changed=True)


KILLED_RUN = """
import json, sys
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import carry_out
from ansible_collections.fungap.swarm.plugins.module_utils.stack.operation import StackOperation
carry_out(StackOperation(json.load(sys.stdin)))
"""


def killed_when(swarm: Swarm, folder: Path, rendered: Any, stack: str, moment: Callable[[], bool], **more: Any) -> None:
    """A deploy that is killed at a moment. ``rendered``: of the stack's compose file."""
    params = {
        "name": stack,
        "state": "present",
        "socket": swarm.manager.socket,
        "path": str(folder),
        "compose": rendered.compose,
        "text": rendered.text,
        "configs": rendered.configs,
        "secrets": {},
        "resolve_image": "never",
        "registry_config": None,
        "wait": True,
        "deadline_seconds": 60,
        "keep": 5,
        "node_sockets": {},
        "release": {},
        "base_revision": None,
        "kind": "deploy",
        "who": "me@here",
        "why": "",
        "lock_seconds": 60,
        "rollout": "now",
        "progress": None,
        "listens": {},
        "validate": [],
        "validated": "",
        "jobs": True,
        **more,
    }
    path = str(Path(__file__).parents[2] / "collections")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_RUN], stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as run:
        assert run.stdin
        run.stdin.write(json.dumps(params).encode())
        run.stdin.close()
        wait_for("the moment to kill it", moment)
        run.kill()


def test_sigkill_at_any_moment(swarm: Swarm, deploy: Run, folder: Path) -> None:
    stack = "sigkill"
    before: set[str] = set()

    def runs() -> list[bool]:
        """Of each replica, whether it is this turn's."""
        return [word in task["Spec"]["ContainerSpec"]["Env"] for task in swarm.running(stack, "web")]

    moments: list[Callable[[], bool]] = [
        lambda: bool(set(swarm.names("config", stack)) - before),
        lambda: word in swarm.services(stack)["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"],
        lambda: any(runs()),
        lambda: runs() == [True, True],
    ]
    for turn, moment in enumerate(moments):
        word, before = f"TURN={turn}", set(swarm.names("config", stack))
        compose = {"services": {"web": service(configs=["settings"], environment={"TURN": str(turn)})}}
        given = {"configs": {"settings": f"turn {turn}"}}
        killed_when(swarm, folder, render(stack, compose, given["configs"], {}), stack, moment, keep=1)
        given["keep"] = 1
        completed = deploy(stack, compose, **given)
        assert not completed.get("failed"), completed.get("msg")
        tasks = swarm.running(stack, "web")
        assert len(tasks) == 2
        assert all(runs())
        assert len(swarm.names("config", stack)) == 2, "the revision and its config, nothing left over"
        ok(deploy(stack, compose, **given), changed=False)
    ok(deploy(stack), changed=True)


def test_revisions_tell_who_did_what_and_one_run_at_a_time_does(
    swarm: Swarm, deploy: Run, run_module: Run, folder: Path
) -> None:
    stack = "history"
    compose = {"services": {"web": service()}}

    def look() -> dict[str, Any]:
        seen = run_module("platform_info", {"manager_sockets": [swarm.manager.socket], "stacks_dir": str(folder)})
        found: dict[str, Any] = seen["stacks"][stack]
        return found

    given = {"release": {"version": "1"}, "kind": "deploy", "who": "me@here", "why": "the first"}
    ok(deploy(stack, compose, base_revision=0, **given), changed=True)
    ok(deploy(stack, compose, base_revision=1, **given), changed=False)
    row = look()["revisions"][0]
    assert (row["number"], row["kind"], row["who"], row["why"]) == (1, "deploy", "me@here", "the first")
    assert (row["verdict"], row["release"], row["images"]) == ("converged", {"version": "1"}, {"web": f"{IMAGE}:1"})

    # what is known of it changed: recorded, and no service is touched
    versions = swarm.versions(stack)
    given["release"] = {"version": "2"}
    ok(deploy(stack, compose, check=True, **given), changed=True)
    assert ok(deploy(stack, compose, **given), changed=True)["revision"] == 2
    assert swarm.versions(stack) == versions
    ok(deploy(stack, compose, **given), changed=False)

    # what was worked out from a revision that is no longer in force is refused
    other = {"services": {"web": service(environment={"COLOUR": "blue"})}}
    for check in (True, False):
        late = deploy(stack, other, base_revision=1, check=check, **given)
        assert "was changed meanwhile: revision 2 (deploy by me@here, 20" in late["msg"]
    # or told, for who works it out anew
    told = ok(deploy(stack, other, base_revision=1, base_moved="tell", **given), changed=False)
    assert told["moved"] is True
    assert swarm.versions(stack) == versions

    # one at a time
    with acquire_lock(lock_path(str(folder), stack), "deploy of history by her@there since noon", wait_seconds=0):
        assert look()["locked_by"] == "deploy of history by her@there since noon"
        refused = deploy(stack, other, lock_seconds=1, **given)
        assert "deploy of history by her@there since noon is still at work after 1 s" in refused["msg"]
        ok(deploy(stack, compose, **given), changed=False)
    assert swarm.versions(stack) == versions
    ok(deploy(stack, other, base_revision=2, **given), changed=True)
    found = look()
    assert (found["in_force"], found["locked_by"], found["drift"]) == (3, "", [])
    ok(deploy(stack), changed=True)


def test_global_services_and_networks(swarm: Swarm, deploy: Run) -> None:
    stack = "wide"
    everywhere = service(networks=["inner"])
    del everywhere["deploy"]["replicas"]
    everywhere["deploy"]["mode"] = "global"
    everywhere["deploy"]["placement"] = {"constraints": ["node.role == worker"]}
    compose = {"services": {"agent": everywhere}, "networks": {"inner": {"driver": "overlay"}}}
    result = ok(deploy(stack, compose), changed=True)
    assert result["services"]["agent"] == {"running": 1, "wanted": 1}
    ok(deploy(stack, compose), changed=False)
    changed = copy.deepcopy(compose)
    changed["networks"]["inner"]["driver_opts"] = {"com.docker.network.driver.mtu": "1400"}
    refused = deploy(stack, changed, check=True)
    assert refused["failed"]
    assert "network inner changed" in refused["msg"]
    ok(deploy(stack), changed=True)
    assert swarm.manager.api.networks(filters={"label": f"com.docker.stack.namespace={stack}"}) == []


def asked_in(swarm: Swarm, stack: str, name: str) -> set[str]:
    """The addresses that a name has within a container of a stack's service ``web``; none: there is no such name."""
    task = swarm.running(stack, "web")[0]
    node = next(one for one in swarm.manager.api.nodes() if one["ID"] == task["NodeID"])
    engine = Engine((swarm.manager if "ManagerStatus" in node else swarm.worker).socket)
    container = task["Status"]["ContainerStatus"]["ContainerID"]
    _, answer = engine.containers.exec(container, ["/bin/busybox", "nslookup", "-type=a", name, "127.0.0.11"])
    return set(re.findall(r"^Address(?: \d+)?: ([\d.]+)$", answer.partition("Name:")[2], re.MULTILINE))


def addresses_of(swarm: Swarm, stack: str, network: str, service: str = "web") -> set[str]:
    """The addresses that a service's running tasks have on a network."""
    attached = [one for task in swarm.running(stack, service) for one in task["NetworksAttachments"]]
    return {
        address.partition("/")[0]
        for one in attached
        if one["Network"]["Spec"]["Name"] == network
        for address in one["Addresses"]
    }


def test_a_short_name_means_a_service_of_the_same_stack(swarm: Swarm, deploy: Run) -> None:
    """On a network that stacks share, each as it is after an upgrade from a file that didn't say so."""
    # Networks are asked in the order of their names: this one comes first.
    shared = {"networks": {"a-shared": {"name": "a-shared", "driver": "overlay"}}}
    joined = {"networks": {"a-shared": {"external": True}, "default": {"driver": "overlay"}}}
    app = {
        "services": {
            "web": service(networks={"a-shared": {"aliases": ["{stack}-too"]}, "default": {}}),
            "cache": service(networks=["default"]),
        },
        **joined,
    }
    before = {"owner": {"services": {"proxy": service(networks=["a-shared"])}, **shared}}
    before |= {one: json.loads(json.dumps(app).replace("{stack}", one)) for one in ("one", "two")}
    for compose in before.values():
        for one in compose["services"].values():
            one["deploy"]["replicas"] = 1
    after = {stack: {**compose, "x-full-names": ["a-shared"]} for stack, compose in before.items()}

    def means(stack: str, name: str, *wanted: tuple[str, str, str]) -> None:
        """What has just ended or begun, the other engine hears of in a moment. ``wanted``: stack, network, service."""

        def is_so() -> bool:
            addresses = [addresses_of(swarm, *one) for one in wanted]
            return asked_in(swarm, stack, name) == set().union(*addresses) and all(map(len, addresses))

        wait_for(f"{name} in {stack} means {wanted}", is_so, 20)

    for stack, compose in before.items():
        ok(deploy(stack, compose), changed=True)
    # What Docker does by itself.
    means("two", "web", ("one", "a-shared", "web"), ("two", "a-shared", "web"))
    means("two", "proxy", ("owner", "a-shared", "proxy"))
    for stack, compose in after.items():
        ok(deploy(stack, compose), changed=True)
    # What was taken away is no drift.
    ok(deploy("one", after["one"]), changed=False)
    for stack, other in (("one", "two"), ("two", "one")):
        means(stack, "web", (stack, f"{stack}_default", "web"))
        means(stack, "cache", (stack, f"{stack}_default", "cache"))
        means(stack, "proxy")
        # What the proxy asks for, and names that somebody has chosen.
        for name in (f"tasks.{other}_web", f"{other}_web", f"{other}-too"):
            means(stack, name, (other, "a-shared", "web"))
    # By hand, the name is back: that is drift.
    attached = [{"Target": "a-shared", "Aliases": ["one-too", "web"]}, {"Target": "one_default", "Aliases": ["web"]}]
    swarm.update("one", "web", lambda spec: spec["TaskTemplate"].update(Networks=attached))
    found = ok(deploy("one", after["one"], check=True), changed=True)
    assert any("Networks" in entry for entry in found["drift"]), found["drift"]
    for stack in ("two", "one", "owner"):
        ok(deploy(stack), changed=True)


def one_shot(command: str, condition: str = "none", **deploy: Any) -> dict[str, Any]:
    policy = {"restart_policy": {"condition": condition, "delay": "1s"}}
    return {"image": f"{IMAGE}:1", "command": ["sh", "-c", command], "deploy": {**policy, **deploy}}


def test_what_ends_well_and_is_not_started_again_is_done(swarm: Swarm, deploy: Run, run_module: Run) -> None:
    on_manager = {"constraints": ["node.role == manager"]}
    again = one_shot("test -e /node/again || { : >/node/again; exit 1; }", "on-failure", placement=on_manager)
    compose: dict[str, Any] = {
        "services": {
            "once": one_shot("echo migrated"),
            # It fails, and is well once it is started again: the folder is the node's.
            "again": {**again, "volumes": ["/tmp:/node"]},
            "everywhere": one_shot("true", mode="global"),
            "job": one_shot("echo job", mode="replicated-job"),
            "jobs": one_shot("echo job", "on-failure", mode="global-job"),
        }
    }
    first = ok(deploy("oneshot", compose), changed=True)
    assert (first["verdict"], first["services"]["once"]) == ("converged", {"running": 1, "wanted": 1})
    ok(deploy("oneshot", compose), changed=False)
    seen = run_module("platform_info", {"manager_sockets": [swarm.manager.socket]})
    rows = {row["name"]: row for row in seen["services"]}
    assert (rows["oneshot_once"]["wanted"], rows["oneshot_once"]["done"]) == (0, 1)
    assert seen["stacks"]["oneshot"]["services"]["everywhere"] == {"running": 0, "wanted": 0}
    # To swarm an update has failed whose task ends at once; here it was to end.
    compose["services"]["once"]["command"][-1] = "echo migrated again"
    ok(deploy("oneshot", compose), changed=True)
    # What fails is not waited for, and is told.
    compose["services"]["once"]["command"][-1] = "echo no database; exit 3"
    compose["services"]["once"]["deploy"]["update_config"] = {"failure_action": "continue"}
    failed = deploy("oneshot", compose, deadline_seconds=60)
    assert (failed["failed"], failed["verdict"]) == (True, "stuck")
    assert "no database" in failed["msg"]
    assert failed["failures"][0]["exit_code"] == 3
    assert "not started again" in failed["msg"]
    assert failed["seconds"] < 45 * patience()
    ok(deploy("oneshot"), changed=True)


def test_logs_of_all_tasks_on_all_nodes_in_order_of_time(deploy: Run, run_module: Run, swarm: Swarm) -> None:
    talk = "for n in 1 2 3 4 5; do echo line $$n; sleep 0.2; done; exec sleep 1000"
    quiet = service("echo 'from \x1b[31manother\x1b[0m service'; exec sleep 1000")
    ok(deploy("talk", {"services": {"web": service(talk), "other": quiet}}), changed=True)
    sockets = {"manager_sockets": [swarm.manager.socket]}
    lines: list[dict[str, str]] = []
    end = time.monotonic() + 20 * patience()
    while len(lines) < 12 and time.monotonic() < end:
        lines = ok(run_module("stack_logs", {"stack": "talk", "since": "10m", **sockets}), changed=False)["lines"]
    assert [line["when"] for line in lines] == sorted(line["when"] for line in lines)
    by_task = {task: [line["text"] for line in lines if line["task"] == task] for task in ("web.1", "web.2")}
    said = [f"line {n}" for n in range(1, 6)]
    assert by_task == {"web.1": said, "web.2": said}
    assert {line["node"] for line in lines} == {"manager1", "worker1"}
    latest = ok(run_module("stack_logs", {"stack": "talk", "service": "web", "lines": 2, **sockets}), changed=False)
    # By time: a task that began later may have said the last two.
    assert latest["lines"] == [line for line in lines if line["task"] in by_task][-2:]
    for wrong, word in (({"stack": "none"}, "no stack none"), ({"stack": "talk", "service": "x"}, "other, web")):
        assert word in run_module("stack_logs", {**wrong, **sockets})["msg"]
    assert "as 10m" in run_module("stack_logs", {"stack": "talk", "since": "yesterday", **sockets})["msg"]
    ok(deploy("talk"), changed=True)
