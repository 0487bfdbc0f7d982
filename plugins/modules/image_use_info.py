#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_use_info
short_description: Which images a swarm runs or can be rolled back to
version_added: 0.1.0
description:
  - Returns every image that a service of the swarm runs, that swarm itself would roll a service back to, and that a
    kept revision of a stack recorded; each with the reason. What M(fungap.swarm.registry_prune) and
    M(fungap.swarm.image_prune) must leave.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Only reads.
  idempotent:
    support: full
    description: Only reads.
options:
  manager_sockets:
    description: Unix sockets of managers' engines on this docker host. The first that answers is asked.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Ask what the swarm needs
  fungap.swarm.image_use_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
  register: used
"""

RETURN = r"""
images:
  description: Reference of each image to the reasons for which it is needed.
  returned: success
  type: dict
  sample: {"registry:5000/web@sha256:9f2c...": [service web_web, revision 7 of web]}
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.stack import (
    REVISION_LABEL,
    STACK_LABEL,
    Revision,
    parse_revision,
)
from ansible_collections.fungap.swarm.plugins.module_utils.plan.prune import needed_images


class ImageUse:
    """A look at a swarm."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def plan(self) -> runner.Plan:
        """Read; there is never anything to do."""
        manager = answering_manager(
            self.params["manager_sockets"],
            timeout_seconds=30,
            otherwise=", so nobody knows which images are needed",
        )
        revisions: dict[str, list[Revision]] = {}
        for config in manager.swarm_items("config", REVISION_LABEL):
            labels = config["Spec"]["Labels"]
            try:
                revisions.setdefault(labels[STACK_LABEL], []).append(parse_revision(config))
            except (ValueError, LookupError, TypeError) as error:
                raise PlatformError(
                    f"the record {config['Spec']['Name']} can't be read ({error!r}), so nobody knows which images it "
                    "needs: remove it (docker config rm) if it is not to be rolled back to"
                ) from None
        images = needed_images(manager.swarm_services(), manager.swarm_tasks(), revisions)
        return runner.Plan(result={"images": images})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Never called: a look has no actions."""
        return plan.result


def main() -> None:
    """Run the module."""
    runner.run(
        ImageUse,
        {
            "manager_sockets": {"type": "list", "elements": "path", "required": True},
        },
    )


if __name__ == "__main__":
    main()
