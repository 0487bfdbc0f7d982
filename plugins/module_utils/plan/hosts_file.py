# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One owner's entry in the text of a hosts file (hosts(5)), between two comments that name the owner."""

from __future__ import annotations


def with_entry(text: str, owner: str, entry: str) -> str:
    """``text`` with the owner's entry (``address name ...``) in its place, or at the end; "": without it.

    A comment that has lost the other one is left as it is: what follows it may be anybody's.
    """
    begin, end = f"# BEGIN {owner}", f"# END {owner}"
    lines = text.splitlines()
    block = [begin, entry, end] if entry else []
    first = max((number for number, line in enumerate(lines) if line == begin), default=len(lines))
    last = next((number for number, line in enumerate(lines) if line == end and number > first), None)
    if last is None:
        lines += block
    else:
        lines[first : last + 1] = block
    return "".join(f"{line}\n" for line in lines)
