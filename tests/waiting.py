"""The one place where tests wait: for a condition, until a deadline, with a message."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import TypeVar

import docker

from .timeline import span

T = TypeVar("T")
PAUSE_SECONDS = 0.2
REFERENCE_SECONDS = 0.04
# How many times slower this machine is than the one that the deadlines were written for; measured when tests start.
SPEED = "FUNGAP_TEST_SLOWNESS"


def patience() -> float:
    """By how much a deadline is longer here and now: on a slower machine, and where more processes run than cores."""
    return max(1.0, float(os.environ.get(SPEED, "1")), os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 90) -> float:
    """Wait for a condition; the seconds it took. An engine or a server that doesn't answer is not ready.

    ``seconds``: the deadline on a machine that is fast and idle. It is looked at least once, also after it.
    """
    start = time.monotonic()
    error: Exception | None = None
    with span(f"wait: {what}"):
        while True:
            try:
                if ready():
                    return time.monotonic() - start
            except (OSError, docker.errors.DockerException) as caught:
                error = caught
            if time.monotonic() - start >= seconds * patience():
                break
            time.sleep(PAUSE_SECONDS)
    raise AssertionError(f"{what}: not within {time.monotonic() - start:.0f} s ({error})")


def until(look: Callable[[], T], seconds: float = 90) -> T:
    """What ``look`` returns as soon as it is something, or when the time is up."""
    start = time.monotonic()
    with span("wait: something to be there"):
        while not (found := look()) and time.monotonic() - start < seconds * patience():
            time.sleep(PAUSE_SECONDS)
    return found


def measured_slowness() -> float:
    """How many times longer a fixed piece of work takes than on the machine that the deadlines were written for."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(20):
            hashlib.sha256(bytes(1_000_000)).digest()
            sum(number * number for number in range(10_000))
        best = min(best, time.perf_counter() - began)
    return best / REFERENCE_SECONDS
