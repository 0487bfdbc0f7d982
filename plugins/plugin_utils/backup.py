# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of archives, and which of them stay. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime


def archive_name(volume: str, now: datetime) -> str:
    """What an archive of a volume is called, made ``now`` (UTC)."""
    return f"{volume}-{now:%Y%m%dT%H%M%SZ}.tar"


def archives(names: Iterable[str], volume: str) -> list[str]:
    """The archives of a volume among a folder's names, oldest first."""
    pattern = re.compile(rf"{re.escape(volume)}-\d{{8}}T\d{{6}}Z\.tar")
    return sorted(name for name in names if pattern.fullmatch(name))


def surplus(names: Iterable[str], volume: str, keep: int) -> list[str]:
    """The archives that go, so that the newest ``keep`` stay; 0 keeps all."""
    found = archives(names, volume)
    return found[:-keep] if keep > 0 else []
