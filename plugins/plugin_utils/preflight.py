# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would go wrong later, found before the first change.

Each check is a pure function of a ``World`` that yields problems. Nothing here reads a file, a clock or a machine.
"""

from __future__ import annotations

import errno
import ipaddress
import itertools
import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS_TRUE

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.digest import secret_digest
from ansible_collections.fungap.swarm.plugins.module_utils.model.env import MODE, parse_env
from ansible_collections.fungap.swarm.plugins.module_utils.model.folder import (
    Mount,
    SeenFolder,
    real_path,
    whose,
    why_no_folder,
    why_not_lasting,
    why_not_own_folder,
)
from ansible_collections.fungap.swarm.plugins.module_utils.model.image import full_reference
from ansible_collections.fungap.swarm.plugins.module_utils.model.memory import Memory, controllers_file, parse_all
from ansible_collections.fungap.swarm.plugins.module_utils.plan.hosts_file import Line, clashes
from ansible_collections.fungap.swarm.plugins.module_utils.plan.load_test import check_bounds, choose_profile
from ansible_collections.fungap.swarm.plugins.plugin_utils import alerts, compose_service, jenkins, kinds, pki, renewal
from ansible_collections.fungap.swarm.plugins.plugin_utils.app import (
    DEFAULT_TARGET,
    REFERENCE,
    SERVICE,
    catalog_images,
    published_ports,
    wrong_services,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.certificates import check_certificate
from ansible_collections.fungap.swarm.plugins.plugin_utils.health import EnvFile
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
    RawInventory,
    Undefined,
    address_of,
    bridge_network,
    parse,
    secrets,
    where,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds import (
    HOST_NAME,
    RESERVED_LABELS,
    SITES,
    VARIABLE_NAME,
    is_site_network,
    network_of,
    port_of,
    why_no_mode,
    why_no_owner,
    why_no_site_network,
    why_no_template,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import (
    HOST_LABEL,
    METRICS_NETWORKS,
    REGISTRY_METRICS_PORT,
    host_nodes,
    registry_metrics,
    wanted_hosts,
    wanted_images,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import (
    HIDDEN,
    SECRET,
    Harmless,
    Problem,
    listed,
    show,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import of_inventory, older_copies
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs, nearest
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import (
    CERTIFICATE,
    DISK,
    ENV,
    EVERY,
    IMAGES,
    JENKINS,
    JENKINS_HOST,
    LIMITED,
    LOAD,
    MACHINE,
    MANAGER,
    MEMORY,
    SETTINGS,
    SILENT,
    SITE,
    VALIDITY,
    blocks,
    kind_of,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import REGISTRY as REGISTRY_HOST

DISTRIBUTIONS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
DOCKER_VERSION_MIN = (20, 10)
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tar.zst")
RESERVED_NODES = ("registry", "edge", "jenkins")
NODE_NAME_MAX = 57
RESERVED_APPS = ("edge", "jenkins", "monitoring", "proxy", "registry")
SECRET_BYTES_MAX = 500_000
DISK_ONCE_INSTALLED_GIGABYTES_MIN = 1
SWARM_PORTS = (2377, 7946)
OVERLAY_PORT = 4789  # udp
# Of each node (roles/proxy/templates/compose.yml.j2).
PROXY_PORTS = (80, 443)
PUBLIC_REGISTRIES = (
    *("docker.io", "docker.com", "ghcr.io", "quay.io", "gcr.io", "pkg.dev", "registry.k8s.io", "k8s.gcr.io"),
    *("mcr.microsoft.com", "azurecr.io", "public.ecr.aws", "amazonaws.com", "gitlab.com", "elastic.co", "nvcr.io"),
)
THE_REGISTRY = "the registry"
# What /etc/hosts calls the machine itself, on Debian and others.
LOOPBACK_NAMES = (
    *("localhost", "localhost.localdomain", "localhost4", "localhost6", "localhost6.localdomain6"),
    *("ip6-localhost", "ip6-loopback", "host.docker.internal", "gateway.docker.internal"),
)
# How far is looked for one that is free.
TRIED = 1000
ALL_HOSTS = "all hosts"
# The role's own.
LOAD_TEST_PROFILES = ("load", "capacity")
# What the proxy, the apps and Prometheus are on.
APPS_NETWORK = "public"
# What follows the platform's name in its CA's (playbooks/tasks/secrets.yml).
CA_SUFFIX = " platform CA"
# Where an engine looks for a registry's CA.
CERTIFICATES = "/etc/docker/certs.d"

PLATFORM_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?")
# Networks that an engine has, or means something else by; and those of the swarm, where a machine's engine is a node.
DOCKER_NETWORKS = ("bridge", "default", "host", "ingress", "none")
SWARM_NETWORKS = (APPS_NETWORK, "monitoring")
APP_NAME = re.compile(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?")
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PUBLISHED = re.compile(r"(?:([0-9]+):)?([0-9]+)(?:/(tcp|udp|sctp))?")
PORT_CURE = "another port: each is published once"
PORT_KEYS = {"target", "published", "protocol", "mode"}
ENDPOINT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Look:
    """What is known of a docker host: the fact ``docker_host``, or why there is none.

    ``skipped``: not asked; ``limited``: because --limit leaves it out.
    ``stacks``: what its swarm has recorded, where that was asked for. ``trees``: of the same look, as
    docker_host_info returns them.
    """

    facts: Mapping[str, Any] | None = None
    error: str = ""
    skipped: bool = False
    limited: bool = False
    stacks: Mapping[str, Any] = field(default_factory=dict)
    trees: renewal.Trees = field(default_factory=dict)


NEVER = Look(error="it was not looked at")


# What is said of a file that is not there.
MISSING = os.strerror(errno.ENOENT)


@dataclass(frozen=True)
class FileContent:
    """A file on the controller: its bytes, or why they can't be had."""

    content: bytes = b""
    error: str = ""


@dataclass(frozen=True)
class Image:
    """An entry of the image catalog: which sources can give it.

    ``source``, ``missing``: its own, before ``images_source`` and ``images_missing``. ``base``: what it is built on.
    """

    pull: bool = False
    build: bool = False
    source: str = ""
    internal: bool = False
    missing: str = ""
    base: str = ""


def parse_images(*catalogs: Any) -> dict[str, Image]:
    """Catalogs as they are written, later ones first in rank. What is wrong in an entry is for the role to say."""
    return {
        str(name): Image(
            bool(entry.get("pull")),
            bool(entry.get("build")),
            str(entry.get("source") or ""),
            bool(entry.get("internal")),
            str(entry.get("missing") or ""),
            str(entry["build"].get("base") or "") if isinstance(entry.get("build"), Mapping) else "",
        )
        for catalog in catalogs
        if isinstance(catalog, Mapping)
        for name, entry in catalog.items()
        if isinstance(entry, Mapping)
    }


@dataclass(frozen=True)
class Thresholds:
    disk_free_gigabytes_min: float = 8
    memory_gigabytes_min: float = 1.8


