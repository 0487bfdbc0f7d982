# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Env files in their volumes, through a node's engine."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume import model as env

FOLDER = "/env"


def helper_labels(app: str) -> dict[str, str]:
    """Of the containers through which volumes and images are read and written."""
    return {env.LABEL_HELPER: "env_volume", env.LABEL_APP: app}


def read_version(engine: Engine, node: str, app: str, version: str) -> env.EnvFile:
    """The file in a volume that is there. Raises where the volume holds something else than its name says."""
    with _mounted(engine, app, version) as helper:
        found = _version_in(engine, helper, version)
    if found is None:
        raise PlatformError(
            f"volume {env.volume_name(app, version)} on {node} does not hold what its name says: it was changed by "
            "hand. Take the label away that offers it (docker node update --label-rm "
            f"{env.node_label(app, version)} {node}), and run this again"
        )
    return found


def write_version(engine: Engine, node: str, app: str, version: str, file: env.EnvFile) -> None:
    """Put the file into a volume that is there, and look whether it has arrived: a label will say so."""
    with _mounted(engine, app, version) as helper:
        engine.containers.write_archive(helper, FOLDER, file.tar(int(time.time())))
        if _version_in(engine, helper, version) is None:
            raise PlatformError(
                f"volume {env.volume_name(app, version)} on {node} does not hold what was written into it: run this "
                "again"
            )


def _mounted(engine: Engine, app: str, version: str) -> AbstractContextManager[str]:
    return engine.containers.helper(None, helper_labels(app), volume=env.volume_name(app, version), target=FOLDER)


def _version_in(engine: Engine, helper: str, version: str) -> env.EnvFile | None:
    chunks = engine.containers.read_archive(helper, FOLDER + "/.")
    files = [] if chunks is None else env.files_in(b"".join(chunks))
    return next((file for file in files if file.is_version(version)), None)
