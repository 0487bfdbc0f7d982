# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kind of value: what is wrong with one, and the cure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.amounts import DAY_SECONDS, NUMBER, nanoseconds_of
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.sizes import bytes_of

MEBIBYTE = 1024**2
# What the swarm takes of a service.
CPUS_MAX = 4096


@dataclass(frozen=True)
class Kind:
    """``why``: what is wrong with a value, or ''. ``hidden``: values of it may hold a login.

    ``may_be_empty``: whether empty text is the default, or stands for it.
    """

    why: Callable[[Any], str]
    cure: str
    hidden: bool = False
    may_be_empty: bool = False


def optional(kind: Kind) -> Kind:
    """The same, and empty text for none."""
    return replace(kind, may_be_empty=True)


def matching(pattern: re.Pattern[str], why: str, cure: str) -> Kind:
    """Text of a form."""
    return Kind(lambda value: "" if pattern.match(str(value)) else why, cure)


def number(
    least: float, most: float, cure: str, *, zero: bool = False, typed: bool = True, whole: bool = False
) -> Kind:
    """A finite number between two, both allowed. ``zero``: 0, too. ``whole``: no part of one.

    ``typed``: a specification says that it is one; what can't be read as a number is a wrong type, told elsewhere.
    """

    def why(value: Any) -> str:
        try:
            found = float(value)
        except (TypeError, ValueError, OverflowError):
            return "" if typed and not isinstance(value, int) else "is not a number"
        if not math.isfinite(found):
            return "is not a finite number"
        if (isinstance(value, bool) and not typed) or (isinstance(value, str) and not NUMBER.match(value)):
            return "is not a number"
        if whole and found != int(found):
            return "is not a whole number"
        if zero and found == 0:
            return ""
        if found < least:
            return f"is below {least:g}"
        return f"is above {most:g}" if found > most else ""

    return Kind(why, cure)


def cpus(least: float, cure: str) -> Kind:
    """A number of CPUs that stands in a compose file as it is given: Docker counts billionths, and reads no spaces."""
    base = number(least, CPUS_MAX, cure, typed=False)

    def why(value: Any) -> str:
        if why := base.why(value):
            return why
        text = str(value)
        if text != text.strip():
            return "has a space in it"
        return "has more than nine digits after its point" if Decimal(text) % Decimal("1e-9") else ""

    return Kind(why, cure)


def size(least: int, cure: str, *, zero: bool = False) -> Kind:
    """An amount of memory as Docker writes it. ``zero``: 0 stands for all."""

    def why(value: Any) -> str:
        found = bytes_of(str(value))
        if found is None:
            return "is not an amount of memory"
        if found < least and not (zero and found == 0):
            return f"is less than {least // MEBIBYTE}M"
        return ""

    return Kind(why, cure)


def duration(least: int, cure: str) -> Kind:
    """A time as Go writes it. ``least``: in nanoseconds."""

    def why(value: Any) -> str:
        found = nanoseconds_of(str(value))
        if found is None:
            return "is not a duration"
        if found < least:
            return "is less than 1ms"
        return "is more than 7 days" if found > 7 * DAY_SECONDS * 10**9 else ""

    return Kind(why, cure)


def one_of(names: tuple[str, ...], what: str) -> Kind:
    """A mapping with these keys only, and something for each."""

    def why(value: Any) -> str:
        if not isinstance(value, Mapping):
            return "is not a mapping"
        unknown = [show_key(key) for key in value if key not in names]
        if unknown:
            return f"has {unknown[0]}, which is not {what}"
        return "".join(f"has nothing for {key}" for key in [key for key in value if value[key] is None][:1])

    return Kind(why, f"any of: {', '.join(names)}")
