# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each verb needs, and so which problems block it. What a verb has no need of is a warning for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem

# Kinds of problems, by what is wrong.
PLATFORM = "platform"  # what the platform is called, its groups and its nodes: another one would be meant
SETTINGS = "settings"  # of proxy, registry, images, monitoring
APP = "app"  # of the app that is asked for
ENV = "env"  # its env file on the controller
IMAGES = "images"  # the catalog can't give one
CERTIFICATE = "certificate"  # one's own, which can't be used
VALIDITY = "validity"  # one's own, which is expired or lacks a name
JENKINS = "jenkins"
MACHINE = "machine"  # what a docker host is or has
DISK = "disk"  # too little of it
MEMORY = "memory"  # what the controller remembers
SILENT = "silent"  # a docker host can't be asked
KINDS = (PLATFORM, SETTINGS, APP, ENV, IMAGES, CERTIFICATE, VALIDITY, JENKINS, MACHINE, DISK, MEMORY, SILENT)

# Machines, by what they carry.
EVERY = "every docker host"
MANAGER = "any manager"
REGISTRY = "the registry"
JENKINS_HOST = "jenkins"
LOAD = "load_test_host"

_NAMED = ("platform_name", "platform_config_dir", "platform_run_dir", "platform_secrets_dir", "inventory host")


@dataclass(frozen=True)
class Needs:
    """``machines``: that have to answer; one is enough where it is any. ``sound``: kinds of which no problem may be."""

    machines: tuple[str, ...]
    sound: tuple[str, ...]


_RELEASE = (PLATFORM, SETTINGS, APP, CERTIFICATE)
VERBS: Mapping[str, Needs] = {
    "site": Needs((EVERY,), KINDS),
    "deploy": Needs((MANAGER,), (*_RELEASE, ENV)),
    "deploy_image": Needs((MANAGER, REGISTRY), (*_RELEASE, ENV, IMAGES, DISK)),
    "rollback": Needs((MANAGER,), _RELEASE),
    "scale": Needs((MANAGER,), _RELEASE),
    "status": Needs((MANAGER,), (PLATFORM,)),
    "logs": Needs((MANAGER,), (PLATFORM,)),
    "history": Needs((MANAGER,), (PLATFORM,)),
    "prune": Needs((MANAGER,), (PLATFORM, SETTINGS)),
    "load_test": Needs((MANAGER, LOAD), (PLATFORM, SETTINGS, APP, CERTIFICATE)),
    "backup": Needs((JENKINS_HOST,), (PLATFORM,)),
    # Jenkins is only taken for restored when its agent gets through to each docker host.
    "restore": Needs((EVERY,), (PLATFORM, SETTINGS, JENKINS)),
}


def kind_of(variable: str) -> str:
    """The kind of a problem with what an inventory says."""
    if variable.count(".") > 1 and variable.startswith("apps."):
        return APP
    if variable.startswith("jenkins_"):
        return JENKINS
    return PLATFORM if variable.startswith(("group ", "swarm_node_")) or variable in _NAMED else SETTINGS


def blocks(
    problem: Problem, verb: str, *, app: str, machines: Mapping[str, Collection[str]], silent: Collection[str]
) -> bool:
    """Whether a problem is in a verb's way.

    ``app``: the one that is asked for, '' for none. ``machines``: the docker hosts that carry what a verb may need.
    ``silent``: those that can't be asked.
    """
    needs = VERBS[verb]
    if problem.kind == SILENT:
        return any(
            problem.where in machines[one] and (one != MANAGER or set(machines[one]) <= set(silent))
            for one in needs.machines
        )
    if problem.kind in (APP, ENV) and app:
        return problem.kind in needs.sound and problem.variable.split(".")[1] == app
    return problem.kind in needs.sound