@dataclass(frozen=True)
class World:
    """All that is looked at. ``images``: the catalog. ``files``: path on the controller -> content."""

    raw: RawInventory
    inventory: Inventory
    looks: Mapping[str, Look]
    images: Mapping[str, Image]
    files: Mapping[str, FileContent]
    now: datetime
    thresholds: Thresholds = field(default_factory=Thresholds)

    def facts(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The docker hosts that could be looked at."""
        for host in self.inventory.docker_hosts:
            facts = self.looks.get(host, Look()).facts
            if facts:
                yield host, facts

    def variable(self, name: str) -> Any:
        return self.inventory.variables[name]


def file_path(inventory_dir: str, name: str) -> str:
    """Where a file that the inventory names lies on the controller."""
    return posixpath.normpath(posixpath.join(inventory_dir, posixpath.expanduser(name)))


def _seen_file(world: World, name: str) -> FileContent | None:
    """What the controller has at a path of the inventory. None for what is no path, which is told as that."""
    if kinds.PATH.why(name):
        return None
    return world.files.get(file_path(world.inventory.inventory_dir, name), FileContent(error="it was not read"))


def _vault_password_file(raw: RawInventory, inventory: Inventory) -> str:
    values = (raw.hosts.get(host, {}).get("jenkins_vault_password_file") for host in inventory.jenkins_hosts)
    return next((value for value in values if value and isinstance(value, str)), "")


def _memory_file(inventory: Inventory) -> str:
    """Where the controller remembers what is in force."""
    return posixpath.join(str(inventory.variables["platform_secrets_dir"]), controllers_file(inventory.name))


def _ca_file(inventory: Inventory) -> str:
    """The platform's CA on the controller."""
    return posixpath.join(str(inventory.variables["platform_secrets_dir"]), "ca.crt")


def wanted_files(raw: RawInventory, inventory: Inventory) -> list[str]:
    """The files on the controller that are looked at."""
    names = [app["env_file"] for app in inventory.apps.values()]
    names += [
        inventory.variables[f"{what}_certificate_{part}"]
        for what in ("proxy", "jenkins")
        for part in ("file", "key_file")
    ]
    names += [_vault_password_file(raw, inventory), _memory_file(inventory), _ca_file(inventory)]
    names += inventory.variables["monitoring_rule_files"]
    return sorted({file_path(inventory.inventory_dir, name) for name in names if name})


# --- values in themselves ---


def check_kinds(world: World) -> Iterator[Problem]:
    """What every variable's value has to look like, beyond its type."""
    found: dict[Problem, list[str]] = {}
    for host, variables in world.raw.hosts.items():
        known = {name: value for name, value in variables.items() if not isinstance(value, Undefined)}
        for place, value, why, kind in kinds.check(known):
            if place in world.inventory.misread:
                continue
            hidden = kind.hidden or SECRET.search(place.rpartition(".")[2])
            problem = Problem("", place, HIDDEN if hidden else value, why, kind.cure)
            found.setdefault(problem, []).append(host)
    for one, hosts in found.items():
        yield replace(one, where=where(world.raw, hosts))


# --- the platform ---


def check_names(world: World) -> Iterator[Problem]:
    name = world.inventory.name
    if not PLATFORM_NAME.fullmatch(name):
        cure = "lower case letters, digits and hyphens, at most 31, as fungap"
        yield Problem(ALL_HOSTS, "platform_name", name, "can't be part of container and network names", cure)
    elif name.endswith("-jenkins"):
        problem = "is what Jenkins' own containers would be called"
        yield Problem(ALL_HOSTS, "platform_name", name, problem, "another name, as fungap")
    elif name in DOCKER_NETWORKS or (name in SWARM_NETWORKS and not world.inventory.is_nested):
        problem = "is the name of another network, and the platform's own would be called so"
        yield Problem(ALL_HOSTS, "platform_name", name, problem, "another name, as fungap")
    else:
        yield from _check_folders_by_name(world)
    yield from _check_folders_apart(world)
    for node in world.inventory.nodes:
        # The kernel allows 107 characters for a socket's path.
        if node.driver == "dind" and len(node.socket) > 107:
            cure = "a shorter platform_run_dir or node name"
            yield Problem(node.name, "platform_run_dir", node.socket, "makes a socket's path longer than 107", cure)


OWN_FOLDERS = ("platform_config_dir", "platform_run_dir", "jenkins_backup_dir")


def _check_folders_by_name(world: World) -> Iterator[Problem]:
    """The folders that follow from the platform's name. Those that are given, their kind judges."""
    for variable in OWN_FOLDERS:
        value = str(world.variable(variable))
        if value and not _is_given(world, variable) and (why := why_not_own_folder(value)):
            problem = f"makes {variable} {value}, which {why}"
            cure = f"another name, or {variable}: {value}-platform"
            yield Problem(ALL_HOSTS, "platform_name", world.inventory.name, problem, cure)


def check_own_folders(world: World) -> Iterator[Problem]:
    """A folder stays from boot to boot; one that is there already and is not this platform's is left alone."""
    name = world.inventory.name
    for variable in ("platform_config_dir", "jenkins_backup_dir"):
        value = str(world.variable(variable))
        if not why_not_own_folder(value) and (why := why_not_lasting(value)):
            cure = "a folder that stays, as /etc/fungap or /var/backups/fungap"
            yield Problem(ALL_HOSTS, variable, value, why, cure, kind_of(variable))
    for host, facts in world.facts():
        seen = {posixpath.normpath(path): one for path, one in facts.get("own_folders", {}).items()}
        docker = facts["docker"]
        mounts = [Mount(**mount) for mount in docker.get("mounts", ())]
        # An engine that is down can't say which containers mount it: the roles ask once it is up.
        is_silent = docker["present"] and not docker["answering"]
        for variable in OWN_FOLDERS:
            path = posixpath.normpath(str(world.variable(variable)))
            # What its name alone rules out is a problem already, and no marker would make it right.
            if path not in seen or why_not_own_folder(path):
                continue
            folder = SeenFolder(**seen[path])
            found = whose(path, name, folder, mounts=mounts, registry=str(world.variable("registry_address")))
            if found.is_refused and not (found.state == "unknown" and is_silent):
                yield Problem(host, variable, path, found.why, found.cure(path, name))


def _check_folders_apart(world: World) -> Iterator[Problem]:
    """No folder of the platform lies in another: each is removed whole, and has modes of its own."""
    local = any(
        variables.get("ansible_connection") == "local" and host in world.inventory.docker_hosts
        for host, variables in world.raw.hosts.items()
    )
    # The secrets lie on the controller, and stay when a docker host is reset.
    names = (*OWN_FOLDERS, *(("platform_secrets_dir",) if local else ()))
    paths = {name: real_path(value) for name in names if (value := world.variable(name))}
    paths = {name: path for name, path in paths.items() if not why_not_own_folder(path)}
    for number, (name, path) in enumerate(paths.items()):
        for other, folder in list(paths.items())[:number]:
            inner, outer = sorted(((path, name), (folder, other)), key=lambda one: len(one[0]), reverse=True)
            if inner[0] == outer[0] or inner[0].startswith(f"{outer[0]}/"):
                # Of two that are one, what the operator has written is told.
                if inner[0] == outer[0] and not _is_given(world, inner[1]):
                    inner, outer = outer, inner
                problem = f"{'is' if inner[0] == outer[0] else 'lies in'} {outer[1]} {outer[0]}"
                yield Problem(ALL_HOSTS, inner[1], inner[0], problem, "a folder apart from it")
    for host in world.inventory.docker_hosts:
        daemon = world.raw.hosts.get(host, {}).get("docker_engine_daemon")
        folders = [(key, daemon.get(key)) for key in ("data-root", "exec-root")] if isinstance(daemon, Mapping) else []
        for key, value in folders:
            path = real_path(value or "/")
            own = [
                name
                for name, one in paths.items()
                if f"{path}/".startswith(f"{one}/") or f"{one}/".startswith(f"{path}/")
            ]
            if own and not kinds.why_no_engine_folder(path):
                problem = f"has a {key} that is {own[0]}, lies in it or holds it"
                yield Problem(host, "docker_engine_daemon", HIDDEN, problem, "a folder apart from it")


# What the platform takes where nobody says otherwise (roles/preflight/meta/argument_specs.yml).
ADDRESS_PLAN = {
    "platform_subnet": "172.30.0.0/24",
    "platform_overlay_pool": "10.100.0.0/16",
    "platform_node_pool": "10.200.0.0/16",
    "platform_node_bridge": "10.199.0.1/24",
}


def check_addresses_plan(world: World) -> Iterator[Problem]:
    """The subnets, in themselves and among each other."""
    networks: dict[str, ipaddress.IPv4Network] = {}
    for variable in ("platform_subnet", "platform_overlay_pool", "platform_node_pool"):
        example = ADDRESS_PLAN[variable]
        value = str(world.variable(variable))
        network = network_of(value)
        if network is None or why_no_site_network(value):
            continue
        wanted = _overlay_networks(world)
        if variable == "platform_overlay_pool" and wanted > 2 ** (24 - network.prefixlen):
            problem = f"has no room for {wanted} subnets of /24: swarm's own, the proxy's, the monitoring's, each app's"
            yield Problem(ALL_HOSTS, variable, value, problem, f"as {example}")
        elif variable == "platform_node_pool" and network.prefixlen > 23:
            yield Problem(ALL_HOSTS, variable, value, "has no room for several /24 subnets", f"as {example}")
        elif network.prefixlen > 28:
            yield Problem(ALL_HOSTS, variable, value, "has no room for the nodes", f"as {example}")
        else:
            networks[variable] = network
    bridge, value = _bridge_network(world), str(world.variable("platform_node_bridge"))
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
    yield from _check_engine_networks(world, networks)
    for pair in itertools.combinations(networks, 2):
        # What the operator has chosen is told, rather than a default.
        name, other = sorted(pair, key=lambda one: str(world.variable(one)) == ADDRESS_PLAN[one])
        if networks[name].overlaps(networks[other]):
            problem = f"overlaps {other} {networks[other]}"
            yield Problem(ALL_HOSTS, name, str(networks[name]), problem, "choose a network apart from it")


def _check_engine_networks(world: World, networks: Mapping[str, ipaddress.IPv4Network]) -> Iterator[Problem]:
    """The network that a docker host's own engine takes before any of ours: its bridge's."""
    names = list(networks) if world.inventory.is_nested else ["platform_overlay_pool"]
    for host in world.inventory.docker_hosts:
        if jenkins.is_apart(world.inventory, host):
            continue
        for variable, bridge in _bridges_asked_for(world.raw.hosts.get(host, {})):
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
        if isinstance(given, list) and given and not kinds.why_no_address_pool(given[0]):
            base = network_of(given[0]["base"])
            yield variable, base and ipaddress.IPv4Network((base.network_address, given[0]["size"]))
            return


def _is_given(world: World, variable: str) -> bool:
    return any(variable in variables for variables in world.raw.hosts.values())


def _overlay_networks(world: World) -> int:
    """How many networks of the pool the swarm has at least: ingress, the one that all apps share, and stacks' own."""
    return 2 + bool(world.variable("monitoring_enabled")) + len(world.inventory.apps)


def _bridge_network(world: World) -> ipaddress.IPv4Network | None:
    return bridge_network(world.variable("platform_node_bridge"))


def check_routes(world: World) -> Iterator[Problem]:
    """Our networks against what the docker hosts use already."""
    inventory = world.inventory
    for host, facts in world.facts():
        if jenkins.is_apart(inventory, host):
            continue
        docker = facts["docker"]
        owners = {subnet: network for network in docker["networks"] for subnet in network["subnets"]}
        held = {*facts["routes"], *owners}
        networks = [network for network in map(network_of, held) if network]
        held |= {
            address
            for address in facts["addresses"]
            if not any(ipaddress.IPv4Address(address) in network for network in networks)
        }
        wanted: list[tuple[str, ipaddress.IPv4Network | None]] = [
            ("platform_overlay_pool", network_of(world.variable("platform_overlay_pool"))),
        ]
        if inventory.is_nested:
            wanted += [
                ("platform_subnet", inventory.subnet),
                ("platform_node_pool", network_of(world.variable("platform_node_pool"))),
                ("platform_node_bridge", _bridge_network(world)),
            ]
        for variable, network in wanted:
            for cidr in sorted(held):
                route, owner = network_of(cidr), owners.get(cidr)
                if network is None or route is None or not network.overlaps(route):
                    continue
                if variable == "platform_subnet" and owner and _is_ours(inventory, owner):
                    continue
                # The swarm's own networks are those of the pool.
                if owner and not inventory.is_nested and owner["scope"] == "swarm":
                    continue
                holder = "a route of the machine" if "/" in cidr else "an address of the machine"
                holder = f"docker network {owner['name']}" if owner else holder
                problem = f"overlaps {cidr} on {host} ({holder})"
                cure = f"choose a network that no docker host uses{_such_as(_free_network(world, network))}"
                cure += ", or remove that one" if owner else ""
                yield Problem(ALL_HOSTS, variable, str(network), problem, cure)
        for network in docker["networks"] if inventory.is_nested and inventory.subnet else ():
            if _is_ours(inventory, network) and str(inventory.subnet) not in network["subnets"]:
                problem = (
                    f"is {listed(network['subnets'])} on {host}: the nodes' addresses are part of the swarm's state"
                )
                cure = "set it back, or reset the platform first"
                yield Problem(ALL_HOSTS, "platform_subnet", str(inventory.subnet), problem, cure)
        wants_figures = host in inventory.registry_hosts and registry_metrics(inventory, [])
        if wants_figures and not registry_metrics(inventory, docker["networks"]):
            problem = f"needs a /29 of {METRICS_NETWORKS} on {host}, and docker networks have them all"
            yield Problem(ALL_HOSTS, "monitoring_enabled", "true", problem, "remove one of them, or false")


def _such_as(example: Any) -> str:
    return f", as {example}" if example else ""


def _free_network(world: World, like: ipaddress.IPv4Network) -> ipaddress.IPv4Network | None:
    """The next network of the same size that neither a docker host nor the inventory uses."""
    used = {cidr for _host, facts in world.facts() for cidr in facts["routes"]}
    used |= {
        subnet for _host, facts in world.facts() for one in facts["docker"]["networks"] for subnet in one["subnets"]
    }
    used |= {str(world.variable(name)) for name in ("platform_subnet", "platform_overlay_pool", "platform_node_pool")}
    used |= {str(_bridge_network(world)), str(world.variable("jenkins_subnet"))}
    taken = [network for network in map(network_of, used) if network]
    for site in SITES:
        if like.subnet_of(site):
            starts = range(int(like.network_address), int(site.broadcast_address), like.num_addresses)
            near = (ipaddress.IPv4Network((start, like.prefixlen)) for start in starts[:TRIED])
            return next((one for one in near if not any(one.overlaps(other) for other in taken)), None)
    return None


def _is_ours(inventory: Inventory, network: Mapping[str, Any]) -> bool:
    return bool(network["platform"] == inventory.name and network["name"] == inventory.name)


# --- groups and nodes ---


def check_quorum(world: World) -> Iterator[Problem]:
    managers = world.raw.group(MANAGERS)
    if not managers:
        yield Problem("inventory", f"group {MANAGERS}", "", "has no host", "put one node in it, or three")
    elif len(managers) % 2 == 0:
        problem = f"{len(managers)} managers survive no more failures than {len(managers) - 1}"
        cure = f"{len(managers) - 1} or {len(managers) + 1}: an odd number"
        yield Problem("inventory", f"group {MANAGERS}", listed(managers), problem, cure, SITE)
    for name in managers:
        if name in world.raw.group(WORKERS):
            cure = f"leave it in one of them (a manager takes tasks too, unless {NODE_PREFIX}availability is drain)"
            yield Problem(name, f"group {WORKERS}", name, f"is in {MANAGERS} too", cure)


def check_groups(world: World) -> Iterator[Problem]:
    inventory = world.inventory
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
            yield Problem(host, f"group {REGISTRY}", host, problem, f"one of: {', '.join(inventory.docker_hosts)}")
        elif (places := _places(inventory)) and host not in places:
            problem = "is another docker host than the nodes', which are containers and reach nothing on it"
            yield Problem(host, f"group {REGISTRY}", host, problem, f"the nodes' own: {listed(places)}")
    names = {node.name for node in inventory.nodes}
    for host, variables in world.raw.hosts.items():
        # Given for all hosts, it is meant for the nodes among them.
        own = sorted(name for name in variables if name.startswith(NODE_PREFIX) and name in ("swarm_node_host",))
        if own and host not in names:
            cure = f"put {host} in {MANAGERS} or {WORKERS}"
            yield Problem(host, own[0], variables[own[0]], "is set, but the host is not a node", cure)


def _places(inventory: Inventory) -> list[str]:
    """The docker hosts of the nodes that are containers."""
    return sorted({node.host for node in inventory.nodes if node.driver == "dind"} & set(inventory.docker_hosts))


def check_nodes(world: World) -> Iterator[Problem]:
    inventory = world.inventory
    hosts = inventory.docker_hosts
    for node in inventory.nodes:
        if node.driver == "dind":
            yield from _check_nested_node(world, node)
        elif node.name not in hosts:
            given = world.raw.hosts.get(node.name, {}).get("swarm_node_host")
            cure = f"put it in {DOCKER_HOSTS}, or give it {NODE_PREFIX}host if it is to be a container"
            if not given:
                problem = f"is a node that is its own engine, but not in {DOCKER_HOSTS}"
                yield Problem(node.name, f"{NODE_PREFIX}host", "", problem, cure)
        if node.driver == "engine":
            given = world.raw.hosts.get(node.name, {}).get("swarm_node_host")
            if given and given != node.name:
                problem = "is set, but the driver engine means the host itself"
                yield Problem(node.name, f"{NODE_PREFIX}host", given, problem, "take one of the two away")
            if bytes_of(node.memory) or node.cpus:
                variable = f"{NODE_PREFIX}cpus" if node.cpus else f"{NODE_PREFIX}memory"
                value = node.cpus or node.memory
                yield Problem(node.name, variable, value, "limits only nodes that are containers", "take it away")
        yield from _check_node_daemon(world, node)
        for key in node.labels:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./-]*", key):
                cure = "letters, digits, dots, hyphens, slashes"
                yield Problem(node.name, f"{NODE_PREFIX}labels", key, "is not a label's name", cure)
            elif key.startswith(RESERVED_LABELS):
                problem = "is a label that the platform itself sets"
                yield Problem(node.name, f"{NODE_PREFIX}labels", key, problem, "another name, as disk")
    if inventory.nodes and not any(node.availability == "active" for node in inventory.nodes):
        names = listed(node.name for node in inventory.nodes)
        yield Problem(
            "inventory", f"{NODE_PREFIX}availability", names, "no node takes tasks", "active for one at least"
        )
    by_driver = {driver: [n.name for n in inventory.nodes if n.driver == driver] for driver in ("dind", "engine")}
    if by_driver["dind"] and by_driver["engine"]:
        first = {driver: names[0] for driver, names in by_driver.items()}
        problem = f"is dind for {first['dind']} and engine for {first['engine']}: they can't reach each other"
        yield Problem("inventory", f"{NODE_PREFIX}driver", listed(by_driver), problem, "one driver for all nodes")
    places = _places(inventory)
    if len(places) > 1:
        problem = "nodes that are containers can't reach those of another docker host"
        cure = "one docker host for all of them, or the driver engine"
        yield Problem("inventory", f"{NODE_PREFIX}host", listed(places), problem, cure)


