"""The exporter's pure parts: what the Engine API answers, and the samples that it becomes."""

from __future__ import annotations

import base64
import datetime
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from swarm_exporter import collector, discovery, metrics, swarm
from swarm_exporter.access_log import AccessLog, take_lines
from swarm_exporter.certificate import expiry
from swarm_exporter.containers import (
    Container,
    Fixed,
    Mishaps,
    newest,
    parse_container,
    parse_fixed,
    parse_time,
    state_samples,
    task_of,
    usage_samples,
)
from swarm_exporter.engine import Engine, EngineError

from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

WEB = {
    "com.docker.stack.namespace": "shop",
    "com.docker.swarm.service.name": "shop_web",
    "com.docker.swarm.task.name": "shop_web.2.t1",
    "com.docker.swarm.task.id": "t1",
    "com.docker.swarm.node.id": "n1",
}
GLOBAL = {**WEB, "com.docker.swarm.task.name": "shop_web.n1.t1"}
PLAIN_SERVICE = {**WEB, "com.docker.swarm.service.name": "web", "com.docker.swarm.task.name": "web.1.t1"}
PLAIN_SERVICE.pop("com.docker.stack.namespace")


def values(samples: Iterable[metrics.Sample], *labels: str) -> dict[str, float]:
    """Name -> value of the samples with exactly these labels."""
    return {one.name: float(one.value) for one in samples if one.labels == labels}


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        ({}, ("", "", "alone")),
        (WEB, ("shop", "web", "web.2")),
        (GLOBAL, ("shop", "web", "web.worker1")),
        (PLAIN_SERVICE, ("", "web", "web.1")),
    ],
)
def test_a_container_is_known_by_its_task(labels: dict[str, str], task: tuple[str, str, str]) -> None:
    assert task_of(labels, "alone", "worker1") == task


@pytest.mark.parametrize(
    ("status", "healthy"),
    [
        ("Up 5 minutes", None),
        ("Up 5 minutes (healthy)", True),
        ("Up 5 minutes (unhealthy)", False),
        ("Up 2 seconds (health: starting)", False),
        ("Up 5 minutes (Paused)", None),
    ],
)
def test_health_is_read_from_the_list(status: str, healthy: bool | None) -> None:
    row = {"Id": "c", "Names": ["/x"], "Image": "i", "State": "running", "Status": status, "Created": 1, "Labels": {}}
    assert parse_container(row, "n").healthy is healthy


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T00:00:01.123456789Z", 1.123456),
        ("1970-01-01T00:01:00.12Z", 60.12),
        ("1970-01-01T01:00:01.5+01:00", 1.5),
    ],
)
def test_times_have_nanoseconds_and_less(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("host", "memory", "cores"),
    [
        ({}, None, None),
        ({"Memory": 0, "NanoCpus": 0, "CpuQuota": 0, "CpuPeriod": 0}, None, None),
        ({"Memory": 64, "NanoCpus": 1_500_000_000}, 64, 1.5),
        ({"CpuQuota": 50_000, "CpuPeriod": 0}, None, 0.5),
        ({"CpuQuota": 50_000, "CpuPeriod": 200_000}, None, 0.25),
        ({"CpuQuota": -1, "CpuPeriod": 0}, None, None),
    ],
)
def test_limits_are_there_where_they_are_set(host: dict[str, int], memory: int | None, cores: float | None) -> None:
    inspected = {"HostConfig": host, "State": {"StartedAt": "1970-01-01T00:00:01Z"}}
    assert parse_fixed(inspected) == Fixed(1, memory, cores)


def container(task: str = "web.1", state: str = "running", created: int = 1, name: str = "") -> Container:
    return Container(name or f"{task}-{created}", ("shop", "web", task), "web:1", state, created, None, False)


V1 = {
    "memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 5}},
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"op": "Read", "value": 7},
            {"op": "Write", "value": 8},
            {"op": "Total", "value": 15},
            {"op": "Read", "value": 1},
        ]
    },
}
V2 = {
    **V1,
    "memory_stats": {"usage": 100, "stats": {"inactive_file": 30}},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 8}, {"op": "write", "value": 8}]},
}


