#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_restore
short_description: Put an archive of a volume back
version_added: 0.1.0
description:
  - Takes an archive that M(fungap.swarm.volume_backup) made from the controller, checks it by its SHA-256, stops the
    container, sets what the volume holds aside in another volume, and puts the archive's content in its place. The
    container stays stopped; whoever starts it removes what was set aside once all is well.
  - The SHA-256 beside the archive counts only where the controller's key has signed it.
  - Where the archive can't be unpacked, the volume gets back what it had.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Checks the archive and says what it would do.
  diff_mode:
    support: none
    description: There is nothing to show.
  idempotent:
    support: none
    description: Each call puts the archive back.
options:
  docker_socket:
    description: Unix socket of the docker host's engine.
    type: path
    default: /var/run/docker.sock
  volume:
    description: The volume, of the driver C(local). Where there is none it is made.
    type: str
    required: true
  container:
    description: The container to stop. One that isn't there is no obstacle.
    type: str
    required: true
  archive:
    description:
      - The archive on the controller; C(<archive>.sha256) lies beside it, where O(sha256) is not given.
      - Without one, a restore that was killed is undone, and nothing else is done.
    type: path
    default: ""
  labels:
    description: Labels of volumes that are made.
    type: dict
    default: {}
  stop_seconds:
    description: How long the container may take to stop.
    type: int
    default: 60
  key_file:
    description: The file on the controller with the key that signed it.
    type: path
    default: ""
  temporary:
    description: The archive on the docker host meanwhile. Filled in by the action plugin; not meant to be given.
    type: path
    default: ""
  sha256:
    description: >-
      The archive's SHA-256, from somewhere that the archive's writer has no access to. Without it, the action plugin
      fills in what C(<archive>.sha256) says.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Put Jenkins' home back
  fungap.swarm.volume_restore:
    volume: fungap-jenkins-home
    container: fungap-jenkins
    archive: /srv/backup/fungap/fungap-jenkins-home-20261124T120000Z.tar
    key_file: "{{ inventory_dir }}/.secrets/backup-signature.password"
"""

RETURN = r"""
aside:
  description: The volume that holds what was there before; empty where there was nothing.
  returned: success
  type: str
  sample: fungap-jenkins-home-aside
files:
  description: How many files and folders were put back.
  returned: success
  type: int
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner, volumes
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError

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
        if not self._was_killed() and self.engine.volume_path(self.aside) is not None:
            raise PlatformError(
                f"volume {self.aside} is there: an earlier restore did not end well, and it holds what was there "
                f"before. Look at it, and remove it when nobody needs it: docker volume rm {self.aside}"
            )
        if not (self._was_killed() or self._has_left()) and self.engine.volume_path(self.staged) is not None:
            raise PlatformError(
                f"volume {self.staged} is there, and nothing shows that a restore has made it: the archive would be "
                f"unpacked in its place. Look at it, and remove it when nobody needs it: docker volume rm {self.staged}"
            )
        there = self.engine.volume_path(self.params["volume"]) is not None
        actions += [f"stop {self.params['container']}"] if self.engine.container(self.params["container"]) else []
        actions += [f"set volume {self.params['volume']} aside as {self.aside}"] if there else []
        return runner.Plan(
            actions=[*actions, f"put {files} files into volume {self.params['volume']}"],
            result={"aside": self.aside if there else "", "files": files},
        )

    def _was_killed(self) -> bool:
        """Whether a restore was killed while one home took the other's place."""
        return None not in (self.engine.volume_path(self.aside), self.engine.volume_path(self.staged))

    def _has_left(self) -> bool:
        """Whether a restore was killed before that, and has left what it unpacked."""
        return self.staged in self.engine.volume_names({RESTORE_LABEL: self.params["volume"]})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        if self._was_killed():
            self._stop()
            self._undo()
        if not self.params["archive"]:
            if self._has_left():
                self.engine.remove_named_volume(self.staged)
            return {}
        labels = self.params["labels"]
        # All of it lies there, whole, before anything is stopped.
        staged = volumes.fresh_volume(self.engine, self.staged, {**labels, RESTORE_LABEL: self.params["volume"]})
        try:
            volumes.unpack(self.params["temporary"], staged)
        except PlatformError:
            self.engine.remove_named_volume(self.staged)
            raise
        self._stop()
        self.engine.create_volume(self.params["volume"], labels)
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
            self.engine.remove_named_volume(self.aside)
        self.engine.remove_named_volume(self.staged)
        return {}

    def _stop(self) -> None:
        if self.engine.container(self.params["container"]):
            self.engine.stop_container(self.params["container"], self.params["stop_seconds"])

    def _undo(self) -> None:
        """Bring back what was there before: what lies aside, and what was not set aside yet."""
        root, aside = (volumes.path_of(self.engine, name) for name in (self.params["volume"], self.aside))
        if volumes.is_marked(aside):
            volumes.empty(root)
            # From here on the old home is in both places: who is killed meanwhile mustn't empty one of them.
            volumes.unmark(aside)
        volumes.move(aside, root)
        self.engine.remove_named_volume(self.aside)
        self.engine.remove_named_volume(self.staged)


def main() -> None:
    """Run the module."""
    runner.run(
        VolumeRestore,
        {
            "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
            "volume": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "archive": {"type": "path", "default": ""},
            "labels": {"type": "dict", "default": {}},
            "stop_seconds": {"type": "int", "default": 60},
            "key_file": {"type": "path", "default": ""},
            "temporary": {"type": "path", "default": ""},
            "sha256": {"type": "str", "default": ""},
        },
    )


if __name__ == "__main__":
    main()
