# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Prometheus is to scrape and to probe, by the services' labels, in the format of its HTTP service discovery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swarm_exporter.swarm import Swarm, node_name, service_name, task_state

Json = Mapping[str, Any]

PORT_LABEL, PATH_LABEL = "io.fungap.metrics.port", "io.fungap.metrics.path"
JOB_LABEL, KIND_LABEL = "io.fungap.metrics.job", "io.fungap.metrics.kind"
HOSTS_LABEL, PROBE_LABEL = "io.fungap.hosts", "io.fungap.probe.path"
MAINTENANCE_LABEL = "io.fungap.maintenance"


def targets(swarm: Swarm, kind: str, network: str) -> list[dict[str, Any]]:
    """Running tasks of the services of ``kind`` (exporter or app), by their addresses on ``network``."""
    names = {node["ID"]: node_name(node) for node in swarm.nodes}
    found = []
    for service in swarm.services:
        labels = service["Spec"].get("Labels") or {}
        if not labels.get(PORT_LABEL) or labels.get(KIND_LABEL, "app") != kind:
            continue
        stack, name = service_name(service)
        for task in _running(swarm, service["ID"]):
            address, node = _address(task, network), names.get(task.get("NodeID") or "", "")
            if not address:
                continue
            place = f"{name}.{task.get('Slot') or node}"
            described = {
                "__metrics_path__": labels.get(PATH_LABEL) or "/metrics",
                "job": labels.get(JOB_LABEL) or name,
                "instance": place,
                "node": node,
                "stack": stack,
                "service": name,
                "task": place,
            }
            found.append({"targets": [f"{address}:{labels[PORT_LABEL]}"], "labels": described})
    return found


def routes(swarm: Swarm) -> list[dict[str, Any]]:
    """The host names that services answer for, each with what is to be asked for."""
    found = []
    for service in swarm.services:
        labels = service["Spec"].get("Labels") or {}
        for host in filter(None, map(str.strip, labels.get(HOSTS_LABEL, "").split(","))):
            described = {"host": host, "stack": service_name(service)[0], "path": labels.get(PROBE_LABEL) or "/"}
            if labels.get(MAINTENANCE_LABEL):
                described["maintenance"] = "true"
            found.append({"targets": [host], "labels": described})
    return found


def _running(swarm: Swarm, service_id: str) -> Iterator[Json]:
    """One task a slot, or a node: while a new one takes over, that."""
    down = swarm.down
    tasks = [
        task
        for task in swarm.tasks
        if task.get("ServiceID") == service_id
        and task.get("NodeID") not in down
        and task.get("DesiredState") == "running"
        and task_state(task) == "running"
    ]
    tasks.sort(key=lambda task: str(task.get("CreatedAt")))
    yield from {task.get("Slot") or task.get("NodeID"): task for task in tasks}.values()


def _address(task: Json, network: str) -> str:
    for attachment in task.get("NetworksAttachments") or ():
        if ((attachment.get("Network") or {}).get("Spec") or {}).get("Name") == network:
            return next((str(address).partition("/")[0] for address in attachment.get("Addresses") or ()), "")
    return ""
