# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service that runs one slot: what it is made of, and what its task says of it. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarm_exporter.containers import parse_time
from swarm_exporter.cron.model import FAILED, RUN_LABEL, SLOT_LABEL, STACK_LABEL, SUCCEEDED, Json, Run, Schedule
from swarm_exporter.swarm import node_name

# States of a task that no longer runs, and never will.
ENDED = ("failed", "rejected", "orphaned", "shutdown", "remove")
# Of what the app's containers are, that which is there for what serves.
SERVES = ("Healthcheck", "Hostname")
# Of how its tasks are placed and run, what a run has as well.
KEPT = ("Resources", "Placement", "LogDriver")


def spec_of(schedule: Schedule, slot: int, service: Json) -> dict[str, Any]:
    """The specification of a run, from that of the app's service as it is: image, environment, mounts, secrets."""
    spec: Json = service["Spec"]
    template = spec["TaskTemplate"]
    stack = f"{schedule.app}_jobs"
    container = {key: copy.deepcopy(one) for key, one in template["ContainerSpec"].items() if key not in SERVES}
    container["Args"] = list(schedule.command)
    container["Healthcheck"] = {"Test": ["NONE"]}
    container["Labels"] = {**(container.get("Labels") or {}), STACK_LABEL: stack}
    return {
        "Name": schedule.service_name(slot),
        "Labels": {STACK_LABEL: stack, RUN_LABEL: schedule.owner, SLOT_LABEL: str(slot)},
        "TaskTemplate": {
            "ContainerSpec": container,
            **{key: copy.deepcopy(template[key]) for key in KEPT if template.get(key)},
            # Swarm starts nothing of it anew, whatever it ends with: that might do it twice.
            "RestartPolicy": {"Condition": "none"},
            # Without the app's names there: nobody is to take a run for a replica.
            "Networks": [{"Target": one["Target"]} for one in template.get("Networks") or spec.get("Networks") or ()],
        },
        # And no job: of one whose task did not end well, each new leader of the swarm starts another one.
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": (spec.get("EndpointSpec") or {}).get("Mode") or "vip"},
    }


def parse_runs(services: Iterable[Json], tasks: Sequence[Json], nodes: Sequence[Json]) -> dict[str, list[Run]]:
    """By owner, what the services that carry ``RUN_LABEL`` say."""
    own: dict[str, list[Json]] = {}
    for task in tasks:
        own.setdefault(str(task.get("ServiceID")), []).append(task)
    found: dict[str, list[Run]] = {}
    for service in services:
        labels = service["Spec"]["Labels"]
        result, detail, ended = _assess(own.get(service["ID"], ()), nodes)
        run = Run(int(labels[SLOT_LABEL]), service["ID"], parse_time(service["CreatedAt"]), result, detail, ended)
        found.setdefault(labels[RUN_LABEL], []).append(run)
    return found


def _assess(tasks: Sequence[Json], nodes: Sequence[Json]) -> tuple[str, str, float]:
    """Result, what there is to say of it, and when it ended. ``tasks``: its own, of which swarm makes one."""
    if not tasks:
        return "", "swarm makes its task", 0
    task = tasks[0]
    status: Mapping[str, Any] = task.get("Status") or {}
    state, at = status.get("State") or "new", parse_time(status["Timestamp"]) if status.get("Timestamp") else 0
    node = next((node for node in nodes if node["ID"] == task.get("NodeID")), None)
    where = f" on {node_name(node)}" if node else ""
    if state == "complete":
        return SUCCEEDED, f"done{where}", at
    why = status.get("Err") or status.get("Message") or ""
    if state in ENDED:
        code = (status.get("ContainerStatus") or {}).get("ExitCode")
        return FAILED, f"{state}{where}: {why}{f', exit code {code}' if code else ''}", at
    if node and (node.get("Status") or {}).get("State") == "down":
        return FAILED, f"node {node_name(node)} was lost while it ran there: whether it ended is not known", 0
    return "", f"{state}{where}" if node else f"waits for a node: {why}", 0