def _check_node_daemon(world: World, node: Node) -> Iterator[Problem]:
    """An engine that leaves its containers alone when it stops can't be in a swarm, and does not start in one."""
    variable = "docker_engine_daemon" if node.driver == "engine" else "swarm_node_daemon"
    daemon = world.raw.hosts.get(node.name if node.driver == "engine" else node.host, {}).get(variable)
    if isinstance(daemon, Mapping) and daemon.get("live-restore"):
        problem = "has live-restore, with which no engine is in a swarm"
        yield Problem(node.name, variable, HIDDEN, problem, "take it away: a swarm starts its tasks elsewhere")


def _check_nested_node(world: World, node: Node) -> Iterator[Problem]:
    hosts = world.inventory.docker_hosts
    if not node.host:
        cure = f"name its docker host: {', '.join(hosts) or 'one of ' + DOCKER_HOSTS}"
        yield Problem(node.name, f"{NODE_PREFIX}host", "", "is missing for a node with the driver dind", cure)
    elif node.host not in hosts:
        near = nearest(node.host, hosts)
        cure = f"did you mean {near}?" if near else f"one of: {', '.join(hosts) or '(the group is empty)'}"
        yield Problem(node.name, f"{NODE_PREFIX}host", node.host, f"is not in {DOCKER_HOSTS}", cure)
    if not NODE_NAME.fullmatch(node.name):
        cure = "lower case letters, digits and hyphens"
        yield Problem(node.name, "inventory host", node.name, "can't be a container's host name", cure)
    # By the proxy's task on it: proxy-<node>.
    elif len(node.name) > NODE_NAME_MAX:
        problem = f"is longer than {NODE_NAME_MAX}: proxy-{node.name[:8]}... would be no host name"
        yield Problem(node.name, "inventory host", node.name, problem, "a shorter name")
    if node.name.startswith(("registry-", "jenkins-")) or node.name in RESERVED_NODES:
        problem = "is the name of another container of the platform"
        yield Problem(node.name, "inventory host", node.name, problem, "another name, as manager1 or worker1")


def check_node_addresses(world: World) -> Iterator[Problem]:
    inventory = world.inventory
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
            yield Problem(node.name, "inventory host", node.name, problem, "another name")
        names.setdefault(name, node.name)
        if not node.address:
            if node.driver == "dind" and not world.raw.hosts.get(node.name, {}).get(variable):
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
            facts = world.looks.get(node.host, Look()).facts
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


# --- docker hosts ---


def check_reachable(world: World) -> Iterator[Problem]:
    boots: dict[str, str] = {}
    names: dict[str, str] = {}
    architectures: dict[str, str] = {}
    engines = {node.host for node in world.inventory.nodes if node.driver == "engine"}
    for host in world.inventory.docker_hosts:
        look = world.looks.get(host, NEVER)
        if look.limited:
            # Else a verb would end well without having done anything.
            cure = f"add {host} to --limit, or leave that away"
            yield Problem(host, "--limit", "", "leaves this machine out", cure, LIMITED)
        if look.skipped:
            continue
        if look.facts is None:
            variables = world.raw.hosts.get(host, {})
            address = variables.get("ansible_host", host)
            cure = "check that it is up, and ansible_host, ansible_port, ansible_user, its SSH key and become"
            yield Problem(host, "ansible_host", address, f"can't be looked at: {look.error}", cure, SILENT)
            continue
        boot = f"{look.facts['boot_id']} {look.facts['hostname']}"
        if boot in boots and look.facts["boot_id"]:
            problem = f"is the same machine as {boots[boot]}"
            address = world.raw.hosts.get(host, {}).get("ansible_host", host)
            yield Problem(host, "ansible_host", address, problem, "name each machine once")
        elif host in engines and names.setdefault(look.facts["hostname"], host) != host:
            problem = f"is the name of {names[look.facts['hostname']]}'s machine too, and the swarm tells nodes by it"
            cure = "another one for one of them (hostnamectl hostname ...), and start its engine anew"
            yield Problem(host, "host name", look.facts["hostname"], problem, cure)
        boots.setdefault(boot, host)
        architectures.setdefault(look.facts["architecture"], host)
    if len(architectures) > 1:
        told = " and ".join(f"{name} on {host}" for name, host in architectures.items())
        cure = "docker hosts of one architecture: images are made for one"
        names_of_all = listed(architectures)
        yield Problem("inventory", f"group {DOCKER_HOSTS}", names_of_all, f"mixes {told}", cure)


def check_hosts(world: World) -> Iterator[Problem]:
    thresholds, inventory = world.thresholds, world.inventory
    supported = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in DISTRIBUTIONS.items())
    for host, facts in world.facts():
        distribution, docker = facts["distribution"], facts["docker"]
        told = Harmless(f"{distribution['id']} {distribution['version']}".strip())
        if world.raw.hosts.get(host, {}).get("docker_engine_source") == "present":
            if not docker["answering"]:
                problem = f"no engine answers on {docker['socket']}"
                cure = "install and start one, or docker_engine_source: distribution"
                yield Problem(host, "docker_engine_source", "present", problem, cure)
        elif distribution["version"] not in DISTRIBUTIONS.get(distribution["id"], ()):
            cure = f"one of: {supported}; or install Docker Engine yourself and set docker_engine_source: present"
            yield Problem(host, "distribution", told, "is not supported", cure)
        installed = any(entry["platform"] == inventory.name for entry in docker["containers"]) or (
            docker["swarm"] == "active"
        )
        wanted = DISK_ONCE_INSTALLED_GIGABYTES_MIN if installed else thresholds.disk_free_gigabytes_min
        free = facts["disk"]["free_bytes"] / 1024**3
        if free < wanted:
            problem = f"has {free:.1f} GB free, {wanted:g} GB are needed"
            cure = "free some, or lower preflight_disk_free_gigabytes_min"
            yield Problem(host, f"disk at {facts['disk']['path']}", f"{free:.1f} GB", problem, cure, DISK)
        memory = facts["memory"]["total_bytes"] / 1024**3
        if memory < thresholds.memory_gigabytes_min:
            problem = f"is less than the {thresholds.memory_gigabytes_min:g} GB that are needed"
            cure = "a bigger machine, or lower preflight_memory_gigabytes_min"
            yield Problem(host, "memory", f"{memory:.1f} GB", problem, cure)
        version = tuple(int(part) for part in re.findall(r"\d+", docker["version"])[:2])
        if docker["answering"] and version < DOCKER_VERSION_MIN:
            yield Problem(host, "Docker Engine", Harmless(docker["version"]), "is too old", "20.10 or newer")
        if docker["answering"] and docker["storage_driver"] == "vfs":
            problem = "copies every layer in full"
            cure = "Docker's data on a filesystem that overlay2 can use (ext4, xfs)"
            yield Problem(host, "storage driver", "vfs", problem, cure)
        for module in ("overlay", "vxlan"):
            if facts["kernel"]["modules"][module] == "missing" and not (module == "overlay" and docker["answering"]):
                problem = f"has no {module}, which every {'image' if module == 'overlay' else 'overlay network'} needs"
                yield Problem(host, "kernel", Harmless(facts["kernel"]["release"]), problem, "a kernel that has it")
        for node in inventory.nodes:
            if node.host != host:
                continue
            if node.cpus > facts["cpus"]:
                problem = f"is more than the {facts['cpus']} of {host}"
                yield Problem(node.name, f"{NODE_PREFIX}cpus", node.cpus, problem, "0 for all, or less")
            if (bytes_of(node.memory) or 0) > facts["memory"]["total_bytes"]:
                problem = f"is more than the {memory:.1f} GB of {host}"
                yield Problem(node.name, f"{NODE_PREFIX}memory", node.memory, problem, "0 for all, or less")
        for path in world.variable("platform_trusted_ca_files") or ():
            if not facts["files"].get(path) and not kinds.why_no_place(path):
                cure = "put it there, or take it out of the list"
                yield Problem(host, "platform_trusted_ca_files", path, "is not there or can't be read", cure)


def check_ports(world: World) -> Iterator[Problem]:
    inventory = world.inventory
    ports = ("proxy_http_port", "proxy_https_port")
    for variable in ports:
        port = world.variable(variable)
        if not 1 <= port <= 65535:
            return
    if world.variable(ports[0]) == world.variable(ports[1]):
        value = str(world.variable(ports[1]))
        yield Problem(ALL_HOSTS, ports[1], value, "is proxy_http_port too", "two different ports, as 80 and 443")
    for variable in ports:
        owner = _own_ports(world).get((world.variable(variable), "tcp"))
        # A default is right: the registry's address is told.
        if owner and (owner != THE_REGISTRY or _is_given(world, variable)):
            value = str(world.variable(variable))
            yield Problem(ALL_HOSTS, variable, value, f"is a port of {owner}", "another one, as 80 and 443")
    yield from _check_metrics_address(world)
    bind = str(world.variable("proxy_bind_address"))
    if address_of(bind) is None:
        yield Problem(ALL_HOSTS, "proxy_bind_address", bind, "is not an IPv4 address", "0.0.0.0 for every one")
        return
    registry_port = _registry_port(str(world.variable("registry_address")))
    for host, facts in world.facts():
        if inventory.is_nested and not any(node.host == host for node in inventory.nodes):
            continue
        if jenkins.is_apart(inventory, host):
            continue
        addresses = [*facts["addresses"], "127.0.0.1"]
        if bind != "0.0.0.0" and facts["addresses"] and bind not in addresses and not bind.startswith("127."):
            cure = f"0.0.0.0, or one of: {', '.join(addresses)}"
            yield Problem(host, "proxy_bind_address", bind, "is not an address of this machine", cure, MACHINE)
        wanted = [(variable, world.variable(variable), bind) for variable in ports]
        if not inventory.is_nested:
            # A machine that is a node has no edge: the proxy's own ports are the machine's.
            wanted = [(variable, port, "0.0.0.0") for variable, port in zip(ports, PROXY_PORTS, strict=True)]
            if host in inventory.registry_hosts and registry_port:
                wanted.append(("registry_address", registry_port, "0.0.0.0"))
            if facts["docker"]["swarm"] == "inactive":
                wanted += [("swarm port", port, "0.0.0.0") for port in SWARM_PORTS]
        for variable, port, address in wanted:
            holder = _holder(inventory, facts, port, address)
            if holder:
                cure = "stop it"
                if variable != "swarm port" and (inventory.is_nested or variable not in ports):
                    free = _free_port(world, facts, port)
                    name = f"{show(_registry_name(world))}:" if variable == "registry_address" else ""
                    cure += f", or another {variable}{_such_as(free and f'{name}{free}')}"
                yield Problem(host, variable, str(port), f"the port is held by {holder}", cure, MACHINE)


