"""How busy machines were meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.cpu_watch import CpuWatch


def machine(busy: float, fails_after: int = 1000) -> Callable[[], str]:
    """The /proc/stat of one CPU that is busy to that share, 100 ticks a second."""
    start, reads = time.time(), []

    def read() -> str:
        reads.append(1)
        if len(reads) > fails_after:
            raise PlatformError("gone")
        ticks = (time.time() - start) * 100
        return f"cpu {ticks * busy:.6f} 0 0 {ticks * (1 - busy):.6f} 0 0 0 0 0 0\n"

    return read


def watched(*machines: Callable[[], str]) -> float | None:
    with CpuWatch({str(number): one for number, one in enumerate(machines)}, 0.01) as watch:
        begin = time.time()
        time.sleep(0.1)
        end = time.time()
    return watch.busiest(begin, end)


def test_the_busiest_machine_counts() -> None:
    assert watched(machine(0.2), machine(0.7)) == pytest.approx(0.7, abs=0.1)


def test_a_machine_that_is_lost_leaves_it_unknown() -> None:
    assert watched(machine(0.2), machine(0.7, fails_after=2)) is None


def test_a_machine_that_cannot_be_read_is_found_out_at_once() -> None:
    with pytest.raises(PlatformError, match="gone"), CpuWatch({"one": machine(0.2, fails_after=0)}):
        pytest.fail("it began")
