"""What monitoring asks of the rest of the platform."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Inventory, Node
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import (
    certificate_addresses,
    elasticsearch_logins,
    host_nodes,
    monitoring_routes,
    registry_metrics,
    wanted_hosts,
    wanted_images,
)

BASIC = ("prometheus", "alertmanager", "grafana", "node-exporter", "blackbox-exporter", "swarm-exporter")
VARIABLES = {
    "monitoring_enabled": True,
    "monitoring_hosts": {},
    "monitoring_mysql_endpoints": [],
    "monitoring_elasticsearch_urls": [],
}


@pytest.mark.parametrize(
    ("changes", "images"),
    [
        ({}, BASIC),
        ({"monitoring_enabled": False, "monitoring_mysql_endpoints": [{}]}, ()),
        ({"monitoring_mysql_endpoints": [{}]}, (*BASIC, "mysqld-exporter")),
        ({"monitoring_elasticsearch_urls": ["http://a"]}, (*BASIC, "elasticsearch-exporter")),
    ],
)
def test_wanted_images(changes: dict[str, Any], images: tuple[str, ...]) -> None:
    assert wanted_images({**VARIABLES, **changes}) == images


@pytest.mark.parametrize(
    ("changes", "hosts"),
    [
        ({}, {}),
        ({"monitoring_hosts": {"grafana": "g.example", "prometheus": ""}}, {"grafana": "g.example"}),
        ({"monitoring_enabled": False, "monitoring_hosts": {"grafana": "g.example"}}, {}),
    ],
)
def test_wanted_hosts(changes: dict[str, Any], hosts: dict[str, str]) -> None:
    assert wanted_hosts({**VARIABLES, **changes}) == hosts


def node(name: str, host: str, role: str) -> Node:
    return Node(name, host, "dind", role, "", "", "")


def network(name: str, *subnets: str) -> dict[str, Any]:
    return {"name": name, "subnets": list(subnets)}


FIRST, SECOND = "169.254.92.192/29", "169.254.92.200/29"
LAST_THREE_QUARTERS = ("169.254.80.0/20", "169.254.96.0/19")


@pytest.mark.parametrize(
    ("changes", "driver", "networks", "subnet"),
    [
        ({}, "dind", [], FIRST),
        ({"platform_name": "other"}, "dind", [], "169.254.127.208/29"),
        # What is there already stays, whatever the name would say now.
        ({}, "dind", [network("fungap-registry-metrics", "169.254.70.8/29"), network("x", FIRST)], "169.254.70.8/29"),
        ({}, "dind", [network("shop", "172.18.0.0/16", FIRST)], SECOND),
        ({}, "dind", [network("v6", "fd00::/64")], FIRST),
        ({}, "dind", [network("wide", *LAST_THREE_QUARTERS)], "169.254.64.0/29"),
        ({}, "dind", [network("wide", "169.254.0.0/16")], None),
        ({}, "engine", [], None),
        ({"monitoring_enabled": False}, "dind", [], None),
    ],
)
def test_where_the_registry_shows_its_figures(
    changes: dict[str, Any], driver: str, networks: list[dict[str, Any]], subnet: str | None
) -> None:
    variables = {**VARIABLES, "platform_name": "fungap", "platform_subnet": "172.30.0.0/24", **changes}
    inventory = Inventory(variables, (Node("n", "vm1", driver, "manager", "", "", ""),), ("vm1",), ("vm1",), {}, (), "")
    found = registry_metrics(inventory, networks)
    if subnet is None:
        assert found == {}
        return
    addresses = ipaddress.IPv4Network(subnet)
    assert found == {
        "port": 5001,
        "address": "172.30.0.4",
        "subnet": subnet,
        "registry_address": str(addresses[2]),
        "nginx_address": str(addresses[3]),
    }


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ([], set()),
        ([("manager1", "vm1", "manager"), ("worker1", "vm1", "worker")], {"manager1"}),
        ([("worker1", "vm1", "worker"), ("manager1", "vm1", "manager")], {"manager1"}),
        ([("vm1", "vm1", "manager"), ("vm2", "vm2", "worker")], {"vm1", "vm2"}),
    ],
)
def test_each_docker_host_is_measured_once(nodes: list[tuple[str, str, str]], names: set[str]) -> None:
    assert host_nodes(node(*one) for one in nodes) == names


def test_routes_are_behind_a_login_and_lead_to_what_there_is() -> None:
    platform = {"monitoring": {"enabled": True, "hosts": {"prometheus": "p.example", "grafana": "g.example"}}}
    assert monitoring_routes(platform, {"prometheus": {}}) == [
        {
            "name": "monitoring-prometheus",
            "hosts": ["p.example"],
            "upstream": "tasks.monitoring_prometheus",
            "port": 9090,
            "source": "monitoring_hosts.prometheus",
            "auth": True,
        }
    ]


@pytest.mark.parametrize(
    ("url", "bare", "login"),
    [
        ("http://search:9200", "http://search:9200", "\n\n"),
        ("https://me@search/", "https://search/", "me\n\n"),
        ("https://me:p%40'$x@search:1/a", "https://search:1/a", "me\np@'$x\n"),
    ],
)
def test_elasticsearch_logins(url: str, bare: str, login: str) -> None:
    assert elasticsearch_logins([url]) == [{"name": "elasticsearch-1", "url": bare, "login": login}]


def test_the_playbook_for_images_brings_those_of_the_monitoring() -> None:
    playbook = Path(__file__).resolve().parents[2] / "playbooks" / "images.yml"
    roles = yaml.safe_load(playbook.read_text())[0]["roles"]
    assert tuple(next(role["vars"]["__monitoring"] for role in roles if "vars" in role)) == BASIC


@pytest.mark.parametrize(
    ("jenkins", "address", "found"),
    [
        ({"host": ""}, "", []),
        ({"bind_address": "0.0.0.0"}, "192.0.2.9", ["192.0.2.9:8443"]),
        ({"bind_address": "198.51.100.9"}, "192.0.2.9", ["198.51.100.9:8443"]),
        # Nobody but the machine itself gets there, or nobody knows where it is.
        ({"bind_address": "127.0.0.1"}, "192.0.2.9", []),
        ({"bind_address": "0.0.0.0"}, "", []),
    ],
)
def test_certificates_are_asked_for_where_the_nodes_get_to(
    jenkins: dict[str, Any], address: str, found: list[str]
) -> None:
    platform = {
        "registry": {"name": "registry", "ip": "172.30.0.2", "port": 5000},
        "jenkins": {"host": "vm9", "name": "ci.example.com", "https_port": 8443, **jenkins},
    }
    assert certificate_addresses(platform, address) == [
        {"name": "registry", "address": "172.30.0.2:5000"},
        *({"name": "ci.example.com", "address": one} for one in found),
    ]
