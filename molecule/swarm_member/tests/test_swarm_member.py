"""The swarm as its manager shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.checkout import name as platform_name

MANAGER = f"docker -H unix:///run/{platform_name('swarm_member')}/manager1/docker.sock"


def node(host: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.check_output(f"{MANAGER} node inspect {name}"))[0]
    return found


@pytest.mark.parametrize(
    ("name", "role", "availability", "labels"),
    [
        ("manager1", "manager", "active", {}),
        ("worker1", "worker", "active", {"disk": "ssd", "empty": ""}),
        ("worker2", "worker", "drain", {}),
    ],
)
def test_nodes_are_members(host: Any, name: str, role: str, availability: str, labels: dict[str, str]) -> None:
    found = node(host, name)
    assert found["Spec"]["Role"] == role
    assert found["Spec"]["Availability"] == availability
    assert found["Spec"]["Labels"] == labels
    assert found["Status"]["State"] == "ready"


def test_nobody_else_is_listed(host: Any) -> None:
    names = host.check_output(MANAGER + " node ls --format '{{.Hostname}}'").split()
    assert sorted(names) == ["manager1", "worker1", "worker2"]


def test_overlay_networks_get_the_written_addresses(host: Any) -> None:
    info = host.check_output(MANAGER + " info --format '{{json .Swarm.Cluster}}'")
    cluster = json.loads(info)
    assert cluster["DefaultAddrPool"] == ["10.100.0.0/16"]
    assert cluster["SubnetSize"] == 24
