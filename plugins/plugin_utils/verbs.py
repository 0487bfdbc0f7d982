# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each verb needs, and so which problems block it. What a verb has no need of is a warning for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem

# Kinds of problems, by what is wrong.
PLATFORM = "platform"  # what the platform is called, its groups and its nodes: another one would be meant
SETTINGS = "settings"  # of the proxy and the registry, and whatever has no kind of its own
IDENTITY = "identity"  # whose secrets the controller has: another platform of the same name would be meant
SITE = "site"  # what site.yml alone goes by: engines, monitoring, how many managers there are, apps to take away
APP = "app"  # of the app that is asked for
ENV = "env"  # its env file on the controller
IMAGES = "images"  # how they are made, and that the catalog can give each
CERTIFICATE = "certificate"  # one's own, which can't be used
VALIDITY = "validity"  # one's own, which is expired or lacks a name
JENKINS = "jenkins"
LOAD_TEST = "load test"
MACHINE = "machine"  # what a docker host is or has
DISK = "disk"  # too little of it
MEMORY = "memory"  # what the controller remembers
SILENT = "silent"  # a docker host can't be asked
LIMITED = "limited"  # it is not to be asked: --limit leaves it out
KINDS = (
    *(PLATFORM, IDENTITY, SETTINGS, SITE, APP, ENV, IMAGES, CERTIFICATE, VALIDITY, JENKINS, LOAD_TEST),
    *(MACHINE, DISK, MEMORY, SILENT, LIMITED),
)

# Machines, by what they carry.
EVERY = "every docker host"
MANAGER = "any manager"
REGISTRY = "the registry"
JENKINS_HOST = "jenkins"
LOAD = "load_test_host"

# The first that a variable begins with says what it is of.
_PREFIXES = (
    (("group ", "swarm_node_"), PLATFORM),
    # An app's whole entry, too: what is none is taken for an empty one, and another's deploy leaves its route alone.
    (("apps.",), APP),
    # Which pages have a route goes by these, whoever writes the routes. Prune goes by the age.
    (("monitoring_hosts", "monitoring_enabled", "images_prune_"), SETTINGS),
    (("monitoring_", "docker_engine_", "apps_", "cron_"), SITE),
    (("images_",), IMAGES),
    (("jenkins_", "backup_"), JENKINS),
    (("load_test_",), LOAD_TEST),
)
_NAMED = ("platform_name", "platform_config_dir", "platform_run_dir", "platform_secrets_dir", "inventory host")


@dataclass(frozen=True)
class Needs:
    """``machines``: that have to answer; one is enough where it is any. ``sound``: kinds of which no problem may be."""

    machines: tuple[str, ...]
    sound: tuple[str, ...]


_RELEASE = (PLATFORM, IDENTITY, SETTINGS, APP, CERTIFICATE)
VERBS: Mapping[str, Needs] = {
    "site": Needs((EVERY,), KINDS),
    "deploy": Needs((MANAGER,), (*_RELEASE, ENV)),
    "deploy_image": Needs((MANAGER, REGISTRY), (*_RELEASE, ENV, IMAGES, DISK)),
    "rollback": Needs((MANAGER,), _RELEASE),
    "scale": Needs((MANAGER,), _RELEASE),
    "maintenance": Needs((MANAGER,), _RELEASE),
    "status": Needs((MANAGER,), (PLATFORM,)),
    "logs": Needs((MANAGER,), (PLATFORM,)),
    "history": Needs((MANAGER,), (PLATFORM,)),
    "run": Needs((MANAGER,), (PLATFORM, IDENTITY)),
    "exec": Needs((MANAGER,), (PLATFORM, IDENTITY)),
    "move": Needs((MANAGER,), (PLATFORM, IDENTITY)),
    "prune": Needs((MANAGER,), (PLATFORM, IDENTITY, SETTINGS)),
    "load_test": Needs((MANAGER, LOAD), (PLATFORM, IDENTITY, SETTINGS, APP, CERTIFICATE, LOAD_TEST)),
    "backup": Needs((JENKINS_HOST,), (PLATFORM, IDENTITY)),
    # Jenkins is only taken for restored when its agent gets through to each docker host.
    "restore": Needs((EVERY,), (PLATFORM, IDENTITY, SETTINGS, JENKINS)),
}


def kind_of(variable: str) -> str:
    """The kind of a problem with what an inventory says."""
    if variable in _NAMED:
        return PLATFORM
    return next((kind for begins, kind in _PREFIXES if variable.startswith(begins)), SETTINGS)


def blocks(
    problem: Problem, verb: str, *, app: str, machines: Mapping[str, Collection[str]], silent: Collection[str]
) -> bool:
    """Whether a problem is in a verb's way.

    ``app``: the one that is asked for, '' for none. ``machines``: the docker hosts that carry what a verb may need.
    ``silent``: those that can't be asked, or are not to be.
    """
    needs = VERBS[verb]
    if problem.kind == LIMITED and verb == "site":
        return False  # what it does to each machine, it can do to some
    if problem.kind in (SILENT, LIMITED):
        return any(
            problem.where in machines[one] and (one != MANAGER or set(machines[one]) <= set(silent))
            for one in needs.machines
        )
    if problem.kind in (APP, ENV) and app:
        return problem.kind in needs.sound and problem.variable.split(".")[1] == app
    return problem.kind in needs.sound
