# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbooks of a release hand to roles and modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.env_copies import env_copies, env_labels
from ansible_collections.fungap.swarm.plugins.plugin_utils.message import rollout_message
from ansible_collections.fungap.swarm.plugins.plugin_utils.release import (
    eligible_nodes,
    images_to_pull,
    taken_images,
)


class FilterModule:
    """Filters of fungap.swarm."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "eligible_nodes": eligible_nodes,
            "env_copies": env_copies,
            "env_labels": env_labels,
            "images_to_pull": images_to_pull,
            "rollout_message": rollout_message,
            "taken_images": taken_images,
        }
