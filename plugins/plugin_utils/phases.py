# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the time of a run went: a record of tasks, and the table that says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Span:
    """One task of a run, on all hosts together. ``phase``: its role, empty where it belongs to none."""

    play: str
    phase: str
    task: str
    seconds: float


class Stopwatch:
    """Times tasks that follow each other: each ends where the next one, or the run, begins its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.spans: list[Span] = []
        self._clock = clock
        self._current: tuple[str, str, str, float] | None = None

    def start(self, play: str, phase: str, task: str) -> None:
        self.stop()
        self._current = (play, phase, task, self._clock())

    def stop(self) -> None:
        if self._current:
            play, phase, task, began = self._current
            self.spans.append(Span(play, phase, task, self._clock() - began))
            self._current = None


def table(spans: Sequence[Span], slowest: int) -> Iterator[str]:
    """Lines for a person: seconds by play, by role where a play has several, and the slowest tasks."""
    yield "seconds  phase"
    for play, of_play in groupby(spans, key=lambda span: span.play):
        tasks = list(of_play)
        yield _line(sum(span.seconds for span in tasks), play)
        phases: dict[str, float] = {}
        for span in tasks:
            phases[span.phase] = phases.get(span.phase, 0) + span.seconds
        if len(phases) > 1:
            for phase, seconds in phases.items():
                if phase:
                    yield _line(seconds, f"  {phase}")
    yield _line(sum(span.seconds for span in spans), "in all")
    longest = sorted((span for span in spans if span.seconds >= 0.05), key=lambda span: -span.seconds)[:slowest]
    if longest:
        yield from ("", "seconds  slowest tasks")
        for span in longest:
            yield _line(span.seconds, f"{span.phase} : {span.task}" if span.phase else span.task)


def _line(seconds: float, what: str) -> str:
    return f"{seconds:7.1f}  {what}"