def _free_port(world: World, facts: Mapping[str, Any], port: int) -> int | None:
    """A port near the wanted one that nobody listens on, and the inventory doesn't ask for."""
    own = {world.variable(name) for name in ("proxy_http_port", "proxy_https_port", "jenkins_https_port")}
    own |= {REGISTRY_METRICS_PORT, *(number for number, _protocol in _own_ports(world))}
    held = {entry["port"] for entry in [*facts["listening"], *facts["docker"]["ports"]]}
    first = port + 8000 if port < 1024 else port + 1
    return next((one for one in range(first, min(first + TRIED, 65536)) if one not in held | own), None)


def _node_ports() -> dict[tuple[int, str], str]:
    """What every node listens on, and whose it is."""
    found = {(port, protocol): "swarm itself" for port in SWARM_PORTS for protocol in ("tcp", "udp")}
    found[OVERLAY_PORT, "udp"] = "swarm itself"
    return found


def _own_ports(world: World) -> dict[tuple[int, str], str]:
    """The same of the docker hosts, and the registry's: of machines that are nodes."""
    if world.inventory.is_nested:
        return {}
    port = _registry_port(str(world.variable("registry_address")))
    return {**_node_ports(), **({(port, "tcp"): THE_REGISTRY} if port else {})}


def _proxy_ports(world: World) -> tuple[int, ...]:
    """Of machines that are nodes: what the proxy listens on, and what clients use where nobody has said."""
    ports = ("proxy_http_port", "proxy_https_port")
    return (*PROXY_PORTS, *(world.variable(name) for name in ports if not _is_given(world, name)))


def _check_metrics_address(world: World) -> Iterator[Problem]:
    """An engine that can't listen where it is to show its figures does not start."""
    ports = {world.variable(name): "the proxy" for name in ("proxy_http_port", "proxy_https_port")}
    if not world.inventory.is_nested:
        owned = {port: owner for (port, protocol), owner in _own_ports(world).items() if protocol == "tcp"}
        ports = {**dict.fromkeys(PROXY_PORTS, "the proxy"), **owned}
    for host in world.inventory.docker_hosts:
        value = world.raw.hosts.get(host, {}).get("docker_engine_metrics_address")
        owner = ports.get(port_of(str(value).rpartition(":")[2]) or 0)
        if owner and not jenkins.is_apart(world.inventory, host):
            problem = f"has a port of {owner}"
            yield Problem(host, "docker_engine_metrics_address", value, problem, "another one, as 127.0.0.1:9323")


def check_published_ports(world: World) -> Iterator[Problem]:
    """The ports that apps publish beside the proxy's routes."""
    # Whatever the ports are that clients use.
    owners = {**{(port, "tcp"): "the proxy" for port in PROXY_PORTS}, **_node_ports(), **_own_ports(world)}
    if not world.inventory.is_nested:
        owners.update({(world.variable(name), "tcp"): name for name in ("proxy_http_port", "proxy_https_port")})
    for variable, port, published in _published(world):
        if published is None:
            cure = "as 8025:25/tcp, or {target: 25, published: 8025}"
            yield Problem(ALL_HOSTS, variable, port, "is not a port to publish", cure)
            continue
        if owner := owners.get(published):
            yield Problem(ALL_HOSTS, variable, port, f"publishes a port of {owner} too", PORT_CURE)
        if world.inventory.is_nested or published[1] != "tcp":
            continue
        for host, facts in world.facts():
            holder = _holder(world.inventory, facts, published[0], "0.0.0.0")
            if holder:
                cure = "stop it, or publish another"
                yield Problem(host, variable, port, f"the port is held by {holder}", cure, MACHINE)


def check_shared_ports(world: World) -> Iterator[Problem]:
    """That no port is published twice."""
    seen = [(variable, port, published) for variable, port, published in _published(world) if published]
    owners: dict[tuple[int, str], str] = {}
    for variable, port, published in seen:
        name = variable.split(".")[1]
        owner = owners.setdefault(published, name)
        own = [one for other, _port, one in seen if other.split(".")[1] == name]
        if owner != name or own.count(published) > 1:
            yield Problem(ALL_HOSTS, variable, port, f"publishes a port of the app {owner} too", PORT_CURE)


def _published(world: World) -> Iterator[tuple[str, Any, tuple[int, str] | None]]:
    """Where an app says that it publishes a port, what it says, and which port and protocol that is; None for none."""
    for name, app in world.inventory.apps.items():
        for place, port in _ports_of({**app, "name": name}):
            yield f"apps.{name}.{place}", port, published_port(port)


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


def _registry_name(world: World) -> str:
    return str(world.variable("registry_address")).rpartition(":")[0]


def _registry_port(address: str) -> int | None:
    return port_of(address.rpartition(":")[2])


def _holder(inventory: Inventory, facts: Mapping[str, Any], port: int, address: str, own: str = "") -> str:
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


def check_registry(world: World) -> Iterator[Problem]:
    value = str(world.variable("registry_address"))
    name, colon, _port = value.rpartition(":")
    taken = {host: f"the app {app}'s" for app, one in world.inventory.apps.items() for host in one["hosts"]}
    taken.update({host: f"the page {page}'s" for page, host in wanted_hosts(world.inventory.variables).items()})
    taken.update({node.name: "a node's" for node in world.inventory.nodes if node.driver == "dind"})
    if world.inventory.jenkins_hosts and _is_given(world, "registry_address"):
        taken[str(world.variable("jenkins_host"))] = "Jenkins'"
    taken.update(dict.fromkeys(LOOPBACK_NAMES, "each machine's own"))
    if not colon or not _registry_port(value) or not HOST_NAME.fullmatch(name):
        yield Problem(ALL_HOSTS, "registry_address", value, "is not name:port", "as registry:5000")
    elif address_of(name):
        problem = "is an address, and a registry is known by its name: in its certificate, and in /etc/hosts"
        yield Problem(ALL_HOSTS, "registry_address", value, problem, "a name, as registry:5000")
    elif not world.inventory.is_nested and _registry_port(value) in SWARM_PORTS:
        cure = f"another one, as {name}:5000"
        yield Problem(ALL_HOSTS, "registry_address", value, "has a port of swarm itself", cure)
    elif not world.inventory.is_nested and _registry_port(value) in _proxy_ports(world):
        problem = "has a port of the proxy, which listens on the same machine"
        yield Problem(ALL_HOSTS, "registry_address", value, problem, f"another one, as {name}:5000")
    elif _registry_port(value) == REGISTRY_METRICS_PORT:
        problem = f"has the port {REGISTRY_METRICS_PORT}, where the registry shows its figures"
        yield Problem(ALL_HOSTS, "registry_address", value, problem, "as registry:5000")
    elif name in PUBLIC_REGISTRIES or name.endswith(tuple(f".{public}" for public in PUBLIC_REGISTRIES)):
        problem = "is a public registry's name: nothing could be pulled from there any more"
        yield Problem(ALL_HOSTS, "registry_address", value, problem, "a name of your own, as registry:5000")
    elif name in taken:
        problem = f"is {taken[name]} name"
        yield Problem(ALL_HOSTS, "registry_address", value, problem, "a name of its own, as registry:5000")


# --- what machines share with other platforms ---


def check_shared_registry(world: World) -> Iterator[Problem]:
    """The registry's name and its CA, which a machine knows once, whatever the number of platforms on it."""
    value, platform = str(world.variable("registry_address")), world.inventory.name
    name, address = _registry_name(world), _registry_ip(world)
    certificates = f"{CERTIFICATES}/{value}"
    cure = f"a name that nothing else there has, as {_free_registry(world)}"
    for host, facts in world.facts():
        lines = [Line(one["address"], tuple(one["names"]), one["owner"]) for one in facts.get("hosts_lines", ())]
        for line in clashes(lines, f"{platform}-registry", address, name) if address and name else ():
            problem = f"is {line.address} in /etc/hosts there ({line.owner or 'a line of its own'})"
            yield Problem(host, "registry_address", value, problem, cure)
        if certificates not in facts.get("own_folders", {}):
            continue
        folder = SeenFolder(**facts["own_folders"][certificates])
        found = whose(certificates, platform, folder, proof=_same_ca(world, host))
        if found.is_refused:
            problem = f"has certificates there already: {certificates} {found.why}"
            yield Problem(host, "registry_address", value, problem, cure)


def _same_ca(world: World, host: str) -> str:
    """Why a registry's certificates, without a marker, are the platform's: its own folder has the same CA."""
    value, trees = str(world.variable("registry_address")), world.looks[host].trees
    folder = posixpath.normpath(str(world.variable("platform_config_dir")))
    there = trees.get("/etc/docker", {}).get(f"{CERTIFICATES}/{value}/ca.crt", {}).get("digest")
    own = trees.get(folder, {}).get(f"{folder}/certs.d/{value}/ca.crt", {}).get("digest")
    return f"its CA is the one of {folder}" if own and own == there else ""


def _free_registry(world: World) -> str:
    """A registry's address that no machine knows yet."""
    port = _registry_port(str(world.variable("registry_address"))) or 5000
    taken = {host for app in world.inventory.apps.values() for host in app["hosts"]}
    taken |= {node.name for node in world.inventory.nodes}
    for _host, facts in world.facts():
        taken |= {name for line in facts.get("hosts_lines", ()) for name in line["names"]}
    return f"{_free(f'registry-{world.inventory.name}', taken)}:{port}"


