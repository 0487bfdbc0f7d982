# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would go wrong later, found before the first change.

Each check is a pure function of a ``PreflightInput`` that yields problems. Nothing here reads a file, a clock or a
machine. Each subject has a file; the table ``CHECKS`` says what is checked, in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import RawInventory, parse, secrets
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.apps import (
    check_apps,
    check_names_of_services,
    check_settings_together,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.certificates import check_certificates
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.env_files import check_env_files
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.folders import check_identity, check_own_folders
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.hosts import (
    check_hosts,
    check_reachable,
    check_vendor,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.images import check_images
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput, utc_now
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.jenkins import check_jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.load_test import check_load_test
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.monitoring import check_monitoring
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.names import (
    check_kinds,
    check_listed_names,
    check_names,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.networks import check_addresses_plan, check_routes
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.nodes import (
    check_groups,
    check_node_addresses,
    check_nodes,
    check_quorum,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.placement import check_capacity, check_constraints
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.ports import (
    check_ports,
    check_published_ports,
    check_shared_ports,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.records import (
    check_memory,
    check_older_copies,
    check_older_subjects,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.registry import (
    check_registry,
    check_shared_names,
    check_shared_registry,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import Specs
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import (
    CERTIFICATE,
    ENV,
    IDENTITY,
    IMAGES,
    JENKINS,
    MACHINE,
    MEMORY,
    SETTINGS,
    kind_of,
)

# Each with the kind of its problems, where neither they nor the variable that they are about say it.
CHECKS: tuple[tuple[Callable[[PreflightInput], Iterator[Problem]], str], ...] = (
    (check_kinds, ""),
    (check_names, ""),
    (check_addresses_plan, ""),
    (check_groups, ""),
    (check_quorum, ""),
    (check_nodes, ""),
    (check_node_addresses, ""),
    (check_reachable, MACHINE),
    (check_hosts, MACHINE),
    (check_identity, IDENTITY),
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
    (check_older_subjects, ""),
    (check_memory, MEMORY),
    (check_certificates, CERTIFICATE),
)

# What a reset goes by. Nothing else in an inventory can stop it.
RESET_VARIABLES = ("platform_name", "platform_config_dir", "platform_run_dir", "registry_address")


def check_for_reset(raw: RawInventory, specs: Specs) -> list[Problem]:
    """What is wrong in an inventory by which a platform is to be removed; no host is looked at."""
    inventory, problems = parse(raw, specs)
    inputs = PreflightInput(raw, inventory, looks={}, images={}, files={}, now=utc_now())
    found = dict.fromkeys([*problems, *check_kinds(inputs), *check_names(inputs), *check_registry(inputs)])
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


def check(
    inputs: PreflightInput, without: Collection[Callable[[PreflightInput], Iterator[Problem]]] = ()
) -> list[Problem]:
    """Every problem, in the order of CHECKS, none twice. ``without``: checks that are left out."""
    checks = [(one, kind) for one, kind in CHECKS if one not in without]
    return list(dict.fromkeys(of_kind(problem, kind) for one, kind in checks for problem in one(inputs)))


def check_entries(apps: Mapping[str, Any], specs: Specs, *, ran_before: bool = False) -> list[Problem]:
    """What is wrong with the entries of apps that come into force, as with those of an inventory that says the same.

    ``ran_before``: they have been in force, so nothing counts but what they would be beside each other.
    """
    raw = RawInventory(hosts={ALL_HOSTS: {"apps": apps}}, groups={}, inventory_dir="")
    inventory, problems = parse(raw, specs)
    inputs = PreflightInput(raw, inventory, looks={}, images={}, files={}, now=utc_now())
    beside = (check_shared_ports, check_names_of_services)
    checks = beside if ran_before else (check_kinds, check_apps, check_settings_together, *beside)
    found = [*([] if ran_before else problems), *(problem for one in checks for problem in one(inputs))]
    return [problem.without(secrets(raw, specs)) for problem in dict.fromkeys(found)]


def of_kind(problem: Problem, kind: str = "") -> Problem:
    """The problem with its kind."""
    return replace(problem, kind=problem.kind or kind or kind_of(problem.variable))
