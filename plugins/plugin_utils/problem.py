# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an inventory, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

SECRET = re.compile(r"passw|passphrase|pass$|pwd|secret(_|$)|token|(^|_)key$|webhook|credential", re.IGNORECASE)
# A longer one is none that somebody wrote by hand.
SHOWN_MAX = 200
# What a text looks like that may be shown: a name, an address, a path or a size; with ports; a host with its scheme.
# A login, a query, a variable with its value, a command and a sentence don't look like any of them.
PLAIN = re.compile(
    r"([A-Za-z0-9._/~+-]+(:[0-9]{1,5}){0,2}(/(tcp|udp|sctp))?"
    r"|[0-9A-Fa-f]*(:[0-9A-Fa-f.]*){2,}(/[0-9]{1,3})?"
    r"|[0-9]+(\.[0-9]+)? [A-Za-z]{1,10}"
    r"|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?)\Z"
)
# Shorter texts are hidden where they are the whole of something: in a sentence, they are parts of words.
SECRET_LENGTH = 4


class Harmless(str):
    """A text that is shown whatever it looks like: a machine's word, or made of what was looked at already."""


HIDDEN = Harmless("(not shown)")


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

    A mapping, a list and a text that is not plain may hold anything.
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
    is_plain = isinstance(value, str) and len(text) <= SHOWN_MAX and PLAIN.match(text)
    return Harmless(text) if is_plain or not text else HIDDEN


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
