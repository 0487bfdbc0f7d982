# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docker hosts: what they are, what they have room for, and what they are reached by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import DOCKER_HOSTS, NODE_PREFIX, where
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import why_no_host
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import why_no_place
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import NEVER, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, listed
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import DISK, LIMITED, SILENT

DISTRIBUTIONS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
DOCKER_VERSION_MIN = (20, 10)
DISK_ONCE_INSTALLED_GIGABYTES_MIN = 1
ALL_OR_LESS = "0 for all, or less"


def check_reachable(inputs: PreflightInput) -> Iterator[Problem]:
    boots: dict[str, str] = {}
    names: dict[str, str] = {}
    architectures: dict[str, str] = {}
    engines = {node.host for node in inputs.inventory.nodes if node.driver == "engine"}
    for host in inputs.inventory.docker_hosts:
        look = inputs.looks.get(host, NEVER)
        if look.limited:
            # Else a verb would end well without having done anything.
            cure = f"add {host} to --limit, or leave that away"
            yield Problem(host, "--limit", "", "leaves this machine out", cure, LIMITED)
        if look.skipped:
            continue
        if look.old_python:
            cure = "3.10 or newer, as Ubuntu 22.04 and Debian 12 have it; beside the old one: name its path here"
            problem = "is too old for the modules"
            yield Problem(host, "ansible_python_interpreter", Harmless(look.old_python), problem, cure, SILENT)
            continue
        if look.facts is None:
            variables = inputs.raw.hosts.get(host, {})
            address = _address(variables, host)
            cure = "check that it is up, and ansible_host, ansible_port, ansible_user, its SSH key and become"
            yield Problem(host, "ansible_host", address, f"can't be looked at: {look.error}", cure, SILENT)
            continue
        boot = f"{look.facts['boot_id']} {look.facts['hostname']}"
        if boot in boots and look.facts["boot_id"]:
            problem = f"is the same machine as {boots[boot]}"
            address = _address(inputs.raw.hosts.get(host, {}), host)
            yield Problem(host, "ansible_host", address, problem, "name each machine once")
        elif host in engines and names.setdefault(look.facts["hostname"], host) != host:
            problem = f"is the name of {names[look.facts['hostname']]}'s machine too, and the swarm tells nodes by it"
            cure = "another one for one of them (hostnamectl hostname ...), and start its engine anew"
            yield Problem(host, "host name", Harmless(look.facts["hostname"]), problem, cure)
        boots.setdefault(boot, host)
        architectures.setdefault(look.facts["architecture"], host)
    if len(architectures) > 1:
        told = " and ".join(f"{name} on {host}" for name, host in architectures.items())
        cure = "docker hosts of one architecture: images are made for one"
        names_of_all = listed(architectures)
        yield Problem("inventory", f"group {DOCKER_HOSTS}", names_of_all, f"mixes {told}", cure)


def _address(variables: Mapping[str, Any], host: str) -> Any:
    """Where a machine is reached: SSH's own client is given it for all to see."""
    given = variables.get("ansible_host", host)
    return given if why_no_host(given) else Harmless(given)


def check_hosts(inputs: PreflightInput) -> Iterator[Problem]:
    for host, facts in inputs.facts():
        yield from _check_distribution(inputs, host, facts)
        yield from _check_disk(inputs, host, facts)
        yield from _check_memory(inputs, host, facts)
        yield from _check_engine(host, facts["docker"])
        yield from _check_kernel(host, facts)
        yield from _check_room_for_nodes(inputs, host, facts)
        yield from _check_trusted_ca_files(inputs, host, facts)


def _check_distribution(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    """One that Docker Engine is installed on; or an engine that somebody else has installed."""
    distribution, docker = facts["distribution"], facts["docker"]
    if inputs.raw.hosts.get(host, {}).get("docker_engine_source") == "present":
        if not docker["answering"]:
            problem = f"no engine answers on {docker['socket']}"
            cure = "install and start one, or docker_engine_source: distribution"
            yield Problem(host, "docker_engine_source", Harmless("present"), problem, cure)
    elif distribution["version"] not in DISTRIBUTIONS.get(distribution["id"], ()):
        told = Harmless(f"{distribution['id']} {distribution['version']}".strip())
        supported = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in DISTRIBUTIONS.items())
        cure = f"one of: {supported}; or install Docker Engine yourself and set docker_engine_source: present"
        yield Problem(host, "distribution", told, "is not supported", cure)


