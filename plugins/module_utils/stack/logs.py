# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of services' logs, as the Engine API gives them with details and timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

Json = Mapping[str, Any]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+)([smhd])")
_DETAIL = "com.docker.swarm."
# What would move a terminal's cursor or change its colours.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, order=True)
class LogLine:
    """``when``: RFC 3339, in UTC. ``task``: service and slot, or service and node of a global one."""

    when: str
    task: str
    node: str
    text: str


def parse_duration(text: str) -> int:
    """'10m' or '1h30m' in seconds."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise PlatformError(f"since is {text!r}: use a number with s, m, h or d, as 10m or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def task_names(services: Iterable[Json], tasks: Iterable[Json], nodes: Mapping[str, str]) -> dict[str, str]:
    """Task id -> web.1, or proxy.manager1 of a global service. ``nodes``: id -> name."""
    names = {}
    for service in services:
        stack = (service["Spec"].get("Labels") or {}).get("com.docker.stack.namespace", "")
        names[service["ID"]] = service["Spec"]["Name"].removeprefix(f"{stack}_")
    return {
        task["ID"]: f"{names[task['ServiceID']]}.{task.get('Slot') or nodes.get(task.get('NodeID') or '', '?')}"
        for task in tasks
        if task.get("ServiceID") in names
    }


def parse_line(line: str, tasks: Mapping[str, str], nodes: Mapping[str, str]) -> LogLine | None:
    """One line; None for what is none. ``tasks``, ``nodes``: id -> name; what has no name keeps a piece of its id."""
    when, _space, rest = line.rstrip("\r\n").partition(" ")
    details, _space, text = rest.partition(" ")
    if _DETAIL not in details:
        return None
    known = dict(part.partition("=")[::2] for part in details.split(","))
    task, node = (known.get(f"{_DETAIL}{kind}.id", "") for kind in ("task", "node"))
    return LogLine(when, tasks.get(task, task[:12]), nodes.get(node, node[:12]), _CONTROL.sub("", text))


def problem_in(line: str) -> str:
    """What the engine says, instead of a line, of nodes whose logs it has not got; '' for a line.

    By moby's api/server/httputils/write_log_stream.go, v20.10.24 and v29.1.0.
    """
    return line.strip() if line.startswith("Error grabbing logs: ") else ""


def latest(lines: Iterable[LogLine], count: int) -> list[LogLine]:
    """The last ``count`` lines of all, the oldest first."""
    return sorted(lines)[-count:]
