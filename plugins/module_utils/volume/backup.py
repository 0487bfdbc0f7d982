# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``volume_backup``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.signals import signals_as_exceptions
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.volume import operation as volumes


class VolumeBackup:
    """The docker host's part: the volume into a file there."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.engine = Engine(params["docker_socket"])

    def plan(self) -> runner.Plan:
        volumes.path_of(self.engine, self.params["volume"])
        return runner.Plan(actions=[f"back up volume {self.params['volume']}"])

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  there is one thing to do
        target = self.params["temporary"]
        with suppress(FileNotFoundError):  # of a run that was killed
            os.unlink(target)
        with signals_as_exceptions():
            try:
                with self.engine.containers.paused(self.params["container"]):
                    begun = time.monotonic()
                    found = volumes.archive(volumes.path_of(self.engine, self.params["volume"]), target)
                    seconds = time.monotonic() - begun
                # For the connection's user, who takes it away.
                status = os.stat(os.path.dirname(target))
                os.chown(target, status.st_uid, status.st_gid)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(target)
                raise
        return {**found, "paused_seconds": round(seconds, 3)}
