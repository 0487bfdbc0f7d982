"""Every way in which a rollout fails, under a light load: what runs in the end is the old revision, no request is lost,
the playbook fails and its message names the cause."""

from __future__ import annotations

import datetime
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import DEFAULTS

from ..load.live import APP, SERVICE, Live, Load, Run, check, kill_job, kill_tree
from ..steps import tell
from ..waiting import patience, wait_for

LIGHT: dict[str, Any] = {"factor": 0.25, "kinds": "keepalive,http2,new,post,websocket"}
# An app that is judged quickly: all replicas at once, each watched for a moment. It is asked each second until it is
# well, and seldom from then on: a question costs CPU.
QUICK: dict[str, Any] = {
    "health": {"interval_seconds": 10, "timeout_seconds": 2, "retries": 2, "start_period_seconds": 5},
    "update": {"parallelism": 0},
    "service": {"deploy": {"update_config": {"monitor": "2s"}, "rollback_config": {"monitor": "2s"}}},
}
ONE_BY_ONE = {"update": {"parallelism": 1}}
Fails = Callable[..., Run]


@pytest.fixture(scope="module", autouse=True)
def quick(live: Live) -> Iterator[None]:
    """The app with short times for all tests of this file."""
    ok(live.operate("deploy", settings=QUICK))
    yield
    if live.where.is_ours:  # it goes away now
        return
    ok(live.operate("deploy", settings=as_before(live)))


@pytest.fixture(scope="module")
def good_images(live: Live) -> list[str]:
    """Two images on which nothing is wrong."""
    return [live.image_from(f"good{number}", f"ENV APP_VERSION={number}.0.0") for number in (3, 4)]


@pytest.fixture
def other(live: Live, good_images: list[str]) -> str:
    """A good image that does not run now."""
    in_force = next(record for record in live.revisions() if record["verdict"] == "converged")
    return next(image for image in good_images if image != in_force["release"]["app"]["image"])


def as_before(live: Live) -> dict[str, Any]:
    """What puts the inventory's settings in QUICK's place."""
    given = {key: DEFAULTS[key] | live.base[key] for key in ("health", "update")}
    return {**given, "service": live.base["service"]}


def ok(run: Run) -> None:
    assert run.code == 0, run.output[-4000:]


