#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: env_volume_info
short_description: Read versions of an app's env file from the nodes that hold them
description:
  - Reads what M(fungap.swarm.env_volume) wrote, on one docker host, so that it can be brought to the nodes of another.
  - Returns what the env files say. Give the task C(no_log=true). That hides messages, too, so what can't be read is no
    error here; RV(files) says why, and copying it fails with that.
version_added: 0.1.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    description: Reads only. A container is created for it, never started, and removed at once.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Reads only.
    support: full
options:
  app:
    description: Name of the app.
    type: str
    required: true
  versions:
    description: The versions to read.
    type: list
    elements: str
    required: true
  nodes:
    description: Nodes of this docker host that may hold them. Each version is read from the first one that does.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node in the swarm.
        type: str
        required: true
      socket:
        description: Path of the unix socket of its engine.
        type: str
        required: true
seealso:
  - module: fungap.swarm.env_volume
"""

EXAMPLES = r"""
- name: Read a version of web's env file
  fungap.swarm.env_volume_info:
    app: web
    versions: [4a1f6f2c9b3e]
    nodes:
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
  no_log: true
  register: found
"""

RETURN = r"""
files:
  description: >-
    One entry for each version, with C(version), C(node), and either C(problem), or C(name), C(content) in base64,
    C(owner), C(mode), C(user), C(created), C(image) and C(target). For O(fungap.swarm.env_volume#module:copies).
  returned: success
  type: list
  elements: dict
"""

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import env_files
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model import env
from ansible_collections.fungap.swarm.plugins.module_utils.runner import Plan, run


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
        volume = env.env_volumes(self.app, engine.named_volumes(name)).get(version)
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


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    run(
        EnvFiles,
        {
            "app": {"type": "str", "required": True},
            "versions": {"type": "list", "elements": "str", "required": True},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
        },
    )


if __name__ == "__main__":
    main()
