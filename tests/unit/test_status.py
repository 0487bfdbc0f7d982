"""The tables and the problems that an operator sees."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.model.status import service_row
from ansible_collections.fungap.swarm.plugins.plugin_utils.status import problems, status_lines

NODE = {
    "name": "manager1",
    "role": "manager",
    "state": "ready",
    "availability": "active",
    "address": "172.30.0.11",
    "leader": True,
    "reachability": "reachable",
    "engine": "26.1.5",
}
SERVICE = {
    "name": "web_web",
    "mode": "replicated",
    "running": 3,
    "wanted": 3,
    "image": "registry:5000/web@sha256:" + "ab" * 32,
    "nodes": ["manager1", "worker1", "worker2"],
    "update": "",
    "error": "",
}


@pytest.mark.parametrize(
    ("node", "service", "problem"),
    [
        ({"state": "down"}, {}, "node manager1 is down"),
        ({"availability": "drain"}, {}, "node manager1 is set to drain"),
        ({"leader": False}, {}, "the swarm has no leader"),
        ({}, {"running": 1}, "service web_web runs 1 of 3"),
        ({}, {"running": 0, "error": "No such image"}, "service web_web runs 0 of 3: No such image"),
        ({}, {"update": "paused"}, "the last update of service web_web ended as paused"),
    ],
)
def test_each_problem_is_named(node: dict[str, Any], service: dict[str, Any], problem: str) -> None:
    assert problems([NODE | node], [SERVICE | service]) == [problem]
    assert f"! {problem}" in status_lines([NODE | node], [SERVICE | service])


def test_nothing_wrong() -> None:
    assert problems([NODE], [SERVICE]) == []
    assert "web_web  3/3       manager1 worker1 worker2  registry:5000/web@sha256:abababababab" in status_lines(
        [NODE], [SERVICE]
    )


def task(state: str, desired: str = "running", **more: Any) -> dict[str, Any]:
    return {"ServiceID": "s1", "NodeID": "n1", "DesiredState": desired, "Status": {"State": state, **more}}


@pytest.mark.parametrize(
    ("mode", "tasks", "running", "wanted", "error"),
    [
        ({"Replicated": {"Replicas": 2}}, [task("running"), task("running")], 2, 2, ""),
        ({"Replicated": {"Replicas": 2}}, [task("running"), task("starting")], 1, 2, ""),
        ({"Replicated": {"Replicas": 1}}, [task("running", "shutdown")], 0, 1, ""),
        ({"Replicated": {"Replicas": 1}}, [task("rejected", "shutdown", Err="No such image")], 0, 1, "No such image"),
        ({"Replicated": {"Replicas": 1}}, [task("running"), task("failed", "shutdown", Err="old")], 1, 1, ""),
        ({"Global": {}}, [task("running"), task("starting")], 1, 2, ""),
    ],
)
def test_service_row(mode: dict[str, Any], tasks: list[dict[str, Any]], running: int, wanted: int, error: str) -> None:
    spec = {"Name": "web_web", "Mode": mode, "TaskTemplate": {"ContainerSpec": {"Image": "web"}}}
    row = service_row({"ID": "s1", "Spec": spec}, tasks, {"n1": "manager1"})
    assert (row["running"], row["wanted"], row["error"]) == (running, wanted, error)
