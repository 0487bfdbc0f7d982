"""Membership of real engines, from every state a node can be in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Lab, Node

RunModule = Callable[..., dict[str, Any]]


def wanted(node: Node, state: str = "worker", **more: Any) -> dict[str, Any]:
    """An element of the module's ``nodes``."""
    return {"name": node.name, "state": state, "socket": node.socket, "address": node.address, **more}


def listed(manager: Node) -> dict[str, dict[str, Any]]:
    """{hostname: the managers' row}; fails when a name is there twice."""
    rows = manager.api.nodes()
    names = [row["Description"]["Hostname"] for row in rows]
    assert len(names) == len(set(names)), names
    return dict(zip(names, rows, strict=True))


def roles(manager: Node) -> dict[str, tuple[str, str]]:
    return {name: (row["Spec"]["Role"], row["Status"]["State"]) for name, row in listed(manager).items()}


def versions(manager: Node) -> dict[str, int]:
    return {name: row["Version"]["Index"] for name, row in listed(manager).items()}


def ok(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result.get("msg")
    return result


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    lab.start("manager1", "worker1", "worker2")
    yield lab
    lab.close()


def platform(lab: Lab, *managers: str, **more: dict[str, Any]) -> dict[str, Any]:
    """The module's arguments for all nodes of the lab; ``more``: further keys by node name."""
    managers = managers or ("manager1",)
    nodes = [
        wanted(
            node,
            "manager" if name in managers else "worker",
            **{"bootstrap": name == managers[0], **more.get(name, {})},
        )
        for name, node in lab.nodes.items()
    ]
    return {"nodes": nodes}


ALL_READY = {"manager1": ("manager", "ready"), "worker1": ("worker", "ready"), "worker2": ("worker", "ready")}


def test_fresh_engines_become_a_swarm_and_stay_untouched(lab: Lab, run_module: RunModule) -> None:
    check = ok(run_module("swarm_member", platform(lab), check=True))
    assert check["changed"]
    assert check["actions"] == ["start a swarm on manager1", "join worker1 as worker", "join worker2 as worker"]
    assert lab.nodes["manager1"].api.info()["Swarm"]["LocalNodeState"] == "inactive"

    done = ok(run_module("swarm_member", platform(lab)))
    assert done["changed"]
    assert roles(lab.nodes["manager1"]) == ALL_READY
    swarm = lab.nodes["manager1"].api.inspect_swarm()
    assert (swarm["DefaultAddrPool"], swarm["SubnetSize"], swarm["DataPathPort"]) == (["10.100.0.0/16"], 24, 4789)

    before = versions(lab.nodes["manager1"])
    again = ok(run_module("swarm_member", platform(lab)))
    assert not again["changed"]
    assert again["actions"] == []
    assert not ok(run_module("swarm_member", platform(lab), check=True))["changed"]
    assert versions(lab.nodes["manager1"]) == before