@pytest.mark.parametrize("stats", [V1, V2], ids=["cgroup-v1", "cgroup-v2"])
def test_usage_is_the_same_for_both_kinds_of_cgroups(stats: dict[str, Any]) -> None:
    found = values(usage_samples(container(), Fixed(5, 64, 0.5), stats, "n"), "n", "shop", "web", "web.1", "web:1")
    assert found == {
        "container_cpu_usage_seconds_total": 2.5,
        "container_memory_usage_bytes": 100,
        "container_memory_working_set_bytes": 70,
        "container_spec_memory_limit_bytes": 64,
        "container_spec_cpu_limit_cores": 0.5,
        "container_start_time_seconds": 5,
        "container_network_receive_bytes_total": 11,
        "container_network_transmit_bytes_total": 22,
        "container_blkio_read_bytes_total": 8,
        "container_blkio_write_bytes_total": 8,
    }


def test_what_an_engine_does_not_say_is_left_out() -> None:
    stats = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}, "blkio_stats": {}}
    stats["blkio_stats"] = {"io_service_bytes_recursive": None}
    found = {one.name for one in usage_samples(container(), Fixed(5, None, None), stats, "n")}
    assert "container_memory_usage_bytes" not in found
    assert "container_spec_cpu_limit_cores" not in found
    assert "container_healthy" not in found
    assert "container_blkio_read_bytes_total" in found


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        ([container(created=1), container(created=2)], ["web.1-2"]),
        ([container(created=2, state="exited"), container(created=1)], ["web.1-1"]),
        ([container(created=1, state="exited"), container(created=2, state="exited")], ["web.1-2"]),
        ([container("web.1"), container("web.2")], ["web.1-1", "web.2-1"]),
    ],
)
def test_of_a_tasks_containers_the_running_and_the_newest_counts(there: list[Container], kept: list[str]) -> None:
    assert sorted(one.id for one in newest(there)) == kept


def test_every_state_is_told() -> None:
    found = {one.labels[1]: one.value for one in state_samples([container(), container("web.2", "exited")], "n")}
    assert found == {
        "created": 0,
        "running": 1,
        "paused": 0,
        "restarting": 0,
        "removing": 0,
        "exited": 1,
        "dead": 0,
    }


def event(action: str, **more: str) -> dict[str, Any]:
    return {"Action": action, "Actor": {"ID": "c1", "Attributes": {**WEB, "name": "x", "image": "web:1", **more}}}


@pytest.mark.parametrize(
    ("events", "restarts", "oom_kills"),
    [
        ([], 0, 0),
        ([event("die", exitCode="1")], 1, 0),
        ([event("die", exitCode="0")], 1, 0),
        ([event("kill", signal="15"), event("die")], 0, 0),
        ([event("kill", signal="15"), event("kill", signal="9"), event("die"), event("start"), event("die")], 1, 0),
        ([event("kill", signal="1"), event("die")], 1, 0),
        ([event("health_status: unhealthy"), event("kill", signal="15"), event("die")], 1, 0),
        (
            [
                event("health_status: unhealthy"),
                event("health_status: healthy"),
                event("kill", signal="15"),
                event("die"),
            ],
            0,
            0,
        ),
        ([event("oom"), event("die", exitCode="137")], 1, 1),
        ([event("oom"), event("oom")], 0, 2),
    ],
)
def test_mishaps_are_what_nobody_asked_for(events: list[dict[str, Any]], restarts: int, oom_kills: int) -> None:
    mishaps = Mishaps()
    for one in events:
        mishaps.feed(one, "n")
    found = values(mishaps.samples([container("web.2")], "n"), "n", "shop", "web", "web.2", "web:1")
    assert found == {"container_restarts_total": restarts, "container_oom_kills_total": oom_kills}


def test_mishaps_of_tasks_that_are_gone_are_forgotten() -> None:
    mishaps = Mishaps()
    mishaps.feed(event("die"), "n")
    assert list(mishaps.samples([], "n")) == []
    assert not mishaps.restarts


