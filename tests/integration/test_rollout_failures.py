"""Every way in which a rollout fails, under a light load: what runs in the end is the old revision, no request is lost,
the task fails and its message names the cause."""

from __future__ import annotations

import datetime
import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ..load.live import APP, Live, Load, check, kill_tree, tell, wait_for

LIGHT: dict[str, Any] = {"factor": 0.25, "kinds": "keepalive,http2,new,post,websocket"}
# An app that is judged quickly: all replicas at once, each watched for a moment.
QUICK: dict[str, Any] = {
    "health": {"interval_seconds": 1, "timeout_seconds": 2, "retries": 5, "start_period_seconds": 0},
    "update": {"parallelism": 0},
    "service": {"deploy": {"update_config": {"monitor": "2s"}, "rollback_config": {"monitor": "2s"}}},
}
ONE_BY_ONE = {"update": {"parallelism": 1}}
Failed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def quick(live: Live) -> Iterator[None]:
    """The app with short times for all tests of this file."""
    before = live.base
    live.base = {**before, **QUICK}
    result = live.roll_out()
    assert not result.get("failed"), result["msg"]
    yield
    live.base = before
    live.roll_out()


@pytest.fixture(scope="module")
def other_version(live: Live) -> str:
    """An image on which nothing is wrong."""
    return live.image_from("other", "ENV APP_VERSION=3.0.0")


