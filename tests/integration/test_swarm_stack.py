"""``swarm_stack`` on a manager and a worker: deploys, changes, drift, and every way a rollout can fail."""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import os
import shutil
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

from ansible_collections.fungap.swarm.plugins.module_utils.lock import held
from ansible_collections.fungap.swarm.plugins.module_utils.stack import lock_path
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


@pytest.fixture
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


def test_one_stack_through_its_life(swarm: Swarm, deploy: Run, folder: Path) -> None:
    stack = "life"
    compose = {"services": {"web": service(configs=["settings"], secrets=["key"]), "gone": service()}}
    given = {"configs": {"settings": "colour=red\n"}, "secrets": {"key": SECRET}, "keep": 2}

    # check, real, real, check
    would = ok(deploy(stack, compose, check=True, **given), changed=True)
    assert "colour=red" in would["diff"]["after"]
    assert would["diff"]["before"] == ""
    assert swarm.services(stack) == {}
    assert swarm.names("config", stack) == swarm.names("secret", stack) == []
    assert not (folder / stack).exists()
    with CommandLines() as argv:
        first = ok(deploy(stack, compose, **given), changed=True)
    assert (first["revision"], first["verdict"]) == (1, "converged")
    assert first["services"]["web"] == {"running": 2, "wanted": 2}
    assert len(swarm.running(stack, "web")) == 2
    rendered = folder / stack / "compose.yml"
    assert (rendered.stat().st_mode & 0o777, rendered.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    versions, events = swarm.versions(stack), Events(swarm.manager, swarm.worker)
    ok(deploy(stack, compose, **given), changed=False)
    ok(deploy(stack, compose, check=True, **given), changed=False)
    # health checks are the engine's own doing
    assert [event for event in events.stop() if not event["Action"].startswith(("exec_", "health_"))] == []
    assert swarm.versions(stack) == versions

    # a count set by hand stays, as it is and through a deploy
    swarm.update(stack, "web", lambda spec: spec["Mode"]["Replicated"].update(Replicas=3))
    ok(deploy(stack, compose, **given), changed=False)
    assert swarm.services(stack)["web"]["Spec"]["Mode"]["Replicated"]["Replicas"] == 3

    # a changed environment and a removed service
    compose = copy.deepcopy(compose)
    del compose["services"]["gone"]
    compose["services"]["web"]["environment"] = {"COLOUR": "blue"}
    would = ok(deploy(stack, compose, check=True, **given), changed=True)
    assert "COLOUR: blue" in would["diff"]["after"]
    assert "gone" in would["diff"]["before"]
    assert "gone" not in would["diff"]["after"]
    assert swarm.versions(stack).keys() == {"web", "gone"}
    second = ok(deploy(stack, compose, **given), changed=True)
    assert second["revision"] == 2
    assert swarm.versions(stack).keys() == {"web"}
    tasks = swarm.running(stack, "web")
    assert len(tasks) == 3
    assert all("COLOUR=blue" in task["Spec"]["ContainerSpec"]["Env"] for task in tasks)
    ok(deploy(stack, compose, **given), changed=False)

    # contents rotate; the old ones stay as long as a kept revision needs them
    old_config, old_secret = (
        [name for name in swarm.names(kind, stack) if name.startswith(stack)] for kind in ("config", "secret")
    )
    given["configs"] = {"settings": "colour=green\n"}
    would = ok(deploy(stack, compose, check=True, **given), changed=True)
    assert "colour=red" in would["diff"]["before"]
    assert "colour=green" in would["diff"]["after"]
    ok(deploy(stack, compose, **given), changed=True)
    mounted = swarm.services(stack)["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"][0]["ConfigName"]
    assert mounted not in old_config
    assert set(old_config) < set(swarm.names("config", stack))
    given["secrets"] = {"key": SECRET + "-2"}
    rotated = deploy(stack, compose, **given)
    ok(rotated, changed=True)
    assert len(swarm.names("secret", stack)) == 2
    assert set(old_secret) < set(swarm.names("secret", stack))
    assert not set(old_config) & set(swarm.names("config", stack)), "revision 2, the last to need it, is forgotten"
    assert swarm.names("config", stack) == sorted(["fungap.life.3", "fungap.life.4", mounted])
    ok(deploy(stack, compose, **given), changed=False)

    # the secret is nowhere but in the secret
    records = [base64.b64decode(config["Spec"]["Data"]).decode() for config in swarm.manager.api.configs()]
    assert [record for record in records if '"compose"' in record]
    assert SECRET not in json.dumps([first, would, rotated, records]) + rendered.read_text()
    assert argv.seen
    assert not [line for line in argv.seen if SECRET in line]

    # drift is shown and repaired: an environment variable, the image, a removed service, one too many
    def spoil(spec: dict[str, Any]) -> None:
        container = spec["TaskTemplate"]["ContainerSpec"]
        container["Env"] = [*container["Env"], "BY_HAND=1"]
        container["Image"] = f"{IMAGE}:2"

    swarm.update(stack, "web", spoil)
    would = ok(deploy(stack, compose, check=True, **given), changed=True)
    assert 'web.TaskTemplate.ContainerSpec.Env.BY_HAND: (absent) -> "1"' in would["drift"]
    assert f'web.TaskTemplate.ContainerSpec.Image: "{IMAGE}:1" -> "{IMAGE}:2"' in would["drift"]
    assert "BY_HAND" in would["diff"]["before"]
    ok(deploy(stack, compose, **given), changed=True)
    container = swarm.services(stack)["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert container["Env"] == ["COLOUR=blue"]
    assert container["Image"] == f"{IMAGE}:1"
    ok(deploy(stack, compose, **given), changed=False)
    swarm.manager.api.remove_service("life_web")
    would = ok(deploy(stack, compose, check=True, **given), changed=True)
    assert would["drift"] == ["web: as deployed -> (absent)"]
    ok(deploy(stack, compose, **given), changed=True)
    assert len(swarm.running(stack, "web")) == 2
    ok(deploy(stack, compose, **given), changed=False)

    # absent: check, real, real, check
    ok(deploy(stack, check=True), changed=True)
    assert swarm.versions(stack).keys() == {"web"}
    ok(deploy(stack), changed=True)
    assert swarm.versions(stack) == {}
    assert swarm.names("config", stack) == swarm.names("secret", stack) == []
    assert swarm.manager.api.networks(filters={"label": f"com.docker.stack.namespace={stack}"}) == []
    assert not (folder / stack).exists()
    ok(deploy(stack), changed=False)
    ok(deploy(stack, check=True), changed=False)


def _spoilt(compose: dict[str, Any], **changes: Any) -> dict[str, Any]:
    spoilt = copy.deepcopy(compose)
    spoilt["services"]["web"].update(changes)
    return spoilt


def test_a_rollout_that_fails_ends_with_the_old_revision(swarm: Swarm, deploy: Run, folder: Path) -> None:
    stack = "fail"
    good = {"services": {"web": service(), "beside": service(environment={"V": "1"})}}
    ok(deploy(stack, good), changed=True)
    before = {name: found["Spec"]["TaskTemplate"] for name, found in swarm.services(stack).items()}
    text = (folder / stack / "compose.yml").read_text()

    def spec_is_back() -> None:
        after = swarm.services(stack)
        assert {name: found["Spec"]["TaskTemplate"] for name, found in after.items()} == before
        assert len(swarm.running(stack, "web")) == len(swarm.running(stack, "beside")) == 2
        assert (folder / stack / "compose.yml").read_text() == text

    # swarm itself sees this one; what it does not see is that another service of the stack was changed too
    crashing = _spoilt(good, command=["sh", "-c", "echo no database; exit 3"])
    crashing["services"]["beside"]["environment"] = {"V": "2"}
    crash = deploy(stack, crashing)
    assert crash["failed"]
    assert (crash["verdict"], crash["revision"]) == ("rolled_back", 1)
    assert "exit code 3" in crash["msg"]
    assert "no database" in crash["msg"]
    assert "revision 1 runs again" in crash["msg"]
    assert {failure["service"] for failure in crash["failures"]} == {"web"}
    assert {failure["node"] for failure in crash["failures"]} <= {"manager1", "worker1"}
    spec_is_back()

    # swarm waits for these for ever
    missing = deploy(stack, _spoilt(good, image="test/none:1"), deadline_seconds=8)
    assert missing["failed"]
    assert "test/none:1" in missing["msg"]
    spec_is_back()
    nowhere = copy.deepcopy(good)
    nowhere["services"]["web"]["deploy"]["placement"] = {"constraints": ["node.labels.disk == fast"]}
    nowhere["services"]["web"]["environment"] = {"V": "3"}
    started = time.monotonic()
    unplaced = deploy(stack, nowhere, deadline_seconds=5)
    assert time.monotonic() - started < 20 * patience()
    assert unplaced["failed"]
    assert "no suitable node" in unplaced["msg"]
    spec_is_back()

    # unhealthy: the health check's own words
    sick = {"test": ["CMD-SHELL", "echo cannot reach the queue; exit 1"], "interval": "1s", "retries": 1}
    unhealthy = deploy(stack, _spoilt(good, healthcheck=sick))
    assert unhealthy["failed"]
    assert "cannot reach the queue" in unhealthy["msg"]
    spec_is_back()

    # what the CLI refuses half-way, and what it would ignore
    for wrong, message in (
        ({"restart": "always"}, "restart"),
        ({"deploy": {"restart_policy": {"condirion": "any"}}}, "condirion"),
        ({"networks": ["nothing"]}, "nothing"),
    ):
        versions = swarm.versions(stack)
        refused = deploy(stack, _spoilt(good, **wrong), check=True)
        assert refused["failed"]
        assert message in refused["msg"]
        assert swarm.versions(stack) == versions
    ok(deploy(stack, good), changed=False)
    assert swarm.names("config", stack) == [f"fungap.fail.{number}" for number in range(1, 6)]
    ok(deploy(stack), changed=True)


def test_a_first_deploy_that_fails_is_left_to_be_looked_at(swarm: Swarm, deploy: Run) -> None:
    stack = "first"
    broken = {"services": {"web": service("echo no luck; exit 4", healthcheck={"disable": True})}}
    failed = deploy(stack, broken, deadline_seconds=8)
    assert failed["failed"]
    assert failed["verdict"] == "failed"
    assert "no earlier revision" in failed["msg"]
    assert "no luck" in failed["msg"]
    assert swarm.versions(stack).keys() == {"web"}
    # the cure is a deploy like any other, though swarm has started each task twice where it comes just after a death
    ok(deploy(stack, {"services": {"web": service()}}), changed=True)
    assert len(swarm.running(stack, "web")) == 2
    ok(deploy(stack), changed=True)


def test_a_run_that_was_killed_is_completed_by_the_next(swarm: Swarm, deploy: Run) -> None:
    stack = "killed"
    compose = {"services": {"web": service(configs=["settings"])}}
    given = {"configs": {"settings": "1"}}
    ok(deploy(stack, compose, **given), changed=True)
    # deployed, not recorded
    record = swarm.manager.api.configs(filters={"name": "fungap.killed.1"})[0]
    swarm.manager.api.remove_config(record["ID"])
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
from ansible_collections.fungap.swarm.plugins.module_utils.stack import StackOperation
operation = StackOperation(json.load(sys.stdin))
operation.apply(operation.plan())
"""


def test_sigkill_at_any_moment(swarm: Swarm, deploy: Run, folder: Path) -> None:
    stack = "sigkill"
    for turn, seconds in enumerate((0.3, 0.6, 1.0, 2.0)):
        compose = {"services": {"web": service(configs=["settings"], environment={"TURN": str(turn)})}}
        given = {"configs": {"settings": f"turn {turn}"}}
        rendered = render(stack, compose, given["configs"], {})
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
            "keep": 1,
            "node_sockets": {},
            "release": {},
            "base_revision": None,
            "kind": "deploy",
            "who": "me@here",
            "why": "",
            "lock_seconds": 60,
            "rollout": "now",
            "progress": None,
        }
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_RUN],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "collections")},
        ) as run:
            assert run.stdin
            run.stdin.write(json.dumps(params).encode())
            run.stdin.close()
            time.sleep(seconds)
            run.kill()
        given["keep"] = 1
        completed = deploy(stack, compose, **given)
        assert not completed.get("failed"), completed.get("msg")
        tasks = swarm.running(stack, "web")
        assert len(tasks) == 2
        assert all(f"TURN={turn}" in task["Spec"]["ContainerSpec"]["Env"] for task in tasks)
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
    assert swarm.versions(stack) == versions

    # one at a time
    with held(lock_path(str(folder), stack), "deploy of history by her@there since noon", wait_seconds=0):
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
