# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work on several nodes at the same time: the one way in which it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

WORKERS = 8
T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], items: Iterable[T], *, workers: int = WORKERS) -> list[R]:
    """What ``work`` makes of each item, in their order. All are done before the first one's error is raised."""
    items = list(items)
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(len(items), workers)) as pool:
        return list(pool.map(work, items))


def in_parallel(jobs: Mapping[str, Callable[[], None]]) -> dict[str, str]:
    """Run all jobs, whatever becomes of the others; the message of each that failed, by its name."""

    def failure(job: Callable[[], None]) -> str | None:
        try:
            job()
        except PlatformError as error:
            return error.message
        return None

    found = each(failure, jobs.values())
    return {name: message for name, message in zip(jobs, found, strict=True) if message is not None}
