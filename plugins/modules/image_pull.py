#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pull
short_description: Pull an image on swarm nodes, in parallel, before a rollout needs it
version_added: 0.1.0
description:
  - Every given node that lacks the image pulls it. What would make a task fail later fails here, before anything is
    changed - an image that is missing, a registry that is down, an image for another architecture, a full disk.
  - A node whose engine does not answer is left out with a warning. Swarm does not place anything there either.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Says which nodes would pull.
  diff_mode:
    support: full
    description: Lists the nodes that have the image.
  idempotent:
    support: full
    description: With an image by digest.
options:
  image:
    description: The image, by digest.
    type: str
    required: true
  nodes:
    description: Nodes of this docker host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      socket:
        description: Path of the unix socket of its engine.
        type: str
        required: true
  registry_config:
    description: Folder with the C(config.json) that holds the registry's credentials.
    type: path
"""

EXAMPLES = r"""
- name: Have the new image on the nodes
  fungap.swarm.image_pull:
    image: registry:5000/app-web@sha256:6b1d1b3b0a3a5bd7e7a7a5a9c2f1c0d5f1f8b4c9d2e3f4a5b6c7d8e9f0a1b2c3
    nodes:
      - {name: manager1, socket: /run/fungap/manager1/docker.sock}
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
    registry_config: /etc/fungap/registry-client
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.parallel import in_parallel
from ansible_collections.fungap.swarm.plugins.module_utils.runner import Plan, run

# What kernels and what images call the same processor.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Pull:
    """Pull the image on a node."""

    node: str
    image: str

    def __str__(self) -> str:
        return f"pull {self.image} on {self.node}"


class ImagePull:
    """One call of the module."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.image: str = params["image"]
        self.sockets: dict[str, str] = {node["name"]: node["socket"] for node in params["nodes"]}
        self.registry_config: str | None = params["registry_config"]
        self.engines: dict[str, Engine] = {}

    def plan(self) -> Plan:
        """See the protocol."""
        has: dict[str, bool] = {}

        def look(node: str) -> Callable[[], None]:
            def look_at_node() -> None:
                engine = Engine(self.sockets[node])
                has[node] = engine.image(self.image) is not None
                self.engines[node] = engine

            return look_at_node

        left_out = in_parallel({node: look(node) for node in self.sockets})
        return Plan(
            actions=[Pull(node, self.image) for node in sorted(has) if not has[node]],
            before={"image": self.image, "nodes": sorted(node for node in has if has[node])},
            after={"image": self.image, "nodes": sorted(has)},
            warnings=[f"node {node} is left out: {why}" for node, why in sorted(left_out.items())],
        )

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        """See the protocol."""

        def pull(node: str) -> Callable[[], None]:
            def pull_on_node() -> None:
                engine = self.engines[node]
                engine.pull_with_config(self.image, self.registry_config)
                given = str((engine.image(self.image) or {}).get("Architecture") or "")
                wanted = str(engine.info().get("Architecture") or "")
                if given and ARCHITECTURES.get(wanted, wanted) != ARCHITECTURES.get(given, given):
                    raise PlatformError(f"the image is made for {given}, the node is {wanted}")

            return pull_on_node

        failed = in_parallel({action.node: pull(action.node) for action in plan.actions})
        if failed:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in sorted(failed.items()))
            raise PlatformError(f"{self.image} can't be had on every node: {reasons}", failed_nodes=sorted(failed))
        return {}


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    run(
        ImagePull,
        {
            "image": {"type": "str", "required": True},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
            "registry_config": {"type": "path"},
        },
    )


if __name__ == "__main__":
    main()
