# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load tests: profiles, and what they may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.plan import check_bounds, choose_profile
from ansible_collections.fungap.swarm.plugins.plugin_utils.inventory import DOCKER_HOSTS
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import why_no_profiles
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import NAME
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import nearest

# The role's own.
LOAD_TEST_PROFILES = ("load", "capacity")


def check_load_test(inputs: PreflightInput) -> Iterator[Problem]:
    host = str(inputs.variable("load_test_host") or "")
    hosts = inputs.inventory.docker_hosts
    if host and host not in hosts:
        near = nearest(host, hosts)
        cure = f"did you mean {near}?" if near else f"one of: {', '.join(hosts)}"
        yield Problem(ALL_HOSTS, "load_test_host", host, f"is not in {DOCKER_HOSTS}", cure)
    for variables in inputs.raw.hosts.values():
        name, known = variables.get("load_test_profile"), variables.get("load_test_profiles") or LOAD_TEST_PROFILES
        yield from _check_bounds(variables)
        is_name = isinstance(name, str) and not NAME.why(name)
        if is_name and isinstance(known, (Mapping, tuple)) and name not in known:
            cure = f"one of: {', '.join(sorted(map(str, known)))}"
            yield Problem(ALL_HOSTS, "load_test_profile", name, "is not one of load_test_profiles", cure)


# Of the role load_test.
REQUESTS_MAX, DEADLINE_SECONDS = 20000, 300


def _check_bounds(variables: Mapping[str, Any]) -> Iterator[Problem]:
    """That no profile is more than a load test may be. What a profile is in itself, its kind says."""
    profiles = variables.get("load_test_profiles")
    if not isinstance(profiles, Mapping) or why_no_profiles(profiles):
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
