"""What swarm_member is told, by docker host."""

from __future__ import annotations

from typing import Any

from ansible_collections.fungap.swarm.plugins.filter.swarm_nodes import swarm_nodes
from ansible_collections.fungap.swarm.plugins.plugin_utils.member import member_nodes

M1 = {
    "name": "m1",
    "host": "a",
    "role": "manager",
    "socket": "/m1.sock",
    "address": "10.0.0.1",
    "labels": {},
    "availability": None,
    "cpus": 2,
}
M2 = {**M1, "name": "m2", "host": "b", "socket": "/m2.sock", "address": "10.0.0.2"}
W1 = {
    **M1,
    "name": "w1",
    "host": "b",
    "role": "worker",
    "socket": "/w1.sock",
    "address": "10.0.0.21",
    "availability": "drain",
}


def by_name(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in nodes}


def test_only_what_the_module_knows() -> None:
    assert member_nodes([M1], "a") == [
        {
            "name": "m1",
            "state": "manager",
            "bootstrap": True,
            "address": "10.0.0.1",
            "labels": {},
            "socket": "/m1.sock",
        }
    ]


def test_sockets_only_of_the_host() -> None:
    nodes = by_name(member_nodes([M1, M2, W1], "b"))
    assert {name: node.get("socket") for name, node in nodes.items()} == {
        "m1": None,
        "m2": "/m2.sock",
        "w1": "/w1.sock",
    }
    assert nodes["w1"]["availability"] == "drain"


def test_only_the_first_manager_may_start_a_swarm() -> None:
    assert [node["name"] for node in member_nodes([W1, M1, M2], "a") if node["bootstrap"]] == ["m1"]
    assert [node["bootstrap"] for node in member_nodes([M1, M2, W1], "b", only_here=True)] == [False, False]


def test_absent_nodes() -> None:
    absent = [{"name": "w8"}, {"name": "w9", "host": "b", "socket": "/w9.sock"}]
    gone = {"name": "w8", "state": "absent"}, {"name": "w9", "state": "absent"}
    assert member_nodes([], "a", absent=absent) == list(gone)
    assert member_nodes([], "a", only_here=True, absent=absent) == [gone[0]]
    assert member_nodes([], "b", absent=absent)[1] == {**gone[1], "socket": "/w9.sock"}


def test_nodes_by_the_names_that_the_swarm_knows() -> None:
    nodes = [
        {"name": "vm1", "hostname": "debian", "host": "vm1", "socket": "/run/docker.sock"},
        {"name": "worker1", "hostname": "worker1", "host": "vm2", "socket": "/run/fungap/worker1/docker.sock"},
    ]
    assert [(node["name"], node["host"]) for node in swarm_nodes(nodes)] == [("debian", "vm1"), ("worker1", "vm2")]
    assert nodes[0]["name"] == "vm1"
