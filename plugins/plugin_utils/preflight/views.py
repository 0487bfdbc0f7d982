# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Views of the fact ``platform``: what plays ask of it, each by one path. Nothing in them is new. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.routes import other_hosts

Node = Mapping[str, Any]
# What VXLAN takes of each packet of an overlay network.
VXLAN_BYTES = 50


def with_views(platform: Mapping[str, Any], docker_hosts: Iterable[str]) -> dict[str, Any]:
    """The fact, as ``resolve`` has worked it out, with its views."""
    nodes, manager = platform["nodes"], platform["manager"]
    registry, edge, metrics = platform["registry"], platform["edge"], platform["registry"]["metrics"]
    certificates = platform["certificates"]
    due = {name for name, found in certificates.items() if found.get("due")}
    return {
        **platform,
        "hosts": {host: _host(platform, host) for host in docker_hosts},
        "swarm_nodes": _as_the_swarm_calls_them(nodes),
        "answering_nodes": _as_the_swarm_calls_them(node for node in nodes if node["host"] in platform["answering"]),
        "node_hosts": list(dict.fromkeys(node["host"] for node in nodes if node["host"] in platform["answering"])),
        "manager_sockets": list(
            dict.fromkeys(
                node["socket"] for node in (manager, *_managers(nodes)) if manager and node["host"] == manager["host"]
            )
        ),
        "entry_address": edge["ip"] or manager.get("address", ""),
        "network_mtu": platform["mtu"] - VXLAN_BYTES,
        "other_hosts": other_hosts(platform),
        "node_daemon": {
            "bip": platform["node_bridge"],
            "default-address-pools": [{"base": platform["node_pool"], "size": 24}],
        },
        "due": {"registry": bool(due & {"ca", "registry"}), "proxy": "proxy" in due, "jenkins": "jenkins" in due},
        "authorities": certificates.get("ca", {}).get("authorities", []),
        "registry": {
            **registry,
            "addresses": {registry["name"]: registry["ip"]},
            "metrics_address": f"{metrics['address']}:{metrics['port']}" if metrics else "",
        },
        "edge": {**edge, "nodes": [node["address"] for node in nodes if node["driver"] == "dind"]},
        "proxy": {
            **platform["proxy"],
            "monitoring_network": "monitoring" if platform["monitoring"]["enabled"] else "",
            "trusted_addresses": [edge["ip"]] if edge["ip"] else [],
            "host_addresses": [platform["gateway"]] if edge["ip"] else [],
            # Those that run tasks.
            "managers": sum(node["availability"] == "active" for node in _managers(nodes)),
        },
    }


def _host(platform: Mapping[str, Any], host: str) -> dict[str, Any]:
    """What a docker host is to the platform."""
    nodes = [node for node in platform["nodes"] if node["host"] == host]
    dind = [node for node in nodes if node["driver"] == "dind"]
    registry, jenkins = platform["registry"]["host"], platform["jenkins"]
    is_jenkins = host == jenkins["host"]
    is_apart = is_jenkins and jenkins["apart"]
    # The nodes' and the registry's; hosts that are nodes themselves have no need of one.
    has_network = bool(dind) or host == registry
    return {
        "nodes": nodes,
        "dind_nodes": dind,
        "sockets": {node["name"]: node["socket"] for node in nodes},
        "is_manager": host == platform["manager"].get("host"),
        "is_registry": host == registry,
        "is_edge": host == platform["edge"]["host"],
        "is_jenkins": is_jenkins,
        "has_network": has_network,
        "has_images": has_network or is_jenkins,
        # The machine of Jenkins gets what runs there, and has no need of the registry.
        "images": {
            "names": ["node", "proxy", *jenkins["images"]] if is_apart else [],
            "registry_address": "" if is_apart else platform["registry"]["address"],
        },
    }


def _managers(nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node["role"] == "manager"]


def _as_the_swarm_calls_them(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    return [{**node, "name": node["hostname"]} for node in nodes]
