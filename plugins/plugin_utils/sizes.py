# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes as Docker writes them. Pure."""

from __future__ import annotations

import re

SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]+)?) ?(?:b|([kmgt])(?:i?b)?)?", re.IGNORECASE)


def bytes_of(size: str) -> int | None:
    """'128M' in bytes, None when it can't be read, or is more than the 63 bits that Docker counts in."""
    match = SIZE.fullmatch(size)
    found = int(float(match.group(1)) * 1024 ** "bkmgt".index((match.group(2) or "b").lower())) if match else 2**63
    return found if found < 2**63 else None
