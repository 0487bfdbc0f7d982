# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work on several nodes at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

WORKERS = 8


def in_parallel(jobs: Mapping[str, Callable[[], None]]) -> dict[str, str]:
    """Run all jobs, whatever becomes of the others; the message of each that failed, by its name."""

    def failure(job: Callable[[], None]) -> str | None:
        try:
            job()
        except PlatformError as error:
            return error.message
        return None

    if not jobs:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(jobs), WORKERS)) as pool:
        found = pool.map(failure, jobs.values())
        return {name: message for name, message in zip(jobs, found, strict=True) if message is not None}