def template(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = live.service()["Spec"]["TaskTemplate"]
    return {key: value for key, value in found.items() if key not in ("ForceUpdate", "Runtime")}


@contextmanager
def light_load(live: Live, what: str, *, may_cut: bool = False, is_logged: bool = True) -> Iterator[Load]:
    with live.load(what, **LIGHT, settle_seconds=1) as load:
        yield load
    check(load, may_cut=may_cut, is_logged=is_logged)


@pytest.fixture
def fails(live: Live) -> Failed:
    """Roll out what must fail, under load; the old revision serves before, meanwhile and after."""

    def run(what: str, *causes: str, is_logged: bool = True, **changes: Any) -> dict[str, Any]:
        before = template(live)
        with light_load(live, what, is_logged=is_logged) as load:
            started = time.monotonic()
            result = live.roll_out(**changes)
            seconds = time.monotonic() - started
            wait_for("three replicas", lambda: len(live.running()) == 3)
        tell(f"{what}: {result.get('verdict')} after {seconds:.1f} s\n{result.get('msg')}")
        assert result.get("failed")
        for cause in causes:
            assert cause in result["msg"], result["msg"]
        assert template(live) == before
        assert len(load.report["versions"]) == 1, "only the old version ever served"
        return {**result, "took": seconds}

    return run


def seconds_after_swarm(live: Live) -> float:
    """How long after swarm had rolled the service back by itself the verdict was recorded."""
    status = live.service()["UpdateStatus"]
    assert status["State"] == "rollback_completed", status
    records = live.manager.configs(filters={"name": f"fungap.{APP}."})
    return max(when(record["CreatedAt"]) for record in records) - when(status["CompletedAt"])


def when(timestamp: str) -> float:
    return datetime.datetime.fromisoformat(timestamp[:26].rstrip("Z") + "+00:00").timestamp()


def test_an_image_that_is_missing(live: Live, fails: Failed) -> None:
    missing = f"{live.where.registry}/express-app@sha256:{'0' * 64}"
    fails("an image that is missing", missing, image=missing, deadline_seconds=10)


def test_an_image_for_another_architecture(live: Live, fails: Failed) -> None:
    fails("an image for another architecture", "unsupported platform", image=foreign_image(live), deadline_seconds=10)


def test_a_crash_at_start(live: Live, fails: Failed) -> None:
    image = live.image_from("crash", """CMD ["node", "-e", "console.error('no database'); process.exit(3)"]""")
    result = fails("a crash at start", "exit code 3", "no database", image=image)
    assert result["verdict"] == "rolled_back"
    late = seconds_after_swarm(live)
    tell(f"verdict on a broken image {late:.1f} s after swarm's own failure (promised: 5)")
    assert late < 5


def test_a_crash_after_20_seconds(live: Live, fails: Failed) -> None:
    script = "import('./app.js'); setTimeout(() => { console.error('out of luck'); process.exit(7) }, 20000)"
    image = live.image_from("late-crash", f"CMD {json.dumps(['node', '-e', script])}")
    fails(
        "a crash after 20 s",
        "exit code 7",
        "out of luck",
        image=image,
        update={**QUICK["update"], "monitor_seconds": 25},
    )
    # It did serve for a while, and well.


def test_an_app_that_is_never_healthy(fails: Failed) -> None:
    test = ["CMD-SHELL", "echo cannot reach the queue; exit 1"]
    result = fails("an app that is never healthy", "cannot reach the queue", health={**QUICK["health"], "test": test})
    assert result["verdict"] == "rolled_back"


def test_an_app_that_no_node_can_take(fails: Failed) -> None:
    fast = ["node.labels.disk == fast"]
    result = fails("an app that no node can take", "no suitable node", constraints=fast, deadline_seconds=6)
    assert result["verdict"] == "stuck"
    seconds = float(re.findall(r"Not converged after ([0-9.]+) s", result["msg"])[0])
    tell(f"unschedulable: deadline 6 s, verdict after {seconds:.1f} s, rolled back after {result['took']:.1f} s in all")
    assert 6 <= seconds < 6 + 5


def test_a_registry_that_is_down(live: Live, fails: Failed) -> None:
    image = live.image_from("unpulled", "ENV APP_VERSION=4.0.0")
    registry = live.container("registry")
    registry.stop(timeout=2)
    try:
        fails("a registry that is down", "dial tcp", image=image, deadline_seconds=10)
    finally:
        registry.start()


def test_a_node_whose_disk_is_full(live: Live, fails: Failed) -> None:
    image = live.image_from("big", "RUN head -c 50000000 /dev/urandom > /big\nENV APP_VERSION=5.0.0")
    node = live.container(live.workers[-1])
    fill = "dd if=/dev/zero of=/var/lib/docker/filler bs=1M 2>/dev/null; df /var/lib/docker | tail -1"
    print(node.exec_run(["sh", "-c", fill]).output.decode())
    try:
        fails(
            "a node whose disk is full", "no space left on device", live.workers[-1], image=image, deadline_seconds=25
        )
    finally:
        node.exec_run(["rm", "/var/lib/docker/filler"])


def test_an_env_file_that_the_app_rejects(fails: Failed) -> None:
    fails("an env file that the app rejects", "ERR_SOCKET_BAD_PORT", env_file="PORT=a-port\n")


def test_a_target_that_would_hide_code(fails: Failed) -> None:
    fails("a target that would hide code", "/usr/src/app", "app.js", env_target="/usr/src/app")


def test_a_node_that_dies_during_the_rollout(live: Live, other_version: str) -> None:
    victim = live.container(live.workers[0])
    with light_load(live, "a node that dies during the rollout", may_cut=True):
        process = live.start_roll_out(other_version, **ONE_BY_ONE)
        wait_for("the update to begin", lambda: version_runs(live, other_version))
        victim.kill()
        result = outcome(live, process)
        tells_the_truth(live, result, other_version)
        victim.start()
        live.settle()
    back_to_the_old_version(live)


def test_a_manager_that_restarts_during_the_rollout(live: Live, other_version: str) -> None:
    with light_load(live, "a manager that restarts during the rollout", may_cut=True):
        process = live.start_roll_out(other_version, **ONE_BY_ONE)
        wait_for("the update to begin", lambda: version_runs(live, other_version))
        live.container(live.managers[0]).restart(timeout=20)
        tells_the_truth(live, outcome(live, process), other_version)
        live.settle()
    back_to_the_old_version(live)


def test_a_run_that_is_killed_during_the_rollout(live: Live, other_version: str) -> None:
    with light_load(live, "a run that is killed during the rollout"):
        process = live.start_roll_out(other_version, **ONE_BY_ONE)
        wait_for("the update to begin", lambda: version_runs(live, other_version))
        kill_tree(process.pid)
        process.wait()
        result = live.roll_out(other_version, **ONE_BY_ONE)
        assert not result.get("failed"), result["msg"]
        assert runs(live, other_version)
    with light_load(live, "and one whose new version is broken"):
        broken = live.image_from("broken", """CMD ["node", "-e", "process.exit(5)"]""")
        process = live.start_roll_out(broken, **ONE_BY_ONE)
        wait_for(
            "the update to begin", lambda: live.service()["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == broken
        )
        kill_tree(process.pid)
        process.wait()
        result = live.roll_out(other_version, **ONE_BY_ONE)
        assert not result.get("failed"), result["msg"]
        wait_for("three replicas of it", lambda: runs(live, other_version))
    back_to_the_old_version(live)


def version_runs(live: Live, image: str) -> bool:
    """Whether a first replica of an image runs."""
    return any(task["Spec"]["ContainerSpec"]["Image"] == image for task in live.running())


def runs(live: Live, image: str) -> bool:
    """Whether three replicas run, all of this image."""
    tasks = live.running()
    return len(tasks) == 3 and all(task["Spec"]["ContainerSpec"]["Image"] == image for task in tasks)


def outcome(live: Live, process: Any) -> dict[str, Any]:
    result = live.result(process)
    tell(f"{result.get('verdict')}\n{result.get('msg', '')}")
    return result


def tells_the_truth(live: Live, result: dict[str, Any], image: str) -> None:
    """A verdict is about what runs: the new version, or the old one and a failed task."""
    assert bool(result.get("failed")) is (result["verdict"] != "converged")
    expected = live.image if result.get("failed") else image
    wait_for("three replicas of what the verdict says", lambda: runs(live, expected))


def back_to_the_old_version(live: Live) -> None:
    result = live.roll_out()
    assert not result.get("failed"), result["msg"]
    live.settle()


def foreign_image(live: Live) -> str:
    """An image that says of itself that it is for arm64, with a program that is: of nothing but an ELF header."""
    program = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0" + (183).to_bytes(2, "little") + b"\0" * 44
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("app")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    tag = f"{live.where.registry}/foreign:1"
    repository, _, version = tag.rpartition(":")
    live.outer.api.import_image_from_data(layer.getvalue(), repository=repository, tag=version)
    saved = io.BytesIO(b"".join(live.outer.images.get(tag).save(named=tag)))
    changed = io.BytesIO()
    with tarfile.open(fileobj=saved) as old, tarfile.open(fileobj=changed, mode="w") as new:
        config_name = json.load(old.extractfile("manifest.json"))[0]["Config"]  # type: ignore[arg-type]
        for member in old.getmembers():
            content = old.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
            if member.name == config_name:
                config = {**json.loads(content), "architecture": "arm64"}
                config["config"] = {**(config.get("config") or {}), "Cmd": ["/app"]}
                content = json.dumps(config).encode()
            member.size = len(content)
            new.addfile(member, io.BytesIO(content) if member.isfile() else None)
    live.outer.images.load(changed.getvalue())
    live.made.append(tag)
    return live.push(tag)
