# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docker CLI, for the few things that only it does. Layer: docker."""

from __future__ import annotations

import os
import shutil
import subprocess

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.program import search_path


def run(
    socket: str,
    arguments: list[str],
    *,
    stdin: str = "",
    host: str | None = None,
    registry_config: str | None = None,
    timeout_seconds: float = 60,
) -> tuple[int, str]:
    """Run the docker CLI with an environment of its own; exit code and output (stderr and stdout)."""
    path = search_path(os.environ.get("PATH", ""))
    docker_cli = shutil.which("docker", path=path)
    if docker_cli is None:
        raise PlatformError(
            "the docker command line client is missing on this machine: install docker.io or docker-cli"
        )
    try:
        done = subprocess.run(
            [docker_cli, "--host", host or f"unix://{socket}", *arguments],
            input=stdin,
            env={"PATH": path, "DOCKER_CONFIG": registry_config or "/nonexistent"},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PlatformError(
            f"docker {' '.join(arguments[:2])} on {socket} gave no answer in {timeout_seconds} s"
        ) from error
    except OSError as error:
        raise PlatformError(f"cannot run {docker_cli}: {error}") from error
    return done.returncode, done.stdout
