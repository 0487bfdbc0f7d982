# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks between runs on one machine. The kernel frees them when their holder dies, so none is ever left behind."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

# Of root alone. Who can open a lock's file can hold it, and in /run/lock everybody can make one.
FOLDER = "/run/fungap-locks"
# Of what the registry at an address holds; short: while a prune deletes, and while a push makes sure of an image.
REGISTRY_LOCK = FOLDER + "/registry-{address}.lock"


@contextmanager
def acquire_lock(
    path: str, holder: str, *, wait_seconds: float, waiting: Callable[[str], None] | None = None
) -> Iterator[str]:
    """Hold the lock of a file, and say in it who does.

    Yields what the last holder wrote if it was killed before its end, else "". ``waiting`` is told whom this waits for.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700 if folder == FOLDER else 0o755, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # also one that an older version has made
        end = time.monotonic() + wait_seconds
        while not taken(file.fileno(), fcntl.LOCK_EX):
            other = _read(path)
            if time.monotonic() >= end:
                raise PlatformError(f"{other or 'another run'} is still at work after {wait_seconds:.0f} s of waiting")
            if waiting:
                waiting(other)
            time.sleep(0.2)
        left = _read(path)
        _write(file.fileno(), holder)
        try:
            yield left
        finally:
            _write(file.fileno(), "")


def holder(path: str) -> str:
    """What the lock's holder wrote, "" while nobody holds it."""
    try:
        with open(path, encoding="utf-8") as file:
            return "" if taken(file.fileno(), fcntl.LOCK_SH) else file.read()
    except FileNotFoundError:
        return ""


def taken(descriptor: int, kind: int) -> bool:
    """Whether the lock of an open file or folder could be had at once; ``kind``: of ``fcntl``."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
