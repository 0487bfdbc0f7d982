# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an inventory, in words for the person who wrote it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

# What is called so is hidden, whatever it is. A name is never the reason why something is shown.
SECRET = re.compile(r"passw|passphrase|pass$|pwd|secret(_|$)|token|(^|_)key$|webhook|credential", re.IGNORECASE)
# Longer ones are none that somebody wrote by hand.
SHOWN_MAX, KEY_MAX = 200, 64
NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?"
# The texts that are no secret whatever variable they are put into: a number, an amount with its unit, ports, an
# address, a path below a folder that every machine has, and a file with a known ending. A word is not one of them, nor
# a host's name: a token is made of letters, digits and dots, too.
ENDINGS = "cer|cfg|conf|crt|env|gz|ini|json|key|pem|tar|txt|ya?ml|zst"
CLOSED = re.compile(
    rf"({NUMBER} ?(ns|us|ms|[smhdwy]|[kmgtp]?i?b?|(milli)?seconds?|minutes?|hours?|days?|weeks?|years?|percent|%"
    r"|(kilo|mega|giga|tera|kibi|mebi|gibi|tebi)?bytes?)"
    r"|([0-9]{1,3}(\.[0-9]{1,3}){3}:)?[0-9]{1,5}(-[0-9]{1,5})?(:[0-9]{1,5}(-[0-9]{1,5})?)?(/(tcp|udp|sctp))?"
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?(/[0-9]{1,3})?"
    rf"|[~.]{{0,2}}/?([A-Za-z0-9_.-]+/+)*[A-Za-z0-9_-][A-Za-z0-9_.-]*\.({ENDINGS})"
    r"|/+(bin|boot|dev|etc|home|lib|lib32|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)(/+[A-Za-z0-9._+-]*)*"
    r"|/)\Z",
    re.IGNORECASE,
)
KEY = re.compile(r"[A-Za-z0-9._/-]+\Z")
# Shorter texts are hidden where they are the whole of something: in a sentence, they are parts of words.
SECRET_LENGTH = 4


class Harmless(str):
    """A text that is shown whatever it looks like.

    A machine's word; a name of what the inventory has; a value that its check found right for what all may see (a
    host name, a folder, an image); one of ours.
    """


HIDDEN = Harmless("(not shown)")


def is_beyond(value: Any) -> bool:
    """Whether it is an integer of more than 64 bits: Python may fail where it writes or divides one."""
    return isinstance(value, int) and value.bit_length() > 64


def listed(names: Iterable[str]) -> Harmless:
    """Names of hosts, networks, ...: what was read as such, or a machine says."""
    return Harmless(", ".join(names))


def texts_of(value: Any) -> Iterator[str]:
    """Every text and number in a value, as texts. A mapping's keys are names of ours, and no secrets."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def hide(text: str, secrets: Collection[str]) -> str:
    """A text in which no secret can be read, nor a secret as ``show`` writes it."""
    written = {*secrets, *(" ".join(secret.split()) for secret in secrets)} - {""}
    for secret in sorted(written, key=len, reverse=True):
        if text == secret:
            return HIDDEN
        if len(secret) >= SECRET_LENGTH:
            text = text.replace(secret, HIDDEN)
    return text


def such_as(example: object) -> str:
    """The end of a cure that names an example; '' without one."""
    return f", as {example}" if example else ""


def show(value: Any) -> Harmless:
    """A value as it is written in an inventory, where it is known to be harmless: whole, or not at all.

    A mapping, a list and any other text may hold anything, whatever the variable is called.
    """
    if isinstance(value, Harmless):
        return value
    if value is None:
        return Harmless("")
    if isinstance(value, bool):
        return Harmless(str(value).lower())
    if isinstance(value, (int, float)):
        return Harmless(value)
    text = " ".join(str(value).split())
    is_closed = isinstance(value, str) and len(text) <= SHOWN_MAX and (CLOSED.match(text) or _is_address(text))
    return Harmless(text) if is_closed or not text else HIDDEN


def show_key(key: Any) -> Harmless:
    """A mapping's key, which names a part of a variable."""
    is_name = isinstance(key, str) and len(key) <= KEY_MAX and KEY.match(key)
    return Harmless(key) if is_name else show(key)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, order=True)
class Problem:
    """``where``: hosts or a group; ``value``: any, and shown as ``show`` gives it ('' when there is none).

    ``cure``: what to do. ``kind``: of verbs.py, which says which verbs it blocks.
    """

    where: str
    variable: str
    value: Any
    problem: str
    cure: str
    kind: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", show(self.value))

    @property
    def line(self) -> str:
        """The same on one line."""
        value = f" = {self.value}" if self.value else ""
        return f"{self.where}: {self.variable}{value} {self.problem}; cure: {self.cure}"

    def without(self, secrets: Collection[str]) -> Problem:
        """The same without a secret in it."""
        value, problem, cure = (hide(text, secrets) for text in (self.value, self.problem, self.cure))
        return replace(self, value=Harmless(value), problem=problem, cure=cure)

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.where}: {self.variable}{value}\n    problem: {self.problem}\n    cure:    {self.cure}"


def summary(problems: Collection[Problem]) -> str:
    """How many there are, in a sentence."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    whose = "What was asked for" if all(problem.where == "-e" for problem in problems) else "The inventory"
    return f"{whose} has {count}; nothing was changed."
