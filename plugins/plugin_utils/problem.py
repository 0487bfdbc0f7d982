# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an inventory, in words for the person who wrote it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import harmless

# What is called so is hidden, whatever it is. A name is never the reason why something is shown.
SECRET = re.compile(r"passw|passphrase|pass$|pwd|secret(_|$)|token|(^|_)key$|webhook|credential", re.IGNORECASE)
# Shorter texts are hidden where they are the whole of something: in a sentence, they are parts of words.
SECRET_LENGTH = 4


class Harmless(str):
    """A text that is shown whatever it looks like.

    A machine's word; a name of what the inventory has; a value that its check found right for what all may see (a
    host name, a folder, an image); one of ours.
    """


HIDDEN = Harmless(harmless.HIDDEN)


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
    """A text in which no secret can be read, nor a secret or a part of one as it is read and shown."""
    written = {one for secret in secrets for one in _readings(secret)} - {""}
    for secret in sorted(written, key=len, reverse=True):
        if text == secret:
            return HIDDEN
        if len(secret) >= SECRET_LENGTH:
            text = text.replace(secret, HIDDEN)
    return text


def _readings(secret: str) -> set[str]:
    """A text, what ``show`` makes of it, the elements of a list that it is read as, and a folder without its slash."""
    elements = {secret, *(one.strip() for one in secret.split(","))}
    paths = {posixpath.normpath(one) for one in elements if "/" in one}
    return {*elements, *paths, " ".join(secret.split())}


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
    is_closed = isinstance(value, str) and harmless.is_harmless(text)
    return Harmless(text) if is_closed or not text else HIDDEN


def show_key(key: Any) -> Harmless:
    """A mapping's key, which names a part of a variable."""
    return Harmless(key) if isinstance(key, str) and harmless.is_name(key) else show(key)


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
