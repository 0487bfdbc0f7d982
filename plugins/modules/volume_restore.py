#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_restore
short_description: Put an archive of a volume back
version_added: 1.0.0
description:
  - Takes an archive that M(fungap.swarm.volume_backup) made from the controller, checks it by its SHA-256, stops the
    container, sets what the volume holds aside in another volume, and puts the archive's content in its place. The
    container stays stopped; whoever starts it removes what was set aside once all is well.
  - The SHA-256 beside the archive counts only where the controller's key has signed it.
  - Where the archive can't be unpacked, the volume gets back what it had.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
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

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.volume.restore import VolumeRestore


def main() -> None:
    """Run the module."""
    runner.run(
        VolumeRestore,
        {
            **DOCKER,
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