# --- access log ---


def frame(payload: bytes) -> bytes:
    return b"\x01\x00\x00\x00" + len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("cut", range(1, 24))
def test_lines_are_whole_however_the_stream_is_cut(cut: int) -> None:
    stream, buffer, found = frame(b"one\n") + frame(b"two\n"), bytearray(), []
    for start in range(0, len(stream), cut):
        buffer += stream[start : start + cut]
        found += take_lines(buffer)
    assert found == [b"one\n", b"two\n"]
    assert not buffer


def request(host: str = "web.localhost", status: int = 200, seconds: float = 0.01) -> bytes:
    return json.dumps({"host": host, "status": status, "request_time": seconds, "uri": "/"}).encode()


def test_requests_are_counted_by_host_and_code() -> None:
    log = AccessLog()
    for line in (
        request(),
        request(),
        request(status=502),
        request(seconds=0.3),
        request("evil", 421),
        request("", 400),
    ):
        assert log.add(line)
    found = {(one.name, *one.labels[1:]): one.value for one in log.samples("n")}
    assert found["proxy_requests_total", "web.localhost", "200"] == 3
    assert found["proxy_requests_total", "web.localhost", "502"] == 1
    assert found["proxy_requests_total", "web.localhost", "503"] == 0, "told before the first"
    assert ("proxy_requests_total", "other", "503") not in found
    assert found["proxy_requests_total", "other", "421"] == 1
    assert found["proxy_requests_total", "other", "400"] == 1
    assert not any("evil" in key for key in found)
    name = "proxy_request_duration_seconds"
    buckets = [found[f"{name}_bucket", "web.localhost", str(bound)] for bound in metrics.BUCKETS]
    assert buckets == [3, 3, 3, 4, 4, 4, 4, 4]
    assert found[f"{name}_bucket", "web.localhost", "+Inf"] == found[f"{name}_count", "web.localhost"] == 4
    assert found[f"{name}_sum", "web.localhost"] == pytest.approx(0.33)


@pytest.mark.parametrize("seconds", [0.05, 10, 11])
def test_a_bucket_holds_its_own_bound(seconds: float) -> None:
    log = AccessLog()
    log.add(request(seconds=seconds))
    found = {one.labels[2]: one.value for one in log.samples("n") if one.name.endswith("_bucket")}
    assert [bound for bound in metrics.BUCKETS if found[str(bound)]] == [
        one for one in metrics.BUCKETS if one >= seconds
    ]


