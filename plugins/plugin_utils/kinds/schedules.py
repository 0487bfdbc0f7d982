# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app runs on schedule: cron expressions, time zones, and the entries that have them."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

with suppress(ImportError):  # refused by name, where an app has a schedule
    import cronsim

from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

KEYS = ("schedule", "command", "timezone", "overlap", "deadline_seconds")
REQUIRED = ("schedule", "command")
OVERLAPS = ("forbid", "allow")
NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


def why_no_expression(value: Any) -> str:
    """Minute, hour, day of the month, month, day of the week, as Debian's cron has them; judged by what runs it."""
    text = str(value)
    if len(text.split()) != 5:
        return "has not the five fields of a cron expression"
    if "cronsim" not in globals():
        return "can't be judged: the controller lacks the Python package cronsim"
    try:
        next(cronsim.CronSim(text, datetime(2026, 1, 1, tzinfo=timezone.utc)))
    except cronsim.CronSimError as error:
        return f"is no cron expression ({str(error).lower()})"
    except StopIteration:
        return "is never due"
    return ""


def why_no_timezone(value: Any) -> str:
    try:
        zoneinfo.ZoneInfo(str(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone that the controller knows"
    return ""


def why_no_overlap(value: Any) -> str:
    return "" if value in OVERLAPS else "is neither forbid nor allow"


def why_no_schedules(value: Any) -> str:
    """The entries by name: what they may and have to say."""
    for name, one in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return f"has {show_key(name)}, which is no schedule's name: lower case letters, digits and -, at most 20"
        if not isinstance(one, Mapping):
            return f"has {name}, which is no mapping"
        unknown = [key for key in one if key not in KEYS]
        if unknown:
            return f"has {show_key(unknown[0])} for {name}; there are: {', '.join(KEYS)}"
        missing = [key for key in REQUIRED if not one.get(key)]
        if missing:
            return f"has no {missing[0]} for {name}"
    return ""
