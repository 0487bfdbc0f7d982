# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Jenkins asks of the platform: its host, its addresses, its jobs, and what an inventory may get wrong. Pure."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import (
    DOCKER_HOSTS,
    JENKINS,
    Inventory,
    RawInventory,
    address_of,
    bridge_network,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import (
    HOST_NAME,
    network_of,
    port_of,
    why_no_site_network,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, listed, show, show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of

# Of the image catalog.
CONTROLLER_IMAGE, AGENT_IMAGE = "jenkins", "jenkins-agent"
# Offsets in Jenkins' own subnet.
OFFSETS = {"controller": 2, "agent": 3, "build": 4, "proxy": 5}
MEMORY_BYTES_MIN = 512 * 1024**2
# What an app says about its pipeline, and no rollout is about.
PIPELINE_SETTINGS = ("repository", "branch", "repository_credentials")
# Jobs that are there whatever the apps are called.
PLATFORM_JOBS = ("backup", "load-test")
ALL_HOSTS = "all hosts"
PLATFORM_NETWORKS = ("platform_subnet", "platform_overlay_pool", "platform_node_pool")

# These texts become part of Groovy and of a shell's words: what they may hold is said here, and nothing else gets in.
_PATH = r"[A-Za-z0-9_][A-Za-z0-9._~-]*"
_PLACE = r"(?P<host>[A-Za-z0-9.-]+)(:(?P<port>[0-9]+))?"
WEB_REPOSITORY = re.compile(rf"https?://{_PLACE}(/{_PATH})+/?")
SSH_REPOSITORY = re.compile(rf"ssh://([a-z][a-z0-9-]*@)?{_PLACE}(/{_PATH})+/?")
SCP_REPOSITORY = re.compile(rf"[a-z][a-z0-9-]*@(?P<host>[A-Za-z0-9.-]+):{_PATH}(/{_PATH})*")
# As git check-ref-format has it.
_REF = r"(?![^/]*(\.\.|\.lock(/|\Z)|\.(/|\Z)))[A-Za-z0-9_][A-Za-z0-9._-]*"
BRANCH = re.compile(rf"{_REF}(/{_REF})*")
CREDENTIAL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def jenkins_host(inventory: Inventory) -> str:
    """The host that Jenkins runs on, '' when there is to be none."""
    return inventory.jenkins_hosts[0] if inventory.jenkins_hosts else ""


def platform_of(inventory: Inventory) -> str:
    """What Jenkins' containers, network and volumes are labelled with, and begin with."""
    return f"{inventory.name}-jenkins"


def is_dedicated_host(inventory: Inventory, host: str) -> bool:
    """Whether a docker host carries Jenkins and nothing else of the platform."""
    return host in inventory.jenkins_hosts and host not in _carriers(inventory)


def _carriers(inventory: Inventory) -> dict[str, str]:
    """Docker hosts that carry something of the platform, and what."""
    found = dict.fromkeys(inventory.registry_hosts, "the registry")
    for node in inventory.nodes:
        found.setdefault(node.host, f"the node {node.name}")
    return found


def deploy_hosts(inventory: Inventory) -> list[str]:
    """The hosts that Jenkins' agent gets onto: those of the platform, and Jenkins' own only to back it up."""
    with_own = bool(inventory.variables["jenkins_backup_dir"])
    return [host for host in inventory.docker_hosts if with_own or not is_dedicated_host(inventory, host)]


def jobs(apps: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(name of a job, what it is for) of every job that may be seeded."""
    found = [(name, "the platform") for name in PLATFORM_JOBS]
    for name, app in apps.items():
        if app["repository"]:
            found.append((name, f"the app {name}"))
        found += [(f"{name}-{verb}", f"the app {name}") for verb in ("rollback", "scale")]
    return found


def job_names(apps: Mapping[str, Mapping[str, Any]], *, load_test: bool, backup: bool) -> list[str]:
    """Names of the jobs that ``jobs.groovy`` makes. Whether there are those of the platform."""
    left_out = {name for name, there in zip(PLATFORM_JOBS, (backup, load_test), strict=True) if not there}
    return [name for name, _what in jobs(apps) if name not in left_out]


def wanted_images(inventory: Inventory) -> tuple[str, ...]:
    """Names of the images that only Jenkins runs."""
    return (CONTROLLER_IMAGE, AGENT_IMAGE) if inventory.jenkins_hosts else ()


def known_images_of(inventory: Inventory, known: Mapping[str, Any]) -> list[str]:
    """Those of them that the catalog has."""
    return [name for name in wanted_images(inventory) if name in known]


def shared_images(inventory: Inventory, known: Mapping[str, Any]) -> list[str]:
    """What the platform's own host has to have of them: all, where Jenkins runs there, else none."""
    apart = is_dedicated_host(inventory, jenkins_host(inventory))
    return [] if apart else known_images_of(inventory, known)


def resolve_jenkins(inventory: Inventory, known_images: Mapping[str, Any]) -> dict[str, Any]:
    """The part ``jenkins`` of the fact ``platform``; ``host`` is '' when there is to be none."""
    if not inventory.jenkins_hosts:
        return {"host": "", "images": []}
    variables = inventory.variables
    network = network_of(variables["jenkins_subnet"])
    if network and network.num_addresses <= max(OFFSETS.values()):
        network = None
    return {
        "host": jenkins_host(inventory),
        "apart": is_dedicated_host(inventory, jenkins_host(inventory)),
        "platform": platform_of(inventory),
        "name": variables["jenkins_host"],
        "subnet": variables["jenkins_subnet"],
        "addresses": {name: str(network[offset]) for name, offset in OFFSETS.items()} if network else {},
        "images": known_images_of(inventory, known_images),
        "deploy_hosts": deploy_hosts(inventory),
        **{
            key: variables[f"jenkins_{key}"]
            for key in ("https_port", "bind_address", "build_memory", "certificate_file", "certificate_key_file")
        },
        "apps": {name: {key: app[key] for key in PIPELINE_SETTINGS} for name, app in inventory.apps.items()},
    }


def known_hosts_line(host: Mapping[str, Any]) -> str:
    """A host's line of a known_hosts file. ``host``: its variables, with what ``deploy_host.yml`` has read there."""
    kind, key = base64.b64decode(host["jenkins_deploy_host_key"]["content"]).decode().split()[:2]
    address, port = str(host.get("ansible_host") or host["inventory_hostname"]), int(host.get("ansible_port") or 22)
    return f"{address if port == 22 else f'[{address}]:{port}'} {kind} {key}"


def without_pipeline(app: Mapping[str, Any]) -> dict[str, Any]:
    """An app's settings as a rollout knows them."""
    return {key: value for key, value in app.items() if key not in PIPELINE_SETTINGS}


# --- what may be wrong ---


def check_group(raw: RawInventory, inventory: Inventory) -> Iterator[Problem]:
    hosts = inventory.jenkins_hosts
    if len(hosts) > 1:
        yield Problem("inventory", f"group {JENKINS}", listed(hosts), "has more than one host", "leave one")
    carriers = _carriers(inventory)
    for host in hosts:
        if host not in inventory.docker_hosts:
            cure = f"put it in {DOCKER_HOSTS} too: Jenkins runs in containers"
            yield Problem(host, f"group {JENKINS}", Harmless(host), f"is not in {DOCKER_HOSTS}", cure)
        elif host in carriers and not inventory.variables["jenkins_shares_host"]:
            problem = f"carries {carriers[host]} too: Jenkins' memory use once took the app down"
            cure = "a machine of its own, or jenkins_shares_host: true"
            yield Problem(host, f"group {JENKINS}", Harmless(host), problem, cure)
    if not hosts:
        for name, app in inventory.apps.items():
            if app["repository"]:
                cure = f"put a docker host in the group {JENKINS}, or take it away"
                at = f"apps.{show_key(name)}.repository"
                yield Problem(ALL_HOSTS, at, _shown(app["repository"]), "is set, but there is no Jenkins", cure)
        return
    for host in deploy_hosts(inventory):
        if raw.hosts.get(host, {}).get("ansible_connection") == "local":
            problem = "Jenkins' agent reaches it by SSH only"
            cure = "ansible_host, ansible_user and an SSH server there, and no ansible_connection"
            yield Problem(host, "ansible_connection", Harmless("local"), problem, cure)


def check_addresses(inventory: Inventory, facts: Mapping[str, Any] | None) -> Iterator[Problem]:
    """``facts``: the fact docker_host of the host that carries Jenkins, None where it is not known."""
    variables = inventory.variables
    value = str(variables["jenkins_subnet"])
    network = network_of(value)
    if network is None or why_no_site_network(value):
        return
    if network.prefixlen > 28:
        yield Problem(ALL_HOSTS, "jenkins_subnet", value, "has no room for Jenkins' containers", "as 172.31.240.0/24")
    others = {name: network_of(variables[name]) for name in PLATFORM_NETWORKS}
    others["platform_node_bridge"] = bridge_network(variables["platform_node_bridge"])
    for variable, other in others.items():
        if other and other.overlaps(network):
            cure = "choose a network apart from it"
            yield Problem(ALL_HOSTS, "jenkins_subnet", value, f"overlaps {variable} {other}", cure)
    yield from _check_routes(inventory, network, facts)


def _check_routes(
    inventory: Inventory, network: ipaddress.IPv4Network, facts: Mapping[str, Any] | None
) -> Iterator[Problem]:
    if not facts:
        return
    ours, value = platform_of(inventory), str(network)
    owners = {subnet: one for one in facts["docker"]["networks"] for subnet in one["subnets"]}
    for cidr in sorted({*facts["routes"], *owners}):
        route, owner = network_of(cidr), owners.get(cidr)
        if route is None or not network.overlaps(route) or (owner and owner["name"] == ours):
            continue
        whose = f"docker network {owner['name']}" if owner else "a route of the machine"
        problem = f"overlaps {cidr} on {jenkins_host(inventory)} ({whose})"
        yield Problem(ALL_HOSTS, "jenkins_subnet", value, problem, "choose a network that nothing uses there")
    for one in facts["docker"]["networks"]:
        if one["name"] == ours and value not in one["subnets"]:
            problem = f"is {listed(one['subnets'])} on {jenkins_host(inventory)} already"
            yield Problem(ALL_HOSTS, "jenkins_subnet", value, problem, "set it back, or reset the platform first")


def check_settings(inventory: Inventory, facts: Mapping[str, Any] | None) -> Iterator[Problem]:
    variables = inventory.variables
    bind = str(variables["jenkins_bind_address"])
    if address_of(bind) is None:
        yield Problem(ALL_HOSTS, "jenkins_bind_address", bind, "is not an IPv4 address", "0.0.0.0 for every one")
    total = facts["memory"]["total_bytes"] if facts else 0
    for variable in ("jenkins_memory", "jenkins_build_memory"):
        value = str(variables[variable])
        size = bytes_of(value)
        if size is None:
            continue
        if size < MEMORY_BYTES_MIN:
            yield Problem(ALL_HOSTS, variable, value, "is less than it starts with", "512M or more, as 2G")
        elif total and size > total:
            problem = f"is more than the {total / 1024**3:.1f} GB of {jenkins_host(inventory)}"
            yield Problem(ALL_HOSTS, variable, value, problem, "less, or a bigger machine")
    yield from _check_credentials(inventory)


def _check_credentials(inventory: Inventory) -> Iterator[Problem]:
    names: set[str] = set()
    for index, one in enumerate(inventory.variables["jenkins_git_credentials"]):
        at, name = f"jenkins_git_credentials[{index}]", str(one["name"])
        if not CREDENTIAL_NAME.fullmatch(name):
            yield Problem(ALL_HOSTS, f"{at}.name", name, "is not a name", "lower case letters, digits and hyphens")
        elif name in names:
            yield Problem(ALL_HOSTS, f"{at}.name", Harmless(name), "is there twice", "give each its own")
        names.add(name)
        if bool(one.get("password")) == bool(one.get("private_key")):
            problem = "needs a password (or token) or a private key, and only one of them"
            told = Harmless(name) if CREDENTIAL_NAME.fullmatch(name) else name
            yield Problem(ALL_HOSTS, at, told, problem, "leave one of password and private_key")


def check_jobs(inventory: Inventory) -> Iterator[Problem]:
    """What the apps say of their repositories."""
    for name, app in inventory.apps.items():
        at = f"apps.{show_key(name)}"
        if app["repository"]:
            yield from _check_repository(inventory, at, app)
        else:
            yield from _check_without_repository(at, app)
    yield from _check_names_of_jobs(inventory)


def _check_without_repository(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("branch", "repository_credentials"):
        if app[key] and (key != "branch" or app[key] != "main"):
            yield Problem(ALL_HOSTS, f"{at}.{key}", app[key], "is set without repository", "name that too")


def _check_repository(inventory: Inventory, at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """Its address, its branch, and what opens it."""
    repository = str(app["repository"])
    lines = (str(line) for line in inventory.variables["jenkins_git_known_hosts"])
    if not _is_over_ssh(repository) and not _is_repository(repository, WEB_REPOSITORY):
        cure = "as https://github.com/team/web.git or git@github.com:team/web.git, without a password in it"
        yield Problem(ALL_HOSTS, f"{at}.repository", _shown(repository), "is not a repository's address", cure)
    elif _is_over_ssh(repository) and not any(_is_line_of(line, known_as(repository)) for line in lines):
        problem = f"the key of {known_as(repository)} is not known, so anybody could answer in its place"
        scan = f"ssh-keyscan -p {_port(repository)} {git_host(repository)}"
        cure = f"add its line to jenkins_git_known_hosts: {scan.replace('-p 22 ', '')}, compared by eye"
        yield Problem(ALL_HOSTS, f"{at}.repository", _shown(repository), problem, cure)
    if not BRANCH.fullmatch(str(app["branch"])):
        yield Problem(ALL_HOSTS, f"{at}.branch", app["branch"], "is not a branch's name", "as main or release/2")
    if app["repository_credentials"]:
        yield from _check_repository_credentials(inventory, at, repository, str(app["repository_credentials"]))


def _check_repository_credentials(inventory: Inventory, at: str, repository: str, name: str) -> Iterator[Problem]:
    """They are there, and of the kind that the repository takes."""
    known = {str(one["name"]): one for one in inventory.variables["jenkins_git_credentials"]}
    variable, over_ssh = f"{at}.repository_credentials", _is_over_ssh(repository)
    if name not in known:
        cure = f"one of: {', '.join(known)}" if known else "add it there, in Ansible Vault"
        yield Problem(ALL_HOSTS, variable, name, "is not among jenkins_git_credentials", cure)
    elif over_ssh != bool(known[name].get("private_key")):
        problem = f"is {'a password' if over_ssh else 'a private key'}, which {_shown(repository)} does not take"
        cure = "a private key for SSH, a password or token for https"
        yield Problem(ALL_HOSTS, variable, Harmless(name), problem, cure)


def _check_names_of_jobs(inventory: Inventory) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for job, owner in jobs(inventory.apps):
        if owners.setdefault(job, owner) != owner:
            app = show_key(owner.removeprefix("the app "))
            problem = f"one of its jobs would be called {job}, as one of {owners[job]}"
            yield Problem(ALL_HOSTS, f"apps.{app}", app, problem, "another name for the app")


def _is_over_ssh(repository: str) -> bool:
    return _is_repository(repository, SSH_REPOSITORY) or _is_repository(repository, SCP_REPOSITORY)


def _is_repository(text: str, form: re.Pattern[str]) -> bool:
    """Whether an address has this form, with a host and a port that may be."""
    found = form.fullmatch(text)
    if not found or not HOST_NAME.match(found["host"].lower()):
        return False
    port = found.groupdict().get("port")
    return port is None or port_of(port) is not None


def git_host(repository: str) -> str:
    """The host of a repository's address."""
    if "://" in repository:
        return urlsplit(repository).hostname or ""
    return repository.partition("@")[2].partition(":")[0].lower()


def _port(repository: str) -> int:
    return (urlsplit(repository).port if "://" in repository else None) or 22


def known_as(repository: str) -> str:
    """What ssh looks for in a known_hosts file."""
    port = _port(repository)
    return git_host(repository) if port == 22 else f"[{git_host(repository)}]:{port}"


def _is_line_of(line: str, name: str) -> bool:
    """Whether a line of a known_hosts file is about a host, as sshd(8) has it: patterns, or a name's HMAC."""
    words = line.split(" ")
    if words[0] == "@revoked":
        return False
    hosts = words[1] if words[0] == "@cert-authority" and len(words) > 1 else words[0]
    if hosts.startswith("|1|"):
        salt, _bar, digest = hosts[3:].partition("|")
        try:
            found = hmac.new(base64.b64decode(salt), name.encode(), "sha1").digest()
            return hmac.compare_digest(found, base64.b64decode(digest))
        except ValueError:
            return False
    patterns = hosts.lower().split(",")
    return any(_matches(one, name) for one in patterns) and not any(
        _matches(one[1:], name) for one in patterns if one.startswith("!")
    )


def _matches(pattern: str, name: str) -> bool:
    """``*`` and ``?`` stand for others, and nothing else does."""
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(text, name) is not None


def _shown(repository: Any) -> str:
    """An address as it may be shown: neither form has a place for a password or a query."""
    text = str(repository)
    forms = (WEB_REPOSITORY, SSH_REPOSITORY, SCP_REPOSITORY)
    return Harmless(text) if any(_is_repository(text, form) for form in forms) else show(text)