@pytest.mark.parametrize(
    "line", [b"", b"plain text\n", b"[]", b"{}", b'{"host": "a", "status": "x", "request_time": 1}']
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    log = AccessLog()
    assert not log.add(line)
    assert list(log.samples("n")) == []


def test_hosts_are_bounded() -> None:
    log = AccessLog()
    for number in range(1000):
        log.add(request(f"h{number}"))
    assert len({one.labels[1] for one in log.samples("n")}) <= 501


# --- the swarm ---


def node(name: str, role: str = "worker", state: str = "ready", **more: Any) -> dict[str, Any]:
    return {
        "ID": f"id-{name}",
        "Spec": {"Role": role, "Availability": "active"},
        "Description": {"Hostname": name, "Engine": {"EngineVersion": "26.1"}},
        "Status": {"State": state, "Addr": "10.0.0.1"},
        **more,
    }


def service(name: str, mode: Any = None, labels: Any = None, **more: Any) -> dict[str, Any]:
    stack = {"com.docker.stack.namespace": "shop"}
    mode = mode or {"Replicated": {"Replicas": 2}}
    return {
        "ID": f"id-{name}",
        "Spec": {"Name": f"shop_{name}", "Labels": {**stack, **(labels or {})}, "Mode": mode},
        **more,
    }


def task(service: str, state: str, desired: str = "running", slot: int = 1, node: str = "worker1", **more: Any) -> Any:
    return {
        "ServiceID": f"id-{service}",
        "Status": {"State": state},
        "DesiredState": desired,
        "Slot": slot,
        "NodeID": f"id-{node}",
        **more,
    }


def test_nodes_are_in_one_state() -> None:
    leader = {"ManagerStatus": {"Leader": True, "Reachability": "reachable"}}
    found = list(swarm.node_samples([node("manager1", "manager", **leader), node("worker1", state="down")]))
    assert values(found, "manager1", "manager", "26.1", "10.0.0.1") == {"swarm_node_info": 1}
    states = {one.labels: one.value for one in found if one.name == "swarm_node_state"}
    assert [labels for labels, value in states.items() if value] == [("manager1", "ready"), ("worker1", "down")]
    assert len(states) == 8
    assert values(found, "manager1") == {"swarm_node_reachable": 1}


@pytest.mark.parametrize(
    ("mode", "tasks", "desired", "running", "failed"),
    [
        ({"Replicated": {"Replicas": 2}}, [], 2, 0, 0),
        ({"Replicated": {"Replicas": 2}}, [task("web", "running"), task("web", "preparing", slot=2)], 2, 1, 0),
        ({"Replicated": {"Replicas": 1}}, [task("web", "running"), task("web", "failed", "shutdown")], 1, 1, 1),
        ({"Replicated": {"Replicas": 1}}, [task("web", "running", node="dead")], 1, 0, 0),
        (
            {"Replicated": {"Replicas": 1}},
            [task("web", "rejected", "shutdown"), task("web", "ready", "ready")],
            1,
            0,
            1,
        ),
        ({"Global": {}}, [task("web", "running"), task("web", "starting", node="manager1")], 2, 1, 0),
        ({"Global": {}}, [task("web", "running", "shutdown", node="dead")], 0, 0, 0),
        ({"Global": {}}, [task("web", "running"), task("web", "running", node="dead")], 1, 1, 0),
        ({"Replicated": {"Replicas": 1}}, [task("web", "failed", "shutdown", node="dead")], 1, 0, 1),
    ],
)
def test_replicas(mode: Any, tasks: list[Any], desired: int, running: int, failed: int) -> None:
    seen = swarm.Swarm([node("worker1"), node("manager1"), node("dead", state="down")], [service("web", mode)], tasks)
    assert values(swarm.service_samples(seen), "shop", "web") == {
        "swarm_service_replicas_desired": desired,
        "swarm_service_replicas_running": running,
        "swarm_service_tasks_failed": failed,
    }


@pytest.mark.parametrize(
    ("condition", "state", "image", "desired"),
    [
        ("none", "complete", "kit:2", 0),
        ("on-failure", "complete", "kit:2", 0),
        ("none", "failed", "kit:2", 1),
        ("none", "complete", "kit:1", 1),
        ("any", "complete", "kit:2", 1),
    ],
)
def test_a_one_shot_that_is_done_is_not_missed(condition: str, state: str, image: str, desired: int) -> None:
    def template(image: str) -> dict[str, Any]:
        return {"ContainerSpec": {"Image": image}, "RestartPolicy": {"Condition": condition}, "ForceUpdate": 0}

    one = service("job", {"Replicated": {"Replicas": 1}})
    one["Spec"]["TaskTemplate"] = template("kit:2")
    seen = swarm.Swarm([], [one], [task("job", state, "shutdown", Spec=template(image))])
    assert values(swarm.service_samples(seen), "shop", "job")["swarm_service_replicas_desired"] == desired


def test_a_job_has_no_replicas() -> None:
    seen = swarm.Swarm([], [service("job", {"ReplicatedJob": {"TotalCompletions": 1}})], [])
    assert "swarm_service_replicas_desired" not in {one.name for one in swarm.service_samples(seen)}


@pytest.mark.parametrize(
    ("update", "state", "when"),
    [
        ({}, "none", None),
        ({"State": "updating", "StartedAt": "1970-01-01T00:00:09.5Z"}, "updating", 9.5),
        (
            {"State": "completed", "StartedAt": "1970-01-01T00:00:09Z", "CompletedAt": "1970-01-01T00:00:19Z"},
            "completed",
            19,
        ),
        ({"State": "rollback_completed", "StartedAt": "1970-01-01T00:00:09Z"}, "rollback_completed", 9),
    ],
)
def test_an_update_is_in_one_state(update: dict[str, str], state: str, when: float | None) -> None:
    found = list(swarm.service_samples(swarm.Swarm([], [service("web", UpdateStatus=update)], [])))
    states = [one for one in found if one.name == "swarm_service_update_state"]
    assert [one.labels[2] for one in states if one.value] == [state]
    assert len(states) == 7
    assert values(found, "shop", "web").get("swarm_service_update_timestamp_seconds") == when


def config(stack: str, number: int, verdict: str, kind: str = "deploy") -> dict[str, Any]:
    labels = {"io.fungap.stack": stack, "io.fungap.revision": str(number), "io.fungap.verdict": verdict}
    data = base64.b64encode(json.dumps({"kind": kind}).encode()).decode()
    return {"CreatedAt": f"1970-01-01T00:00:{number:02}Z", "Spec": {"Labels": labels, "Data": data}}


def test_the_newest_good_revision_is_in_force() -> None:
    records = [
        config("shop", 10, "converged", "rollback"),
        config("shop", 9, "converged"),
        config("shop", 11, "rolled_back"),
        config("proxy", 1, "unverified", ""),
        {"CreatedAt": "1970-01-01T00:00:00Z", "Spec": {"Name": "else"}},
    ]
    found = {(one.name, one.labels): one.value for one in swarm.revision_samples(swarm.revisions_in_force(records))}
    assert found == {
        ("swarm_stack_revision", ("shop",)): 10,
        ("swarm_stack_revision_timestamp_seconds", ("shop", "rollback")): 10,
        ("swarm_stack_revision", ("proxy",)): 1,
        ("swarm_stack_revision_timestamp_seconds", ("proxy", "")): 1,
    }


# --- discovery ---


def attached(task: Any, **addresses: str) -> Any:
    attachments = [{"Network": {"Spec": {"Name": name}}, "Addresses": [f"{ip}/24"]} for name, ip in addresses.items()]
    return {**task, "NetworksAttachments": attachments}


def test_targets_are_the_running_tasks_of_labelled_services() -> None:
    labels = {"io.fungap.metrics.port": "3000", "io.fungap.metrics.kind": "app"}
    exporter = {**labels, "io.fungap.metrics.kind": "exporter", "io.fungap.metrics.job": "nodes"}
    seen = swarm.Swarm(
        [node("worker1"), node("manager1"), node("dead", state="down")],
        [service("web", labels=labels), service("node", {"Global": {}}, exporter), service("other")],
        [
            attached(task("web", "running", CreatedAt="1"), public="10.100.1.5", other="10.100.2.5"),
            attached(task("web", "running", CreatedAt="2"), public="10.100.1.6"),
            attached(task("web", "starting", slot=2), public="10.100.1.7"),
            attached(task("web", "running", "shutdown", slot=3), public="10.100.1.8"),
            attached(task("node", "running", slot=0), monitoring="10.100.3.5"),
            attached(task("node", "running", slot=0, node="manager1"), elsewhere="10.100.4.5"),
            attached(task("other", "running"), public="10.100.1.9"),
            attached(task("web", "running", slot=4, node="dead"), public="10.100.1.10"),
        ],
    )
    place = {"node": "worker1", "stack": "shop", "__metrics_path__": "/metrics"}
    assert discovery.targets(seen, "app", "public") == [
        {
            "targets": ["10.100.1.6:3000"],
            "labels": {**place, "job": "web", "instance": "web.1", "service": "web", "task": "web.1"},
        }
    ]
    assert discovery.targets(seen, "exporter", "monitoring") == [
        {
            "targets": ["10.100.3.5:3000"],
            "labels": {**place, "job": "nodes", "instance": "node.worker1", "service": "node", "task": "node.worker1"},
        }
    ]


def test_routes_are_one_target_a_host() -> None:
    labels = {"io.fungap.hosts": "web.localhost, www.localhost", "io.fungap.probe.path": "/health"}
    seen = swarm.Swarm([], [service("web", labels=labels), service("db")], [])
    assert discovery.routes(seen) == [
        {"targets": [host], "labels": {"host": host, "stack": "shop", "path": "/health"}}
        for host in ("web.localhost", "www.localhost")
    ]


def test_a_route_in_maintenance_is_marked() -> None:
    labels = {"io.fungap.hosts": "web.localhost", "io.fungap.maintenance": "true"}
    (target,) = discovery.routes(swarm.Swarm([], [service("web", labels=labels)], []))
    assert target["labels"] == {"host": "web.localhost", "stack": "shop", "path": "/", "maintenance": "true"}


# --- the rest ---


def test_a_certificates_end() -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    key = pki.new_key()
    authority = pki.KeyPair(pki.make_ca("test", key, now), key)
    leaf = pki.issue(authority, pki.new_key(), ["web.localhost"], (), now)
    for pem in (authority.certificate, leaf, leaf + authority.certificate):
        assert expiry(pem) == pki.load_certificate(pem, "").not_valid_after_utc.timestamp()
    with pytest.raises(ValueError, match="substring"):
        expiry("nothing")


class Leaderless:
    """An engine whose swarm has no leader."""

    def get(self, path: str) -> Any:
        raise EngineError(f"{path}: the swarm has no leader")


@pytest.mark.parametrize("has_one", [True, False])
def test_the_end_of_the_platforms_ca_is_told_without_a_leader(tmp_path: Path, has_one: bool) -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    certificate = pki.make_ca("test", pki.new_key(), now)
    if has_one:
        (tmp_path / "ca.crt").write_text(certificate)
    # Without the thread that follows events.
    exporter = collector.SwarmExporter.__new__(collector.SwarmExporter)
    exporter.engine, exporter.errors = cast(Engine, Leaderless()), Counter()
    exporter.platform_ca = tmp_path / "ca.crt"
    told = {sample.name: sample for sample in exporter.samples(collector.Identity("manager1", "n1", "26", "1.45"))}
    assert told["swarm_manager_has_leader"].value is False
    name = "swarm_platform_ca_certificate_expiry_timestamp_seconds"
    end = pki.load_certificate(certificate, "").not_valid_after_utc.timestamp()
    assert [(one.labels, one.value) for key, one in told.items() if key == name] == [(("manager1",), end)] * has_one


def test_metrics_are_told_once_and_carry_their_units() -> None:
    names = [one.name for one in metrics.ALL]
    assert len(names) == len(set(names))
    for one in metrics.ALL:
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert one.mode in ("engine", "swarm", "both")
        assert one.help.endswith(".")


def test_every_sample_is_of_a_known_metric() -> None:
    assert collector.SAMPLES["proxy_request_duration_seconds_bucket"][1] == ("node", "host", "le")


class Ending:
    """An engine whose container ends while its use is asked for. ``state``: what it says of it then."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def get(self, path: str) -> Any:
        if "/stats" in path:
            raise EngineError(f"{path}: 500 cgroups: cgroup deleted")
        if isinstance(self.state, Exception):
            raise self.state
        return {"State": {"Running": self.state}}


@pytest.mark.parametrize(
    ("state", "errors"),
    [(False, 0), (EngineError("x: 404 no such container"), 0), (True, 1), (EngineError("x: 500 no"), 1)],
)
def test_a_container_that_ends_meanwhile_is_no_error(state: Any, errors: int) -> None:
    exporter = collector.EngineExporter.__new__(collector.EngineExporter)
    exporter.engine, exporter.errors, exporter._fixed = (
        cast(Engine, Ending(state)),
        Counter(),
        {"a": cast(Any, object())},
    )
    container = parse_container({"Id": "a", "Names": ["/web"], "State": "running", "Labels": {}}, "worker1")
    assert list(exporter._usage(container, "worker1", float("inf"))) == []
    assert exporter.errors["stats"] == errors
