# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Monitoring: its pages, its mail, its alerts and the databases that it watches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.fungap.swarm.plugins.plugin_utils import alerts
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import HOST_NAME
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import wanted_hosts
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import ALL_HOSTS, PreflightInput, seen_file
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Harmless, Problem

ENDPOINT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


def check_monitoring(inputs: PreflightInput) -> Iterator[Problem]:
    owners = {host: f"the app {name}" for name, app in inputs.inventory.apps.items() for host in app["hosts"]}
    for page, host in wanted_hosts(inputs.inventory.variables).items():
        at = f"monitoring_hosts.{page}"
        if not HOST_NAME.fullmatch(host):
            cure = "lower case letters, digits, hyphens and dots, as grafana.example.com; no scheme, port or path"
            yield Problem(ALL_HOSTS, at, host, "is not a host name", cure)
        elif owners.setdefault(host, page) != page:
            problem = f"is a host name of {owners[host]} too"
            yield Problem(ALL_HOSTS, at, Harmless(host), problem, "leave it with one of them")
    mail = inputs.variable("monitoring_mail")
    for keys, wanted_by in (
        (("to", "from", "smarthost"), ("to", "from", "smarthost", "username", "password")),
        (("username", "password"), ("username", "password")),
    ):
        # By half a login Alertmanager sends nothing, or without any.
        for key in keys if any(mail.get(one) for one in wanted_by) else ():
            if not mail.get(key):
                cure = f"{', '.join(keys[:-1])} and {keys[-1]} belong together"
                yield Problem(ALL_HOSTS, f"monitoring_mail.{key}", "", "is missing", cure)
    yield from _check_alerts(inputs)
    names: set[str] = set()
    for index, endpoint in enumerate(inputs.variable("monitoring_mysql_endpoints")):
        at = f"monitoring_mysql_endpoints[{index}]"
        if not ENDPOINT_NAME.fullmatch(endpoint["name"]):
            yield Problem(ALL_HOSTS, f"{at}.name", endpoint["name"], "is not a name", "letters, digits and hyphens")
        elif endpoint["name"] in names:
            yield Problem(ALL_HOSTS, f"{at}.name", Harmless(endpoint["name"]), "is there twice", "give each its own")
        names.add(endpoint["name"])


def _check_alerts(inputs: PreflightInput) -> Iterator[Problem]:
    paths = inputs.variable("monitoring_rule_files")
    found = {path: file for path in paths if (file := seen_file(inputs, path))}
    for index, path in enumerate(paths):
        if path in found and found[path].error:
            at, problem = f"monitoring_rule_files[{index}]", f"can't be read: {found[path].error}"
            yield Problem(ALL_HOSTS, at, path, problem, "put it there, readable, or correct the path")
    contents = {path: file.content for path, file in found.items() if not file.error}
    for at, value, problem, cure in (
        *alerts.check_alerts(inputs.variable("monitoring_alerts")),
        *alerts.check_rule_files(paths, contents),
        *alerts.check_receivers(
            *(inputs.variable(f"monitoring_alert_{what}") for what in ("routes", "receivers", "secrets"))
        ),
    ):
        yield Problem(ALL_HOSTS, at, HIDDEN if value is None else value, problem, cure)
