# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Prometheus is told of the schedules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from swarm_exporter.cron.model import RESULTS, SCHEDULES_LABEL, Json, State, parse_schedules
from swarm_exporter.metrics import Sample


def cron_samples(services: Iterable[Json], states: Mapping[str, State]) -> Iterator[Sample]:
    """Of each schedule that there is. The swarm remembers what is told: a change of the leader loses nothing."""
    scheduling = [one for one in services if SCHEDULES_LABEL in (one["Spec"].get("Labels") or {})]
    for schedule in parse_schedules(scheduling):
        labels, state = (schedule.app, schedule.name), states.get(schedule.owner)
        if state is None:
            continue
        for result in RESULTS:
            yield Sample("swarm_cron_runs_total", (*labels, result), state.counts.get(result, 0))
            yield Sample("swarm_cron_last_timestamp_seconds", (*labels, result), state.last.get(result, 0))
        yield Sample("swarm_cron_next_timestamp_seconds", labels, state.upcoming)
        yield Sample("swarm_cron_running", labels, len(state.open))