def template(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = live.service()["Spec"]["TaskTemplate"]
    return {key: value for key, value in found.items() if key not in ("ForceUpdate", "Runtime")}


@contextmanager
def light_load(live: Live, what: str, *, may_cut: bool = False, is_logged: bool = True) -> Iterator[Load]:
    with live.load(what, **LIGHT, settle_seconds=1) as load:
        yield load
    check(load, may_cut=may_cut, is_logged=is_logged)


@pytest.fixture
def fails(live: Live) -> Fails:
    """Deploy what must fail, under load; the old revision serves before, meanwhile and after.

    ``serves``: the new one does, too, until it crashes.
    """

    def run(what: str, *causes: str, is_logged: bool = True, serves: bool = False, **changes: Any) -> Run:
        before = template(live)
        with light_load(live, what, is_logged=is_logged) as load:
            run = live.operate("deploy", **changes)
            wait_for("three replicas", lambda: len(live.running()) == 3)
            if serves:
                failed = live.manager.tasks(filters={"service": SERVICE, "desired-state": "shutdown"})
                load.died += [when(one["Status"]["Timestamp"]) for one in failed if one["Status"]["State"] == "failed"]
        tell(f"the playbook ended with {run.code} after {run.seconds:.1f} s:\n{run.cause}")
        assert run.code != 0
        for cause in causes:
            assert cause in run.cause
        assert template(live) == before
        assert len(load.report["versions"]) == 1, "only the old version ever served"
        return run

    return run


def seconds_after_swarm(live: Live) -> float:
    """How long after swarm had rolled the service back by itself the verdict was recorded."""
    status = live.service()["UpdateStatus"]
    assert status["State"] == "rollback_completed", status
    records = live.manager.configs(filters={"name": f"fungap.{APP}."})
    return max(when(record["CreatedAt"]) for record in records) - when(status["CompletedAt"])


def when(timestamp: str) -> float:
    return datetime.datetime.fromisoformat(timestamp[:26].rstrip("Z") + "+00:00").timestamp()


def test_an_image_that_is_missing(live: Live, fails: Fails) -> None:
    fails("an image that is missing", "zl:none", image=f"{live.where.registry}/zl:none")


def test_an_image_for_another_architecture(live: Live, fails: Fails) -> None:
    fails("an image for another architecture", "arm64", image=foreign_image(live))


def test_a_crash_at_start(live: Live, fails: Fails) -> None:
    image = live.image_from("crash", """CMD ["node", "-e", "console.error('no database'); process.exit(3)"]""")
    fails("a crash at start", "exit code 3", "no database", image=image)
    assert live.revision()["verdict"] == "rolled_back"
    late = seconds_after_swarm(live)
    tell(f"verdict on a broken image {late:.1f} s after swarm's own failure (promised: 5)")
    assert late < 5 * patience()


def test_a_crash_after_20_seconds(live: Live, fails: Fails) -> None:
    """With the times that an app has by default."""
    script = "import('./app.js'); setTimeout(() => { console.error('out of luck'); process.exit(7) }, 20000)"
    image = live.image_from("late-crash", f"CMD {json.dumps(['node', '-e', script])}")
    before = {task["ID"] for task in live.running()}
    settings = {**{key: DEFAULTS[key] for key in ("health", "update")}, "service": {"deploy": {}}}
    fails("a crash after 20 s", "exit code 7", "out of luck", image=image, settings=settings, serves=True)
    untouched = len(before & {task["ID"] for task in live.running()})
    tell(f"{untouched} of the three old replicas had not been replaced when the first new one crashed")
    assert untouched >= 1


def test_an_app_that_is_never_healthy(live: Live, fails: Fails) -> None:
    test = ["CMD-SHELL", "echo cannot reach the queue; exit 1"]
    health = {"test": test, "interval_seconds": 1, "retries": 5, "start_period_seconds": 0}
    fails("an app that is never healthy", "cannot reach the queue", settings={"health": health})
    assert live.revision()["verdict"] == "rolled_back"


def test_an_app_that_no_node_can_take(live: Live, fails: Fails) -> None:
    settings = {"constraints": ["node.labels.disk == fast"]}
    run = fails("an app that no node can take", "no suitable node", settings=settings, app_deadline_seconds=6)
    assert live.revision()["verdict"] == "stuck"
    seconds = float(re.findall(r"Not converged after ([0-9.]+) s", run.output)[0])
    tell(f"unschedulable: deadline 6 s, verdict after {seconds:.1f} s (promised: at most 5 s later)")
    assert 6 <= seconds < 6 + 5 * patience()


def test_a_registry_that_is_down(live: Live, fails: Fails) -> None:
    image = live.image_from("unpulled", "ENV APP_VERSION=9.0.0")
    registry = live.container("registry")
    registry.stop(timeout=2)
    try:
        fails("a registry that is down", f"https://{live.where.registry}/v2/", image=image)
    finally:
        registry.start()
    wait_for("the registry", lambda: bool(live.outer.api.inspect_distribution(image, auth_config=live.login)))


def test_a_node_whose_disk_is_full(live: Live, fails: Fails) -> None:
    image = live.image_from("big", "RUN head -c 50000000 /dev/urandom > /big\nENV APP_VERSION=9.0.0")
    node = live.container(live.workers[-1])
    fill = "dd if=/dev/zero of=/var/lib/docker/filler bs=1M 2>/dev/null; df /var/lib/docker | tail -1"
    tell(Engine("/var/run/docker.sock").containers.exec(node.name, ["sh", "-c", fill])[1])
    try:
        # The app's log on that node is cut off, too.
        causes = ("no space left on device", live.workers[-1])
        fails("a node whose disk is full", *causes, is_logged=False, image=image)
    finally:
        node.exec_run(["rm", "/var/lib/docker/filler"])
    renew_replicas(live, live.workers[-1])


def test_an_env_file_that_the_app_rejects(live: Live, fails: Fails) -> None:
    env_file = live.env_file("PORT=a-port\n")
    fails("an env file that the app rejects", "ERR_SOCKET_BAD_PORT", env_file=env_file)


def test_a_target_that_would_hide_code(fails: Fails) -> None:
    settings = {"env_target": "/usr/src/app"}
    fails("a target that would hide code", "/usr/src/app", "app.js", settings=settings)


def test_a_node_that_dies_during_the_rollout(live: Live, other: str) -> None:
    victim = live.workers[0]
    before = live.image()
    with light_load(live, "a node that dies during the rollout", may_cut=True, is_logged=False) as load:
        # Swarm knows 15 s after it, at the latest, that the node is down: the deadline is after that.
        deadline_seconds = round(30 * patience())
        running = live.start("deploy", image=other, settings=ONE_BY_ONE, app_deadline_seconds=deadline_seconds)
        wait_for("the update to begin", lambda: has_begun(live, before))
        live.kill(victim, load)
        run = running.wait()
        tells_the_truth(live, run, before)
        # Swarm waits for ever for a task that it gave to a node before it knew that the node was dead.
        assert run.code == 0 or f"Node {victim} is down" in run.cause
        live.container(victim).start()
        live.settle()


def test_a_manager_that_restarts_during_the_rollout(live: Live, other: str) -> None:
    before = live.image()
    with light_load(live, "a manager that restarts during the rollout", may_cut=True, is_logged=False):
        running = live.start("deploy", image=other, settings=ONE_BY_ONE)
        wait_for("the update to begin", lambda: has_begun(live, before))
        live.container(live.managers[0]).restart(timeout=20)
        tells_the_truth(live, running.wait(), before)
        live.settle()


def test_a_run_that_is_killed_during_the_rollout(live: Live, other: str) -> None:
    before, number = live.image(), live.revision()["revision"]
    with light_load(live, "ansible-playbook is killed during the rollout: the job on the docker host goes on"):
        running = live.start("deploy", image=other, settings=ONE_BY_ONE)
        wait_for("the update to begin", lambda: has_begun(live, before))
        kill_tree(running.process.pid)
        running.wait()
        wait_for("the record", lambda: live.revision()["revision"] > number)
        assert live.revision()["verdict"] == "converged"
        wait_for("three new replicas", lambda: runs(live, live.image()))
    assert live.image() != before


def test_a_run_that_is_killed_with_its_job(live: Live, other: str) -> None:
    before = live.image()
    with light_load(live, "the job is killed, too: the next run finishes it"):
        running = live.start("deploy", image=other)
        wait_for("the update to begin", lambda: live.image() != before)
        kill_tree(running.process.pid)
        kill_job(live)
        running.wait()
        ok(live.operate("deploy", image=other))
        assert runs(live, live.image())
        assert live.image() != before
    before = live.image()
    broken = live.image_from("broken", """CMD ["node", "-e", "process.exit(5)"]""")
    with light_load(live, "and again with a broken image: the next run undoes it"):
        running = live.start("deploy", image=broken)
        wait_for("the update to begin", lambda: live.image() != before)
        kill_tree(running.process.pid)
        kill_job(live)
        running.wait()
        live.play("site.yml", "--tags", "app")
        wait_for("three old replicas", lambda: runs(live, before))


def renew_replicas(live: Live, node: str) -> None:
    """New replicas on a node whose disk was full: the engine reads a log no further than the line that was cut off."""
    member, engine = live.members()[node]["ID"], live.engine(node)
    there = [task for task in live.running() if task["NodeID"] == member]
    for task in there:
        engine.kill(task["Status"]["ContainerStatus"]["ContainerID"])
    old = {task["ID"] for task in there}
    wait_for("new replicas", lambda: len(new := live.running()) == 3 and not old & {task["ID"] for task in new})


def has_begun(live: Live, before: str) -> bool:
    """Whether a first new replica runs."""
    return any(task["Spec"]["ContainerSpec"]["Image"] != before for task in live.running())


def runs(live: Live, image: str) -> bool:
    """Whether three replicas run, all of this image."""
    tasks = live.running()
    return len(tasks) == 3 and all(task["Spec"]["ContainerSpec"]["Image"] == image for task in tasks)


def tells_the_truth(live: Live, run: Run, before: str) -> None:
    """A verdict is about what runs: the new version, or the old one and a failed playbook."""
    verdict = live.revision()["verdict"]
    tell(f"the playbook ended with {run.code} after {run.seconds:.1f} s, verdict {verdict}\n{run.cause}")
    assert (run.code == 0) is (verdict == "converged"), run.output[-4000:]
    assert (live.image() == before) is (run.code != 0)
    wait_for("three replicas of what the verdict says", lambda: runs(live, live.image()))


def foreign_image(live: Live) -> str:
    """An image that says of itself that it is for arm64, with a program that is: of nothing but an ELF header."""
    program = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0" + (183).to_bytes(2, "little") + b"\0" * 44
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("app")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    tag = f"{live.where.registry}/zl:foreign"
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
    return live.push(tag)