def _free(name: str, taken: Collection[str]) -> str:
    """The name, or with the first number that nobody has."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([name], numbered) if one not in taken)


def check_shared_names(world: World) -> Iterator[Problem]:
    """Containers, networks and volumes of an engine: names of two platforms, made of other parts, may be the same."""
    inventory = world.inventory
    for host, facts in world.facts():
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
                yield Problem(host, "platform_name", inventory.name, problem, cure)


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


# --- images ---


def check_images(world: World) -> Iterator[Problem]:
    source = world.variable("images_source")
    own = ["registry", "proxy", "node"] if world.inventory.is_nested else ["registry", "proxy"]
    optional = (*wanted_images(world.inventory.variables), *jenkins.wanted_images(world.inventory))
    own += [name for name in optional if not _may_lack(world, name)]
    wanted = dict.fromkeys((name for name in own if name in world.images and world.inventory.nodes), "images_source")
    for name, app in world.inventory.apps.items():
        for place, image in catalog_images(app).items():
            wanted.setdefault(image, f"apps.{name}.{place}")
    for image, variable in wanted.items():
        entry = world.images.get(image)
        value = source if variable == "images_source" else image
        if entry is None and world.images:
            near = nearest(image, world.images)
            offered = sorted(name for name, one in world.images.items() if not one.internal)
            cure = f"did you mean {near}?" if near else f"one of: {', '.join(offered)}; or add it to images_extra"
            cure += "" if ".services." not in variable else ", or name its tag, as redis:7"
            yield Problem(ALL_HOSTS, variable, image, "is not in the image catalog", cure)
        elif entry is not None and entry.internal and variable != "images_source":
            yield Problem(ALL_HOSTS, variable, image, "is only a base of other images", "the image of an app")
        elif entry is not None and (entry.source or source) == "build" and not entry.build:
            problem = f"the catalog does not say how to build {image}"
            yield Problem(ALL_HOSTS, variable, value, problem, "images_source: pull, or add build to its entry")
        elif entry is not None and (entry.source or source) in ("auto", "pull") and not entry.pull and not entry.build:
            problem = f"the catalog says neither where to pull {image} nor how to build it"
            yield Problem(ALL_HOSTS, variable, value, problem, "add pull or build to its entry")
        elif entry is not None and (entry.source or source) == "archive":
            yield from _check_archive(world, image)
    for name, entry in world.images.items():
        if entry.base and entry.base not in world.images:
            near = nearest(entry.base, world.images)
            cure = f"did you mean {near}?" if near else "add it to images_extra"
            yield Problem(ALL_HOSTS, f"images_extra.{name}.build.base", entry.base, "is not in the image catalog", cure)
        elif name in _bases_of(world.images, name):
            problem = "is built on this one itself"
            yield Problem(ALL_HOSTS, f"images_extra.{name}.build.base", entry.base, problem, "another base, as nodejs")
    yield from _check_bases(world)


def _bases_of(images: Mapping[str, Image], name: str) -> list[str]:
    """What an image is built on, and that on, each once."""
    found: list[str] = []
    while (name := images.get(name, Image()).base) and name not in found:
        found.append(name)
    return found


def _check_bases(world: World) -> Iterator[Problem]:
    meant: dict[str, str] = {}
    named = {key: name for key, name in world.variable("images_bases").items() if isinstance(name, str) and name}
    for image, name in named.items():
        variable = f"images_bases.{image}"
        if name not in world.images and world.images:
            near = nearest(name, world.images)
            offered = ", ".join(sorted(world.images))
            cure = f"did you mean {near}?" if near else f"one of: {offered}; or add it to images_extra"
            yield Problem(ALL_HOSTS, variable, name, "is not in the image catalog", cure)
        elif meant.setdefault(full_reference(str(image)), name) != name:
            problem = f"is the same image as another one, for which {meant[full_reference(str(image))]} stands in"
            yield Problem(ALL_HOSTS, variable, name, problem, "one of them")


def _may_lack(world: World, image: str) -> bool:
    return (world.images.get(image, Image()).missing or world.variable("images_missing")) == "skip"


def _check_archive(world: World, image: str) -> Iterator[Problem]:
    folder = str(world.variable("images_archive_dir"))
    for host, facts in world.facts():
        if world.inventory.is_nested and not any(node.host == host for node in world.inventory.nodes):
            continue
        if not world.inventory.is_nested and host not in world.inventory.registry_hosts:
            continue
        names = facts["folders"].get(folder)
        if names is None:
            cure = "put the bundle's files there, or correct the path"
            yield Problem(host, "images_archive_dir", folder, "is not there or can't be read", cure)
        elif not any(f"{image}{suffix}" in names for suffix in ARCHIVE_SUFFIXES):
            cure = f"put {image}{ARCHIVE_SUFFIXES[0]} (or {', '.join(ARCHIVE_SUFFIXES[1:])}) there"
            yield Problem(host, "images_archive_dir", folder, f"has no archive of the image {image}", cure)


# --- apps ---


def check_apps(world: World) -> Iterator[Problem]:
    """Each app's settings in themselves."""
    for name in world.inventory.app_names:
        if not APP_NAME.fullmatch(name):
            cure = "lower case letters, digits and hyphens, beginning with a letter, at most 31"
            yield Problem(ALL_HOSTS, f"apps.{name}", name, "is not an app's name", cure)
        if name in world.inventory.variables["apps_absent"]:
            yield Problem(ALL_HOSTS, "apps_absent", name, "is one of apps, too", "take it out of apps first")
        if name in RESERVED_APPS:
            yield Problem(ALL_HOSTS, f"apps.{name}", name, "is the name of a stack of the platform", "another name")
    for name in world.inventory.variables["apps_absent"]:
        if not kinds.NAME.why(name) and (not APP_NAME.fullmatch(name) or name in RESERVED_APPS):
            yield Problem(ALL_HOSTS, "apps_absent", name, "is no app's name", "the one that make status shows")
    for name in world.inventory.variables["apps_older_confirmed"]:
        if not kinds.NAME.why(name) and name not in world.inventory.app_names:
            cure = f"there are: {', '.join(sorted(world.inventory.app_names)) or 'none'}"
            yield Problem(ALL_HOSTS, "apps_older_confirmed", name, "is not an app of the inventory", cure)
    for name, app in world.inventory.apps.items():
        at = f"apps.{name}"
        for host in app["hosts"]:
            if not HOST_NAME.fullmatch(host):
                cure = "lower case letters, digits, hyphens and dots, as web.example.com; no scheme, port or path"
                yield Problem(ALL_HOSTS, f"{at}.hosts", host, "is not a host name", cure)
        for duplicate in sorted({host for host in app["hosts"] if app["hosts"].count(host) > 1}):
            yield Problem(ALL_HOSTS, f"{at}.hosts", duplicate, "is there twice", "once")
        for number, (key, value) in enumerate(app["environment"].items(), start=1):
            if not isinstance(key, str) or not VARIABLE_NAME.match(key):
                problem = f"is not a variable's name, as number {number} of them"
                cure = "as LOG_LEVEL; in quotes where YAML reads it as true or false, as NO and ON"
                yield Problem(ALL_HOSTS, f"{at}.environment", key, problem, cure)
            elif isinstance(value, (list, dict)):
                yield Problem(ALL_HOSTS, f"{at}.environment.{key}", HIDDEN, "must be text", "quote it")
            elif value is not None and (why := why_no_template(value)):
                yield Problem(ALL_HOSTS, f"{at}.environment.{key}", HIDDEN, why, "text that a container can be given")
        ipvs = all(facts["kernel"]["ipvs"] for _host, facts in world.facts())
        for wrong in wrong_services({**app, "name": name}, ipvs=ipvs):
            # A value of a service may be anything, a password too.
            yield Problem(ALL_HOSTS, f"{at}.{wrong.place}", "", wrong.problem, wrong.cure)
        route = app["route"]
        same_site = [flag for flag in route["cookie_flags"] if flag.startswith("samesite=")]
        if len(same_site) > 1:
            flags = listed(same_site)
            yield Problem(ALL_HOSTS, f"{at}.route.cookie_flags", flags, "contradict each other", "leave one")
        elif same_site == ["samesite=none"] and "secure" not in route["cookie_flags"]:
            problem = "browsers refuse it without secure"
            yield Problem(ALL_HOSTS, f"{at}.route.cookie_flags", Harmless(same_site[0]), problem, "add secure")


def check_constraints(world: World) -> Iterator[Problem]:
    """That there is a node for each service."""
    ipvs = all(facts["kernel"]["ipvs"] for _host, facts in world.facts())
    for name, app in world.inventory.apps.items():
        at = f"apps.{name}"
        yield from _check_constraints(world, at, app["constraints"])
        services = {"service": app["service"], **{f"services.{show(key)}": one for key, one in app["services"].items()}}
        for place, service in ({} if wrong_services({**app, "name": name}, ipvs=ipvs) else services).items():
            deploy = service.get("deploy") or {}
            constraints = (deploy.get("placement") or {}).get("constraints") or []
            yield from _check_constraints(world, f"{at}.{place}.deploy.placement", constraints)
            own = place == "service"
            ports = [*(app["ports"] if own else ()), *(service.get("ports") or [])]
            if any(published_port(one) is None for one in ports):
                continue
            number, what = (
                (app["replicas"], f"{at}.replicas")
                if own
                else (deploy.get("replicas", 1), f"{at}.{place}.deploy.replicas")
            )
            if not str(deploy.get("mode")).startswith("global"):
                constraints = [*(app["constraints"] if own else ()), *constraints]
                yield from _check_places(world, what, number, constraints, deploy, ports, ipvs=ipvs)


def _check_places(
    world: World,
    variable: str,
    number: int,
    constraints: Sequence[str],
    deploy: Mapping[str, Any],
    ports: Sequence[Any],
    *,
    ipvs: bool,
) -> Iterator[Problem]:
    """That there is a place for each replica, where a node takes so many and no more."""
    most = (deploy.get("placement") or {}).get("max_replicas_per_node") or 0
    why = f"each takes {most} (max_replicas_per_node)"
    if any(compose_service.port(one, ipvs=ipvs)["mode"] == "host" for one in ports):
        most, why = 1, "each has the published port once"
    if not most or any(map(kinds.KINDS["apps{}.constraints[]"].why, constraints)):
        return
    nodes = _able(world, constraints)
    if nodes and number > most * len(nodes):
        problem = f"has no place for each: {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'} may run it, and {why}"
        yield Problem(ALL_HOSTS, variable, number, problem, f"at most {most * len(nodes)}")


def check_settings_together(world: World) -> Iterator[Problem]:
    """What an app's settings come to together, and beside the other apps'.

    Of what an operator asks for, that depends on what is in force: app_releases judges it.
    """
    owners: dict[str, str] = {}
    for name, app in world.inventory.apps.items():
        at, metrics = f"apps.{name}", app["metrics"]
        # A deploy may ask for such a one; what site.yml builds, pulls and keeps has a name of its own.
        if world.images and app["image"] and REFERENCE.search(app["image"]):
            cure = f"an entry of images_extra, as {{{name}: {{pull: ...}}}}, and its name here"
            yield Problem(ALL_HOSTS, f"{at}.image", app["image"], "is not a name of the image catalog", cure)
        for host in app["hosts"]:
            if HOST_NAME.fullmatch(host) and owners.setdefault(host, name) != name:
                problem = f"is a host name of the app {owners[host]} too"
                yield Problem(ALL_HOSTS, f"{at}.hosts", host, problem, "leave it with one of them")
        if metrics["port"] and not metrics["path"]:
            problem = "is set without metrics.path"
            yield Problem(ALL_HOSTS, f"{at}.metrics.port", str(metrics["port"]), problem, "name the path, as /metrics")
        yield from _check_health(at, app)
        yield from _check_reservations(at, app)
        yield from _check_env_access(at, app)


def check_names_of_services(world: World) -> Iterator[Problem]:
    """What an app calls its own services, and what it wants to be called where all apps are: names of nobody else."""
    apps = world.inventory.apps
    # Docker asks without regard to case.
    owners = {
        f"{name}_{key}".lower(): f"the app {name}" for name, app in apps.items() for key in (SERVICE, *app["services"])
    }
    owners |= {f"monitoring_{one}": one.capitalize() for one in kinds.SERVICES} | {"proxy_proxy": "the proxy"}
    owners |= {f"proxy-{node.name}": "the proxy" for node in world.inventory.nodes}
    short = {SERVICE, *(str(key).lower() for app in apps.values() for key in app["services"])}
    for name, app in apps.items():
        at = f"apps.{name}"
        for key in map(str, app["services"]):
            if owner := owners.get(key.lower()) or _of_replica(key.lower(), apps):
                problem = f"is a name of {owner}: it would mean the one or the other"
                yield Problem(
                    ALL_HOSTS, f"{at}.services", key, problem, f"a short name, as {key.replace('_', '-')}-own"
                )
        for place, given in _aliases(app):
            # Docker knows each service by its tasks, too.
            alias = given.lower().removeprefix("tasks.")
            owner = "every app's own service" if alias in short else owners.get(alias) or _of_replica(alias, apps)
            if owner and owner != f"the app {name}":
                problem = f"is a name of {owner} on the network that all apps share"
                yield Problem(
                    ALL_HOSTS, f"{at}.{place}", Harmless(given), problem, f"a name of its own, as {name}-{alias}"
                )
            owners.setdefault(alias, f"the app {name}")


def _of_replica(name: str, apps: Iterable[str]) -> str:
    """The app that has a replica of this name, or of one that swarm fills in ({{.Task.Slot}})."""
    app, slot, number = re.sub(r"{{.*?}}", "0", name).rpartition("-slot-")
    return f"the app {app}" if slot and number.isdigit() and app in apps else ""


