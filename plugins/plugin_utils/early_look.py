# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the look at the beginning of the run has shown of a host, for actions that need not look again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

# What the role preflight registers of each docker host, before anything is judged or changed.
LOOK = "preflight_host"


def seen_trees(task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
    """State of the files and folders below the trees that were looked at; nothing where nobody has looked."""
    look = (task_vars or {}).get(LOOK)
    trees = look.get("trees") if isinstance(look, Mapping) else None
    return dict(plain(trees)) if isinstance(trees, Mapping) else {}


def seen_docker_host(task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fact ``docker_host``, where it is of this run; what has restarted an engine since has looked again."""
    facts = (task_vars or {}).get("ansible_facts")
    found = facts.get("docker_host") if (task_vars or {}).get(LOOK) and isinstance(facts, Mapping) else None
    return dict(plain(found)) if isinstance(found, Mapping) else {}
