"""The nodes as the docker host and their own clients see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.checkout import name
from tests.waiting import wait_for

PLATFORM = name("swarm_node")
NODES = ("manager1", "worker1")


def docker(node: str) -> str:
    return f"docker --host unix:///run/{PLATFORM}/{node}/docker.sock"


def inspect(host: Any, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.check_output(f"docker inspect {PLATFORM}-{node}"))[0]
    return found


@pytest.mark.parametrize("node", NODES)
def test_its_engine_answers_on_a_socket_for_root_alone(host: Any, node: str) -> None:
    assert host.check_output(f"{docker(node)} info --format '{{{{.Name}}}}'") == node
    assert host.file(f"/run/{PLATFORM}/{node}").mode == 0o700


@pytest.mark.parametrize(("node", "last"), [("manager1", "11"), ("worker1", "21")])
def test_it_has_its_address(host: Any, node: str, last: str) -> None:
    assert inspect(host, node)["NetworkSettings"]["Networks"][PLATFORM]["IPAddress"].endswith(f".{last}")


def test_it_is_as_big_as_was_said(host: Any) -> None:
    limits = inspect(host, "worker1")["HostConfig"]
    assert limits["NanoCpus"] == 500_000_000
    assert limits["Memory"] == 512 * 1024 * 1024


@pytest.mark.parametrize("node", NODES)
def test_it_knows_the_registry_by_name(host: Any, node: str) -> None:
    found = host.check_output(f"docker exec {PLATFORM}-{node} getent hosts {PLATFORM.replace('_', '-')}")
    assert found.split()[0].endswith(".2")


def test_a_network_in_it_does_not_clash_with_the_hosts(host: Any) -> None:
    network = json.loads(host.check_output(f"{docker('worker1')} network inspect bridge"))[0]
    assert network["IPAM"]["Config"][0]["Subnet"] == "10.199.0.0/24"


def test_a_node_survives_the_loss_of_its_engine(host: Any) -> None:
    host.check_output(f"{docker('worker1')} volume create kept")
    host.check_output(f"docker restart --time 20 {PLATFORM}-worker1")
    wait_for("the engine with its volume", lambda: host.run(f"{docker('worker1')} volume inspect kept").rc == 0, 30)
