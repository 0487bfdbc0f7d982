# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``image_use_info``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.prune.plan import needed_images
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    REVISION_LABEL,
    STACK_LABEL,
    Revision,
    parse_revision,
)


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
        for config in manager.swarm.items("config", REVISION_LABEL):
            labels = config["Spec"]["Labels"]
            try:
                revisions.setdefault(labels[STACK_LABEL], []).append(parse_revision(config))
            except (ValueError, LookupError, TypeError) as error:
                raise PlatformError(
                    f"the record {config['Spec']['Name']} can't be read ({error!r}), so nobody knows which images it "
                    "needs: remove it (docker config rm) if it is not to be rolled back to"
                ) from None
        images = needed_images(manager.services.all(), manager.services.tasks(), revisions)
        return runner.Plan(result={"images": images})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Never called: a look has no actions."""
        return plan.result
