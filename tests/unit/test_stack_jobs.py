# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs once beside a rollout: what it is made of, when it is due, and what its task says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import (
    AFTER,
    BEFORE,
    DONE,
    FAILED,
    RUN,
    RUNS,
    a_job,
    assess,
    compose_of,
    job_of,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Desired, Node, Revision, Task
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import due_job
from ansible_collections.fungap.swarm.plugins.module_utils.stack.run_once import words_of

TASK = Task("t", "s", 0, "n1", "running", "complete", "started", "", None, "c", {})
HERE, GONE = Node("n1", "worker1", True, True, {}), Node("n1", "worker1", False, True, {})


def compose(**changes: Any) -> dict[str, Any]:
    """An app with a job before and one after."""
    service = {
        "image": "box:1",
        "command": ["serve"],
        "hostname": "web-slot",
        "environment": {"A": "1"},
        "ports": ["80:80"],
        "healthcheck": {"test": ["CMD", "check"]},
        "networks": ["public", "default"],
        "volumes": [{"type": "volume", "source": "web_env_1", "target": "/env"}],
        "deploy": {
            "replicas": 3,
            "endpoint_mode": "dnsrr",
            "placement": {"constraints": ["node.labels.env == ready"]},
            "resources": {"limits": {"memory": "64M"}},
            "update_config": {"parallelism": 1},
        },
        **changes,
    }
    return {
        "version": "3.9",
        "x-full-names": ["public"],
        "services": {"web": service, "cache": {"image": "cache:1"}},
        "networks": {"public": {"external": True}, "default": {"driver": "overlay"}},
        "volumes": {"web_env_1": {"external": True, "name": "web_env_1"}},
        "x-before": {"service": "web", "command": ["node", "migrate.js", "$$5"], "deadline_seconds": 60},
        "x-after": {"service": "web", "command": ["node", "warm.js"]},
    }


def test_it_has_what_the_service_has_and_serves_nobody() -> None:
    job = job_of("web", compose(), BEFORE)
    assert job
    assert (job.said, job.deadline_seconds) == ("node migrate.js '$5'", 60)
    assert job.definition == {
        "image": "box:1",
        "environment": {"A": "1"},
        "networks": ["public", "default"],
        "volumes": [{"type": "volume", "source": "web_env_1", "target": "/env"}],
        "command": ["node", "migrate.js", "$$5"],
        "healthcheck": {"disable": True},
        "deploy": {
            "mode": "replicated",
            "replicas": 1,
            "restart_policy": {"condition": "none"},
            "placement": {"constraints": ["node.labels.env == ready"]},
            "resources": {"limits": {"memory": "64M"}},
            "endpoint_mode": "dnsrr",
        },
    }


@pytest.mark.parametrize(
    ("live", "joined"),
    [
        pytest.param(["public"], {"public": {"external": True}}, id="a first deploy"),
        pytest.param(
            ["public", "web_default"],
            {"public": {"external": True}, "default": {"external": True, "name": "web_default"}},
            id="with its own services",
        ),
    ],
)
def test_it_joins_the_networks_that_are_there(live: list[str], joined: dict[str, Any]) -> None:
    job = job_of("web", compose(), BEFORE)
    assert job
    file = compose_of(job, compose(), 7, live)
    assert file["networks"] == joined
    assert list(file["services"]) == ["before-7"]
    assert file["services"]["before-7"]["networks"] == dict.fromkeys(joined)
    assert file["x-full-names"] == ["public"]
    assert file["volumes"] == compose()["volumes"]


def test_none_is_asked_for() -> None:
    assert job_of("web", {"services": {"web": {"image": "box:1"}}}, BEFORE) is None
    assert job_of("web", None, AFTER) is None


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        pytest.param({}, False, id="the same again"),
        pytest.param({"image": "box:2"}, True, id="image"),
        pytest.param({"environment": {"A": "2"}}, True, id="environment"),
        pytest.param({"volumes": [{"type": "volume", "source": "web_env_2"}]}, True, id="env file"),
        pytest.param({"deploy": {"replicas": 5}}, False, id="replicas"),
        pytest.param({"healthcheck": {"disable": True}}, False, id="health check"),
        pytest.param({"command": ["serve", "--fast"]}, False, id="how it serves"),
    ],
)
def test_it_is_due_where_the_revision_in_force_has_not_had_it(changes: dict[str, Any], due: bool) -> None:
    in_force = Revision(1, compose(), "", {}, "converged", "")
    wanted = Desired("web", compose(**changes), "", "")
    assert bool(due_job(in_force, wanted, BEFORE)) is due
    assert due_job(None, wanted, BEFORE), "of a first deploy"
    assert due_job(in_force, replace(wanted, runs_jobs=False), BEFORE) == []


PENDING = replace(TASK, node_id="", state="pending", error="no suitable node")
BROKEN = replace(TASK, state="failed", error="non-zero exit", exit_code=3)
LOST = "node worker1 was lost while it ran there: whether it got to its end is not known"


@pytest.mark.parametrize(
    ("task", "node", "state", "detail"),
    [
        (None, HERE, RUNS, "swarm makes its task"),
        (PENDING, HERE, RUNS, "waits for a node: no suitable node"),
        (TASK, HERE, RUNS, "running on worker1"),
        (TASK, GONE, FAILED, LOST),
        (replace(TASK, state="complete"), HERE, DONE, "done on worker1"),
        (replace(TASK, state="complete"), GONE, DONE, "done on worker1"),
        (BROKEN, HERE, FAILED, "failed on worker1: non-zero exit, exit code 3"),
        (replace(TASK, state="rejected", error="No such image"), HERE, FAILED, "rejected on worker1: No such image"),
        (replace(TASK, state="orphaned", message="orphaned"), GONE, FAILED, "orphaned on worker1"),
    ],
)
def test_what_its_task_says(task: Task | None, node: Node, state: str, detail: str) -> None:
    found = assess([task] if task else [], [node])
    assert found.state == state
    assert found.detail.startswith(detail)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("node report.js --month 11", ["node", "report.js", "--month", "11"]),
        ("sh -c 'echo $HOME && true'", ["sh", "-c", "echo $HOME && true"]),
        (["node", "a b", 5], ["node", "a b", "5"]),
    ],
)
def test_a_command_is_words(command: Any, words: list[str]) -> None:
    assert words_of(command) == words


@pytest.mark.parametrize("command", ["", "  ", [], [""], "sh -c 'hunter22", None, 5, {"hunter22": 1}, [["hunter22"]]])
def test_what_is_no_command_is_refused_and_not_shown(command: Any) -> None:
    with pytest.raises(PlatformError, match=r"^command: ") as refused:
        words_of(command)
    assert "hunter22" not in refused.value.message


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_deadline_comes(seconds: float) -> None:
    with pytest.raises(PlatformError, match="a number of seconds above 0"):
        a_job("web", compose(), RUN, service="web", command=["x"], deadline_seconds=seconds)
