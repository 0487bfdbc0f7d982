"""The one place where tests wait: for a condition, until a deadline, with a message."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from collections.abc import Callable
from typing import TypeVar

import docker

from .timeline import span

T = TypeVar("T")
PAUSE_SECONDS = 0.2
# What an engine or a server does that has not come up yet.
NOT_READY = (OSError, docker.errors.DockerException, http.client.HTTPException)
REFERENCE_SECONDS = 0.04
# How many times slower this machine is than the one that the deadlines were written for; measured when tests start.
SPEED = "FUNGAP_TEST_SLOWNESS"


def patience() -> float:
    """By how much a deadline is longer here and now: on a slower machine, and where more processes run than cores."""
    return max(1.0, float(os.environ.get(SPEED, "1")), os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_for(what: str, ready: Callable[[], object], seconds: float = 90) -> float:
    """Wait for a condition; the seconds it took. What doesn't answer is not ready.

    ``seconds``: the deadline on a machine that is fast and idle. It is looked at least once, also after it.
    """
    start = time.monotonic()
    with span(f"wait: {what}"):
        found, error = _look_until(ready, seconds)
    lasted = time.monotonic() - start
    if not found:
        raise AssertionError(f"{what}: not within {lasted:.0f} s ({error})")
    return lasted


def until(look: Callable[[], T], seconds: float = 90) -> T:
    """What ``look`` returns as soon as it is something, or when the time is up."""
    with span("wait: something to be there"):
        found, error = _look_until(look, seconds)
    if error:
        raise AssertionError(f"not within {seconds * patience():.0f} s") from error
    return found  # type: ignore[return-value]  # without an error it is what look returned


def _look_until(look: Callable[[], T], seconds: float) -> tuple[T | None, Exception | None]:
    start = time.monotonic()
    while True:
        found, error = None, None
        try:
            found = look()
        except NOT_READY as caught:
            error = caught
        if found or time.monotonic() - start >= seconds * patience():
            return found, error
        time.sleep(PAUSE_SECONDS)


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
