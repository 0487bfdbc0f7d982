# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fact ``platform``: an inventory with everything worked out."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils import acme, cron, jenkins, renewal
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import catalog_images
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import (
    EDGE_OFFSET,
    GATEWAY_OFFSET,
    REGISTRY_OFFSET,
    address_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import (
    HOST_LABEL,
    host_nodes,
    registry_metrics,
    wanted_hosts,
    wanted_images,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.apps import resolved_apps
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    FileContent,
    HostFacts,
    PreflightInput,
    file_path,
    proxy_certificate_file,
    seen_file,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.placement import swarm_name
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.ports import registry_name, registry_port_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.records import controllers_memory, to_record
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.registry import registry_ip
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.verdict import silent


def resolve(inputs: PreflightInput, *, starts_all: bool = False) -> dict[str, Any]:
    """The fact ``platform`` of an inventory that nothing blocks.

    ``starts_all``: the run brings up every manager, so that the first of them is asked, whether it answers now or not.
    """
    inventory = inputs.inventory
    # What the nodes' networks can do, the machine of Jenkins says nothing of.
    facts = {host: fact for host, fact in inputs.facts() if not jenkins.is_dedicated_host(inventory, host)}
    monitoring = wanted_images(inventory.variables)
    nodes = _resolve_nodes(inputs, facts)
    edge_host = next((node.host for node in inventory.nodes if node.driver == "dind"), "")
    manager = _manager(inputs, nodes)
    shared_images = jenkins.shared_images(inventory, inputs.images)
    memory_file, remembered, _broken = controllers_memory(inputs)
    return {
        "name": inventory.name,
        **{key: inputs.variable(f"platform_{key}") for key in ("subnet", "overlay_pool", "node_pool", "node_bridge")},
        **{
            key: posixpath.normpath(inputs.variable(f"platform_{key}"))
            for key in ("config_dir", "run_dir", "secrets_dir")
        },
        "memory_file": memory_file,
        "record": to_record(inputs) if inputs.said else "",
        "remembered": [asdict(memory) for memory in remembered],
        "gateway": inventory.offset(GATEWAY_OFFSET),
        "mtu": min((fact["mtu"] for fact in facts.values()), default=1500),
        "ipvs": bool(facts) and all(fact["kernel"]["ipvs"] for fact in facts.values()),
        "nodes": nodes,
        "manager": _first_manager(nodes) if starts_all else manager,
        "answering": [host for host, _facts in inputs.facts()],
        "silent": silent(inputs),
        "registry": _resolve_registry(inputs, facts),
        "monitoring": {
            "enabled": bool(monitoring),
            "images": list(monitoring),
            "hosts": wanted_hosts(inventory.variables),
        },
        "edge": {"host": edge_host, "ip": inventory.offset(EDGE_OFFSET) if edge_host else ""},
        "proxy": _resolve_proxy(inputs, _proxy_address(inputs, edge_host, str(manager.get("address", "")))),
        "trusted_ca_files": _trusted_ca_files(inputs),
        "jenkins": _resolve_jenkins(inputs),
        "certificates": _resolve_certificates(inputs),
        # Of the image catalog, where nodes and registry are.
        "optional_images": list(
            dict.fromkeys(
                (
                    *(["node"] if inventory.is_nested or shared_images else []),
                    *monitoring,
                    *cron.wanted_images(inventory.apps.values()),
                    *acme.wanted_images(inventory.variables),
                    *shared_images,
                )
            )
        ),
        "apps": resolved_apps(inventory),
        "required_images": list(
            dict.fromkeys(image for app in inventory.apps.values() for image in catalog_images(app).values())
        ),
    }


def _resolve_nodes(inputs: PreflightInput, facts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    inventory = inputs.inventory
    measured = host_nodes(inventory.nodes) if wanted_images(inventory.variables) else frozenset()
    return [
        {
            "name": node.name,
            "host": node.host,
            "driver": node.driver,
            "role": node.role,
            "hostname": swarm_name(node, facts.get(node.host, {})),
            "address": node.address or facts.get(node.host, {}).get("address", ""),
            "socket": node.socket,
            "container": node.container,
            "labels": {**node.labels, **({HOST_LABEL: "true"} if node.name in measured else {})},
            "availability": node.availability,
            "cpus": node.cpus,
            "memory": node.memory,
        }
        for node in inventory.nodes
    ]


def _resolve_registry(inputs: PreflightInput, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    inventory, host = inputs.inventory, inputs.inventory.registry_hosts[0]
    return {
        "host": host,
        "address": inputs.variable("registry_address"),
        "name": registry_name(inputs),
        "port": registry_port_of(str(inputs.variable("registry_address"))),
        "ip": registry_ip(inputs),
        # In the platform's own bridge; without nodes there, clients come by the docker host's address.
        "container_ip": inventory.offset(REGISTRY_OFFSET),
        "bind_address": "" if inventory.is_nested else registry_ip(inputs),
        "metrics": registry_metrics(inventory, facts.get(host, {}).get("docker", {}).get("networks", [])),
    }


def _resolve_proxy(inputs: PreflightInput, address: str) -> dict[str, Any]:
    folder = inputs.inventory.inventory_dir
    return {
        **{key: inputs.variable(f"proxy_{key}") for key in ("http_port", "https_port", "bind_address")},
        "address": address,
        **{
            key: file_path(folder, name) if (name := str(inputs.variable(f"proxy_{key}"))) else ""
            for key in ("certificate_file", "certificate_key_file")
        },
        "acme": _resolve_acme(inputs),
    }


def _resolve_acme(inputs: PreflightInput) -> dict[str, Any]:
    given = inputs.variable("proxy_acme")
    file = seen_file(inputs, str(given["ca_file"])) if given.get("ca_file") else None
    return acme.resolve_acme(given, file.content.decode(errors="replace") if file else "")


def _trusted_ca_files(inputs: PreflightInput) -> dict[str, list[str]]:
    """Docker host -> files: those that the inventory names; without any, those that the machine itself trusts."""
    given = inputs.variable("platform_trusted_ca_files")
    return {host: list(given or fact["trusted_ca_files"]) for host, fact in inputs.facts()}


def _first_manager(nodes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((node for node in nodes if node["role"] == "manager"), {})


def _manager(inputs: PreflightInput, nodes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The node that whatever needs a manager asks: the first that answers, as far as its docker host can tell."""
    facts = dict(inputs.facts())

    def rank(node: Mapping[str, Any]) -> int:
        if node["host"] not in facts or inputs.looks[node["host"]].limited:
            return 2
        docker = facts[node["host"]]["docker"]
        if node["driver"] == "engine":
            return int(docker["swarm"] != "active")
        running = {one["name"] for one in docker["containers"] if one.get("state") == "running"}
        return int(node["container"] not in running)

    return min((node for node in nodes if node["role"] == "manager"), key=rank, default={})


def _proxy_address(inputs: PreflightInput, edge_host: str, manager_address: str) -> str:
    """Where the controller reaches the proxy: for the operator's first try."""
    bound = str(inputs.variable("proxy_bind_address"))
    if bound not in ("", "0.0.0.0"):
        return bound
    if not edge_host:
        return manager_address
    variables = inputs.raw.hosts.get(edge_host, {})
    if variables.get("ansible_connection") == "local":
        return "127.0.0.1"
    given = str(variables.get("ansible_host") or edge_host)
    facts = inputs.looks.get(edge_host, HostFacts()).facts or {}
    return given if address_of(given) else str(facts.get("address", ""))


def _resolve_jenkins(inputs: PreflightInput) -> dict[str, Any]:
    resolved = jenkins.resolve_jenkins(inputs.inventory, inputs.images)
    for key in ("certificate_file", "certificate_key_file"):
        if resolved.get(key):
            resolved[key] = file_path(inputs.inventory.inventory_dir, resolved[key])
    return resolved


def _resolve_certificates(inputs: PreflightInput) -> dict[str, Any]:
    """Until when they are valid, and which are to be renewed: what the docker hosts have, and the proxy's."""
    inventory = inputs.inventory
    wanted = renewal.places(
        posixpath.normpath(inputs.variable("platform_config_dir")),
        str(inputs.variable("registry_address")),
        inventory.registry_hosts[0],
        jenkins.jenkins_host(inventory) if inventory.jenkins_hosts else "",
        inventory.docker_hosts,
    )
    found = renewal.installed(wanted, {host: look.trees for host, look in inputs.looks.items()}, inputs.now)
    file = seen_file(inputs, proxy_certificate_file(inventory)) or FileContent()
    return {**found, **renewal.kept("proxy", file.content.decode(errors="replace"), inputs.now)}
