"""The engine of this machine: there before the tests, or started by them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path
from typing import IO

import docker

from ..waiting import wait_for

# One for all checkouts, as the engine is.
LOCK = Path("/run/lock/fungap-tests-engine.lock")


def engine_answers() -> bool:
    try:
        return bool(docker.DockerClient("unix:///run/docker.sock", timeout=10).ping())
    except (OSError, docker.errors.DockerException):
        return False


def use_engine() -> IO[str]:
    """Hold a lock that says that this run uses the engine, until it is closed. Waits while another run stops it."""
    LOCK.touch(exist_ok=True)
    lock = LOCK.open()
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def stop_engine(lock: IO[str]) -> None:
    """Stop the engine that the tests started, unless a run of another checkout uses it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("the engine that the tests started is left running: another checkout's tests use it")
        return
    _stop()


def _stop() -> None:
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "stop", "docker.socket", "docker.service"], check=False)
        return
    pid_file = Path("/run/docker.pid")
    if pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        wait_for("the end of the engine that the tests started", lambda: not pid_file.exists(), 30)
