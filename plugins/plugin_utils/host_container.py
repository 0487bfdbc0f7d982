# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``host_container``. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.node.model import SPEC_LABEL
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of


def with_spec(container: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of ``docker_container`` with a label that is another where any of them is."""
    spec = hashlib.sha256(json.dumps(container, sort_keys=True).encode()).hexdigest()
    return {**container, "labels": {**(container.get("labels") or {}), SPEC_LABEL: spec}}


def as_wanted(container: Mapping[str, Any], seen: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an earlier look at the host shows the container as it was made of these parameters, and running.

    ``container``: as ``with_spec`` returns it. ``seen``: ``docker.containers`` of the fact ``docker_host``. What can be
    changed in a container without making it anew is compared by itself: the label says nothing of that.
    """
    wanted = {
        "spec": container["labels"][SPEC_LABEL],
        "image_id": container.get("image"),
        "state": "running",
        "addresses": {network["name"]: network.get("ipv4_address") for network in container.get("networks") or []},
        "memory_bytes": bytes_of(str(container.get("memory") or "0")),
        "restart_policy": container.get("restart_policy") or "no",
    }
    row = next((row for row in seen if row["name"] == container.get("name")), {})
    return all(row.get(key) == value for key, value in wanted.items())
