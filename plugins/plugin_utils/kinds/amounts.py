# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times and sizes as Go, Prometheus and nginx write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

DAY_SECONDS = 86400
# nginx and Docker count in 64 bits; nobody uploads more.
UPLOAD_BYTES_MAX = 1024**4
# As everybody reads it: Python takes digits of other scripts, and 1_000.
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*\Z", re.IGNORECASE)
UPLOAD_SIZE = re.compile(r"([0-9]+)([kmg]?)\Z", re.IGNORECASE)
PROMETHEUS_UNITS = ("y", "w", "d", "h", "m", "s", "ms")
PROMETHEUS_TIME = re.compile("".join(f"([0-9]{{1,18}}{unit})?" for unit in PROMETHEUS_UNITS) + r"\Z")
PROMETHEUS_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTPE]?)i?B\Z")
UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000, "μs": 1000, "ns": 1}
DURATION_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(h|ms|m|s|us|µs|μs|ns)")
DURATION = re.compile(rf"(?:{DURATION_PART.pattern})+\Z")


def why_no_upload_size(value: Any) -> str:
    match = UPLOAD_SIZE.match(str(value))
    if not match or len(match.group(1)) > 15:
        return "is not a size"
    size = int(match.group(1)) * 1024 ** " kmg".index(match.group(2).lower() or " ")
    return "" if size <= UPLOAD_BYTES_MAX else "is more than 1024g"


def why_no_prometheus_time(value: Any, *, zero: bool = False) -> str:
    """``zero``: no time at all is one, too."""
    if zero and str(value) == "0":
        return ""
    match = PROMETHEUS_TIME.match(str(value))
    if not str(value) or not match:
        return "is not a time as Prometheus writes it"
    units = (365 * DAY_SECONDS, 7 * DAY_SECONDS, DAY_SECONDS, 3600, 60, 1, 0.001)
    seconds = sum(int(text.rstrip("ywdhms")) * unit for text, unit in zip(match.groups(), units, strict=True) if text)
    # It counts nanoseconds in 64 bits; and 0 is often its own default.
    return "" if (zero and seconds == 0) or 0 < seconds < 2**63 / 1e9 else "is nothing, or more than Prometheus counts"


def why_no_prometheus_size(value: Any) -> str:
    match = PROMETHEUS_SIZE.match(str(value))
    if not match:
        return "is not a size as Prometheus writes it"
    size = Decimal(match.group(1)) * 1024 ** " KMGTPE".index(match.group(2) or " ")
    return "" if 1 <= size < 2**63 else "is nothing, or more than Prometheus counts"


def nanoseconds_of(text: str) -> int | None:
    """A duration as Go reads it ('1m30s'), None when it can't be read, or is more than its 63 bits."""
    if text == "0":
        return 0
    if not DURATION.match(text):
        return None
    found = sum(Decimal(number) * UNITS[unit] for number, unit in DURATION_PART.findall(text))
    return int(found) if found < 2**63 else None
