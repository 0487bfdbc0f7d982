# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports of a docker host and of the swarm: each has one holder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils import jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import published_ports
from ansible_collections.fungap.swarm.plugins.plugin_utils.app_compose import wrong_services
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Inventory, address_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import port_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import REGISTRY_METRICS_PORT
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput, is_given
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.networks import TRIED
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem, show_key, such_as
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import MACHINE

SWARM_PORTS = (2377, 7946)
OVERLAY_PORT = 4789  # udp

# Of each node (roles/proxy/templates/compose.yml.j2).
PROXY_PORTS = (80, 443)
# Where clients come to, in the same order.
CLIENTS_PORTS = ("proxy_http_port", "proxy_https_port")
# What the inventory has no variable for.
SWARM_PORT = "swarm port"
THE_REGISTRY = "the registry"
PUBLISHED = re.compile(r"(?:([0-9]+):)?([0-9]+)(?:/(tcp|udp|sctp))?")
PORT_CURE = "another port: each is published once"
PORT_KEYS = {"target", "published", "protocol", "mode"}


def check_ports(inputs: PreflightInput) -> Iterator[Problem]:
    """The ports that clients use, and what else listens on the machines that they come to."""
    if not all(1 <= inputs.variable(variable) <= 65535 for variable in CLIENTS_PORTS):
        return
    yield from _check_clients_ports(inputs)
    yield from _check_metrics_address(inputs)
    bind = str(inputs.variable("proxy_bind_address"))
    if address_of(bind) is None:
        yield Problem(ALL_HOSTS, "proxy_bind_address", bind, "is not an IPv4 address", "0.0.0.0 for every one")
        return
    for host, facts in inputs.facts():
        if _is_clients(inputs.inventory, host):
            yield from _check_bind_address(host, facts, bind)
            yield from _check_listeners(inputs, host, facts)


def _check_clients_ports(inputs: PreflightInput) -> Iterator[Problem]:
    """They differ, and are nobody else's among us."""
    http, https = (inputs.variable(variable) for variable in CLIENTS_PORTS)
    if http == https:
        cure = "two different ports, as 80 and 443"
        yield Problem(ALL_HOSTS, "proxy_https_port", str(https), "is proxy_http_port too", cure)
    for variable in CLIENTS_PORTS:
        owner = _own_ports(inputs).get((inputs.variable(variable), "tcp"))
        # A default is right: the registry's address is told.
        if owner and (owner != THE_REGISTRY or is_given(inputs, variable)):
            value = str(inputs.variable(variable))
            yield Problem(ALL_HOSTS, variable, value, f"is a port of {owner}", "another one, as 80 and 443")


def _is_clients(inventory: Inventory, host: str) -> bool:
    """Whether clients of the apps come to a docker host."""
    has_nodes = not inventory.is_nested or any(node.host == host for node in inventory.nodes)
    return has_nodes and not jenkins.is_dedicated_host(inventory, host)


def _check_bind_address(host: str, facts: Mapping[str, Any], bind: str) -> Iterator[Problem]:
    addresses = [*facts["addresses"], "127.0.0.1"]
    is_there = bind == "0.0.0.0" or bind.startswith("127.") or bind in addresses
    if facts["addresses"] and not is_there:
        cure = f"0.0.0.0, or one of: {', '.join(addresses)}"
        yield Problem(host, "proxy_bind_address", bind, "is not an address of this machine", cure, MACHINE)


