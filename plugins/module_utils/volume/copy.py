# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``volume_copy``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.volume import operation as volumes


def version_of(image: Mapping[str, Any], variable: str) -> str:
    """What an image says of its version, fit for a volume's name."""
    said = dict(line.partition("=")[::2] for line in image["Config"].get("Env") or []).get(variable, "")
    return re.sub(r"[^a-zA-Z0-9_.-]", "-", said) or str(image["Id"]).partition(":")[2][:12]


class VolumeCopy:
    """One volume of one container."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.engine = Engine(params["docker_socket"])

    def plan(self) -> runner.Plan:
        container = self.engine.containers.inspect(self.params["container"])
        wanted = self.engine.images.inspect(self.params["image"])
        if wanted is None:
            raise PlatformError(f"there is no image {self.params['image']} on {self.engine.socket}")
        if container is None or container["Image"] == wanted["Id"] or not self._has_volume():
            return runner.Plan(result={"copy": ""})
        # An image that is gone from the engine is still known by its ID.
        leaves = self.engine.images.inspect(container["Image"]) or {"Id": container["Image"], "Config": {}}
        variable = self.params["version_variable"]
        copy = f"{self.params['volume']}-before-{version_of(leaves, variable)}"
        return runner.Plan(
            actions=[f"stop {self.params['container']}", f"copy volume {self.params['volume']} to {copy}"],
            before={"version": version_of(leaves, variable)},
            after={"version": version_of(wanted, variable)},
            result={"copy": copy},
        )

    def _has_volume(self) -> bool:
        return self.engine.volumes.path(self.params["volume"]) is not None

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        self.engine.containers.stop(self.params["container"], self.params["stop_seconds"])
        source = volumes.path_of(self.engine, self.params["volume"])
        volumes.copy(source, volumes.fresh_volume(self.engine, plan.result["copy"], self.params["labels"]))
        return {}
