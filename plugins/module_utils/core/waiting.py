# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for a condition, with a deadline and a message."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError


def wait_until(
    ready: Callable[[], bool],
    *,
    deadline_seconds: float,
    failure: Callable[[], str],
    interval_seconds: float = 0.1,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once ``ready()`` is true; raise ``PlatformError(failure())`` when it is not within the deadline.

    The interval doubles up to one second, so that quick things are seen at once and slow ones cost little.
    """
    end = clock() + deadline_seconds
    while not ready():
        if clock() >= end:
            raise PlatformError(failure())
        sleep(min(interval_seconds, max(end - clock(), 0)))
        interval_seconds = min(interval_seconds * 2, 1.0)
