# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an inventory, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

SECRET = re.compile(r"passw|passphrase|pass$|pwd|secret(_|$)|token|(^|_)key$|webhook|credential", re.IGNORECASE)
HIDDEN = "(not shown)"


# Shorter texts are hidden where they are the whole of something: in a sentence, they are parts of words.
SECRET_LENGTH = 4


def texts_of(value: Any) -> Iterator[str]:
    """Every text and number in a value, as texts."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def hide(text: str, secrets: Collection[str]) -> str:
    """A text in which no secret can be read, nor a secret as ``show`` writes it."""
    for secret in sorted({*secrets, *map(show, secrets)} - {""}, key=len, reverse=True):
        if text == secret:
            return HIDDEN
        if len(secret) >= SECRET_LENGTH:
            # Of a long one the beginning is shown.
            text = text.replace(secret, HIDDEN).replace(secret.removesuffix("..."), HIDDEN)
    return text


def show(value: Any) -> str:
    """A value as it is written in an inventory, on one line and not too long."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        text = f"[{', '.join(map(show, value))}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join(f'{key}: {show(item)}' for key, item in value.items() if not SECRET.search(str(key)))}}}"
    else:
        text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."


@dataclass(frozen=True, order=True)
class Problem:
    """``where``: hosts or a group; ``value``: as ``show`` gives it ('' when there is none); ``cure``: what to do.

    ``kind``: of verbs.py, which says which verbs it blocks.
    """

    where: str
    variable: str
    value: str
    problem: str
    cure: str
    kind: str = ""

    @property
    def line(self) -> str:
        """The same on one line."""
        value = f" = {self.value}" if self.value else ""
        return f"{self.where}: {self.variable}{value} {self.problem}; cure: {self.cure}"

    def without(self, secrets: Collection[str]) -> Problem:
        """The same without a secret in it."""
        value, problem, cure = (hide(text, secrets) for text in (self.value, self.problem, self.cure))
        return replace(self, value=value, problem=problem, cure=cure)

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.where}: {self.variable}{value}\n    problem: {self.problem}\n    cure:    {self.cure}"


def summary(problems: Collection[Problem]) -> str:
    """How many there are, in a sentence."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    whose = "What was asked for" if all(problem.where == "-e" for problem in problems) else "The inventory"
    return f"{whose} has {count}; nothing was changed."
