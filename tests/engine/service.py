"""The engine of this machine: there before the tests, or started by them."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import docker

from ..waiting import wait_for


def engine_answers() -> bool:
    try:
        return bool(docker.DockerClient("unix:///run/docker.sock", timeout=10).ping())
    except (OSError, docker.errors.DockerException):
        return False


def stop_engine() -> None:
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "stop", "docker.socket", "docker.service"], check=False)
        return
    pid_file = Path("/run/docker.pid")
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        wait_for("the end of the engine that the tests started", lambda: not pid_file.exists(), 30)
