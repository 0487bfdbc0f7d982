# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which certificates on the docker hosts end soon, so that a verb that passes by renews them. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki

CA = "ca"
# Tree -> path -> state, as docker_host_info returns them.
Trees = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Place:
    """Where a certificate is installed. ``marker``: stands while what serves it has yet to read the new one."""

    what: str
    host: str
    path: str
    marker: str = ""


def places(
    config_dir: str, registry_address: str, registry_host: str, jenkins_host: str, hosts: Iterable[str]
) -> list[Place]:
    """Where the roles registry and jenkins install them. ``hosts``: all that trust the CA."""
    registry, proxy = f"{config_dir}/registry", f"{config_dir}/jenkins/proxy"
    trusted = [f"{folder}/{registry_address}/ca.crt" for folder in (f"{config_dir}/certs.d", "/etc/docker/certs.d")]
    found = [Place(CA, host, path) for host in hosts for path in trusted]
    found.append(Place("registry", registry_host, f"{registry}/tls.crt", f"{registry}/.restart-pending"))
    if jenkins_host:
        found.append(Place("jenkins", jenkins_host, f"{proxy}/tls.crt", f"{proxy}/.reload-pending"))
    return found


def kept(what: str, certificate: str, now: datetime.datetime) -> dict[str, dict[str, Any]]:
    """The same as ``installed`` of one that the controller has: it is nowhere on a host, but in the swarm's secrets."""
    if pki.MISSING_LIBRARY:
        return {}
    try:
        return {what: {"until": pki.not_after(certificate), "due": pki.ends_soon(certificate, now)}}
    except PlatformError:
        return {}


def authority(trees: Trees, path: str) -> list[str]:
    """The ID of the key of a CA that a host has; none where it has none there, or one that can't be read."""
    states = {place: state for tree in trees.values() for place, state in tree.items()}
    try:
        return [] if pki.MISSING_LIBRARY else [pki.key_id(states[path]["certificate"])]
    except (KeyError, PlatformError):
        return []


def installed(wanted: Iterable[Place], trees: Mapping[str, Trees], now: datetime.datetime) -> dict[str, dict[str, Any]]:
    """``{what: {"until": ISO 8601, "due": bool}}`` of what the hosts have; of several copies, the one that ends first.

    Of the CA, ``authorities``, too: the IDs of the keys, of which there is one where all is well.
    ``trees``: by host. ``due``: it ends soon, or an earlier run was killed before the new one was read. What is missing
    or can't be read is left out: making it is site.yml's.
    """
    found: dict[str, dict[str, Any]] = {}
    if pki.MISSING_LIBRARY:
        return found
    for place in wanted:
        paths = {path: state for tree in trees.get(place.host, {}).values() for path, state in tree.items()}
        try:
            certificate = paths[place.path]["certificate"]
            until = pki.not_after(certificate)
            ends_soon = pki.ca_ends_soon if place.what == CA else pki.ends_soon
            due = ends_soon(certificate, now) or place.marker in paths
        except (KeyError, PlatformError):
            continue
        other = found.get(place.what, {"until": until, "due": False})
        ids = {*other.get("authorities", ()), pki.key_id(certificate)} if place.what == CA else ()
        found[place.what] = {
            "until": min(until, other["until"]),
            "due": due or other["due"],
            **({"authorities": sorted(ids)} if ids else {}),
        }
    return found