def _check_listeners(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    """Nobody else listens on what is ours there."""
    for variable, port, address in _wanted_ports(inputs, host, facts):
        if holder := who_listens(inputs.inventory, facts, port, address):
            cure = f"stop it{_or_another(inputs, facts, variable, port)}"
            yield Problem(host, variable, str(port), f"the port is held by {holder}", cure, MACHINE)


def _wanted_ports(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """(variable, port, address) of what the platform listens on at a docker host."""
    inventory = inputs.inventory
    if inventory.is_nested:
        bind = str(inputs.variable("proxy_bind_address"))
        yield from ((variable, inputs.variable(variable), bind) for variable in CLIENTS_PORTS)
        return
    # A machine that is a node has no edge: the proxy's own ports are the machine's.
    yield from ((variable, port, "0.0.0.0") for variable, port in zip(CLIENTS_PORTS, PROXY_PORTS, strict=True))
    registry_port = registry_port_of(str(inputs.variable("registry_address")))
    if host in inventory.registry_hosts and registry_port:
        yield "registry_address", registry_port, "0.0.0.0"
    if facts["docker"]["swarm"] == "inactive":
        yield from ((SWARM_PORT, port, "0.0.0.0") for port in SWARM_PORTS)


def _or_another(inputs: PreflightInput, facts: Mapping[str, Any], variable: str, port: int) -> str:
    """The end of a cure that names a free port, where the inventory may choose one."""
    is_fixed = variable == SWARM_PORT or (not inputs.inventory.is_nested and variable in CLIENTS_PORTS)
    if is_fixed:
        return ""
    free = _free_port(inputs, facts, port)
    name = f"{show_key(registry_name(inputs))}:" if variable == "registry_address" else ""
    return f", or another {variable}{such_as(free and f'{name}{free}')}"


def _free_port(inputs: PreflightInput, facts: Mapping[str, Any], port: int) -> int | None:
    """A port near the wanted one that nobody listens on, and the inventory doesn't ask for."""
    own = {inputs.variable(name) for name in (*CLIENTS_PORTS, "jenkins_https_port")}
    own |= {REGISTRY_METRICS_PORT, *(number for number, _protocol in _own_ports(inputs))}
    held = {entry["port"] for entry in [*facts["listening"], *facts["docker"]["ports"]]}
    first = port + 8000 if port < 1024 else port + 1
    return next((one for one in range(first, min(first + TRIED, 65536)) if one not in held | own), None)


def _node_ports() -> dict[tuple[int, str], str]:
    """What every node listens on, and whose it is."""
    found = {(port, protocol): "swarm itself" for port in SWARM_PORTS for protocol in ("tcp", "udp")}
    found[OVERLAY_PORT, "udp"] = "swarm itself"
    return found


def _own_ports(inputs: PreflightInput) -> dict[tuple[int, str], str]:
    """The same of the docker hosts, and the registry's: of machines that are nodes."""
    if inputs.inventory.is_nested:
        return {}
    port = registry_port_of(str(inputs.variable("registry_address")))
    return {**_node_ports(), **({(port, "tcp"): THE_REGISTRY} if port else {})}


def proxy_ports(inputs: PreflightInput) -> tuple[int, ...]:
    """Of machines that are nodes: what the proxy listens on, and what clients use where nobody has said."""
    return (*PROXY_PORTS, *(inputs.variable(name) for name in CLIENTS_PORTS if not is_given(inputs, name)))


def _check_metrics_address(inputs: PreflightInput) -> Iterator[Problem]:
    """An engine that can't listen where it is to show its figures does not start."""
    ports = {inputs.variable(name): "the proxy" for name in CLIENTS_PORTS}
    if not inputs.inventory.is_nested:
        owned = {port: owner for (port, protocol), owner in _own_ports(inputs).items() if protocol == "tcp"}
        ports = {**dict.fromkeys(PROXY_PORTS, "the proxy"), **owned}
    for host in inputs.inventory.docker_hosts:
        value = inputs.raw.hosts.get(host, {}).get("docker_engine_metrics_address")
        owner = ports.get(port_of(str(value).rpartition(":")[2]) or 0)
        if owner and not jenkins.is_dedicated_host(inputs.inventory, host):
            problem = f"has a port of {owner}"
            yield Problem(host, "docker_engine_metrics_address", value, problem, "another one, as 127.0.0.1:9323")


def check_published_ports(inputs: PreflightInput) -> Iterator[Problem]:
    """The ports that apps publish beside the proxy's routes."""
    # Whatever the ports are that clients use.
    owners = {**{(port, "tcp"): "the proxy" for port in PROXY_PORTS}, **_node_ports(), **_own_ports(inputs)}
    if not inputs.inventory.is_nested:
        owners.update({(inputs.variable(name), "tcp"): name for name in CLIENTS_PORTS})
    for variable, port, published in _published(inputs):
        if published is None:
            cure = "as 8025:25/tcp, or {target: 25, published: 8025}"
            yield Problem(ALL_HOSTS, variable, port, "is not a port to publish", cure)
            continue
        if owner := owners.get(published):
            yield Problem(ALL_HOSTS, variable, port, f"publishes a port of {owner} too", PORT_CURE)
        if inputs.inventory.is_nested or published[1] != "tcp":
            continue
        for host, facts in inputs.facts():
            holder = who_listens(inputs.inventory, facts, published[0], "0.0.0.0")
            if holder:
                cure = "stop it, or publish another"
                yield Problem(host, variable, port, f"the port is held by {holder}", cure, MACHINE)


def check_shared_ports(inputs: PreflightInput) -> Iterator[Problem]:
    """That no port is published twice."""
    seen = [(variable, port, published) for variable, port, published in _published(inputs) if published]
    owners: dict[tuple[int, str], str] = {}
    for variable, port, published in seen:
        name = variable.split(".")[1]
        owner = owners.setdefault(published, name)
        own = [one for other, _port, one in seen if other.split(".")[1] == name]
        if owner != name or own.count(published) > 1:
            yield Problem(ALL_HOSTS, variable, port, f"publishes a port of the app {owner} too", PORT_CURE)


def _published(inputs: PreflightInput) -> Iterator[tuple[str, Any, tuple[int, str] | None]]:
    """Where an app says that it publishes a port, what it says, and which port and protocol that is; None for none."""
    for name, app in inputs.inventory.apps.items():
        for place, port in _ports_of({**app, "name": name}):
            yield f"apps.{show_key(name)}.{place}", port, published_port(port)


def _ports_of(app: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the app's services publish. What is misshapen is told as that."""
    yield from published_ports(app) if not wrong_services(app, ipvs=True) else (("ports", one) for one in app["ports"])


def published_port(port: Any) -> tuple[int, str] | None:
    """The published port and its protocol, of either form that a compose file knows; None when it is none."""
    if isinstance(port, Mapping):
        if port.get("mode", "ingress") not in ("ingress", "host") or set(port) - PORT_KEYS:
            return None
        numbers, protocol = [port.get("published", port.get("target")), port.get("target")], port.get("protocol", "tcp")
    else:
        match = PUBLISHED.fullmatch(str(port))
        if not match:
            return None
        numbers, protocol = [match.group(1) or match.group(2), match.group(2)], match.group(3) or "tcp"
    published, target = map(port_of, numbers)
    if not published or not target or protocol not in ("tcp", "udp", "sctp"):
        return None
    return published, str(protocol)


def registry_name(inputs: PreflightInput) -> str:
    return str(inputs.variable("registry_address")).rpartition(":")[0]


def registry_port_of(address: str) -> int | None:
    return port_of(address.rpartition(":")[2])


def who_listens(inventory: Inventory, facts: Mapping[str, Any], port: int, address: str, own: str = "") -> str:
    """Who, other than the platform itself, listens on a port; '' when nobody does.

    ``own``: the label of the containers that may, by default the platform's.
    """
    any_address = ("0.0.0.0", "::")

    def clashes(entry: Mapping[str, Any]) -> bool:
        same = entry["address"] == address or entry["address"] in any_address or address in any_address
        return bool(entry["port"] == port and same)

    published = [entry for entry in facts["docker"]["ports"] if clashes(entry)]
    for entry in published:
        in_swarm = entry["service"] and not inventory.is_nested
        if entry["platform"] != (own or inventory.name) and not in_swarm:
            return f"the container {entry['container']}"
    if published:
        return ""
    for entry in facts["listening"]:
        if clashes(entry):
            # The routing mesh's ports belong to the daemon itself.
            if entry["process"] == "dockerd" and facts["docker"]["swarm"] == "active":
                continue
            return f"the process {entry['process']}" if entry["process"] else "a process that can't be seen"
    return ""
