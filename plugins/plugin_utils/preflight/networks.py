# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's networks, and what the docker hosts' networks and routes leave of them."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils import jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Inventory, address_of, bridge_network
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import (
    SITES,
    is_site_network,
    network_of,
    why_no_site_network,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.daemon import why_no_address_pool
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import METRICS_NETWORKS, registry_metrics
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Harmless, Problem, listed, such_as

# How far is looked for one that is free.
TRIED = 1000

# What the proxy, the apps and Prometheus are on.
APPS_NETWORK = "public"

# What the platform takes where nobody says otherwise (roles/preflight/meta/argument_specs.yml).
ADDRESS_PLAN = {
    "platform_subnet": "172.30.0.0/24",
    "platform_overlay_pool": "10.100.0.0/16",
    "platform_node_pool": "10.200.0.0/16",
    "platform_node_bridge": "10.199.0.1/24",
}


def check_addresses_plan(inputs: PreflightInput) -> Iterator[Problem]:
    """The subnets, in themselves and among each other."""
    networks: dict[str, ipaddress.IPv4Network] = {}
    for variable in ("platform_subnet", "platform_overlay_pool", "platform_node_pool"):
        example = ADDRESS_PLAN[variable]
        value = str(inputs.variable(variable))
        network = network_of(value)
        if network is None or why_no_site_network(value):
            continue
        wanted = _overlay_networks(inputs)
        if variable == "platform_overlay_pool" and wanted > 2 ** (24 - network.prefixlen):
            problem = f"has no room for {wanted} subnets of /24: swarm's own, the proxy's, the monitoring's, each app's"
            yield Problem(ALL_HOSTS, variable, value, problem, f"as {example}")
        elif variable == "platform_node_pool" and network.prefixlen > 23:
            yield Problem(ALL_HOSTS, variable, value, "has no room for several /24 subnets", f"as {example}")
        elif network.prefixlen > 28:
            yield Problem(ALL_HOSTS, variable, value, "has no room for the nodes", f"as {example}")
        else:
            networks[variable] = network
    bridge, value = _bridge_network(inputs), str(inputs.variable("platform_node_bridge"))
    if bridge is None:
        yield Problem(ALL_HOSTS, "platform_node_bridge", value, "is not an address with prefix", "as 10.199.0.1/24")
    elif not is_site_network(bridge):
        yield Problem(ALL_HOSTS, "platform_node_bridge", value, "is not private", "as 10.199.0.1/24")
    elif bridge.prefixlen > 30 or address_of(value.partition("/")[0]) in (
        bridge.network_address,
        bridge.broadcast_address,
    ):
        problem = f"is not a machine's address in {bridge}"
        yield Problem(ALL_HOSTS, "platform_node_bridge", value, problem, "as 10.199.0.1/24")
    else:
        networks["platform_node_bridge"] = bridge
    yield from _check_engine_networks(inputs, networks)
    for pair in itertools.combinations(networks, 2):
        # What the operator has chosen is told, rather than a default.
        name, other = sorted(pair, key=lambda one: str(inputs.variable(one)) == ADDRESS_PLAN[one])
        if networks[name].overlaps(networks[other]):
            problem = f"overlaps {other} {networks[other]}"
            yield Problem(ALL_HOSTS, name, str(networks[name]), problem, "choose a network apart from it")


def _check_engine_networks(inputs: PreflightInput, networks: Mapping[str, ipaddress.IPv4Network]) -> Iterator[Problem]:
    """The network that a docker host's own engine takes before any of ours: its bridge's."""
    names = list(networks) if inputs.inventory.is_nested else ["platform_overlay_pool"]
    for host in inputs.inventory.docker_hosts:
        if jenkins.is_dedicated_host(inputs.inventory, host):
            continue
        for variable, bridge in _bridges_asked_for(inputs.raw.hosts.get(host, {})):
            for name in names:
                if bridge and name in networks and bridge.overlaps(networks[name]):
                    problem = f"gives the engine's own bridge {bridge}, which overlaps {name} {networks[name]}"
                    yield Problem(host, variable, HIDDEN, problem, "choose a network apart from it")


def _bridges_asked_for(variables: Mapping[str, Any]) -> Iterator[tuple[str, ipaddress.IPv4Network | None]]:
    daemon, pools = variables.get("docker_engine_daemon"), variables.get("docker_engine_address_pools")
    if isinstance(daemon, Mapping) and daemon.get("bip"):
        yield "docker_engine_daemon", bridge_network(daemon["bip"])
        return
    for variable, given in (
        ("docker_engine_daemon", daemon.get("default-address-pools") if isinstance(daemon, Mapping) else None),
        ("docker_engine_address_pools", pools),
    ):
        # The first of them, unless another one says otherwise.
        if isinstance(given, list) and given and not why_no_address_pool(given[0]):
            base = network_of(given[0]["base"])
            yield variable, base and ipaddress.IPv4Network((base.network_address, given[0]["size"]))
            return


def _overlay_networks(inputs: PreflightInput) -> int:
    """How many networks of the pool the swarm has at least: ingress, the one that all apps share, and stacks' own."""
    return 3 + bool(inputs.variable("monitoring_enabled")) + len(inputs.inventory.apps)


def _bridge_network(inputs: PreflightInput) -> ipaddress.IPv4Network | None:
    return bridge_network(inputs.variable("platform_node_bridge"))


def check_routes(inputs: PreflightInput) -> Iterator[Problem]:
    """Our networks against what the docker hosts use already."""
    for host, facts in inputs.facts():
        if not jenkins.is_dedicated_host(inputs.inventory, host):
            yield from _check_overlaps(inputs, host, facts)
            yield from _check_own_network(inputs.inventory, host, facts["docker"]["networks"])
            yield from _check_figures_network(inputs.inventory, host, facts["docker"]["networks"])


def _check_overlaps(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    owners = {subnet: network for network in facts["docker"]["networks"] for subnet in network["subnets"]}
    held = sorted(_held(facts, owners))
    for variable, network in _wanted_networks(inputs):
        for cidr in held:
            route, owner = network_of(cidr), owners.get(cidr)
            if route is None or not network.overlaps(route) or _is_expected(inputs.inventory, variable, owner):
                continue
            holder = "a route of the machine" if "/" in cidr else "an address of the machine"
            holder = f"docker network {owner['name']}" if owner else holder
            problem = f"overlaps {cidr} on {host} ({holder})"
            cure = f"choose a network that no docker host uses{such_as(_free_network(inputs, network))}"
            cure += ", or remove that one" if owner else ""
            yield Problem(ALL_HOSTS, variable, str(network), problem, cure)


def _held(facts: Mapping[str, Any], owners: Iterable[str]) -> set[str]:
    """What a docker host uses: its routes, its docker networks' subnets, and its addresses that are in none of them."""
    held = {*facts["routes"], *owners}
    networks = [network for network in map(network_of, held) if network]
    return held | {
        address
        for address in facts["addresses"]
        if not any(ipaddress.IPv4Address(address) in network for network in networks)
    }


def _wanted_networks(inputs: PreflightInput) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    """What a docker host is to leave to us. What can't be read is told as that."""
    wanted = {"platform_overlay_pool": network_of(inputs.variable("platform_overlay_pool"))}
    if inputs.inventory.is_nested:
        wanted |= {
            "platform_subnet": inputs.inventory.subnet,
            "platform_node_pool": network_of(inputs.variable("platform_node_pool")),
            "platform_node_bridge": _bridge_network(inputs),
        }
    return ((variable, network) for variable, network in wanted.items() if network is not None)


def _is_expected(inventory: Inventory, variable: str, owner: Mapping[str, Any] | None) -> bool:
    """Whether a docker network is one that the platform itself has there."""
    if owner is None:
        return False
    if variable == "platform_subnet" and _is_ours(inventory, owner):
        return True
    # The swarm's own networks are those of the pool.
    return bool(not inventory.is_nested and owner["scope"] == "swarm")


def _check_own_network(inventory: Inventory, host: str, networks: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """The platform's network that is there already has the subnet that it is to have."""
    if not inventory.is_nested or not inventory.subnet:
        return
    for network in networks:
        if _is_ours(inventory, network) and str(inventory.subnet) not in network["subnets"]:
            problem = f"is {listed(network['subnets'])} on {host}: the nodes' addresses are part of the swarm's state"
            cure = "set it back, or reset the platform first"
            yield Problem(ALL_HOSTS, "platform_subnet", str(inventory.subnet), problem, cure)


def _check_figures_network(inventory: Inventory, host: str, networks: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """There is a network left for the registry's figures, where they are wanted."""
    wants_figures = host in inventory.registry_hosts and registry_metrics(inventory, [])
    if wants_figures and not registry_metrics(inventory, networks):
        problem = f"needs a /29 of {METRICS_NETWORKS} on {host}, and docker networks have them all"
        yield Problem(ALL_HOSTS, "monitoring_enabled", Harmless("true"), problem, "remove one of them, or false")


def _free_network(inputs: PreflightInput, like: ipaddress.IPv4Network) -> ipaddress.IPv4Network | None:
    """The next network of the same size that neither a docker host nor the inventory uses."""
    used = {cidr for _host, facts in inputs.facts() for cidr in facts["routes"]}
    used |= {
        subnet for _host, facts in inputs.facts() for one in facts["docker"]["networks"] for subnet in one["subnets"]
    }
    used |= {str(inputs.variable(name)) for name in ("platform_subnet", "platform_overlay_pool", "platform_node_pool")}
    used |= {str(_bridge_network(inputs)), str(inputs.variable("jenkins_subnet"))}
    taken = [network for network in map(network_of, used) if network]
    for site in SITES:
        if like.subnet_of(site):
            starts = range(int(like.network_address), int(site.broadcast_address), like.num_addresses)
            near = (ipaddress.IPv4Network((start, like.prefixlen)) for start in starts[:TRIED])
            return next((one for one in near if not any(one.overlaps(other) for other in taken)), None)
    return None


def _is_ours(inventory: Inventory, network: Mapping[str, Any]) -> bool:
    return bool(network["platform"] == inventory.name and network["name"] == inventory.name)
