# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An engine's containers: from the Engine API's JSON to samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarm_exporter.metrics import Sample

Json = Mapping[str, Any]

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
ACCESS_LOG_LABEL = "io.fungap.access-log"
# Signals after which a container usually goes on.
HARMLESS_SIGNALS = {"1", "10", "12", "28", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"}


@dataclass(frozen=True)
class Container:
    """``task``: (stack, service, task), which the task's next container keeps. ``healthy``: None without a check."""

    id: str
    task: tuple[str, str, str]
    image: str
    state: str
    created: int
    healthy: bool | None
    has_access_log: bool


@dataclass(frozen=True)
class Fixed:
    """What stays as it is while a container runs; None: no limit."""

    started: float
    memory_limit: int | None
    cpu_limit: float | None


def parse_time(text: str) -> float:
    """The Engine API's time as a Unix time."""
    return datetime.fromisoformat(text).timestamp()


def task_of(labels: Mapping[str, str], name: str, node: str) -> tuple[str, str, str]:
    """(stack, service, task) from a container's labels; without a service its own name is the task's."""
    full = labels.get("com.docker.swarm.service.name", "")
    if not full:
        return "", "", name
    stack = labels.get("com.docker.stack.namespace", "")
    service = full.removeprefix(f"{stack}_") if stack else full
    slot = labels.get("com.docker.swarm.task.name", "").removeprefix(f"{full}.")
    slot = slot.removesuffix("." + labels.get("com.docker.swarm.task.id", ""))
    return stack, service, f"{service}.{node if slot == labels.get('com.docker.swarm.node.id') else slot}"


def parse_container(row: Json, node: str) -> Container:
    """A row of ``GET /containers/json``."""
    labels, status = row.get("Labels") or {}, row.get("Status") or ""
    checked = "(healthy)" in status or "(unhealthy)" in status or "(health: starting)" in status
    return Container(
        id=row["Id"],
        task=task_of(labels, (row.get("Names") or ["/"])[0].lstrip("/"), node),
        image=row.get("Image") or "",
        state=row.get("State") or "",
        created=row.get("Created") or 0,
        healthy="(healthy)" in status if checked else None,
        has_access_log=labels.get(ACCESS_LOG_LABEL) == "json",
    )


def newest(containers: Iterable[Container]) -> list[Container]:
    """One container for each task: that which runs, of several the newest."""
    ranked = sorted(containers, key=lambda one: (one.state == "running", one.created))
    return list({one.task: one for one in ranked}.values())


def parse_fixed(inspected: Json) -> Fixed:
    """``GET /containers/<id>/json``."""
    host = inspected["HostConfig"]
    cores = (host.get("NanoCpus") or 0) / 1e9
    if not cores and (host.get("CpuQuota") or 0) > 0:
        cores = host["CpuQuota"] / (host.get("CpuPeriod") or 100_000)
    return Fixed(parse_time(inspected["State"]["StartedAt"]), host.get("Memory") or None, cores or None)


def state_samples(containers: Iterable[Container], node: str) -> Iterator[Sample]:
    counts = Counter(one.state for one in containers)
    yield from (Sample("engine_containers", (node, state), counts[state]) for state in STATES)


def usage_samples(container: Container, fixed: Fixed, stats: Json, node: str) -> Iterator[Sample]:
    """``stats``: ``GET /containers/<id>/stats``, of cgroup v1 or v2."""
    memory, details = stats.get("memory_stats") or {}, (stats.get("memory_stats") or {}).get("stats") or {}
    inactive = details.get("total_inactive_file", details.get("inactive_file", 0))
    networks = (stats.get("networks") or {}).values()
    disks = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    usage = memory.get("usage")
    values = {
        "container_cpu_usage_seconds_total": stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        "container_memory_usage_bytes": usage,
        "container_memory_working_set_bytes": None if usage is None else max(usage - inactive, 0),
        "container_spec_memory_limit_bytes": fixed.memory_limit,
        "container_spec_cpu_limit_cores": fixed.cpu_limit,
        "container_start_time_seconds": fixed.started,
        "container_network_receive_bytes_total": sum(one["rx_bytes"] for one in networks),
        "container_network_transmit_bytes_total": sum(one["tx_bytes"] for one in networks),
        "container_blkio_read_bytes_total": sum(one["value"] for one in disks if one["op"].lower() == "read"),
        "container_blkio_write_bytes_total": sum(one["value"] for one in disks if one["op"].lower() == "write"),
        "container_healthy": container.healthy,
    }
    labels = (node, *container.task, container.image)
    yield from (Sample(name, labels, float(value)) for name, value in values.items() if value is not None)


class Mishaps:
    """Counts, from the engine's events, what befell each task: ends that nobody asked for, and kills for memory."""

    def __init__(self) -> None:
        self.restarts: Counter[tuple[str, str, str]] = Counter()
        self.oom_kills: Counter[tuple[str, str, str]] = Counter()
        self._asked: set[str] = set()
        self._unhealthy: set[str] = set()

    def feed(self, event: Json, node: str) -> None:
        actor, action = event.get("Actor") or {}, event.get("Action") or ""
        attributes, container = actor.get("Attributes") or {}, actor.get("ID") or ""
        if action.startswith("health_status"):
            (self._unhealthy.add if action.endswith("unhealthy") else self._unhealthy.discard)(container)
        elif action == "kill" and attributes.get("signal") not in HARMLESS_SIGNALS:
            self._asked.add(container)
        elif action == "oom":
            self.oom_kills[task_of(attributes, attributes.get("name", ""), node)] += 1
        elif action in ("die", "destroy"):
            if action == "die" and (container in self._unhealthy or container not in self._asked):
                self.restarts[task_of(attributes, attributes.get("name", ""), node)] += 1
            self._asked.discard(container)
            self._unhealthy.discard(container)

    def samples(self, containers: Iterable[Container], node: str) -> Iterator[Sample]:
        """Of the tasks whose containers are still there; the others are forgotten."""
        tasks = {one.task: (node, *one.task, one.image) for one in containers}
        for counts in (self.restarts, self.oom_kills):
            for gone in [task for task in counts if task not in tasks]:
                del counts[gone]
        for task, labels in tasks.items():
            yield Sample("container_restarts_total", labels, self.restarts[task])
            yield Sample("container_oom_kills_total", labels, self.oom_kills[task])
