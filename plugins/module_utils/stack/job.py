# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command that runs once, as a job of the swarm: what it is, and what its task says of it. Pure.

Beside a rollout the compose file says it by ``x-before`` and ``x-after``, each with ``service``, ``command`` and
``deadline_seconds``.
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import FULL_NAMES, Compose, own_networks
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import ENDED, Node, Task

BEFORE, AFTER, RUN = "before", "after", "run"
DEADLINE_SECONDS = 600.0
DIGEST_LABEL = "io.fungap.job"

# What a job is, from one look to the next.
RUNS, DONE, FAILED = "runs", "done", "failed"

# Of the service whose image and environment it has: that which is there for what serves.
_SERVES = ("healthcheck", "hostname", "ports", "deploy")
_DEPLOY_KEPT = ("placement", "resources", "endpoint_mode")


@dataclass(frozen=True)
class Job:
    """``when``: before or after a rollout, or run: without one. ``definition``: its service in a compose file."""

    stack: str
    when: str
    command: tuple[str, ...]
    deadline_seconds: float
    definition: Mapping[str, Any]

    def __str__(self) -> str:
        return f"run {self.said} once" + (f", {self.when} the rollout" if self.when != RUN else "")

    @property
    def said(self) -> str:
        """The command as a person types it."""
        return shlex.join(word.replace("$$", "$") for word in self.command)

    @property
    def digest(self) -> str:
        """Equal for the same command with the same image and environment, wherever it may run."""
        what = {key: value for key, value in self.definition.items() if key != "deploy"}
        return hashlib.sha256(json.dumps([self.when, what], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class JobState:
    """``state``: runs, done or failed. ``detail``: where it is, or what it failed by. ``task``: that says so."""

    state: str
    detail: str
    task: Task | None = None


def job_of(stack: str, compose: Compose | None, when: str) -> Job | None:
    """The job that a compose file asks for; None if it asks for none."""
    said = (compose or {}).get(f"x-{when}")
    if not compose or not said or not said.get("command"):
        return None
    return a_job(stack, compose, when, **said)


def a_job(
    stack: str,
    compose: Compose,
    when: str,
    *,
    service: str,
    command: Sequence[Any],
    deadline_seconds: float | None = None,
) -> Job:
    """The job by which a command runs with the image and environment of a service."""
    seconds = float(DEADLINE_SECONDS if deadline_seconds is None else deadline_seconds)
    if not 0 < seconds < math.inf:
        raise PlatformError(f"{when}: deadline_seconds must be a number of seconds above 0")
    own = compose["services"][service]
    deploy = own.get("deploy") or {}
    return Job(
        stack=stack,
        when=when,
        command=tuple(map(str, command)),
        deadline_seconds=seconds,
        definition={
            **{key: value for key, value in own.items() if key not in _SERVES},
            "command": list(command),
            "healthcheck": {"disable": True},
            "deploy": {
                # Swarm starts nothing of it anew, whatever it ends with: that might do it twice. And it is no job of
                # swarm's: of one whose task did not end well, each new leader of the swarm starts another one.
                "mode": "replicated",
                "replicas": 1,
                "restart_policy": {"condition": "none"},
                **{key: deploy[key] for key in _DEPLOY_KEPT if key in deploy},
            },
        },
    )


def stack_of_jobs(stack: str) -> str:
    """The stack that an app's jobs are of: no rollout of the app's own stack finds them."""
    return f"{stack}_jobs"


def service_of(job: Job, number: int) -> str:
    """The name of its service within that stack. ``number``: the revision's, of which there can't be two."""
    return f"{job.when}-{number}"


def compose_of(job: Job, compose: Compose, number: int, live_networks: Sequence[str]) -> dict[str, Any]:
    """The compose file that runs it.

    ``compose``: the app's. ``number``: as for ``service_of``. ``live_networks``: by name; of the app's own networks it
    joins those that are there.
    """
    own = {key: one.get("name") or f"{job.stack}_{key}" for key, one in own_networks(compose).items()}
    own.setdefault("default", f"{job.stack}_default")
    defined = {key: one for key, one in (compose.get("networks") or {}).items() if (one or {}).get("external")}
    defined.update({key: {"external": True, "name": name} for key, name in own.items() if name in live_networks})
    wanted = job.definition.get("networks") or ["default"]
    joined = {key: (wanted[key] if isinstance(wanted, Mapping) else None) for key in wanted if key in defined}
    definition = {**job.definition, "networks": joined}
    definition["deploy"] = {**definition["deploy"], "labels": {DIGEST_LABEL: job.digest}}
    return {
        "version": compose.get("version", "3.9"),
        FULL_NAMES: [key for key in compose.get(FULL_NAMES) or () if key in joined],
        "services": {service_of(job, number): definition},
        "networks": {key: defined[key] for key in joined},
        **{key: compose[key] for key in ("configs", "secrets", "volumes") if compose.get(key)},
    }


def assess(tasks: Sequence[Task], nodes: Sequence[Node]) -> JobState:
    """What a job's tasks say. ``tasks``: its own alone, of which swarm makes one."""
    names, lost = {node.id: node.name for node in nodes}, {node.id for node in nodes if not node.ready}
    for task in tasks:
        where = names.get(task.node_id, task.node_id)
        if task.state == "complete":
            return JobState(DONE, f"done on {where}", task)
        if task.state in ENDED:
            code = f", exit code {task.exit_code}" if task.exit_code else ""
            return JobState(
                FAILED, f"{task.state}{f' on {where}' if where else ''}: {task.error or task.message}{code}", task
            )
        if task.node_id in lost:
            return JobState(
                FAILED, f"node {where} was lost while it ran there: whether it got to its end is not known", task
            )
    if not tasks:
        return JobState(RUNS, "swarm makes its task")
    task = tasks[0]
    if not task.node_id:
        return JobState(RUNS, f"waits for a node: {task.error or task.message}", task)
    return JobState(RUNS, f"{task.state} on {names.get(task.node_id, task.node_id)}", task)
