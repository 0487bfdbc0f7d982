"""Waiting for what a test has set going."""

from __future__ import annotations

import time
from collections.abc import Callable

import docker


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 90) -> float:
    """Wait for a condition; the seconds it took. An engine or a server that doesn't answer is not ready."""
    start = time.monotonic()
    error: Exception | None = None
    while time.monotonic() - start < seconds:
        try:
            if ready():
                return time.monotonic() - start
        except (OSError, docker.errors.DockerException) as caught:
            error = caught
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s ({error})")
