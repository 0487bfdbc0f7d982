# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every variable has a kind, or a reason why not; and what is empty is so where that is the default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.swarm import why_no_template
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.variables import KINDS
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight import load_test
from ansible_collections.fungap.swarm.plugins.plugin_utils.specs import read_specs

ROOT = Path(__file__).resolve().parents[2]
SPECS = read_specs(str(ROOT / "roles"))

MADE, LOOKED, WHOLE = "made by the playbooks", "seen by a look", "checked as a whole"
# What has no kind. "Checked as a whole": by one of the preflight's checks, which needs more than the value.
FREE = {
    **dict.fromkeys(
        (
            *("app_apps", "app_images", "app_nodes", "app_other_hosts", "backup_volumes", "backup_labels"),
            *("images_prune_sockets", "jenkins_apps", "jenkins_secrets", "monitoring_images", "monitoring_secrets"),
            *("cron_secrets", "proxy_secrets", "proxy_in_force", "proxy_managers", "registry_secrets"),
            *("registry_prune_needed", "swarm_member_nodes"),
            *("certificates_secrets", "certificates_managers", "certificates_acme.ca"),
            *("swarm_member_absent", "swarm_member_remembered", "swarm_node_nodes"),
        ),
        MADE,
    ),
    **dict.fromkeys(
        (
            *("jenkins_seen_containers", "monitoring_seen_stack", "cron_seen_stack", "certificates_seen_stack"),
            *("proxy_seen_stack", "proxy_seen_containers", "registry_seen_containers"),
        ),
        LOOKED,
    ),
    **dict.fromkeys(
        (
            *("platform_name", "platform_node_bridge", "proxy_bind_address", "registry_address", "load_test_host"),
            *("jenkins_host", "jenkins_bind_address", "jenkins_git_credentials[].name", "load_test_changes"),
            *("swarm_node_host", "swarm_node_address", "monitoring_mysql_endpoints[].name", "app_settings"),
            *("monitoring_alerts", "monitoring_alert_routes", "monitoring_alert_receivers", "monitoring_alert_secrets"),
            *(f"monitoring_hosts.{name}" for name in ("prometheus", "alertmanager", "grafana")),
            *("preflight_changes", "apps{}.hosts", "apps{}.env_target"),
            *("apps{}.ports", "apps{}.service", "apps{}.services", "apps{}.repository", "apps{}.branch"),
            "apps{}.volumes",
            "apps{}.repository_credentials",
        ),
        WHOLE,
    ),
}


def variables(options: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path as in KINDS, its spec) of everything that has a value of its own."""
    for name, spec in options.items():
        path = f"{prefix}{name}"
        if nested := spec.get("options"):
            yield from variables(nested, f"{path}{'[]' if spec.get('type') == 'list' else ''}.")
        else:
            yield path, spec


ALL = dict([*variables(SPECS.known), *variables(SPECS.app, "apps{}.")])


def kinds_of(path: str) -> list[str]:
    return [one for one in KINDS if re.fullmatch(rf"{re.escape(path)}([.\[{{].*)?", one)]


@pytest.mark.parametrize("path", ALL)
def test_every_variable_has_a_kind(path: str) -> None:
    is_closed = ALL[path].get("type") == "bool" or "choices" in ALL[path]
    assert bool(kinds_of(path)) + is_closed + (path in FREE) == 1, "give it a kind, or a reason in FREE: one of them"


def test_no_kind_and_no_reason_is_about_what_is_not_there() -> None:
    assert [path for path in FREE if path not in ALL] == []
    # Below a variable whose parts no specification names, KINDS alone does. A list whose parts have names counts, too.
    named = {path.partition("[]")[0] for path in ALL}.union(*map(kinds_of, ALL))
    assert sorted(set(KINDS) - named) == []


# Where empty text says something that the default does not.
EMPTY = ("apps{}.health.path", "proxy_nodes[].address")
FIXED = [
    path
    for path, spec in ALL.items()
    if path in KINDS
    and path not in EMPTY
    and spec.get("type") in ("str", "path")
    and (spec.get("required") or "{{" not in str(spec.get("default", "{{")))
]


@pytest.mark.parametrize("path", FIXED)
def test_what_may_be_empty_is_so_by_default(path: str) -> None:
    assert KINDS[path].may_be_empty == (ALL[path].get("default") == "")


def test_the_profiles_of_a_load_test_are_the_roles() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "load_test" / "defaults" / "main.yml").read_text())
    assert set(load_test.LOAD_TEST_PROFILES) == set(defaults["load_test_profiles"])


def test_the_bounds_of_a_load_test_are_the_roles() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "load_test" / "defaults" / "main.yml").read_text())
    assert defaults["load_test_requests_max"] == load_test.REQUESTS_MAX
    assert defaults["load_test_deadline_seconds"] == load_test.DEADLINE_SECONDS


def test_a_variable_is_no_longer_than_a_program_can_be_given() -> None:
    assert why_no_template("x" * 100_000) == ""
    assert why_no_template("x" * 128 * 1024) == "is longer than the 128 kB that a program can be given"
