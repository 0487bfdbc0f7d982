# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test's steps, and what was measured in each. Pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

REPORT_MARK = "load-step: "


@dataclass(frozen=True)
class Step:
    """``users`` arrive evenly over ``ramp_seconds``; each sends ``loops`` requests, one after the other."""

    users: int
    ramp_seconds: float
    loops: int

    @property
    def requests(self) -> int:
        return self.users * self.loops


@dataclass(frozen=True)
class Measured:
    """What came of a step. ``begin``, ``end``: Unix time of the first user's arrival and the last one's answer.

    ``answered``: requests that ended, well or not; ``failed``: those of them that did not end well. ``causes``: why,
    and how often. ``cpu``: the busy share of the machine's CPUs between begin and end, None where it was not measured.
    """

    step: Step
    begin: float
    end: float
    answered: int
    failed: int
    p50_seconds: float
    p95_seconds: float
    max_seconds: float
    mean_seconds: float
    causes: Mapping[str, int] = field(default_factory=dict)
    client_short_of_cpu: bool = False
    cpu: float | None = None

    @property
    def errors(self) -> int:
        """Requests that failed, were not answered when the time was up, or were never sent."""
        return self.failed + max(self.step.requests - self.answered, 0)

    @property
    def error_ratio(self) -> float:
        return self.errors / self.step.requests

    @property
    def rate(self) -> float:
        """Requests that ended, per second."""
        return self.answered / max(self.end - self.begin, 0.001)


def parse_report(log: str) -> dict[str, object] | None:
    """The figures that the step's locustfile wrote; None where it wrote none."""
    lines = [line for line in log.splitlines() if line.startswith(REPORT_MARK)]
    found: dict[str, object] | None = json.loads(lines[-1].removeprefix(REPORT_MARK)) if lines else None
    return found


@dataclass(frozen=True)
class CpuSample:
    """``busy`` and ``total``: time of all CPUs since boot, in the kernel's ticks. ``time``: Unix time."""

    time: float
    busy: float
    total: float


def parse_proc_stat(text: str, time: float) -> CpuSample:
    """The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (guest time is in user)."""
    ticks = [float(number) for number in text.split("\n", 1)[0].split()[1:9]]
    total = sum(ticks)
    return CpuSample(time, total - sum(ticks[3:5]), total)


def busy_share(samples: Sequence[CpuSample], begin: float, end: float) -> float | None:
    """The busy share between two times, with the counters taken as straight lines between the samples.

    None where the samples do not reach over that time.
    """
    first, last = _at(samples, begin), _at(samples, end)
    if not first or not last or last.total <= first.total:
        return None
    return (last.busy - first.busy) / (last.total - first.total)


def _at(samples: Sequence[CpuSample], time: float) -> CpuSample | None:
    for before, after in itertools.pairwise(samples):
        if before.time <= time <= after.time:
            share = (time - before.time) / ((after.time - before.time) or 1)
            return CpuSample(
                time,
                before.busy + share * (after.busy - before.busy),
                before.total + share * (after.total - before.total),
            )
    return None
