# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How busy machines are while something else is done: /proc/stat, read again and again in the background."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.load_test.model import (
    CpuSample,
    busy_share,
    parse_proc_stat,
)


class CpuWatch:
    """``readers``: machine -> what returns its /proc/stat. Times are this machine's.

    The first reading is made by the caller, so that a machine that can't be read is found out before anything begins.
    """

    def __init__(self, readers: Mapping[str, Callable[[], str]], interval_seconds: float = 0.5) -> None:
        self._readers = readers
        self._interval_seconds = interval_seconds
        self._over = threading.Event()
        self._samples: dict[str, list[CpuSample]] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> CpuWatch:
        for name in self._readers:
            self._samples[name] = []
            self._sample(name)
        for name in self._readers:
            # Ansible keeps what its connections ask for in context variables.
            run = contextvars.copy_context().run
            self._threads.append(threading.Thread(target=run, args=(self._follow, name), daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        """The last reading is made after the end of what is watched."""
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def busiest(self, begin: float, end: float) -> float | None:
        """The busy share of the busiest machine between two times; None where one of them could not be measured."""
        shares = [busy_share(samples, begin, end) for samples in self._samples.values()]
        known = [share for share in shares if share is not None]
        return max(known) if known and len(known) == len(shares) else None

    def _follow(self, name: str) -> None:
        try:
            while not self._over.wait(self._interval_seconds):
                self._sample(name)
            self._sample(name)
        except PlatformError:
            # It ends here: what was to be measured afterwards counts as not measured.
            return

    def _sample(self, name: str) -> None:
        before = time.time()
        text = self._readers[name]()
        # Somewhere between question and answer.
        self._samples[name].append(parse_proc_stat(text, (before + time.time()) / 2))
