# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry: its name and port, and what machines share."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Collection, Iterator

from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import SeenFolder, whose
from ansible_collections.fungap.swarm.plugins.module_utils.host.hosts_file import Line, clashes
from ansible_collections.fungap.swarm.plugins.plugin_utils import jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import REGISTRY_OFFSET, Inventory, address_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import HOST_NAME
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import REGISTRY_METRICS_PORT, wanted_hosts
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    ALL_HOSTS,
    PreflightInput,
    is_given,
    platform_ids,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.ports import (
    SWARM_PORTS,
    proxy_ports,
    registry_name,
    registry_port_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem

PUBLIC_REGISTRIES = (
    *("docker.io", "docker.com", "ghcr.io", "quay.io", "gcr.io", "pkg.dev", "registry.k8s.io", "k8s.gcr.io"),
    *("mcr.microsoft.com", "azurecr.io", "public.ecr.aws", "amazonaws.com", "gitlab.com", "elastic.co", "nvcr.io"),
)

# What /etc/hosts calls the machine itself, on Debian and others.
LOOPBACK_NAMES = (
    *("localhost", "localhost.localdomain", "localhost4", "localhost6", "localhost6.localdomain6"),
    *("ip6-localhost", "ip6-loopback", "host.docker.internal", "gateway.docker.internal"),
)

# Where an engine looks for a registry's CA.
CERTIFICATES = "/etc/docker/certs.d"


def check_registry(inputs: PreflightInput) -> Iterator[Problem]:
    value = str(inputs.variable("registry_address"))
    name, port = registry_name(inputs), registry_port_of(value)
    if not port or not HOST_NAME.fullmatch(name):
        yield Problem(ALL_HOSTS, "registry_address", value, "is not name:port", "as registry:5000")
    elif wrong := _why_not_the_registry_s(inputs, name, port):
        yield Problem(ALL_HOSTS, "registry_address", Harmless(value), *wrong)


def _why_not_the_registry_s(inputs: PreflightInput, name: str, port: int) -> tuple[str, str] | None:
    """(problem, cure) of a name and a port that the registry can't have."""
    as_another_port = f"another one, as {name}:5000"
    if address_of(name):
        problem = "is an address, and a registry is known by its name: in its certificate, and in /etc/hosts"
        return problem, "a name, as registry:5000"
    if not inputs.inventory.is_nested and port in SWARM_PORTS:
        return "has a port of swarm itself", as_another_port
    if not inputs.inventory.is_nested and port in proxy_ports(inputs):
        return "has a port of the proxy, which listens on the same machine", as_another_port
    if port == REGISTRY_METRICS_PORT:
        return f"has the port {REGISTRY_METRICS_PORT}, where the registry shows its figures", "as registry:5000"
    if name in PUBLIC_REGISTRIES or name.endswith(tuple(f".{public}" for public in PUBLIC_REGISTRIES)):
        problem = "is a public registry's name: nothing could be pulled from there any more"
        return problem, "a name of your own, as registry:5000"
    if owner := _taken_names(inputs).get(name):
        return f"is {owner} name", "a name of its own, as registry:5000"
    return None


def _taken_names(inputs: PreflightInput) -> dict[str, str]:
    """Names that mean something else, and whose they are."""
    taken = {host: f"the app {app}'s" for app, one in inputs.inventory.apps.items() for host in one["hosts"]}
    taken.update({host: f"the page {page}'s" for page, host in wanted_hosts(inputs.inventory.variables).items()})
    taken.update({node.name: "a node's" for node in inputs.inventory.nodes if node.driver == "dind"})
    if inputs.inventory.jenkins_hosts and is_given(inputs, "registry_address"):
        taken[str(inputs.variable("jenkins_host"))] = "Jenkins'"
    return {**taken, **dict.fromkeys(LOOPBACK_NAMES, "each machine's own")}


def check_shared_registry(inputs: PreflightInput) -> Iterator[Problem]:
    """The registry's name and its CA, which a machine knows once, whatever the number of platforms on it."""
    value, platform = Harmless(inputs.variable("registry_address")), inputs.inventory.name
    name, address = registry_name(inputs), registry_ip(inputs)
    certificates = f"{CERTIFICATES}/{value}"
    cure = f"a name that nothing else there has, as {_free_registry(inputs)}"
    for host, facts in inputs.facts():
        lines = [Line(one["address"], tuple(one["names"]), one["owner"]) for one in facts.get("hosts_lines", ())]
        for line in clashes(lines, f"{platform}-registry", address, name) if address and name else ():
            problem = f"is {line.address} in /etc/hosts there ({line.owner or 'a line of its own'})"
            yield Problem(host, "registry_address", value, problem, cure)
        if certificates not in facts.get("own_folders", {}):
            continue
        folder = SeenFolder(**facts["own_folders"][certificates])
        found = whose(certificates, platform, folder, ids=platform_ids(inputs), proof=_same_ca(inputs, host))
        if found.is_refused and not found.id:
            problem = f"has certificates there already: {certificates} {found.why}"
            yield Problem(host, "registry_address", value, problem, cure)


def _same_ca(inputs: PreflightInput, host: str) -> str:
    """Why a registry's certificates, without a marker, are the platform's: its own folder has the same CA."""
    value, trees = str(inputs.variable("registry_address")), inputs.looks[host].trees
    folder = posixpath.normpath(str(inputs.variable("platform_config_dir")))
    there = trees.get("/etc/docker", {}).get(f"{CERTIFICATES}/{value}/ca.crt", {}).get("digest")
    own = trees.get(folder, {}).get(f"{folder}/certs.d/{value}/ca.crt", {}).get("digest")
    return f"its CA is the one of {folder}" if own and own == there else ""


def _free_registry(inputs: PreflightInput) -> str:
    """A registry's address that no machine knows yet."""
    port = registry_port_of(str(inputs.variable("registry_address"))) or 5000
    taken = {host for app in inputs.inventory.apps.values() for host in app["hosts"]}
    taken |= {node.name for node in inputs.inventory.nodes}
    for _host, facts in inputs.facts():
        taken |= {name for line in facts.get("hosts_lines", ()) for name in line["names"]}
    return f"{_free(f'registry-{inputs.inventory.name}', taken)}:{port}"


def _free(name: str, taken: Collection[str]) -> str:
    """The name, or with the first number that nobody has."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([name], numbered) if one not in taken)


def check_shared_names(inputs: PreflightInput) -> Iterator[Problem]:
    """Containers, networks and volumes of an engine: names of two platforms, made of other parts, may be the same."""
    inventory = inputs.inventory
    for host, facts in inputs.facts():
        docker, ours = facts["docker"], (inventory.name, jenkins.platform_of(inventory))
        wanted = _names_on(inventory, host)
        networks = wanted & {*ours, f"{inventory.name}-registry-metrics"}
        containers = {one["name"]: one["platform"] for one in docker["containers"]}
        seen = (
            ("container", {**dict.fromkeys(docker.get("others", ()), ""), **containers}, wanted),
            ("network", {one["name"]: one["platform"] for one in docker["networks"]}, networks),
            ("volume", {one["name"]: one["platform"] for one in docker.get("volumes", ())}, wanted),
        )
        owners = {owner for _kind, found, _names in seen for owner in found.values()}
        for kind, found, names in seen:
            for name in sorted(names & {name for name, owner in found.items() if owner not in ours}):
                owner = f"platform {found[name]}'s" if found[name] else "no platform's"
                problem = f"there is a {kind} {name} already, which is {owner}"
                cure = f"another name, as {_free(f'{inventory.name[:28]}-2', owners)}, or remove it"
                yield Problem(host, "platform_name", Harmless(inventory.name), problem, cure)


def _names_on(inventory: Inventory, host: str) -> set[str]:
    """What the platform's containers on a docker host are called; its networks and volumes have the same names."""
    name, found = inventory.name, {node.container for node in inventory.nodes if node.container and node.host == host}
    if found:
        found |= {name, f"{name}-edge"}
    if host in inventory.registry_hosts:
        # The figures' also where nobody wants them: one of that name is taken away.
        found |= {name, f"{name}-registry", f"{name}-registry-metrics"}
    if host in inventory.jenkins_hosts:
        own = jenkins.platform_of(inventory)
        found |= {own, *(f"{own}-{part}" for part in ("agent", "build", "home", "proxy", "socket"))}
    return found


def registry_ip(inputs: PreflightInput) -> str:
    """The address that the registry's name stands for; '' where it can't be known."""
    inventory = inputs.inventory
    if inventory.is_nested:
        return inventory.offset(REGISTRY_OFFSET)
    host = next(iter(inventory.registry_hosts), "")
    given = next((node.address for node in inventory.nodes if node.name == host), "")
    return given or str(dict(inputs.facts()).get(host, {}).get("address", ""))
