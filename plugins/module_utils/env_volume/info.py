# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``env_volume_info``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import files as env_files
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import model as env


class EnvFiles:
    """One look."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.app: str = params["app"]
        self.versions: list[str] = params["versions"]
        self.sockets: dict[str, str] = {node["name"]: node["socket"] for node in params["nodes"]}

    def plan(self) -> Plan:
        """Read; there is never anything to do."""
        return Plan(result={"files": [self._found(version) for version in self.versions]})

    def _found(self, version: str) -> dict[str, str]:
        problems = []
        for node, socket in self.sockets.items():
            try:
                return self._read(node, Engine(socket), version)
            except PlatformError as error:
                problems.append(error.message)
        return {"version": version, "node": ", ".join(self.sockets), "problem": "; ".join(problems)}

    def _read(self, node: str, engine: Engine, version: str) -> dict[str, str]:
        name = env.volume_name(self.app, version)
        volume = env.env_volumes(self.app, engine.volumes.containing(name)).get(version)
        if volume is None or not volume.managed:
            raise PlatformError(f"node {node} has no volume {name} of ours")
        file = env_files.read_version(engine, node, self.app, version)
        return {
            "version": version,
            "node": node,
            "name": file.name,
            "content": base64.b64encode(file.content).decode(),
            "owner": str(file.owner),
            "created": volume.created,
            "image": volume.image,
            "target": volume.target,
            "mode": file.mode,
            "user": volume.user,
        }

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        """Never called: a look has no actions."""
        return plan.result
