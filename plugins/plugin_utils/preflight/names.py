# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values by their kinds, the name of a platform, and what is listed by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import DOCKER_HOSTS, Undefined, where
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import KINDS, check_values, parts_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.folders import (
    check_folders_apart,
    check_folders_by_name,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.networks import APPS_NETWORK
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, SECRET, Harmless, Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest

PLATFORM_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?")

# Networks that an engine has, or means something else by; and those of the swarm, where a machine's engine is a node.
DOCKER_NETWORKS = ("bridge", "default", "host", "ingress", "none")
SWARM_NETWORKS = (APPS_NETWORK, "monitoring")


def check_kinds(inputs: PreflightInput) -> Iterator[Problem]:
    """What every variable's value has to look like, beyond its type."""
    found: dict[Problem, list[str]] = {}
    for host, variables in inputs.raw.hosts.items():
        known = {name: value for name, value in variables.items() if not isinstance(value, Undefined)}
        for place, value, why, kind in check_values(known):
            if place in inputs.inventory.misread:
                continue
            hidden = kind.hidden or SECRET.search(place.rpartition(".")[2])
            problem = Problem("", place, HIDDEN if hidden else value, why, kind.cure)
            found.setdefault(problem, []).append(host)
    for one, hosts in found.items():
        yield replace(one, where=where(inputs.raw, hosts))


def check_names(inputs: PreflightInput) -> Iterator[Problem]:
    name = inputs.inventory.name
    if not PLATFORM_NAME.fullmatch(name):
        cure = "lower case letters, digits and hyphens, at most 31, as fungap"
        yield Problem(ALL_HOSTS, "platform_name", name, "can't be part of container and network names", cure)
    elif name.endswith("-jenkins"):
        problem = "is what Jenkins' own containers would be called"
        yield Problem(ALL_HOSTS, "platform_name", Harmless(name), problem, "another name, as fungap")
    elif name in DOCKER_NETWORKS or (name in SWARM_NETWORKS and not inputs.inventory.is_nested):
        problem = "is the name of another network, and the platform's own would be called so"
        yield Problem(ALL_HOSTS, "platform_name", Harmless(name), problem, "another name, as fungap")
    else:
        yield from check_folders_by_name(inputs)
    yield from check_folders_apart(inputs)
    for node in inputs.inventory.nodes:
        # The kernel allows 107 characters for a socket's path.
        if node.driver == "dind" and len(node.socket) > 107:
            cure = "a shorter platform_run_dir or node name"
            problem = "makes a socket's path longer than 107"
            yield Problem(node.name, "platform_run_dir", Harmless(node.socket), problem, cure)


# Lists of hosts that are no groups.
LISTS_OF_HOSTS = ("load_test_cpu_hosts", "jenkins_deploy_hosts")
LISTS_OF_IMAGES = ("images_names", "images_optional", "images_required", "images_push_names")


def check_listed_names(inputs: PreflightInput) -> Iterator[Problem]:
    """What a role's variable names one by one, and whether it is there."""
    hosts, images = dict.fromkeys(inputs.inventory.docker_hosts), inputs.images
    for variables, known, what in (
        (LISTS_OF_HOSTS, hosts, f"is not in {DOCKER_HOSTS}"),
        (LISTS_OF_IMAGES, images, "is not in the image catalog"),
    ):
        for name, place, one in _listed_names(inputs, variables):
            # What is no name is told as that.
            if known and str(one) not in known and not KINDS[f"{name}[]"].why(one):
                near = nearest(str(one), known)
                cure = f"did you mean {near}?" if near else f"one of: {', '.join(known)}"
                yield Problem(ALL_HOSTS, place, one, what, cure)


def _listed_names(inputs: PreflightInput, variables: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """(variable, place, element) of lists, each once, whatever the number of hosts that have it."""
    found = {
        (name, place, str(one)): one
        for given in inputs.raw.hosts.values()
        for name in variables
        if not isinstance(given.get(name), Undefined)
        for place, one in parts_of(f"{name}[]", given)
    }
    yield from ((name, place, one) for (name, place, _text), one in found.items())
