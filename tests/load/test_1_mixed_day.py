"""A day with all that comes up: what history says of it is what happened, and what runs is what it says."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.fungap.swarm.plugins.module_utils.core.digest import secret_digest

from ..load.live import APP, Live, kill_job, kill_tree
from ..steps import tell
from ..waiting import wait_for
from .test_3_rollout_failures import QUICK, as_before, ok, runs

CRASH = """CMD ["node", "-e", "console.error('no database'); process.exit(3)"]"""
# More than the default, so that the whole day can be seen.
KEEP = 40


@dataclass
class Day:
    """What was done, and what ought to be in force: (image in the registry, ROUND, digest of the env file)."""

    live: Live
    lines: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    states: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def good(self, verb: str, reason: str, **values: Any) -> int:
        """A run that changes what runs; the number of its revision."""
        ok(self.live.operate(verb, reason=reason, app_keep=KEEP, **values))
        return self._note(verb, "converged", reason)

    def bad(self, verdict: str, reason: str, **values: Any) -> None:
        run = self.live.operate("deploy", reason=reason, app_keep=KEEP, **values)
        assert run.code != 0, run.output[-3000:]
        self._note("deploy", verdict, reason)

    def _note(self, verb: str, verdict: str, reason: str) -> int:
        record = self.live.revision()
        release = record["release"]
        digest, env = release["image"].rpartition("sha256:")[2][:12], release["env"]["digest"]
        self.lines.insert(0, (verb, digest, env, verdict, reason))
        if verdict == "converged":
            self.states[record["revision"]] = self.state()
        return int(record["revision"])

    def state(self) -> tuple[str, str, str]:
        """What the swarm runs, by the service itself."""
        container = self.live.service()["Spec"]["TaskTemplate"]["ContainerSpec"]
        environment = dict(line.split("=", 1) for line in container.get("Env") or [])
        (volume,) = [mount["Source"] for mount in container["Mounts"] if "_env_" in mount["Source"]]
        return container["Image"], environment.get("ROUND", ""), volume


def history(live: Live) -> list[list[str]]:
    """The lines of the table that history.yml prints, in its columns."""
    output = live.play("playbooks/history.yml", "-e", f"app={APP}").output
    lines = (re.split(r" {2,}", line.strip()) for line in output.splitlines())
    return [line for line in lines if len(line) >= 6 and re.fullmatch(r"\d+( \*)?", line[0])]


@pytest.fixture
def quick(live: Live) -> Iterator[None]:
    """The app with short times; those of the inventory are back afterwards."""
    ok(live.operate("deploy", settings=QUICK, app_keep=KEEP))
    yield
    ok(live.operate("deploy", settings=as_before(live), reason="the inventory's again"))


@pytest.mark.usefixtures("quick")
def test_history_after_a_mixed_day(live: Live) -> None:
    day, before = Day(live), live.revision()["revision"]
    images = [live.image_from(f"day{number}", f"ENV APP_VERSION={number}.0.0") for number in (8, 9)]

    def another_round(number: int) -> int:
        return day.good("deploy", f"round {number}", settings={"environment": {"ROUND": str(number)}})

    first = day.good("deploy", "morning", image=images[0])
    second = another_round(2)
    third = another_round(3)
    day.bad("rolled back", "no database", image=live.image_from("day-broken", CRASH))
    assert day.state() == day.states[third]
    back = day.good("rollback", "it was slow", to=second)
    assert day.states[back] == day.states[second]
    another_round(4)
    content = "GREETING=Good evening\n"
    day.good("deploy", "another greeting", env_file=live.env_file(content))
    assert day.lines[0][2] == secret_digest(content.encode())
    fifth = another_round(5)
    sixth = another_round(6)
    last_healthy = day.good("rollback", "the one before")
    assert day.states[last_healthy] == day.states[fifth]
    day.bad("stuck", "no such disk", settings={"constraints": ["node.labels.disk == fast"]}, app_deadline_seconds=6)
    assert day.state() == day.states[fifth]
    running = live.start("deploy", image=images[1], reason="killed", app_keep=KEEP)
    wait_for("the update to begin", lambda: live.image() != day.states[fifth][0])
    kill_tree(running.process.pid)
    kill_job(live)
    running.wait()
    seventh = day.good("deploy", "once more", image=images[1])
    another_round(7)
    another_round(8)
    to_the_first = day.good("rollback", "all of it", to=first)
    assert day.states[to_the_first] == day.states[first]
    last = day.good("deploy", "evening", settings={"environment": {"ROUND": "9"}})
    assert len({day.states[number] for number in (first, second, third, fifth, sixth, seventh, last)}) == 7

    counted = [(kind, verdict) for kind, _, _, verdict, _ in day.lines]
    assert counted.count(("deploy", "converged")) == 11  # ten, and the env file
    assert counted.count(("rollback", "converged")) == 3
    assert len(counted) == 16

    table = history(live)
    tell("\n".join("  ".join(line) for line in table))
    today = [line for line in table if int(line[0].removesuffix(" *")) > before]
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    seen = []
    for line in today:
        _number, _when, kind, person, image, env, verdict, why = line
        assert person == who
        seen.append((kind, image.rpartition(" ")[2], env, verdict, why))
    assert seen == day.lines
    assert [line[0] for line in table if line[0].endswith("*")] == [f"{last} *"]
    whens = [line[1] for line in today]
    assert whens == sorted(whens, reverse=True)
    assert day.state() == day.states[last]
    assert runs(live, day.states[last][0])
