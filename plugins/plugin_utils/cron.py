# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apps run on schedule: from their entries to what the scheduler reads. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import DEADLINE_SECONDS

# Of the catalog.
IMAGE = "swarm-exporter"
# The label of the app's service that the scheduler reads.
LABEL = "io.fungap.cron"
DEFAULTS = {"timezone": "UTC", "overlap": "forbid", "deadline_seconds": DEADLINE_SECONDS}
# A service has a name of 63 characters: <app>_jobs_cron-<name>-<Unix time>.
NAMES_MAX = 41


def labels(cron: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The label by which the scheduler finds an app's schedules: none for none. No task is started anew for it."""
    found = {
        name: {
            **DEFAULTS,
            **{key: value for key, value in one.items() if value is not None},
            "command": [_word(word) for word in _words(one["command"])],
        }
        for name, one in cron.items()
    }
    for one in found.values():
        one["deadline_seconds"] = float(one["deadline_seconds"])
    return {LABEL: json.dumps(found, sort_keys=True)} if found else {}


def _words(command: Any) -> list[Any]:
    return list(command) if isinstance(command, (list, tuple)) else [command]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def cron_wanted(apps: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of these entries, as they are in force, has a schedule."""
    return any(app.get("cron") for app in apps)


def wanted_images(apps: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the catalog's images that schedules need."""
    return (IMAGE,) if cron_wanted(apps) else ()
