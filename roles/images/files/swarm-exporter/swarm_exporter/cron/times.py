# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a schedule is due. Pure.

Cron expressions are read by cronsim, which does what Debian's cron does: where a clock is put forward, what was to run
in the hour that isn't there runs right after it, and where it is put back, nothing at a fixed hour runs twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def slots(expression: str, timezone: str, after: int) -> Iterator[int]:
    """Unix times of the slots after that one, in order; it ends where none follows within 50 years."""
    zone = ZoneInfo(timezone)
    last = after
    for found in CronSim(expression, datetime.fromtimestamp(after, zone)):
        slot = int(found.timestamp())
        if slot > last:
            last = slot
            yield slot


def upcoming(expression: str, timezone: str, after: int) -> int:
    """The first slot after that time; 0 for none."""
    return next(slots(expression, timezone, after), 0)