def _aliases(app: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(place, name) of the further names that an app's services want on the network that all apps share.

    A container's host name is one on each of its networks.
    """
    services = {"service": app["service"], **{f"services.{key}": one for key, one in app["services"].items()}}
    for place, service in services.items():
        if not isinstance(service, Mapping):
            continue
        networks = service.get("networks")
        is_there = place == "service" or (isinstance(networks, (list, Mapping)) and APPS_NETWORK in networks)
        if is_there and isinstance(service.get("hostname"), str):
            yield f"{place}.hostname", service["hostname"]
        given = networks.get(APPS_NETWORK) if isinstance(networks, Mapping) else None
        aliases = given.get("aliases") if isinstance(given, Mapping) else None
        for alias in aliases if isinstance(aliases, list) else ():
            yield f"{place}.networks.{APPS_NETWORK}.aliases", str(alias)


# Lists of hosts that are no groups.
LISTS_OF_HOSTS = ("load_test_cpu_hosts", "jenkins_deploy_hosts")
LISTS_OF_IMAGES = ("images_names", "images_optional", "images_required", "images_push_names")


def check_listed_names(world: World) -> Iterator[Problem]:
    """What a role's variable names one by one, and whether it is there."""
    hosts, images = dict.fromkeys(world.inventory.docker_hosts), world.images
    for variables, known, what in (
        (LISTS_OF_HOSTS, hosts, f"is not in {DOCKER_HOSTS}"),
        (LISTS_OF_IMAGES, images, "is not in the image catalog"),
    ):
        for name, place, one in _listed_names(world, variables):
            # What is no name is told as that.
            if known and str(one) not in known and not kinds.KINDS[f"{name}[]"].why(one):
                near = nearest(str(one), known)
                cure = f"did you mean {near}?" if near else f"one of: {', '.join(known)}"
                yield Problem(ALL_HOSTS, place, one, what, cure)


def _listed_names(world: World, variables: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """(variable, place, element) of lists, each once, whatever the number of hosts that have it."""
    found = {
        (name, place, str(one)): one
        for given in world.raw.hosts.values()
        for name in variables
        if not isinstance(given.get(name), Undefined)
        for place, one in kinds.parts(f"{name}[]", given)
    }
    yield from ((name, place, one) for (name, place, _text), one in found.items())


def check_vendor(world: World) -> Iterator[Problem]:
    """An engine of the vendor's needs the vendor's repository."""
    wrong = [
        host
        for host in world.inventory.docker_hosts
        if (given := world.raw.hosts.get(host, {})).get("docker_engine_source") == "vendor"
        and isinstance(repository := given.get("docker_engine_vendor_repository") or {}, Mapping)
        and not (repository.get("uri") and repository.get("signed_by"))
    ]
    if wrong:
        problem = "needs docker_engine_vendor_repository, with uri and signed_by"
        debian = "https://download.docker.com/linux/debian"
        cure = f"as {{uri: {debian}, signed_by: {debian}/gpg}}, or docker_engine_source: distribution"
        yield Problem(where(world.raw, wrong), "docker_engine_source", "vendor", problem, cure)


def check_load_test(world: World) -> Iterator[Problem]:
    host = str(world.variable("load_test_host") or "")
    hosts = world.inventory.docker_hosts
    if host and host not in hosts:
        near = nearest(host, hosts)
        cure = f"did you mean {near}?" if near else f"one of: {', '.join(hosts)}"
        yield Problem(ALL_HOSTS, "load_test_host", host, f"is not in {DOCKER_HOSTS}", cure)
    for variables in world.raw.hosts.values():
        name, known = variables.get("load_test_profile"), variables.get("load_test_profiles") or LOAD_TEST_PROFILES
        yield from _check_bounds(variables)
        is_name = isinstance(name, str) and not kinds.NAME.why(name)
        if is_name and isinstance(known, (Mapping, tuple)) and name not in known:
            cure = f"one of: {', '.join(sorted(map(str, known)))}"
            yield Problem(ALL_HOSTS, "load_test_profile", name, "is not one of load_test_profiles", cure)


# Of the role load_test.
REQUESTS_MAX, DEADLINE_SECONDS = 20000, 300


def _check_bounds(variables: Mapping[str, Any]) -> Iterator[Problem]:
    """That no profile is more than a load test may be. What a profile is in itself, its kind says."""
    profiles = variables.get("load_test_profiles")
    if not isinstance(profiles, Mapping) or kinds.why_no_profiles(profiles):
        return
    limits = [variables.get("load_test_requests_max", REQUESTS_MAX), variables.get("load_test_deadline_seconds")]
    try:
        requests_max, deadline = int(limits[0]), float(limits[1] or DEADLINE_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return  # told as that
    for name in profiles:
        try:
            check_bounds(choose_profile(name, profiles, {}), requests_max=requests_max, deadline_seconds=deadline)
        except PlatformError as error:
            cure = "less, or a higher load_test_requests_max or load_test_deadline_seconds"
            yield Problem(ALL_HOSTS, f"load_test_profiles.{name}", "", f"is too much: {error.message}", cure)


def check_monitoring(world: World) -> Iterator[Problem]:
    owners = {host: f"the app {name}" for name, app in world.inventory.apps.items() for host in app["hosts"]}
    for page, host in wanted_hosts(world.inventory.variables).items():
        at = f"monitoring_hosts.{page}"
        if not HOST_NAME.fullmatch(host):
            cure = "lower case letters, digits, hyphens and dots, as grafana.example.com; no scheme, port or path"
            yield Problem(ALL_HOSTS, at, host, "is not a host name", cure)
        elif owners.setdefault(host, page) != page:
            yield Problem(ALL_HOSTS, at, host, f"is a host name of {owners[host]} too", "leave it with one of them")
    mail = world.variable("monitoring_mail")
    for keys, wanted_by in (
        (("to", "from", "smarthost"), ("to", "from", "smarthost", "username", "password")),
        (("username", "password"), ("username", "password")),
    ):
        # By half a login Alertmanager sends nothing, or without any.
        for key in keys if any(mail.get(one) for one in wanted_by) else ():
            if not mail.get(key):
                cure = f"{', '.join(keys[:-1])} and {keys[-1]} belong together"
                yield Problem(ALL_HOSTS, f"monitoring_mail.{key}", "", "is missing", cure)
    yield from _check_alerts(world)
    names: set[str] = set()
    for index, endpoint in enumerate(world.variable("monitoring_mysql_endpoints")):
        at = f"monitoring_mysql_endpoints[{index}]"
        if not ENDPOINT_NAME.fullmatch(endpoint["name"]):
            yield Problem(ALL_HOSTS, f"{at}.name", endpoint["name"], "is not a name", "letters, digits and hyphens")
        elif endpoint["name"] in names:
            yield Problem(ALL_HOSTS, f"{at}.name", endpoint["name"], "is there twice", "give each its own")
        names.add(endpoint["name"])


def _check_alerts(world: World) -> Iterator[Problem]:
    paths = world.variable("monitoring_rule_files")
    found = {path: file for path in paths if (file := _seen_file(world, path))}
    for index, path in enumerate(paths):
        if path in found and found[path].error:
            at, problem = f"monitoring_rule_files[{index}]", f"can't be read: {found[path].error}"
            yield Problem(ALL_HOSTS, at, path, problem, "put it there, readable, or correct the path")
    contents = {path: file.content for path, file in found.items() if not file.error}
    for at, value, problem, cure in (
        *alerts.check_alerts(world.variable("monitoring_alerts")),
        *alerts.check_rule_files(paths, contents),
        *alerts.check_receivers(
            *(world.variable(f"monitoring_alert_{what}") for what in ("routes", "receivers", "secrets"))
        ),
    ):
        yield Problem(ALL_HOSTS, at, HIDDEN if value is None else value, problem, cure)


def check_jenkins(world: World) -> Iterator[Problem]:
    """Its host, its addresses, its jobs."""
    inventory = world.inventory
    yield from jenkins.check_group(world.raw, inventory)
    host = jenkins.jenkins_host(inventory)
    if not host:
        return
    facts = world.looks.get(host, Look()).facts
    yield from jenkins.check_addresses(inventory, facts)
    yield from jenkins.check_settings(inventory, facts)
    yield from jenkins.check_jobs(inventory)
    if path := _vault_password_file(world.raw, inventory):
        file = _seen_file(world, path)
        if file and file.error:
            cure = "put the password there, or correct the path"
            yield Problem(ALL_HOSTS, "jenkins_vault_password_file", HIDDEN, f"can't be read: {file.error}", cure)
    name = str(world.variable("jenkins_host"))
    taken = {one: f"the app {app}" for app, settings in inventory.apps.items() for one in settings["hosts"]}
    taken.update({one: page for page, one in wanted_hosts(inventory.variables).items()})
    if not _is_given(world, "registry_address"):  # else that is what is told
        taken[_registry_name(world)] = "the registry"
    if "jenkins_host" in inventory.misread:
        pass
    elif not name:
        cure = "the host name that people and webhooks use, as jenkins.example.com"
        yield Problem(ALL_HOSTS, "jenkins_host", "", "is missing", cure)
    elif not HOST_NAME.fullmatch(name):
        cure = "lower case letters, digits, hyphens and dots, as jenkins.example.com; no scheme, port or path"
        yield Problem(ALL_HOSTS, "jenkins_host", name, "is not a host name", cure)
    elif name in taken:
        yield Problem(ALL_HOSTS, "jenkins_host", name, f"is a host name of {taken[name]} too", "another one")
    port, bind = world.variable("jenkins_https_port"), str(world.variable("jenkins_bind_address"))
    for variable in ("proxy_http_port", "proxy_https_port"):
        if not jenkins.is_apart(inventory, host) and port == world.variable(variable):
            problem = f"is {variable} of the same machine too"
            yield Problem(ALL_HOSTS, "jenkins_https_port", str(port), problem, "another port, as 8443")
            return
    holder = _holder(inventory, facts, port, bind, jenkins.platform_of(inventory)) if facts else ""
    if holder:
        cure = "stop it, or another jenkins_https_port"
        yield Problem(host, "jenkins_https_port", str(port), f"the port is held by {holder}", cure)


def _swarm_name(node: Node, facts: Mapping[str, Any]) -> str:
    """What the swarm calls a node: its container's host name, or its machine's (``facts``), which may be any."""
    return str(facts.get("hostname") or node.name) if node.driver == "engine" else node.name


def _check_constraints(world: World, at: str, constraints: Sequence[str]) -> Iterator[Problem]:
    """That some node can fulfil what is asked of its name and its role; labels may come later."""
    nodes, facts = world.inventory.nodes, dict(world.facts())
    names = {node.name: _swarm_name(node, facts.get(node.host, {})) for node in nodes}
    unnamed = _unnamed(world)
    problems: list[Problem] = []
    for index, constraint in enumerate(constraints):
        key, equal, wanted = constraint.partition("==")
        key = key.strip().lower()
        hostnames = [] if unnamed else list(names.values())
        architectures = {of["node.platform.arch"] for _node, of in _told(world) if "node.platform.arch" in of}
        known = {
            "node.hostname": hostnames,
            "node.role": ["manager", "worker"],
            "node.platform.os": ["linux"],
            "node.platform.arch": sorted(architectures),
        }.get(key)
        # A swarm compares without regard to case.
        if equal and known and wanted.strip().lower() not in map(str.lower, known):
            near = names.get(wanted.strip()) or nearest(wanted.strip(), known)
            cure = f"did you mean {near}?" if near else f"one of: {', '.join(known)}"
            value = Harmless(f"{key} == {show(wanted.strip())}")
            problems.append(Problem(ALL_HOSTS, f"{at}.constraints[{index}]", value, "no node can run it", cure))
        elif equal and key == "node.role" and all(node.role != wanted.strip().lower() for node in nodes):
            problem = f"no node can run it: there is no {wanted.strip()}"
            value = Harmless(f"{key} == {wanted.strip()}")
            cure = "take it away, or add one"
            problems.append(Problem(ALL_HOSTS, f"{at}.constraints[{index}]", value, problem, cure))
    yield from problems
    if nodes and not problems and not _able(world, constraints):
        problem = f"no node can run it: none of {', '.join(names.values())} fulfils all of them"
        yield Problem(ALL_HOSTS, f"{at}.constraints", "", problem, "take one of them away, or add a node")


def _able(world: World, constraints: Sequence[str]) -> list[Node]:
    """The nodes that fulfil constraints, as far as that can be known, drained ones too."""
    return [node for node, of in _told(world) if all(_may_run(one, of) for one in constraints)]


def _unnamed(world: World) -> set[str]:
    """The nodes on machines that do not answer, which do not say what they are called."""
    facts = dict(world.facts())
    return {node.name for node in world.inventory.nodes if node.driver == "engine" and node.host not in facts}


def _told(world: World) -> list[tuple[Node, dict[str, str]]]:
    """Each node, with what is known of it and a constraint may ask for, in small letters."""
    facts, unnamed = dict(world.facts()), _unnamed(world)
    found = []
    for node in world.inventory.nodes:
        seen = facts.get(node.host, {})
        of = {"node.role": node.role, "node.platform.os": "linux"}
        if node.name not in unnamed:
            of["node.hostname"] = _swarm_name(node, seen).lower()
        if seen.get("architecture"):
            of["node.platform.arch"] = str(seen["architecture"]).lower()
        found.append((node, of))
    return found


def _may_run(constraint: str, node: Mapping[str, str]) -> bool:
    """Whether what is known of a node (``node.hostname``, ``node.role``) fulfils a constraint; of the rest, perhaps."""
    operator = "==" if "==" in constraint else "!="
    key, _operator, wanted = constraint.partition(operator)
    given = node.get(key.strip().lower())
    return given is None or (given == wanted.strip().lower()) == (operator == "==")


def _check_health(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    health, update = app["health"], app["update"]
    needed = health["interval_seconds"] * health["retries"]
    if health["enabled"] and 0 <= update["monitor_seconds"] < needed:
        problem = f"is over before a sick container is found out: {needed} s (interval x retries)"
        value = str(update["monitor_seconds"])
        yield Problem(ALL_HOSTS, f"{at}.update.monitor_seconds", value, problem, f"at least {needed}")


def _check_reservations(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """The one against the other; what they are by themselves, their kinds say."""
    limits, reservations = app["limits"], app["reservations"]
    limit, reserved = bytes_of(limits["memory"]), bytes_of(reservations["memory"])
    if limit is not None and reserved is not None and limit < reserved:
        problem = f"is less than reservations.memory {reservations['memory']}"
        yield Problem(ALL_HOSTS, f"{at}.limits.memory", limits["memory"], problem, "a limit of at least that")
    if 0 < limits["cpus"] < reservations["cpus"]:
        problem = f"is less than reservations.cpus {show(reservations['cpus'])}"
        yield Problem(ALL_HOSTS, f"{at}.limits.cpus", limits["cpus"], problem, "a limit of at least that")


def check_capacity(world: World) -> Iterator[Problem]:
    """What the apps reserve together against what the machines have."""
    hosts = [host for host in world.inventory.docker_hosts if not jenkins.is_apart(world.inventory, host)]
    facts = [facts for host, facts in world.facts() if host in hosts]
    if not facts or len(facts) != len(hosts):
        return
    tasks = [task for name, app in world.inventory.apps.items() for task in _reserved(world, name, app)]
    memory = sum(number * each for _place, number, each, _cpus in tasks)
    cpus = sum(number * each for _place, number, _memory, each in tasks)
    total_memory, total_cpus = sum(f["memory"]["total_bytes"] for f in facts), sum(f["cpus"] for f in facts)
    most_memory, most_cpus = max(f["memory"]["total_bytes"] for f in facts), max(f["cpus"] for f in facts)
    for place, number, each_memory, each_cpus in tasks if memory <= total_memory and cpus <= total_cpus else ():
        for what, each, most, told in (
            ("memory", each_memory, most_memory, f"{most_memory / 1024**3:.1f} GB"),
            ("cpus", each_cpus, most_cpus, f"{most_cpus} CPUs"),
        ):
            if number and each > most:
                problem = f"is more than any machine has, {told}: no node could run it"
                yield Problem(ALL_HOSTS, f"{place}.{what}", "", problem, "less, or a bigger machine")
    cure = "fewer replicas, smaller reservations, or bigger machines"
    if memory > total_memory:
        value = f"{memory / 1024**3:.1f} GB"
        problem = f"the apps together reserve more than the machines' {total_memory / 1024**3:.1f} GB"
        yield Problem(ALL_HOSTS, "apps.*.reservations.memory", value, problem, cure)
    if cpus > total_cpus:
        problem = f"the apps together reserve more than the machines' {total_cpus} CPUs"
        yield Problem(ALL_HOSTS, "apps.*.reservations.cpus", f"{cpus:g}", problem, cure)


def _reserved(world: World, name: str, app: Mapping[str, Any]) -> Iterator[tuple[str, int, float, float]]:
    """(where it says so, tasks, bytes, CPUs) of what each of an app's services reserves for each of its tasks."""
    own = app["reservations"]
    yield f"apps.{name}.reservations", max(app["replicas"], 0), bytes_of(own["memory"]) or 0, own["cpus"]
    services = app["services"] if not wrong_services({**app, "name": name}, ipvs=True) else {}
    for key, service in services.items():
        deploy = service.get("deploy") or {}
        asked = (deploy.get("resources") or {}).get("reservations") or {}
        is_global = str(deploy.get("mode")).startswith("global")
        number = len(world.inventory.nodes) if is_global else deploy.get("replicas", 1)
        place = f"apps.{name}.services.{show(key)}.deploy.resources.reservations"
        yield place, number, bytes_of(asked.get("memory") or "0") or 0, float(asked.get("cpus") or 0)


def check_env_files(world: World) -> Iterator[Problem]:
    for name, app in world.inventory.apps.items():
        at, target = f"apps.{name}", app["env_target"]
        if app["env_file"]:
            file = _seen_file(world, app["env_file"])
            if file and file.error:
                problem = _why_unread(file, file_path(world.inventory.inventory_dir, app["env_file"]))
                yield Problem(
                    ALL_HOSTS, f"{at}.env_file", app["env_file"], problem, "put it there, readable, or correct the path"
                )
            elif file:
                yield from _check_env_content(at, app, file.content)
        if target:
            problem = _why_no_target(target)
            if problem:
                cure = "a folder of its own, as /usr/src/app/env"
                yield Problem(ALL_HOSTS, f"{at}.env_target", target, problem, cure)


def _why_unread(file: FileContent, path: str) -> str:
    shown = show(path)
    return f"can't be read: {file.error}{'' if shown == HIDDEN else f' ({shown})'}"


def _check_env_access(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """What is known before the start; of an image that drops root by itself, the health check tells."""
    owner, mode, user = str(app["env_owner"]), str(app["env_mode"]), str(app["service"].get("user") or "")
    for name, value in (("env_target", app["env_target"]), ("env_owner", owner), ("env_mode", mode)):
        if value and not app["env_file"]:
            cure = f"name the env_file, or take {name} away"
            yield Problem(ALL_HOSTS, f"{at}.{name}", value, "is set without env_file", cure, ENV)
    runs_as = user.partition(":")[0]
    if not owner or not runs_as.isdigit() or int(runs_as) == 0 or why_no_owner(owner) or (mode and why_no_mode(mode)):
        return
    readers = EnvFile("", owner, mode or MODE).readers()
    if readers and int(runs_as) != int(readers[0] or -1) and not readers[1]:
        problem = f"nobody but it may read the file, and service.user is {show(user)}"
        cure = f"'{runs_as}', or an env_mode that lets it read"
        yield Problem(ALL_HOSTS, f"{at}.env_owner", owner, problem, cure, ENV)


def _check_env_content(at: str, app: Mapping[str, Any], content: bytes) -> Iterator[Problem]:
    try:
        parse_env(content.decode())
    except UnicodeDecodeError:
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], "is not UTF-8 text", "save it as UTF-8")
    except PlatformError as error:
        cure = "lines of NAME=value, comments with #, empty lines"
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], f"is malformed: {error.message}", cure)
    if app["env_delivery"] == "secret" and not content:
        cure = "write a line into it, or env_delivery: volume"
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], "is empty, which no secret may be", cure)
    if app["env_delivery"] == "secret" and len(content) > SECRET_BYTES_MAX:
        cure = "env_delivery: volume"
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], "is over 500 kB, too big for a secret", cure)


