# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy's access log: which of its lines are an app's requests."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True)
class Requests:
    """Those to an app by one host name. ``paths``, ``other_paths``: its own and other apps' there."""

    host: str
    paths: tuple[str, ...]
    other_paths: tuple[str, ...] = ()

    def have(self, request: Mapping[str, Any]) -> bool:
        """Whether a parsed line of the log is one of them. As in nginx the longest path counts."""
        path = _path(str(request.get("uri", "")))
        return request.get("host") == self.host and _longest(self.paths, path) > _longest(self.other_paths, path)


def parse_request(text: str) -> dict[str, Any]:
    """A line of the log; {} for what is none, as nginx's own messages."""
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def covers(path: str, other: str) -> bool:
    """Whether the other path is that one, or below it."""
    path, other = path.rstrip("/"), other.rstrip("/")
    return other == path or other.startswith(f"{path}/")


def _longest(paths: Iterable[str], path: str) -> int:
    """-1 where none covers it."""
    return max((len(one.rstrip("/")) for one in paths if covers(one, path)), default=-1)


def _path(uri: str) -> str:
    """What nginx chooses a place by: without escapes, dots and double slashes."""
    path = unquote(uri.partition("?")[0])
    return posixpath.normpath(f"/{path.lstrip('/')}")