def _check_disk(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    """Room for the images; once they are there, for what comes."""
    docker = facts["docker"]
    is_installed = docker["swarm"] == "active" or any(
        container["platform"] == inputs.inventory.name for container in docker["containers"]
    )
    wanted = DISK_ONCE_INSTALLED_GIGABYTES_MIN if is_installed else inputs.thresholds.disk_free_gigabytes_min
    free = facts["disk"]["free_bytes"] / 1024**3
    if free < wanted:
        problem = f"has {free:.1f} GB free, {wanted:g} GB are needed"
        cure = "free some, or lower preflight_disk_free_gigabytes_min"
        yield Problem(host, f"disk at {facts['disk']['path']}", f"{free:.1f} GB", problem, cure, DISK)


def _check_memory(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    memory, wanted = facts["memory"]["total_bytes"] / 1024**3, inputs.thresholds.memory_gigabytes_min
    if memory < wanted:
        cure = "a bigger machine, or lower preflight_memory_gigabytes_min"
        yield Problem(host, "memory", f"{memory:.1f} GB", f"is less than the {wanted:g} GB that are needed", cure)


def _check_engine(host: str, docker: Mapping[str, Any]) -> Iterator[Problem]:
    if not docker["answering"]:
        return
    version = tuple(int(part) for part in re.findall(r"\d+", docker["version"])[:2])
    if version < DOCKER_VERSION_MIN:
        yield Problem(host, "Docker Engine", Harmless(docker["version"]), "is too old", "20.10 or newer")
    if docker["storage_driver"] == "vfs":
        cure = "Docker's data on a filesystem that overlay2 can use (ext4, xfs)"
        yield Problem(host, "storage driver", Harmless("vfs"), "copies every layer in full", cure)


def _check_kernel(host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    modules, release = facts["kernel"]["modules"], Harmless(facts["kernel"]["release"])
    # An engine that answers has what its images need.
    if modules["overlay"] == "missing" and not facts["docker"]["answering"]:
        yield Problem(host, "kernel", release, "has no overlay, which every image needs", "a kernel that has it")
    if modules["vxlan"] == "missing":
        problem = "has no vxlan, which every overlay network needs"
        yield Problem(host, "kernel", release, problem, "a kernel that has it")


def _check_room_for_nodes(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    memory, cpus = facts["memory"]["total_bytes"], facts["cpus"]
    for node in inputs.inventory.nodes:
        if node.host != host:
            continue
        if node.cpus > cpus:
            yield Problem(node.name, f"{NODE_PREFIX}cpus", node.cpus, f"is more than the {cpus} of {host}", ALL_OR_LESS)
        if (bytes_of(node.memory) or 0) > memory:
            problem = f"is more than the {memory / 1024**3:.1f} GB of {host}"
            yield Problem(node.name, f"{NODE_PREFIX}memory", node.memory, problem, ALL_OR_LESS)


def _check_trusted_ca_files(inputs: PreflightInput, host: str, facts: Mapping[str, Any]) -> Iterator[Problem]:
    for path in inputs.variable("platform_trusted_ca_files") or ():
        if not facts["files"].get(path) and not why_no_place(path):
            cure = "put it there, or take it out of the list"
            yield Problem(host, "platform_trusted_ca_files", Harmless(path), "is not there or can't be read", cure)


def check_vendor(inputs: PreflightInput) -> Iterator[Problem]:
    """An engine of the vendor's needs the vendor's repository."""
    wrong = [
        host
        for host in inputs.inventory.docker_hosts
        if (given := inputs.raw.hosts.get(host, {})).get("docker_engine_source") == "vendor"
        and isinstance(repository := given.get("docker_engine_vendor_repository") or {}, Mapping)
        and not (repository.get("uri") and repository.get("signed_by"))
    ]
    if wrong:
        problem = "needs docker_engine_vendor_repository, with uri and signed_by"
        debian = "https://download.docker.com/linux/debian"
        cure = f"as {{uri: {debian}, signed_by: {debian}/gpg}}, or docker_engine_source: distribution"
        yield Problem(where(inputs.raw, wrong), "docker_engine_source", Harmless("vendor"), problem, cure)
