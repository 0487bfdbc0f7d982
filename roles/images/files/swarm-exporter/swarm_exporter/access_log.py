# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy's access log: a container's log stream to lines, lines to counts."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from swarm_exporter.metrics import BUCKETS, Sample

OTHER = "other"
# What the proxy answers where it routes nothing: whatever host was asked for, it is not one of ours.
UNROUTED = (400, 421)
HOSTS_MAX = 500
# A host has these from its first request on: a series that begins with the first error hides it from rate().
CODES = ("200", "500", "502", "503", "504")


def take_lines(buffer: bytearray) -> Iterator[bytes]:
    """Take whole frames (a header of 8 bytes, the last 4 of them the size) off ``buffer``; their lines."""
    start = 0
    while len(buffer) - start >= 8:
        end = start + 8 + int.from_bytes(buffer[start + 4 : start + 8], "big")
        if end > len(buffer):
            break
        yield bytes(buffer[start + 8 : end])
        start = end
    del buffer[:start]


class AccessLog:
    """Counts of requests by host and status, and of their durations by host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def add(self, line: bytes) -> bool:
        """Count a line; whether it was one."""
        try:
            entry = json.loads(line)
            host, status, seconds = entry["host"], int(entry["status"]), float(entry["request_time"])
        except (ValueError, TypeError, LookupError):
            return False
        with self._lock:
            known = host in self._durations or len(self._durations) < HOSTS_MAX
            if status in UNROUTED or not host or not known:
                host = OTHER
            if host != OTHER and host not in self._durations:
                self._requests.update({(host, code): 0 for code in CODES})
            self._requests[host, str(status)] += 1
            self._durations.setdefault(host, [0] * (len(BUCKETS) + 1))[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[host] = self._seconds.get(host, 0.0) + seconds
        return True

    def samples(self, node: str) -> Iterator[Sample]:
        with self._lock:
            requests, durations = dict(self._requests), {host: list(one) for host, one in self._durations.items()}
            seconds = dict(self._seconds)
        for (host, code), count in requests.items():
            yield Sample("proxy_requests_total", (node, host, code), count)
        name = "proxy_request_duration_seconds"
        for host, counts in durations.items():
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), accumulate(counts), strict=True):
                yield Sample(f"{name}_bucket", (node, host, bound), count)
            yield Sample(f"{name}_sum", (node, host), seconds[host])
            yield Sample(f"{name}_count", (node, host), sum(counts))
