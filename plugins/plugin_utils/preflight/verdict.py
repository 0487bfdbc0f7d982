# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a problem stops: which verbs, and which it is only a warning for."""

from __future__ import annotations

from collections.abc import Sequence

from ansible.module_utils.parsing.convert_bool import BOOLEANS_TRUE

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import Inventory, where
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    NEVER,
    FileContent,
    PreflightInput,
    ca_file,
    file_path,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.placement import nodes_able
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import EVERY, JENKINS_HOST, LOAD, MANAGER, blocks
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import REGISTRY as REGISTRY_HOST

# What follows the platform's name in its CA's (playbooks/tasks/secrets.yml).
CA_SUFFIX = " platform CA"


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


def silent(inputs: PreflightInput) -> dict[str, str]:
    """The docker hosts that were asked in vain, and why."""
    looks = {host: inputs.looks.get(host, NEVER) for host in inputs.inventory.docker_hosts}
    return {host: look.error for host, look in looks.items() if look.facts is None and not look.skipped}


def judge(
    inputs: PreflightInput, problems: Sequence[Problem], verb: str, app: str = ""
) -> tuple[list[Problem], list[Problem]]:
    """The problems that block a verb, and those that are warnings for it. ``app``: the one that is asked for."""
    carriers, mute = machines(inputs.inventory), silent(inputs)
    mute.update({host: "" for host, look in inputs.looks.items() if look.limited})
    blocking = [one for one in problems if blocks(one, verb, app=app, machines=carriers, silent=mute)]
    return blocking, [problem for problem in problems if problem not in blocking]


def brought_in(before: Sequence[Problem], after: Sequence[Problem]) -> list[Problem]:
    """The problems that were not there before."""
    known = {(problem.where, problem.variable, problem.problem) for problem in before}
    return [problem for problem in after if (problem.where, problem.variable, problem.problem) not in known]


def warnings(inputs: PreflightInput) -> list[str]:
    """What is allowed, and not to be forgotten."""
    found = []
    name = "swarm_member_recover_quorum"
    hosts = [host for host, variables in inputs.raw.hosts.items() if str(variables.get(name)).lower() in BOOLEANS_TRUE]
    if hosts:
        text = "a manager that misses the others may start the swarm again without them; take it away once that is done"
        found.append(f"{name} is set for {where(inputs.raw, hosts)}: {text}")
    if owner := _secrets_owner(inputs):
        folder, name = inputs.variable("platform_secrets_dir"), inputs.inventory.name
        text = f"has the CA of platform {owner}: where both are in use, each run replaces the other's certificates"
        found.append(f"platform_secrets_dir {folder} {text}; choose a folder of {name}'s own, as {folder}-{name}")
    for app, settings in inputs.inventory.apps.items():
        able = nodes_able(inputs, settings["constraints"])
        # On purpose perhaps, before work on a machine; so it stops nobody.
        if able and all(node.availability != "active" for node in able):
            told = ", ".join(node.name for node in able)
            text = f"leave {told} alone to run it, which takes no tasks as long as it is not active"
            found.append(f"apps.{app}.constraints {text}")
    return found


def _secrets_owner(inputs: PreflightInput) -> str:
    """The other platform whose CA lies in the folder of secrets; '' where there is none."""
    content = inputs.files.get(
        file_path(inputs.inventory.inventory_dir, ca_file(inputs.inventory)), FileContent()
    ).content
    try:
        pki.check_libraries()
        common_name = pki.common_name(content.decode(errors="replace"))
    except PlatformError:  # there is none, or who makes use of it says so, and what lacks for that
        return ""
    owner = common_name.removesuffix(CA_SUFFIX)
    return owner if owner not in (common_name, inputs.inventory.name) else ""
