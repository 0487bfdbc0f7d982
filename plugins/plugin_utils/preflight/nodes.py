# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Groups, managers and nodes: who is what, where, and by which address others reach it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import (
    DOCKER_HOSTS,
    EDGE_OFFSET,
    GATEWAY_OFFSET,
    MANAGERS,
    NODE_PREFIX,
    REGISTRY,
    REGISTRY_OFFSET,
    WORKERS,
    Inventory,
    Node,
    address_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import RESERVED_LABELS
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import registry_metrics
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import HostFacts, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Harmless, Problem, listed, show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import MACHINE, SITE

RESERVED_NODES = ("registry", "edge", "jenkins")
NODE_NAME_MAX = 57
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")


def check_quorum(inputs: PreflightInput) -> Iterator[Problem]:
    managers = inputs.raw.group(MANAGERS)
    if not managers:
        yield Problem("inventory", f"group {MANAGERS}", "", "has no host", "put one node in it, or three")
    elif len(managers) % 2 == 0:
        problem = f"{len(managers)} managers survive no more failures than {len(managers) - 1}"
        cure = f"{len(managers) - 1} or {len(managers) + 1}: an odd number"
        yield Problem("inventory", f"group {MANAGERS}", listed(managers), problem, cure, SITE)
    for name in managers:
        if name in inputs.raw.group(WORKERS):
            cure = f"leave it in one of them (a manager takes tasks too, unless {NODE_PREFIX}availability is drain)"
            yield Problem(name, f"group {WORKERS}", Harmless(name), f"is in {MANAGERS} too", cure)


def check_groups(inputs: PreflightInput) -> Iterator[Problem]:
    inventory = inputs.inventory
    if not inventory.docker_hosts:
        yield Problem("inventory", f"group {DOCKER_HOSTS}", "", "has no host", "put the machine (or machines) in it")
    hosts = inventory.registry_hosts
    if not hosts:
        yield Problem("inventory", f"group {REGISTRY}", "", "has no host", "put one docker host in it")
    elif len(hosts) > 1:
        yield Problem("inventory", f"group {REGISTRY}", listed(hosts), "has more than one host", "leave one")
    for host in hosts:
        if inventory.docker_hosts and host not in inventory.docker_hosts:
            problem = f"is not in {DOCKER_HOSTS}"
            cure = f"one of: {', '.join(inventory.docker_hosts)}"
            yield Problem(host, f"group {REGISTRY}", Harmless(host), problem, cure)
        elif (places := _places(inventory)) and host not in places:
            problem = "is another docker host than the nodes', which are containers and reach nothing on it"
            yield Problem(host, f"group {REGISTRY}", Harmless(host), problem, f"the nodes' own: {listed(places)}")
    names = {node.name for node in inventory.nodes}
    for host, variables in inputs.raw.hosts.items():
        # Given for all hosts, it is meant for the nodes among them.
        own = sorted(name for name in variables if name.startswith(NODE_PREFIX) and name in ("swarm_node_host",))
        if own and host not in names:
            cure = f"put {host} in {MANAGERS} or {WORKERS}"
            yield Problem(host, own[0], variables[own[0]], "is set, but the host is not a node", cure)


def _places(inventory: Inventory) -> list[str]:
    """The docker hosts of the nodes that are containers."""
    return sorted({node.host for node in inventory.nodes if node.driver == "dind"} & set(inventory.docker_hosts))


def check_nodes(inputs: PreflightInput) -> Iterator[Problem]:
    for node in inputs.inventory.nodes:
        check_own = _check_nested_node if node.driver == "dind" else _check_engine_node
        yield from check_own(inputs, node)
        yield from _check_node_daemon(inputs, node)
        yield from _check_labels(node)
    yield from _check_availability(inputs.inventory.nodes)
    yield from _check_one_driver(inputs.inventory.nodes)
    yield from _check_one_docker_host(inputs.inventory)


def _check_engine_node(inputs: PreflightInput, node: Node) -> Iterator[Problem]:
    """A machine that is a node itself."""
    variable = f"{NODE_PREFIX}host"
    given = inputs.raw.hosts.get(node.name, {}).get(variable)
    if not given and node.name not in inputs.inventory.docker_hosts:
        problem = f"is a node that is its own engine, but not in {DOCKER_HOSTS}"
        cure = f"put it in {DOCKER_HOSTS}, or give it {variable} if it is to be a container"
        yield Problem(node.name, variable, "", problem, cure)
    if given and given != node.name:
        problem = "is set, but the driver engine means the host itself"
        told = Harmless(given) if isinstance(given, str) and given in inputs.raw.hosts else given
        yield Problem(node.name, variable, told, problem, "take one of the two away")
    if bytes_of(node.memory) or node.cpus:
        limit, value = ("cpus", node.cpus) if node.cpus else ("memory", node.memory)
        problem = "limits only nodes that are containers"
        yield Problem(node.name, f"{NODE_PREFIX}{limit}", value, problem, "take it away")


def _check_labels(node: Node) -> Iterator[Problem]:
    for key in node.labels:
        if not LABEL.fullmatch(key):
            cure = "letters, digits, dots, hyphens, slashes"
            yield Problem(node.name, f"{NODE_PREFIX}labels", show_key(key), "is not a label's name", cure)
        elif key.startswith(RESERVED_LABELS):
            problem = "is a label that the platform itself sets"
            yield Problem(node.name, f"{NODE_PREFIX}labels", show_key(key), problem, "another name, as disk")


