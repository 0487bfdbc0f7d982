"""What runs once before and after a rollout: on a real swarm, with every way in which it can fail."""

# pytest finds fixtures by the names of parameters: those of another file are imported, and then named again.
# ruff: noqa: F401, F811

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import render

from ..waiting import patience, wait_for
from .test_swarm_stack import IMAGE, Run, Swarm, deploy, folder, killed_when, ok, service, swarm

STACK = "shop"
VOLUME = "shop-runs"
# A line for each time that it runs, where its node keeps it.
COUNTED = 'echo "$$WHEN $$VERSION" >>/runs/log; '


def compose(version: str, before: str | list[str] = "", after: str = "", **more: Any) -> dict[str, Any]:
    """The stack at a version, whose jobs are told by a shell's text, or words of their own. ``more``: of the job."""
    jobs = {}
    for when, text in (("before", before), ("after", after)):
        if text:
            words = text if isinstance(text, list) else ["sh", "-c", f"WHEN={when}; {COUNTED}{text}"]
            jobs[f"x-{when}"] = {"service": "web", "command": words, **more}
    web = service(environment={"VERSION": version}, volumes=["runs:/runs"])
    return {"services": {"web": web}, "volumes": {"runs": {"external": True, "name": VOLUME}}, **jobs}


def ran(swarm: Swarm) -> Counter[str]:
    """What has run, on whichever node, and how often."""
    lines: list[str] = []
    for node in (swarm.manager, swarm.worker):
        mount = {f"/{VOLUME}": {}}
        host = node.api.create_host_config(binds=[f"{VOLUME}:/runs"])
        made = node.api.create_container(f"{IMAGE}:1", ["cat", "/runs/log"], volumes=list(mount), host_config=host)
        node.api.start(made["Id"])
        node.api.wait(made["Id"])
        lines += node.api.logs(made["Id"], stdout=True, stderr=False).decode().splitlines()
        node.api.remove_container(made["Id"])
    return Counter(lines)


def jobs(swarm: Swarm) -> dict[str, Any]:
    return swarm.services(f"{STACK}_jobs")


def tasks(swarm: Swarm) -> set[str]:
    return {task["ID"] for task in swarm.running(STACK, "web")}


def test_it_runs_once_with_the_new_environment(swarm: Swarm, deploy: Run) -> None:
    would = ok(deploy(STACK, compose("1", "true"), check=True), changed=True)
    assert "run sh -c" in would["actions"][-2]
    assert would["actions"][-2].endswith("once, before the rollout")
    ok(deploy(STACK, compose("1", "true")), changed=True)
    assert ran(swarm) == {"before 1": 1}
    ok(deploy(STACK, compose("1", "true")), changed=False)
    more = compose("1", "true")
    more["services"]["web"]["deploy"]["replicas"] = 3
    ok(deploy(STACK, more), changed=True)
    assert ran(swarm) == {"before 1": 1}, "a replica more is no reason"
    ok(deploy(STACK, compose("2", "true")), changed=True)
    assert ran(swarm) == {"before 1": 1, "before 2": 1}
    ok(deploy(STACK, compose("1", "true"), jobs=False, kind="rollback"), changed=True)
    assert ran(swarm) == {"before 1": 1, "before 2": 1}, "a rollback runs none"
    assert jobs(swarm) == {}


def test_what_runs_after_it_is_told_and_changes_nothing(swarm: Swarm, deploy: Run) -> None:
    before = ran(swarm)
    done = ok(deploy(STACK, compose("3", "true", "true")), changed=True)
    assert done["after"] == ""
    assert ran(swarm) - before == {"before 3": 1, "after 3": 1}
    failed = ok(deploy(STACK, compose("4", "true", "echo no cache to warm; exit 9")), changed=True)
    assert (failed["verdict"], len(tasks(swarm))) == ("converged", 2)
    assert "exit code 9" in failed["after"]
    assert "no cache to warm" in failed["after"]
    assert [warning for warning in failed["warnings"] if "what runs after it did not get to its end" in warning]
    ok(deploy(STACK, compose("4", "true", "echo no cache to warm; exit 9")), changed=False)
    assert jobs(swarm) == {}


