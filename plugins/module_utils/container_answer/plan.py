# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it means that a container answers, does not answer yet, or never will. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# As with the tasks of a rollout: what died so often is not waited for any longer.
DEATHS = 3
# So many looks in a row (3 s) at a container that neither runs nor is about to: a restart by hand passes by in fewer.
LOOKS_GONE = 8
_ALIVE = ("running", "restarting", "paused")
# Of a log, how many lines are shown. Frames of a Java program's stack are none of them: they hide the line above them,
# which says what is wrong.
LOG_LINES = 20
_FRAME = re.compile(r"\s+(at \S.*\([^()]*\)|\.\.\. \d+ (more|common frames omitted))\s*")


@dataclass(frozen=True)
class Seen:
    """One look.

    ``state``: of the container, as Docker says it; ``absent`` when there is none. ``deaths``: how often it was
    restarted after its end. ``exit_code``: of its last end, None where that is not known (Docker forgets it when it
    starts the container again). ``status``: of the HTTP answer, 0 for none; ``problem``: why there was none.
    """

    state: str
    deaths: int = 0
    exit_code: int | None = None
    status: int = 0
    problem: str = ""

    @property
    def lives(self) -> bool:
        return self.state in _ALIVE


def parse_container(container: Mapping[str, Any] | None) -> Seen:
    """``GET /containers/<name>/json``, before it was asked anything."""
    if container is None:
        return Seen("absent")
    state = container["State"]
    exit_code = None if state["Status"] == "running" else int(state.get("ExitCode") or 0)
    return Seen(str(state["Status"]), int(container.get("RestartCount") or 0), exit_code)


def describe(container: str, seen: Seen, wanted: int) -> str:
    """A line for the operator."""
    if seen.status == wanted:
        return f"container {container}: running, answers with {wanted}"
    state = "starting" if seen.state == "running" else seen.state
    if seen.deaths:
        state += f", died {seen.deaths} times"
    if seen.exit_code is not None:
        state += f", last with exit code {seen.exit_code}"
    answer = f"answers with {seen.status}, not yet with {wanted}" if seen.status else f"no answer yet ({seen.problem})"
    return f"container {container}: {state}, {answer}"


def is_hopeless(seen: Seen, looks_gone: int) -> bool:
    """Whether it will never answer. ``looks_gone``: so many looks in a row, this one too, it was not alive."""
    return seen.deaths >= DEATHS or looks_gone >= LOOKS_GONE


def last_words(log: str) -> list[str]:
    """The last lines of a log, without those that only say where in a program something happened."""
    return [line for line in log.strip().splitlines() if not _FRAME.fullmatch(line)][-LOG_LINES:]


def quoted(log: str, beginning: str) -> list[str]:
    """What a container says to the operator: the lines that begin so, without that, each once."""
    lines = (line[len(beginning) :].strip() for line in log.splitlines() if line.startswith(beginning))
    return list(dict.fromkeys(lines))


def failure(container: str, url: str, seen: Seen, wanted: int, *, seconds: float, hopeless: bool, log: str) -> str:
    """Why the wait is over, what was last seen, and what the container wrote last."""
    why = f"Given up after {seconds:.0f} s: it does not stay up" if hopeless else f"Not there after {seconds:.0f} s"
    lines = [
        f"container {container} was to answer {url} with {wanted}. {why}. Seen last: "
        f"{describe(container, seen, wanted)}",
        *(f"    log: {line}" for line in last_words(log)),
        f"Look at docker logs {container}, mend what it says, and run it again",
    ]
    return "\n".join(lines)
