# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What plays ask of the fact `platform`, on each machine of a few platforms."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.resolve import resolve
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.views import with_views

from .test_preflight import Change, Scenario, both, dead, mesh, with_jenkins

ALONE, CLUSTER = "one machine", "three machines"
APART, DEAD, SHARED = "Jenkins apart", "the first manager's machine is dead", "Jenkins beside the nodes"


def beside(scenario: Scenario) -> None:
    scenario.groups["jenkins"] = ["vm1"]
    scenario.all.update(jenkins_host="jenkins.example.com", jenkins_shares_host=True)


PLATFORMS: dict[str, Change] = {
    ALONE: lambda _s: None,
    CLUSTER: mesh,
    APART: with_jenkins(),
    SHARED: beside,
    DEAD: both(mesh, dead("vm1")),
}


def views(name: str, *, starts_all: bool = False) -> dict[str, Any]:
    scenario = Scenario()
    PLATFORMS[name](scenario)
    inputs, problems = scenario.inputs()
    assert problems == []
    return with_views(resolve(inputs, starts_all=starts_all), inputs.inventory.docker_hosts)


LOCAL = ["manager1", "worker1", "worker2"]
EVERYTHING = ["is_manager", "is_registry", "is_edge", "has_network", "has_images"]


@pytest.mark.parametrize(
    ("name", "host", "nodes", "dind", "true"),
    [
        (ALONE, "vm1", LOCAL, LOCAL, EVERYTHING),
        (CLUSTER, "vm1", ["vm1"], [], ["is_manager", "is_registry", "has_network", "has_images"]),
        (CLUSTER, "vm2", ["vm2"], [], []),
        (APART, "vm1", LOCAL, LOCAL, EVERYTHING),
        (APART, "vm9", [], [], ["is_jenkins", "has_images"]),
        (SHARED, "vm1", LOCAL, LOCAL, [*EVERYTHING, "is_jenkins"]),
        (DEAD, "vm1", ["vm1"], [], ["is_registry", "has_network", "has_images"]),
        (DEAD, "vm2", ["vm2"], [], ["is_manager"]),
    ],
)
def test_what_a_machine_is_to_the_platform(
    name: str, host: str, nodes: list[str], dind: list[str], true: list[str]
) -> None:
    here = views(name)["hosts"][host]
    assert [node["name"] for node in here["nodes"]] == nodes
    assert [node["name"] for node in here["dind_nodes"]] == dind
    assert list(here["sockets"]) == nodes
    assert {key for key in here if key.startswith(("is_", "has_")) and here[key]} == set(true)


@pytest.mark.parametrize(
    ("name", "host", "names", "address"),
    [
        (ALONE, "vm1", [], "registry:5000"),
        (APART, "vm1", [], "registry:5000"),
        (APART, "vm9", ["node", "proxy"], ""),
        (SHARED, "vm1", [], "registry:5000"),
    ],
)
def test_the_images_that_a_machine_gets(name: str, host: str, names: list[str], address: str) -> None:
    assert views(name)["hosts"][host]["images"] == {"names": names, "registry_address": address}


@pytest.mark.parametrize(
    ("name", "starts_all", "manager"),
    [(ALONE, False, "manager1"), (CLUSTER, False, "vm1"), (DEAD, False, "vm2"), (DEAD, True, "vm1")],
)
def test_the_manager_is_the_first_where_the_run_brings_all_up(name: str, starts_all: bool, manager: str) -> None:
    found = views(name, starts_all=starts_all)
    assert found["manager"]["name"] == manager
    assert [host for host, here in found["hosts"].items() if here["is_manager"]] == [found["manager"]["host"]]
    assert found["manager_sockets"] == [found["manager"]["socket"]]


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        (ALONE, "entry_address", "172.30.0.3"),
        (CLUSTER, "entry_address", "192.0.2.11"),
        (DEAD, "entry_address", "192.0.2.12"),
        (ALONE, "network_mtu", 1450),
        (ALONE, "node_hosts", ["vm1"]),
        (DEAD, "node_hosts", ["vm2", "vm3"]),
        (ALONE, "other_hosts", {}),
        (APART, "other_hosts", {"jenkins.example.com": "jenkins_host"}),
        (
            ALONE,
            "node_daemon",
            {"bip": "10.199.0.1/24", "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}]},
        ),
        (ALONE, "registry.addresses", {"registry": "172.30.0.2"}),
        (ALONE, "registry.metrics_address", "172.30.0.4:5001"),
        (CLUSTER, "registry.metrics_address", ""),
        (ALONE, "edge.nodes", ["172.30.0.11", "172.30.0.21", "172.30.0.22"]),
        (CLUSTER, "edge.nodes", []),
        (ALONE, "proxy.monitoring_network", "monitoring"),
        (ALONE, "proxy.trusted_addresses", ["172.30.0.3"]),
        (ALONE, "proxy.host_addresses", ["172.30.0.1"]),
        (CLUSTER, "proxy.trusted_addresses", []),
        (CLUSTER, "proxy.host_addresses", []),
        (ALONE, "proxy.managers", 1),
        (CLUSTER, "proxy.managers", 3),
        (ALONE, "due", {"registry": False, "proxy": False, "jenkins": False}),
        (ALONE, "authorities", []),
    ],
)
def test_what_is_worked_out_once(name: str, path: str, value: Any) -> None:
    found: Any = views(name)
    for part in path.split("."):
        found = found[part]
    assert found == value


def test_nodes_as_the_swarm_calls_them() -> None:
    found = views(DEAD)
    assert [node["name"] for node in found["swarm_nodes"]] == [node["hostname"] for node in found["nodes"]]
    assert [node["host"] for node in found["answering_nodes"]] == ["vm2", "vm3"]


@pytest.mark.parametrize(
    ("due", "wanted"),
    [
        (["ca"], ["registry"]),
        (["registry"], ["registry"]),
        (["proxy", "jenkins"], ["jenkins", "proxy"]),
    ],
)
def test_which_certificates_are_due(due: list[str], wanted: list[str]) -> None:
    scenario = Scenario()
    inputs, _problems = scenario.inputs()
    resolved = resolve(inputs)
    resolved["certificates"] = {
        "ca": {"due": False, "authorities": ["pem"]},
        **{name: {"due": True, "authorities": ["pem"]} for name in due},
    }
    found = with_views(resolved, ["vm1"])
    assert sorted(name for name, is_due in found["due"].items() if is_due) == wanted
    assert found["authorities"] == ["pem"]