FAILURES: dict[str, tuple[str | list[str], dict[str, Any], str]] = {
    "exit code": ("echo no such table; exit 3", {}, "exit code 3"),
    "killed": ("sh -c 'kill -9 $$$$'; exit $$?", {}, "exit code 137"),
    "no program": (["/migrate"], {}, "starting container failed"),
    "no file": (["/etc"], {}, "starting container failed"),
    "no end": ("sleep 1000", {"deadline_seconds": 4}, "not at its end after 4 s: running on"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_without_it_nothing_is_replaced(swarm: Swarm, deploy: Run, failure: str) -> None:
    command, more, words = FAILURES[failure]
    ok(deploy(STACK, compose("4", "true")), changed=True) if failure == "exit code" else None
    running, versions = tasks(swarm), swarm.versions(STACK)
    failed = deploy(STACK, compose("5", command, **more))
    assert failed["failed"]
    assert failed["verdict"] == "before_failed"
    assert words in failed["msg"], failed["msg"]
    assert "runs on, untouched" in failed["msg"]
    assert (tasks(swarm), swarm.versions(STACK), jobs(swarm)) == (running, versions, {})
    if failure == "exit code":
        assert "log: no such table" in failed["msg"].replace("  ", " ")


def test_an_image_that_is_not_there_is_its_verdict(swarm: Swarm, deploy: Run) -> None:
    running = tasks(swarm)
    wanted = compose("6", "true", deadline_seconds=30)
    wanted["services"]["web"]["image"] = "test/nowhere:1"
    failed = deploy(STACK, wanted)
    assert failed["verdict"] == "before_failed"
    assert "No such image" in failed["msg"], failed["msg"]
    assert tasks(swarm) == running


def test_a_placement_that_nothing_fits_is_its_verdict(swarm: Swarm, deploy: Run) -> None:
    running = tasks(swarm)
    wanted = compose("6", "true", deadline_seconds=3)
    wanted["services"]["web"]["deploy"]["placement"] = {"constraints": ["node.labels.disk == ssd"]}
    failed = deploy(STACK, wanted)
    assert failed["verdict"] == "before_failed"
    assert "no suitable node" in failed["msg"], failed["msg"]
    assert tasks(swarm) == running


def test_a_first_deploy_starts_nothing_without_it(swarm: Swarm, deploy: Run) -> None:
    first = {**compose("1", "exit 1"), "volumes": {"runs": {"external": True, "name": VOLUME}}}
    failed = deploy("first-job", first)
    assert failed["verdict"] == "before_failed"
    assert "Nothing was started" in failed["msg"]
    assert swarm.services("first-job") == swarm.services("first-job_jobs") == {}
    ok(deploy("first-job", compose("1", "true")), changed=True)
    ok(deploy("first-job"), changed=True)
    assert swarm.services("first-job_jobs") == {}


def test_a_killed_run_is_completed_without_doing_it_twice(swarm: Swarm, deploy: Run, folder: Path) -> None:
    """Killed while the job runs, and when it is done and nothing is rolled out yet."""

    def states() -> set[str]:
        found = swarm.manager.api.tasks(filters={"label": f"com.docker.stack.namespace={STACK}_jobs"})
        return {task["Status"]["State"] for task in found}

    before = ran(swarm)
    for turn, state in enumerate(("running", "complete")):
        wanted = compose(f"killed-{turn}", "sleep 2")
        killed_when(swarm, folder, render(STACK, wanted, {}, {}), STACK, lambda state=state: state in states())  # type: ignore[misc]
        ok(deploy(STACK, wanted), changed=True)
        assert ran(swarm) - before == {f"before killed-{one}": 1 for one in range(turn + 1)}
        assert jobs(swarm) == {}


def test_another_one_that_is_still_at_work_is_not_joined(swarm: Swarm, deploy: Run, folder: Path) -> None:
    running = tasks(swarm)
    rendered = render(STACK, compose("long", "sleep 1000"), {}, {})
    killed_when(swarm, folder, rendered, STACK, lambda: "before long" in ran(swarm))
    unsure = deploy(STACK, compose("other", "true"))
    assert "has not ended (running on" in unsure["msg"]
    (name,) = jobs(swarm)
    assert f"docker service rm {STACK}_jobs_{name}" in unsure["msg"]
    assert tasks(swarm) == running
    swarm.manager.api.remove_service(f"{STACK}_jobs_{name}")
    ok(deploy(STACK, compose("other", "true")), changed=True)


def test_a_lost_node_makes_nothing_run_twice(swarm: Swarm, deploy: Run) -> None:
    """The job's node dies under it, while another one could take it over."""
    api = swarm.manager.api
    (manager,) = api.nodes(filters={"role": "manager"})

    def available(how: str) -> None:
        now = api.inspect_node(manager["ID"])
        api.update_node(manager["ID"], now["Version"]["Index"], {"Role": "manager", "Availability": how})

    def loses_it() -> None:
        wait_for("the job", lambda: "before lost" in ran(swarm))
        available("active")
        swarm.lab.stop("worker1")

    before = ran(swarm)
    available("drain")
    thread = threading.Thread(target=loses_it)
    thread.start()
    failed = deploy(STACK, compose("lost", "sleep 1000"))
    thread.join()
    try:
        assert failed["verdict"] == "before_failed"
        assert "node worker1 was lost while it ran there: whether it got to its end is not known" in failed["msg"]
        assert jobs(swarm) == {}
    finally:
        swarm.lab.restart("worker1")
        wait_for("the worker", lambda: all(one["Status"]["State"] == "ready" for one in api.nodes()), 60)
    time.sleep(2 * patience())
    assert ran(swarm) - before == {"before lost": 1}


def test_a_command_that_somebody_asks_for(swarm: Swarm, run_module: Run, folder: Path) -> None:
    """Beside what runs, with its environment; its end is kept, its output isn't."""
    sockets = {"manager_sockets": [swarm.manager.socket]}

    def run(command: Any, **more: Any) -> dict[str, Any]:
        return run_module("stack_run", {"stack": STACK, "command": command, "who": "me@here", **sockets, **more})

    def remembered() -> list[dict[str, Any]]:
        seen = run_module("platform_info", {**sockets, "stacks_dir": str(folder)})
        rows: list[dict[str, Any]] = seen["stacks"][STACK]["runs"]
        return rows

    running = tasks(swarm)
    would = run_module("stack_run", {"stack": STACK, "command": "true", **sockets}, check=True)
    assert would["actions"] == ["run true once"]
    assert remembered() == []
    done = ok(run(["sh", "-c", 'echo "version $VERSION"; echo $1', "sh", "$5 & more"], why="to see"), changed=True)
    assert (done["exit_code"], done["lines"]) == (0, ["version other", "$5 & more"])
    failed = run("sh -c 'cat /runs/orders; exit 7'")
    assert (failed["failed"], failed["exit_code"]) == (True, 7)
    assert "No such file" in "".join(failed["lines"])
    late = run("sleep 1000", deadline_seconds=3)
    assert "not at its end after 3 s: running on" in late["msg"]
    assert [(row["who"], row["what"].split()[0], row["why"]) for row in remembered()] == [
        ("me@here", "sleep", ""),
        ("me@here", "sh", ""),
        ("me@here", "sh", "to see"),
    ]
    assert "No such file" not in json.dumps(remembered())
    there = run_module("stack_terminal", {"stack": STACK, "command": "sh -l", **sockets}, check=True)
    assert there["node"] in ("manager1", "worker1")
    assert len(remembered()) == 3
    asked = ok(
        run_module("stack_terminal", {"stack": STACK, "replica": there["node"], "who": "me@here", **sockets}),
        changed=True,
    )
    assert (asked["node"], asked["command"]) == (there["node"], ["sh"])
    assert remembered()[0]["what"] == "terminal: sh"
    assert (
        "does not run; there are: 1 (on"
        in run_module("stack_terminal", {"stack": STACK, "replica": "9", **sockets})["msg"]
    )
    assert (tasks(swarm), jobs(swarm)) == (running, {})
    assert "has no service api; there are: web" in run("true", service="api")["msg"]
    assert "no revision that runs" in run_module("stack_run", {"stack": "nobody", "command": "true", **sockets})["msg"]


def test_it_goes_with_the_stack(swarm: Swarm, deploy: Run) -> None:
    ok(deploy(STACK), changed=True)
    assert swarm.services(STACK) == jobs(swarm) == {}
    assert swarm.manager.api.configs(filters={"label": "io.fungap.run"}) == []
