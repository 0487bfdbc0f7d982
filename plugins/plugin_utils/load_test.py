# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load test's results: for a person, and as files. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.load_test.model import Measured
from ansible_collections.fungap.swarm.plugins.plugin_utils.status import table

HEAD = ("STEP", "USERS", "REQUESTS", "ERRORS", "RATE", "MEAN", "P50", "P95", "MAX", "CPU")


def rows(results: Iterable[Measured]) -> list[dict[str, Any]]:
    """A row for each step, in plain numbers: times in seconds, CPU in percent or None."""
    return [
        {
            "step": number,
            "users": one.step.users,
            "ramp_seconds": one.step.ramp_seconds,
            "loops": one.step.loops,
            "requests": one.step.requests,
            "errors": one.errors,
            "seconds": round(one.end - one.begin, 2),
            "rate": round(one.rate, 1),
            "mean_seconds": round(one.mean_seconds, 3),
            "p50_seconds": round(one.p50_seconds, 3),
            "p95_seconds": round(one.p95_seconds, 3),
            "max_seconds": round(one.max_seconds, 3),
            "cpu_percent": None if one.cpu is None else round(one.cpu * 100, 1),
        }
        for number, one in enumerate(results, 1)
    ]


def lines(results: Sequence[Measured]) -> list[str]:
    """The table, and what made requests fail."""
    shown = table(
        HEAD,
        (
            (
                row["step"],
                row["users"],
                row["requests"],
                row["errors"],
                f"{row['rate']:.1f}/s",
                *(f"{row[key]:.2f} s" for key in ("mean_seconds", "p50_seconds", "p95_seconds", "max_seconds")),
                "-" if row["cpu_percent"] is None else f"{row['cpu_percent']:.0f} %",
            )
            for row in rows(results)
        ),
    )
    for number, one in enumerate(results, 1):
        shown += [f"! step {number}: {count} x {cause}" for cause, count in sorted(one.causes.items())]
        if one.client_short_of_cpu:
            shown.append(
                f"! step {number}: the load's own machine was short of CPU; its times are longer than the app's"
            )
    return shown


def as_csv(results: Sequence[Measured]) -> str:
    """The rows with a head."""
    found = rows(results)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()