# Where an image has what it is made of; an app's own folder lies elsewhere, or deeper.
IMAGE_FOLDERS = (
    *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root"),
    *("/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/include", "/usr/lib", "/usr/lib64"),
    *("/usr/libexec", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/sbin", "/usr/share"),
    *("/etc/group", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/etc/shadow"),
    *("/usr/src", "/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/tmp", "/etc/ssl", "/etc/ssl/certs"),
)
IMAGE_TREES = ("/bin", "/boot", "/dev", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr/bin", "/usr/sbin")


def _why_no_target(target: str) -> str:
    if not target.startswith("/"):
        return "is not an absolute path"
    if target.strip("/") == "":
        return "would hide the whole image"
    if ".." in target.split("/") or re.search(r"[\s:,]", target):
        return "must have no .., space, colon or comma"
    if why := why_no_folder(target):
        return why
    path = posixpath.normpath(target)
    if path in IMAGE_FOLDERS or any(path.startswith(f"{tree}/") for tree in IMAGE_TREES):
        return "would hide what the image has there"
    return ""


def check_older_copies(world: World) -> Iterator[Problem]:
    """No app is taken back by an older copy of the inventory."""
    looks = [world.looks.get(host, Look()) for host in world.inventory.docker_hosts]
    # Every manager knows the same; one that is about to join knows nothing.
    stacks: Mapping[str, Any] = next((look.stacks for look in looks if look.stacks), {})
    said = {}
    for name, app in _resolved_apps(world.inventory).items():
        file = world.files.get(app["env_file"], FileContent())
        if not file.error:
            said[name] = of_inventory(app, "", secret_digest(file.content) if app["env_file"] else "")
    yield from older_copies(said, stacks, world.variable("apps_older_confirmed"))


def check_memory(world: World) -> Iterator[Problem]:
    """A file that is broken is not to be taken for one that remembers nothing."""
    path, error = _controllers_memory(world)[::2]
    if error:
        cure = "put it back from a copy; or, where the swarm has what it should have (make status), remove it"
        problem = f"has {posixpath.basename(path)}, which tells what the swarm was known to hold and is broken: {error}"
        yield Problem(ALL_HOSTS, "platform_secrets_dir", posixpath.dirname(path), problem, cure)


def _controllers_memory(world: World) -> tuple[str, list[Memory], str]:
    """(path, what it remembers, why that can't be told)."""
    path = file_path(world.inventory.inventory_dir, _memory_file(world.inventory))
    file = world.files.get(path, FileContent(error=MISSING))
    if file.error:
        return path, [], "" if file.error == MISSING else file.error
    try:
        return path, parse_all(file.content.decode()), ""
    except ValueError as error:
        return path, [], str(error)


def check_certificates(world: World) -> Iterator[Problem]:
    inventory = world.inventory
    hosts = {host for app in inventory.apps.values() for host in app["hosts"]}
    yield from _check_own_certificate(world, "proxy", hosts | set(wanted_hosts(inventory.variables).values()))
    for problem in _check_own_certificate(world, "jenkins", {str(world.variable("jenkins_host"))} - {""}):
        yield replace(problem, kind=JENKINS)


def _check_own_certificate(world: World, prefix: str, hosts: set[str]) -> Iterator[Problem]:
    names = {
        f"{prefix}_certificate_{key}": str(world.variable(f"{prefix}_certificate_{key}"))
        for key in ("file", "key_file")
    }
    (certificate_variable, certificate_name), (key_variable, key_name) = names.items()
    if bool(certificate_name) != bool(key_name):
        missing, other = (
            (key_variable, certificate_variable) if certificate_name else (certificate_variable, key_variable)
        )
        yield Problem(ALL_HOSTS, missing, "", f"is missing beside {other}", "name both, or neither")
    contents: dict[str, bytes] = {}
    for variable, name in names.items():
        if not name:
            continue
        file = _seen_file(world, name)
        if file and file.error:
            problem = _why_unread(file, file_path(world.inventory.inventory_dir, name))
            yield Problem(ALL_HOSTS, variable, name, problem, "correct the path")
        elif file:
            contents[variable] = file.content
    if certificate_variable in contents:
        for about_key, serves, problem, cure in check_certificate(
            contents[certificate_variable],
            contents.get(key_variable),
            sorted(hosts),
            world.now,
            of=certificate_variable,
        ):
            variable = key_variable if about_key else certificate_variable
            yield Problem(ALL_HOSTS, variable, names[variable], problem, cure, VALIDITY if serves else CERTIFICATE)


# Each with the kind of its problems, where neither they nor the variable that they are about say it.
CHECKS: tuple[tuple[Callable[[World], Iterator[Problem]], str], ...] = (
    (check_kinds, ""),
    (check_names, ""),
    (check_addresses_plan, ""),
    (check_groups, ""),
    (check_quorum, ""),
    (check_nodes, ""),
    (check_node_addresses, ""),
    (check_reachable, MACHINE),
    (check_hosts, MACHINE),
    (check_own_folders, SETTINGS),
    (check_routes, MACHINE),
    (check_ports, ""),
    (check_published_ports, ""),
    (check_shared_ports, ""),
    (check_registry, ""),
    (check_shared_registry, MACHINE),
    (check_shared_names, MACHINE),
    (check_images, IMAGES),
    (check_apps, ""),
    (check_constraints, ""),
    (check_settings_together, ""),
    (check_names_of_services, ""),
    (check_monitoring, ""),
    (check_load_test, ""),
    (check_listed_names, ""),
    (check_vendor, ""),
    (check_jenkins, JENKINS),
    (check_capacity, MACHINE),
    (check_env_files, ENV),
    (check_older_copies, ""),
    (check_memory, MEMORY),
    (check_certificates, CERTIFICATE),
)


# What a reset goes by. Nothing else in an inventory can stop it.
RESET_VARIABLES = ("platform_name", "platform_config_dir", "platform_run_dir", "registry_address")


def check_for_reset(raw: RawInventory, specs: Specs) -> list[Problem]:
    """What is wrong in an inventory by which a platform is to be removed; no host is looked at."""
    inventory, problems = parse(raw, specs)
    world = World(raw, inventory, looks={}, images={}, files={}, now=utc_now())
    found = dict.fromkeys([*problems, *check_kinds(world), *check_names(world), *check_registry(world)])
    misspelt = {
        name
        for variables in raw.hosts.values()
        for name, near in specs.unknown(variables)
        if near in RESET_VARIABLES or near.startswith("reset_") or name.startswith(("platform_", "reset_"))
    }
    return [
        problem
        for problem in found
        if problem.variable in (*RESET_VARIABLES, *misspelt) or problem.variable.startswith(("reset_", "group "))
    ]


def check(world: World, without: Collection[Callable[[World], Iterator[Problem]]] = ()) -> list[Problem]:
    """Every problem, in the order of CHECKS, none twice. ``without``: checks that are left out."""
    checks = [(one, kind) for one, kind in CHECKS if one not in without]
    return list(dict.fromkeys(of_kind(problem, kind) for one, kind in checks for problem in one(world)))


def check_entries(apps: Mapping[str, Any], specs: Specs, *, ran_before: bool = False) -> list[Problem]:
    """What is wrong with the entries of apps that come into force, as with those of an inventory that says the same.

    ``ran_before``: they have been in force, so nothing counts but what they would be beside each other.
    """
    raw = RawInventory(hosts={ALL_HOSTS: {"apps": apps}}, groups={}, inventory_dir="")
    inventory, problems = parse(raw, specs)
    world = World(raw, inventory, looks={}, images={}, files={}, now=utc_now())
    beside = (check_shared_ports, check_names_of_services)
    checks = beside if ran_before else (check_kinds, check_apps, check_settings_together, *beside)
    found = [*([] if ran_before else problems), *(problem for one in checks for problem in one(world))]
    return [problem.without(secrets(raw, specs)) for problem in dict.fromkeys(found)]


def of_kind(problem: Problem, kind: str = "") -> Problem:
    """The problem with its kind."""
    return replace(problem, kind=problem.kind or kind or kind_of(problem.variable))


def machines(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """The docker hosts that carry what a verb may need."""
    managers = tuple(dict.fromkeys(node.host for node in inventory.nodes if node.role == "manager"))
    return {
        EVERY: inventory.docker_hosts,
        MANAGER: managers,
        REGISTRY_HOST: inventory.registry_hosts[:1],
        JENKINS_HOST: inventory.jenkins_hosts[:1],
        LOAD: (str(inventory.variables["load_test_host"] or ""),),
    }


def silent(world: World) -> dict[str, str]:
    """The docker hosts that were asked in vain, and why."""
    looks = {host: world.looks.get(host, NEVER) for host in world.inventory.docker_hosts}
    return {host: look.error for host, look in looks.items() if look.facts is None and not look.skipped}


def judge(world: World, problems: Sequence[Problem], verb: str, app: str = "") -> tuple[list[Problem], list[Problem]]:
    """The problems that block a verb, and those that are warnings for it. ``app``: the one that is asked for."""
    carriers, mute = machines(world.inventory), silent(world)
    mute.update({host: "" for host, look in world.looks.items() if look.limited})
    blocking = [one for one in problems if blocks(one, verb, app=app, machines=carriers, silent=mute)]
    return blocking, [problem for problem in problems if problem not in blocking]


def brought_in(before: Sequence[Problem], after: Sequence[Problem]) -> list[Problem]:
    """The problems that were not there before."""
    known = {(problem.where, problem.variable, problem.problem) for problem in before}
    return [problem for problem in after if (problem.where, problem.variable, problem.problem) not in known]


def warnings(world: World) -> list[str]:
    """What is allowed, and not to be forgotten."""
    found = []
    name = "swarm_member_recover_quorum"
    hosts = [host for host, variables in world.raw.hosts.items() if str(variables.get(name)).lower() in BOOLEANS_TRUE]
    if hosts:
        text = "a manager that misses the others may start the swarm again without them; take it away once that is done"
        found.append(f"{name} is set for {where(world.raw, hosts)}: {text}")
    if owner := _secrets_owner(world):
        folder, name = world.variable("platform_secrets_dir"), world.inventory.name
        text = f"has the CA of platform {owner}: where both are in use, each run replaces the other's certificates"
        found.append(f"platform_secrets_dir {folder} {text}; choose a folder of {name}'s own, as {folder}-{name}")
    for app, settings in world.inventory.apps.items():
        able = _able(world, settings["constraints"])
        # On purpose perhaps, before work on a machine; so it stops nobody.
        if able and all(node.availability != "active" for node in able):
            told = ", ".join(node.name for node in able)
            text = f"leave {told} alone to run it, which takes no tasks as long as it is not active"
            found.append(f"apps.{app}.constraints {text}")
    return found


def _secrets_owner(world: World) -> str:
    """The other platform whose CA lies in the folder of secrets; '' where there is none."""
    content = world.files.get(
        file_path(world.inventory.inventory_dir, _ca_file(world.inventory)), FileContent()
    ).content
    try:
        pki.check_libraries()
        common_name = pki.common_name(content.decode(errors="replace"))
    except PlatformError:  # there is none, or who makes use of it says so, and what lacks for that
        return ""
    owner = common_name.removesuffix(CA_SUFFIX)
    return owner if owner not in (common_name, world.inventory.name) else ""


def resolve(world: World) -> dict[str, Any]:
    """The fact ``platform`` of an inventory that nothing blocks."""
    inventory = world.inventory
    # What the nodes' networks can do, the machine of Jenkins says nothing of.
    facts = {host: fact for host, fact in world.facts() if not jenkins.is_apart(inventory, host)}
    monitoring = wanted_images(inventory.variables)
    measured = host_nodes(inventory.nodes) if monitoring else frozenset()
    nodes = [
        {
            "name": node.name,
            "host": node.host,
            "driver": node.driver,
            "role": node.role,
            "hostname": _swarm_name(node, facts.get(node.host, {})),
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
    registry_host = inventory.registry_hosts[0]
    edge_host = next((node.host for node in inventory.nodes if node.driver == "dind"), "")
    manager = _manager(world, nodes)
    shared_images = jenkins.shared_images(inventory, world.images)
    memory_file, remembered, _broken = _controllers_memory(world)
    return {
        "name": inventory.name,
        **{key: world.variable(f"platform_{key}") for key in ("subnet", "overlay_pool", "node_pool", "node_bridge")},
        **{
            key: posixpath.normpath(world.variable(f"platform_{key}"))
            for key in ("config_dir", "run_dir", "secrets_dir")
        },
        "memory_file": memory_file,
        "remembered": [asdict(memory) for memory in remembered],
        "gateway": inventory.offset(GATEWAY_OFFSET),
        "mtu": min((fact["mtu"] for fact in facts.values()), default=1500),
        "ipvs": bool(facts) and all(fact["kernel"]["ipvs"] for fact in facts.values()),
        "nodes": nodes,
        "manager": manager,
        "answering": [host for host, _facts in world.facts()],
        "silent": silent(world),
        "registry": {
            "host": registry_host,
            "address": world.variable("registry_address"),
            "name": _registry_name(world),
            "port": _registry_port(str(world.variable("registry_address"))),
            "ip": _registry_ip(world),
            # In the platform's own bridge; without nodes there, clients come by the docker host's address.
            "container_ip": inventory.offset(REGISTRY_OFFSET),
            "bind_address": "" if inventory.is_nested else _registry_ip(world),
            "metrics": registry_metrics(inventory, facts.get(registry_host, {}).get("docker", {}).get("networks", [])),
        },
        "monitoring": {
            "enabled": bool(monitoring),
            "images": list(monitoring),
            "hosts": wanted_hosts(inventory.variables),
        },
        "edge": {"host": edge_host, "ip": inventory.offset(EDGE_OFFSET) if edge_host else ""},
        "proxy": {
            **{key: world.variable(f"proxy_{key}") for key in ("http_port", "https_port", "bind_address")},
            "address": _proxy_address(world, edge_host, str(manager.get("address", ""))),
            **{
                key: file_path(inventory.inventory_dir, name) if (name := str(world.variable(f"proxy_{key}"))) else ""
                for key in ("certificate_file", "certificate_key_file")
            },
        },
        "trusted_ca_files": {
            host: list(world.variable("platform_trusted_ca_files") or fact["trusted_ca_files"])
            if world.variable("platform_trusted_ca_files") is not None
            else fact["trusted_ca_files"]
            for host, fact in world.facts()
        },
        "jenkins": _resolve_jenkins(world),
        "certificates": _resolve_certificates(world),
        # Of the image catalog, where nodes and registry are.
        "optional_images": [*(["node"] if inventory.is_nested or shared_images else []), *monitoring, *shared_images],
        "apps": _resolved_apps(inventory),
        "required_images": list(
            dict.fromkeys(image for app in inventory.apps.values() for image in catalog_images(app).values())
        ),
    }


def _registry_ip(world: World) -> str:
    """The address that the registry's name stands for; '' where it can't be known."""
    inventory = world.inventory
    if inventory.is_nested:
        return inventory.offset(REGISTRY_OFFSET)
    host = next(iter(inventory.registry_hosts), "")
    given = next((node.address for node in inventory.nodes if node.name == host), "")
    return given or str(dict(world.facts()).get(host, {}).get("address", ""))


def _resolved_apps(inventory: Inventory) -> dict[str, dict[str, Any]]:
    return {
        name: {
            **jenkins.without_pipeline(app),
            "env_file": file_path(inventory.inventory_dir, app["env_file"]) if app["env_file"] else "",
            "env_target": posixpath.normpath(app["env_target"])
            if app["env_target"]
            else (DEFAULT_TARGET if app["env_file"] else ""),
        }
        for name, app in inventory.apps.items()
    }


def _manager(world: World, nodes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The node that whatever needs a manager asks: the first that answers, as far as its docker host can tell."""
    facts = dict(world.facts())

    def rank(node: Mapping[str, Any]) -> int:
        if node["host"] not in facts or world.looks[node["host"]].limited:
            return 2
        docker = facts[node["host"]]["docker"]
        if node["driver"] == "engine":
            return int(docker["swarm"] != "active")
        running = {one["name"] for one in docker["containers"] if one.get("state") == "running"}
        return int(node["container"] not in running)

    return min((node for node in nodes if node["role"] == "manager"), key=rank, default={})


def _proxy_address(world: World, edge_host: str, manager_address: str) -> str:
    """Where the controller reaches the proxy: for the operator's first try."""
    bound = str(world.variable("proxy_bind_address"))
    if bound not in ("", "0.0.0.0"):
        return bound
    if not edge_host:
        return manager_address
    variables = world.raw.hosts.get(edge_host, {})
    if variables.get("ansible_connection") == "local":
        return "127.0.0.1"
    given = str(variables.get("ansible_host") or edge_host)
    facts = world.looks.get(edge_host, Look()).facts or {}
    return given if address_of(given) else str(facts.get("address", ""))


def _resolve_jenkins(world: World) -> dict[str, Any]:
    resolved = jenkins.resolve_jenkins(world.inventory, world.images)
    for key in ("certificate_file", "certificate_key_file"):
        if resolved.get(key):
            resolved[key] = file_path(world.inventory.inventory_dir, resolved[key])
    return resolved


def _resolve_certificates(world: World) -> dict[str, Any]:
    """Until when those that the docker hosts have are valid, and which are to be renewed (``renewal.installed``)."""
    inventory = world.inventory
    wanted = renewal.places(
        posixpath.normpath(world.variable("platform_config_dir")),
        str(world.variable("registry_address")),
        inventory.registry_hosts[0],
        jenkins.jenkins_host(inventory) if inventory.jenkins_hosts else "",
        inventory.docker_hosts,
    )
    return renewal.installed(wanted, {host: look.trees for host, look in world.looks.items()}, world.now)


def utc_now() -> datetime:
    return datetime.now(timezone.utc)