def _check_availability(nodes: Sequence[Node]) -> Iterator[Problem]:
    if nodes and not any(node.availability == "active" for node in nodes):
        names = listed(node.name for node in nodes)
        cure = "active for one at least"
        yield Problem("inventory", f"{NODE_PREFIX}availability", names, "no node takes tasks", cure)


def _check_one_driver(nodes: Sequence[Node]) -> Iterator[Problem]:
    drivers = ("dind", "engine")
    first = {node.driver: node.name for node in reversed(nodes)}
    if all(driver in first for driver in drivers):
        problem = f"is dind for {first['dind']} and engine for {first['engine']}: they can't reach each other"
        yield Problem("inventory", f"{NODE_PREFIX}driver", listed(drivers), problem, "one driver for all nodes")


def _check_one_docker_host(inventory: Inventory) -> Iterator[Problem]:
    places = _places(inventory)
    if len(places) > 1:
        problem = "nodes that are containers can't reach those of another docker host"
        cure = "one docker host for all of them, or the driver engine"
        yield Problem("inventory", f"{NODE_PREFIX}host", listed(places), problem, cure)


def _check_node_daemon(inputs: PreflightInput, node: Node) -> Iterator[Problem]:
    """An engine that leaves its containers alone when it stops can't be in a swarm, and does not start in one."""
    variable = "docker_engine_daemon" if node.driver == "engine" else "swarm_node_daemon"
    daemon = inputs.raw.hosts.get(node.name if node.driver == "engine" else node.host, {}).get(variable)
    if isinstance(daemon, Mapping) and daemon.get("live-restore"):
        problem = "has live-restore, with which no engine is in a swarm"
        yield Problem(node.name, variable, HIDDEN, problem, "take it away: a swarm starts its tasks elsewhere")


def _check_nested_node(inputs: PreflightInput, node: Node) -> Iterator[Problem]:
    hosts = inputs.inventory.docker_hosts
    if not node.host:
        cure = f"name its docker host: {', '.join(hosts) or 'one of ' + DOCKER_HOSTS}"
        yield Problem(node.name, f"{NODE_PREFIX}host", "", "is missing for a node with the driver dind", cure)
    elif node.host not in hosts:
        near = nearest(node.host, hosts)
        cure = f"did you mean {near}?" if near else f"one of: {', '.join(hosts) or '(the group is empty)'}"
        yield Problem(node.name, f"{NODE_PREFIX}host", node.host, f"is not in {DOCKER_HOSTS}", cure)
    if not NODE_NAME.fullmatch(node.name):
        cure = "lower case letters, digits and hyphens"
        yield Problem(node.name, "inventory host", Harmless(node.name), "can't be a container's host name", cure)
    # By the proxy's task on it: proxy-<node>.
    elif len(node.name) > NODE_NAME_MAX:
        problem = f"is longer than {NODE_NAME_MAX}: proxy-{node.name[:8]}... would be no host name"
        yield Problem(node.name, "inventory host", Harmless(node.name), problem, "a shorter name")
    if node.name.startswith(("registry-", "jenkins-")) or node.name in RESERVED_NODES:
        problem = "is the name of another container of the platform"
        yield Problem(node.name, "inventory host", Harmless(node.name), problem, "another name, as manager1 or worker1")


def check_node_addresses(inputs: PreflightInput) -> Iterator[Problem]:
    inventory = inputs.inventory
    subnet, variable = inventory.subnet, f"{NODE_PREFIX}address"
    taken = {
        inventory.offset(GATEWAY_OFFSET): "the gateway",
        inventory.offset(REGISTRY_OFFSET): "the registry",
        inventory.offset(EDGE_OFFSET): "the edge",
        **({metrics["address"]: "the registry's figures"} if (metrics := registry_metrics(inventory, [])) else {}),
    }
    seen: dict[str, str] = {}
    names: dict[str, str] = {}
    for node in inventory.nodes:
        name = node.name.lower()
        if name in names:
            problem = f"has the same name as {names[name]}"
            yield Problem(node.name, "inventory host", Harmless(node.name), problem, "another name")
        names.setdefault(name, node.name)
        if not node.address:
            if node.driver == "dind" and not inputs.raw.hosts.get(node.name, {}).get(variable):
                example = inventory.offset(11) or "172.30.0.11"
                yield Problem(node.name, variable, "", "is missing", f"an address of {subnet}, as {example}")
            continue
        address = address_of(node.address)
        if address is None:
            yield Problem(node.name, variable, node.address, "is not an IPv4 address", "as 172.30.0.11")
            continue
        if str(address) in seen:
            problem = f"is the address of {seen[str(address)]} too"
            yield Problem(node.name, variable, node.address, problem, "give each node its own")
        seen.setdefault(str(address), node.name)
        if node.driver == "engine":
            facts = inputs.looks.get(node.host, HostFacts()).facts
            if facts and facts["addresses"] and str(address) not in facts["addresses"]:
                cure = f"one of: {', '.join(facts['addresses'])}"
                yield Problem(node.name, variable, node.address, "is not an address of this machine", cure, MACHINE)
        elif subnet is None:
            continue
        elif address not in subnet:
            cure = f"an address of {subnet}, or another platform_subnet"
            yield Problem(node.name, variable, node.address, f"is outside platform_subnet {subnet}", cure)
        elif str(address) in taken:
            cure = f"another one, as {inventory.offset(11)}"
            yield Problem(node.name, variable, node.address, f"is the address of {taken[str(address)]}", cure)
        elif address in (subnet.network_address, subnet.broadcast_address):
            cure = f"another one, as {inventory.offset(11)}"
            yield Problem(node.name, variable, node.address, f"is not a machine's address in {subnet}", cure)
