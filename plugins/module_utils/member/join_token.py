# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``swarm_join_token``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine


class Rotation:
    """Find a manager that answers, and rotate by it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.sockets: list[str] = params["manager_sockets"]
        self.roles: list[str] = sorted(set(params["rotate"]), reverse=True)
        self.engine = self._manager()

    def _manager(self) -> Engine:
        reasons = []
        for socket in self.sockets:
            try:
                engine = Engine(socket)
                engine.swarm.inspect()
            except PlatformError as error:
                reasons.append(error.message)
            else:
                return engine
        raise PlatformError("no manager of a live swarm answers: " + "; ".join(reasons))

    def plan(self) -> runner.Plan:
        return runner.Plan([f"rotate the join token for {role}s" for role in self.roles])

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  the roles say it all
        self.engine.swarm.update(
            lambda spec: spec,
            rotateWorkerToken="worker" in self.roles,
            rotateManagerToken="manager" in self.roles,
        )
        return {}
