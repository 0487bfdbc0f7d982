# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the platform reads in a compose file: a dict as parsed from its YAML, accepted by Docker's own schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import plain_digest

Compose = Mapping[str, Any]

# The file's networks, by their keys, on which no service has its short name.
FULL_NAMES = "x-full-names"

# Which services take up while they run what another one of the file holds: {follower: leader}.
FOLLOWS = "x-follows"
# The variable of the leader's environment that says which version that is.
FOLLOWED_VERSION = "FOLLOWED_VERSION"

# Where a service finds its secrets, unless the file says otherwise.
_SECRETS_FOLDER = "/run/secrets"


@dataclass(frozen=True)
class ItemFile:
    """A config or a secret as a service's containers find it. ``name``: in the swarm. ``path``: in the container."""

    kind: str
    name: str
    path: str
    mode: int
    uid: int
    gid: int


def replicas(compose: Compose, service: str) -> int | None:
    """How many replicas the file asks for; None for a service it does not have, or one that is not replicated."""
    definition = (compose.get("services") or {}).get(service)
    if definition is None:
        return None
    deploy = definition.get("deploy") or {}
    if deploy.get("mode", "replicated") != "replicated":
        return None
    return int(deploy.get("replicas", 1))


def with_replicas(compose: Compose, counts: Mapping[str, int]) -> dict[str, Any]:
    """A copy of the file that asks for these counts."""
    copy: dict[str, Any] = json.loads(json.dumps(compose))
    for service, count in counts.items():
        definition = copy["services"][service]
        definition["deploy"] = {**(definition.get("deploy") or {}), "replicas": count}
    return copy


def made_for(compose: Compose) -> dict[str, Any]:
    """What the docker hosts could do when the stack was deployed, as the file has it.

    ``ipvs``: whether a service has a virtual address. ``mtu``: of the stack's own networks. None where it says nothing.
    """
    modes = {(one.get("deploy") or {}).get("endpoint_mode") for one in (compose.get("services") or {}).values()}
    # Where none has an address, each says so; before there were full names, the app's own alone did.
    has_addresses = "vip" in modes or (None in modes and FULL_NAMES in compose)
    sizes = [
        str((one.get("driver_opts") or {}).get("com.docker.network.driver.mtu") or "")
        for one in own_networks(compose).values()
    ]
    return {
        "ipvs": has_addresses if modes - {None} else None,
        "mtu": next((int(size) for size in sizes if size.isdigit()), None),
    }


def named_items(compose: Compose, kind: str) -> frozenset[str]:
    """Names in the swarm of the file's external items. ``kind``: ``config``, ``secret`` or ``network``."""
    section = compose.get(kind + "s") or {}
    return frozenset(
        definition.get("name") or key for key, definition in section.items() if (definition or {}).get("external")
    )


def own_networks(compose: Compose) -> dict[str, Any]:
    """The networks that the stack makes itself: key -> definition."""
    section = compose.get("networks") or {}
    return {key: definition or {} for key, definition in section.items() if not (definition or {}).get("external")}


def full_names_on(compose: Compose) -> frozenset[str]:
    """The networks, by their names in the swarm, on which services have their full names only, as <stack>_<service>."""
    section = compose.get("networks") or {}
    return frozenset((section.get(key) or {}).get("name") or key for key in compose.get(FULL_NAMES) or ())


def follows(compose: Compose) -> dict[str, tuple[str, str]]:
    """Service that follows another -> (that one, the version that it holds)."""
    services = compose.get("services") or {}
    return {
        follower: (leader, str((services[leader].get("environment") or {}).get(FOLLOWED_VERSION) or ""))
        for follower, leader in (compose.get(FOLLOWS) or {}).items()
        if leader in services
    }


def version_of(compose: Compose, service: str) -> str:
    """Of what a service's configs and secrets hold: they are named by their contents."""
    files = sorted([one.path, one.name] for one in item_files(compose, service))
    return plain_digest(json.dumps(files).encode())


def item_files(compose: Compose, service: str) -> list[ItemFile]:
    """The configs and secrets of a service, at the places that the file gives them."""
    found = []
    for kind in ("config", "secret"):
        defined = compose.get(f"{kind}s") or {}
        for given in compose["services"][service].get(f"{kind}s") or []:
            reference = given if isinstance(given, Mapping) else {"source": given}
            source = str(reference["source"])
            target = str(reference.get("target") or source)
            if not target.startswith("/"):
                target = f"{_SECRETS_FOLDER if kind == 'secret' else ''}/{target}"
            name = str((defined.get(source) or {}).get("name") or source)
            owner = (int(reference.get("uid") or 0), int(reference.get("gid") or 0))
            found.append(ItemFile(kind, name, target, int(reference.get("mode", 0o444)), *owner))
    return found
