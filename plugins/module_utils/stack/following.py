# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks of a service say that they serve, which take it up while they run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Written by roles/proxy/files/follow.sh; each line of a reason begins with it.
_REASON = "| "


@dataclass(frozen=True)
class Told:
    """What one task says. ``refused``: the version that it does not take up, and ``reason`` why; empty: none."""

    node: str
    serves: str = ""
    refused: str = ""
    reason: str = ""


def parse_told(text: str) -> dict[str, Told]:
    """Task's ID -> what it says. ``text``: of each task, a line ``task <ID>`` and what it has told."""
    found: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, _space, value = line.partition(" ")
        if key == "task":
            values = found.setdefault(value, {})
        elif line.startswith(_REASON):
            values["reason"] = f"{values['reason']}\n{value}" if "reason" in values else value
        elif key in ("node", "serves", "refused"):
            values[key] = value
    return {task: Told(**{"node": "", **told}) for task, told in found.items()}


def doubt_of(version: str, running: Iterable[str], told: Mapping[str, Told]) -> tuple[str, bool]:
    """Why not all ``running`` tasks serve the version, empty if they do; and whether they never will.

    Every task is given the time to say so, for the sake of the verdict.
    """
    running = list(running)
    known = [told[task] for task in running if task in told]
    if len(known) == len(running) and all(one.serves == version for one in known):
        return "", False
    refusals = [one for one in known if one.refused == version]
    pending = [one for one in known if one.serves != version and one not in refusals]
    silent = len(running) - len(known)
    parts = [f"{serving(known)} (wanted: {version})" if known else f"nobody has told yet whether it serves {version}"]
    parts += [f"{silent} of the tasks have told nothing"] if silent and known else []
    parts += [f"{one.node} refuses {version}: {' '.join(one.reason.split())}" for one in refusals]
    return "; ".join(parts), bool(refusals) and not silent and not pending


def serving(told: Iterable[Told]) -> str:
    """Which version each node serves, in words."""
    nodes: dict[str, list[str]] = {}
    for one in told:
        nodes.setdefault(one.serves or "nothing", []).append(one.node)
    return ", ".join(
        f"{' '.join(sorted(names))} serve{'s' * (len(names) == 1)} {version}"
        for version, names in sorted(nodes.items())
    )
