#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_backup
short_description: Bring a volume to the controller as an archive
version_added: 1.0.0
description:
  - Writes all that is in a volume into a tar archive in a folder of the controller, with owners, modes and times, and
    beside it C(<archive>.sha256), as C(sha256sum --check) reads it, signed by a key that stays on the controller.
  - The container that uses the volume is paused while it is read, so the archive is what the disk would hold after a
    power cut at one moment. It goes on as soon as the archive lies on the docker host; the way to the controller
    comes after that.
  - Only complete archives have their name; of those the newest O(keep) stay.
  - The archive holds every secret that the volume holds. It and its folder are for their owner alone.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Says what it would do.
  diff_mode:
    support: none
    description: There is nothing to show.
  idempotent:
    support: none
    description: Each call makes an archive.
options:
  volume:
    description: The volume, of the driver C(local).
    type: str
    required: true
  container:
    description: The container to pause meanwhile. One that isn't there, or doesn't run, is no obstacle.
    type: str
    required: true
  directory:
    description: The folder on the controller, an absolute path.
    type: path
    required: true
  keep:
    description: How many archives of this volume stay there. 0 for all.
    type: int
    default: 7
  key_file:
    description: The file on the controller with the key that signs, a password of M(fungap.swarm.platform_secrets).
    type: path
    required: true
  temporary:
    description: The archive on the docker host meanwhile. Filled in by the action plugin; not meant to be given.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Back Jenkins up
  fungap.swarm.volume_backup:
    volume: fungap-jenkins-home
    container: fungap-jenkins
    directory: /srv/backup/fungap
    key_file: "{{ inventory_dir }}/.secrets/backup-signature.password"
"""

RETURN = r"""
archive:
  description: Path of the archive on the controller.
  returned: success
  type: str
  sample: /srv/backup/fungap/fungap-jenkins-home-20261124T120000Z.tar
sha256:
  description: Its SHA-256.
  returned: success, not in check mode
  type: str
bytes:
  description: Its size.
  returned: success, not in check mode
  type: int
files:
  description: How many files and folders are in it.
  returned: success, not in check mode
  type: int
paused_seconds:
  description: How long the container was paused.
  returned: success, not in check mode
  type: float
removed:
  description: Archives that were removed.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.volume.backup import VolumeBackup


def main() -> None:
    """Run the module."""
    runner.run(
        VolumeBackup,
        {
            **DOCKER,
            "volume": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "keep": {"type": "int", "default": 7},
            "key_file": {"type": "path", "required": True},
            "temporary": {"type": "path", "default": ""},
        },
    )


if __name__ == "__main__":
    main()
