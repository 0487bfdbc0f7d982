# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an inventory, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

SECRET = re.compile(r"passw|passphrase|pass$|pwd|secret(_|$)|token|(^|_)key$|webhook|credential", re.IGNORECASE)
HIDDEN = "(not shown)"


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

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.where}: {self.variable}{value}\n    problem: {self.problem}\n    cure:    {self.cure}"


def summary(problems: Collection[Problem]) -> str:
    """How many there are, in a sentence."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    whose = "What was asked for" if all(problem.where == "-e" for problem in problems) else "The inventory"
    return f"{whose} has {count}; nothing was changed."
