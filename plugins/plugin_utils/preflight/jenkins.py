# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jenkins' own settings."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.fungap.swarm.plugins.plugin_utils import jenkins
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.addresses import HOST_NAME
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import wanted_hosts
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    ALL_HOSTS,
    HostFacts,
    PreflightInput,
    is_given,
    seen_file,
    vault_password_file,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.ports import registry_name, who_listens
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import HIDDEN, Harmless, Problem


def check_jenkins(inputs: PreflightInput) -> Iterator[Problem]:
    """Its host, its addresses, its jobs."""
    inventory = inputs.inventory
    yield from jenkins.check_group(inputs.raw, inventory)
    host = jenkins.jenkins_host(inventory)
    if not host:
        return
    facts = inputs.looks.get(host, HostFacts()).facts
    yield from jenkins.check_addresses(inventory, facts)
    yield from jenkins.check_settings(inventory, facts)
    yield from jenkins.check_jobs(inventory)
    if path := vault_password_file(inputs.raw, inventory):
        file = seen_file(inputs, path)
        if file and file.error:
            cure = "put the password there, or correct the path"
            yield Problem(ALL_HOSTS, "jenkins_vault_password_file", HIDDEN, f"can't be read: {file.error}", cure)
    name = str(inputs.variable("jenkins_host"))
    taken = {one: f"the app {app}" for app, settings in inventory.apps.items() for one in settings["hosts"]}
    taken.update({one: page for page, one in wanted_hosts(inventory.variables).items()})
    if not is_given(inputs, "registry_address"):  # else that is what is told
        taken[registry_name(inputs)] = "the registry"
    if "jenkins_host" in inventory.misread:
        pass
    elif not name:
        cure = "the host name that people and webhooks use, as jenkins.example.com"
        yield Problem(ALL_HOSTS, "jenkins_host", "", "is missing", cure)
    elif not HOST_NAME.fullmatch(name):
        cure = "lower case letters, digits, hyphens and dots, as jenkins.example.com; no scheme, port or path"
        yield Problem(ALL_HOSTS, "jenkins_host", name, "is not a host name", cure)
    elif name in taken:
        yield Problem(ALL_HOSTS, "jenkins_host", Harmless(name), f"is a host name of {taken[name]} too", "another one")
    port, bind = inputs.variable("jenkins_https_port"), str(inputs.variable("jenkins_bind_address"))
    for variable in ("proxy_http_port", "proxy_https_port"):
        if not jenkins.is_dedicated_host(inventory, host) and port == inputs.variable(variable):
            problem = f"is {variable} of the same machine too"
            yield Problem(ALL_HOSTS, "jenkins_https_port", str(port), problem, "another port, as 8443")
            return
    holder = who_listens(inventory, facts, port, bind, jenkins.platform_of(inventory)) if facts else ""
    if holder:
        cure = "stop it, or another jenkins_https_port"
        yield Problem(host, "jenkins_https_port", str(port), f"the port is held by {holder}", cure)
