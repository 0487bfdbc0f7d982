# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every metric of the exporter: what docs/metrics.md shows, and the only place where their labels' order stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

CONTAINER = ("node", "stack", "service", "task", "image")
SERVICE = ("stack", "service")
SCHEDULE = ("stack", "schedule")
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Metric:
    """``mode``: engine, swarm or both. ``labels``: their names, in the order of a sample's values."""

    name: str
    kind: str
    mode: str
    labels: tuple[str, ...]
    help: str

    @property
    def samples(self) -> dict[str, tuple[str, ...]]:
        """The names of its samples, with their labels."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        return {
            f"{self.name}_{part}": self.labels + ("le",) * (part == "bucket") for part in ("bucket", "sum", "count")
        }


class Sample(NamedTuple):
    """``labels``: values in the order of the metric's labels."""

    name: str
    labels: tuple[str, ...]
    value: float


Row = tuple[str, tuple[str, ...], str]  # name, labels, what it is

ENGINE: list[Row] = [
    ("engine_info", ("node", "version", "api_version"), "The engine that answers; always 1."),
    ("engine_containers", ("node", "state"), "Containers by state, ended ones too."),
    ("container_cpu_usage_seconds_total", CONTAINER, "CPU time used."),
    ("container_memory_usage_bytes", CONTAINER, "Memory in use, page cache included."),
    ("container_memory_working_set_bytes", CONTAINER, "Memory in use without idle page cache."),
    ("container_spec_memory_limit_bytes", CONTAINER, "The memory limit; missing where there is none."),
    ("container_spec_cpu_limit_cores", CONTAINER, "The CPU limit in cores; missing where there is none."),
    ("container_network_receive_bytes_total", CONTAINER, "Bytes received, all networks."),
    ("container_network_transmit_bytes_total", CONTAINER, "Bytes sent, all networks."),
    ("container_blkio_read_bytes_total", CONTAINER, "Bytes read from block devices."),
    ("container_blkio_write_bytes_total", CONTAINER, "Bytes written to block devices."),
    ("container_start_time_seconds", CONTAINER, "When the container was started, as a Unix time."),
    ("container_healthy", CONTAINER, "1 healthy, 0 not or not yet; missing without a health check."),
    ("container_restarts_total", CONTAINER, "Ends by itself or as unhealthy, since the exporter began."),
    ("container_oom_kills_total", CONTAINER, "Processes killed for want of memory, since then."),
    ("proxy_requests_total", ("node", "host", "code"), "Requests in the proxy's access log; other: unknown hosts."),
    ("proxy_request_duration_seconds", ("node", "host"), "How long they took."),
    ("swarm_node_certificate_expiry_timestamp_seconds", ("node",), "When the node's own certificate ends."),
    ("node_docker_filesystem_size_bytes", ("node",), "Size of the file system that holds the engine's data."),
    ("node_docker_filesystem_avail_bytes", ("node",), "What is free there."),
]
SWARM: list[Row] = [
    ("swarm_manager_has_leader", ("node",), "Whether this manager knows a leader that answers."),
    ("swarm_node_is_leader", ("node",), "Whether this manager leads. The leader alone tells the rest."),
    ("swarm_node_info", ("node", "role", "engine_version", "address"), "A member of the swarm; always 1."),
    ("swarm_node_state", ("node", "state"), "1 for the state that it is in."),
    ("swarm_node_availability", ("node", "availability"), "1 for the availability that it has."),
    ("swarm_node_reachable", ("node",), "Whether a manager is reachable for the others."),
    ("swarm_service_replicas_desired", SERVICE, "Tasks that should run."),
    ("swarm_service_replicas_running", SERVICE, "Tasks that do, on nodes that are not down."),
    ("swarm_service_tasks", (*SERVICE, "state"), "Tasks that should run, by state, on nodes that are not down."),
    ("swarm_service_tasks_failed", SERVICE, "Failed and rejected tasks in the swarm's history."),
    ("swarm_service_update_state", (*SERVICE, "state"), "1 for the last update's state; none: there was none."),
    ("swarm_service_update_timestamp_seconds", SERVICE, "When the last update ended or, while it runs, began."),
    ("swarm_stack_revision", ("stack",), "Number of the revision in force."),
    ("swarm_stack_revision_timestamp_seconds", ("stack", "kind"), "When it was deployed; kind: by what."),
    ("swarm_cron_runs_total", (*SCHEDULE, "result"), "Slots of an app's schedule by what became of them."),
    ("swarm_cron_last_timestamp_seconds", (*SCHEDULE, "result"), "When that was last, as a Unix time; 0: never."),
    ("swarm_cron_next_timestamp_seconds", SCHEDULE, "Its first slot that is not decided yet; 0: there is none."),
    ("swarm_cron_running", SCHEDULE, "Its runs that have not ended."),
    ("swarm_ca_certificate_expiry_timestamp_seconds", (), "When the certificate of the swarm's CA ends."),
    ("swarm_platform_ca_certificate_expiry_timestamp_seconds", ("node",), "When that of the platform's own CA ends."),
]
BOTH: list[Row] = [
    ("swarm_exporter_scrape_duration_seconds", ("node", "mode"), "How long this scrape took."),
    ("swarm_exporter_errors_total", ("node", "mode", "what"), "What could not be found out, by what was asked."),
]


def _kind(name: str) -> str:
    if name == "proxy_request_duration_seconds":
        return "histogram"
    return "counter" if name.endswith("_total") else "gauge"


ALL = [
    Metric(name, _kind(name), mode, labels, text)
    for mode, rows in (("engine", ENGINE), ("swarm", SWARM), ("both", BOTH))
    for name, labels, text in rows
]
