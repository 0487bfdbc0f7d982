# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apps want to run on schedule, and what has come of it so far. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

Json = Mapping[str, Any]

STACK_LABEL = "com.docker.stack.namespace"
# Of an app's service: its schedules, as JSON.
SCHEDULES_LABEL = "io.fungap.cron"
# Of the config that remembers a schedule: whose it is, and what has come of it.
OWNER_LABEL, STATE_LABEL = "io.fungap.cron.owner", "io.fungap.cron.state"
# Of the service that is made for one slot.
RUN_LABEL, SLOT_LABEL = "io.fungap.cron.run", "io.fungap.cron.slot"

SUCCEEDED, FAILED, MISSED, SKIPPED = "succeeded", "failed", "missed", "skipped"
RESULTS = (SUCCEEDED, FAILED, MISSED, SKIPPED)
# How many of a schedule's ends are told by the history.
KEPT_ENTRIES = 10


@dataclass(frozen=True)
class Schedule:
    """An entry of an app's ``cron``. ``service``: the ID of the service whose image and environment it gets."""

    app: str
    name: str
    service: str
    expression: str
    timezone: str
    command: tuple[str, ...]
    overlap: str
    deadline_seconds: float

    @property
    def owner(self) -> str:
        return f"{self.app}/{self.name}"

    @property
    def timing(self) -> str:
        """What says when it runs. With another one, what is past is nobody's slot."""
        return f"{self.expression} {self.timezone}"

    @property
    def said(self) -> str:
        """The command as a person types it."""
        return shlex.join(self.command)

    def service_name(self, slot: int) -> str:
        """Swarm has one service of a name: so a slot is run once, however many there are who would run it."""
        return f"{self.app}_jobs_cron-{self.name}-{slot}"


@dataclass(frozen=True)
class Entry:
    """A line of the history. ``slot``: Unix time. ``seconds``: how long it took."""

    slot: int
    result: str
    detail: str
    what: str
    seconds: float = 0


@dataclass(frozen=True)
class State:
    """What has come of a schedule. All times are Unix times.

    ``through``: each slot up to that one is decided. ``open``: those of them whose run has not ended. ``upcoming``: the
    next slot, 0 for none. ``counts``, ``last``: by result; when it was last.
    """

    timing: str
    through: int
    upcoming: int = 0
    open: tuple[int, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, int] = field(default_factory=dict)
    history: tuple[Entry, ...] = ()

    def told(self, entry: Entry, at: int, count: int = 1) -> State:
        """With one more end."""
        return replace(
            self,
            open=tuple(slot for slot in self.open if slot != entry.slot),
            counts={**self.counts, entry.result: self.counts.get(entry.result, 0) + count},
            last={**self.last, entry.result: at},
            history=(*self.history, entry)[-KEPT_ENTRIES:],
        )

    def dump(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Run:
    """The service of one slot. ``result``: "" as long as it runs. ``ended``: Unix time."""

    slot: int
    service: str
    created: float
    result: str
    detail: str
    ended: float = 0


def parse_schedules(services: Iterable[Json]) -> Iterator[Schedule]:
    """From the services that carry ``SCHEDULES_LABEL``. What can't be read is none: nobody but us writes it."""
    for service in services:
        labels = service["Spec"].get("Labels") or {}
        for name, said in json.loads(labels[SCHEDULES_LABEL]).items():
            yield Schedule(
                app=labels.get(STACK_LABEL, ""),
                name=name,
                service=service["ID"],
                expression=said["schedule"],
                timezone=said["timezone"],
                command=tuple(said["command"]),
                overlap=said["overlap"],
                deadline_seconds=float(said["deadline_seconds"]),
            )


def parse_states(configs: Iterable[Json]) -> dict[str, State]:
    """By owner, from the configs that carry ``STATE_LABEL``."""
    return {
        config["Spec"]["Labels"][OWNER_LABEL]: parse_state(config["Spec"]["Labels"][STATE_LABEL]) for config in configs
    }


def parse_state(text: str) -> State:
    found = json.loads(text)
    history = tuple(Entry(**entry) for entry in found.pop("history"))
    return State(**{**found, "open": tuple(found["open"]), "history": history})


def orphans(schedules: Sequence[Schedule], states: Iterable[str]) -> list[str]:
    """The owners that nobody schedules any more."""
    return sorted(set(states) - {schedule.owner for schedule in schedules})
