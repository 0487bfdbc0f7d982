# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``image_pull``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import in_parallel
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

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
                has[node] = engine.images.inspect(self.image) is not None
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
                engine.images.pull_with_config(self.image, self.registry_config)
                given = str((engine.images.inspect(self.image) or {}).get("Architecture") or "")
                wanted = str(engine.info().get("Architecture") or "")
                if given and ARCHITECTURES.get(wanted, wanted) != ARCHITECTURES.get(given, given):
                    raise PlatformError(f"the image is made for {given}, the node is {wanted}")

            return pull_on_node

        failed = in_parallel({action.node: pull(action.node) for action in plan.actions})
        if failed:
            reasons = "; ".join(f"{node}: {reason}" for node, reason in sorted(failed.items()))
            raise PlatformError(f"{self.image} can't be had on every node: {reasons}", failed_nodes=sorted(failed))
        return {}
