# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of the operator's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ansible_collections.fungap.swarm.plugins.plugin_utils.acme import SERVERS
from ansible_collections.fungap.swarm.plugins.plugin_utils.certificates import are_certificates, check_certificate
from ansible_collections.fungap.swarm.plugins.plugin_utils.monitoring import wanted_hosts
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    ALL_HOSTS,
    PreflightInput,
    seen_file,
    why_unread,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import CERTIFICATE, JENKINS, SITE, VALIDITY


def check_certificates(inputs: PreflightInput) -> Iterator[Problem]:
    inventory = inputs.inventory
    hosts = {host for app in inventory.apps.values() for host in app["hosts"]}
    yield from _check_own_certificate(inputs, "proxy", hosts | set(wanted_hosts(inventory.variables).values()))
    for problem in _check_acme(inputs):
        yield replace(problem, kind=SITE)
    for problem in _check_own_certificate(inputs, "jenkins", {str(inputs.variable("jenkins_host"))} - {""}):
        yield replace(problem, kind=JENKINS)


def _check_acme(inputs: PreflightInput) -> Iterator[Problem]:
    """One way to the proxies' certificates, and what an authority of one's own is known by."""
    acme = inputs.variable("proxy_acme")
    for variable in ("proxy_certificate_file", "proxy_acme_upstream") if acme else ():
        if any(given.get(variable) for given in inputs.raw.hosts.values()):
            problem = "is given, and certificates by proxy_acme are another way to them"
            yield Problem(ALL_HOSTS, variable, "", problem, "one of the two")
    name = str(acme.get("ca_file") or "") if acme else ""
    if not name:
        return
    if str(acme.get("server")) in SERVERS:
        problem, cure = "is for an authority that nobody else trusts", "leave it out, or name that authority's URL"
        yield Problem(ALL_HOSTS, "proxy_acme.ca_file", name, problem, cure)
    file = seen_file(inputs, name)
    if file and file.error:
        problem = why_unread(file, inputs.inventory.inventory_dir, name)
        yield Problem(ALL_HOSTS, "proxy_acme.ca_file", name, problem, "correct the path")
    elif file and not are_certificates(file.content):
        cure = "a file that begins with -----BEGIN CERTIFICATE-----"
        yield Problem(ALL_HOSTS, "proxy_acme.ca_file", name, "has no PEM certificates, or others beside them", cure)


def _check_own_certificate(inputs: PreflightInput, prefix: str, hosts: set[str]) -> Iterator[Problem]:
    names = {
        f"{prefix}_certificate_{key}": str(inputs.variable(f"{prefix}_certificate_{key}"))
        for key in ("file", "key_file")
    }
    (certificate_variable, certificate_name), (key_variable, key_name) = names.items()
    if bool(certificate_name) != bool(key_name):
        missing, other = (
            (key_variable, certificate_variable) if certificate_name else (certificate_variable, key_variable)
        )
        yield Problem(ALL_HOSTS, missing, "", f"is missing beside {other}", "name both, or neither")
    contents: dict[str, bytes] = {}
    for variable, name in names.items():
        if not name:
            continue
        file = seen_file(inputs, name)
        if file and file.error:
            problem = why_unread(file, inputs.inventory.inventory_dir, name)
            yield Problem(ALL_HOSTS, variable, name, problem, "correct the path")
        elif file:
            contents[variable] = file.content
    if certificate_variable in contents:
        for about_key, serves, problem, cure in check_certificate(
            contents[certificate_variable],
            contents.get(key_variable),
            sorted(hosts),
            inputs.now,
            of=certificate_variable,
        ):
            variable = key_variable if about_key else certificate_variable
            kind, name = VALIDITY if serves else CERTIFICATE, Harmless(names[variable])
            yield Problem(ALL_HOSTS, variable, name, problem, cure, kind)
