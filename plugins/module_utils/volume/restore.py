# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``volume_restore``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.volume import operation as volumes

# Of the volume that an archive is unpacked into: whose place it is to take.
RESTORE_LABEL = "io.fungap.restore"


class VolumeRestore:
    """The docker host's part: a file there into the volume."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.engine = Engine(params["docker_socket"])
        self.aside, self.staged = (f"{params['volume']}-{suffix}" for suffix in ("aside", "restored"))

    def plan(self) -> runner.Plan:
        actions = []
        if self._was_killed():
            actions.append(f"undo the restore of {self.params['volume']} that was killed")
        elif self._has_left():
            actions.append(f"remove volume {self.staged}, which a killed restore has left")
        if not self.params["archive"]:
            return runner.Plan(actions=actions, result={"aside": "", "files": 0})
        found = volumes.digest(self.params["temporary"])
        if found != self.params["sha256"]:
            raise PlatformError(
                f"{self.params['archive']} is not what was backed up: its SHA-256 is {found}, and has to be "
                f"{self.params['sha256']}. Take another archive"
            )
        files = volumes.check_archive(self.params["temporary"])
        if not self._was_killed() and self.engine.volumes.path(self.aside) is not None:
            raise PlatformError(
                f"volume {self.aside} is there: an earlier restore did not end well, and it holds what was there "
                f"before. Look at it, and remove it when nobody needs it: docker volume rm {self.aside}"
            )
        if not (self._was_killed() or self._has_left()) and self.engine.volumes.path(self.staged) is not None:
            raise PlatformError(
                f"volume {self.staged} is there, and nothing shows that a restore has made it: the archive would be "
                f"unpacked in its place. Look at it, and remove it when nobody needs it: docker volume rm {self.staged}"
            )
        there = self.engine.volumes.path(self.params["volume"]) is not None
        actions += (
            [f"stop {self.params['container']}"] if self.engine.containers.inspect(self.params["container"]) else []
        )
        actions += [f"set volume {self.params['volume']} aside as {self.aside}"] if there else []
        return runner.Plan(
            actions=[*actions, f"put {files} files into volume {self.params['volume']}"],
            result={"aside": self.aside if there else "", "files": files},
        )

    def _was_killed(self) -> bool:
        """Whether a restore was killed while one home took the other's place."""
        return None not in (self.engine.volumes.path(self.aside), self.engine.volumes.path(self.staged))

    def _has_left(self) -> bool:
        """Whether a restore was killed before that, and has left what it unpacked."""
        return self.staged in self.engine.volumes.names({RESTORE_LABEL: self.params["volume"]})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        if self._was_killed():
            self._stop()
            self._undo()
        if not self.params["archive"]:
            if self._has_left():
                self.engine.volumes.remove(self.staged)
            return {}
        labels = self.params["labels"]
        # All of it lies there, whole, before anything is stopped.
        staged = volumes.fresh_volume(self.engine, self.staged, {**labels, RESTORE_LABEL: self.params["volume"]})
        try:
            volumes.unpack(self.params["temporary"], staged)
        except PlatformError:
            self.engine.volumes.remove(self.staged)
            raise
        self._stop()
        self.engine.volumes.create(self.params["volume"], labels)
        root = volumes.path_of(self.engine, self.params["volume"])
        # Also where there was nothing: it tells the next run that this one was killed with half a home in its place.
        aside = volumes.fresh_volume(self.engine, self.aside, labels)
        try:
            volumes.move(root, aside)
            volumes.mark(aside)
            volumes.move(staged, root)
        except PlatformError:
            self._undo()
            raise
        if not plan.result["aside"]:
            self.engine.volumes.remove(self.aside)
        self.engine.volumes.remove(self.staged)
        return {}

    def _stop(self) -> None:
        if self.engine.containers.inspect(self.params["container"]):
            self.engine.containers.stop(self.params["container"], self.params["stop_seconds"])

    def _undo(self) -> None:
        """Bring back what was there before: what lies aside, and what was not set aside yet."""
        root, aside = (volumes.path_of(self.engine, name) for name in (self.params["volume"], self.aside))
        if volumes.is_marked(aside):
            volumes.empty(root)
            # From here on the old home is in both places: who is killed meanwhile mustn't empty one of them.
            volumes.unmark(aside)
        volumes.move(aside, root)
        self.engine.volumes.remove(self.aside)
        self.engine.volumes.remove(self.staged)
