# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates by ACME: which authority is asked, and what is needed for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Of the catalog.
IMAGE = "acme"
SERVERS = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}


def resolve_acme(given: Mapping[str, Any], authority: str) -> dict[str, Any]:
    """What the role certificates is given; {} for none. ``given``: proxy_acme. ``authority``: what its ca_file has."""
    if not given:
        return {}
    server = str(given["server"])
    return {
        "server": SERVERS.get(server, server),
        "email": str(given.get("email") or ""),
        "ca": authority,
        "probe": bool(given.get("probe", True)),
    }


def wanted_images(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the catalog's images that certificates need."""
    return (IMAGE,) if variables["proxy_acme"] else ()
