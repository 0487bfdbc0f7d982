# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One owner's entry in the text of a hosts file (hosts(5)), between two comments that name the owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BEGIN, END = "# BEGIN ", "# END "


@dataclass(frozen=True)
class Line:
    """A line of a hosts file that gives names to an address. ``owner``: of the entry that it stands in, or ''."""

    address: str
    names: tuple[str, ...]
    owner: str = ""


def parse_lines(text: str) -> list[Line]:
    """The lines that give names, in their order. A comment that has lost the other one names no owner."""
    lines = text.splitlines()
    found, owner = [], ""
    for number, line in enumerate(lines):
        if line.startswith(BEGIN) and f"{END}{line.removeprefix(BEGIN)}" in lines[number:]:
            owner = line.removeprefix(BEGIN)
        elif line == f"{END}{owner}":
            owner = ""
        fields = line.split("#", 1)[0].split()
        if len(fields) > 1:
            found.append(Line(fields[0], tuple(fields[1:]), owner))
    return found


def clashes(lines: Iterable[Line], owner: str, address: str, name: str) -> list[Line]:
    """The lines of others that give a name another address."""
    return [line for line in lines if name in line.names and line.owner != owner and line.address != address]


def with_entry(text: str, owner: str, entry: str) -> str:
    """``text`` with the owner's entry (``address name ...``) in its place, or at the end; "": without it.

    A comment that has lost the other one is left as it is: what follows it may be anybody's.
    """
    begin, end = f"{BEGIN}{owner}", f"{END}{owner}"
    lines = text.splitlines()
    block = [begin, entry, end] if entry else []
    first = max((number for number, line in enumerate(lines) if line == begin), default=len(lines))
    last = next((number for number, line in enumerate(lines) if line == end and number > first), None)
    if last is None:
        lines += block
    else:
        lines[first : last + 1] = block
    return "".join(f"{line}\n" for line in lines)
