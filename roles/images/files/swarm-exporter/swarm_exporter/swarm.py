# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The swarm's state: from the Engine API's JSON to samples."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarm_exporter.containers import parse_time
from swarm_exporter.metrics import Sample

Json = Mapping[str, Any]

NODE_STATES = ("ready", "down", "unknown", "disconnected")
AVAILABILITIES = ("active", "pause", "drain")
TASK_STATES = ("new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")
NO_UPDATE = "none"
UPDATE_STATES = (
    "updating",
    "paused",
    "completed",
    "rollback_started",
    "rollback_paused",
    "rollback_completed",
    NO_UPDATE,
)
# The record of a deploy: a config of the collection's module swarm_stack (docs/stacks.md).
STACK_LABEL, REVISION_LABEL, VERDICT_LABEL = "io.fungap.stack", "io.fungap.revision", "io.fungap.verdict"
IN_FORCE = ("converged", "unverified")
# Of the service that is made for one run of a schedule (swarm_exporter.cron).
CRON_RUN_LABEL = "io.fungap.cron.run"
# Restart policies by which a task that ended well is not started again.
ONE_SHOT_CONDITIONS = ("none", "on-failure")


@dataclass(frozen=True)
class Swarm:
    """What ``GET /nodes``, ``/services`` and ``/tasks`` answer."""

    nodes: Sequence[Json]
    services: Sequence[Json]
    tasks: Sequence[Json]

    @property
    def down(self) -> frozenset[str]:
        """Nodes that are. Their tasks are shown as they were, and nobody gets to them."""
        return frozenset(node["ID"] for node in self.nodes if (node.get("Status") or {}).get("State") == "down")


@dataclass(frozen=True)
class Revision:
    """The record of a stack's revision that is in force."""

    stack: str
    number: int
    when: float
    kind: str


def node_name(node: Json) -> str:
    return (node.get("Description") or {}).get("Hostname") or str(node["ID"])


def service_name(service: Json) -> tuple[str, str]:
    """(stack, the service's name within it)."""
    name: str = service["Spec"]["Name"]
    stack: str = (service["Spec"].get("Labels") or {}).get("com.docker.stack.namespace", "")
    return stack, name.removeprefix(f"{stack}_") if stack else name


def task_state(task: Json) -> str:
    return (task.get("Status") or {}).get("State") or "new"


def is_leader(node: Json) -> bool:
    return bool((node.get("ManagerStatus") or {}).get("Leader"))


def node_samples(nodes: Iterable[Json]) -> Iterator[Sample]:
    for node in nodes:
        name, spec, status = node_name(node), node["Spec"], node.get("Status") or {}
        version = ((node.get("Description") or {}).get("Engine") or {}).get("EngineVersion") or ""
        yield Sample("swarm_node_info", (name, spec.get("Role") or "", version, status.get("Addr") or ""), 1)
        for state in NODE_STATES:
            yield Sample("swarm_node_state", (name, state), status.get("State") == state)
        for availability in AVAILABILITIES:
            yield Sample("swarm_node_availability", (name, availability), spec.get("Availability") == availability)
        if node.get("ManagerStatus"):
            reachable = node["ManagerStatus"].get("Reachability") == "reachable"
            yield Sample("swarm_node_reachable", (name,), reachable)


def done(service: Json, tasks: Iterable[Json]) -> int:
    """How many of a service's replicas ended well and are not to run any more (``done_places`` of the collection)."""
    template = service["Spec"].get("TaskTemplate") or {}
    condition = (template.get("RestartPolicy") or {}).get("Condition")
    test = ((template.get("ContainerSpec") or {}).get("Healthcheck") or {}).get("Test") or ["NONE"]
    if condition not in ONE_SHOT_CONDITIONS or test != ["NONE"]:
        return 0
    alive, ended = set[Any](), set[Any]()
    for task in tasks:
        if _comparable(task.get("Spec") or {}) != _comparable(template):
            continue
        place = task.get("Slot") or task.get("NodeID")
        if task.get("DesiredState") not in ("shutdown", "remove"):
            alive.add(place)
        elif task_state(task) == "complete":
            ended.add(place)
    return len(ended - alive)


def _comparable(template: Json) -> Json:
    """What is equal in a service's template and in its tasks' of the same version."""
    return {key: value for key, value in template.items() if key not in ("Placement", "Runtime") and value}


def service_samples(swarm: Swarm) -> Iterator[Sample]:
    down = swarm.down
    wanted: dict[str, Counter[str]] = {}
    failed: Counter[str] = Counter()
    own: dict[str, list[Json]] = {}
    for task in swarm.tasks:
        service, state = task.get("ServiceID") or "", task_state(task)
        own.setdefault(service, []).append(task)
        failed[service] += state in ("failed", "rejected")
        if task.get("DesiredState") in ("ready", "running") and task.get("NodeID") not in down:
            wanted.setdefault(service, Counter())[state] += 1
    for service in swarm.services:
        if CRON_RUN_LABEL in (service["Spec"].get("Labels") or {}):
            continue  # how it ended is told of its schedule
        one, mode = service["ID"], service["Spec"].get("Mode") or {}
        names, states = service_name(service), wanted.get(service["ID"], Counter())
        if "Replicated" in mode:
            replicas = (mode["Replicated"] or {}).get("Replicas", 1) - done(service, own.get(one, ()))
            yield Sample("swarm_service_replicas_desired", names, max(replicas, 0))
        elif "Global" in mode:
            yield Sample("swarm_service_replicas_desired", names, states.total())
        if "Replicated" in mode or "Global" in mode:
            yield Sample("swarm_service_replicas_running", names, states["running"])
        for state in TASK_STATES:
            yield Sample("swarm_service_tasks", (*names, state), states[state])
        yield Sample("swarm_service_tasks_failed", names, failed[one])
        yield from _update_samples(names, service.get("UpdateStatus") or {})


def _update_samples(names: tuple[str, str], update: Json) -> Iterator[Sample]:
    now = update.get("State") or NO_UPDATE
    for state in UPDATE_STATES:
        yield Sample("swarm_service_update_state", (*names, state), now == state)
    when = update.get("CompletedAt") or update.get("StartedAt")
    if when:
        yield Sample("swarm_service_update_timestamp_seconds", names, parse_time(when))


def revisions_in_force(configs: Iterable[Json]) -> list[Revision]:
    """From ``GET /configs``: of each stack the newest record with a good verdict."""
    found: dict[str, Json] = {}
    for config in sorted(configs, key=_number):
        labels = config["Spec"].get("Labels") or {}
        if labels.get(STACK_LABEL) and labels.get(VERDICT_LABEL) in IN_FORCE:
            found[labels[STACK_LABEL]] = config
    return [_revision(stack, config) for stack, config in found.items()]


def _number(config: Json) -> int:
    number = (config["Spec"].get("Labels") or {}).get(REVISION_LABEL, "")
    return int(number) if number.isdigit() else 0


def _revision(stack: str, config: Json) -> Revision:
    try:
        kind = str(json.loads(base64.b64decode(config["Spec"].get("Data") or "")).get("kind") or "")
    except (ValueError, AttributeError):
        kind = ""
    return Revision(stack, _number(config), parse_time(config["CreatedAt"]), kind)


def revision_samples(revisions: Iterable[Revision]) -> Iterator[Sample]:
    for one in revisions:
        yield Sample("swarm_stack_revision", (one.stack,), one.number)
        yield Sample("swarm_stack_revision_timestamp_seconds", (one.stack, one.kind), one.when)
